//! The judge's answer: the form it is asked for, and what it means.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::protocol::{GuardianRiskLevel, GuardianUserAuthorization};

/// What reads in place of a reason for a refusal.
const NO_REASON: &str = "Auto-review returned a deny decision without a rationale.";
/// What reads in place of a reason for consent.
const NO_CONCERN: &str = "Auto-review returned a low-risk allow decision.";

/// What the judge decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Allow,
    Deny,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Assessment {
    #[serde(default)]
    risk_level: Option<GuardianRiskLevel>,
    #[serde(default)]
    user_authorization: Option<GuardianUserAuthorization>,
    outcome: Outcome,
    #[serde(default)]
    rationale: Option<String>,
}

impl Assessment {
    /// Reads an answer. JSON may stand among other words.
    pub(super) fn read(answer: &str) -> Result<Self, String> {
        let (Some(start), Some(end)) = (answer.find('{'), answer.rfind('}')) else {
            return Err("guardian assessment was not valid JSON".to_owned());
        };
        let json = answer.get(start..=end).unwrap_or_default();
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// Whether the action may be done.
    pub(super) fn allows(&self) -> bool {
        self.outcome == Outcome::Allow
    }

    /// How risky it is.
    pub(super) fn risk(&self) -> GuardianRiskLevel {
        self.risk_level.unwrap_or(match self.outcome {
            Outcome::Allow => GuardianRiskLevel::Low,
            Outcome::Deny => GuardianRiskLevel::High,
        })
    }

    /// How far the user wants it.
    pub(super) fn authorization(&self) -> GuardianUserAuthorization {
        self.user_authorization.unwrap_or(GuardianUserAuthorization::Unknown)
    }

    /// Why.
    pub(super) fn rationale(&self) -> String {
        let said = self.rationale.as_deref().map(str::trim).filter(|said| !said.is_empty());
        let silent = match self.outcome {
            Outcome::Allow => NO_CONCERN,
            Outcome::Deny => NO_REASON,
        };
        said.unwrap_or(silent).to_owned()
    }
}

/// The form of an answer, as a JSON Schema.
pub(super) fn schema() -> Option<Arc<RawValue>> {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "risk_level": {"type": "string", "enum": ["low", "medium", "high", "critical"]},
            "user_authorization": {"type": "string", "enum": ["unknown", "low", "medium", "high"]},
            "outcome": {"type": "string", "enum": ["allow", "deny"]},
            "rationale": {"type": "string"},
        },
        "required": ["outcome"],
    });
    serde_json::value::to_raw_value(&schema).ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_enough_and_what_is_missing_is_filled_in() {
        let allowed = Assessment::read(r#"Well: {"outcome":"allow"} so."#).unwrap();
        assert!(allowed.allows());
        assert_eq!(allowed.risk(), GuardianRiskLevel::Low);
        assert_eq!(allowed.rationale(), NO_CONCERN);
        let denied = Assessment::read(r#"{"outcome":"deny","rationale":" ","risk_level":"low"}"#).unwrap();
        assert!(!denied.allows());
        assert_eq!(
            (denied.risk(), denied.rationale().as_str()),
            (GuardianRiskLevel::Low, NO_REASON)
        );
    }

    #[test]
    fn anything_else_is_no_answer() {
        for broken in [
            "",
            "[]",
            "allow",
            "}{",
            r#"{"risk_level":"low"}"#,
            r#"{"outcome":"ALLOW"}"#,
            r#"{"outcome":"allow","risk_level":"tiny"}"#,
        ] {
            assert!(Assessment::read(broken).is_err(), "{broken}");
        }
    }
}
