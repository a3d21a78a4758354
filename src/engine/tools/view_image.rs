//! The `view_image` tool: shows the model a picture from the disk.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::context::image::{self, ImageError, Resolution};
use crate::engine::items;
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::exec::files::Files;
use crate::files::normalised;
use crate::protocol::{AbsolutePathBuf, FunctionCallOutputContentItem, ImageDetail, InputModality, ThreadItem};

/// The tool.
#[derive(Debug, Default)]
pub struct ViewImage;

#[derive(Deserialize)]
struct Arguments {
    path: String,
    #[serde(default)]
    environment_id: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

impl Tool for ViewImage {
    fn name(&self) -> &str {
        "view_image"
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        if !offer.environment {
            return None;
        }
        let mut properties = Map::new();
        properties.insert("path".to_owned(), json!({"type": "string", "description": "The file"}));
        if offer.image_detail {
            properties.insert(
                "detail".to_owned(),
                json!({
                    "type": "string",
                    "description": "`original` keeps the full resolution, for fine print and exact positions. No other \
                                    value is supported; leave it out otherwise.",
                }),
            );
        }
        if offer.several_environments {
            properties.insert(
                "environment_id".to_owned(),
                json!({
                    "type": "string",
                    "description": "The id of the environment that has the file; the first one if left out.",
                }),
            );
        }
        Some(function_spec(
            "view_image",
            "Looks at a picture on this machine. For files that are named in the conversation or that you have found; \
             pictures inside `<image>` tags are before you already.",
            json!({
                "type": "object",
                "properties": properties,
                "required": ["path"],
                "additionalProperties": false,
            }),
        ))
    }

    fn needs_environment(&self) -> bool {
        true
    }

    fn parallel(&self) -> bool {
        true
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        Box::pin(async move { view(&cx).await.unwrap_or_else(ToolOutput::text) })
    }
}

/// Shows the picture; the error is what the model is told.
async fn view(cx: &ToolContext) -> Result<ToolOutput, String> {
    let model = &cx.turn.model;
    if !model.input_modalities.contains(&InputModality::Image) {
        return Err("this model takes no images, so view_image has nobody to show one to".to_owned());
    }
    let Arguments {
        path,
        detail,
        environment_id,
    } = match parse_arguments(&cx.call) {
        Ok(arguments) => arguments,
        Err(output) => return Ok(output),
    };
    let (resolution, detail) = match detail.as_deref() {
        Some("original") if model.image_detail => (Resolution::Original, ImageDetail::Original),
        None | Some("original") => (Resolution::Fitted, ImageDetail::High),
        Some(other) => {
            return Err(format!(
                "view_image.detail only supports `original`; omit `detail` for default resized behavior, got `{other}`"
            ));
        }
    };
    let environment = cx.turn.environment(environment_id.as_deref())?.clone();
    let path = normalised(&environment.cwd.as_path().join(path));
    let (read, turn) = (path.clone(), cx.turn.clone());
    let image_url = tokio::task::spawn_blocking(move || {
        let files = Arc::clone(&environment.place).files(None);
        if turn.hides(&environment, &read, &files.resolve(&read)) {
            let at = read.display();
            return Err(format!(
                "unable to locate image at `{at}`: Permission denied (os error 13)"
            ));
        }
        load(&*files, &read, resolution)
    })
    .await
    .map_err(|error| format!("unable to read image at `{}`: {error}", path.display()))??;
    if let Some(path) = AbsolutePathBuf::new(path) {
        let item = ThreadItem::ImageView {
            id: cx.call.call_id.clone(),
            path,
        };
        items::publish_started(&cx.turn.host, item.clone()).await;
        items::record_and_publish_completed(&cx.turn, item).await;
    }
    Ok(ToolOutput::parts(vec![FunctionCallOutputContentItem::InputImage {
        detail: Some(detail),
        image_url,
    }]))
}

fn load(files: &dyn Files, path: &Path, resolution: Resolution) -> Result<String, String> {
    let at = path.display();
    let found = match files.look(path) {
        Ok(found) if found.is_link && !found.is_file && !found.is_dir => {
            Err(std::io::Error::from_raw_os_error(libc::ENOENT))
        }
        found => found,
    };
    let found = found.map_err(|error| format!("unable to locate image at `{at}`: {error}"))?;
    if !found.is_file {
        return Err(format!("image path `{at}` is not a file"));
    }
    image::data_url_from(files, path, resolution).map_err(|error| match error {
        ImageError::Unreadable(error) => format!("unable to read image at `{at}`: {error}"),
        ImageError::Unsupported(_) | ImageError::Unscalable(_) => format!("unable to process image at `{at}`: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine as _;

    use super::*;
    use crate::engine::tools::trial::Trial;

    const PNG: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    #[tokio::test]
    async fn a_picture_is_shown_and_what_is_none_is_told() {
        let mut trial = Trial::new(|_| {}).await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(PNG).unwrap();
        fs::write(trial.cwd.join("dot.png"), bytes).unwrap();
        fs::write(trial.cwd.join("t.txt"), "hello").unwrap();
        let at = |name: &str| trial.cwd.join(name).display().to_string();
        for (arguments, expected) in [
            (
                json!({"path": "none.png"}),
                format!(
                    "unable to locate image at `{}`: No such file or directory (os error 2)",
                    at("none.png")
                ),
            ),
            (
                json!({"path": "."}),
                format!("image path `{}` is not a file", trial.cwd.display()),
            ),
            (
                json!({"path": "t.txt"}),
                format!(
                    "unable to process image at `{}`: unsupported image `text/plain`",
                    at("t.txt")
                ),
            ),
            (
                json!({"path": "dot.png", "detail": "low"}),
                "view_image.detail only supports `original`; omit `detail` for default resized behavior, got `low`"
                    .to_owned(),
            ),
        ] {
            assert_eq!(trial.call(&ViewImage, arguments).await, ToolOutput::text(expected));
        }
        let output = trial
            .call(&ViewImage, json!({"path": "dot.png", "detail": "original"}))
            .await;
        assert_eq!(
            output,
            ToolOutput::parts(vec![FunctionCallOutputContentItem::InputImage {
                detail: Some(ImageDetail::Original),
                image_url: format!("data:image/png;base64,{PNG}"),
            }])
        );
        let methods: Vec<String> = trial.told().into_iter().map(|(method, _)| method).collect();
        assert_eq!(methods, ["item/started", "item/completed"]);
        assert_eq!(trial.recorded("item")[0]["item"]["type"], "imageView");
    }
}
