//! Rule files: any text parses or is refused with a place, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

use greenroom::exec::policy::{Policy, parse};

fuzz_target!(|text: &str| {
    let mut policy = Policy::default();
    let _ = parse(text, &mut policy);
});
