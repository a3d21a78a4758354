//! The texts of a compaction: what the model is asked for, how its summary is handed on, and which messages of the
//! conversation are the user's own words.

use serde::Deserialize;

use crate::model::InputItem;

use super::message;

/// What the model is asked, unless the configuration has a prompt of its own.
pub const PROMPT: &str = "The conversation so far is about to be cleared to make room. Write a hand-over note for the \
colleague who carries on without having seen it.

Say, briefly and under headings:
- Goal: what the user wants, and any preference or limit they stated.
- Done: what has been finished, what was decided and why, and what was found out on the way.
- State: files, commands, names and values that will be needed again, exactly as they are spelled.
- Next: the steps that are left, in order, and what is still uncertain.

Write only the note.";

/// Stands before a summary in the conversation.
const LEAD: &str = "Earlier parts of this conversation were cleared to make room. What follows is the hand-over note \
written then, by a model that had seen them and the results of its tools. Build on it, check what you depend on, and do \
not repeat work that it reports as done:";

/// How a summary of the field's other programs begins.
const FOREIGN_LEAD: &str = "Another language model started to solve this problem";

/// What stands for a summary that the model did not write.
const NO_SUMMARY: &str = "(there is no summary)";

/// What clients are told after the model has summarised.
pub const WARNING: &str = "The conversation was compacted: answers now rest on a summary of its earlier part, and each \
further compaction loses some detail. A new thread for each new task keeps answers accurate.";

/// How messages begin that tell the model about its surroundings, or of something that happened.
const TOLD: &[&str] = &[
    "<environment_context>",
    "# AGENTS.md instructions",
    "<user_instructions>",
    "<skill>",
    "<user_shell_command>",
    "<turn_aborted>",
    "<goal_context>",
    "<subagent_notification>",
];

/// The summary as the conversation holds it.
pub fn handed_on(summary: &str) -> String {
    let summary = if summary.trim().is_empty() { NO_SUMMARY } else { summary };
    format!("{LEAD}\n{summary}")
}

/// The message that asks for a summary.
pub fn request(prompt: Option<&str>) -> InputItem {
    message::user_texts(vec![prompt.unwrap_or(PROMPT).to_owned()])
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    role: String,
    #[serde(default)]
    content: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

/// What the user said in an item, as one text. `None` for items of other kinds, for what the model was told in the
/// user's name, and for summaries.
pub fn said_by_user(item: &InputItem) -> Option<String> {
    let message: Message = serde_json::from_str(item.get()).ok()?;
    let is_message = message.kind.as_deref().is_none_or(|kind| kind == "message");
    if !is_message || message.role != "user" {
        return None;
    }
    let texts = message.content.into_iter().filter_map(|part| part.text);
    let said: String = texts.filter(|text| !surrounds_an_image(text)).collect();
    let lead = said.trim_start();
    let told = TOLD.iter().any(|start| lead.starts_with(start));
    (!told && !lead.starts_with(LEAD) && !lead.starts_with(FOREIGN_LEAD)).then_some(said)
}

/// The parts that stand before and after an image part.
fn surrounds_an_image(text: &str) -> bool {
    text == "</image>" || text == "<image>" || (text.starts_with("<image name=[") && text.ends_with("]>"))
}
