//! What has happened in a thread, as its judge reads it: who said what, what was called, what came of it.
//!
//! Within bounds: the user's words matter most and may be old, of the rest only the latest is told. What is left out is
//! said to be left out.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

use super::prompt;
use crate::engine::context::summary::said_by_user;
use crate::exec::truncate::{Budget, truncate_middle};
use crate::model::InputItem;

/// Tokens for what was said, and for calls and results.
const SAID: usize = 10_000;
const DONE: usize = 10_000;
/// Tokens for one message, and for one call or result.
const ONE_SAID: usize = 2_000;
const ONE_DONE: usize = 1_000;
/// How many entries besides the user's are told at most.
const LATEST: usize = 40;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its number, from 1.
    number: usize,
    who: Cow<'static, str>,
    text: String,
    /// The user said it.
    user: bool,
    /// It was said, not done.
    said: bool,
    /// The place of its item in the conversation.
    pub(super) at: usize,
}

impl Entry {
    /// As the judge reads it.
    pub(super) fn line(&self) -> String {
        format!("[{}] {}: {}\n", self.number, self.who, self.text)
    }

    fn tokens(&self) -> usize {
        self.text.len().div_ceil(4)
    }
}

/// What happened in a conversation.
pub(super) fn entries(conversation: &[InputItem]) -> Vec<Entry> {
    let mut names = HashMap::new();
    let mut entries = Vec::new();
    for (at, item) in conversation.iter().enumerate() {
        let Some((who, text, said)) = told(item, &mut names) else {
            continue;
        };
        let limit = if said { ONE_SAID } else { ONE_DONE };
        entries.push(Entry {
            number: entries.len() + 1,
            text: truncate_middle(&text, Budget::Tokens(limit)).into_owned(),
            user: who == "user",
            who,
            said,
            at,
        });
    }
    entries
}

/// The entries that are told, in order, and how many are not.
pub(super) fn selected(entries: &[Entry]) -> (Vec<&Entry>, usize) {
    let (mut said, mut done, mut others) = (SAID, DONE, LATEST);
    let mut chosen: Vec<&Entry> = Vec::new();
    let mut take = |entry: &'_ Entry| -> bool {
        let left = if entry.said { &mut said } else { &mut done };
        let tokens = entry.tokens();
        if tokens > *left || (!entry.user && others == 0) {
            return false;
        }
        *left -= tokens;
        others -= usize::from(!entry.user);
        true
    };
    // What the user wanted in the first place explains the rest.
    let first = entries.iter().position(|entry| entry.user);
    chosen.extend(first.and_then(|first| entries.get(first)).filter(|entry| take(entry)));
    for (at, entry) in entries.iter().enumerate().rev() {
        if Some(at) != first && take(entry) {
            chosen.push(entry);
        }
    }
    chosen.sort_by_key(|entry| entry.number);
    let left_out = entries.len() - chosen.len();
    (chosen, left_out)
}

/// Who did what in an item, and whether it was said. `names` are the tools of calls.
fn told(item: &InputItem, names: &mut HashMap<String, String>) -> Option<(Cow<'static, str>, String, bool)> {
    if let Some(said) = said_by_user(item) {
        return (!said.trim().is_empty()).then_some((Cow::Borrowed("user"), said, true));
    }
    let item: Value = serde_json::from_str(item.get()).ok()?;
    let member = |name: &str| item.get(name).and_then(Value::as_str);
    let kind = member("type").unwrap_or("message");
    let call_id = member("call_id").unwrap_or_default().to_owned();
    let calls = |name: &str, text: String| Some((Cow::Owned(format!("tool {name} call")), text, false));
    match kind {
        "message" => {
            let text = texts(item.get("content"))?;
            match member("role")? {
                "assistant" => Some((Cow::Borrowed("assistant"), text, true)),
                "developer" if prompt::is_consent(&text) => Some((Cow::Borrowed("developer"), text, true)),
                _ => None,
            }
        }
        "function_call" | "custom_tool_call" => {
            let name = member("name").unwrap_or("unknown").to_owned();
            let text = member("arguments")
                .or_else(|| member("input"))
                .unwrap_or_default()
                .to_owned();
            names.insert(call_id, name.clone());
            calls(&name, text)
        }
        "local_shell_call" => {
            names.insert(call_id, "shell".to_owned());
            calls("shell", item.get("action")?.to_string())
        }
        "web_search_call" => calls("web_search", item.get("action")?.to_string()),
        "function_call_output" | "custom_tool_call_output" => {
            let name = names.get(&call_id).map_or("unknown", String::as_str);
            let who = Cow::Owned(format!("tool {name} result"));
            Some((who, texts(item.get("output"))?, false))
        }
        _ => None,
    }
}

/// The text of a content, which is a text or a list of parts.
fn texts(content: Option<&Value>) -> Option<String> {
    let text = match content? {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::history::encode_item;
    use serde_json::json;

    fn user(text: &str) -> InputItem {
        encode_item(&json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}))
            .unwrap()
    }

    fn call(id: &str, arguments: &str) -> [InputItem; 2] {
        let call = json!({"type": "function_call", "name": "exec_command", "call_id": id, "arguments": arguments});
        let output = json!({"type": "function_call_output", "call_id": id, "output": "done"});
        [encode_item(&call).unwrap(), encode_item(&output).unwrap()]
    }

    #[test]
    fn context_is_no_event_and_results_name_their_tool() {
        let mut conversation = vec![user("<environment_context>\n</environment_context>"), user("go")];
        conversation.extend(call("c1", "{}"));
        let entries = entries(&conversation);
        let lines: Vec<String> = entries.iter().map(Entry::line).collect();
        assert_eq!(
            lines,
            [
                "[1] user: go\n",
                "[2] tool exec_command call: {}\n",
                "[3] tool exec_command result: done\n"
            ]
        );
        assert_eq!(entries[2].at, 3);
    }

    #[test]
    fn the_first_wish_and_the_latest_events_stay() {
        let mut conversation = vec![user("first wish")];
        for number in 0..60 {
            conversation.extend(call(&format!("c{number}"), &"x".repeat(40_000)));
        }
        conversation.push(user("last wish"));
        let entries = entries(&conversation);
        let (chosen, left_out) = selected(&entries);
        assert_eq!(chosen.first().unwrap().text, "first wish");
        assert_eq!(chosen.last().unwrap().text, "last wish");
        assert!(chosen.len() <= LATEST + 2 && left_out + chosen.len() == entries.len());
        let tokens: usize = chosen
            .iter()
            .filter(|entry| !entry.said)
            .map(|entry| entry.tokens())
            .sum();
        assert!(tokens <= DONE);
    }
}
