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
        ("prefix_rule(pattern=[])", (1, 1), "must be a list that is not empty"),
        ("\n  prefix_rule()", (2, 3), "must be a list that is not empty"),
        (
            "prefix_rule(pattern=[\"a\"], decision=\"maybe\")",
            (1, 1),
            "not `maybe`",
        ),
        (
            "prefix_rule(pattern=[\"a\"], colour=\"red\")",
            (1, 1),
            "unknown argument `colour`",
        ),
        ("prefix_rule(pattern=[\"a\"], pattern=[\"b\"])", (1, 1), "given twice"),
        (
            "prefix_rule(pattern=[\"a\"], match=[\"b\"])",
            (1, 1),
            "does not match the example `b`",
        ),
        (
            "prefix_rule(pattern=[\"a\"], not_match=[\"a b\"])",
            (1, 1),
            "matches the example `a b`",
        ),
        ("prefix_rule(pattern=[\"a\"", (1, 25), "expected `,`"),
        ("prefix_rule(pattern=[x])", (1, 22), "expected a string"),
        ("x = 1", (1, 5), "unexpected character"),
        ("load(\"x\")", (1, 1), "unknown function `load`"),
        ("prefix_rule([\"a\"]) prefix_rule([\"b\"])", (1, 20), "end of the line"),
        ("prefix_rule([\"a])", (1, 14), "not closed"),
        (
            "network_rule(host=\"*.com\", protocol=\"http\", decision=\"allow\")",
            (1, 1),
            "patterns are not possible",
        ),
        (
            "network_rule(host=\"a\", protocol=\"ftp\", decision=\"allow\")",
            (1, 1),
            "not `ftp`",
        ),
        (
            "host_executable(name=\"a\", paths=[\"b/a\"])",
            (1, 1),
            "not an absolute path",
        ),
    ] {
        let found = error(source);
        assert!(found.message.contains(message), "{source}: {found}");
        assert_eq!(found.start, place, "{source}: {found}");
    }
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
    append_network_rule(home.path(), "example.com", NetworkProtocol::Https, false).unwrap();

    let folder = rules(&project.path().join(".codex/rules"));
    std::fs::write(folder.join("a.rules"), "prefix_rule([\"ls\"])").unwrap();
    std::fs::write(folder.join("ignored.txt"), "nonsense(").unwrap();
    let loaded = load(&rule_folders(home.path(), Some(project.path())));
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
    let broken = load(&rule_folders(home.path(), Some(project.path())));
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
