//! Signed bearer tokens: JSON Web Tokens with HS256 and nothing else.
//!
//! Checks go signature, claims, expiry, not-before, issuer, audience; the first failure is the answer, so that nobody
//! without the secret learns anything about claims.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::AuthRefusal;

/// What a signed token must fulfil.
pub struct SignedTokens {
    key: Hmac<Sha256>,
    issuer: Option<String>,
    audience: Option<String>,
    skew: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, rename = "typ")]
    _typ: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    aud: Option<Audience>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl SignedTokens {
    /// Tokens signed with `secret`, for `issuer` and `audience` where given, with `skew` seconds between the clocks.
    /// `None` when the secret cannot be a key.
    pub fn new(secret: &[u8], issuer: Option<String>, audience: Option<String>, skew: i64) -> Option<Self> {
        Some(SignedTokens {
            key: Hmac::new_from_slice(secret).ok()?,
            issuer,
            audience,
            skew,
        })
    }

    /// Checks a token at the time `now`.
    pub fn check(&self, token: &str, now: i64) -> Result<(), AuthRefusal> {
        let claims = self.verified_claims(token).ok_or(AuthRefusal::Jwt)?;
        if now > claims.exp.saturating_add(self.skew) {
            return Err(AuthRefusal::Expired);
        }
        if claims.nbf.is_some_and(|nbf| now < nbf.saturating_sub(self.skew)) {
            return Err(AuthRefusal::NotYet);
        }
        if self.issuer.is_some() && self.issuer != claims.iss {
            return Err(AuthRefusal::Issuer);
        }
        if let Some(expected) = &self.audience {
            let matches = match &claims.aud {
                None => false,
                Some(Audience::One(audience)) => audience == expected,
                Some(Audience::Many(audiences)) => audiences.contains(expected),
            };
            if !matches {
                return Err(AuthRefusal::Audience);
            }
        }
        Ok(())
    }

    fn verified_claims(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        // Derived readers also take arrays; a token's parts are objects.
        let object = |part: &[u8]| part.trim_ascii_start().starts_with(b"{").then_some(());
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header = decode(header)?;
        object(&header)?;
        let header: Header = serde_json::from_slice(&header).ok()?;
        if header.alg != "HS256" {
            return None;
        }
        let mut mac = self.key.clone();
        mac.update(signed.as_bytes());
        // Constant time by contract of the crate.
        mac.verify_slice(&decode(signature)?).ok()?;
        let claims = decode(claims)?;
        object(&claims)?;
        serde_json::from_slice(&claims).ok()
    }
}
