//! When a failed request or a broken stream is tried again, and after how long.
//!
//! Two loops use it. The inner one, inside the client, repeats a bare request that did not get through (transport
//! faults and 5xx, never 429), and nobody hears of it. The outer one belongs to the engine: it repeats a sampling step
//! whose stream broke, and tells the clients each time. Both are pure functions here.

use std::time::Duration;

use crate::model::error::ModelError;

const FIRST_DELAY: Duration = Duration::from_millis(200);
const MOST: u64 = 100;

/// The limits of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Repetitions of a bare request.
    pub request_max_retries: u64,
    /// Repetitions of a sampling step.
    pub stream_max_retries: u64,
    /// How long a stream may be silent.
    pub stream_idle_timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy::new(None, None, None)
    }
}

impl RetryPolicy {
    /// A policy from a provider's configuration; what is not set gets its default, what is too large is capped.
    pub fn new(request: Option<u64>, stream: Option<u64>, idle_ms: Option<u64>) -> Self {
        RetryPolicy {
            request_max_retries: request.unwrap_or(4).min(MOST),
            stream_max_retries: stream.unwrap_or(5).min(MOST),
            stream_idle_timeout: Duration::from_millis(idle_ms.unwrap_or(300_000)),
        }
    }

    /// Whether the engine tries the step again after `error`, its `attempt`th failure in a row (counted from 1), and
    /// after what wait.
    pub fn next(&self, attempt: u64, error: &ModelError) -> Option<Duration> {
        (attempt <= self.stream_max_retries && is_retryable(error)).then(|| delay(attempt, error))
    }
}

/// Whether a step that failed so may be tried again.
pub fn is_retryable(error: &ModelError) -> bool {
    error.is_retryable()
}

/// The wait before the `attempt`th repetition: what the server asked for, else [`backoff`].
pub fn delay(attempt: u64, error: &ModelError) -> Duration {
    error.requested_delay().unwrap_or_else(|| backoff(attempt))
}

/// 200 ms, doubled with each attempt after the first, spread by a tenth to either side.
pub fn backoff(attempt: u64) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1u32 << attempt.saturating_sub(1).min(20));
    doubled.mul_f64(rand::random_range(0.9..1.1))
}

/// The wait that a message asks for: `try again in 1.5s`, `… in 20 ms`, `… in 3 seconds`.
pub fn asked_delay(message: &str) -> Option<Duration> {
    const MARK: &str = "try again in";
    let lower = message.to_ascii_lowercase();
    let rest = lower[lower.find(MARK)? + MARK.len()..].trim_start();
    let digits = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let amount: f64 = rest[..digits].parse().ok()?;
    let unit = rest[digits..].trim_start();
    let seconds = if unit.starts_with("ms") {
        amount / 1000.0
    } else if unit.starts_with('s') {
        amount
    } else {
        return None;
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_within_a_tenth() {
        for (attempt, middle) in [(1, 200.0), (2, 400.0), (3, 800.0), (5, 3200.0)] {
            let delay = backoff(attempt).as_secs_f64() * 1000.0;
            assert!((middle * 0.9..middle * 1.1).contains(&delay), "{attempt}: {delay}");
        }
        assert!(backoff(u64::MAX) > Duration::from_secs(1000));
    }

    #[test]
    fn the_server_may_ask_for_a_delay() {
        let ms = |text| asked_delay(text).map(|delay| delay.as_millis());
        assert_eq!(ms("Rate limit reached. Please try again in 1.5s. More"), Some(1500));
        assert_eq!(ms("Try again in 20 ms"), Some(20));
        assert_eq!(ms("try again in 3 seconds."), Some(3000));
        assert_eq!(ms("try again in a while"), None);
        assert_eq!(ms("try again in 5 minutes"), None);
        assert_eq!(ms("try again in 99999999999999999999999s"), None);
    }

    #[test]
    fn the_policy_counts_and_caps() {
        let policy = RetryPolicy::new(Some(7000), Some(2), None);
        assert_eq!(policy.request_max_retries, 100);
        let broken = ModelError::disconnected("x");
        assert!(policy.next(2, &broken).is_some());
        assert!(policy.next(3, &broken).is_none());
        assert!(policy.next(1, &ModelError::Overloaded).is_none());
    }
}
