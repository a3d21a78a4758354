//! Hosts and patterns of them: any text is one or is refused, reads back as itself, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

use greenroom::network::Host;
use greenroom::network::domains::Pattern;

fuzz_target!(|texts: (&str, &str)| {
    let pattern = Pattern::parse(texts.0);
    if let Some(host) = Host::parse(texts.1) {
        assert_eq!(Host::parse(host.as_str()).as_ref(), Some(&host));
        let _ = pattern.map(|pattern| pattern.matches(&host));
    }
});
