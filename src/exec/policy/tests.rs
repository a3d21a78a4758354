use proptest::prelude::*;

use super::*;

fn policy(source: &str) -> Policy {
    let mut policy = Policy::default();
    parse(source, &mut policy).unwrap();
    policy
}

fn error(source: &str) -> RuleError {
    parse(source, &mut Policy::default()).unwrap_err()
}

fn words(line: &str) -> Vec<String> {
    shlex::split(line).unwrap()
}

fn decision(policy: &Policy, line: &str) -> Option<RuleDecision> {
    policy.check(&words(line)).map(|found| found.decision)
}

const RULES: &str = r#"
# what this home allows
prefix_rule(pattern=["make"])
prefix_rule(pattern=["make", "push"], decision="prompt", justification="be careful")
prefix_rule(
    pattern = ["make", ["burn", 'drop',]],   # two at once
    decision = "forbidden",
    justification = """not
here""",
    match = ["make burn all", ["make", "drop"]],
    not_match = ["make x"],
)
network_rule(host="Example.com", protocol="https", decision="allow")
host_executable(name="make", paths=["/usr/bin/make"]); prefix_rule(["ls"])
"#;

#[test]
fn the_strictest_rule_counts() {
    let policy = policy(RULES);
    assert_eq!(decision(&policy, "make"), Some(RuleDecision::Allow));
    assert_eq!(decision(&policy, "make all"), Some(RuleDecision::Allow));
    assert_eq!(decision(&policy, "make push now"), Some(RuleDecision::Prompt));
    assert_eq!(decision(&policy, "make drop x"), Some(RuleDecision::Forbidden));
    assert_eq!(decision(&policy, "makefile"), None);
    let found = policy.check(&words("make burn it")).unwrap();
    assert_eq!(found.justification.as_deref(), Some("not\nhere"));
    assert_eq!(found.prefix, ["make", "burn"]);
    assert_eq!(policy.network_rules()[0].host, "example.com");
}

#[test]
fn absolute_programs_fall_back_to_their_name() {
    let policy = policy(RULES);
    assert_eq!(decision(&policy, "/usr/bin/make"), Some(RuleDecision::Allow));
    assert_eq!(decision(&policy, "/tmp/make"), None);
    assert_eq!(decision(&policy, "/tmp/ls"), Some(RuleDecision::Allow));
    assert_eq!(decision(&policy, "./ls"), None);
}

#[test]
fn amendments_and_prefixes() {
    let policy = policy(r#"prefix_rule(pattern=["a", ["b", "c"]])"#);
    let more = policy.with_allowed(&words("x y")).with_allowed(&words("x y"));
    assert_eq!(more.allowed_prefixes(), [words("a b"), words("a c"), words("x y")]);
    assert_eq!(decision(&more, "x y z"), Some(RuleDecision::Allow));
    assert!(Policy::default().is_empty() && !more.is_empty());
}

#[test]
fn mistakes_are_named_and_placed() {
    for (source, place, message) in [
        (
            "prefix_rule(pattern=[])",
            (1, 1),
            "invalid pattern element: pattern cannot be empty",
        ),
        (
            "\n  prefix_rule()",
            (2, 3),
            "Missing parameter `pattern` for call to `prefix_rule`",
        ),
        (
            "prefix_rule(pattern=[\"a\"], decision=\"maybe\")",
            (1, 1),
            "invalid decision: maybe",
        ),
        (
            "prefix_rule(pattern=\"a\")",
            (1, 1),
            "Type of parameter `pattern` doesn't match, expected `list`, actual `string (repr: \"a\")`",
        ),
        (
            "prefix_rule(pattern=[\"a\", 1])",
            (1, 1),
            "invalid pattern element: pattern element must be a string or list of strings (got int)",
        ),
        (
            "prefix_rule(pattern=[\"a\"], colour=\"red\")",
            (1, 1),
            "Found `colour` extra named parameter(s) for call to prefix_rule",
        ),
        (
            "prefix_rule(pattern=[\"a\"], pattern=[\"b\"])",
            (1, 28),
            "repeated named argument",
        ),
        (
            "prefix_rule(pattern=[\"a\"], match=[\"b\"])",
            (1, 1),
            "expected every example to match at least one rule. rules: [\"PrefixRule { pattern: PrefixPattern { first: \
             \\\"a\\\", rest: [] }, decision: Allow, justification: None }\"]; unmatched examples: [\"b\"]",
        ),
        (
            "prefix_rule(pattern=[\"a\"], not_match=[\"a b\"])",
            (1, 1),
            "expected example to not match rule `PrefixRuleMatch { matched_prefix: [\"a\"], decision: Allow, \
             resolved_program: None, justification: None }`: a b",
        ),
        (
            "prefix_rule(pattern=[\"a\"",
            (1, 25),
            "Parse error: unexpected new line here, expected one of \",\", \"]\" or \"for\"",
        ),
        ("prefix_rule(pattern=[x])", (1, 22), "Variable `x` not found"),
        ("rule(pattern=[])", (1, 1), "Variable `rule` not found"),
        ("load(\"x\")", (1, 1), "`load` has no place in a file of rules"),
        ("prefix_rule([\"a)\n", (1, 14), "Parse error: unfinished string literal"),
        (
            "network_rule(host=\"*.com\", protocol=\"http\", decision=\"allow\")",
            (1, 1),
            "invalid rule: network_rule host must be a specific host; wildcards are not allowed",
        ),
        (
            "network_rule(host=\"a\", protocol=\"ftp\", decision=\"allow\")",
            (1, 1),
            "invalid rule: network_rule protocol must be one of http, https, socks5_tcp, socks5_udp (got ftp)",
        ),
        (
            "host_executable(name=\"a\", paths=[\"b/a\"])",
            (1, 1),
            "invalid rule: host_executable paths must be absolute (got b/a)",
        ),
    ] {
        let found = error(source);
        assert_eq!((found.start, found.message.as_str()), (place, message), "{source}");
    }
}

#[test]
fn a_mistake_is_shown_where_it_is() {
    let path = std::path::Path::new("/r");
    let report = |source: &str| error(source).report(path, source);
    assert_eq!(
        report("prefix_rule(pattern=[])\n"),
        "starlark error: Traceback (most recent call last):\n  * /r:1, in <module>\n      prefix_rule(pattern=[])\nerror: \
         invalid pattern element: pattern cannot be empty\n --> /r:1:1\n  |\n1 | prefix_rule(pattern=[])\n  | \
         ^^^^^^^^^^^^^^^^^^^^^^^\n  |\n"
    );
    let long = "# c\n\nprefix_rule(\n    pattern=[\"touch\"],\n    decision=\"nope\",\n)\n";
    assert_eq!(
        report(long),
        "starlark error: Traceback (most recent call last):\n  * /r:3, in <module>\n      prefix_rule(\nerror: invalid \
         decision: nope\n --> /r:3:1\n  |\n3 | / prefix_rule(\n4 | |     pattern=[\"touch\"],\n5 | |     \
         decision=\"nope\",\n6 | | )\n  | |_^\n  |\n"
    );
    assert_eq!(
        report("rule()\n"),
        "starlark error: error: Variable `rule` not found\n --> /r:1:1\n  |\n1 | rule()\n  | ^^^^\n  |\n"
    );
    let open = error("prefix_rule(\"a\"\n");
    assert_eq!((open.start, open.end), ((2, 1), (2, 1)));
    assert_eq!(
        open.report(path, "prefix_rule(\"a\"\n"),
        "starlark error: error: Parse error: unexpected new line here, expected one of \")\" or \",\"\n--> /r:1:1\n |\n |\n"
    );
}

#[test]
fn values_have_names_and_sums() {
    let policy = policy(
        "\"rules of this home\"\nTOOLS = [\"a\"] + [\"b\"]\nWHY = (\"be \" + \"careful\")\n\
         prefix_rule(pattern=[TOOLS, \"x\"], decision=\"prompt\", justification=WHY)\n",
    );
    let found = policy.check(&words("b x")).unwrap();
    assert_eq!(found.justification.as_deref(), Some("be careful"));
    let doubled = format!("X = [\"a\"]\n{}", "X = X + X\n".repeat(40));
    assert!(error(&doubled).message.starts_with("Operation `+` not supported"));
}

#[test]
fn files_are_loaded_and_amended() {
    let home = tempfile::tempdir().unwrap();
    let project = tempfile::tempdir().unwrap();
    let rules = |folder: &std::path::Path| {
        std::fs::create_dir_all(folder).unwrap();
        folder.to_path_buf()
    };
    assert!(load(&rule_folders(home.path(), None)).policy.is_empty());

    append_prefix_rule(home.path(), &words("touch 'a b\"c'")).unwrap();
    append_prefix_rule(home.path(), &words("touch 'a b\"c'")).unwrap();
    let text = std::fs::read_to_string(home.path().join("rules/default.rules")).unwrap();
    assert_eq!(
        text,
        "prefix_rule(pattern=[\"touch\", \"a b\\\"c\"], decision=\"allow\")\n"
    );
    let rule = NetworkRule {
        host: "example.com".to_owned(),
        protocol: NetworkProtocol::Https,
        decision: RuleDecision::Forbidden,
        justification: Some("Why not".to_owned()),
    };
    append_network_rule(home.path(), &rule).unwrap();

    let folder = rules(&project.path().join(".codex/rules"));
    std::fs::write(folder.join("a.rules"), "prefix_rule([\"ls\"])").unwrap();
    std::fs::write(folder.join("ignored.txt"), "nonsense(").unwrap();
    let trusted = Some((project.path(), project.path()));
    let loaded = load(&rule_folders(home.path(), trusted));
    assert!(loaded.problem.is_none());
    assert_eq!(decision(&loaded.policy, "touch 'a b\"c' x"), Some(RuleDecision::Allow));
    assert_eq!(decision(&loaded.policy, "ls"), Some(RuleDecision::Allow));
    assert_eq!(loaded.policy.network_rules()[0].decision, RuleDecision::Forbidden);
    assert!(
        load(&rule_folders(home.path(), None))
            .policy
            .check(&words("ls"))
            .is_none()
    );

    std::fs::write(folder.join("b.rules"), "prefix_rule(").unwrap();
    let broken = load(&rule_folders(home.path(), trusted));
    assert!(broken.policy.is_empty());
    assert!(matches!(broken.problem, Some(RuleFileError::Rule { path, .. }) if path.ends_with("b.rules")));
}

proptest! {
    #[test]
    fn appended_words_are_read_back(words in prop::collection::vec("\\PC{1,12}", 1..5)) {
        let home = tempfile::tempdir().unwrap();
        append_prefix_rule(home.path(), &words).unwrap();
        let loaded = load(&rule_folders(home.path(), None));
        prop_assert!(loaded.problem.is_none(), "{:?}", loaded.problem);
        prop_assert_eq!(loaded.policy.allowed_prefixes(), vec![words]);
    }

    #[test]
    fn nothing_panics(source in "[a-z_=(),\\[\\]\"'\\\\#\\n \\PC]{0,80}") {
        let _ = parse(&source, &mut Policy::default());
    }
}
