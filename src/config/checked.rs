//! The keys of config.toml that threads do not need, with the types of their values.
//!
//! Others read them where they matter, each for itself. Here they only have types, so that a value which is none of them
//! is refused when it is written and told when it is read, by the file it stands in. Names of types are part of complaints.
//! Unknown keys are let through, as everywhere (`strict.rs` is for who wants to know of them).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config::web_search::WebSearchMode;
use crate::protocol::{
    ApprovalsReviewer, AskForApproval, Personality, ReasoningEffort, ReasoningSummary, SandboxMode, Verbosity,
};

type Flag = Option<bool>;
type Text = Option<String>;
type Place = Option<PathBuf>;

/// Declares tables of which every key is optional.
macro_rules! tables {
    ($($name:ident { $($key:ident: $type:ty),* $(,)? })*) => {$(
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        #[allow(dead_code, reason = "only whether it can be read matters")]
        pub(super) struct $name { $($key: $type),* }
    )*};
}

/// Declares values that are one of some words.
macro_rules! words {
    ($($name:ident ($style:literal) { $($word:ident),* $(,)? })*) => {$(
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = $style)]
        enum $name { $($word),* }
    )*};
}

tables! {
    CheckedToml {
        analytics: Option<AnalyticsConfigToml>,
        apps: Option<AppsConfigToml>,
        chatgpt_base_url: Text,
        check_for_update_on_startup: Flag,
        cli_auth_credentials_store: Option<AuthCredentialsStoreMode>,
        disable_paste_burst: Flag,
        experimental_use_unified_exec_tool: Flag,
        feedback: Option<FeedbackConfigToml>,
        file_opener: Option<UriBasedFileOpener>,
        forced_login_method: Option<ForcedLoginMethod>,
        ghost_snapshot: Option<GhostSnapshotToml>,
        hide_agent_reasoning: Flag,
        history: Option<History>,
        hooks: Option<HooksToml>,
        include_apps_instructions: Flag,
        include_collaboration_mode_instructions: Flag,
        js_repl_node_module_dirs: Option<Vec<PathBuf>>,
        js_repl_node_path: Place,
        log_dir: Place,
        marketplaces: BTreeMap<String, MarketplaceConfig>,
        mcp_oauth_callback_port: Option<u16>,
        mcp_oauth_callback_url: Text,
        mcp_oauth_credentials_store: Option<OAuthCredentialsStoreMode>,
        mcp_servers: BTreeMap<String, McpServer>,
        model_catalog_json: Place,
        oss_provider: Text,
        otel: Option<OtelConfigToml>,
        plugins: BTreeMap<String, PluginConfig>,
        profile: Text,
        profiles: BTreeMap<String, ConfigProfile>,
        project_root_markers: Option<Vec<String>>,
        projects: Option<BTreeMap<String, ProjectConfig>>,
        realtime: Option<RealtimeToml>,
        show_raw_agent_reasoning: Flag,
        skills: Option<SkillsConfig>,
        sqlite_home: Place,
        tools: Option<ToolsToml>,
        tui: Option<Tui>,
        windows: Option<WindowsToml>,
        zsh_path: Place,
    }
    AnalyticsConfigToml { enabled: Flag }
    AppConfig { enabled: Flag, destructive_enabled: Flag, open_world_enabled: Flag, default_tools_enabled: Flag }
    FeedbackConfigToml { enabled: Flag }
    GhostSnapshotToml {
        ignore_large_untracked_files: Option<i64>,
        ignore_large_untracked_dirs: Option<i64>,
        disable_warnings: Flag,
    }
    History { persistence: Option<HistoryPersistence>, max_bytes: Option<usize> }
    HookStateToml { enabled: Flag, trusted_hash: Text }
    MarketplaceConfig { last_updated: Text, last_revision: Text, source_type: Text, source: Text }
    OtelConfigToml {
        log_user_prompt: Flag,
        environment: Text,
        exporter: Option<OtelExporterKind>,
        trace_exporter: Option<OtelExporterKind>,
        metrics_exporter: Option<OtelExporterKind>,
    }
    PluginConfig { enabled: Flag }
    ConfigProfile {
        model: Text,
        model_provider: Text,
        approval_policy: Option<AskForApproval>,
        approvals_reviewer: Option<ApprovalsReviewer>,
        sandbox_mode: Option<SandboxMode>,
        service_tier: Text,
        model_reasoning_effort: Option<ReasoningEffort>,
        plan_mode_reasoning_effort: Option<ReasoningEffort>,
        model_reasoning_summary: Option<ReasoningSummary>,
        model_verbosity: Option<Verbosity>,
        web_search: Option<WebSearchMode>,
        personality: Option<Personality>,
        chatgpt_base_url: Text,
        model_catalog_json: Place,
        model_instructions_file: Place,
        zsh_path: Place,
        oss_provider: Text,
        analytics: Option<AnalyticsConfigToml>,
        tools: Option<ToolsToml>,
        windows: Option<WindowsToml>,
    }
    ProjectConfig { trust_level: Option<Trust> }
    RealtimeToml { version: Option<RealtimeWsVersion>, voice: Text }
    SkillsConfig { config: Vec<SkillConfig>, bundled: Option<BundledSkillsConfig>, include_instructions: Flag }
    BundledSkillsConfig { enabled: Flag }
    ToolsToml { web_search: Option<WebSearchToolConfigInput> }
    WindowsToml { sandbox: Option<WindowsSandboxModeToml>, sandbox_private_desktop: Flag }
    WebSearchToolConfig { context_size: Option<WebSearchContextSize>, allowed_domains: Option<Vec<String>> }
    McpServerToml {
        command: Text,
        args: Option<Vec<String>>,
        env: Option<BTreeMap<String, String>>,
        cwd: Place,
        url: Text,
        bearer_token: Text,
        bearer_token_env_var: Text,
        http_headers: Option<BTreeMap<String, String>>,
        env_http_headers: Option<BTreeMap<String, String>>,
        startup_timeout_sec: Option<f64>,
        startup_timeout_ms: Option<u64>,
        tool_timeout_sec: Option<f64>,
        enabled: Flag,
        required: Flag,
        enabled_tools: Option<Vec<String>>,
        disabled_tools: Option<Vec<String>>,
    }
    Animations { animations: Flag, show_tooltips: Flag }
}

words! {
    AuthCredentialsStoreMode("lowercase") { File, Keyring, Auto, Ephemeral }
    OAuthCredentialsStoreMode("lowercase") { Auto, File, Keyring }
    UriBasedFileOpener("kebab-case") { Vscode, VscodeInsiders, Windsurf, Cursor, None }
    ForcedLoginMethod("lowercase") { Chatgpt, Api }
    HistoryPersistence("kebab-case") { SaveAll, None }
    Trust("lowercase") { Trusted, Untrusted }
    RealtimeWsVersion("lowercase") { V1, V2 }
    WindowsSandboxModeToml("lowercase") { Elevated, Unelevated }
    WebSearchContextSize("lowercase") { Low, Medium, High }
    AltScreenMode("lowercase") { Auto, Always, Never }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code, reason = "only whether it can be read matters")]
enum OtelExporterKind {
    None,
    Statsig,
    OtlpHttp(IgnoredAny),
    OtlpGrpc(IgnoredAny),
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct AppsConfigToml {
    #[serde(rename = "_default")]
    default: Option<AppConfig>,
    #[serde(flatten)]
    apps: BTreeMap<String, AppConfig>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct SkillConfig {
    path: Place,
    name: Text,
    enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "only whether it can be read matters")]
enum WebSearchToolConfigInput {
    Enabled(bool),
    Config(WebSearchToolConfig),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "only whether it can be read matters")]
enum Notifications {
    Enabled(bool),
    Custom(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct TuiNotifications {
    notifications: Option<Notifications>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Tui {
    #[serde(flatten)]
    notifications: TuiNotifications,
    #[serde(default)]
    theme: Text,
    #[serde(default)]
    alternate_screen: Option<AltScreenMode>,
    #[serde(flatten)]
    animations: Animations,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[allow(dead_code, reason = "only whether it can be read matters")]
enum HookHandler {
    Command { command: String, timeout: Option<u64> },
    Prompt {},
    Agent {},
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct MatcherGroup {
    matcher: Text,
    #[serde(default)]
    hooks: Vec<HookHandler>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct HookEvents {
    pre_tool_use: Vec<MatcherGroup>,
    permission_request: Vec<MatcherGroup>,
    post_tool_use: Vec<MatcherGroup>,
    pre_compact: Vec<MatcherGroup>,
    post_compact: Vec<MatcherGroup>,
    session_start: Vec<MatcherGroup>,
    user_prompt_submit: Vec<MatcherGroup>,
    stop: Vec<MatcherGroup>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct HooksToml {
    #[serde(flatten)]
    events: HookEvents,
    #[serde(default)]
    state: BTreeMap<String, HookStateToml>,
}

/// An MCP server is reached in one of two ways, and each has settings of its own.
#[derive(Debug, Deserialize)]
#[serde(try_from = "McpServerToml")]
struct McpServer;

impl TryFrom<McpServerToml> for McpServer {
    type Error = String;

    fn try_from(said: McpServerToml) -> Result<Self, String> {
        let (transport, foreign) = if said.command.is_some() {
            let foreign = [
                ("url", said.url.is_some()),
                ("bearer_token_env_var", said.bearer_token_env_var.is_some()),
                ("bearer_token", said.bearer_token.is_some()),
                ("http_headers", said.http_headers.is_some()),
                ("env_http_headers", said.env_http_headers.is_some()),
            ];
            ("stdio", foreign.to_vec())
        } else if said.url.is_some() {
            let foreign = [
                ("args", said.args.is_some()),
                ("env", said.env.is_some()),
                ("cwd", said.cwd.is_some()),
                ("bearer_token", said.bearer_token.is_some()),
            ];
            ("streamable_http", foreign.to_vec())
        } else {
            return Err("invalid transport".to_owned());
        };
        match foreign.into_iter().find(|(_, said)| *said) {
            Some((key, _)) => Err(format!("{key} is not supported for {transport}")),
            None => Ok(McpServer),
        }
    }
}

/// The keys whose value is a path that has to be absolute where nothing says what it would be relative to.
const PATHS: &[&[&str]] = &[
    &["log_dir"],
    &["sqlite_home"],
    &["model_catalog_json"],
    &["model_instructions_file"],
    &["experimental_compact_prompt_file"],
    &["sandbox_workspace_write", "writable_roots"],
];

/// The complaint about a path that is not absolute, for values that come from no file.
pub(super) fn relative_path(config: &toml::Table) -> Option<String> {
    let is_relative = |value: &toml::Value| value.as_str().is_some_and(|path| !path.starts_with('/'));
    PATHS.iter().find_map(|path| {
        let (first, rest) = path.split_first()?;
        let value = rest
            .iter()
            .try_fold(config.get(*first)?, |value, part| value.get(part))?;
        let one = is_relative(value);
        let some = value.as_array().is_some_and(|values| values.iter().any(is_relative));
        (one || some).then(|| {
            let path = path.join(".");
            format!("AbsolutePathBuf deserialized without a base path\nin `{path}`\n")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_wrong_type_are_named_with_their_place() {
        let complaint = |text: &str| {
            let table: toml::Table = text.parse().unwrap();
            let read: Result<CheckedToml, toml::de::Error> = Deserialize::deserialize(toml::Value::Table(table));
            read.err().map(|error| error.to_string())
        };
        for (text, expected) in [
            (
                "[projects.\"/p\"]\ntrust_level = \"x\"",
                "unknown variant `x`, expected `trusted` or `untrusted`\nin `projects./p.trust_level`\n",
            ),
            (
                "[projects]\n\"/p\" = 5",
                "invalid type: integer `5`, expected struct ProjectConfig\nin `projects./p`\n",
            ),
            ("[mcp_servers.a]\nfoo = 1", "invalid transport\nin `mcp_servers.a`\n"),
            (
                "[mcp_servers.a]\ncommand = \"x\"\nurl = \"y\"",
                "url is not supported for stdio\nin `mcp_servers.a`\n",
            ),
            (
                "[tui]\nnotifications = 5",
                "data did not match any variant of untagged enum Notifications\nin `tui`\n",
            ),
            (
                "[tui]\ntheme = 5",
                "invalid type: integer `5`, expected a string\nin `tui.theme`\n",
            ),
            (
                "[skills]\nconfig = [{enabled = \"x\"}]",
                "invalid type: string \"x\", expected a boolean\nin `skills.config.enabled`\n",
            ),
            (
                "[[hooks.PreToolUse]]\nhooks = [{type = \"command\"}]",
                "missing field `command`\nin `hooks`\n",
            ),
            (
                "[hooks.state.a]\nenabled = 5",
                "invalid type: integer `5`, expected a boolean\nin `hooks.state.a.enabled`\n",
            ),
            (
                "[apps.x]\nenabled = 5",
                "invalid type: integer `5`, expected a boolean\nin `apps`\n",
            ),
        ] {
            assert_eq!(complaint(text).as_deref(), Some(expected), "{text}");
        }
        for fine in [
            "unknown = 1\n[tui]\nnotifications = [\"a\"]\nanimations = true\n[tui.keymap.global]\ncopy = \"x\"",
            "[hooks.state.a]\nenabled = true\n[[hooks.Stop]]\nhooks = [{type = \"command\", command = \"x\", timeout = 5}]",
            "[otel.exporter.otlp-http]\nendpoint = \"x\"\n[tools]\nweb_search = true\n[mcp_servers.a]\nurl = \"x\"",
        ] {
            assert_eq!(complaint(fine), None, "{fine}");
        }
    }
}
