//! The judge at work: one thread for a loaded thread, asked one question at a time.
//!
//! State: the judge's own conversation, and how much of the thread's it has been told. A question that comes while the
//! judge is busy goes to another one, who starts from the beginning and is not kept. A judge that failed or was too slow
//! is let go; the next question starts afresh.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc};

use super::Planned;
use super::assessment::{Assessment, schema};
use super::prompt;
use super::rubric::rubric;
use super::transcript::entries;
use crate::engine::host::{RawAnswer, TurnEvent};
use crate::engine::scope::TurnScope;
use crate::engine::settings::TurnSettings;
use crate::engine::subthread::{Purpose, SubThread};
use crate::engine::turn::{Conversation, run_inner};
use crate::model::InputItem;
use crate::model::catalog::Effort;
use crate::protocol::{
    ApprovalsReviewer, AskForApproval, ModeKind, ReasoningEffort, SandboxPolicy, SubAgentSource, TurnStatus,
};
use crate::store::{RolloutItem, StoreError};

/// The model that judges.
const MODEL: &str = "codex-auto-review";
/// The name by which model providers know its requests.
const LABEL: &str = "guardian";
/// How long a judgement may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many events of the judge's turn may wait to be dropped.
const EVENTS: usize = 64;

/// Why there is no judgement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It took too long.
    #[error("Automatic approval review timed out while evaluating the requested approval.")]
    TimedOut,
    /// The judge, its model or its records failed.
    #[error("Automatic approval review failed: {0}")]
    Failed(String),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Failed(error.to_string())
    }
}

/// Where a thread's judge sits.
#[derive(Default)]
pub struct Seat(Mutex<Option<Judge>>);

struct Judge {
    thread: SubThread,
    conversation: Conversation,
    /// How many items of the thread's conversation it has been told, and the last of them.
    told: Option<(usize, InputItem)>,
    /// How often it was asked.
    asked: usize,
}

/// Has an action judged.
pub(super) async fn judge(turn: &TurnScope, planned: &Planned) -> Result<Assessment, Fault> {
    let answer = match turn.services.guardian.0.try_lock() {
        Ok(mut seat) => {
            let judge = match seat.take() {
                Some(judge) => judge,
                None => Judge::new(turn, true)?,
            };
            let (judge, answer) = judge.ask(turn, planned).await?;
            *seat = Some(judge);
            answer
        }
        Err(_) => Judge::new(turn, false)?.ask(turn, planned).await?.1,
    };
    Assessment::read(&answer).map_err(Fault::Failed)
}

impl Judge {
    fn new(turn: &TurnScope, kept: bool) -> Result<Self, Fault> {
        let purpose = Purpose {
            source: SubAgentSource::Other(LABEL.to_owned()),
            label: LABEL,
            instructions: rubric(turn.services.config.auto_review_policy.as_deref()),
            web_search: true,
            hooks: false,
            rules: false,
            kept,
        };
        Ok(Judge {
            thread: SubThread::new(turn, purpose, settings(turn))?,
            conversation: Conversation::default(),
            told: None,
            asked: 0,
        })
    }

    /// Asks once; what it said last.
    async fn ask(mut self, turn: &TurnScope, planned: &Planned) -> Result<(Self, String), Fault> {
        let seen = turn.judgements.seen();
        let since = self.told.take().and_then(|(count, last)| {
            // A conversation that was rolled back or compacted is told anew.
            let known = count.checked_sub(1).and_then(|at| seen.get(at))?;
            Arc::ptr_eq(known, &last).then_some(count)
        });
        let mut happened = entries(&seen);
        happened.retain(|entry| since.is_none_or(|since| entry.at >= since));
        let question = prompt::question(planned, &happened, since.is_some(), turn.host.thread_id);
        if self.asked == 1 {
            self.remember(prompt::again()).await?;
        }
        self.asked += 1;
        self.told = seen.last().map(|last| (seen.len(), Arc::clone(last)));
        let (sender, mut events) = mpsc::channel(EVENTS);
        // Nothing that the judge does is shown, and nobody answers it.
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    TurnEvent::Fence(reply) => drop(reply.send(())),
                    TurnEvent::Ask { reply, .. } => drop(reply.send(RawAnswer::Cancelled)),
                    _ => {}
                }
            }
        });
        let mut job = self.thread.turn(&turn.host, question, sender);
        job.conversation = std::mem::take(&mut self.conversation);
        job.conversation.fallback_warned = true;
        job.output_schema = schema();
        job.lenient = true;
        let cancel = job.host.cancel.clone();
        let Ok(end) = tokio::time::timeout(PATIENCE, run_inner(job).boxed()).await else {
            cancel.cancel();
            return Err(Fault::TimedOut);
        };
        self.thread.end_processes();
        self.conversation = end.conversation;
        match (end.turn.status, end.turn.error) {
            (TurnStatus::Failed, Some(error)) => return Err(Fault::Failed(error.message)),
            (TurnStatus::Interrupted, _) => return Err(Fault::Failed("it was interrupted".to_owned())),
            _ => {}
        }
        let said = end.last_message.filter(|said| !said.trim().is_empty());
        let nothing = || Fault::Failed("guardian review completed without an assessment payload".to_owned());
        said.ok_or_else(nothing).map(|said| (self, said))
    }

    async fn remember(&mut self, item: InputItem) -> Result<(), StoreError> {
        let line = RolloutItem::ResponseItem(Arc::clone(&item));
        self.thread.recorder().append(vec![line]).await?;
        self.conversation.history.push(item);
        Ok(())
    }
}

/// Whether the provider can have the model that judges. Where the catalog does not know it the thread's model judges, and
/// at servers of local models, which have their own names, and only those.
fn knows_judges(turn: &TurnScope) -> bool {
    let services = &turn.services;
    services.config.provider.has_hosted_tools(services.provider.id()) && services.catalog.list().has(MODEL)
}

/// A judge reads everything, writes nothing and asks nobody.
fn settings(turn: &TurnScope) -> TurnSettings {
    let mut settings = (*turn.settings).clone();
    let own = knows_judges(turn).then(|| turn.services.catalog.find(MODEL));
    let others = settings.effort.take();
    let (model, otherwise) = match &own {
        Some(own) => (own, own.default_effort),
        None => (&*turn.model, others.or(turn.model.default_effort)),
    };
    let low = |effort: &Effort| effort.effort == ReasoningEffort::Low;
    settings.effort = Some(ReasoningEffort::Low)
        .filter(|_| model.efforts.iter().any(low))
        .or(otherwise);
    settings.model = model.slug.as_ref().into();
    settings.summary = turn.settings.summary.or(turn.model.default_summary);
    settings.approval_policy = AskForApproval::Never;
    settings.approvals_reviewer = ApprovalsReviewer::User;
    settings.sandbox = SandboxPolicy::ReadOnly { network_access: false };
    settings.permission_profile = None;
    settings.profile = None;
    settings.personality = None;
    settings.mode = ModeKind::Default;
    settings.mode_instructions = None;
    settings.developer_instructions = None;
    settings
}
