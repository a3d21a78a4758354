//! The `commandExecution` item of a command, in each state that clients see.

use std::time::Duration;

use crate::protocol::{AbsolutePathBuf, CommandAction, CommandExecutionSource, CommandExecutionStatus, ThreadItem};

/// How a command ended.
#[derive(Debug, Clone)]
pub struct CommandEnd {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub output: String,
    /// How long it ran.
    pub took: Duration,
}

/// What stays the same about a command's item.
#[derive(Debug, Clone)]
pub struct CommandItem {
    /// The call's id.
    pub id: String,
    /// The command line as one would type it.
    pub command: String,
    /// What it is about.
    pub actions: Vec<CommandAction>,
    /// Where it runs.
    pub cwd: AbsolutePathBuf,
}

impl CommandItem {
    /// The same as a judge's item shows it: the whole command line, not what it is about.
    pub fn undissected(&self) -> Self {
        let command = self.command.clone();
        CommandItem {
            actions: vec![CommandAction::Unknown { command }],
            ..self.clone()
        }
    }

    /// As shown when the user is asked about it, and while it runs to its end within its call.
    pub fn asked(&self) -> ThreadItem {
        self.item(CommandExecutionSource::Agent, None, CommandExecutionStatus::InProgress)
    }

    /// As shown when the user (or a client's fault) said no.
    pub fn refused(&self, status: CommandExecutionStatus) -> ThreadItem {
        self.item(CommandExecutionSource::Agent, None, status)
    }

    /// As shown when it runs.
    pub fn running(&self, process: u32) -> ThreadItem {
        self.item(
            CommandExecutionSource::UnifiedExecStartup,
            Some(process),
            CommandExecutionStatus::InProgress,
        )
    }

    /// As shown when it has ended.
    pub fn ended(&self, process: u32, code: i32, output: String, took: Duration) -> ThreadItem {
        let end = CommandEnd { code, output, took };
        self.end(CommandExecutionSource::UnifiedExecStartup, Some(process), end)
    }

    /// As shown when it ran to its end within its call.
    pub fn over(&self, end: CommandEnd) -> ThreadItem {
        self.end(CommandExecutionSource::Agent, None, end)
    }

    /// As shown when it was begun within its call, and had to end for what it wanted.
    pub fn stopped(&self, end: CommandEnd) -> ThreadItem {
        let mut item = self.over(end);
        if let ThreadItem::CommandExecution { status, .. } = &mut item {
            *status = CommandExecutionStatus::Declined;
        }
        item
    }

    /// As shown when the user runs it, or ran it.
    pub fn of_user(&self, end: Option<CommandEnd>) -> ThreadItem {
        let source = CommandExecutionSource::UserShell;
        match end {
            None => self.item(source, None, CommandExecutionStatus::InProgress),
            Some(end) => self.end(source, None, end),
        }
    }

    fn end(&self, source: CommandExecutionSource, process: Option<u32>, end: CommandEnd) -> ThreadItem {
        let CommandEnd { code, output, took } = end;
        let status = match code {
            0 => CommandExecutionStatus::Completed,
            _ => CommandExecutionStatus::Failed,
        };
        let mut item = self.item(source, process, status);
        if let ThreadItem::CommandExecution {
            aggregated_output,
            duration_ms,
            exit_code,
            ..
        } = &mut item
        {
            *aggregated_output = Some(output).filter(|output| !output.is_empty());
            *duration_ms = i64::try_from(took.as_millis()).ok();
            *exit_code = Some(code);
        }
        item
    }

    fn item(&self, source: CommandExecutionSource, process: Option<u32>, status: CommandExecutionStatus) -> ThreadItem {
        ThreadItem::CommandExecution {
            aggregated_output: None,
            command: self.command.clone(),
            command_actions: self.actions.clone(),
            cwd: self.cwd.clone(),
            duration_ms: None,
            exit_code: None,
            id: self.id.clone(),
            process_id: process.map(|process| process.to_string()),
            source,
            status,
        }
    }
}
