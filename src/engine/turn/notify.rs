//! The user's own program that is told of each turn that came to its end (`notify` in config.toml).
//!
//! It is started and left alone: its end, its failure and what it prints concern nobody. All that it learns is the last
//! of its arguments, JSON text, which the system bounds; of a long conversation the latest messages are told.

use std::time::Duration;

use serde::Serialize;

use crate::engine::context::summary::said_by_user;
use crate::engine::scope::TurnScope;
use crate::engine::turn::task::Task;
use crate::exec::environment::child_environment;
use crate::exec::script::{self, Script};

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(600);
/// The longest argument; Linux takes twice as much.
const MAX_ARGUMENT: usize = 64 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Notification<'a> {
    r#type: &'static str,
    thread_id: String,
    turn_id: &'a str,
    cwd: String,
    client: &'a str,
    input_messages: &'a [String],
    last_assistant_message: Option<&'a str>,
}

impl Task {
    /// Tells the user's program, if there is one, that the turn came to its end.
    pub(super) fn notify(&self, answer: Option<&str>) {
        let Some(program) = self
            .scope
            .services
            .config
            .notify
            .clone()
            .filter(|argv| !argv.is_empty())
        else {
            return;
        };
        let said: Vec<String> = self.conversation.history.items().filter_map(said_by_user).collect();
        let Some(told) = argument(&self.scope, &said, answer) else {
            tracing::warn!(thread.id = %self.host().thread_id, "notify.unsaid: the last message is too long to be told");
            return;
        };
        let scope = self.scope.clone();
        tokio::spawn(async move {
            let argv: Vec<String> = program.into_iter().chain([told]).collect();
            let policy = &scope.services.config.shell_environment_policy;
            let ended = script::run(Script {
                argv: &argv,
                cwd: scope.settings.cwd.as_path(),
                environment: &child_environment(policy, scope.host.thread_id, false),
                input: &[],
                limit: LIMIT,
            })
            .await;
            if let Err(error) = ended {
                tracing::warn!(thread.id = %scope.host.thread_id, %error, "notify.failed: the program was not run to its end");
            }
        });
    }
}

/// What the program is told: as many of the latest messages as fit; none when not even the answer does.
fn argument(scope: &TurnScope, said: &[String], answer: Option<&str>) -> Option<String> {
    let mut from = 0;
    loop {
        let told = serde_json::to_string(&Notification {
            r#type: "agent-turn-complete",
            thread_id: scope.host.thread_id.to_string(),
            turn_id: &scope.host.turn_id,
            cwd: scope.settings.cwd.to_string(),
            client: &scope.services.identity.originator,
            input_messages: &said[from..],
            last_assistant_message: answer,
        })
        .ok()?;
        if told.len() <= MAX_ARGUMENT {
            return Some(told);
        }
        if from == said.len() {
            return None;
        }
        // Half of what is left goes at a time: a long conversation is encoded a few times, not once for each message.
        from += (said.len() - from).div_ceil(2);
    }
}
