//! Who may open a WebSocket on a TCP listener: nobody is asked, a shared capability token, or a signed bearer token.
//!
//! The policy is made once at start from the `--ws-*` flags and never changes. Secrets are held only as the digest or
//! key that the comparison needs, compared in constant time, and never shown. Whether a listener may go without a
//! policy is decided in `transport::listen`; which requests are asked is decided in `http::app`.

mod jwt;
mod setup;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use jwt::SignedTokens;
pub use setup::{AuthFlags, AuthMode, AuthSetupError};

/// What an upgrade request must present.
pub enum AuthPolicy {
    /// Nothing.
    Open,
    /// The one token whose SHA-256 this is.
    Capability([u8; 32]),
    /// A token signed with the shared secret.
    Signed(SignedTokens),
}

/// Why a request is not let in; the text is the body of the 401 answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthRefusal {
    /// No `Authorization` header.
    #[error("missing websocket bearer token")]
    Missing,
    /// Another scheme, or no token after it.
    #[error("invalid authorization header")]
    Header,
    /// Not the capability token.
    #[error("invalid websocket bearer token")]
    Token,
    /// Not a token of ours: form, algorithm, signature or claims.
    #[error("invalid websocket jwt")]
    Jwt,
    /// Its time is over.
    #[error("expired websocket jwt")]
    Expired,
    /// Its time has not come.
    #[error("websocket jwt is not valid yet")]
    NotYet,
    /// Another issuer.
    #[error("websocket jwt issuer mismatch")]
    Issuer,
    /// Another audience.
    #[error("websocket jwt audience mismatch")]
    Audience,
}

impl AuthPolicy {
    /// Whether requests are asked for anything.
    pub fn required(&self) -> bool {
        !matches!(self, AuthPolicy::Open)
    }

    /// Checks the value of the `Authorization` header; `now` is the time in Unix seconds.
    pub fn check(&self, header: Option<&[u8]>, now: i64) -> Result<(), AuthRefusal> {
        match self {
            AuthPolicy::Open => Ok(()),
            AuthPolicy::Capability(digest) => {
                let presented = Sha256::digest(bearer_token(header)?.as_bytes());
                if bool::from(presented.as_slice().ct_eq(digest)) {
                    Ok(())
                } else {
                    Err(AuthRefusal::Token)
                }
            }
            AuthPolicy::Signed(tokens) => tokens.check(bearer_token(header)?, now),
        }
    }
}

impl std::fmt::Debug for AuthPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AuthPolicy::Open => "AuthPolicy::Open",
            AuthPolicy::Capability(_) => "AuthPolicy::Capability(***)",
            AuthPolicy::Signed(_) => "AuthPolicy::Signed(***)",
        })
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter.
pub fn bearer_token(header: Option<&[u8]>) -> Result<&str, AuthRefusal> {
    let header = header.ok_or(AuthRefusal::Missing)?;
    let text = std::str::from_utf8(header).map_err(|_| AuthRefusal::Header)?;
    let (scheme, token) = text.split_once(' ').ok_or(AuthRefusal::Header)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(AuthRefusal::Header);
    }
    Ok(token)
}

/// Whether two secrets are the same, in constant time for any length.
pub fn same_secret(left: &str, right: &str) -> bool {
    let (left, right) = (Sha256::digest(left.as_bytes()), Sha256::digest(right.as_bytes()));
    bool::from(left.as_slice().ct_eq(right.as_slice()))
}
