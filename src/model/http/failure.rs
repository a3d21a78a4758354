//! From a refused request or a failed answer to a [`ModelError`].
//!
//! Statuses and codes are public; the mapping is a table, kept in one place. Bodies are read leniently: what does not
//! parse is shown as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, Local};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::headers::{request_id, text};
use crate::model::error::ModelError;
use crate::model::{rate_limits, retry};
use crate::protocol::RateLimitSnapshot;

const CYBER: &str = "The provider refused this request because it may concern attacks on computer systems.";
const PLAN: &str = "The account's plan does not include this model. Choose another model, or change the plan.";
const SHOWN_BODY: usize = 1000;

/// Texts by which a provider says that it cannot read an image.
const BAD_IMAGE: &[&str] = &[
    "The image data you provided does not represent a valid image",
    "Expected a base64-encoded data URL with an image MIME type, but got empty base64-encoded bytes.",
];

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Fault,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    code: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
    plan_type: Option<String>,
    resets_at: Option<i64>,
}

/// The error of an answer whose status is not a success.
pub(in crate::model) fn of_response(status: StatusCode, headers: &HeaderMap, body: &str, url: &str) -> ModelError {
    let fault = serde_json::from_str::<Body>(body).unwrap_or_default().error;
    let code = fault.code.as_deref();
    match status {
        StatusCode::BAD_REQUEST if code == Some("cyber_policy") => cyber(fault.message),
        StatusCode::BAD_REQUEST if BAD_IMAGE.iter().any(|known| body.contains(known)) => ModelError::InvalidImage,
        StatusCode::BAD_REQUEST => ModelError::InvalidRequest(body.to_owned()),
        StatusCode::TOO_MANY_REQUESTS => match fault.kind.as_deref() {
            Some("usage_limit_reached") => usage_limit(&fault, headers),
            Some("usage_not_included") => ModelError::Quota(PLAN.into()),
            _ => ModelError::TooManyRequests {
                request_id: request_id(headers),
            },
        },
        StatusCode::INTERNAL_SERVER_ERROR => ModelError::ServerError,
        StatusCode::SERVICE_UNAVAILABLE if matches!(code, Some("server_is_overloaded" | "slow_down")) => {
            ModelError::Overloaded
        }
        _ => ModelError::UnexpectedStatus {
            status: status.as_u16(),
            message: unexpected(status, headers, fault.message, body, url),
        },
    }
}

/// The error of an answer that ended with `response.failed`.
pub(in crate::model) fn of_failed_event(response: Option<&RawValue>) -> ModelError {
    #[derive(Deserialize)]
    struct Failed {
        error: Option<Fault>,
    }
    let failed = response.and_then(|raw| serde_json::from_str::<Failed>(raw.get()).ok());
    match failed.and_then(|failed| failed.error) {
        Some(fault) => of_code(fault),
        None => ModelError::disconnected("response.failed event received"),
    }
}

/// The error object that a stream ended with. What is no such object is shown as it came.
pub(in crate::model) fn of_fault(error: &RawValue) -> ModelError {
    /// Some servers count with numbers here.
    #[derive(Deserialize)]
    struct Loose {
        code: Option<serde_json::Value>,
        message: Option<String>,
    }
    match serde_json::from_str::<Loose>(error.get()) {
        Ok(Loose { code, message }) if message.is_some() || code.is_some() => of_code(Fault {
            code: code.and_then(|code| code.as_str().map(str::to_owned)),
            message,
            ..Fault::default()
        }),
        _ => ModelError::disconnected(shown(error.get())),
    }
}

fn of_code(fault: Fault) -> ModelError {
    match fault.code.as_deref().unwrap_or_default() {
        "context_length_exceeded" => ModelError::ContextWindow,
        "insufficient_quota" => {
            ModelError::Quota("Quota exceeded. The account's plan or its billing must change first.".into())
        }
        "usage_not_included" => ModelError::Quota(PLAN.into()),
        "invalid_prompt" => ModelError::InvalidRequest(fault.message.unwrap_or_else(|| "Invalid request.".into())),
        "cyber_policy" => cyber(fault.message),
        "server_is_overloaded" | "slow_down" => ModelError::Overloaded,
        code => {
            let message = fault.message.unwrap_or_else(|| "response.failed event received".into());
            ModelError::Disconnected {
                retry_after: (code == "rate_limit_exceeded")
                    .then(|| retry::asked_delay(&message))
                    .flatten(),
                message,
            }
        }
    }
}

/// The error of an answer that ended with `response.incomplete`.
pub(in crate::model) fn of_incomplete_event(response: Option<&RawValue>) -> ModelError {
    #[derive(Deserialize)]
    struct Incomplete {
        incomplete_details: Option<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        reason: Option<String>,
    }
    let told = response.and_then(|raw| serde_json::from_str::<Incomplete>(raw.get()).ok());
    let reason = told.and_then(|told| told.incomplete_details?.reason);
    let reason = reason.unwrap_or_else(|| "unknown".into());
    ModelError::disconnected(format!("Incomplete response returned, reason: {reason}"))
}

fn cyber(message: Option<String>) -> ModelError {
    ModelError::CyberPolicy(
        message
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| CYBER.into()),
    )
}

fn unexpected(status: StatusCode, headers: &HeaderMap, message: Option<String>, body: &str, url: &str) -> String {
    let blocked = status == StatusCode::FORBIDDEN && body.contains("Cloudflare") && body.contains("blocked");
    let mut out = if blocked {
        format!(
            "Cloudflare blocked the request, often because of the region it came from (status {status}), url: {url}"
        )
    } else {
        let told = message
            .filter(|text| !text.trim().is_empty())
            .unwrap_or_else(|| shown(body));
        format!("unexpected status {status}: {told}, url: {url}")
    };
    let details = [
        ("cf-ray", text(headers, "cf-ray")),
        ("request id", request_id(headers)),
        ("auth error", text(headers, "x-openai-authorization-error")),
        ("auth error code", auth_error_code(headers)),
    ];
    for (name, value) in details {
        if let Some(value) = value {
            out.push_str(&format!(", {name}: {value}"));
        }
    }
    out
}

fn shown(body: &str) -> String {
    let body = body.trim();
    if body.is_empty() {
        "Unknown error".into()
    } else if body.len() > SHOWN_BODY {
        format!("{}...", &body[..body.floor_char_boundary(SHOWN_BODY)])
    } else {
        body.to_owned()
    }
}

/// `x-error-json` holds an error object in base64.
fn auth_error_code(headers: &HeaderMap) -> Option<String> {
    let json = STANDARD.decode(headers.get("x-error-json")?).ok()?;
    serde_json::from_slice::<Body>(&json).ok()?.error.code
}

fn usage_limit(fault: &Fault, headers: &HeaderMap) -> ModelError {
    let limits = rate_limits::of_active_limit(headers);
    let promotion = text(headers, "x-codex-promo-message");
    ModelError::UsageLimit {
        message: usage_message(fault, &limits, promotion.as_deref()),
        rate_limits: Some(Box::new(limits)),
    }
}

fn usage_message(fault: &Fault, limits: &RateLimitSnapshot, promotion: Option<&str>) -> String {
    let own_limit = limits
        .limit_name
        .as_deref()
        .filter(|_| limits.limit_id.as_deref() != Some("codex"));
    let subject = own_limit.map(|name| format!(" for {name}")).unwrap_or_default();
    let advice = match (own_limit, promotion, fault.plan_type.as_deref().unwrap_or_default()) {
        (Some(_), _, _) => Some("Use another model".to_owned()),
        (_, Some(promotion), _) => Some(promotion.to_owned()),
        (_, _, "free" | "go") => Some("A larger plan has a higher limit: change the plan".to_owned()),
        (_, _, "plus" | "pro" | "prolite") => Some("Buy more credits in the account's settings".to_owned()),
        (_, _, "team" | "business") => Some("Ask your admin for more".to_owned()),
        _ => None,
    };
    let when = match fault.resets_at.and_then(|at| DateTime::from_timestamp(at, 0)) {
        Some(at) => format!("at {}", clock_text(at.with_timezone(&Local), Local::now())),
        None => "later".to_owned(),
    };
    match advice {
        Some(advice) => format!("You've hit your usage limit{subject}. {advice}, or try again {when}."),
        None => format!("You've hit your usage limit{subject}. Try again {when}."),
    }
}

/// `10:58 AM` for today, `Jan 1st, 2100 12:00 AM` for any other day.
fn clock_text(at: DateTime<Local>, now: DateTime<Local>) -> String {
    let time = at.format("%-I:%M %p");
    if at.date_naive() == now.date_naive() {
        return time.to_string();
    }
    let ending = match at.day() {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    format!("{}{ending}, {} {time}", at.format("%b %-d"), at.year())
}

#[cfg(test)]
mod tests;
