//! Shell scripts: any text is either plain commands or complex, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = greenroom::exec::bash::read(text);
    let _ = greenroom::exec::bash::patch_script(text);
});
