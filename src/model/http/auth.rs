//! Where the bearer token of a request comes from: a variable, the configuration, a command, or the stored login.
//!
//! A command's token is kept until it is as old as the configuration allows, or until a provider refuses it. Tokens are
//! marked sensitive, so that no log shows them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::config::{ProviderAuthCommand, ProviderConfig};
use crate::model::error::ModelError;

/// A provider's source of credentials.
#[derive(Debug)]
pub(in crate::model) enum Auth {
    /// The provider wants none.
    None,
    /// A token of the configuration.
    Token(HeaderValue),
    /// A variable, read for each request.
    Variable { name: String, instructions: Option<String> },
    /// A command.
    Command(Command),
    /// The login stored in a home, else the variable `OPENAI_API_KEY`.
    Login { file: PathBuf, required: bool },
}

impl Auth {
    pub(in crate::model) fn new(config: &ProviderConfig, home: &std::path::Path, openai: bool) -> Self {
        let login = |required| Auth::Login {
            file: home.join("auth.json"),
            required,
        };
        if openai {
            login(true)
        } else if let Some(name) = &config.env_key {
            Auth::Variable {
                name: name.clone(),
                instructions: config.env_key_instructions.clone(),
            }
        } else if let Some(token) = &config.experimental_bearer_token {
            bearer(token).map_or(Auth::None, Auth::Token)
        } else if let Some(command) = &config.auth {
            Auth::Command(Command {
                config: command.clone(),
                token: Mutex::new(None),
            })
        } else if config.requires_openai_auth {
            login(false)
        } else {
            Auth::None
        }
    }

    /// Whether a refused token can be renewed: the request is then worth one more try.
    pub(in crate::model) fn renewable(&self) -> bool {
        matches!(self, Auth::Command(_))
    }

    /// Whether providers keep a list of models for who comes with such credentials.
    pub(in crate::model) fn lists_models(&self) -> bool {
        matches!(self, Auth::Command(_))
    }

    /// The value of `authorization`. `renew` passes over what is kept in memory.
    pub(in crate::model) async fn header(&self, renew: bool) -> Result<Option<HeaderValue>, ModelError> {
        match self {
            Auth::None => Ok(None),
            Auth::Token(token) => Ok(Some(token.clone())),
            Auth::Variable { name, instructions } => match variable(name) {
                Some(key) => Ok(bearer(&key)),
                None => Err(ModelError::MissingEnvironment {
                    variable: name.clone(),
                    instructions: instructions.clone(),
                }),
            },
            Auth::Command(command) => command.header(renew).await,
            Auth::Login { file, required } => {
                let key = match variable("OPENAI_API_KEY") {
                    Some(key) => Some(key),
                    None => stored_key(file.clone()).await,
                };
                match key {
                    None if *required => Err(ModelError::MissingEnvironment {
                        variable: "OPENAI_API_KEY".into(),
                        instructions: Some("Set it to an OpenAI key, or log in.".into()),
                    }),
                    key => Ok(key.and_then(|key| bearer(&key))),
                }
            }
        }
    }
}

/// A token command and the token it last printed.
#[derive(Debug)]
pub(in crate::model) struct Command {
    config: ProviderAuthCommand,
    token: Mutex<Option<(Instant, HeaderValue)>>,
}

impl Command {
    async fn header(&self, renew: bool) -> Result<Option<HeaderValue>, ModelError> {
        // Held over the run on purpose: requests that arrive meanwhile share its outcome.
        let mut kept = self.token.lock().await;
        let lifetime = Duration::from_millis(self.config.refresh_interval_ms.unwrap_or(300_000));
        if let Some((since, token)) = &*kept
            && !renew
            && (lifetime.is_zero() || since.elapsed() < lifetime)
        {
            return Ok(Some(token.clone()));
        }
        let token = self.run().await?;
        let header = bearer(&token).ok_or_else(|| self.failed("printed what cannot be a token"))?;
        *kept = Some((Instant::now(), header.clone()));
        Ok(Some(header))
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the user's own credential helper, not a command of the model"
    )]
    async fn run(&self) -> Result<String, ModelError> {
        let mut command = tokio::process::Command::new(&self.config.command);
        command
            .args(&self.config.args)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(cwd) = &self.config.cwd {
            command.current_dir(cwd);
        }
        let limit = Duration::from_millis(self.config.timeout_ms.unwrap_or(5_000));
        let output = tokio::time::timeout(limit, command.output()).await;
        let output = output.map_err(|_| self.failed(&format!("took longer than {} ms", limit.as_millis())))?;
        let output = output.map_err(|error| self.failed(&error.to_string()))?;
        if !output.status.success() {
            return Err(self.failed(&output.status.to_string()));
        }
        let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if token.is_empty() {
            return Err(self.failed("printed nothing"));
        }
        Ok(token)
    }

    fn failed(&self, why: &str) -> ModelError {
        ModelError::Provider(format!("the token command `{}` failed: {why}", self.config.command))
    }
}

#[derive(Deserialize)]
struct StoredLogin {
    #[serde(rename = "OPENAI_API_KEY")]
    api_key: Option<String>,
}

async fn stored_key(file: PathBuf) -> Option<String> {
    let read = tokio::task::spawn_blocking(move || crate::files::read(&file, crate::files::MAX_TEXT).ok())
        .await
        .ok()??;
    let login: StoredLogin = serde_json::from_slice(&read).ok()?;
    login.api_key.filter(|key| !key.trim().is_empty())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).ok()?;
    value.set_sensitive(true);
    Some(value)
}
