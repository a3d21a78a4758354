//! `[model_providers.*]`: where a model is reached, with what credentials, and how patiently.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::config::ConfigError;
use crate::config::resolved::ConfigToml;

/// The id of the built-in offline model.
const REHEARSAL: &str = "rehearsal";

/// One model provider, as configured. Unknown keys are refused, as the peer does.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// The name people see.
    #[serde(default)]
    pub name: String,
    /// Used verbatim: `/responses` or `/chat/completions` is appended.
    pub base_url: Option<String>,
    /// The environment variable that holds the key.
    pub env_key: Option<String>,
    /// What to tell a user whose variable is missing.
    pub env_key_instructions: Option<String>,
    /// A key written into the file. Never logged.
    pub experimental_bearer_token: Option<String>,
    /// A command whose output is the key.
    pub auth: Option<ProviderAuthCommand>,
    /// AWS request signing; not supported here, refused when used.
    pub aws: Option<toml::Table>,
    /// What is spoken there: `responses` (the default) or `chat`, for servers that know Chat Completions alone.
    pub wire_api: Option<String>,
    /// Appended to the URL.
    #[serde(default)]
    pub query_params: BTreeMap<String, String>,
    /// Sent with every request.
    #[serde(default)]
    pub http_headers: BTreeMap<String, String>,
    /// Header name to environment variable; skipped while the variable is unset or blank.
    #[serde(default)]
    pub env_http_headers: BTreeMap<String, String>,
    /// Retries of one request (default 4, at most 100).
    pub request_max_retries: Option<u64>,
    /// Retries of a broken stream (default 5, at most 100).
    pub stream_max_retries: Option<u64>,
    /// Silence after which a stream counts as broken (default 300,000 ms).
    pub stream_idle_timeout_ms: Option<u64>,
    /// How long opening a WebSocket may take (default 15,000 ms).
    pub websocket_connect_timeout_ms: Option<u64>,
    /// Whether OpenAI credentials are needed.
    #[serde(default)]
    pub requires_openai_auth: bool,
    /// Whether answers are asked for over WebSockets, with requests as the second choice.
    #[serde(default)]
    pub supports_websockets: bool,
}

/// `[model_providers.X.auth]`: a command that prints a bearer token.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderAuthCommand {
    /// The program.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// How long it may take (default 5,000 ms).
    pub timeout_ms: Option<u64>,
    /// How long its output is good for (default 300,000 ms; 0 = for ever).
    pub refresh_interval_ms: Option<u64>,
    /// Where it runs.
    pub cwd: Option<String>,
}

impl ProviderConfig {
    /// Retries of one request.
    pub fn request_retries(&self) -> u32 {
        self.request_max_retries.unwrap_or(4).min(100) as u32
    }

    /// Retries of a broken stream.
    pub fn stream_retries(&self) -> u32 {
        self.stream_max_retries.unwrap_or(5).min(100) as u32
    }

    /// Silence after which a stream counts as broken.
    pub fn stream_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.stream_idle_timeout_ms.unwrap_or(300_000))
    }

    /// Whether it runs tools of its own: the hosted web search, image generation, tools in namespaces.
    pub fn has_hosted_tools(&self, id: &str) -> bool {
        id != REHEARSAL && self.wire_api.as_deref() != Some("chat")
    }

    /// Refuses combinations that make no sense together.
    pub fn validate(&self, id: &str) -> Result<(), ConfigError> {
        let refuse = |what: &str| Err(ConfigError::Invalid(format!("model_providers.{id}: {what}")));
        match self.wire_api.as_deref() {
            None | Some("responses" | "chat") => {}
            Some(other) => return refuse(&format!("unknown wire_api `{other}`; use `responses` or `chat`")),
        }
        if let Some(auth) = &self.auth {
            if auth.command.trim().is_empty() {
                return refuse("auth.command must not be empty");
            }
            if self.env_key.is_some() || self.experimental_bearer_token.is_some() || self.requires_openai_auth {
                return refuse(
                    "auth cannot be combined with env_key, experimental_bearer_token or requires_openai_auth",
                );
            }
        }
        if self.aws.is_some() {
            return refuse("aws request signing is not supported by Greenroom");
        }
        Ok(())
    }
}

/// The providers every home has. `ollama` and `lmstudio` are local servers; `rehearsal` is the offline model.
pub fn builtin_providers(
    openai_base_url: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
) -> BTreeMap<String, ProviderConfig> {
    let local = |name: &str, port: &str| {
        let base_url = env("CODEX_OSS_BASE_URL").unwrap_or_else(|| {
            let port = env("CODEX_OSS_PORT").unwrap_or_else(|| port.to_string());
            format!("http://localhost:{port}/v1")
        });
        ProviderConfig {
            name: name.into(),
            base_url: Some(base_url),
            ..ProviderConfig::default()
        }
    };
    let openai = ProviderConfig {
        name: "OpenAI".into(),
        base_url: Some(openai_base_url.unwrap_or("https://api.openai.com/v1").into()),
        env_key: Some("OPENAI_API_KEY".into()),
        env_key_instructions: Some("Create a key in your OpenAI account and export it as OPENAI_API_KEY.".into()),
        env_http_headers: BTreeMap::from([
            ("OpenAI-Organization".to_string(), "OPENAI_ORGANIZATION".to_string()),
            ("OpenAI-Project".to_string(), "OPENAI_PROJECT".to_string()),
        ]),
        requires_openai_auth: true,
        supports_websockets: true,
        ..ProviderConfig::default()
    };
    BTreeMap::from([
        ("openai".into(), openai),
        ("ollama".into(), local("gpt-oss", "11434")),
        ("lmstudio".into(), local("gpt-oss", "1234")),
        (
            REHEARSAL.into(),
            ProviderConfig {
                name: "Rehearsal (offline)".into(),
                ..ProviderConfig::default()
            },
        ),
    ])
}

/// The provider called `id`, as the configuration or the built-in ones describe it.
pub(super) fn find(id: &str, toml: &ConfigToml) -> Result<ProviderConfig, ConfigError> {
    let builtins = builtin_providers(toml.openai_base_url.as_deref(), &|name| std::env::var(name).ok());
    for name in toml.model_providers.keys() {
        if builtins.contains_key(name) {
            return Err(ConfigError::Invalid(format!(
                "model_providers.{name}: `{name}` is built in and cannot be redefined; choose another id"
            )));
        }
    }
    let provider = toml.model_providers.get(id).or_else(|| builtins.get(id)).cloned();
    let provider = provider.ok_or_else(|| ConfigError::UnknownProvider(id.to_string()))?;
    provider.validate(id)?;
    Ok(provider)
}
