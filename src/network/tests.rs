//! Patterns, hosts and policies.

use proptest::prelude::*;

use super::domains::{Pattern, PatternError};
use super::host::is_local;
use super::*;

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn settings(text: &str) -> NetworkSettings {
    toml::from_str(text).unwrap()
}

#[test]
fn hosts_have_one_spelling() {
    for (given, expected) in [
        ("Example.COM.", "example.com"),
        (" a-b_c.x ", "a-b_c.x"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        assert_eq!(host(given).as_str(), expected);
    }
    for odd in [
        "",
        ".",
        "a..b",
        "a b",
        "a/b",
        "a:80",
        "[a]",
        "*.x",
        "a@b",
        "fe80::1%eth0",
        "\u{e4}.example",
    ] {
        assert_eq!(Host::parse(odd), None, "{odd:?}");
    }
}

#[test]
fn addresses_that_are_nobody_elses_business() {
    let local = |text: &str| is_local(text.parse().unwrap());
    for address in [
        "127.0.0.1",
        "127.9.9.9",
        "10.1.1.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001::1",
        "2001:db8::1",
    ] {
        assert!(local(address), "{address}");
    }
    for address in [
        "1.1.1.1",
        "11.22.33.44",
        "172.32.0.1",
        "2606:4700::1111",
        "64:ff9b::101:101",
        "2002:101:101::",
    ] {
        assert!(!local(address), "{address}");
    }
    assert!(host("localhost").is_local() && host("a.localhost").is_local() && !host("notlocalhost").is_local());
}

#[test]
fn patterns_reach_what_they_say() {
    for (pattern, matching, others) in [
        (
            "Example.com.",
            &["example.com"][..],
            &["a.example.com", "xexample.com"][..],
        ),
        (
            "*.example.com",
            &["a.example.com", "a.b.example.com"],
            &["example.com", "aexample.com"],
        ),
        (
            "**.example.com",
            &["example.com", "a.b.example.com"],
            &["aexample.com", "example.com.evil.org"],
        ),
        (
            "region*.v2.example.com",
            &["region1.v2.example.com", "region.v2.example.com"],
            &[
                "xregion1.v2.example.com",
                "region1.evil.v2.example.com",
                "a.region1.v2.example.com",
            ],
        ),
        ("*", &["example.com", "127.0.0.1", "::1"], &[]),
        ("[::1]", &["::1"], &["1.1.1.1"]),
        ("10.0.0.1", &["10.0.0.1", "::ffff:10.0.0.1"], &["10.0.0.11"]),
        ("*.1", &[], &["10.0.0.1"]),
    ] {
        let pattern = Pattern::parse(pattern).unwrap();
        assert_eq!(Pattern::parse(&pattern.to_string()).as_ref(), Ok(&pattern));
        for matched in matching {
            assert!(pattern.matches(&host(matched)), "{pattern:?} {matched}");
        }
        for other in others {
            assert!(!pattern.matches(&host(other)), "{pattern:?} {other}");
        }
    }
    for odd in [
        "",
        "*.",
        "http://a.example",
        "a.example:80",
        "a/b",
        "*.10.0.0.1",
        "a b",
        "a..b",
    ] {
        assert!(
            matches!(Pattern::parse(odd), Err(PatternError::Malformed(_))),
            "{odd:?}"
        );
    }
}

#[test]
fn what_is_denied_is_denied_whoever_allows_it() {
    let user = settings(
        "enabled = true\n[domains]\n\"**.example.com\" = \"allow\"\n\"bad.example.com\" = \"deny\"\n\"127.0.0.1\" = \"allow\"",
    );
    let policy = NetworkPolicy::new(&[&user], None).unwrap();
    assert_eq!(policy.listing(&host("a.example.com")), Listing::Allowed);
    assert_eq!(policy.listing(&host("BAD.example.com")), Listing::Denied);
    assert_eq!(policy.listing(&host("other.org")), Listing::Absent);
    assert!(policy.names(&host("127.0.0.1")) && !policy.names(&host("example.com")));
    assert_eq!((policy.mode, policy.local, policy.socks), (Mode::Full, false, true));

    let managed =
        settings("mode = \"limited\"\nmanaged_allowed_domains_only = true\n[domains]\n\"ok.org\" = \"allow\"");
    let policy = NetworkPolicy::new(&[&user], Some(&managed)).unwrap();
    assert_eq!(policy.listing(&host("a.example.com")), Listing::Absent);
    assert_eq!(policy.listing(&host("bad.example.com")), Listing::Denied);
    assert_eq!(policy.listing(&host("ok.org")), Listing::Allowed);
    assert_eq!(policy.mode, Mode::Limited);

    let opened = settings("[domains]\n\"bad.example.com\" = \"allow\"\n\"**.example.com\" = \"deny\"");
    let policy = NetworkPolicy::new(&[&user], Some(&opened)).unwrap();
    assert_eq!(
        policy.lists()[1],
        ["**.example.com", "bad.example.com"],
        "closed by either stays closed"
    );

    let everything = settings("[domains]\n\"*\" = \"deny\"");
    assert_eq!(NetworkPolicy::new(&[&everything], None), Err(PatternError::Everything));
    let everything = settings("[domains]\n\"*\" = \"allow\"");
    let policy = NetworkPolicy::new(&[&everything], None).unwrap();
    assert_eq!(policy.listing(&host("any.org")), Listing::Allowed);
    assert!(!policy.names(&host("127.0.0.1")));
}

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{1,8}"
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(label(), 1..5).prop_map(|labels| labels.join("."))
}

proptest! {
    #[test]
    fn a_domain_below_and_a_domain_itself_make_both(domain in name(), below in label(), other in name()) {
        prop_assume!(host(&domain).address().is_none());
        let inner = Host::parse(&format!("{below}.{domain}"));
        prop_assume!(inner.as_ref().is_some_and(|inner| inner.address().is_none()));
        let inner = inner.unwrap();
        let [exact, under, both] = ["", "*.", "**."].map(|prefix| Pattern::parse(&format!("{prefix}{domain}")).unwrap());
        prop_assert!(exact.matches(&host(&domain)) && !exact.matches(&inner));
        prop_assert!(!under.matches(&host(&domain)) && under.matches(&inner));
        prop_assert!(both.matches(&host(&domain)) && both.matches(&inner));
        if let Some(other) = Host::parse(&other) {
            prop_assert_eq!(both.matches(&other), exact.matches(&other) || under.matches(&other));
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,40}") {
        let _ = Pattern::parse(&text);
        if let Some(host) = Host::parse(&text) {
            prop_assert_eq!(Host::parse(host.as_str()), Some(host));
        }
    }
}
