//! What the rehearsal model does next: its instructions, worked off against the outputs that there are already.
//!
//! Working off is repeated from the start at each step. An output consumed means that everything before it was said in
//! an earlier step, so the parts gathered until then are dropped; the first call without an output ends the step.

use serde_json::json;

use super::conversation::Conversation;
use super::instructions::{Instruction, Script, shell_word};
use super::patch;

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// Text; the last part is the final answer.
    Message(String),
    /// Shown reasoning.
    Reasoning(String),
    /// A call of a function tool.
    Call { name: &'static str, arguments: String },
    /// A call of `apply_patch` with free text.
    Patch(String),
}

const INTRODUCTION: &str = "I am the rehearsal model: built into Greenroom, offline, and not an AI. I do what plain \
                            instructions spell out, and nothing else.";

const HELP: &str = "I understand these instructions, one a line or joined by \"then\":
- say TEXT
- run `COMMAND`
- create FILE with TEXT (or with a fenced block below)
- edit FILE: replace `A` with `B`
- append TEXT to FILE
- read FILE
- delete FILE
- plan STEP; STEP; STEP
- think TEXT
- slowly say TEXT (streams with pauses)
For anything else, configure a model provider.";

/// Polls of one running command before its instruction is given up.
const MOST_POLLS: usize = 20;
const SHOWN_LINES: usize = 12;
const SHOWN_BYTES: usize = 1200;

/// The parts of the next answer.
pub(super) fn next(script: &Script, conversation: &Conversation) -> Vec<Part> {
    let mut work = Work {
        conversation,
        consumed: 0,
        parts: Vec::new(),
    };
    if !conversation.spoken {
        work.say(INTRODUCTION.into());
    }
    let mut unknown = Vec::new();
    for instruction in &script.instructions {
        if let Instruction::Unknown(words) = instruction {
            unknown.push(words.as_str());
        } else if work.off(instruction).is_none() {
            return work.parts;
        }
    }
    let understood = unknown.len() < script.instructions.len();
    if !understood {
        work.say(HELP.into());
    } else if !unknown.is_empty() {
        work.say(format!("I did not understand: {}", unknown.join(" / ")));
    } else if !work.parts.iter().any(|part| matches!(part, Part::Message(_))) {
        work.say("Done.".into());
    }
    work.parts
}

struct Work<'a> {
    conversation: &'a Conversation,
    consumed: usize,
    parts: Vec<Part>,
}

impl Work<'_> {
    /// Works an instruction off. `None`: its call is made and its output has to be awaited.
    fn off(&mut self, instruction: &Instruction) -> Option<()> {
        match instruction {
            Instruction::Say(text) => self.say(text.clone()),
            Instruction::Think(text) => self.parts.push(Part::Reasoning(text.clone())),
            Instruction::Run(command) => {
                let output = self.run(command)?;
                self.say(command_report(command, &output));
            }
            Instruction::Create { path, content } => self.apply(patch::create(path, content), "Created", path)?,
            Instruction::Append { path, text } => self.apply(patch::append(path, text), "Edited", path)?,
            Instruction::Delete(path) => self.apply(patch::delete(path), "Deleted", path)?,
            Instruction::Replace { path, from, to } => self.replace(path, from, to)?,
            Instruction::Plan(steps) => self.plan(steps)?,
            Instruction::Unknown(_) => {}
        }
        Some(())
    }

    fn say(&mut self, text: String) {
        self.parts.push(Part::Message(text));
    }

    /// The output of a call, which is made unless it was.
    fn output(&mut self, call: Part) -> Option<String> {
        match self.conversation.outputs.get(self.consumed) {
            Some(output) => {
                self.consumed += 1;
                self.parts.clear();
                Some(output.clone())
            }
            None => {
                self.parts.push(call);
                None
            }
        }
    }

    fn run(&mut self, command: &str) -> Option<String> {
        let mut call = Part::Call {
            name: "exec_command",
            arguments: json!({"cmd": command}).to_string(),
        };
        let mut whole = String::new();
        for _ in 0..MOST_POLLS {
            if !self.conversation.has_tool("exec_command") {
                return Some("there is no tool for it in this thread".into());
            }
            let output = self.output(call)?;
            let Some(session) = running_session(&output) else {
                return Some(with_earlier_output(&whole, &output));
            };
            whole.push_str(printed(&output).unwrap_or_default());
            call = Part::Call {
                name: "write_stdin",
                arguments: json!({"session_id": session, "chars": ""}).to_string(),
            };
        }
        Some(format!("Process is still running\nOutput:\n{whole}"))
    }

    fn apply(&mut self, patch: String, done: &str, path: &str) -> Option<()> {
        let call = if self.conversation.has_tool("apply_patch") {
            Part::Patch(patch)
        } else if self.conversation.has_tool("exec_command") {
            Part::Call {
                name: "exec_command",
                arguments: json!({"cmd": format!("apply_patch <<'EOF'\n{patch}EOF")}).to_string(),
            }
        } else {
            self.say(format!(
                "I cannot change `{path}`: there is no tool for it in this thread."
            ));
            return Some(());
        };
        let output = self.output(call)?;
        self.say(if output.contains("Success.") {
            format!("{done} `{path}`.")
        } else {
            format!("`{path}` was left as it is: {}", first_line(&output))
        });
        Some(())
    }

    /// Reads the file first: a patch needs whole lines.
    fn replace(&mut self, path: &str, from: &str, to: &str) -> Option<()> {
        let output = self.run(&format!("cat {}", shell_word(path)))?;
        let content = printed(&output).filter(|_| exit_code(&output) == Some(0));
        let Some(content) = content else {
            let why = printed(&output)
                .filter(|text| !text.trim().is_empty())
                .unwrap_or(&output);
            self.say(format!("I cannot read `{path}`: {}", first_line(why)));
            return Some(());
        };
        match patch::replace(path, content, from, to) {
            Some(patch) => self.apply(patch, "Edited", path),
            None => {
                self.say(format!("`{from}` is not in `{path}`."));
                Some(())
            }
        }
    }

    fn plan(&mut self, steps: &[String]) -> Option<()> {
        if self.conversation.has_tool("update_plan") {
            let plan: Vec<_> = steps
                .iter()
                .enumerate()
                .map(
                    |(index, step)| json!({"step": step, "status": if index == 0 { "in_progress" } else { "pending" }}),
                )
                .collect();
            self.output(Part::Call {
                name: "update_plan",
                arguments: json!({"plan": plan}).to_string(),
            })?;
        }
        self.say(format!("The plan has {} steps.", steps.len()));
        Some(())
    }
}

fn command_report(command: &str, output: &str) -> String {
    let shown = printed(output).unwrap_or_default().trim_end();
    let told = match exit_code(output) {
        Some(code) => format!("`{command}` exited with code {code}"),
        None if output.starts_with("Process is still running") => format!("`{command}` still runs"),
        None => return format!("`{command}` did not run: {}", first_line(output)),
    };
    if shown.is_empty() {
        return format!("{told} and printed nothing.");
    }
    let mut cut: String = shown.lines().take(SHOWN_LINES).collect::<Vec<_>>().join("\n");
    cut.truncate(cut.floor_char_boundary(SHOWN_BYTES));
    let more = if cut.len() < shown.len() { "\n…" } else { "" };
    format!("{told}:\n```\n{cut}{more}\n```")
}

/// What a command printed: everything behind the line `Output:`.
fn printed(output: &str) -> Option<&str> {
    match output.strip_prefix("Output:\n") {
        Some(printed) => Some(printed),
        None => output.split_once("\nOutput:\n").map(|(_, printed)| printed),
    }
}

fn head(output: &str) -> &str {
    output.split_once("\nOutput:\n").map_or(output, |(head, _)| head)
}

fn with_earlier_output(earlier: &str, output: &str) -> String {
    let printed = printed(output).unwrap_or_default();
    format!("{}\nOutput:\n{earlier}{printed}", head(output))
}

fn exit_code(output: &str) -> Option<i32> {
    let mut lines = head(output).lines();
    lines
        .find_map(|line| {
            line.strip_prefix("Process exited with code ")
                .or_else(|| line.strip_prefix("Exit code: "))
        })?
        .trim()
        .parse()
        .ok()
}

fn running_session(output: &str) -> Option<i64> {
    let mut lines = head(output).lines();
    lines
        .find_map(|line| line.strip_prefix("Process running with session ID "))?
        .trim()
        .parse()
        .ok()
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or("no reason given")
}
