//! Conversation messages in the form of the Responses API.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::InputItem;
use crate::protocol::ContentItem;

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    content: &'a [ContentItem],
}

/// A message of the user.
pub fn user(content: &[ContentItem]) -> InputItem {
    encode("user", content)
}

/// A message of the developer, one part per text.
pub fn developer(texts: Vec<String>) -> InputItem {
    encode("developer", &parts(texts))
}

/// A message of the user, one part per text.
pub fn user_texts(texts: Vec<String>) -> InputItem {
    encode("user", &parts(texts))
}

/// A message of the assistant.
pub fn assistant(text: &str) -> InputItem {
    encode("assistant", &[ContentItem::OutputText { text: text.to_owned() }])
}

/// A text part.
pub fn text(text: impl Into<String>) -> ContentItem {
    ContentItem::InputText { text: text.into() }
}

fn parts(texts: Vec<String>) -> Vec<ContentItem> {
    texts.into_iter().map(text).collect()
}

fn encode(role: &'static str, content: &[ContentItem]) -> InputItem {
    let message = Message {
        kind: "message",
        role,
        content,
    };
    // Encoding strings cannot fail; `null` would be refused by the provider, so nothing would go unnoticed.
    serde_json::value::to_raw_value(&message)
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
        .into()
}
