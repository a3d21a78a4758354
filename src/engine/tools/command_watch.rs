//! Watching a command for clients: its output as deltas, and its end.
//!
//! A watch outlives the call and even the turn, and always speaks of the turn that started the command. Deltas begin
//! where the item was announced: what a command printed before that (see `exec_command`) reaches clients with the
//! item's end, unless an interrupt kept it from the model too. Reading waits for publishing, so a flood is slowed down
//! by the command's own pipe; past the last delta, output is only kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::engine::items;
use crate::engine::scope::TurnScope;
use crate::engine::tools::command_item::CommandItem;
use crate::exec::Session;
use crate::exec::output::HeadTail;
use crate::exec::utf8::{MAX_PIECE, Utf8Joiner, pieces};
use crate::protocol::CommandExecutionOutputDeltaNotification;
use crate::rpc::EncodedNotification;

/// The most deltas of one command.
const MAX_DELTAS: usize = 10_000;
/// How long the end of a command that the model left running is held back, so that the call which waited for it is
/// seen to be over first.
const AFTERTHOUGHT: Duration = Duration::from_millis(100);

/// A command to watch.
pub(super) struct Watch {
    pub(super) turn: Arc<TurnScope>,
    pub(super) item: CommandItem,
    pub(super) session: Arc<Session>,
    /// What the command had printed when it was announced.
    pub(super) early: String,
    /// Hears what it prints from then on.
    pub(super) output: mpsc::Receiver<Bytes>,
    /// Whether it had ended by then.
    pub(super) quick: bool,
    /// Whether the call that started it told the model what it printed.
    pub(super) told: Arc<AtomicBool>,
    pub(super) started: Instant,
}

impl Watch {
    /// Watches to the end: publishes deltas, records the item, publishes it as completed.
    pub(super) async fn run(self) {
        let heard = stream(&self.turn, &self.item.id, &self.session, "", self.output).await;
        let code = self.session.ended().await;
        let took = self.started.elapsed();
        if !self.quick {
            tokio::time::sleep(AFTERTHOUGHT).await;
        }
        let mut output = heard.text();
        if self.quick || self.told.load(Ordering::Acquire) {
            output.insert_str(0, &self.early);
        }
        let code = with_failure(&self.session, &mut output).unwrap_or(code);
        let item = self.item.ended(self.session.id(), code, output, took);
        items::record_and_publish_completed(&self.turn, item).await;
    }
}

/// Adds why a command had to end to what it printed; the exit code that it has then.
pub(super) fn with_failure(session: &Session, output: &mut String) -> Option<i32> {
    let why = session.failure()?;
    if !output.is_empty() && !output.ends_with('\n') {
        output.push('\n');
    }
    output.push_str(why);
    Some(FAILED)
}

/// How a command ended that somebody waited for.
pub(super) struct Attended {
    /// Its exit code.
    pub(super) code: i32,
    /// What it printed.
    pub(super) output: String,
    /// Whether it was killed because it took too long.
    pub(super) timed_out: bool,
}

/// The exit code of a command that had to end.
const FAILED: i32 = -1;
/// The exit code of a command that took too long.
const TIMED_OUT: i32 = 124;
/// How long the output of a killed command is waited for.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Streams a command's output until it ends, or has run for `limit` and is killed.
pub(super) async fn attend(turn: &TurnScope, item_id: &str, session: &Session, limit: Duration) -> Attended {
    let (early, output) = session.listen();
    let streaming = stream(turn, item_id, session, &early, output);
    tokio::pin!(streaming);
    match turn.services.commands.pause.within(limit, &mut streaming).await {
        Some(heard) => Attended {
            code: session.ended().await,
            output: heard.text(),
            timed_out: false,
        },
        None => {
            session.kill();
            let heard = tokio::time::timeout(AFTERMATH, streaming).await;
            Attended {
                code: TIMED_OUT,
                output: heard.map(|heard| heard.text()).unwrap_or_default(),
                timed_out: true,
            }
        }
    }
}

/// Publishes what a command printed so far and what is heard of it until its output ends; gives what to keep of it.
pub(super) async fn stream(
    turn: &TurnScope,
    item_id: &str,
    session: &Session,
    early: &str,
    mut output: mpsc::Receiver<Bytes>,
) -> HeadTail {
    let mut heard = HeadTail::default();
    let mut deltas = Deltas::new(turn, item_id);
    let mut batch = Vec::new();
    if !early.is_empty() {
        heard.push(early.as_bytes());
        deltas.push(early.as_bytes()).await;
    }
    while let Some(bytes) = output.recv().await {
        let mut reads = 1;
        heard.push(&bytes);
        batch.extend_from_slice(&bytes);
        // What is there already goes out together, as far as it fits into one delta.
        while batch.len() < MAX_PIECE
            && let Ok(more) = output.try_recv()
        {
            reads += 1;
            heard.push(&more);
            batch.extend_from_slice(&more);
        }
        deltas.push(&batch).await;
        batch.clear();
        session.passed_on(reads);
    }
    deltas.finish().await;
    heard
}

/// The deltas of one item.
struct Deltas<'a> {
    turn: &'a TurnScope,
    item_id: &'a str,
    key: Arc<str>,
    joiner: Utf8Joiner,
    left: usize,
}

impl<'a> Deltas<'a> {
    fn new(turn: &'a TurnScope, item_id: &'a str) -> Self {
        Deltas {
            turn,
            item_id,
            key: format!("command/{}/{}/{item_id}", turn.host.thread_id, turn.host.turn_id).into(),
            joiner: Utf8Joiner::default(),
            left: MAX_DELTAS,
        }
    }

    async fn push(&mut self, bytes: &[u8]) {
        if self.left > 0 {
            let text = self.joiner.push(bytes);
            self.publish(&text).await;
        }
    }

    async fn finish(&mut self) {
        let text = self.joiner.finish();
        self.publish(&text).await;
    }

    async fn publish(&mut self, text: &str) {
        for piece in pieces(text).take(self.left) {
            self.left -= 1;
            let delta = CommandExecutionOutputDeltaNotification {
                delta: piece.to_owned(),
                item_id: self.item_id.to_owned(),
                thread_id: self.turn.host.thread_id.to_string(),
                turn_id: self.turn.host.turn_id.to_string(),
            };
            let encoded = EncodedNotification::delta(&delta, Arc::clone(&self.key));
            self.turn.host.publish_encoded(encoded).await;
        }
    }
}
