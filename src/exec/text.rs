//! Whole outputs of processes as text, whatever they are written in.
//!
//! What is UTF-8 stays as it is. Anything else is read in the encoding that it looks like, and where even that does not
//! fit, what is no text turns into U+FFFD.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, IBM866, WINDOWS_1252};

/// An output of this size is decoded without a thread of its own.
const QUICK: usize = 16 * 1024;
/// So much of an output is looked at to find its encoding.
const SAMPLE: usize = 256 * 1024;

/// The text of an output. What takes long is done off the arbiter.
pub async fn text_of(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.as_bytes().len() <= QUICK => decode(error.as_bytes()),
        Err(error) => tokio::task::spawn_blocking(move || decode(error.as_bytes()))
            .await
            .unwrap_or_default(),
    }
}

fn decode(bytes: &[u8]) -> String {
    match guess(bytes).decode(bytes) {
        (text, _, false) => text.into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    detector.feed(sample, sample.len() == bytes.len());
    let guessed = detector.guess(None, Utf8Detection::Deny);
    // Quotation marks and dashes alone look like letters of another alphabet.
    match guessed == IBM866 && marks_among_letters(bytes) {
        true => WINDOWS_1252,
        false => guessed,
    }
}

/// Whether all that is not ASCII are the quotation marks, dashes and the like of Windows, among Latin letters.
fn marks_among_letters(bytes: &[u8]) -> bool {
    let marks = |byte: &u8| matches!(byte, 0x85 | 0x8b | 0x91..=0x97 | 0x99 | 0x9b);
    bytes.iter().filter(|byte| !byte.is_ascii()).all(marks) && bytes.iter().any(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_read_in_the_encoding_that_it_looks_like() {
        let (russian, _, _) = encoding_rs::WINDOWS_1251.encode("Привет, мир! Это тест");
        let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode("こんにちは世界、日本語");
        for (bytes, text) in [
            ("naïve".as_bytes(), "naïve"),
            (
                b"caf\xe9 na\xefve fran\xe7ais \xe0 bient\xf4t",
                "café naïve français à bientôt",
            ),
            (&russian, "Привет, мир! Это тест"),
            (&japanese, "こんにちは世界、日本語"),
            (b"it\x92s \x93quoted\x94 text", "it’s “quoted” text"),
            (b"a\xff\xfeb\xc3\xa9", "aÿþbÃ©"),
            (b"\xff\xfe", ""),
            (b"", ""),
        ] {
            let decoded = std::str::from_utf8(bytes).map_or_else(|_| decode(bytes), str::to_owned);
            assert_eq!(decoded, text);
        }
    }

    #[tokio::test]
    async fn a_long_output_is_decoded_too() {
        let bytes = b"caf\xe9 ".repeat(100_000);
        assert_eq!(text_of(bytes).await, "café ".repeat(100_000));
    }
}
