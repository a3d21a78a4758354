//! The patch language: any text parses or is refused, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = greenroom::engine::tools::apply_patch::grammar::parse(text);
});
