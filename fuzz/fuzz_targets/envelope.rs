//! Messages of a client: any bytes are a message or junk, and never panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = greenroom::rpc::envelope::decode(bytes);
});
