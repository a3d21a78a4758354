//! The feature switches: their keys, how far each has come, and whether it is on when nobody says anything.
//!
//! The keys, their order, stages and defaults are the protocol's (seen on the wire); what a client shows about the few
//! that are offered to users is worded here. A switch that names something Greenroom does not have is listed all the
//! same: clients ask for it by name.

use crate::protocol::ExperimentalFeatureStage as Stage;
use Stage::{Deprecated, Removed, Stable, UnderDevelopment};

/// One switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name in `[features]` and on the wire.
    pub key: &'static str,
    /// How far it has come.
    pub stage: Stage,
    /// Whether it is on when nobody says anything.
    pub default: bool,
    /// What users are shown of it; only features in beta are shown.
    pub shown: Option<Shown>,
}

/// What users are shown of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its name for people.
    pub name: &'static str,
    /// One sentence about it.
    pub description: &'static str,
    /// News about it; may be empty.
    pub announcement: &'static str,
}

const fn plain(key: &'static str, stage: Stage, default: bool) -> Feature {
    Feature {
        key,
        stage,
        default,
        shown: None,
    }
}

const fn beta(
    key: &'static str,
    default: bool,
    name: &'static str,
    description: &'static str,
    announcement: &'static str,
) -> Feature {
    Feature {
        key,
        stage: Stage::Beta,
        default,
        shown: Some(Shown {
            name,
            description,
            announcement,
        }),
    }
}

/// Every switch, in the order of `experimentalFeature/list`.
pub const ALL: &[Feature] = &[
    plain("undo", Removed, false),
    plain("shell_tool", Stable, true),
    plain("unified_exec", Stable, true),
    plain("shell_zsh_fork", UnderDevelopment, false),
    plain("shell_snapshot", Stable, true),
    plain("js_repl", Removed, false),
    plain("code_mode", UnderDevelopment, false),
    plain("code_mode_only", UnderDevelopment, false),
    plain("js_repl_tools_only", Removed, false),
    beta(
        "terminal_resize_reflow",
        true,
        "Terminal resize reflow",
        "Terminal clients lay their transcript out again when the window changes its width.",
        "",
    ),
    plain("web_search_request", Deprecated, false),
    plain("web_search_cached", Deprecated, false),
    plain("search_tool", Removed, false),
    plain("codex_git_commit", Removed, false),
    plain("runtime_metrics", UnderDevelopment, false),
    plain("sqlite", Removed, true),
    beta(
        "memories",
        false,
        "Memories",
        "New memories are made from conversations, and fitting ones are brought into new ones.",
        "Memories can be made and used: switch on `memories`.",
    ),
    plain("chronicle", UnderDevelopment, false),
    plain("child_agents_md", UnderDevelopment, false),
    plain("apply_patch_freeform", Removed, false),
    plain("apply_patch_streaming_events", UnderDevelopment, false),
    plain("exec_permission_approvals", UnderDevelopment, false),
    plain("hooks", Stable, true),
    plain("request_permissions_tool", UnderDevelopment, false),
    plain("use_linux_sandbox_bwrap", Removed, false),
    plain("use_legacy_landlock", Deprecated, false),
    plain("request_rule", Removed, false),
    plain("experimental_windows_sandbox", Removed, false),
    plain("elevated_windows_sandbox", Removed, false),
    plain("remote_models", Removed, false),
    plain("enable_request_compression", Stable, true),
    beta(
        "network_proxy",
        false,
        "Network proxy",
        "Sandboxed commands that may use the network go through a filtering proxy.",
        "",
    ),
    plain("multi_agent", Stable, true),
    plain("multi_agent_v2", UnderDevelopment, false),
    plain("enable_fanout", UnderDevelopment, false),
    plain("apps", Stable, true),
    plain("enable_mcp_apps", UnderDevelopment, false),
    plain("apps_mcp_path_override", UnderDevelopment, false),
    plain("tool_search", Stable, true),
    plain("tool_search_always_defer_mcp_tools", UnderDevelopment, false),
    plain("unavailable_dummy_tools", Removed, false),
    plain("tool_suggest", Stable, true),
    plain("plugins", Stable, true),
    plain("plugin_hooks", Stable, true),
    plain("in_app_browser", Stable, true),
    plain("browser_use", Stable, true),
    plain("browser_use_external", Stable, true),
    plain("computer_use", Stable, true),
    plain("remote_plugin", UnderDevelopment, false),
    plain("plugin_sharing", Stable, true),
    beta(
        "external_migration",
        false,
        "External migration",
        "Clients offer to take over what other agents' configuration on this machine holds.",
        "",
    ),
    plain("image_generation", Stable, true),
    plain("skill_mcp_dependency_install", Stable, true),
    plain("skill_env_var_dependency_prompt", UnderDevelopment, false),
    beta(
        "mentions_v2",
        false,
        "Mentions v2",
        "One `@` menu for files, folders, apps, plugins and skills.",
        "",
    ),
    plain("steer", Removed, true),
    plain("default_mode_request_user_input", UnderDevelopment, false),
    plain("guardian_approval", Stable, true),
    beta(
        "goals",
        false,
        "Goals",
        "A thread can have a goal that it pursues over many turns.",
        "",
    ),
    plain("collaboration_modes", Removed, true),
    plain("tool_call_mcp_elicitation", Stable, true),
    plain("auth_elicitation", UnderDevelopment, false),
    plain("personality", Stable, true),
    plain("artifact", UnderDevelopment, false),
    plain("fast_mode", Stable, true),
    plain("realtime_conversation", UnderDevelopment, false),
    plain("remote_control", Removed, false),
    plain("image_detail_original", Removed, false),
    plain("tui_app_server", Removed, true),
    beta(
        "prevent_idle_sleep",
        false,
        "Prevent sleep while running",
        "The computer stays awake while a thread runs.",
        "",
    ),
    plain("workspace_owner_usage_nudge", Removed, false),
    plain("responses_websockets", Removed, false),
    plain("responses_websockets_v2", Removed, false),
    plain("responses_websocket_response_processed", UnderDevelopment, false),
    plain("remote_compaction_v2", UnderDevelopment, false),
    plain("workspace_dependencies", Stable, true),
];

/// Older names that configurations may still use, and what each stands for.
const ALIASES: &[(&str, &str)] = &[
    ("collab", "multi_agent"),
    ("codex_hooks", "hooks"),
    ("connectors", "apps"),
    ("enable_experimental_windows_sandbox", "experimental_windows_sandbox"),
    ("experimental_use_unified_exec_tool", "unified_exec"),
    ("memory_tool", "memories"),
    ("request_permissions", "exec_permission_approvals"),
    ("telepathy", "chronicle"),
    ("web_search", "web_search_request"),
];

/// The switches that can be set while the server runs.
pub const SWITCHABLE: &[&str] = &[
    "apps",
    "memories",
    "mentions_v2",
    "plugins",
    "remote_control",
    "tool_search",
    "tool_suggest",
    "tool_call_mcp_elicitation",
];

/// The switch of this name.
pub fn find(key: &str) -> Option<&'static Feature> {
    ALL.iter().find(|feature| feature.key == key)
}

/// The present name of a switch that configurations call by an older one.
pub fn renamed(alias: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(old, _)| *old == alias).map(|(_, key)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_aliases_lead_to_one() {
        let mut keys: Vec<_> = ALL.iter().map(|feature| feature.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), ALL.len());
        for (alias, key) in ALIASES {
            assert!(find(alias).is_none() && find(key).is_some(), "{alias}");
        }
        assert!(SWITCHABLE.iter().all(|key| find(key).is_some()));
    }

    #[test]
    fn what_users_are_shown_is_in_beta() {
        assert!(
            ALL.iter()
                .all(|feature| feature.shown.is_some() == (feature.stage == Stage::Beta))
        );
    }
}
