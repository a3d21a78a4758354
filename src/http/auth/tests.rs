use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_700_000_000;

fn signed(header: serde_json::Value, claims: &str, secret: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let head = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key");
    mac.update(head.as_bytes());
    format!("{head}.{}", encode(&mac.finalize().into_bytes()))
}

fn jwt(claims: serde_json::Value) -> String {
    signed(json!({"alg": "HS256", "typ": "JWT"}), &claims.to_string(), SECRET)
}

fn ask(policy: &AuthPolicy, token: &str) -> Result<(), AuthRefusal> {
    policy.check(Some(format!("Bearer {token}").as_bytes()), NOW)
}

fn signed_policy() -> AuthPolicy {
    AuthPolicy::Signed(SignedTokens::new(SECRET, Some("I".into()), Some("A".into()), 30).expect("a policy"))
}

#[test]
fn capability_tokens() {
    let policy = AuthPolicy::Capability(Sha256::digest(b"tok").into());
    let check = |header: &[u8]| policy.check(Some(header), NOW);
    assert_eq!(policy.check(None, NOW), Err(AuthRefusal::Missing));
    for good in ["Bearer tok", "bearer  tok", "BEARER tok "] {
        assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
    }
    for bad in ["Bearer\ttok", "Bearer", "Bearer ", "Bearertok", "", "Basic tok"] {
        assert_eq!(check(bad.as_bytes()), Err(AuthRefusal::Header), "{bad}");
    }
    assert_eq!(check(b"Bearer \xff"), Err(AuthRefusal::Header));
    assert_eq!(check(b"Bearer tok extra"), Err(AuthRefusal::Token));
    assert!(AuthPolicy::Open.check(None, NOW).is_ok());
}

#[test]
fn signed_tokens_by_their_claims() {
    use AuthRefusal::*;
    let policy = signed_policy();
    let good = json!({"exp": NOW + 60, "iss": "I", "aud": "A"});
    let with = |key: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[key] = value;
        claims
    };
    let table = [
        ("good", good.clone(), Ok(())),
        ("within skew", with("exp", json!(NOW - 30)), Ok(())),
        ("expired", with("exp", json!(NOW - 31)), Err(Expired)),
        ("long expired", with("exp", json!(-1)), Err(Expired)),
        ("far future", with("exp", json!(i64::MAX)), Ok(())),
        ("fractional expiry", with("exp", json!(NOW as f64 + 60.5)), Err(Jwt)),
        ("text expiry", with("exp", json!("soon")), Err(Jwt)),
        ("no expiry", json!({"iss": "I", "aud": "A"}), Err(Jwt)),
        ("not yet, within skew", with("nbf", json!(NOW + 30)), Ok(())),
        ("not yet", with("nbf", json!(NOW + 31)), Err(NotYet)),
        ("no not-before", with("nbf", json!(null)), Ok(())),
        ("text not-before", with("nbf", json!("x")), Err(Jwt)),
        ("other issuer", with("iss", json!("x")), Err(Issuer)),
        ("null issuer", with("iss", json!(null)), Err(Issuer)),
        ("numeric issuer", with("iss", json!(1)), Err(Jwt)),
        ("other audience", with("aud", json!("x")), Err(Audience)),
        ("audience list", with("aud", json!(["x", "A"])), Ok(())),
        ("empty audience list", with("aud", json!([])), Err(Audience)),
        ("mixed audience list", with("aud", json!(["A", 1])), Err(Jwt)),
        ("expiry before issuer", json!({"exp": 1, "iss": "x"}), Err(Expired)),
        (
            "issuer before audience",
            json!({"exp": NOW, "iss": "x", "aud": "x"}),
            Err(Issuer),
        ),
        ("not an object", json!([1]), Err(Jwt)),
    ];
    for (name, claims, expected) in table {
        assert_eq!(ask(&policy, &jwt(claims)), expected, "{name}");
    }
}

#[test]
fn signed_tokens_by_their_form() {
    let policy = signed_policy();
    let claims = json!({"exp": NOW + 60, "iss": "I", "aud": "A"}).to_string();
    let token = |header: serde_json::Value| signed(header, &claims, SECRET);
    assert_eq!(ask(&policy, &token(json!({"alg": "HS256"}))), Ok(()));
    assert_eq!(
        ask(&policy, &token(json!({"alg": "HS256", "typ": "at+jwt", "kid": "1"}))),
        Ok(())
    );
    let good = token(json!({"alg": "HS256", "typ": "JWT"}));
    let unsigned = good.rsplit_once('.').expect("three parts").0;
    let bad = [
        token(json!({"alg": "hs256"})),
        token(json!({"alg": "HS384"})),
        token(json!({"alg": "none"})),
        token(json!({"alg": "HS256", "typ": 1})),
        signed(json!({"alg": "HS256"}), &claims, b"another secret of the same length"),
        signed(json!({"alg": "HS256"}), r#"{"exp":1,"exp":1800000000}"#, SECRET),
        format!("{good}="),
        format!("{good}.x"),
        format!("{unsigned}."),
        unsigned.to_string(),
        "abc".to_string(),
        "..".to_string(),
    ];
    for token in bad {
        assert_eq!(ask(&policy, &token), Err(AuthRefusal::Jwt), "{token}");
    }
}

fn flags(change: impl FnOnce(&mut AuthFlags)) -> AuthFlags {
    let mut flags = AuthFlags::default();
    change(&mut flags);
    flags
}

#[test]
fn flags_that_go_together() {
    use AuthMode::*;
    let refusal = |change: fn(&mut AuthFlags)| flags(change).validate().expect_err("a refusal").to_string();
    assert!(!AuthFlags::default().validate().expect("no flags"));
    assert!(refusal(|f| f.ws_issuer = Some("x".into())).starts_with("websocket auth flags require"));
    assert!(refusal(|f| f.ws_auth = Some(CapabilityToken)).starts_with("`--ws-token-file` or"));
    assert!(refusal(|f| f.ws_auth = Some(SignedBearerToken)).starts_with("`--ws-shared-secret-file` is required"));
    let both = refusal(|f| {
        f.ws_auth = Some(CapabilityToken);
        f.ws_token_file = Some("t".into());
        f.ws_token_sha256 = Some("a".repeat(64));
    });
    assert_eq!(both, "`--ws-token-file` and `--ws-token-sha256` are mutually exclusive");
    let mixed = refusal(|f| {
        f.ws_auth = Some(CapabilityToken);
        f.ws_token_file = Some("t".into());
        f.ws_issuer = Some(String::new());
    });
    assert!(mixed.starts_with("`--ws-shared-secret-file`, `--ws-issuer`"));
    let mixed = refusal(|f| {
        f.ws_auth = Some(SignedBearerToken);
        f.ws_token_file = Some("t".into());
    });
    assert!(mixed.ends_with("not `signed-bearer-token`"));
    let digest = refusal(|f| {
        f.ws_auth = Some(CapabilityToken);
        f.ws_token_sha256 = Some("zz".into());
    });
    assert_eq!(digest, "--ws-token-sha256 must be a 64-character hex SHA-256 digest");
    let skew = refusal(|f| {
        f.ws_auth = Some(SignedBearerToken);
        f.ws_shared_secret_file = Some("s".into());
        f.ws_max_clock_skew_seconds = Some(u64::MAX);
    });
    assert_eq!(skew, "websocket auth clock skew must fit in a signed 64-bit integer");
}

#[test]
fn secrets_are_read_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let token = |path: std::path::PathBuf| {
        flags(|f| {
            f.ws_auth = Some(AuthMode::CapabilityToken);
            f.ws_token_file = Some(path);
        })
        .policy()
    };
    let secret = |path: std::path::PathBuf| {
        flags(|f| {
            f.ws_auth = Some(AuthMode::SignedBearerToken);
            f.ws_shared_secret_file = Some(path);
        })
        .policy()
    };
    let policy = token(write("token", b"tok\n")).expect("a policy");
    assert_eq!(ask(&policy, "tok"), Ok(()));
    let error = token(write("empty", b" \n")).expect_err("empty").to_string();
    assert_eq!(
        error,
        format!(
            "websocket auth secret {}/empty must not be empty",
            folder.path().display()
        )
    );
    let error = token(folder.path().join("none")).expect_err("missing").to_string();
    assert!(
        error.ends_with("none: No such file or directory (os error 2)"),
        "{error}"
    );
    let error = token(write("bytes", b"\xff")).expect_err("not text").to_string();
    assert!(error.ends_with("stream did not contain valid UTF-8"), "{error}");
    let error = secret(write("short", b"tooshort")).expect_err("short").to_string();
    assert!(
        error.starts_with("signed websocket bearer secret ") && error.ends_with("at least 32 bytes"),
        "{error}"
    );
    let policy = secret(write("secret", SECRET)).expect("a policy");
    assert_eq!(ask(&policy, &jwt(json!({"exp": NOW}))), Ok(()));
    assert!(!format!("{policy:?}").contains("0123"));
}
