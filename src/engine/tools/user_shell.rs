//! A command that the user runs in a thread (`thread/shellCommand`): nobody is asked, nothing confines it.
//!
//! It is an item of its turn and, once it has ended, a message in the conversation, so that the model knows what the user
//! did and saw. It is not one of the model's processes: no call can read it or type into it. It ends by itself, when it
//! is interrupted, or after an hour, and takes its children with it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::context::message;
use crate::engine::items;
use crate::engine::scope::TurnScope;
use crate::engine::tools::command_item::{CommandEnd, CommandItem};
use crate::engine::tools::command_text::limit;
use crate::engine::tools::command_watch;
use crate::exec::Session;
use crate::exec::actions::command_actions;
use crate::exec::environment::child_environment;
use crate::exec::shell::{Shell, display};
use crate::exec::spawn::SpawnRequest;
use crate::exec::truncate::truncate_with_line_count;
use crate::model::InputItem;

/// The longest that a command may run.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// The exit code of a command that did not end by itself.
const NO_CODE: i32 = -1;
/// What an interrupted command printed, as far as clients and the model are concerned.
const ABORTED: &str = "command aborted by user";

/// Runs a command to its end, or until `interrupted` resolves; gives what the model is to be told. The item has been
/// recorded and published by then, the message has not.
pub async fn run(turn: &Arc<TurnScope>, script: &str, interrupted: impl Future<Output = ()>) -> InputItem {
    let cwd = turn.settings.cwd.clone();
    let argv = Shell::login().command_line(script, true);
    let item = CommandItem {
        id: items::new_id(),
        command: display(&argv),
        actions: command_actions(&argv, &cwd),
        cwd: cwd.clone(),
    };
    let policy = &turn.services.config.shell_environment_policy;
    let environment = child_environment(policy, turn.host.thread_id, false);
    items::publish_started(&turn.host, item.of_user(None)).await;
    let request = SpawnRequest {
        argv: &argv,
        cwd: cwd.as_path(),
        environment: &environment,
        terminal: None,
        confined: None,
    };
    let started = Instant::now();
    let end = match Session::start(0, item.id.as_str().into(), &request) {
        Ok(session) => attend(turn, &item, Running(session), started, interrupted).await,
        Err(error) => CommandEnd {
            code: NO_CODE,
            output: format!("execution error: {}", error.0),
            took: Duration::ZERO,
        },
    };
    let told = told(script, &end, turn);
    items::record_and_publish_completed(turn, item.of_user(Some(end))).await;
    told
}

/// A process that does not outlive whoever waits for it.
struct Running(Arc<Session>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Streams a command's output until it ends or must end.
async fn attend(
    turn: &Arc<TurnScope>,
    item: &CommandItem,
    running: Running,
    started: Instant,
    interrupted: impl Future<Output = ()>,
) -> CommandEnd {
    let attended = tokio::select! {
        attended = command_watch::attend(turn, &item.id, &running.0, PATIENCE) => attended,
        () = interrupted => {
            return CommandEnd { code: NO_CODE, output: ABORTED.to_owned(), took: started.elapsed() };
        }
    };
    let output = match attended.timed_out {
        true => format!(
            "command timed out after {} milliseconds\n{}",
            PATIENCE.as_millis(),
            attended.output
        ),
        false => attended.output,
    };
    CommandEnd {
        code: attended.code,
        output,
        took: started.elapsed(),
    }
}

/// What the model is told of a command.
fn told(script: &str, end: &CommandEnd, turn: &TurnScope) -> InputItem {
    message::user_texts(vec![text(
        script,
        end,
        &truncate_with_line_count(&end.output, limit(turn.model.truncation)),
    )])
}

fn text(script: &str, end: &CommandEnd, output: &str) -> String {
    format!(
        "<user_shell_command>\n<command>\n{script}\n</command>\n<result>\nExit code: {}\nDuration: {:.4} seconds\n\
         Output:\n{output}\n</result>\n</user_shell_command>",
        end.code,
        end.took.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_told_command_result_and_time() {
        let end = CommandEnd {
            code: 3,
            output: "out\n".to_owned(),
            took: Duration::from_micros(32_800),
        };
        assert_eq!(
            text("echo out; exit 3", &end, &end.output),
            "<user_shell_command>\n<command>\necho out; exit 3\n</command>\n<result>\nExit code: 3\nDuration: 0.0328 \
             seconds\nOutput:\nout\n\n</result>\n</user_shell_command>"
        );
    }
}
