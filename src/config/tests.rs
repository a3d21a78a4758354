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
fn a_broken_file_is_reported_with_its_place_and_defaults_apply() {
    let (_root, loader) = loader("model = \"a\"\nmodel = = 3\n", &[]);
    let problems = loader.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].start.map(|(line, _)| line), Some(2));
    assert_eq!(loader.resolve(&ThreadOverrides::default()).unwrap().model, None);
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
