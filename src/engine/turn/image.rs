//! Images that the provider made: kept as files of the home, so that the model and the user can use them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::context::message;
use crate::engine::turn::task::Task;
use crate::protocol::{AbsolutePathBuf, ThreadItem};

/// An image as the provider tells of it.
pub(super) struct MadeImage<'a> {
    pub(super) id: &'a str,
    pub(super) status: &'a str,
    pub(super) revised_prompt: Option<String>,
    /// The image in base64; empty while it is being made.
    pub(super) result: &'a str,
}

impl Task {
    /// Keeps the image, tells the model where, and gives the item to show.
    pub(super) async fn show_image(&mut self, image: MadeImage<'_>) -> ThreadItem {
        let saved_path = self.keep_image(&image).await;
        ThreadItem::ImageGeneration {
            id: image.id.to_owned(),
            result: image.result.to_owned(),
            revised_prompt: image.revised_prompt,
            saved_path,
            status: image.status.to_owned(),
        }
    }

    async fn keep_image(&mut self, image: &MadeImage<'_>) -> Option<AbsolutePathBuf> {
        if image.result.is_empty() {
            return None;
        }
        let bytes = STANDARD.decode(image.result.trim()).ok()?;
        let home = &self.scope.services.config.home;
        let folder = home.join("generated_images").join(self.host().thread_id.to_string());
        let path = folder.join(file_name(image.id));
        let written = {
            let (folder, path) = (folder.clone(), path.clone());
            tokio::task::spawn_blocking(move || write(&folder, &path, &bytes)).await
        };
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, thread.id = %self.host().thread_id, "an image was not kept");
            return None;
        }
        let note = message::developer(vec![where_images_are(&folder)]);
        self.remember(Arc::clone(&note));
        self.publish_raw(&note).await;
        AbsolutePathBuf::new(path)
    }
}

fn write(folder: &Path, path: &PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(path, bytes)
}

/// The provider's id, with nothing in it that means something to a file system.
fn file_name(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '_'
        }
    };
    format!("{}.png", id.chars().map(plain).collect::<String>())
}

fn where_images_are(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Images made in this thread are kept in {folder}, each as {folder}/<image_id>.png.\nTo use one elsewhere, copy \
         it. Keep the original unless the user wants it deleted."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_the_folder() {
        assert_eq!(file_name("../ig 1"), "___ig_1.png");
    }
}
