//! The user's input as the model gets it: one user message with a part per item. What it leads to beside that (skills) is
//! added by extensions.
//!
//! Files are read here, so a picture is as it was when the turn began. What cannot be read becomes a note to the model; it
//! never fails the turn.

use std::path::Path;

use crate::model::InputItem;
use crate::protocol::{ContentItem, ImageDetail, UserInput};

use super::image::{self, ImageError};
use super::message;

/// The most characters that the texts of one message may have.
pub const MOST_CHARS: usize = 1_048_576;

/// The texts of a message are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Input exceeds the maximum length of {MOST_CHARS} characters.")]
pub struct InputTooLarge {
    /// How long they are.
    pub actual_chars: usize,
}

impl InputTooLarge {
    /// The machine-readable detail of the error answer.
    pub fn data(&self) -> serde_json::Value {
        serde_json::json!({
            "input_error_code": "input_too_large",
            "max_chars": MOST_CHARS,
            "actual_chars": self.actual_chars,
        })
    }
}

/// Checks the length of all texts together.
pub fn check_size(input: &[UserInput]) -> Result<(), InputTooLarge> {
    let texts = || {
        input.iter().filter_map(|item| match item {
            UserInput::Text { text, .. } => Some(text),
            _ => None,
        })
    };
    // Characters are never more than bytes: nearly every message is done here.
    if texts().map(String::len).sum::<usize>() <= MOST_CHARS {
        return Ok(());
    }
    let actual_chars = texts().map(|text| text.chars().count()).sum();
    if actual_chars > MOST_CHARS {
        return Err(InputTooLarge { actual_chars });
    }
    Ok(())
}

/// What the input of one turn (or one steer) becomes.
#[derive(Debug, Clone, Default)]
pub struct UserMessage {
    /// The message; none for an input without anything to say.
    pub message: Option<InputItem>,
}

impl UserMessage {
    /// Reads the input; `images` says whether the model takes any.
    /// Goes to the blocking pool only when there are files to read.
    pub async fn read(input: &[UserInput], images: bool) -> Self {
        let reads = |item: &UserInput| matches!(item, UserInput::LocalImage { .. });
        if !input.iter().any(reads) {
            return Self::build(input, images);
        }
        let input = input.to_vec();
        tokio::task::spawn_blocking(move || Self::build(&input, images))
            .await
            .unwrap_or_default()
    }

    fn build(input: &[UserInput], images: bool) -> Self {
        let mut built = UserMessage::default();
        let mut parts = Vec::with_capacity(input.len());
        let mut pictures = 0;
        for item in input {
            match item {
                UserInput::Text { text, .. } => parts.push(message::text(text.as_str())),
                UserInput::Image { .. } | UserInput::LocalImage { .. } if !images => {
                    pictures += 1;
                    parts.push(message::text("[An image was left out: this model takes no images.]"));
                }
                UserInput::Image { url } => {
                    pictures += 1;
                    picture(&mut parts, "<image>".to_owned(), url.clone());
                }
                UserInput::LocalImage { path } => {
                    pictures += 1;
                    local_picture(&mut parts, path, pictures);
                }
                UserInput::Skill { .. } | UserInput::Mention { .. } => {}
            }
        }
        if !parts.is_empty() {
            built.message = Some(message::user(&parts));
        }
        built
    }
}

fn picture(parts: &mut Vec<ContentItem>, opening: String, url: String) {
    parts.push(message::text(opening));
    parts.push(ContentItem::InputImage {
        detail: Some(ImageDetail::High),
        image_url: url,
    });
    parts.push(message::text("</image>"));
}

/// A picture from a file is numbered, so that the model can name it; the number counts all pictures of the message.
fn local_picture(parts: &mut Vec<ContentItem>, path: &str, number: usize) {
    match image::data_url(Path::new(path)) {
        Ok(url) => picture(parts, format!("<image name=[Image #{number}]>"), url),
        // Clients know these two sentences.
        Err(ImageError::Unreadable(error)) => {
            parts.push(message::text(format!(
                "Codex could not read the local image at `{path}`: {error}"
            )));
        }
        Err(error @ (ImageError::Unsupported(_) | ImageError::Unscalable(_))) => {
            parts.push(message::text(format!(
                "Codex cannot attach image at `{path}`: {error}."
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) const PNG: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    fn text(text: &str) -> UserInput {
        UserInput::Text {
            text: text.into(),
            text_elements: vec![],
        }
    }

    async fn content(input: &[UserInput]) -> Value {
        let built = UserMessage::read(input, true).await;
        let message: Value = serde_json::from_str(built.message.unwrap().get()).unwrap();
        assert_eq!(
            (&message["type"], &message["role"]),
            (&json!("message"), &json!("user"))
        );
        message["content"].clone()
    }

    #[tokio::test]
    async fn pictures_are_numbered_and_wrapped() {
        use base64::Engine as _;
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("a.png").display().to_string();
        let bytes = base64::engine::general_purpose::STANDARD.decode(PNG).unwrap();
        std::fs::write(&good, &bytes).unwrap();
        let bad = dir.path().join("bad.png").display().to_string();
        std::fs::write(&bad, &bytes[..40]).unwrap();
        let local = |path: &str| UserInput::LocalImage { path: path.into() };
        let remote = UserInput::Image {
            url: "https://example.com/a.png".into(),
        };
        let parts = content(&[text("look"), remote, local(&good), local(&bad), local("none.png")]).await;
        let told = |text: String| json!({"type": "input_text", "text": text});
        let shown = |url: &str| json!({"type": "input_image", "detail": "high", "image_url": url});
        assert_eq!(
            parts,
            json!([
                told("look".into()),
                told("<image>".into()),
                shown("https://example.com/a.png"),
                told("</image>".into()),
                told("<image name=[Image #2]>".into()),
                shown(&format!("data:image/png;base64,{PNG}")),
                told("</image>".into()),
                told(format!(
                    "Codex cannot attach image at `{bad}`: unsupported image `image/png`."
                )),
                told(
                    "Codex could not read the local image at `none.png`: No such file or directory (os error 2)".into()
                ),
            ])
        );
    }

    #[test]
    fn length_counts_characters_of_all_texts() {
        let half = "é".repeat(MOST_CHARS / 2);
        assert_eq!(check_size(&[text(&half), text(&half)]), Ok(()));
        let error = check_size(&[text(&half), text(&half), text("x")]).unwrap_err();
        assert_eq!(error.actual_chars, MOST_CHARS + 1);
        assert_eq!(
            error.to_string(),
            "Input exceeds the maximum length of 1048576 characters."
        );
    }
}
