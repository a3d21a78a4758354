//! Layers, defaults by trust, providers, and the trust file.

use std::collections::BTreeMap;

use super::*;
use crate::protocol::{AskForApproval, ReasoningEffort, SandboxMode, SandboxPolicy};

fn loader(text: &str, flags: &[(&str, &str)]) -> (tempfile::TempDir, ConfigLoader) {
    let root = tempfile::tempdir().unwrap();
    let home = root.path().join("home");
    let work = root.path().join("work");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::create_dir_all(work.join(".git")).unwrap();
    std::fs::write(home.join("config.toml"), text).unwrap();
    let flags: Vec<_> = flags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let loader = ConfigLoader::new(home, work, &flags);
    (root, loader)
}

#[test]
fn an_undecided_project_is_read_only_and_asks() {
    let (_root, loader) = loader("", &[]);
    let config = loader.resolve(&ThreadOverrides::default()).unwrap();
    assert_eq!(config.approval_policy, AskForApproval::OnRequest);
    assert_eq!(config.sandbox, SandboxPolicy::ReadOnly { network_access: false });
    assert_eq!(config.trust, None);
}

#[test]
fn trusting_a_project_is_written_once_and_read_back() {
    let (_root, loader) = loader("# mine\nmodel = \"m\"\n", &[]);
    let config = loader.resolve(&ThreadOverrides::default()).unwrap();
    loader.trust_project(&config).unwrap();
    let text = std::fs::read_to_string(loader.user_file()).unwrap();
    assert!(text.starts_with("# mine\nmodel = \"m\"\n"), "{text}");
    let again = loader.resolve(&ThreadOverrides::default()).unwrap();
    assert_eq!(again.trust, Some(TrustLevel::Trusted));
    assert!(matches!(again.sandbox, SandboxPolicy::WorkspaceWrite { .. }));
}

#[test]
fn flags_win_over_files_and_requests_win_over_flags() {
    let (_root, loader) = loader(
        "model = \"file\"\nmodel_reasoning_effort = \"low\"\n",
        &[("model", "\"flag\""), ("sandbox_mode", "danger-full-access")],
    );
    let config = loader.resolve(&ThreadOverrides::default()).unwrap();
    assert_eq!(
        (config.model.as_deref(), config.reasoning_effort),
        (Some("flag"), Some(ReasoningEffort::Low))
    );
    assert_eq!(config.sandbox, SandboxPolicy::DangerFullAccess);
    let overrides = ThreadOverrides {
        sandbox: Some(SandboxMode::ReadOnly),
        config: BTreeMap::from([("model_reasoning_effort".to_string(), serde_json::json!("high"))]),
        ..ThreadOverrides::default()
    };
    let config = loader.resolve(&overrides).unwrap();
    assert_eq!(config.reasoning_effort, Some(ReasoningEffort::High));
    assert_eq!(config.sandbox, SandboxPolicy::ReadOnly { network_access: false });
}

#[test]
fn project_files_count_only_when_trusted_and_cannot_redirect_the_model() {
    let (root, loader) = loader("", &[]);
    let work = root.path().join("work");
    std::fs::create_dir_all(work.join(".codex")).unwrap();
    std::fs::write(
        work.join(".codex/config.toml"),
        "model = \"project\"\nmodel_provider = \"evil\"\napproval_policy = \"never\"\n",
    )
    .unwrap();
    assert_eq!(loader.resolve(&ThreadOverrides::default()).unwrap().model, None);
    let config = loader.resolve(&ThreadOverrides::default()).unwrap();
    loader.trust_project(&config).unwrap();
    let config = loader.resolve(&ThreadOverrides::default()).unwrap();
    assert_eq!(config.model.as_deref(), Some("project"));
    assert_ne!(config.model_provider, "evil");
}

#[test]
fn an_unknown_provider_is_named() {
    let (_root, loader) = loader("", &[]);
    let overrides = ThreadOverrides {
        model_provider: Some("zzz".into()),
        ..ThreadOverrides::default()
    };
    assert_eq!(
        loader.resolve(&overrides).unwrap_err().to_string(),
        "Model provider `zzz` not found"
    );
}

#[test]
fn a_broken_file_is_reported_with_its_place_and_what_it_said_before_counts_for_the_server_itself() {
    let (_root, loader) = loader("model = \"a\"\n", &[]);
    assert_eq!(loader.resolve_own().unwrap().model.as_deref(), Some("a"));
    std::fs::write(loader.user_file(), "model = \"b\"\nmodel = = 3\n").unwrap();
    let problems = loader.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].start.map(|(line, _)| line), Some(2));
    let refused = loader.resolve(&ThreadOverrides::default()).unwrap_err();
    assert!(refused.to_string().contains("config.toml:2:9: extra `=`"), "{refused}");
    assert_eq!(loader.resolve_own().unwrap().model.as_deref(), Some("a"));
    // A value that nobody here uses is no better.
    std::fs::write(loader.user_file(), "model = \"c\"\n[history]\npersistence = 5\n").unwrap();
    assert!(loader.problems().is_empty());
    let refused = loader.resolve(&ThreadOverrides::default()).unwrap_err();
    assert!(refused.to_string().contains("config.toml:3:15: "), "{refused}");
    assert_eq!(loader.resolve_own().unwrap().model.as_deref(), Some("a"));
}

#[test]
fn a_profile_lies_above_everything_but_what_a_request_names_itself() {
    let text = "model = \"file\"\nprofile = \"p\"\n[profiles.p]\nmodel = \"p\"\n[profiles.q]\nmodel = \"q\"\n";
    let (_root, loader) = loader(text, &[("model", "\"flag\"")]);
    let model = |config: &[(&str, &str)], model: Option<&str>| {
        let asked = config
            .iter()
            .map(|(key, value)| (key.to_string(), serde_json::json!(value)));
        let overrides = ThreadOverrides {
            model: model.map(str::to_owned),
            config: asked.collect(),
            ..ThreadOverrides::default()
        };
        let resolved = loader.resolve(&overrides).map_err(|error| error.to_string());
        resolved.map(|config| config.model.unwrap())
    };
    assert_eq!(model(&[], None).unwrap(), "p");
    assert_eq!(model(&[("model", "asked")], None).unwrap(), "p");
    assert_eq!(model(&[("profile", "q")], None).unwrap(), "q");
    assert_eq!(model(&[], Some("typed")).unwrap(), "typed");
    assert_eq!(
        model(&[("profile", "x")], None).unwrap_err(),
        "config profile `x` not found"
    );
}

#[test]
fn where_nobody_says_what_commands_may_touch_a_built_in_profile_holds() {
    let named = |text: &str, sandbox: Option<SandboxMode>| {
        let (_root, loader) = loader(text, &[]);
        let overrides = ThreadOverrides {
            sandbox,
            ..ThreadOverrides::default()
        };
        loader.resolve(&overrides).unwrap().permissions
    };
    assert_eq!(named("", None).as_deref(), Some(":read-only"));
    assert_eq!(named("", Some(SandboxMode::ReadOnly)), None);
    assert_eq!(named("sandbox_mode = \"read-only\"", None), None);
    let (root, loader) = loader(
        "[sandbox_workspace_write]\nwritable_roots = [\"beside\", \"/else\"]",
        &[],
    );
    let config = loader.resolve(&ThreadOverrides::default()).unwrap();
    let roots: Vec<_> = config
        .further_roots
        .iter()
        .map(|root| root.as_path().to_owned())
        .collect();
    assert_eq!(roots, [root.path().join("home/beside"), "/else".into()]);
    assert_eq!(config.permissions, None);
}

#[test]
fn providers_are_checked() {
    let (_root, loader) = loader("[model_providers.x]\nname = \"X\"\nwire_api = \"telegraph\"\n", &[]);
    let overrides = ThreadOverrides {
        model_provider: Some("x".into()),
        ..ThreadOverrides::default()
    };
    assert!(
        loader
            .resolve(&overrides)
            .unwrap_err()
            .to_string()
            .contains("unknown wire_api `telegraph`; use `responses` or `chat`")
    );
}
