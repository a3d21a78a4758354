//! From the `--ws-*` flags to the policy: which flags go together, and reading the secrets.
//!
//! Combinations are checked for every transport; files are read only when a TCP listener needs them.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{AuthPolicy, SignedTokens};

const DEFAULT_SKEW_SECONDS: u64 = 30;
const SMALLEST_SHARED_SECRET: usize = 32;

/// How websocket clients prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthMode {
    /// One shared token.
    CapabilityToken,
    /// Tokens signed with a shared secret (JWT, HS256).
    SignedBearerToken,
}

/// The flags of websocket authentication.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AuthFlags {
    /// How websocket clients authenticate; needed for listeners that are not loopback.
    #[arg(long, value_name = "MODE", value_enum)]
    pub ws_auth: Option<AuthMode>,
    /// File that holds the capability token.
    #[arg(long, value_name = "PATH")]
    pub ws_token_file: Option<PathBuf>,
    /// SHA-256 of the capability token, in hex.
    #[arg(long, value_name = "HEX")]
    pub ws_token_sha256: Option<String>,
    /// File that holds the secret that bearer tokens are signed with.
    #[arg(long, value_name = "PATH")]
    pub ws_shared_secret_file: Option<PathBuf>,
    /// Issuer that a signed bearer token must name.
    #[arg(long, value_name = "ISSUER")]
    pub ws_issuer: Option<String>,
    /// Audience that a signed bearer token must name.
    #[arg(long, value_name = "AUDIENCE")]
    pub ws_audience: Option<String>,
    /// How many seconds clocks may differ when a signed bearer token is checked.
    #[arg(long, value_name = "SECONDS")]
    pub ws_max_clock_skew_seconds: Option<u64>,
}

/// Why authentication cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    /// Capability mode without a token.
    #[error("`--ws-token-file` or `--ws-token-sha256` is required when `--ws-auth capability-token` is set")]
    NoToken,
    /// Two sources for the token.
    #[error("`--ws-token-file` and `--ws-token-sha256` are mutually exclusive")]
    TwoTokens,
    /// Signed mode without a secret.
    #[error("`--ws-shared-secret-file` is required when `--ws-auth signed-bearer-token` is set")]
    NoSecret,
    /// Flags without a mode.
    #[error("websocket auth flags require `--ws-auth capability-token` or `--ws-auth signed-bearer-token`")]
    NoMode,
    /// Flags of signed tokens in capability mode.
    #[error(
        "`--ws-shared-secret-file`, `--ws-issuer`, `--ws-audience`, and `--ws-max-clock-skew-seconds` require \
         `--ws-auth signed-bearer-token`"
    )]
    SignedFlags,
    /// Flags of capability tokens in signed mode.
    #[error(
        "`--ws-token-file` and `--ws-token-sha256` require `--ws-auth capability-token`, not `signed-bearer-token`"
    )]
    CapabilityFlags,
    /// Not a digest.
    #[error("--ws-token-sha256 must be a 64-character hex SHA-256 digest")]
    Digest,
    /// A skew beyond any clock.
    #[error("websocket auth clock skew must fit in a signed 64-bit integer")]
    Skew,
    /// A file that cannot be read.
    #[error("failed to read websocket auth secret {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file without content.
    #[error("websocket auth secret {} must not be empty", .0.display())]
    Empty(PathBuf),
    /// A secret that can be guessed.
    #[error("signed websocket bearer secret {} must be at least 32 bytes", .0.display())]
    Short(PathBuf),
}

impl AuthFlags {
    /// Checks which flags go together, without touching files. Tells whether a mode is set.
    pub fn validate(&self) -> Result<bool, AuthSetupError> {
        let capability = self.ws_token_file.is_some() || self.ws_token_sha256.is_some();
        let signed = self.ws_shared_secret_file.is_some()
            || self.ws_issuer.is_some()
            || self.ws_audience.is_some()
            || self.ws_max_clock_skew_seconds.is_some();
        match self.ws_auth {
            None if capability || signed => Err(AuthSetupError::NoMode),
            None => Ok(false),
            Some(AuthMode::CapabilityToken) if signed => Err(AuthSetupError::SignedFlags),
            Some(AuthMode::CapabilityToken) => match (&self.ws_token_file, &self.ws_token_sha256) {
                (None, None) => Err(AuthSetupError::NoToken),
                (Some(_), Some(_)) => Err(AuthSetupError::TwoTokens),
                (None, Some(hex)) => digest(hex).map(|_| true),
                (Some(_), None) => Ok(true),
            },
            Some(AuthMode::SignedBearerToken) if capability => Err(AuthSetupError::CapabilityFlags),
            Some(AuthMode::SignedBearerToken) if self.ws_shared_secret_file.is_none() => Err(AuthSetupError::NoSecret),
            Some(AuthMode::SignedBearerToken) => self.skew().map(|_| true),
        }
    }

    /// Reads the secrets and makes the policy.
    pub fn policy(&self) -> Result<AuthPolicy, AuthSetupError> {
        self.validate()?;
        match (&self.ws_token_file, &self.ws_token_sha256, &self.ws_shared_secret_file) {
            (Some(file), _, _) => Ok(AuthPolicy::Capability(
                Sha256::digest(read_secret(file)?.as_bytes()).into(),
            )),
            (_, Some(hex), _) => Ok(AuthPolicy::Capability(digest(hex)?)),
            (_, _, Some(file)) => {
                let secret = read_secret(file)?;
                if secret.len() < SMALLEST_SHARED_SECRET {
                    return Err(AuthSetupError::Short(absolute(file)));
                }
                let tokens = SignedTokens::new(
                    secret.as_bytes(),
                    stated(self.ws_issuer.as_deref()),
                    stated(self.ws_audience.as_deref()),
                    self.skew()?,
                );
                tokens
                    .map(AuthPolicy::Signed)
                    .ok_or(AuthSetupError::Short(absolute(file)))
            }
            (None, None, None) => Ok(AuthPolicy::Open),
        }
    }

    fn skew(&self) -> Result<i64, AuthSetupError> {
        let seconds = self.ws_max_clock_skew_seconds.unwrap_or(DEFAULT_SKEW_SECONDS);
        i64::try_from(seconds).map_err(|_| AuthSetupError::Skew)
    }
}

fn digest(hex: &str) -> Result<[u8; 32], AuthSetupError> {
    let mut digest = [0; 32];
    match hex::decode_to_slice(hex.trim(), &mut digest) {
        Ok(()) => Ok(digest),
        Err(_) => Err(AuthSetupError::Digest),
    }
}

fn stated(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(String::from)
}

fn read_secret(file: &Path) -> Result<String, AuthSetupError> {
    let path = absolute(file);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(AuthSetupError::Unreadable { path, source }),
    };
    match text.trim() {
        "" => Err(AuthSetupError::Empty(path)),
        secret => Ok(secret.to_string()),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
