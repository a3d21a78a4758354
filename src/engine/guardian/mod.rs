//! Automatic review of approvals: a model of its own judges what the user would be asked.
//!
//! The judge is a thread inside of the turn (`engine/subthread.rs`) that may look but not touch. It goes on for as long
//! as the thread is loaded and is told what has happened since it was last asked. Nobody is asked in its place: what it
//! does not allow, fails to judge, or does not judge in time is not done. Clients hear of each judgement.

mod assessment;
mod breaker;
mod judge;
mod prompt;
mod rubric;
mod transcript;

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::engine::items;
use crate::engine::scope::TurnScope;
use crate::model::InputItem;
use crate::protocol::{
    ApprovalsReviewer, AskForApproval, AutoReviewDecisionSource, GuardianApprovalReview, GuardianApprovalReviewAction,
    GuardianApprovalReviewStatus, GuardianRiskLevel, GuardianUserAuthorization, GuardianWarningNotification,
    ItemGuardianApprovalReviewCompletedNotification, ItemGuardianApprovalReviewStartedNotification,
};

use assessment::Assessment;
use breaker::Breaker;
use judge::{Fault, judge};

pub use judge::Seat;
pub use prompt::consent;

/// What a turn knows of its judgements.
#[derive(Debug, Default)]
pub struct Watch {
    /// The conversation up to the calls that may be judged.
    seen: Mutex<Vec<InputItem>>,
    breaker: Mutex<Breaker>,
}

impl Watch {
    /// Keeps what the judge is to be told of.
    pub fn see(&self, conversation: Vec<InputItem>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = conversation;
    }

    fn seen(&self) -> Vec<InputItem> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is to be judged.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The item that clients know it by, if it has one.
    pub item_id: Option<String>,
    /// When that began to wait, in milliseconds.
    pub started_at_ms: i64,
    /// What it is, for clients.
    pub action: GuardianApprovalReviewAction,
    /// What it is, for the judge.
    pub details: Value,
    /// Why it has to be asked about, if a rule says so.
    pub reason: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It may be done.
    Allowed,
    /// It may not; what the model is told.
    Denied(String),
    /// Nobody said in time; what the model is told.
    Late(String),
}

/// Whether approvals are judged instead of asked for: always, or in this turn, because the user granted permissions on that
/// condition.
pub fn judges(turn: &TurnScope) -> bool {
    turn.judges_all() || stands_in(turn)
}

/// Whether the user has a judge for all that they would be asked.
pub fn stands_in(turn: &TurnScope) -> bool {
    let settings = &turn.settings;
    settings.approvals_reviewer != ApprovalsReviewer::User
        && matches!(
            settings.approval_policy,
            AskForApproval::OnRequest | AskForApproval::Granular { .. }
        )
}

/// Has an action judged, and tells clients. Never returns when the turn ends meanwhile.
pub async fn rule(turn: &TurnScope, planned: &Planned) -> Ruling {
    let host = &turn.host;
    let review_id = items::new_id();
    host.publish(&ItemGuardianApprovalReviewStartedNotification {
        action: planned.action.clone(),
        review: GuardianApprovalReview {
            rationale: None,
            risk_level: None,
            status: GuardianApprovalReviewStatus::InProgress,
            user_authorization: None,
        },
        review_id: review_id.clone(),
        started_at_ms: planned.started_at_ms,
        target_item_id: planned.item_id.clone(),
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    })
    .await;
    let judged = judge(turn, planned).await;
    if host.cancel.is_cancelled() {
        return std::future::pending().await;
    }
    let refused = matches!(&judged, Ok(assessment) if !assessment.allows());
    turn.judgements
        .breaker
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .note(refused);
    let (review, ruling) = match judged {
        Ok(assessment) => conclude(assessment),
        Err(fault) => failed(&fault),
    };
    warn(turn, in_words(&review)).await;
    host.publish(&ItemGuardianApprovalReviewCompletedNotification {
        action: planned.action.clone(),
        completed_at_ms: items::now_ms(),
        decision_source: AutoReviewDecisionSource::Agent,
        review,
        review_id,
        started_at_ms: planned.started_at_ms,
        target_item_id: planned.item_id.clone(),
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    })
    .await;
    ruling
}

/// After a refusal has been shown: ends the turn if there were too many. Does not return then.
pub async fn settle_refusal(turn: &TurnScope) {
    let tripped = {
        let breaker = turn.judgements.breaker.lock();
        breaker.unwrap_or_else(PoisonError::into_inner).trip()
    };
    if let Some(why) = tripped {
        warn(turn, why).await;
        turn.host.cancel.cancel();
        std::future::pending().await
    }
}

async fn warn(turn: &TurnScope, message: String) {
    let thread_id = turn.host.thread_id.to_string();
    turn.host
        .publish(&GuardianWarningNotification { message, thread_id })
        .await;
}

fn conclude(assessment: Assessment) -> (GuardianApprovalReview, Ruling) {
    let allows = assessment.allows();
    let rationale = assessment.rationale();
    let review = GuardianApprovalReview {
        risk_level: Some(assessment.risk()),
        status: match allows {
            true => GuardianApprovalReviewStatus::Approved,
            false => GuardianApprovalReviewStatus::Denied,
        },
        user_authorization: Some(assessment.authorization()),
        rationale: Some(rationale.clone()),
    };
    let ruling = match allows {
        true => Ruling::Allowed,
        false => Ruling::Denied(prompt::refusal(&rationale)),
    };
    (review, ruling)
}

fn failed(fault: &Fault) -> (GuardianApprovalReview, Ruling) {
    let mut review = GuardianApprovalReview {
        rationale: Some(fault.to_string()),
        risk_level: None,
        status: GuardianApprovalReviewStatus::TimedOut,
        user_authorization: None,
    };
    if let Fault::TimedOut = fault {
        return (review, Ruling::Late(prompt::timeout()));
    }
    review.status = GuardianApprovalReviewStatus::Denied;
    review.risk_level = Some(GuardianRiskLevel::High);
    review.user_authorization = Some(GuardianUserAuthorization::Unknown);
    (review, Ruling::Denied(prompt::refusal(&fault.to_string())))
}

/// A judgement as the warning says it.
fn in_words(review: &GuardianApprovalReview) -> String {
    let rationale = review.rationale.as_deref().unwrap_or_default();
    let outcome = match review.status {
        GuardianApprovalReviewStatus::Approved => "approved",
        GuardianApprovalReviewStatus::TimedOut => return rationale.to_owned(),
        _ => "denied",
    };
    let name = |value: Option<Value>| match value {
        Some(Value::String(name)) => name,
        _ => "unknown".to_owned(),
    };
    let risk = name(review.risk_level.and_then(|risk| serde_json::to_value(risk).ok()));
    let authorization = name(
        review
            .user_authorization
            .and_then(|authorization| serde_json::to_value(authorization).ok()),
    );
    format!("Automatic approval review {outcome} (risk: {risk}, authorization: {authorization}): {rationale}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_in_time_is_no_consent_and_no_refusal() {
        let (review, ruling) = failed(&Fault::TimedOut);
        assert_eq!(review.status, GuardianApprovalReviewStatus::TimedOut);
        assert_eq!(review.risk_level, None);
        assert!(matches!(ruling, Ruling::Late(_)));
        assert!(in_words(&review).contains("timed out"));
        let (review, ruling) = failed(&Fault::Failed("no".to_owned()));
        assert!(matches!(ruling, Ruling::Denied(why) if why.contains("failed: no")));
        assert_eq!(
            in_words(&review),
            "Automatic approval review denied (risk: high, authorization: unknown): Automatic approval review failed: no"
        );
    }
}
