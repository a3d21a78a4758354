//! Rate limits as response headers tell them, and messages over WebSockets.
//!
//! A limit family is a prefix: `x-codex-primary-used-percent` belongs to `codex`, `x-codex-other-primary-…` to
//! `codex_other`. One answer may describe several families; clients are shown the last of them in order of name, with
//! the plain family first. A percentage of zero without a window or a reset time says nothing and is left out.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::protocol::{CreditsSnapshot, PlanType, RateLimitSnapshot, RateLimitWindow};

const PLAIN: &str = "codex";

/// What clients are shown when nothing is known.
pub fn unknown() -> RateLimitSnapshot {
    RateLimitSnapshot {
        limit_id: Some(PLAIN.into()),
        ..RateLimitSnapshot::default()
    }
}

/// The snapshot that an answer's headers add up to; `None` when they say nothing.
pub fn from_headers(headers: &HeaderMap) -> Option<RateLimitSnapshot> {
    let mut found = Some(family(headers, PLAIN)).filter(says_something);
    for id in other_families(headers) {
        let snapshot = family(headers, &id);
        if says_something(&snapshot) {
            found = Some(merge(found.as_ref(), snapshot));
        }
    }
    found
}

/// What a provider says in a message of the type `codex.rate_limits`; none for any other message.
pub fn from_event(payload: &str) -> Option<RateLimitSnapshot> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        plan_type: Option<PlanType>,
        #[serde(default)]
        rate_limits: Option<Windows>,
        #[serde(default)]
        credits: Option<Credits>,
        #[serde(default)]
        metered_limit_name: Option<String>,
        #[serde(default)]
        limit_name: Option<String>,
    }
    #[derive(Default, Deserialize)]
    struct Windows {
        #[serde(default)]
        primary: Option<Window>,
        #[serde(default)]
        secondary: Option<Window>,
    }
    #[derive(Deserialize)]
    struct Window {
        used_percent: f64,
        #[serde(default)]
        window_minutes: Option<i64>,
        #[serde(default)]
        reset_at: Option<i64>,
    }
    #[derive(Deserialize)]
    struct Credits {
        has_credits: bool,
        unlimited: bool,
        #[serde(default)]
        balance: Option<String>,
    }
    let event: Event = serde_json::from_str(payload).ok()?;
    if event.kind != "codex.rate_limits" {
        return None;
    }
    let windows = event.rate_limits.unwrap_or_default();
    let window = |window: Window| RateLimitWindow {
        resets_at: window.reset_at,
        used_percent: window.used_percent.round() as i32,
        window_duration_mins: window.window_minutes,
    };
    Some(RateLimitSnapshot {
        credits: event.credits.map(|credits| CreditsSnapshot {
            balance: credits.balance,
            has_credits: credits.has_credits,
            unlimited: credits.unlimited,
        }),
        limit_id: Some(event.metered_limit_name.unwrap_or_else(|| PLAIN.to_owned())),
        limit_name: event.limit_name,
        plan_type: event.plan_type,
        primary: windows.primary.map(window),
        rate_limit_reached_type: None,
        secondary: windows.secondary.map(window),
    })
}

/// The snapshot of the one family that a refused request hit (`x-codex-active-limit`, else the plain one).
pub fn of_active_limit(headers: &HeaderMap) -> RateLimitSnapshot {
    family(headers, text(headers, "x-codex-active-limit").unwrap_or(PLAIN))
}

/// A newer snapshot, completed with what only an earlier one knows: credits and plan.
pub fn merge(earlier: Option<&RateLimitSnapshot>, mut newer: RateLimitSnapshot) -> RateLimitSnapshot {
    if let Some(earlier) = earlier {
        newer.credits = newer.credits.or_else(|| earlier.credits.clone());
        newer.plan_type = newer.plan_type.or(earlier.plan_type);
    }
    newer
}

fn says_something(snapshot: &RateLimitSnapshot) -> bool {
    snapshot.primary.is_some() || snapshot.secondary.is_some() || snapshot.credits.is_some()
}

fn other_families(headers: &HeaderMap) -> BTreeSet<String> {
    let ids = headers.keys().filter_map(|name| {
        let id = name
            .as_str()
            .strip_prefix("x-")?
            .strip_suffix("-primary-used-percent")?;
        (id != PLAIN && !id.is_empty()).then(|| id.replace('-', "_"))
    });
    ids.collect()
}

fn family(headers: &HeaderMap, id: &str) -> RateLimitSnapshot {
    let id = id.trim().to_ascii_lowercase().replace('-', "_");
    let prefix = format!("x-{}", id.replace('_', "-"));
    RateLimitSnapshot {
        credits: credits(headers),
        limit_name: text(headers, &format!("{prefix}-limit-name")).map(str::to_owned),
        primary: window(headers, &format!("{prefix}-primary")),
        secondary: window(headers, &format!("{prefix}-secondary")),
        limit_id: Some(id),
        plan_type: None,
        rate_limit_reached_type: None,
    }
}

fn window(headers: &HeaderMap, prefix: &str) -> Option<RateLimitWindow> {
    let number = |suffix: &str| text(headers, &format!("{prefix}-{suffix}"));
    let used: f64 = number("used-percent")?
        .parse()
        .ok()
        .filter(|used: &f64| used.is_finite())?;
    let minutes: Option<i64> = number("window-minutes").and_then(|value| value.parse().ok());
    let resets_at = number("reset-at").and_then(|value| value.parse().ok());
    if used == 0.0 && minutes.unwrap_or(0) == 0 && resets_at.is_none() {
        return None;
    }
    Some(RateLimitWindow {
        resets_at,
        used_percent: used.round() as i32,
        window_duration_mins: minutes,
    })
}

fn credits(headers: &HeaderMap) -> Option<CreditsSnapshot> {
    Some(CreditsSnapshot {
        has_credits: flag(headers, "x-codex-credits-has-credits")?,
        unlimited: flag(headers, "x-codex-credits-unlimited")?,
        balance: text(headers, "x-codex-credits-balance").map(str::to_owned),
    })
}

fn flag(headers: &HeaderMap, name: &str) -> Option<bool> {
    let value = text(headers, name)?;
    if value == "1" || value.eq_ignore_ascii_case("true") {
        Some(true)
    } else if value == "0" || value.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn percentages_are_rounded_and_empty_windows_left_out() {
        let snapshot = from_headers(&headers(&[
            ("x-codex-primary-used-percent", "12.5"),
            ("x-codex-primary-window-minutes", "300"),
            ("x-codex-primary-reset-at", "1700000000"),
            ("x-codex-secondary-used-percent", "0"),
        ]))
        .unwrap();
        let primary = snapshot.primary.unwrap();
        assert_eq!((primary.used_percent, primary.window_duration_mins), (13, Some(300)));
        assert_eq!(primary.resets_at, Some(1_700_000_000));
        assert_eq!(snapshot.secondary, None);
        assert_eq!(snapshot.limit_id.as_deref(), Some("codex"));
    }

    #[test]
    fn the_last_family_is_shown_with_the_credits_of_all() {
        let snapshot = from_headers(&headers(&[
            ("x-codex-primary-used-percent", "2.5"),
            ("x-codex-credits-has-credits", "true"),
            ("x-codex-credits-unlimited", "0"),
            ("x-codex-credits-balance", " 5.5 "),
            ("x-codex-bengalfox-primary-used-percent", "80"),
            ("x-codex-bengalfox-limit-name", "bf"),
        ]))
        .unwrap();
        assert_eq!(snapshot.limit_id.as_deref(), Some("codex_bengalfox"));
        assert_eq!(snapshot.limit_name.as_deref(), Some("bf"));
        assert_eq!(snapshot.credits.unwrap().balance.as_deref(), Some("5.5"));
    }

    #[test]
    fn headers_that_say_nothing_are_nothing() {
        for list in [
            &[
                ("x-codex-primary-used-percent", "0"),
                ("x-codex-primary-window-minutes", "0"),
            ][..],
            &[("x-codex-primary-used-percent", "NaN")],
            &[("x-codex-primary-window-minutes", "5")],
            &[("x-codex-credits-has-credits", "true")],
            &[],
        ] {
            assert_eq!(from_headers(&headers(list)), None, "{list:?}");
        }
    }

    #[test]
    fn a_refusal_tells_its_own_family() {
        let told = headers(&[("x-codex-active-limit", "zed"), ("x-zed-limit-name", "Zed")]);
        assert_eq!(of_active_limit(&told).limit_name.as_deref(), Some("Zed"));
        assert_eq!(of_active_limit(&HeaderMap::new()), unknown());
    }
}
