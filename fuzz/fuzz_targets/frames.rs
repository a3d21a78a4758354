//! WebSocket frames of a client: any bytes, in any pieces, are messages or a violation, and never panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

use greenroom::http::frames::{FrameLimits, MessageDecoder};

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut decoder = MessageDecoder::new(FrameLimits { frame: 1 << 16, message: 1 << 18 });
    for piece in pieces {
        decoder.push(&piece);
        while let Ok(Some(_)) = decoder.next_message() {}
    }
});
