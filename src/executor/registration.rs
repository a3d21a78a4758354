//! `exec-server --remote`: registering with a registry, through which clients that cannot reach this machine find it.
//!
//! Registering is done as far as it is publicly known: one request with a bearer token, which names the executor and is
//! answered with the address of a relay. What is spoken on that relay's socket is not: so after a registration that
//! succeeded this ends with an error that says so, and the executor serves nobody.

use std::time::Duration;

use serde::Deserialize;

/// The variable that holds the token.
const TOKEN: &str = "CODEX_EXEC_SERVER_REMOTE_BEARER_TOKEN";
/// How long the registry may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer that is no JSON is shown.
const PREVIEW: usize = 4096;

/// Where to register, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    base: String,
    executor_id: String,
}

/// Why an executor is not registered, or registered and of no use.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// No usable token, or the registry does not take it.
    #[error("executor registry authentication error: {0}")]
    Authentication(String),
    /// Flags that make no registration.
    #[error("executor registry configuration error: {0}")]
    Configuration(&'static str),
    /// The registry cannot be reached, or answers what nobody expects.
    #[error("executor registry request failed: {0}")]
    Request(String),
    /// The registry said no.
    #[error("executor registry request failed ({status}): {message}")]
    Refused {
        /// The HTTP status with its name.
        status: String,
        /// What the registry said.
        message: String,
    },
    /// Registered; but the relay's protocol is not built.
    #[error(
        "the executor was registered as `{0}`, but serving through a relay is not supported; let clients connect \
         directly: `greenroom exec-server --listen ws://IP:PORT`, or through `ssh HOST greenroom exec-server --listen \
         stdio` as a `program` of environments.toml"
    )]
    RelayUnsupported(String),
}

#[derive(Deserialize)]
struct Registered {
    #[serde(alias = "environment_id")]
    executor_id: String,
    url: String,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureText,
}

#[derive(Deserialize)]
struct FailureText {
    message: String,
}

impl Registration {
    /// Checks the flags and finds the token, which is returned beside.
    pub fn prepare(base: &str, executor_id: &str) -> Result<(Self, String), RegistrationError> {
        let token = match std::env::var(TOKEN) {
            Err(_) => {
                return Err(RegistrationError::Authentication(format!(
                    "executor registry bearer token environment variable `{TOKEN}` is not set"
                )));
            }
            Ok(token) if token.trim().is_empty() => {
                return Err(RegistrationError::Authentication(format!(
                    "executor registry bearer token environment variable `{TOKEN}` is empty"
                )));
            }
            Ok(token) => token.trim().to_owned(),
        };
        Ok((Registration::checked(base, executor_id)?, token))
    }

    fn checked(base: &str, executor_id: &str) -> Result<Self, RegistrationError> {
        let (base, executor_id) = (base.trim().trim_end_matches('/'), executor_id.trim());
        if base.is_empty() {
            return Err(RegistrationError::Configuration(
                "executor registry base URL is required",
            ));
        }
        if executor_id.is_empty() {
            return Err(RegistrationError::Configuration(
                "executor id is required for remote exec-server registration",
            ));
        }
        Ok(Registration {
            base: base.to_owned(),
            executor_id: executor_id.to_owned(),
        })
    }

    /// Registers. There is no way to serve from there on, so this always ends with an error.
    pub async fn run(&self, token: &str) -> RegistrationError {
        match self.register(token).await {
            Ok(id) => RegistrationError::RelayUnsupported(id),
            Err(error) => error,
        }
    }

    async fn register(&self, token: &str) -> Result<String, RegistrationError> {
        let failed = |error: reqwest::Error| RegistrationError::Request(error.to_string());
        let url = self.url()?;
        // Whoever comes first installs it; that it is there already is no failure.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(failed)?;
        let response = client.post(url).bearer_auth(token).send().await.map_err(failed)?;
        let status = response.status();
        let body = response.bytes().await.map_err(failed)?;
        if !status.is_success() {
            let said = match serde_json::from_slice::<Failure>(&body) {
                Ok(failure) => failure.error.message,
                Err(_) => String::from_utf8_lossy(&body[..body.len().min(PREVIEW)]).into_owned(),
            };
            return Err(match status.as_u16() {
                401 | 403 => RegistrationError::Authentication(format!("authentication failed ({status}): {said}")),
                _ => RegistrationError::Refused {
                    status: status.to_string(),
                    message: said,
                },
            });
        }
        let registered: Registered =
            serde_json::from_slice(&body).map_err(|error| RegistrationError::Request(error.to_string()))?;
        if registered.executor_id != self.executor_id {
            return Err(RegistrationError::Request(format!(
                "the registry answered for `{}` in place of `{}`",
                registered.executor_id, self.executor_id
            )));
        }
        tracing::info!("executor.registered: the registry named the relay {}", registered.url);
        Ok(registered.executor_id)
    }

    fn url(&self) -> Result<reqwest::Url, RegistrationError> {
        let failed = |why: String| RegistrationError::Request(why);
        let mut url = reqwest::Url::parse(&self.base).map_err(|error| failed(format!("builder error: {error}")))?;
        url.path_segments_mut()
            .map_err(|()| failed("builder error: the base URL cannot have a path".to_owned()))?
            .pop_if_empty()
            .extend(["cloud", "executor", &self.executor_id, "register"]);
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_make_a_url() {
        let url = |base: &str, id: &str| Registration::checked(base, id).unwrap().url().unwrap().to_string();
        assert_eq!(
            url("http://127.0.0.1:1/", "a b"),
            "http://127.0.0.1:1/cloud/executor/a%20b/register"
        );
        assert_eq!(url("https://h/api", " x "), "https://h/api/cloud/executor/x/register");
        for (base, id, said) in [
            (
                " ",
                "x",
                "executor registry configuration error: executor registry base URL is required",
            ),
            (
                "http://h",
                "",
                "executor registry configuration error: executor id is required for remote exec-server registration",
            ),
        ] {
            assert_eq!(Registration::checked(base, id).unwrap_err().to_string(), said);
        }
    }
}
