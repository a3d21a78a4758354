//! Settings: overrides stick, the mode wins, the stored form is the one of rollout files.

use super::*;

/// Settings of a thread that nobody configured.
pub(crate) fn plain(cwd: &str) -> TurnSettings {
    let cwd = AbsolutePathBuf::new(cwd).unwrap();
    TurnSettings {
        model: "mock-model".into(),
        model_provider: "mock".into(),
        workspace_roots: vec![cwd.clone()],
        environments: [crate::engine::environments::EnvironmentChoice::local(cwd.clone())].into(),
        cwd,
        approval_policy: AskForApproval::OnRequest,
        approvals_reviewer: ApprovalsReviewer::User,
        sandbox: SandboxPolicy::ReadOnly { network_access: false },
        permission_profile: None,
        profile: None,
        effort: None,
        summary: None,
        service_tier: None,
        personality: None,
        mode: ModeKind::Default,
        mode_instructions: None,
        developer_instructions: None,
    }
}

#[test]
fn the_mode_wins_over_model_and_effort() {
    let mut settings = plain("/w");
    settings.apply(SettingsOverrides {
        model: Some("a".into()),
        effort: Some(ReasoningEffort::Low),
        collaboration_mode: Some(CollaborationMode {
            mode: ModeKind::Plan,
            settings: Settings {
                model: "b".into(),
                ..Settings::default()
            },
        }),
        ..SettingsOverrides::default()
    });
    assert_eq!((&*settings.model, settings.effort), ("b", None));
    assert!(
        settings
            .mode_instructions
            .is_some_and(|text| text.contains("<proposed_plan>"))
    );
}

#[test]
fn a_new_cwd_moves_the_workspace() {
    let mut settings = plain("/w");
    settings.apply(SettingsOverrides {
        cwd: AbsolutePathBuf::new("/x"),
        ..SettingsOverrides::default()
    });
    assert_eq!(settings.workspace_roots, vec![settings.cwd.clone()]);
}

#[test]
fn the_stored_form_comes_back() {
    let mut settings = plain("/w");
    settings.sandbox = SandboxPolicy::WorkspaceWrite {
        exclude_slash_tmp: true,
        exclude_tmpdir_env_var: false,
        network_access: false,
        writable_roots: vec![],
    };
    settings.effort = Some(ReasoningEffort::Xhigh);
    settings.workspace_roots = ["/w", "/v"].map(|root| AbsolutePathBuf::new(root).unwrap()).to_vec();
    let clock = WallClock {
        date: "2026-01-02".into(),
        timezone: "Etc/UTC".into(),
    };
    let stored = settings.to_turn_context("t1", &clock, Some(Truncation::Bytes(10_000)));
    let json = serde_json::to_value(&stored).unwrap();
    assert_eq!(
        json["sandbox_policy"],
        serde_json::json!({"type": "workspace-write", "writable_roots": [], "network_access": false,
            "exclude_tmpdir_env_var": false, "exclude_slash_tmp": true})
    );
    assert_eq!(
        json["truncation_policy"],
        serde_json::json!({"mode": "bytes", "limit": 10000})
    );
    // What a rollout keeps of it is all of it.
    let line: crate::store::TurnContextLine = serde_json::from_value(json).unwrap();
    let read: TurnContext = serde_json::from_value(serde_json::to_value(line).unwrap()).unwrap();
    assert_eq!(read, stored);
    assert_eq!(read.roots(), settings.workspace_roots);
}
