//! Pictures from files: read, recognised by content, turned into data URLs.
//!
//! PNG, JPEG, WebP and GIF are sent as they are, byte for byte, unless they are larger than models look at; then they
//! are scaled. Blocks on the disk.

mod scale;

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use imagesize::ImageType;

use crate::exec::files::{Files, LocalFiles};

/// The longest file that is looked at. What is sent lies in the rollout and in every request that follows.
const MAX_PICTURE: u64 = 64 << 20;

/// Why a file is no picture to send.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// Its content is none of the formats; the type is guessed from its name.
    #[error("unsupported image `{0}`")]
    Unsupported(&'static str),
    /// It is too large to send, and cannot be made smaller.
    #[error("image could not be scaled: {0}")]
    Unscalable(#[from] image::ImageError),
}

/// How much of a picture is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// As much as models look at.
    Fitted,
    /// All of it.
    Original,
}

/// The data URL of the picture at `path`, at the resolution that models look at.
pub fn data_url(path: &Path) -> Result<String, ImageError> {
    data_url_from(&LocalFiles, path, Resolution::Fitted)
}

/// The data URL of the picture at `path` of some files.
pub fn data_url_from(files: &dyn Files, path: &Path, resolution: Resolution) -> Result<String, ImageError> {
    let bytes = files.read(path, MAX_PICTURE)?;
    let Some(picture) = sendable(&bytes) else {
        return Err(ImageError::Unsupported(type_by_name(path)));
    };
    if picture.large && resolution == Resolution::Fitted {
        let (small, kind) = scale::fitted(&bytes, picture.format)?;
        return Ok(encoded(kind, &small));
    }
    Ok(encoded(picture.format.to_mime_type(), &bytes))
}

fn encoded(kind: &str, bytes: &[u8]) -> String {
    let mut url = String::with_capacity(32 + bytes.len().div_ceil(3) * 4);
    url.push_str("data:");
    url.push_str(kind);
    url.push_str(";base64,");
    STANDARD.encode_string(bytes, &mut url);
    url
}

/// A whole picture in a format that providers take.
struct Picture {
    format: ImageFormat,
    /// Larger than models look at.
    large: bool,
}

fn sendable(bytes: &[u8]) -> Option<Picture> {
    let size = imagesize::blob_size(bytes).ok()?;
    if size.width == 0 || size.height == 0 {
        return None;
    }
    let format = match imagesize::image_type(bytes).ok()? {
        ImageType::Png => whole_png(bytes).then_some(ImageFormat::Png)?,
        ImageType::Jpeg => ImageFormat::Jpeg,
        ImageType::Webp => ImageFormat::WebP,
        ImageType::Gif => ImageFormat::Gif,
        _ => return None,
    };
    let large = size.width.max(size.height) > scale::LONGEST_SIDE as usize;
    Some(Picture { format, large })
}

/// Whether the chunks of a PNG reach its end: one that was cut off would fail the whole request.
fn whole_png(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(next) = length.checked_add(4).and_then(|skip| after.get(skip..)) else {
            return false;
        };
        if &kind == b"IEND" {
            return true;
        }
        rest = next;
    }
    false
}

/// What the name says the file is.
fn type_by_name(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" | "jpe" | "jfif" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "svg" | "svgz" => "image/svg+xml",
        "tif" | "tiff" => "image/tiff",
        "ico" => "image/x-icon",
        "avif" => "image/avif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "rs" => "text/x-rust",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "xml" => "text/xml",
        "mp4" => "video/mp4",
        _ => "unknown",
    }
}
