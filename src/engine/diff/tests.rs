//! The turn diff: git's format, moves, what is left out, and losing it.

use super::*;

fn effect(path: &str, before: Option<&str>, after: Option<&str>) -> Effect {
    Effect {
        path: path.into(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
        moved_from: None,
    }
}

fn moved(from: &str, to: &str, old: &str, replaced: Option<&str>, new: &str) -> Vec<Effect> {
    let there = Effect {
        moved_from: Some(from.into()),
        ..effect(to, replaced, Some(new))
    };
    vec![effect(from, Some(old), None), there]
}

fn shown(effects: Vec<Effect>) -> Option<String> {
    let mut diff = TurnDiff::default();
    diff.record(Some(effects));
    diff.update(Path::new("/w"))
}

#[test]
fn a_new_file() {
    assert_eq!(
        shown(vec![effect("/w/new.txt", None, Some("one\ntwo\n"))]).unwrap(),
        "diff --git a/new.txt b/new.txt\nnew file mode 100644\n\
         index 0000000000000000000000000000000000000000..814f4a422927b82f5f8a43f8fab6d3839e3983f2\n\
         --- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n"
    );
}

#[test]
fn a_deleted_file_and_an_empty_one_are_sorted_and_outside_paths_stay_absolute() {
    let text = shown(vec![
        effect("/w/del.txt", Some("bye\n"), None),
        effect("/etc/x", None, Some("1\n")),
        effect("/w/b", None, Some("")),
    ]);
    assert_eq!(
        text.unwrap(),
        "diff --git a//etc/x b//etc/x\nnew file mode 100644\n\
         index 0000000000000000000000000000000000000000..d00491fd7e5bb6fa28c517a0bb32b8b506539d4d\n\
         --- /dev/null\n+++ b//etc/x\n@@ -0,0 +1 @@\n+1\n\
         diff --git a/b b/b\nnew file mode 100644\n\
         index 0000000000000000000000000000000000000000..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n\
         diff --git a/del.txt b/del.txt\ndeleted file mode 100644\n\
         index b023018cabc396e7692c70bbf5784a93d3f738ab..0000000000000000000000000000000000000000\n\
         --- a/del.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n"
    );
}

#[test]
fn changes_of_one_file_add_up_and_net_zero_is_nothing() {
    let changed = shown(vec![
        effect("/w/a", Some("1\n2"), Some("1\nx\n")),
        effect("/w/a", Some("1\nx\n"), Some("1\ny\n")),
    ]);
    assert_eq!(
        changed.unwrap().lines().skip(2).collect::<Vec<_>>(),
        [
            "--- a/a",
            "+++ b/a",
            "@@ -1,2 +1,2 @@",
            " 1",
            "-2",
            "\\ No newline at end of file",
            "+y"
        ]
    );
    let back = vec![effect("/w/a", None, Some("1\n")), effect("/w/a", Some("1\n"), None)];
    assert_eq!(shown(back), None);
}

#[test]
fn a_move_is_one_entry_through_several_steps() {
    let mut effects = moved("/w/a.txt", "/w/b.txt", "1\n2\n3\n", None, "1\n2\n3\n");
    assert_eq!(shown(effects.clone()), None, "a bare move has no hunks to show");
    effects.extend(moved("/w/b.txt", "/w/c.txt", "1\n2\n3\n", None, "one\n2\n3\n"));
    assert_eq!(
        shown(effects).unwrap(),
        "diff --git a/a.txt b/c.txt\n\
         index 01e79c32a8c99c557f0757da7cb6d65b3414466d..26dde9c5eb9ce74384df73c4d5879a67b334a954\n\
         --- a/a.txt\n+++ b/c.txt\n@@ -1,3 +1,3 @@\n-1\n+one\n 2\n 3\n"
    );
}

#[test]
fn a_move_over_a_file_is_two_entries() {
    let text = shown(moved("/w/a.txt", "/w/b.txt", "1\n", Some("bb\n"), "one\n")).unwrap();
    assert!(
        text.contains("deleted file mode") && text.contains("diff --git a/b.txt b/b.txt\nindex "),
        "{text}"
    );
}

#[test]
fn a_loss_is_told_once_and_ends_it() {
    let mut diff = TurnDiff::default();
    let root = Path::new("/w");
    diff.record(Some(vec![effect("/w/a", None, Some("1\n"))]));
    assert!(diff.update(root).is_some());
    diff.record(None);
    assert_eq!(diff.update(root).as_deref(), Some(""));
    diff.record(Some(vec![effect("/w/b", None, Some("1\n"))]));
    assert_eq!(diff.update(root), None);
    let mut never_shown = TurnDiff::default();
    never_shown.record(None);
    assert_eq!(never_shown.update(root), None);
}
