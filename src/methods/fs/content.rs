//! The content of files, as base64 in both directions.
//!
//! A file of half a gigabyte is a message of two thirds of one. It exists once: the file is encoded piece by piece into
//! the message itself, and decoded piece by piece into the file. How many large answers exist at once is bounded; each
//! gives its place back when its bytes have left for the client.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::on_files;
use crate::files;
use crate::protocol::{FsReadFileParams, FsReadFileResponse, FsWriteFileParams, FsWriteFileResponse, RequestId};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// The largest file that is read.
const LARGEST_FILE: u64 = 512 << 20;
/// Answers from this size on count against the budget.
const LARGE: u64 = 1 << 20;
/// How many bytes of large answers may exist at once, in units of [`LARGE`]: more than the largest answer.
const BUDGET: usize = 1024;
/// What is encoded or decoded at a time: a multiple of three bytes and of four characters.
const PIECE: usize = 192 << 10;

static LARGE_ANSWERS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(BUDGET)));

/// `fs/readFile`.
pub async fn read_file(cx: RequestContext, params: FsReadFileParams) -> Result<FsReadFileResponse, RpcError> {
    let path = params.path;
    let (file, size) = on_files(move || open(path.as_path())).await?;
    let encoded = size.div_ceil(3) * 4;
    if encoded < LARGE {
        let data_base64 = on_files(move || encode(file, String::with_capacity(encoded as usize))).await?;
        return Ok(FsReadFileResponse { data_base64 });
    }
    let places = u32::try_from(encoded.div_ceil(LARGE)).unwrap_or(u32::MAX);
    let place = tokio::select! {
        place = LARGE_ANSWERS.clone().acquire_many_owned(places) => place.map_err(|_| RpcError::overloaded())?,
        () = cx.disconnected.cancelled() => return Ok(FsReadFileResponse::default()),
    };
    let (head, tail) = envelope(&cx.request_id);
    let text = on_files(move || {
        let mut text = String::with_capacity(head.len() + encoded as usize + tail.len());
        text.push_str(&head);
        let mut text = encode(file, text)?;
        text.push_str(tail);
        Ok(text)
    })
    .await?;
    cx.answer_in_bulk(Bytes::from_owner(LargeAnswer { text, _place: place }));
    Ok(FsReadFileResponse::default())
}

/// The bytes of a large answer, which hold its place in the budget.
struct LargeAnswer {
    text: String,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for LargeAnswer {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// What stands around the data in an answer.
fn envelope(id: &RequestId) -> (String, &'static str) {
    let id = serde_json::to_string(id).unwrap_or_default();
    (format!("{{\"id\":{id},\"result\":{{\"dataBase64\":\""), "\"}}")
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = files::open(path)?;
    let size = file.metadata()?.len();
    match size > LARGEST_FILE {
        true => Err(too_large()),
        false => Ok((file, size)),
    }
}

fn too_large() -> io::Error {
    let message = format!("file is too large to read: limit is {LARGEST_FILE} bytes");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Appends the file to the text. It may have grown since its size was taken.
fn encode(file: File, mut text: String) -> io::Result<String> {
    let mut file = file.take(LARGEST_FILE + 1);
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        piece.clear();
        file.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        STANDARD.encode_string(&piece, &mut text);
        if file.limit() == 0 {
            return Err(too_large());
        }
        if piece.len() < PIECE {
            return Ok(text);
        }
    }
}

/// `fs/writeFile`: nothing is touched unless all of the data is sound, and there is room for it.
pub async fn write_file(_cx: RequestContext, params: FsWriteFileParams) -> Result<FsWriteFileResponse, RpcError> {
    on_files(move || {
        let mut length = 0;
        decode(&params.data_base64, |piece| {
            length += piece.len() as u64;
            Ok(())
        })?;
        files::overwrite(ordinary(params.path.as_path())?, length, |file| {
            decode(&params.data_base64, |piece| file.write_all(piece))
        })
    })
    .await?;
    Ok(FsWriteFileResponse {})
}

/// The same path, unless something is there that is no file: opening a pipe would wait for somebody who reads it.
fn ordinary(path: &Path) -> io::Result<&Path> {
    match std::fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not an ordinary file"))
        }
        _ => Ok(path),
    }
}

/// Decodes piece by piece. Errors name the place in the whole text.
fn decode(text: &str, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let bytes = text.as_bytes();
    let mut decoded = vec![0; PIECE / 4 * 3];
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(PIECE));
        // Padding ends a text: within one it is an error that only the whole text can tell.
        let sound = after.is_empty() || !piece.ends_with(b"=");
        match STANDARD.decode_slice(piece, &mut decoded) {
            Ok(length) if sound => sink(&decoded[..length])?,
            _ => return Err(unsound(text)),
        }
        rest = after;
    }
    Ok(())
}

fn unsound(text: &str) -> io::Error {
    let why = match STANDARD.decode(text) {
        Ok(_) => String::new(),
        // The decoder's own words for this one have changed since clients learned them.
        Err(DecodeError::InvalidLastSymbol { offset, symbol, .. }) => {
            format!("Invalid last symbol {symbol}, offset {offset}.")
        }
        Err(error) => error.to_string(),
    };
    let message = format!("fs/writeFile requires valid base64 dataBase64: {why}");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        decode(text, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    #[test]
    fn a_file_of_any_size_comes_back_as_it_was() {
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 2] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&bytes).unwrap();
            let text = encode(file.reopen().unwrap(), String::new()).unwrap();
            assert_eq!(text, STANDARD.encode(&bytes), "{size}");
            assert_eq!(decoded(&text).unwrap(), bytes, "{size}");
        }
    }

    #[test]
    fn an_error_names_the_place_in_the_whole_text() {
        let long = "AAAA".repeat(PIECE / 4);
        for (text, why) in [
            ("%%%".to_owned(), "Invalid symbol 37, offset 0."),
            ("A".to_owned(), "Invalid input length: 1"),
            ("AB==".to_owned(), "Invalid last symbol 66, offset 1."),
            (
                format!("{}=={long}", &long[2..]),
                &format!("Invalid symbol 61, offset {}.", PIECE - 2),
            ),
            (
                format!("{long}AA*A"),
                &format!("Invalid symbol 42, offset {}.", PIECE + 2),
            ),
        ] {
            let error = decoded(&text).unwrap_err().to_string();
            assert_eq!(error, format!("fs/writeFile requires valid base64 dataBase64: {why}"));
        }
    }

    proptest! {
        #[test]
        fn text_is_taken_or_refused_as_a_whole_decoder_would(text in "[A-D=+/ ]{0,24}") {
            match STANDARD.decode(&text) {
                Ok(bytes) => prop_assert_eq!(decoded(&text).unwrap(), bytes),
                Err(_) => prop_assert!(decoded(&text).is_err()),
            }
        }
    }
}
