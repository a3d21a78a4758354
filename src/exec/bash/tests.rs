use proptest::prelude::*;

use super::*;

fn plain(script: &str) -> Vec<Vec<String>> {
    match read(script) {
        Script::Plain(commands) => commands.into_iter().map(|c| c.argv).collect(),
        other => panic!("{script:?} is {other:?}"),
    }
}

#[test]
fn plain_scripts_are_split() {
    assert_eq!(plain("ls"), [["ls"]]);
    assert_eq!(plain("ls -la && pwd"), [vec!["ls", "-la"], vec!["pwd"]]);
    assert_eq!(plain("a | b || c; d\ne"), [["a"], ["b"], ["c"], ["d"], ["e"]]);
    assert_eq!(plain("ls;"), [["ls"]]);
    assert_eq!(plain("cat a.txt\n"), [["cat", "a.txt"]]);
    assert_eq!(plain("ls \\\n-la"), [["ls", "-la"]]);
}

#[test]
fn quotes_are_resolved() {
    assert_eq!(
        plain(r#"echo 'a' "b c" d"e"'f' g\ h "i\"j\k""#),
        [["echo", "a", "b c", "def", "g h", "i\"j\\k"]]
    );
    assert_eq!(plain("\\rm -f x"), [["rm", "-f", "x"]]);
    assert_eq!(plain("grep --include='*.txt' ''"), [["grep", "--include=*.txt", ""]]);
}

#[test]
fn expansions_are_noticed() {
    let expands = |script: &str| match read(script) {
        Script::Plain(commands) => commands[0].expands,
        other => panic!("{other:?}"),
    };
    assert!(expands("ls *.txt") && expands("echo {a,b}") && expands("cat ~/x") && expands("ls [ab]"));
    assert!(!expands("find . -name '*.txt'") && !expands("echo hi 5"));
}

#[test]
fn other_scripts_are_complex() {
    for script in [
        "",
        "   ",
        "ls > x",
        "ls 2>/dev/null",
        "cat < a",
        "echo $(ls)",
        "echo `ls`",
        "echo $HOME",
        "echo \"$HOME\"",
        "FOO=1 ls",
        "a=b",
        "(ls)",
        "{ ls; }",
        "ls &",
        "! ls",
        "[ -f a ]",
        "for i in 1; do ls; done",
        "ls # c",
        "# c",
        "if true; then ls; fi",
        "echo 'open",
        "ls &&",
        "echo $'a'",
        "f() { ls; }",
        "cat <<'E' > x\nhi\nE",
        "cat <<E && rm x\nhi\nE",
        "cat <<E | sh\nhi\nE",
        "cat <<E\n$(rm x)\nE",
        "cat <<E\nE\nls",
        "diff <(ls) x",
    ] {
        assert_eq!(read(script), Script::Complex, "{script:?}");
    }
}

#[test]
fn a_literal_heredoc_keeps_its_command() {
    for script in [
        "cat -n <<EOF\nhi\nEOF",
        "cat -n <<'EOF'\n$(hi)\nEOF",
        "cat -n <<EOF\nEOF",
    ] {
        let Script::Heredoc(command) = read(script) else {
            panic!("{script:?}")
        };
        assert_eq!(command.argv, ["cat", "-n"]);
    }
}

#[test]
fn patches_are_found() {
    let found = |script: &str| patch_script(script).map(|p| (p.folder, p.patch));
    assert_eq!(found("apply_patch <<'EOF'\na\nb\nEOF"), Some((None, "a\nb".into())));
    assert_eq!(found("applypatch <<EOF\na\nEOF\n"), Some((None, "a".into())));
    assert_eq!(
        found("cd 'a b' && apply_patch <<\"E\"\na\nE"),
        Some((Some("a b".into()), "a".into()))
    );
    for other in [
        "cd sub; apply_patch <<E\na\nE",
        "cd sub && apply_patch <<E && ls\na\nE",
        "apply_patch <<E\na\nE\necho done",
        "apply_patch --check <<E\na\nE",
        "apply_patch 'a'",
        "echo apply_patch <<E\na\nE",
        "cd a b && apply_patch <<E\na\nE",
        "ls && apply_patch <<E\na\nE",
        "apply_patch <<E > x\na\nE",
    ] {
        assert_eq!(found(other), None, "{other:?}");
    }
}

#[test]
fn a_long_chain_does_not_overflow_the_stack() {
    let script = vec!["ls"; 9000].join(" && ");
    assert_eq!(plain(&script).len(), 9000);
    assert_eq!(read(&"ls; ".repeat(60_000)), Script::Complex);
}

#[test]
fn characters_of_all_planes_are_parts_of_words() {
    for wide in ['é', '\u{2003}', '漢', '🦀', '\u{DF1A6}', '\u{10FFFF}'] {
        for around in ["", "-", "{", "a[", "$((", "<<", "[[ x -", "x ="] {
            read(&format!("{around}{wide} x"));
            patch_script(&format!("apply_patch {around}{wide} x"));
        }
        let script = format!("echo {wide}{wide} '{wide} a' && {wide}=1 rm");
        let Script::Plain(commands) = read(&script) else {
            panic!("{script}")
        };
        let wide = wide.to_string();
        assert_eq!(commands[0].argv, ["echo", &wide.repeat(2), &format!("{wide} a")]);
        assert_eq!(commands[1].argv, [format!("{wide}=1"), "rm".to_owned()]);
    }
}

proptest! {
    #[test]
    fn quoted_words_come_back(words in prop::collection::vec("[^\\x00]{1,12}", 1..6)) {
        let script = shlex::try_join(words.iter().map(String::as_str)).unwrap();
        if let Script::Plain(commands) = read(&script) {
            prop_assert_eq!(commands.len(), 1);
            prop_assert_eq!(&commands[0].argv, &words);
        }
    }

    #[test]
    fn nothing_panics(script in "\\PC{0,60}") {
        read(&script);
        patch_script(&script);
    }
}
