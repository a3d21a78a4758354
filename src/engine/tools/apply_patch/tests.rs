//! Patches: what the reader takes and refuses, the round trip, and edits that do what they say.

use proptest::prelude::*;
use std::path::Path;

use super::apply::{apply, shown, verify};
use super::decision::{PatchDecision, TouchedPath, patch_decision};
use super::edit::edited;
use super::grammar::{Chunk, Hunk, Line, Patch, parse};
use crate::exec::files::LocalFiles;
use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::Place;
use crate::protocol::{AbsolutePathBuf, AskForApproval, SandboxPolicy};

fn patch(lines: &[&str]) -> String {
    format!("*** Begin Patch\n{}\n*** End Patch", lines.join("\n"))
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn blanks_and_wrappings_are_forgiven() {
    let plain = parse(&patch(&["*** Add File: a", "+1"])).unwrap();
    for text in [
        "  *** Begin Patch  \n *** Add File: a\n+1\n  *** End Patch \n\n",
        "*** Begin Patch\r\n*** Add File: a\r\n+1\r\n*** End Patch\r\n",
        "<<'EOF'\n*** Begin Patch\n*** Add File: a\n+1\n*** End Patch\nEOF\n",
        "<<EOF\n*** Begin Patch\n*** Add File: a\n+1\n*** End Patch\nEOF",
    ] {
        assert_eq!(parse(text).as_ref(), Ok(&plain), "{text:?}");
    }
    let chunks = parse(&patch(&["*** Update File: a", "", "-1", "", "+2", "@@", " x"])).unwrap();
    let Hunk::Update { chunks, .. } = &chunks.hunks[0] else {
        panic!()
    };
    assert_eq!((chunks.len(), chunks[0].lines.len()), (2, 3));
}

#[test]
fn refusals_name_the_line() {
    let hunk = |line: usize, what: &str| format!("invalid hunk at line {line}, {what}");
    let header = |line: usize, text: &str| {
        hunk(
            line,
            &format!(
                "'{text}' is not a valid hunk header. Valid hunk headers: '*** Add File: {{path}}', '*** Delete File: \
                 {{path}}', '*** Update File: {{path}}'"
            ),
        )
    };
    let first = "invalid patch: The first line of the patch must be '*** Begin Patch'";
    let last = "invalid patch: The last line of the patch must be '*** End Patch'";
    for (text, expected) in [
        ("", last.to_owned()),
        ("no patch at all", first.to_owned()),
        ("*** Begin Patch", last.to_owned()),
        ("*** Begin Patch\n*** Add File: q\n+1", last.to_owned()),
        ("text\n*** Begin Patch\n*** End Patch", first.to_owned()),
        ("<<EOF\nnope\nEOF", first.to_owned()),
        (
            "<<-EOF\n*** Begin Patch\n*** Add File: a\n*** End Patch\nEOF",
            first.to_owned(),
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text:?}");
    }
    for (lines, expected) in [
        (vec!["*** Frobnicate: a.txt"], header(2, "*** Frobnicate: a.txt")),
        (vec!["", "*** Add File: y"], header(2, "")),
        (vec!["*** Add File: y", "+1", "junk"], header(4, "junk")),
        (vec!["*** Update File:", "@@"], header(2, "*** Update File:")),
        (
            vec!["*** Update File: a.txt"],
            hunk(2, "Update file hunk for path 'a.txt' is empty"),
        ),
        (
            vec!["*** Update File: a.txt", "*** Move to: b"],
            hunk(2, "Update file hunk for path 'a.txt' is empty"),
        ),
        (
            vec!["*** Update File: a.txt", "@@"],
            hunk(4, "Update hunk does not contain any lines"),
        ),
        (
            vec!["*** Update File: a.txt", "@@", "*** End of File"],
            hunk(4, "Update hunk does not contain any lines"),
        ),
        (
            vec!["*** Update File: a.txt", "garbage"],
            hunk(
                4,
                "Unexpected line found in update hunk: 'garbage'. Every line should start with ' ' (context line), '+' \
                 (added line), or '-' (removed line)",
            ),
        ),
        (
            vec!["*** Update File: a.txt", "@@", " 1", "garbage"],
            hunk(
                5,
                "Expected update hunk to start with a @@ context marker, got: 'garbage'",
            ),
        ),
    ] {
        assert_eq!(refusal(&patch(&lines)), expected, "{lines:?}");
    }
    assert_eq!(
        parse(&patch(&["*** Environment ID: x"]))
            .unwrap()
            .environment
            .as_deref(),
        Some("x")
    );
}

/// Applies the only update of a patch to `text`.
fn update(text: &str, lines: &[&str]) -> Result<String, String> {
    let parsed = parse(&patch(&[&["*** Update File: f"], lines].concat())).unwrap();
    let Hunk::Update { chunks, .. } = &parsed.hunks[0] else {
        panic!()
    };
    edited(text, chunks, Path::new("/w/f")).map_err(|error| error.to_string())
}

#[test]
fn edits_find_their_place() {
    let ok = |text: &str, lines: &[&str]| update(text, lines).unwrap();
    assert_eq!(
        ok("f\n1\n2\ng\n1\n2\n", &["@@ g", "-1", "+one"]),
        "f\n1\n2\ng\none\n2\n"
    );
    assert_eq!(ok("x\ny", &["@@", "-y", "+z"]), "x\nz\n", "a final newline is added");
    assert_eq!(ok("", &["@@", "+z"]), "z\n");
    assert_eq!(ok("q\n", &["@@ q", "+y"]), "q\ny\n");
    assert_eq!(
        ok("a\nh\n", &["@@", "-h", "-", "+H"]),
        "a\nH\n",
        "the final newline shown as a line"
    );
    assert_eq!(ok("a\nb\n", &["@@", "-a", "-b"]), "");
    assert_eq!(ok("a\n\n", &["@@", "-a", "+b"]), "b\n\n", "an empty last line is kept");
    assert_eq!(
        ok("1\n2\n3\n1\n", &["@@", "-1", "+x", "*** End of File"]),
        "1\n2\n3\nx\n"
    );
    assert_eq!(ok("x\r\ny\r\n", &["@@", "-y", "+z"]), "x\r\nz\n");
    assert_eq!(
        update("1\n6\n7\n", &["@@ 1", "-6", "+six", "*** End of File"]).unwrap_err(),
        "Failed to find expected lines in /w/f:\n6"
    );
    assert_eq!(
        update("1\n", &["@@ nope", "-1"]).unwrap_err(),
        "Failed to find context 'nope' in /w/f"
    );
    assert_eq!(
        update("f\n1\n", &["@@", "-1", "+x", "@@", "-f"]).unwrap_err(),
        "Failed to find expected lines in /w/f:\nf"
    );
}

fn folder() -> (tempfile::TempDir, AbsolutePathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let cwd = AbsolutePathBuf::new(dir.path().canonicalize().unwrap()).unwrap();
    (dir, cwd)
}

#[test]
fn files_are_added_changed_moved_and_deleted() {
    let (dir, cwd) = folder();
    std::fs::write(dir.path().join("b.txt"), "bb\n").unwrap();
    std::fs::write(dir.path().join("a.txt"), "1\n2\n3\n").unwrap();
    std::fs::write(dir.path().join("m"), "a\nb\nc\n").unwrap();
    let text = patch(&[
        "*** Update File: b.txt",
        "@@",
        "-bb",
        "+b",
        "*** Add File: a/z",
        "+1",
        "*** Delete File: a.txt",
        "*** Add File: 0",
        "*** Update File: x/../m",
        "*** Move to: sub/n",
        "-b",
        "+B",
    ]);
    let verified = verify(parse(&text).unwrap(), &cwd, &LocalFiles).unwrap();
    let diffs: Vec<_> = shown(&verified.changes).into_iter().map(|c| (c.path, c.diff)).collect();
    let at = |name: &str| cwd.as_path().join(name).display().to_string();
    assert_eq!(
        diffs,
        [
            (at("0"), String::new()),
            (at("a.txt"), "1\n2\n3\n".into()),
            (at("a/z"), "1\n".into()),
            (at("b.txt"), "@@ -1 +1 @@\n-bb\n+b\n".into()),
            (
                at("m"),
                format!("@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n\n\nMoved to: {}", at("sub/n"))
            ),
        ]
    );
    let applied = apply(&verified, &LocalFiles);
    assert_eq!(
        applied.stdout,
        "Success. Updated the following files:\nA a/z\nA 0\nM b.txt\nM sub/n\nD a.txt\n"
    );
    assert_eq!(applied.effects.map(|effects| effects.len()), Some(6));
    assert_eq!(std::fs::read_to_string(dir.path().join("sub/n")).unwrap(), "a\nB\nc\n");
    assert!(!dir.path().join("m").exists() && !dir.path().join("a.txt").exists());
}

#[test]
fn a_failure_half_way_is_told() {
    let (dir, cwd) = folder();
    std::fs::create_dir(dir.path().join("dir")).unwrap();
    let text = patch(&[
        "*** Add File: one",
        "+1",
        "*** Add File: dir",
        "+x",
        "*** Add File: two",
        "+2",
    ]);
    let applied = apply(&verify(parse(&text).unwrap(), &cwd, &LocalFiles).unwrap(), &LocalFiles);
    assert_eq!(applied.stderr, format!("Failed to write file {cwd}/dir\n"));
    assert_eq!(applied.effects, None);
    assert!(dir.path().join("one").exists() && !dir.path().join("two").exists());
}

#[test]
fn unreadable_files_are_told_with_the_reason() {
    let (dir, cwd) = folder();
    std::fs::write(dir.path().join("bin"), b"a\xff\n").unwrap();
    let told = |lines: &[&str]| {
        verify(parse(&patch(lines)).unwrap(), &cwd, &LocalFiles)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        told(&["*** Update File: none", "-a"]),
        format!("Failed to read file to update {cwd}/none: No such file or directory (os error 2)")
    );
    assert_eq!(
        told(&["*** Delete File: ."]),
        format!("Failed to read {cwd}: Is a directory (os error 21)")
    );
    assert_eq!(
        told(&["*** Delete File: bin"]),
        format!("Failed to read {cwd}/bin: invalid utf-8 sequence of 1 bytes from index 1")
    );
}

#[test]
fn a_move_onto_itself_keeps_the_file() {
    let (dir, cwd) = folder();
    std::fs::write(dir.path().join("a"), "1\n").unwrap();
    let text = patch(&["*** Update File: a", "*** Move to: ./a", "-1", "+2"]);
    assert!(apply(&verify(parse(&text).unwrap(), &cwd, &LocalFiles).unwrap(), &LocalFiles).success());
    assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), "2\n");
}

fn workspace() -> SandboxPolicy {
    SandboxPolicy::WorkspaceWrite {
        exclude_slash_tmp: true,
        exclude_tmpdir_env_var: true,
        network_access: false,
        writable_roots: vec![],
    }
}

#[test]
fn who_is_asked() {
    let (dir, cwd) = folder();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
    std::os::unix::fs::symlink("no/where", dir.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
    std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", dir.path().join(".agents")).unwrap();
    let decide = |policy: AskForApproval, sandbox: SandboxPolicy, names: &[&str]| {
        let paths: Vec<_> = names
            .iter()
            .map(|name| TouchedPath::on(&LocalFiles, cwd.as_path().join(name)))
            .collect();
        let place = Place {
            workspace_roots: std::slice::from_ref(&cwd),
            home: Path::new("/nonexistent"),
        };
        let confinement = Confinement::resolve(&sandbox, &place);
        patch_decision(&policy, &sandbox, confinement.as_ref(), &paths)
    };
    use AskForApproval::{Never, OnRequest, Untrusted};
    let read_only = SandboxPolicy::ReadOnly { network_access: false };
    for name in ["a", "deep/er/a", "dangling", ".github/x"] {
        assert_eq!(decide(OnRequest, workspace(), &[name]), PatchDecision::Apply, "{name}");
    }
    for name in [
        ".git/config",
        ".codex/x",
        ".agents/skills/x",
        "/etc/passwd",
        "out/x",
        "out",
    ] {
        assert_eq!(
            decide(OnRequest, workspace(), &["a", name]),
            PatchDecision::Ask,
            "{name}"
        );
        assert!(matches!(decide(Never, workspace(), &[name]), PatchDecision::Reject(text) if text.contains("outside")));
    }
    assert_eq!(
        decide(Untrusted, SandboxPolicy::DangerFullAccess, &["a"]),
        PatchDecision::Ask
    );
    assert_eq!(
        decide(Never, SandboxPolicy::DangerFullAccess, &["/etc/x"]),
        PatchDecision::Apply
    );
    assert!(
        matches!(decide(Never, read_only.clone(), &["a"]), PatchDecision::Reject(text) if text.contains("read-only"))
    );
    assert_eq!(decide(OnRequest, read_only, &["a"]), PatchDecision::Ask);
    let no_prompt = AskForApproval::Granular {
        mcp_elicitations: true,
        request_permissions: true,
        rules: true,
        sandbox_approval: false,
        skill_approval: true,
    };
    assert!(matches!(
        decide(no_prompt, workspace(), &["/etc/x"]),
        PatchDecision::Reject(_)
    ));
    assert!(matches!(
        decide(OnRequest, workspace(), &[]),
        PatchDecision::Reject("patch rejected: empty patch")
    ));
}

/// A line's text: no newline in it, and (since the reader trims the whole) nothing special at the ends of a patch.
fn text() -> impl Strategy<Value = String> {
    "[a-z@*+ -]{0,8}"
}

fn chunk() -> impl Strategy<Value = Chunk> {
    let line = prop_oneof![
        text().prop_map(Line::Keep),
        text().prop_map(Line::Remove),
        text().prop_map(Line::Insert)
    ];
    let context = proptest::option::of("[a-z]{1,8}");
    (context, proptest::collection::vec(line, 1..6), any::<bool>()).prop_map(|(context, lines, at_end)| Chunk {
        context,
        lines,
        at_end,
    })
}

fn hunk() -> impl Strategy<Value = Hunk> {
    let path = "[a-z]{1,4}(/[a-z]{1,4})?";
    prop_oneof![
        (path, proptest::collection::vec(text(), 0..4)).prop_map(|(path, lines)| Hunk::Add {
            path,
            content: lines.into_iter().map(|line| line + "\n").collect(),
        }),
        path.prop_map(|path| Hunk::Delete { path }),
        (
            path,
            proptest::option::of(path),
            proptest::collection::vec(chunk(), 1..4)
        )
            .prop_map(|(path, move_to, chunks)| Hunk::Update { path, move_to, chunks }),
    ]
}

proptest! {
    #[test]
    fn reading_never_panics(text in "(\\*\\*\\* (Begin Patch|End Patch|Add File: |Update File: |Move to: |End of File)|@@ ?|[-+ a\u{e9}\n]){0,40}") {
        let _ = parse(&text);
        let _ = parse(&format!("*** Begin Patch\n{text}\n*** End Patch"));
    }

    #[test]
    fn what_is_printed_reads_the_same(hunks in proptest::collection::vec(hunk(), 0..5)) {
        let patch = Patch { environment: None, hunks };
        prop_assert_eq!(parse(&patch.to_string()), Ok(patch));
    }

    #[test]
    fn a_random_edit_told_as_a_patch_gives_that_edit(
        old in proptest::collection::vec("[ab]{0,2}", 0..12),
        new in proptest::collection::vec("[ab]{0,2}", 0..12),
        context in 0usize..3,
    ) {
        let joined = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let (old, new) = (joined(&old), joined(&new));
        let diff = similar::TextDiff::from_lines(&old, &new);
        let mut chunks = Vec::new();
        let mut seen = 0;
        // Chunks that carry all lines since the last one are found where they were made, however often lines repeat.
        for group in diff.grouped_ops(context) {
            let end = group.last().unwrap().old_range().end;
            let start = group.first().unwrap().old_range().start;
            let mut lines: Vec<Line> = old.lines().skip(seen).take(start - seen).map(|line| Line::Keep(line.into())).collect();
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let text = change.value().trim_end_matches('\n').to_owned();
                lines.push(match change.tag() {
                    similar::ChangeTag::Equal => Line::Keep(text),
                    similar::ChangeTag::Delete => Line::Remove(text),
                    similar::ChangeTag::Insert => Line::Insert(text),
                });
            }
            chunks.push(Chunk { context: None, lines, at_end: false });
            seen = end;
        }
        prop_assume!(!chunks.is_empty());
        // A chunk of insertions alone has no place of its own but the end of the file.
        prop_assume!(chunks.iter().all(|chunk| !chunk.old_lines().is_empty()) || old.is_empty());
        let patch = Patch { environment: None, hunks: vec![Hunk::Update { path: "f".into(), move_to: None, chunks }] };
        let read = parse(&patch.to_string()).unwrap();
        let Hunk::Update { chunks, .. } = &read.hunks[0] else { panic!() };
        prop_assert_eq!(edited(&old, chunks, Path::new("/f")).unwrap(), new);
    }
}
