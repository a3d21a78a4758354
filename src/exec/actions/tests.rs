use super::*;

/// The actions of a script in `/w`, one line each: kind, command, then path or query.
fn actions(script: &str) -> String {
    let argv = ["/bin/bash", "-c", script].map(str::to_owned);
    let cwd = AbsolutePathBuf::new("/w").unwrap();
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let line = |action| match action {
        CommandAction::Read { command, name, path } => format!("read {command} > {name} {path}"),
        CommandAction::ListFiles { command, path } => format!("list {command} > {}", or_none(path)),
        CommandAction::Search { command, path, query } => {
            format!("search {command} > {} in {}", or_none(query), or_none(path))
        }
        CommandAction::Unknown { command } if command == script => "unknown".into(),
        CommandAction::Unknown { command } => format!("unknown {command}"),
    };
    let lines: Vec<String> = command_actions(&argv, &cwd).into_iter().map(line).collect();
    lines.join("\n")
}

#[test]
fn files_that_are_read() {
    for (script, expected) in [
        ("cat a.txt", "read cat a.txt > a.txt /w/a.txt"),
        ("cat -n a.txt", "read cat -n a.txt > a.txt /w/a.txt"),
        ("cat a.txt\n", "read cat a.txt > a.txt /w/a.txt"),
        ("cat 'a b.txt'", "read cat 'a b.txt' > a b.txt /w/a b.txt"),
        ("cat -- a.txt", "read cat -- a.txt > a.txt /w/a.txt"),
        ("cat ../x.txt", "read cat ../x.txt > x.txt /x.txt"),
        ("cat sub/", "read cat sub/ > sub /w/sub"),
        ("cat src/main.rs", "read cat src/main.rs > main.rs /w/src/main.rs"),
        ("head a.txt", "read head a.txt > a.txt /w/a.txt"),
        ("head -n 5 a.txt", "read head -n 5 a.txt > a.txt /w/a.txt"),
        ("head -n 5 a.txt b.txt", "read head -n 5 a.txt b.txt > a.txt /w/a.txt"),
        ("sed -n -e 1,5p a.txt", "read sed -n -e '1,5p' a.txt > a.txt /w/a.txt"),
        ("cat a.txt | sed 's/a/b/'", "read cat a.txt > a.txt /w/a.txt"),
        ("head -n5 a.txt", "read head -n5 a.txt > a.txt /w/a.txt"),
        ("head -n 3 -- a.txt", "read head -n 3 -- a.txt > a.txt /w/a.txt"),
        ("tail -n +3 a.txt", "read tail -n +3 a.txt > a.txt /w/a.txt"),
        ("sed -n 1,5p a.txt", "read sed -n '1,5p' a.txt > a.txt /w/a.txt"),
        ("sed -n 5p a.txt", "read sed -n 5p a.txt > a.txt /w/a.txt"),
        ("nl -ba a.txt", "read nl -ba a.txt > a.txt /w/a.txt"),
        ("less a.txt", "read less a.txt > a.txt /w/a.txt"),
        (
            "bat --theme TwoDark a.txt",
            "read bat --theme TwoDark a.txt > a.txt /w/a.txt",
        ),
        (
            "awk -F: '{print $1}' a.txt",
            "read awk -F: '{print $1}' a.txt > a.txt /w/a.txt",
        ),
    ] {
        assert_eq!(actions(script), expected, "{script:?}");
    }
}

#[test]
fn folders_that_are_listed() {
    for (script, expected) in [
        ("ls", "list ls > -"),
        ("ls;", "list 'ls;' > -"),
        ("ls \\\n-la", "list ls -la > -"),
        ("ls *.txt", "list ls '*.txt' > *.txt"),
        ("ls sub a.txt", "list ls sub a.txt > sub"),
        ("ls -w 80 sub", "list ls -w 80 sub > sub"),
        ("ls --ignore=x sub", "list ls '--ignore=x' sub > sub"),
        ("tree -L 2", "list tree -L 2 > -"),
        ("eza sub", "list eza sub > sub"),
        ("du -sh sub", "list du -sh sub > sub"),
        ("find . -maxdepth 2", "list find . -maxdepth 2 > ."),
        ("rg --files sub", "list rg --files sub > sub"),
        ("rg --files -g '*.txt'", "list rg --files -g '*.txt' > -"),
        ("git ls-files --exclude foo", "list git ls-files --exclude foo > -"),
        ("rg --files | head -n 20", "list rg --files > -"),
        ("rg --files | xargs cat", "list rg --files > -"),
        ("ls | tee x", "list ls > -"),
        ("find . | wc -l", "list find . > ."),
    ] {
        assert_eq!(actions(script), expected, "{script:?}");
    }
    assert!(actions("python3 -c 'import os; os.listdir(\".\")'").starts_with("list python3"));
}

#[test]
fn searches() {
    for (script, expected) in [
        ("grep -rn alpha .", "search grep -rn alpha . > alpha in ."),
        (
            "grep -rn 'a b' /etc/hosts",
            "search grep -rn 'a b' /etc/hosts > a b in hosts",
        ),
        ("grep -e alpha a.txt", "search grep -e alpha a.txt > alpha in a.txt"),
        (
            "grep -n -A 3 alpha a.txt",
            "search grep -n -A 3 alpha a.txt > alpha in a.txt",
        ),
        (
            "grep --include='*.txt' -r alpha .",
            "search grep '--include=*.txt' -r alpha . > alpha in .",
        ),
        ("rg alpha", "search rg alpha > alpha in -"),
        ("rg -g '*.txt' alpha", "search rg -g '*.txt' alpha > alpha in -"),
        ("rg -e alpha sub", "search rg -e alpha sub > alpha in sub"),
        ("rg alpha | sort | uniq -c", "search rg alpha > alpha in -"),
        ("rg alpha | head -20", "search rg alpha > alpha in -"),
        ("git grep alpha sub", "search git grep alpha sub > alpha in sub"),
        ("ag alpha sub", "search ag alpha sub > alpha in sub"),
        ("fd txt sub", "search fd txt sub > txt in sub"),
        ("find . -name '*.txt'", "search find . -name '*.txt' > *.txt in ."),
        (
            "find . -type f -name a.txt | head -5",
            "search find . -type f -name a.txt > a.txt in .",
        ),
    ] {
        assert_eq!(actions(script), expected, "{script:?}");
    }
}

#[test]
fn scripts_of_several_commands() {
    for (script, expected) in [
        ("cat a.txt | head", "read cat a.txt > a.txt /w/a.txt"),
        (
            "cat a.txt | sed -n '1,3p'",
            "read cat a.txt | sed -n '1,3p' > a.txt /w/a.txt",
        ),
        (
            "nl -ba a.txt | sed -n '1,5p'",
            "read nl -ba a.txt | sed -n '1,5p' > a.txt /w/a.txt",
        ),
        ("cat a.txt | nl", "read cat a.txt > a.txt /w/a.txt"),
        ("cd sub && cat b.txt", "read cat b.txt > b.txt /w/sub/b.txt"),
        ("cd sub && cd .. && cat a.txt", "read cat a.txt > a.txt /w/a.txt"),
        ("cd /tmp && cat /tmp/x", "read cat /tmp/x > x /tmp/x"),
        ("cd sub && ls", "list ls > -"),
        ("echo hi && cat a.txt", "read cat a.txt > a.txt /w/a.txt"),
        ("true && cat a.txt", "read cat a.txt > a.txt /w/a.txt"),
        ("cat a.txt || true", "read cat a.txt > a.txt /w/a.txt"),
        ("yes | cat a.txt", "read cat a.txt > a.txt /w/a.txt"),
        ("cat a.txt; ls", "read cat a.txt > a.txt /w/a.txt\nlist ls > -"),
        (
            "cat a.txt | grep alpha",
            "read cat a.txt > a.txt /w/a.txt\nsearch grep alpha > alpha in -",
        ),
        (
            "sed -n '1,5p' a.txt && sed -n '7,9p' a.txt",
            "read sed -n '1,5p' a.txt > a.txt /w/a.txt\nread sed -n '7,9p' a.txt > a.txt /w/a.txt",
        ),
    ] {
        assert_eq!(actions(script), expected, "{script:?}");
    }
}

#[test]
fn everything_else_is_unknown() {
    for script in [
        "",
        "cat",
        "cat -",
        "cat a.txt | sed -i s/a/b/ c.txt",
        "cat a b",
        "pwd",
        "echo hi",
        "ls && pwd",
        "cat a.txt && echo hi",
        "ls | cat",
        "wc -l a.txt",
        "head -5 a.txt",
        "head -c 5 a.txt",
        "tail -5 a.txt",
        "tail -f a.txt -n 1 --pid 1",
        "nl",
        "head",
        "sed 's/a/b/' a.txt",
        "sed -n '/x/p' a.txt",
        "cut -d: -f1 a.txt",
        "rg -l alpha | xargs sed -i s/a/b/",
        "cat a.txt > /dev/null",
        "cat < a.txt",
        "cat $HOME/x",
        "(ls)",
        "FOO=1 cat a.txt",
        "bash -lc 'cat a.txt'",
        "/bin/ls",
        "git status",
        "cd sub 2>/dev/null; head -n 3 a.txt",
        "true | false",
        "wc -l | sort",
        "python3 -c 'print(1)'",
        "sort a.txt",
        "ls # comment",
    ] {
        assert_eq!(actions(script), "unknown", "{script:?}");
    }
    assert_eq!(actions("cd sub"), "");
    let argv = ["git".to_owned(), "log now".to_owned()];
    let action = command_actions(&argv, &AbsolutePathBuf::new("/w").unwrap());
    assert_eq!(
        action,
        [CommandAction::Unknown {
            command: "git 'log now'".into()
        }]
    );
}
