//! What an agent is given to do: a message, or structured items.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::tools::ToolOutput;
use crate::protocol::UserInput;

/// One item as models write it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Text { text: String },
    Image { image_url: String },
    LocalImage { path: String },
    Skill { name: String, path: String },
    Mention { name: String, path: String },
}

impl From<Item> for UserInput {
    fn from(item: Item) -> Self {
        match item {
            Item::Text { text } => UserInput::Text {
                text,
                text_elements: Vec::new(),
            },
            Item::Image { image_url } => UserInput::Image { url: image_url },
            Item::LocalImage { path } => UserInput::LocalImage { path },
            Item::Skill { name, path } => UserInput::Skill { name, path },
            Item::Mention { name, path } => UserInput::Mention { name, path },
        }
    }
}

/// The input of a call that says it as a message or as items; what is wrong with it is the output for the model.
pub(super) fn read(message: Option<String>, items: Option<Vec<Item>>) -> Result<Vec<UserInput>, ToolOutput> {
    let refused = |text: &str| Err(ToolOutput::text(text));
    match (message, items) {
        (Some(_), Some(_)) => refused("Provide either message or items, but not both"),
        (None, None) => refused("Provide one of: message or items"),
        (Some(message), None) if message.trim().is_empty() => refused("Empty message can't be sent to an agent"),
        (None, Some(items)) if items.is_empty() => refused("Items can't be empty"),
        (Some(text), None) => Ok(vec![UserInput::Text {
            text,
            text_elements: Vec::new(),
        }]),
        (None, Some(items)) => Ok(items.into_iter().map(Into::into).collect()),
    }
}

/// What clients see of an input.
pub(super) fn preview(input: &[UserInput]) -> String {
    let line = |item: &UserInput| match item {
        UserInput::Text { text, .. } => text.clone(),
        UserInput::Image { .. } => "[image]".to_owned(),
        UserInput::LocalImage { path } => format!("[local_image:{path}]"),
        UserInput::Skill { name, path } => format!("[skill:${name}]({path})"),
        UserInput::Mention { name, path } => format!("[mention:${name}]({path})"),
    };
    input.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The schema of `items`.
pub(super) fn items_schema() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "array",
        "description": "Structured input, for images, skills and mentions. Use either items or message.",
        "items": {
            "type": "object",
            "properties": {
                "type": text("text, image, local_image, skill or mention."),
                "text": text("The text of a text item."),
                "image_url": text("The URL of an image item."),
                "path": text("The file of a local_image or skill item, or the target of a mention."),
                "name": text("The name of a skill or mention item."),
            },
            "additionalProperties": false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: Option<&str>, items: Option<Value>) -> Result<Vec<UserInput>, ToolOutput> {
        read(
            message.map(str::to_owned),
            items.map(|items| serde_json::from_value(items).unwrap()),
        )
    }

    #[test]
    fn a_call_says_one_thing_in_one_way() {
        let refusal = |message, items| said(message, items).unwrap_err();
        assert_eq!(
            refusal(Some("a"), Some(json!([{"type": "text", "text": "b"}]))),
            ToolOutput::text("Provide either message or items, but not both")
        );
        assert_eq!(
            refusal(None, None),
            ToolOutput::text("Provide one of: message or items")
        );
        assert_eq!(
            refusal(Some(" \n"), None),
            ToolOutput::text("Empty message can't be sent to an agent")
        );
        assert_eq!(refusal(None, Some(json!([]))), ToolOutput::text("Items can't be empty"));
    }

    #[test]
    fn items_become_input_and_show_as_lines() {
        let items = json!([
            {"type": "text", "text": "look at"},
            {"type": "local_image", "path": "/tmp/a.png"},
            {"type": "mention", "name": "docs", "path": "app://docs"},
        ]);
        let input = said(None, Some(items)).unwrap();
        assert_eq!(input.len(), 3);
        assert_eq!(
            preview(&input),
            "look at\n[local_image:/tmp/a.png]\n[mention:$docs](app://docs)"
        );
    }
}
