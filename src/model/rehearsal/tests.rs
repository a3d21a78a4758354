use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::*;
use crate::model::item::OutputItemKind;
use crate::model::provider::{InputItem, RequestIdentity, TextControls, TokenUsage, json_text};

fn raw(value: &Value) -> InputItem {
    serde_json::value::to_raw_value(value).unwrap().into()
}

/// A thread that talks to the model, as the engine would.
struct Thread {
    input: Vec<InputItem>,
    tools: &'static [&'static str],
}

impl Thread {
    fn new() -> Self {
        Thread {
            input: vec![
                raw(
                    &json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]}),
                ),
                raw(&json!({"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "# AGENTS.md instructions for /x\n\nsay no"},
                    {"type": "input_text", "text": "<environment_context>\n  <cwd>/x</cwd>\n</environment_context>"}]})),
            ],
            tools: &["exec_command", "write_stdin", "update_plan", "apply_patch"],
        }
    }

    fn user(&mut self, text: &str) {
        let content = json!([{"type": "input_text", "text": text}]);
        self.input
            .push(raw(&json!({"type": "message", "role": "user", "content": content})));
    }

    fn output(&mut self, text: &str) {
        self.input.push(raw(
            &json!({"type": "function_call_output", "call_id": "c", "output": text}),
        ));
    }

    fn request(&self) -> SamplingRequest {
        let tools: Vec<Value> = self
            .tools
            .iter()
            .map(|name| json!({"type": "function", "name": name}))
            .collect();
        SamplingRequest {
            model: ID.into(),
            instructions: json_text("be good"),
            input: self.input.clone(),
            tools: raw(&json!(tools)),
            parallel_tool_calls: true,
            reasoning: None,
            text: TextControls::default(),
            service_tier: None,
            identity: Arc::new(RequestIdentity::default()),
            turn_metadata: None,
            window: 0,
            turn_state: None,
        }
    }

    /// One step: what it says and calls; everything goes into the history.
    async fn step(&mut self) -> Vec<String> {
        let provider = RehearsalProvider::default();
        let mut stream = provider.stream(self.request(), CancellationToken::new()).await.unwrap();
        let (mut shown, mut streamed) = (Vec::new(), String::new());
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                ModelEvent::TextDelta(delta) => streamed.push_str(&delta),
                ModelEvent::ItemDone(item) => {
                    self.input.push(item.history().unwrap());
                    shown.push(match item.kind {
                        OutputItemKind::Message { text, .. } => {
                            assert_eq!(std::mem::take(&mut streamed), text);
                            text
                        }
                        OutputItemKind::FunctionCall { name, arguments, .. } => format!("{name} {arguments}"),
                        OutputItemKind::CustomToolCall { name, input, .. } => format!("{name} {input}"),
                        OutputItemKind::Reasoning { summary, .. } => format!("thinks {}", summary.concat()),
                        other => format!("{other:?}"),
                    });
                }
                _ => {}
            }
        }
        shown
    }

    /// The same in a thread that has had its introduction.
    async fn next(&mut self) -> Vec<String> {
        let mut shown = self.step().await;
        shown.retain(|text| !text.starts_with("I am the rehearsal model"));
        shown
    }
}

const RAN: &str = "Chunk ID: d8cd60\nWall time: 0.5612 seconds\nProcess exited with code 0\nOriginal token count: 1\n\
                   Output:\nhi\n";

#[tokio::test]
async fn it_says_once_what_it_is() {
    let mut thread = Thread::new();
    thread.user("say hello");
    let first = thread.step().await;
    assert!(first[0].contains("offline") && first[0].contains("not an AI"));
    assert_eq!(first[1..], ["hello"]);
    thread.user("say again");
    assert_eq!(thread.step().await, ["again"]);
}

#[tokio::test]
async fn it_tells_what_it_understands() {
    let mut thread = Thread::new();
    thread.user("write me a poem, would you? What about love?");
    thread.user("who are you?");
    assert!(thread.next().await[0].contains("- run `COMMAND`"));
    thread.user("say a\ndance");
    assert_eq!(thread.next().await, ["a", "I did not understand: dance"]);
}

#[tokio::test]
async fn commands_are_run_and_reported() {
    let mut thread = Thread::new();
    thread.user("say now, then run `echo hi` then say bye");
    assert_eq!(thread.next().await, ["now", r#"exec_command {"cmd":"echo hi"}"#]);
    thread.output(RAN);
    assert_eq!(
        thread.next().await,
        ["`echo hi` exited with code 0:\n```\nhi\n```", "bye"]
    );
}

#[tokio::test]
async fn running_commands_are_awaited() {
    let mut thread = Thread::new();
    thread.user("run `slow`");
    thread.next().await;
    thread.output("Wall time: 10 seconds\nProcess running with session ID 1234\nOutput:\none\n");
    assert_eq!(thread.next().await, [r#"write_stdin {"session_id":1234,"chars":""}"#]);
    thread.output("Wall time: 1 seconds\nProcess exited with code 3\nOutput:\ntwo\n");
    assert_eq!(thread.next().await, ["`slow` exited with code 3:\n```\none\ntwo\n```"]);
}

#[tokio::test]
async fn refused_commands_are_told() {
    let mut thread = Thread::new();
    thread.user("run `rm x`");
    thread.next().await;
    thread.output("exec_command failed for `rm x`: rejected");
    assert_eq!(
        thread.next().await,
        ["`rm x` did not run: exec_command failed for `rm x`: rejected"]
    );
}

#[tokio::test]
async fn files_are_created_and_edited_by_patches() {
    let mut thread = Thread::new();
    thread.user("create a.txt with \"one\\ntwo\\n\" then replace `two` with `2` in a.txt then append three to a.txt");
    assert_eq!(
        thread.next().await,
        ["apply_patch *** Begin Patch\n*** Add File: a.txt\n+one\n+two\n*** End Patch\n"]
    );
    thread.output("Exit code: 0\nOutput:\nSuccess. Updated the following files:\nA a.txt\n");
    assert_eq!(
        thread.next().await,
        ["Created `a.txt`.", r#"exec_command {"cmd":"cat a.txt"}"#]
    );
    thread.output("Process exited with code 0\nOutput:\none\ntwo\n");
    assert_eq!(
        thread.next().await,
        ["apply_patch *** Begin Patch\n*** Update File: a.txt\n@@\n-two\n+2\n*** End Patch\n"]
    );
    thread.output("Success. Updated the following files:\nM a.txt\n");
    let last = thread.next().await;
    assert_eq!(last[0], "Edited `a.txt`.");
    assert!(last[1].ends_with("@@\n+three\n*** End Patch\n"));
    thread.output("patch rejected by user");
    assert_eq!(
        thread.next().await,
        ["`a.txt` was left as it is: patch rejected by user"]
    );
}

#[tokio::test]
async fn what_cannot_be_edited_is_told() {
    let mut thread = Thread::new();
    thread.user("edit a.txt: replace x with y");
    thread.next().await;
    thread.output("Process exited with code 1\nOutput:\ncat: a.txt: No such file\n");
    assert_eq!(thread.next().await, ["I cannot read `a.txt`: cat: a.txt: No such file"]);
    thread.user("edit a.txt: replace x with y");
    thread.next().await;
    thread.output("Process exited with code 0\nOutput:\nz\n");
    assert_eq!(thread.next().await, ["`x` is not in `a.txt`."]);
}

#[tokio::test]
async fn without_its_tool_a_patch_goes_through_the_shell() {
    let mut thread = Thread::new();
    thread.tools = &["exec_command"];
    thread.user("delete a.txt");
    let call = thread.next().await;
    assert!(
        call[0].starts_with(r#"exec_command {"cmd":"apply_patch <<'EOF'\n*** Begin Patch\n*** Delete File: a.txt"#)
    );
    thread.tools = &[];
    thread.user("delete a.txt\nrun `ls`");
    let told = thread.next().await;
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|text| text.contains("no tool for it")));
}

#[tokio::test]
async fn plans_and_thoughts_are_shown() {
    let mut thread = Thread::new();
    thread.user("think hard\nplan a; b");
    assert_eq!(
        thread.next().await,
        [
            "thinks hard",
            r#"update_plan {"plan":[{"step":"a","status":"in_progress"},{"step":"b","status":"pending"}]}"#
        ]
    );
    thread.output("Plan updated");
    assert_eq!(thread.next().await, ["The plan has 2 steps."]);
}

#[tokio::test]
async fn markers_are_not_taken_for_words_of_the_user() {
    let mut thread = Thread::new();
    thread.user("say hello");
    thread.user("<turn_aborted>\nThe user stopped it.\n</turn_aborted>");
    assert_eq!(thread.next().await, ["hello"]);
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let mut thread = Thread::new();
    thread.user("say one two\nthink three");
    let mut answers = Vec::new();
    for _ in 0..2 {
        let provider = RehearsalProvider::default();
        let stream = provider
            .stream(thread.request(), CancellationToken::new())
            .await
            .unwrap();
        let events: Vec<_> = stream.map(|event| event.unwrap()).collect().await;
        answers.push(format!("{events:?}"));
        let Some(ModelEvent::Completed { usage: Some(usage), .. }) = events.last() else {
            panic!("{events:?}")
        };
        let TokenUsage {
            input_tokens,
            output_tokens,
            total_tokens,
            ..
        } = *usage;
        assert!(input_tokens > 50 && output_tokens > 20);
        assert_eq!(total_tokens, input_tokens + output_tokens);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn slow_answers_can_be_interrupted() {
    let mut thread = Thread::new();
    thread.user("slowly say one two three");
    let cancel = CancellationToken::new();
    let mut stream = RehearsalProvider::default()
        .stream(thread.request(), cancel.clone())
        .await
        .unwrap();
    let started = tokio::time::Instant::now();
    loop {
        match stream.next().await.unwrap().unwrap() {
            ModelEvent::TextDelta(_) => break,
            ModelEvent::Completed { .. } => panic!("nothing was said"),
            _ => {}
        }
    }
    assert!(started.elapsed() >= PAUSE);
    cancel.cancel();
    assert!(matches!(stream.next().await, Some(Err(ModelError::Interrupted))));
    assert!(stream.next().await.is_none());
}
