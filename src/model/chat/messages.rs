//! A conversation as the messages of Chat Completions.
//!
//! Servers hand messages to templates of very different models, and many of these accept only what all chats have: one
//! system message, at the beginning; users and assistants by turns; each call followed by its result at once. So notices
//! of the developer join the system message, or the user's words once the conversation has begun; neighbouring messages
//! of a user are one; a call whose result is missing is told that it was aborted; results without their call are left out.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::tools;
use crate::model::provider::InputItem;

/// The result of a call that has none.
const ABORTED: &str = "aborted";

/// One message.
#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Message {
    /// Instructions.
    System {
        /// The text.
        content: String,
    },
    /// What a user, or the program on the user's side, says.
    User {
        /// The text and pictures.
        content: Content,
    },
    /// What the model said and called.
    Assistant {
        /// The text; `null` beside calls alone.
        content: Option<String>,
        /// The calls.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What a call resulted in.
    Tool {
        /// The call.
        tool_call_id: String,
        /// The result.
        content: String,
    },
}

/// A user's content: text where that is all, parts where there are pictures.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Content {
    /// Text alone.
    Text(String),
    /// Text and pictures.
    Parts(Vec<Part>),
}

/// A part of a user's content.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    /// Text.
    Text {
        /// It.
        text: String,
    },
    /// A picture.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl,
    },
}

/// A picture's address, or the picture itself as a data URL.
#[derive(Debug, Serialize)]
pub(super) struct ImageUrl {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// A call in a message.
#[derive(Debug, Serialize)]
pub(super) struct ToolCall {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction,
}

#[derive(Debug, Serialize)]
struct CalledFunction {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    Message {
        role: String,
        #[serde(default)]
        content: Vec<ItemPart>,
    },
    FunctionCall {
        call_id: String,
        name: String,
        #[serde(default)]
        namespace: Option<String>,
        #[serde(default)]
        arguments: String,
    },
    FunctionCallOutput {
        call_id: String,
        output: Output,
    },
    CustomToolCall {
        call_id: String,
        name: String,
        #[serde(default)]
        input: String,
    },
    CustomToolCallOutput {
        call_id: String,
        output: Output,
    },
    LocalShellCall {
        #[serde(default)]
        call_id: Option<String>,
        action: Box<RawValue>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Output {
    Text(String),
    Parts(Vec<ItemPart>),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ItemPart {
    #[serde(alias = "output_text", alias = "text")]
    InputText { text: String },
    InputImage {
        image_url: String,
        #[serde(default)]
        detail: Option<String>,
    },
    #[serde(other)]
    Other,
}

/// The messages of a conversation below `instructions`.
pub(super) fn of(instructions: &RawValue, input: &[InputItem]) -> Vec<Message> {
    let items: Vec<Item> = input
        .iter()
        .filter_map(|item| serde_json::from_str(item.get()).ok())
        .collect();
    let mut conversation = Conversation {
        system: serde_json::from_str(instructions.get()).unwrap_or_default(),
        outputs: HashMap::new(),
        messages: Vec::with_capacity(items.len() + 1),
    };
    let mut rest = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Item::FunctionCallOutput { call_id, output } | Item::CustomToolCallOutput { call_id, output } => {
                conversation.outputs.insert(call_id, output);
            }
            other => rest.push(other),
        }
    }
    let mut rest = rest.into_iter().peekable();
    while let Some(item) = rest.next() {
        conversation.item(item);
        if !rest.peek().is_some_and(Item::is_call) {
            conversation.results();
        }
    }
    conversation.finish()
}

impl Item {
    fn is_call(&self) -> bool {
        matches!(
            self,
            Item::FunctionCall { .. } | Item::CustomToolCall { .. } | Item::LocalShellCall { .. }
        )
    }
}

struct Conversation {
    system: String,
    outputs: HashMap<String, Output>,
    messages: Vec<Message>,
}

impl Conversation {
    fn item(&mut self, item: Item) {
        match item {
            Item::Message { role, content } => match role.as_str() {
                "assistant" => self.assistant(texts(&content)),
                "developer" | "system" if self.messages.is_empty() => {
                    let text = texts(&content);
                    join(&mut self.system, &text);
                }
                _ => self.user(parts(content)),
            },
            Item::FunctionCall {
                call_id,
                name,
                namespace,
                arguments,
            } => self.call(call_id, tools::flat(namespace.as_deref(), &name), arguments),
            Item::CustomToolCall { call_id, name, input } => {
                let arguments = tools::freeform_arguments(&input);
                self.call(call_id, name, arguments);
            }
            Item::LocalShellCall { call_id, action } => {
                if let Some(call_id) = call_id {
                    self.call(call_id, "local_shell".to_owned(), action.get().to_owned());
                }
            }
            Item::FunctionCallOutput { .. } | Item::CustomToolCallOutput { .. } | Item::Other => {}
        }
    }

    fn assistant(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        if let Some(Message::Assistant { content, .. }) = self.messages.last_mut() {
            join(content.get_or_insert_default(), &text);
            return;
        }
        self.messages.push(Message::Assistant {
            content: Some(text),
            tool_calls: Vec::new(),
        });
    }

    fn call(&mut self, id: String, name: String, arguments: String) {
        // An empty text is no JSON object, which templates expect.
        let arguments = if arguments.trim().is_empty() {
            "{}".to_owned()
        } else {
            arguments
        };
        let call = ToolCall {
            id,
            kind: "function",
            function: CalledFunction { name, arguments },
        };
        if let Some(Message::Assistant { tool_calls, .. }) = self.messages.last_mut() {
            tool_calls.push(call);
            return;
        }
        self.messages.push(Message::Assistant {
            content: None,
            tool_calls: vec![call],
        });
    }

    /// The results of the calls that were just made; pictures among them follow as the user's.
    fn results(&mut self) {
        let Some(Message::Assistant { tool_calls, .. }) = self.messages.last() else {
            return;
        };
        let ids: Vec<String> = tool_calls.iter().map(|call| call.id.clone()).collect();
        let mut pictures = Vec::new();
        for id in ids {
            let content = match self.outputs.remove(&id) {
                None => ABORTED.to_owned(),
                Some(Output::Text(text)) => text,
                Some(Output::Parts(all)) => {
                    let text = texts(&all);
                    let shown = parts(all).into_iter();
                    pictures.extend(shown.filter(|part| matches!(part, Part::ImageUrl { .. })));
                    text
                }
            };
            self.messages.push(Message::Tool {
                tool_call_id: id,
                content,
            });
        }
        if !pictures.is_empty() {
            self.user(pictures);
        }
    }

    fn user(&mut self, mut parts: Vec<Part>) {
        if parts.is_empty() {
            return;
        }
        if let Some(Message::User { content }) = self.messages.last_mut() {
            let before = std::mem::replace(content, Content::Text(String::new()));
            let mut all = match before {
                Content::Text(text) => vec![Part::Text { text }],
                Content::Parts(parts) => parts,
            };
            all.append(&mut parts);
            *content = Content::of(all);
            return;
        }
        self.messages.push(Message::User {
            content: Content::of(parts),
        });
    }

    fn finish(mut self) -> Vec<Message> {
        if !self.system.is_empty() {
            self.messages.insert(0, Message::System { content: self.system });
        }
        self.messages
    }
}

impl Content {
    fn of(parts: Vec<Part>) -> Self {
        let mut joined = String::new();
        for part in &parts {
            match part {
                Part::Text { text } => join(&mut joined, text),
                Part::ImageUrl { .. } => return Content::Parts(parts),
            }
        }
        Content::Text(joined)
    }
}

fn join(all: &mut String, more: &str) {
    if !all.is_empty() && !more.is_empty() {
        all.push_str("\n\n");
    }
    all.push_str(more);
}

fn texts(parts: &[ItemPart]) -> String {
    let mut all = String::new();
    for part in parts {
        if let ItemPart::InputText { text } = part {
            all.push_str(text);
        }
    }
    all
}

fn parts(parts: Vec<ItemPart>) -> Vec<Part> {
    let part = |part| match part {
        ItemPart::InputText { text } => Some(Part::Text { text }),
        ItemPart::InputImage { image_url, detail } => Some(Part::ImageUrl {
            image_url: ImageUrl {
                url: image_url,
                // `original` is the Responses API's alone.
                detail: detail.filter(|detail| matches!(detail.as_str(), "auto" | "low" | "high")),
            },
        }),
        ItemPart::Other => None,
    };
    parts.into_iter().filter_map(part).collect()
}
