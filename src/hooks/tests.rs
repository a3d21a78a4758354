//! What is found, what is trusted, and what a hook's end means.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::config::{ConfigLayer, LayerKind};
use crate::exec::script::Ended;
use crate::hooks::HookSet;
use crate::hooks::matcher::Matcher;
use crate::hooks::verdict::{Verdict, judge};
use crate::protocol::{HookEventName, HookRunStatus, HookTrustStatus};

fn layer(folder: &Path, table: &str) -> ConfigLayer {
    ConfigLayer {
        kind: LayerKind::User,
        folder: folder.to_path_buf(),
        file: folder.join("config.toml"),
        table: Ok(Arc::new(table.parse().unwrap())),
    }
}

/// The hashes are those of a home of the protocol's own server.
#[test]
fn hashes_are_those_that_homes_hold() {
    let home = tempfile::tempdir().unwrap();
    let hooks = json!({"hooks": {
        "SessionStart": [{"hooks": [{"type": "command", "command": "true", "timeout": 5}]}],
        "PreToolUse": [{"matcher": "Bash", "hooks": [
            {"type": "command", "command": "exit 0"},
            {"type": "command", "command": "exit 1", "statusMessage": "m", "async": false},
        ]}],
        "PreCompact": [{"matcher": "", "hooks": [{"type": "command", "command": "true", "extra": 1}]}],
    }});
    std::fs::write(home.path().join("hooks.json"), hooks.to_string()).unwrap();
    let table = "[[hooks.PostToolUse]]\nmatcher='apply_patch'\n[[hooks.PostToolUse.hooks]]\ntype='command'\n\
                 command='echo t'\ntimeout=7\nstatusMessage='st'\n";
    let set = HookSet::discover(&[layer(home.path(), table)]);
    let found: Vec<_> = set
        .listed()
        .into_iter()
        .map(|hook| {
            (
                hook.key.rsplit('/').next().unwrap().to_owned(),
                hook.current_hash[7..15].to_owned(),
            )
        })
        .collect();
    let expected = [
        ("hooks.json:pre_tool_use:0:0", "76471431"),
        ("hooks.json:pre_tool_use:0:1", "4ee86d5c"),
        ("hooks.json:pre_compact:0:0", "58fb5bd3"),
        ("hooks.json:session_start:0:0", "a1ecf55d"),
        ("config.toml:post_tool_use:0:0", "f5806b6b"),
    ];
    assert_eq!(found, expected.map(|(key, hash)| (key.to_owned(), hash.to_owned())));
    assert!(set.warnings[0].starts_with("loading hooks from both"));
}

#[test]
fn only_what_the_user_trusts_runs_and_a_project_cannot_trust_itself() {
    let home = tempfile::tempdir().unwrap();
    let hooks = json!({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}});
    std::fs::write(home.path().join("hooks.json"), hooks.to_string()).unwrap();
    let key = format!("{}:stop:0:0", home.path().join("hooks.json").display());
    let hash = HookSet::discover(&[layer(home.path(), "")]).listed()[0]
        .current_hash
        .clone();
    let state = |hash: &str, rest: &str| format!("[hooks.state.\"{key}\"]\ntrusted_hash = \"{hash}\"\n{rest}");
    let status = |set: &HookSet| (set.listed()[0].trust_status, set.has(HookEventName::Stop));

    assert_eq!(
        status(&HookSet::discover(&[layer(home.path(), "")])),
        (HookTrustStatus::Untrusted, false)
    );
    let trusted = layer(home.path(), &state(&hash, ""));
    assert_eq!(status(&HookSet::discover(&[trusted])), (HookTrustStatus::Trusted, true));
    let changed = layer(home.path(), &state("sha256:other", ""));
    assert_eq!(
        status(&HookSet::discover(&[changed])),
        (HookTrustStatus::Modified, false)
    );
    let off = layer(home.path(), &state(&hash, "enabled = false"));
    assert_eq!(status(&HookSet::discover(&[off])), (HookTrustStatus::Trusted, false));
    let mut project = layer(home.path(), &state(&hash, ""));
    project.kind = LayerKind::Project;
    assert_eq!(
        status(&HookSet::discover(&[project])),
        (HookTrustStatus::Untrusted, false)
    );
}

#[test]
fn what_cannot_be_used_is_passed_over_with_a_warning() {
    let home = tempfile::tempdir().unwrap();
    let hooks = json!({"hooks": {
        "Stop": [{"hooks": [{"type": "prompt"}, {"type": "command", "command": "x", "async": true}, {"type": "magic"}]}],
        "PreToolUse": [{"matcher": "[", "hooks": [{"type": "command", "command": "x"}]}],
        "PostToolUse": "nonsense",
        "UserPromptSubmit": [{"matcher": "[", "hooks": [{"type": "command", "command": " "}]}],
        "NoSuchEvent": [],
    }});
    std::fs::write(home.path().join("hooks.json"), hooks.to_string()).unwrap();
    let set = HookSet::discover(&[layer(home.path(), "")]);
    assert!(set.listed().is_empty());
    let beginnings = [
        "invalid matcher \"[\"",
        "skipping PostToolUse hooks",
        "skipping empty hook command",
        "skipping prompt hook",
        "skipping async hook",
        "skipping hook",
    ];
    assert_eq!(set.warnings.len(), beginnings.len());
    assert!(
        set.warnings
            .iter()
            .zip(beginnings)
            .all(|(warning, start)| warning.starts_with(start))
    );
    std::fs::write(home.path().join("hooks.json"), "{").unwrap();
    let set = HookSet::discover(&[layer(home.path(), "")]);
    assert!(set.warnings[0].starts_with("failed to parse hooks config"));
}

#[test]
fn matchers_know_words_and_expressions() {
    let matches = |text: Option<&str>, names: &[&str]| Matcher::parse(text).unwrap().matches(names);
    for any in [None, Some(""), Some("*")] {
        assert!(matches(any, &["Bash"]));
    }
    assert!(matches(Some("Edit|Write"), &["apply_patch", "Edit", "Write"]));
    assert!(!matches(Some("Bas"), &["Bash"]));
    assert!(matches(Some("^Ba.h$"), &["Bash"]));
    assert!(!matches(Some("mcp__.*"), &["Bash"]));
    assert!(Matcher::parse(Some("[")).is_err());
}

fn verdict(event: HookEventName, code: i32, stdout: &str, stderr: &str) -> Verdict {
    judge(
        event,
        &Ended {
            exit_code: Some(code),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        },
    )
}

fn shown(event: HookEventName, code: i32, stdout: &str, stderr: &str) -> (HookRunStatus, String) {
    let verdict = verdict(event, code, stdout, stderr);
    let texts: Vec<_> = verdict.entries.into_iter().map(|entry| entry.text).collect();
    (verdict.status, texts.join("|"))
}

#[test]
fn exit_codes_are_understood() {
    use HookEventName::*;
    use HookRunStatus::*;
    assert_eq!(shown(PreToolUse, 0, "", "x"), (Completed, String::new()));
    assert_eq!(
        shown(PreToolUse, 1, "{}", "x"),
        (Failed, "hook exited with code 1".into())
    );
    assert_eq!(shown(PreToolUse, 2, "", " no \n"), (Blocked, "no".into()));
    assert_eq!(shown(PostToolUse, 2, "", "look"), (Completed, "look".into()));
    assert_eq!(
        shown(SessionStart, 2, "", "no"),
        (Failed, "hook exited with code 2".into())
    );
    let nothing_said = [
        (
            PreToolUse,
            "PreToolUse hook exited with code 2 but did not write a blocking reason to stderr",
        ),
        (
            PostToolUse,
            "PostToolUse hook exited with code 2 but did not write feedback to stderr",
        ),
    ];
    for (event, text) in nothing_said {
        assert_eq!(shown(event, 2, "", ""), (Failed, text.into()));
    }
}

#[test]
fn plain_text_is_context_or_nothing() {
    use HookEventName::*;
    assert_eq!(verdict(SessionStart, 0, "hello\n", "").effects.contexts, ["hello"]);
    assert_eq!(verdict(UserPromptSubmit, 0, "hello", "").effects.contexts, ["hello"]);
    assert!(verdict(PreToolUse, 0, "hello", "").effects.contexts.is_empty());
    assert_eq!(
        shown(Stop, 0, "hello", ""),
        (
            HookRunStatus::Failed,
            "hook returned invalid stop hook JSON output".into()
        )
    );
}

#[test]
fn json_is_understood_strictly() {
    use HookEventName::*;
    use HookRunStatus::*;
    let specific = |event: &str, members: serde_json::Value| {
        let mut specific = members;
        specific["hookEventName"] = json!(event);
        json!({"hookSpecificOutput": specific}).to_string()
    };
    let rows = [
        (PreToolUse, "{bad".to_owned(), (Failed, "hook returned invalid pre-tool-use JSON output")),
        (PreToolUse, r#"{"bogus":1}"#.into(), (Failed, "hook returned invalid pre-tool-use JSON output")),
        (PreToolUse, r#"{"decision":"approve"}"#.into(), (Failed, "PreToolUse hook returned unsupported decision:approve")),
        (
            PreToolUse,
            r#"{"decision":"block"}"#.into(),
            (Failed, "PreToolUse hook returned decision:block without a non-empty reason"),
        ),
        (PreToolUse, r#"{"decision":"block","reason":"no"}"#.into(), (Blocked, "no")),
        (PreToolUse, r#"{"continue":false}"#.into(), (Failed, "PreToolUse hook returned unsupported continue:false")),
        (
            PreToolUse,
            specific("PreToolUse", json!({"permissionDecision": "deny", "permissionDecisionReason": "no"})),
            (Blocked, "no"),
        ),
        (PostToolUse, r#"{"decision":"block","reason":"bad"}"#.into(), (Blocked, "bad")),
        (PostToolUse, r#"{"continue":false,"stopReason":"halt"}"#.into(), (Stopped, "halt")),
        (PostToolUse, specific("PreToolUse", json!({"additionalContext": "x"})), (Completed, "")),
        (
            SessionStart,
            json!({"systemMessage": "sys", "hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": "x"}})
                .to_string(),
            (Completed, "sys|x"),
        ),
        (PreCompact, r#"{"continue":false,"stopReason":"not now"}"#.into(), (Stopped, "not now")),
        (
            PermissionRequest,
            specific("PermissionRequest", json!({"decision": {"behavior": "deny"}})),
            (Blocked, "PermissionRequest hook denied approval"),
        ),
        (
            PermissionRequest,
            specific("PermissionRequest", json!({"decision": {"behavior": "allow", "updatedInput": {}}})),
            (Failed, "PermissionRequest hook returned unsupported updatedInput"),
        ),
    ];
    for (event, text, (status, entries)) in rows {
        assert_eq!(shown(event, 0, &text, ""), (status, entries.to_owned()), "{text}");
    }
    let allow = specific("PermissionRequest", json!({"decision": {"behavior": "allow"}}));
    assert!(verdict(PermissionRequest, 0, &allow, "").effects.allow);
    let rewrite = specific(
        "PreToolUse",
        json!({"permissionDecision": "allow", "updatedInput": {"command": "ls"}}),
    );
    assert_eq!(
        verdict(PreToolUse, 0, &rewrite, "").effects.command.as_deref(),
        Some("ls")
    );
}
