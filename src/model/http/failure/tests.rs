use super::*;
use crate::protocol::CodexErrorInfo;

const URL: &str = "http://h/v1/responses";

fn of(status: u16, body: &str) -> ModelError {
    of_response(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body, URL)
}

#[test]
fn a_bad_request_is_its_body() {
    let error = of(400, r#"{"error": {"message": "bad"}}"#);
    assert_eq!(error.to_string(), r#"{"error": {"message": "bad"}}"#);
    assert_eq!(error.info(), CodexErrorInfo::Other);
    assert!(!error.is_retryable());
    assert_eq!(of(400, BAD_IMAGE[0]).info(), CodexErrorInfo::BadRequest);
    let cyber = of(400, r#"{"error":{"code":"cyber_policy","message":"no"}}"#);
    assert_eq!(
        (cyber.info(), cyber.to_string().as_str()),
        (CodexErrorInfo::CyberPolicy, "no")
    );
}

#[test]
fn unexpected_statuses_tell_all_they_know() {
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", "req_1".parse().unwrap());
    headers.insert("cf-ray", "ray".parse().unwrap());
    headers.insert(
        "x-error-json",
        STANDARD.encode(r#"{"error":{"code":"expired"}}"#).parse().unwrap(),
    );
    let error = of_response(StatusCode::UNAUTHORIZED, &headers, r#"{"error":{"message":"m!"}}"#, URL);
    assert_eq!(
        error.to_string(),
        "unexpected status 401 Unauthorized: m!, url: http://h/v1/responses, cf-ray: ray, request id: req_1, \
         auth error code: expired"
    );
    assert!(error.is_retryable());
    assert_eq!(error.http_status(), Some(401));
    assert!(
        of(404, "")
            .to_string()
            .starts_with("unexpected status 404 Not Found: Unknown error, url")
    );
    let long = of(404, &"é".repeat(900)).to_string();
    assert!(long.contains(&format!("{}..., url", "é".repeat(500))));
}

#[test]
fn statuses_have_their_classes() {
    let overloaded = of(503, r#"{"error":{"code":"slow_down"}}"#);
    assert_eq!(
        (overloaded.info(), overloaded.is_retryable()),
        (CodexErrorInfo::ServerOverloaded, false)
    );
    let server = of(500, "boom");
    assert_eq!(
        (server.info(), server.is_retryable()),
        (CodexErrorInfo::InternalServerError, true)
    );
    assert_eq!(of(503, "x").info(), CodexErrorInfo::Other);
    let limited = of(429, "{}");
    assert_eq!(
        limited.to_string(),
        "exceeded retry limit, last status: 429 Too Many Requests"
    );
    assert!(!limited.is_retryable());
}

#[test]
fn usage_limits_say_what_to_do_and_when() {
    let error = of(429, r#"{"error":{"type":"usage_limit_reached","plan_type":"team"}}"#);
    assert_eq!(
        error.to_string(),
        "You've hit your usage limit. Ask your admin for more, or try again later."
    );
    assert_eq!(error.info(), CodexErrorInfo::UsageLimitExceeded);
    assert_eq!(error.rate_limits(), Some(&rate_limits::unknown()));
    let mut headers = HeaderMap::new();
    headers.insert("x-codex-active-limit", "zed".parse().unwrap());
    headers.insert("x-zed-limit-name", "Zed".parse().unwrap());
    let body = r#"{"error":{"type":"usage_limit_reached"}}"#;
    let error = of_response(StatusCode::TOO_MANY_REQUESTS, &headers, body, URL);
    assert!(error.to_string().starts_with("You've hit your usage limit for Zed. "));
}

#[test]
fn times_of_other_days_are_told_with_their_date() {
    let at = |text: &str| text.parse::<DateTime<Local>>().unwrap();
    let now = at("2026-11-22T01:00:00Z");
    assert_eq!(
        clock_text(at("2026-11-22T01:05:00Z"), now),
        at("2026-11-22T01:05:00Z").format("%-I:%M %p").to_string()
    );
    assert!(clock_text(at("2100-01-03T12:00:00Z"), now).starts_with("Jan 3rd, 2100 "));
    assert!(clock_text(at("2100-01-12T12:00:00Z"), now).starts_with("Jan 12th, 2100 "));
}

fn failed(error: &str) -> ModelError {
    let raw = RawValue::from_string(format!(r#"{{"id":"r","error":{error}}}"#)).unwrap();
    of_failed_event(Some(&raw))
}

#[test]
fn failed_answers_have_their_classes() {
    for (code, info) in [
        ("context_length_exceeded", CodexErrorInfo::ContextWindowExceeded),
        ("insufficient_quota", CodexErrorInfo::UsageLimitExceeded),
        ("usage_not_included", CodexErrorInfo::UsageLimitExceeded),
        ("invalid_prompt", CodexErrorInfo::Other),
        ("cyber_policy", CodexErrorInfo::CyberPolicy),
        ("server_is_overloaded", CodexErrorInfo::ServerOverloaded),
        ("slow_down", CodexErrorInfo::ServerOverloaded),
    ] {
        let error = failed(&format!(r#"{{"code":"{code}","message":"m"}}"#));
        assert_eq!((error.info(), error.is_retryable()), (info, false), "{code}");
    }
    let other = failed(r#"{"code":"mystery","message":"something odd"}"#);
    assert_eq!(
        other.to_string(),
        "stream disconnected before completion: something odd"
    );
    assert!(other.is_retryable());
    assert_eq!(
        failed("null").to_string(),
        "stream disconnected before completion: response.failed event received"
    );
}

#[test]
fn only_rate_limits_may_ask_for_a_delay() {
    let asked = |code| failed(&format!(r#"{{"code":"{code}","message":"try again in 2s"}}"#)).requested_delay();
    assert_eq!(asked("rate_limit_exceeded").map(|delay| delay.as_secs()), Some(2));
    assert_eq!(asked("mystery"), None);
}

#[test]
fn incomplete_answers_give_their_reason() {
    let raw = RawValue::from_string(r#"{"incomplete_details":{"reason":"max_output_tokens"}}"#.into()).unwrap();
    assert_eq!(
        of_incomplete_event(Some(&raw)).to_string(),
        "stream disconnected before completion: Incomplete response returned, reason: max_output_tokens"
    );
    assert!(of_incomplete_event(None).to_string().ends_with("reason: unknown"));
}
