//! Rollout lines: any bytes decode to something, and a decoded line encodes to one that decodes again.
#![no_main]

use libfuzzer_sys::fuzz_target;

use greenroom::store::rollout::codec::{Decoded, decode_line, encode_line, now_timestamp};

fuzz_target!(|bytes: &[u8]| {
    if let Decoded::Line(line) = decode_line(bytes) {
        let mut out = Vec::new();
        if encode_line(&mut out, &now_timestamp(), &line.item).is_ok() {
            assert!(matches!(decode_line(&out), Decoded::Line(_)));
        }
    }
});
