//! What is left of a conversation after a compaction. Pure: no model, no files.
//!
//! A summary written by the model stands behind the latest words of the user; a provider that compacts by itself hands
//! back items of which the user's and the assistant's messages and its own sealed ones are kept. What the model has to
//! know of its surroundings goes in front of the user's last message when a turn goes on, and is told anew by the next
//! turn otherwise. Inline pictures do not survive: each compaction is recorded, and would repeat them.

use serde_json::Value;

use crate::engine::context::{message, summary};
use crate::engine::history::encode_item;
use crate::exec::truncate::{Budget, truncate_middle};
use crate::model::InputItem;

/// How much of the user's own words stays beside a summary.
const KEPT_BESIDE_SUMMARY: usize = 20_000;
/// How much of them stays beside a provider's sealed item.
const KEPT_BESIDE_SEALED: usize = 64_000;
/// What stands where an inline picture was.
const PICTURE: &str = "[a picture stood here; it went with the compaction]";

/// The kinds of items in which a provider seals what it compacted.
const SEALED: &[&str] = &["compaction", "compaction_summary", "context_compaction"];

/// The user's words, as far back as they fit, then the summary.
pub fn summarised<'a>(history: impl DoubleEndedIterator<Item = &'a InputItem>, handed_on: String) -> Vec<InputItem> {
    let mut left = KEPT_BESIDE_SUMMARY;
    let mut kept = vec![handed_on];
    for said in history.rev().filter_map(summary::said_by_user) {
        if left == 0 {
            break;
        }
        let tokens = said.len().div_ceil(4);
        if tokens <= left {
            kept.push(said);
        } else {
            kept.push(truncate_middle(&said, Budget::Tokens(left)).into_owned());
        }
        left = left.saturating_sub(tokens);
    }
    kept.reverse();
    kept.into_iter().map(|text| message::user_texts(vec![text])).collect()
}

/// What is kept of the items that a provider's compaction handed back.
pub fn handed_back(items: impl IntoIterator<Item = InputItem>) -> Vec<InputItem> {
    items
        .into_iter()
        .filter(|item| match kind_and_role(item) {
            Some((kind, _)) if SEALED.contains(&kind.as_str()) => true,
            Some((kind, Some(role))) if kind == "message" => match role.as_str() {
                "assistant" => true,
                "user" => summary::said_by_user(item).is_some(),
                _ => false,
            },
            _ => false,
        })
        .map(lightened)
        .collect()
}

/// The user's messages, as far back as they fit, then the item that the provider sealed the rest in.
pub fn sealed<'a>(history: impl DoubleEndedIterator<Item = &'a InputItem>, sealed: InputItem) -> Vec<InputItem> {
    let mut left = KEPT_BESIDE_SEALED;
    let mut kept = vec![lightened(sealed)];
    for item in history.rev().filter(|item| summary::said_by_user(item).is_some()) {
        let item = lightened(item.clone());
        let tokens = item.get().len().div_ceil(4);
        if tokens > left {
            break;
        }
        left -= tokens;
        kept.push(item);
    }
    kept.reverse();
    kept
}

/// Whether a provider sealed a compaction in this item.
pub fn is_sealed(item: &InputItem) -> bool {
    kind_and_role(item).is_some_and(|(kind, _)| SEALED.contains(&kind.as_str()))
}

/// Puts what the model has to know in front of the user's last message, else in front of the summary.
pub fn with_context(mut items: Vec<InputItem>, context: Vec<InputItem>) -> Vec<InputItem> {
    let user = items.iter().rposition(|item| summary::said_by_user(item).is_some());
    let at = user.unwrap_or(items.len().saturating_sub(1));
    items.splice(at..at, context);
    items
}

fn kind_and_role(item: &InputItem) -> Option<(String, Option<String>)> {
    let item: Value = serde_json::from_str(item.get()).ok()?;
    let member = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((member("type").unwrap_or_else(|| "message".to_owned()), member("role")))
}

/// The item without its id and its inline pictures.
fn lightened(item: InputItem) -> InputItem {
    let Ok(mut value) = serde_json::from_str::<Value>(item.get()) else {
        return item;
    };
    let mut changed = value
        .as_object_mut()
        .is_some_and(|members| members.shift_remove("id").is_some());
    if let Some(parts) = value.get_mut("content").and_then(Value::as_array_mut) {
        for part in parts {
            let url = part.get("image_url").and_then(Value::as_str);
            if url.is_some_and(|url| url.starts_with("data:")) {
                *part = serde_json::json!({"type": "input_text", "text": PICTURE});
                changed = true;
            }
        }
    }
    if changed {
        encode_item(&value).unwrap_or(item)
    } else {
        item
    }
}

#[cfg(test)]
mod tests;
