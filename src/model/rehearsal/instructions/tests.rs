use super::*;

fn one(prompt: &str) -> Instruction {
    let mut script = parse(prompt);
    assert_eq!(script.instructions.len(), 1, "{prompt}: {script:?}");
    script.instructions.remove(0)
}

fn say(text: &str) -> Instruction {
    Instruction::Say(text.into())
}

fn run(command: &str) -> Instruction {
    Instruction::Run(command.into())
}

#[test]
fn texts_are_plain_or_in_quotes() {
    assert_eq!(one("say hello there"), say("hello there"));
    assert_eq!(one("Please say: \"a\\nb\""), say("a\nb"));
    assert_eq!(one("reply with 'it'"), say("it"));
    assert_eq!(one("think about the sea"), Instruction::Think("the sea".into()));
}

#[test]
fn commands_keep_their_backslashes() {
    assert_eq!(one("run `printf 'a\\n'`"), run("printf 'a\\n'"));
    assert_eq!(one("run \"echo \\\"hi\\\" \\n\""), run("echo \"hi\" \\n"));
    assert_eq!(one("run the command ls -l | wc"), run("ls -l | wc"));
    assert_eq!(one("run:\n```sh\ncd /tmp\nls\n```"), run("cd /tmp\nls"));
    assert_eq!(one("read a b.txt"), run("cat a"));
    assert_eq!(one("read 'a b.txt'"), run("cat 'a b.txt'"));
}

#[test]
fn files_are_created_from_text_or_blocks() {
    let create = |path: &str, content: &str| Instruction::Create {
        path: path.into(),
        content: content.into(),
    };
    assert_eq!(
        one("create notes.txt with hello world"),
        create("notes.txt", "hello world")
    );
    assert_eq!(
        one("create a file `a b.txt` containing the text \"x\\ny\""),
        create("a b.txt", "x\ny")
    );
    assert_eq!(
        one("write src/a.rs with:\n```rust\nfn a() {}\n\nsay\n```"),
        create("src/a.rs", "fn a() {}\n\nsay")
    );
    assert_eq!(one("create empty.txt"), create("empty.txt", ""));
}

#[test]
fn files_are_edited() {
    let replace = Instruction::Replace {
        path: "f.txt".into(),
        from: "old".into(),
        to: "new one".into(),
    };
    assert_eq!(one("edit f.txt: replace `old` with `new one`"), replace);
    assert_eq!(one("edit f.txt replace old with new one"), replace);
    assert_eq!(one("replace \"old\" with \"new one\" in f.txt"), replace);
    assert_eq!(one("replace old with new one in the file f.txt"), replace);
    let append = Instruction::Append {
        path: "f.txt".into(),
        text: "a line".into(),
    };
    assert_eq!(one("append a line to f.txt"), append);
    assert_eq!(one("append \"a line\" to f.txt"), append);
    assert_eq!(one("edit f.txt, append 'a line'"), append);
    assert_eq!(one("delete the.txt"), Instruction::Delete("the.txt".into()));
}

#[test]
fn plans_have_steps() {
    assert_eq!(
        one("plan: look; think ; act."),
        Instruction::Plan(vec!["look".into(), "think".into(), "act".into()])
    );
}

#[test]
fn instructions_follow_each_other() {
    let script = parse("1. say a\n- run `echo x then y`, then say b and then say c\n\nslowly say d");
    assert_eq!(
        script.instructions,
        [say("a"), run("echo x then y"), say("b"), say("c"), say("d")]
    );
    assert!(script.slowly);
    assert_eq!(one("say first this then that"), say("first this then that"));
}

#[test]
fn other_words_are_not_understood() {
    assert_eq!(
        one("what is the weather?"),
        Instruction::Unknown("what is the weather?".into())
    );
    assert_eq!(one("say"), Instruction::Unknown("say".into()));
    assert_eq!(parse("  \n").instructions, []);
}

proptest::proptest! {
    #[test]
    fn no_prompt_breaks_the_parser(prompt in "(say|run|create|edit|replace|append|plan|slowly| then |with|in|to|`|\"|'|\\\\|\n|```|é|a| ){0,20}") {
        parse(&prompt);
    }
}
