//! What the model is told about a command: what it printed, and how it stands with its process.

use std::time::Duration;

use rand::RngExt;

use crate::engine::tools::ToolOutput;
use crate::exec::session::Collected;
use crate::exec::truncate::{Budget, approximate_tokens, truncate_with_line_count};
use crate::model::catalog::Truncation;

/// The budget of a call that names none, in tokens.
const DEFAULT_MAX_TOKENS: usize = 10_000;

/// The budget of an output: what the call asks for, but no more than the model's own limit.
pub(super) fn budget(wanted: Option<usize>, limit: Truncation) -> Budget {
    Budget::Tokens(wanted.unwrap_or(DEFAULT_MAX_TOKENS).min(self::limit(limit).tokens()))
}

/// The model's own limit as a budget.
pub(super) fn limit(limit: Truncation) -> Budget {
    match limit {
        Truncation::Tokens(tokens) => Budget::Tokens(tokens),
        Truncation::Bytes(bytes) => Budget::Bytes(bytes),
    }
}

/// The output of a call that reached a process.
pub(super) fn outcome(collected: &Collected, session: u32, waited: Duration, budget: Budget) -> ToolOutput {
    let state = match collected.exit_code {
        Some(code) => format!("Process exited with code {code}"),
        None => format!("Process running with session ID {session}"),
    };
    ToolOutput::text(format!(
        "Chunk ID: {:06x}\nWall time: {:.4} seconds\n{state}\nOriginal token count: {}\nOutput:\n{}",
        rand::rng().random_range(0..0x0100_0000_u32),
        waited.as_secs_f64(),
        approximate_tokens(collected.output.len()),
        truncate_with_line_count(&collected.output, budget),
    ))
}

/// The output of a call whose command did not run.
pub(super) fn not_run(command: &str, why: &str) -> ToolOutput {
    ToolOutput::text(format!(
        "exec_command failed for `{command}`: CreateProcess {{ message: {:?} }}",
        format!("Rejected({why:?})")
    ))
}

/// The output of a call whose command went away with its machine.
pub(super) fn lost(command: &str, why: &str, printed: &str) -> ToolOutput {
    let failed = format!("exec_command failed for `{command}`: ProcessFailed {{ message: {why:?} }}");
    ToolOutput::text(match printed {
        "" => failed,
        printed => format!("{failed}\nOutput:\n{printed}"),
    })
}
