//! What is told first, what is told again, and in which order.

use serde_json::Value;

use crate::config::NetworkConfig;

use super::*;
use crate::engine::settings::{SettingsOverrides, tests::plain};
use crate::model::catalog;
use crate::protocol::{
    AbsolutePathBuf, AskForApproval, CollaborationMode, ModeKind, Personality, SandboxPolicy, Settings,
};

fn clock() -> WallClock {
    WallClock {
        date: "2026-11-22".into(),
        timezone: "Etc/UTC".into(),
    }
}

/// The messages as `role: tag|tag`, a text of its own where there is no tag.
fn outline(messages: &[InputItem]) -> Vec<String> {
    let tag = |text: &str| match text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((tag, _)) => tag.to_owned(),
        None => text.chars().take(12).collect(),
    };
    messages
        .iter()
        .map(|message| {
            let message: Value = serde_json::from_str(message.get()).unwrap();
            let parts = message["content"].as_array().unwrap();
            let tags: Vec<String> = parts.iter().map(|part| tag(part["text"].as_str().unwrap())).collect();
            format!("{}: {}", message["role"].as_str().unwrap(), tags.join("|"))
        })
        .collect()
}

fn with<T>(settings: &TurnSettings, docs: &ProjectDocs, see: impl FnOnce(&Situation<'_>) -> T) -> T {
    let clock = clock();
    let model = catalog::bundled().find(&settings.model);
    let instructions = json_text(&instructions::base_instructions(&model, Some(Personality::Pragmatic)));
    see(&Situation {
        instructions: &instructions,
        instructions_given: false,
        settings,
        clock: &clock,
        model: &model,
        shell: "bash",
        project_docs: docs,
        approved_prefixes: &[],
        asks: Asks::default(),
        network: &NetworkConfig::default(),
        sections: &[],
        tell_permissions: true,
        tell_environment: true,
    })
}

fn changes(before: &TurnSettings, overrides: SettingsOverrides) -> Vec<String> {
    let told = before.to_turn_context("t", &clock(), None);
    let mut after = before.clone();
    after.apply(overrides);
    with(&after, &ProjectDocs::default(), |situation| {
        outline(&situation.changes(&told))
    })
}

fn mode(kind: ModeKind, model: &str, text: Option<&str>) -> Option<CollaborationMode> {
    Some(CollaborationMode {
        mode: kind,
        settings: Settings {
            model: model.into(),
            reasoning_effort: None,
            developer_instructions: text.map(str::to_owned),
        },
    })
}

#[test]
fn the_first_turn_is_told_everything() {
    let mut settings = plain("/w");
    let docs = ProjectDocs {
        sources: vec![],
        text: Some("x".into()),
    };
    let bare = with(&settings, &ProjectDocs::default(), |situation| {
        outline(&situation.initial(None))
    });
    assert_eq!(
        bare,
        ["developer: permissions instructions", "user: environment_context"]
    );
    settings.developer_instructions = Some("Be brief.".into());
    settings.apply(SettingsOverrides {
        collaboration_mode: mode(ModeKind::Plan, "m", None),
        ..SettingsOverrides::default()
    });
    let full = with(&settings, &docs, |situation| outline(&situation.initial(None)));
    assert_eq!(
        full,
        [
            "developer: permissions instructions|Be brief.|collaboration_mode",
            "user: # AGENTS.md |environment_context"
        ]
    );
}

#[test]
fn a_voice_is_told_unless_the_instructions_have_it() {
    let mut settings = plain("/w");
    settings.model = "gpt-5.4".into();
    settings.personality = Some(Personality::Friendly);
    settings.mode_instructions = Some("m".into());
    let docs = ProjectDocs::default();
    let told = with(&settings, &docs, |situation| {
        outline(&situation.initial(None)).remove(0)
    });
    assert_eq!(
        told,
        "developer: permissions instructions|collaboration_mode|personality_spec"
    );
    let given = with(&settings, &docs, |situation| {
        let given = Situation {
            instructions_given: true,
            ..*situation
        };
        outline(&given.initial(None)).remove(0)
    });
    settings.personality = Some(Personality::Pragmatic);
    let built_in = with(&settings, &docs, |situation| {
        outline(&situation.initial(None)).remove(0)
    });
    assert_eq!(
        (given.as_str(), built_in.as_str()),
        ("developer: permissions instructions|collaboration_mode", given.as_str())
    );
}

#[test]
fn the_environment_is_spelled_as_clients_know_it() {
    let settings = plain("/w");
    let text = with(&settings, &ProjectDocs::default(), |situation| situation.environment());
    assert_eq!(
        text.unwrap(),
        "<environment_context>\n  <cwd>/w</cwd>\n  <shell>bash</shell>\n  <current_date>2026-11-22</current_date>\n  \
         <timezone>Etc/UTC</timezone>\n</environment_context>"
    );
}

#[test]
fn later_turns_are_told_what_changed_in_order() {
    let mut settings = plain("/w");
    settings.model = "gpt-5.4".into();
    settings.personality = Some(Personality::Pragmatic);
    let none = SettingsOverrides::default;
    assert_eq!(changes(&settings, none()), Vec::<String>::new());
    let one = |overrides: SettingsOverrides| changes(&settings, overrides);
    let workspace = SandboxPolicy::WorkspaceWrite {
        exclude_slash_tmp: false,
        exclude_tmpdir_env_var: false,
        network_access: false,
        writable_roots: vec![],
    };
    let cwd = AbsolutePathBuf::new("/x");
    assert_eq!(
        one(SettingsOverrides {
            model: Some("zzz".into()),
            ..none()
        }),
        ["developer: model_switch"]
    );
    assert_eq!(
        one(SettingsOverrides {
            approval_policy: Some(AskForApproval::Never),
            ..none()
        }),
        ["developer: permissions instructions"]
    );
    assert_eq!(
        one(SettingsOverrides {
            cwd: cwd.clone(),
            ..none()
        }),
        ["user: environment_context"]
    );
    assert_eq!(
        one(SettingsOverrides {
            cwd: cwd.clone(),
            sandbox: Some(workspace.clone()),
            ..none()
        }),
        ["developer: permissions instructions", "user: environment_context"]
    );
    assert_eq!(
        one(SettingsOverrides {
            personality: Some(Personality::Friendly),
            ..none()
        }),
        ["developer: personality_spec"]
    );
    assert_eq!(
        one(SettingsOverrides {
            personality: Some(Personality::None),
            ..none()
        }),
        Vec::<String>::new()
    );
    assert_eq!(
        one(SettingsOverrides {
            personality: Some(Personality::Friendly),
            model: Some("gpt-5.5".into()),
            ..none()
        }),
        ["developer: model_switch"]
    );
    assert_eq!(
        one(SettingsOverrides {
            cwd: cwd.clone(),
            approval_policy: Some(AskForApproval::Never),
            collaboration_mode: mode(ModeKind::Plan, "gpt-5.5", None),
            personality: Some(Personality::Friendly),
            ..none()
        }),
        [
            "developer: model_switch|permissions instructions|collaboration_mode",
            "user: environment_context"
        ]
    );
    assert_eq!(
        one(SettingsOverrides {
            collaboration_mode: mode(ModeKind::Default, "gpt-5.4", Some("")),
            ..none()
        }),
        Vec::<String>::new()
    );
    settings.sandbox = workspace;
    assert_eq!(
        changes(
            &settings,
            SettingsOverrides {
                workspace_roots: Some(vec![cwd.clone().unwrap()]),
                ..none()
            }
        ),
        ["developer: permissions instructions"],
        "the section lists the roots"
    );
    assert_eq!(
        changes(&settings, SettingsOverrides { cwd, ..none() }),
        ["developer: permissions instructions", "user: environment_context"]
    );
}
