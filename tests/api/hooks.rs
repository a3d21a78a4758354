//! The user's hooks: listed, trusted, run at their points, and obeyed.

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};

/// A server whose home holds these hooks, all of them trusted by the user.
async fn server(hooks: Value, flags: &[&str]) -> TestServer {
    let mut server = TestServer::with(Transport::Ws, "", flags).await;
    std::fs::write(server.home().join("hooks.json"), json!({"hooks": hooks}).to_string()).unwrap();
    let client = server.client().await;
    let listed = client.call_raw("hooks/list", json!({})).await.unwrap();
    let mut states = String::new();
    for hook in listed["data"][0]["hooks"].as_array().unwrap() {
        assert_eq!(hook["trustStatus"], "untrusted");
        states += &format!(
            "[hooks.state.{}]\ntrusted_hash = {}\n",
            hook["key"], hook["currentHash"]
        );
    }
    let file = server.home().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{config}\n{states}")).unwrap();
    server
}

fn one(command: &str) -> Value {
    json!([{"hooks": [{"type": "command", "command": command}]}])
}

/// A hook that prints this JSON.
fn says(answer: Value) -> Value {
    one(&format!("printf %s '{answer}'"))
}

fn echo() -> Reply {
    Reply::call("exec_command", json!({"cmd": "echo hi"}), "call_1")
}

/// What clients saw of the runs of an event: status, kinds and texts.
fn runs(client: &Client, event: &str) -> Vec<(String, Vec<(String, String)>)> {
    let completed = client
        .log()
        .into_iter()
        .filter(|message| message["method"] == "hook/completed");
    let runs = completed
        .map(|message| message["params"]["run"].clone())
        .filter(|run| run["eventName"] == event);
    runs.map(|run| {
        let entries = run["entries"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entries = entries.map(|entry| (text(&entry["kind"]), text(&entry["text"])));
        (text(&run["status"]), entries.collect())
    })
    .collect()
}

/// Roles or types of a request's input, with the texts or outputs.
fn told(request: &Value) -> Vec<(String, String)> {
    let items = request["input"].as_array().unwrap().iter();
    items
        .map(|item| {
            let kind = item["role"].as_str().or(item["type"].as_str()).unwrap().to_owned();
            let text = item["content"][0]["text"]
                .as_str()
                .or(item["output"].as_str())
                .unwrap_or_default();
            (kind, text.to_owned())
        })
        .collect()
}

fn pair(kind: &str, text: &str) -> (String, String) {
    (kind.to_owned(), text.to_owned())
}

#[tokio::test]
async fn hooks_hear_of_a_turn_and_add_to_what_the_model_is_told() {
    let seen = tempfile::tempdir().unwrap();
    let note = |name: &str, prints: &str| {
        let file = seen.path().join(name);
        one(&format!("cat > {}; printf %s '{prints}'", file.display()))
    };
    let context = |event: &str, text: &str| {
        json!({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}}).to_string()
    };
    let hooks = json!({
        "SessionStart": note("start", "from the start"),
        "UserPromptSubmit": note("prompt", "from the prompt"),
        "PreToolUse": note("pre", &context("PreToolUse", "before the call")),
        "PostToolUse": note("post", &context("PostToolUse", "after the call")),
        "Stop": note("stop", ""),
    });
    let mut server = server(hooks, &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(echo());
    server.model.say("done");
    let turn = client.turn(&thread, "go").await;
    assert_eq!(turn.status, TurnStatus::Completed);

    let requests = server.model.requests();
    let told = told(&requests[1]);
    let after_environment = &told[2..];
    assert_eq!(
        after_environment[..3],
        [
            pair("developer", "from the start"),
            pair("user", "go"),
            pair("developer", "from the prompt")
        ]
    );
    assert_eq!(after_environment[3].0, "function_call");
    assert_eq!(
        after_environment[4..6],
        [
            pair("developer", "before the call"),
            pair("developer", "after the call")
        ]
    );
    assert_eq!(after_environment[6].0, "function_call_output");

    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(seen.path().join(name)).unwrap()).unwrap()
    };
    let post = read("post");
    let members: Vec<_> = post.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "session_id",
            "turn_id",
            "transcript_path",
            "cwd",
            "hook_event_name",
            "model",
            "permission_mode",
            "tool_name",
            "tool_input",
            "tool_response",
            "tool_use_id"
        ]
    );
    assert_eq!(
        (&post["tool_name"], &post["tool_response"]),
        (&json!("Bash"), &json!("hi\n"))
    );
    assert_eq!(read("start")["source"], "startup");
    assert_eq!(read("prompt")["prompt"], "go");
    assert_eq!(read("stop")["last_assistant_message"], "done");
    assert_eq!(read("stop")["stop_hook_active"], false);
    let transcript = read("start")["transcript_path"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&transcript).exists());

    // The thread's beginning is told once.
    server.model.say("again");
    client.turn(&thread, "more").await;
    assert_eq!(runs(&client, "sessionStart").len(), 1);
    assert_eq!(runs(&client, "userPromptSubmit").len(), 2);
}

#[tokio::test]
async fn a_hook_forbids_a_command_and_another_puts_one_in_its_place() {
    let hooks = json!({"PreToolUse": [
        {"matcher": "Bash", "hooks": [{
            "type": "command",
            "command": "grep -q '\"command\":\"echo hi\"' && { echo not that >&2; exit 2; } || exit 0",
        }]},
        {"matcher": "apply_patch|mcp__.*", "hooks": [{"type": "command", "command": "exit 2"}]},
    ]});
    let mut forbids = server(hooks, &[]).await;
    let client = forbids.client().await;
    let thread = client.thread().await;
    forbids.model.add(echo());
    forbids.model.say("done");
    client.turn(&thread, "go").await;
    let output = forbids.model.output_of("call_1").unwrap();
    assert_eq!(output, "Command blocked by PreToolUse hook: not that. Command: echo hi");
    let feedback = vec![pair("feedback", "not that")];
    assert_eq!(runs(&client, "preToolUse"), [("blocked".to_owned(), feedback)]);
    let commands = client
        .log()
        .into_iter()
        .filter(|message| message["params"]["item"]["type"] == "commandExecution");
    assert_eq!(commands.count(), 0, "a forbidden command is no item");

    let rewrite = json!({"hookSpecificOutput": {
        "hookEventName": "PreToolUse", "permissionDecision": "allow", "updatedInput": {"command": "echo other"},
    }});
    let mut rewrites = server(json!({"PreToolUse": says(rewrite)}), &[]).await;
    let client = rewrites.client().await;
    let thread = client.thread().await;
    rewrites.model.add(echo());
    rewrites.model.say("done");
    client.turn(&thread, "go").await;
    let output = rewrites.model.output_of("call_1").unwrap();
    assert!(output.as_str().unwrap().ends_with("Output:\nother\n"), "{output}");
    let arguments = rewrites.model.requests()[1]["input"].as_array().unwrap()[3]["arguments"].clone();
    assert_eq!(
        arguments,
        json!({"cmd": "echo hi"}).to_string(),
        "the conversation keeps the call"
    );
}

#[tokio::test]
async fn a_hook_comments_on_what_a_command_did() {
    let mut server = server(
        json!({"PostToolUse": says(json!({"decision": "block", "reason": "look again"}))}),
        &[],
    )
    .await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(echo());
    server.model.say("done");
    client.turn(&thread, "go").await;
    assert_eq!(server.model.output_of("call_1").unwrap(), "look again");
    let item = client.log().into_iter().find(|message| {
        message["method"] == "item/completed" && message["params"]["item"]["type"] == "commandExecution"
    });
    assert_eq!(item.unwrap()["params"]["item"]["aggregatedOutput"], "hi\n");
}

#[tokio::test]
async fn a_hook_keeps_a_prompt_from_the_model() {
    let mut server = server(json!({"UserPromptSubmit": one("echo no secrets >&2; exit 2")}), &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.turn(&thread, "the password is 1234").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    assert!(server.model.requests().is_empty());
    assert!(
        client
            .log()
            .iter()
            .all(|message| message["params"]["item"]["type"] != "userMessage")
    );
    let feedback = vec![pair("feedback", "no secrets")];
    assert_eq!(runs(&client, "userPromptSubmit"), [("blocked".to_owned(), feedback)]);
}

#[tokio::test]
async fn a_hook_sends_the_model_back_to_work_once() {
    let command = "grep -q '\"stop_hook_active\":true' || echo '{\"decision\":\"block\",\"reason\":\"not <yet>\"}'";
    let mut server = server(json!({"Stop": one(command)}), &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("first");
    server.model.say("second");
    client.turn(&thread, "go").await;
    let requests = server.model.requests();
    assert_eq!(requests.len(), 2);
    let (role, text) = told(&requests[1]).pop().unwrap();
    assert_eq!(role, "user");
    assert!(text.starts_with("<hook_prompt hook_run_id=\"stop:0:"), "{text}");
    assert!(text.ends_with("\">not &lt;yet&gt;</hook_prompt>"), "{text}");
    let item = client
        .log()
        .into_iter()
        .find(|message| message["params"]["item"]["type"] == "hookPrompt")
        .unwrap();
    assert_eq!(item["params"]["item"]["fragments"][0]["text"], "not <yet>");
    let read = client
        .call_raw("thread/read", json!({"threadId": thread, "includeTurns": true}))
        .await
        .unwrap();
    let items = read["thread"]["turns"][0]["items"].as_array().unwrap().clone();
    let kinds: Vec<_> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["userMessage", "agentMessage", "hookPrompt", "agentMessage"]);
}

#[tokio::test]
async fn a_hook_answers_in_the_users_place() {
    let escalated = || {
        let arguments =
            json!({"cmd": "echo hi", "sandbox_permissions": "require_escalated", "justification": "please"});
        Reply::call("exec_command", arguments, "call_1")
    };
    let answer = |decision: Value| json!({"PermissionRequest": says(json!({"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}))});
    for (decision, ending) in [
        (json!({"behavior": "allow"}), "Output:\nhi\n"),
        (
            json!({"behavior": "deny", "message": "never that"}),
            "CreateProcess { message: \"Rejected(\\\"never that\\\")\" }",
        ),
    ] {
        let flags = ["-c", "approval_policy=on-request", "-c", "sandbox_mode=read-only"];
        let mut server = server(answer(decision), &flags).await;
        let client = server.client().await;
        let thread = client.thread().await;
        server.model.add(escalated());
        server.model.say("done");
        client.turn(&thread, "go").await;
        let output = server.model.output_of("call_1").unwrap();
        assert!(output.as_str().unwrap().ends_with(ending), "{output}");
        assert!(
            client
                .log()
                .iter()
                .all(|message| message["method"] != "item/commandExecution/requestApproval")
        );
    }
}

#[tokio::test]
async fn faulty_hooks_are_told_of_and_stop_nothing() {
    let hooks = json!({"PreToolUse": [{"hooks": [
        {"type": "command", "command": "echo '{'"},
        {"type": "command", "command": "exit 7"},
        {"type": "command", "command": "sleep 30", "timeout": 1},
        {"type": "command", "command": "exit 0"},
    ]}]});
    let mut server = server(hooks, &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(echo());
    server.model.say("done");
    client.turn(&thread, "go").await;
    let output = server.model.output_of("call_1").unwrap();
    assert!(output.as_str().unwrap().ends_with("Output:\nhi\n"), "{output}");
    let failed = |text: &str| ("failed".to_owned(), vec![pair("error", text)]);
    assert_eq!(
        runs(&client, "preToolUse"),
        [
            failed("hook returned invalid pre-tool-use JSON output"),
            failed("hook exited with code 7"),
            failed("hook timed out after 1s"),
            ("completed".to_owned(), Vec::new()),
        ]
    );
}

#[tokio::test]
async fn an_untrusted_hook_does_not_run() {
    let mark = tempfile::tempdir().unwrap();
    let file = mark.path().join("ran");
    let mut server = TestServer::start(Transport::Stdio).await;
    let hooks = json!({"hooks": {"UserPromptSubmit": one(&format!("touch {}", file.display()))}});
    std::fs::write(server.home().join("hooks.json"), hooks.to_string()).unwrap();
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("done");
    client.turn(&thread, "go").await;
    assert!(!file.exists());
    assert!(runs(&client, "userPromptSubmit").is_empty());
}

#[tokio::test]
async fn a_hook_forbids_a_compaction() {
    let hooks = json!({
        "PreCompact": says(json!({"continue": false, "stopReason": "not now"})),
        "PostCompact": one("true"),
    });
    let mut server = server(hooks, &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("done");
    client.turn(&thread, "go").await;
    client
        .call_raw("thread/compact/start", json!({"threadId": thread}))
        .await
        .unwrap();
    client
        .until("the end of the compaction", |log| {
            log.iter()
                .filter(|message| message["method"] == "turn/completed")
                .count()
                == 2
        })
        .await;
    let stopped = ("stopped".to_owned(), vec![pair("stop", "not now")]);
    assert_eq!(runs(&client, "preCompact"), [stopped]);
    assert!(runs(&client, "postCompact").is_empty());
    assert_eq!(server.model.requests().len(), 1, "the model is not asked for a summary");
}

#[tokio::test]
async fn an_interrupt_ends_a_hook_and_the_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("begun");
    let command = format!("echo $$ > {}; exec sleep 500", mark.display());
    let mut server = server(json!({"UserPromptSubmit": one(&command)}), &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.begin(&thread, "go").await;
    client.next::<HookStartedNotification>().await;
    client
        .call_raw("turn/interrupt", json!({"threadId": thread, "turnId": turn}))
        .await
        .unwrap();
    assert_eq!(client.done(&turn).await.status, TurnStatus::Interrupted);
    assert_eq!(runs(&client, "userPromptSubmit")[0].0, "stopped");
    assert!(server.model.requests().is_empty());
    // The hook may have been ended before it wrote anything, or between making the file and writing to it.
    let pid = std::fs::read_to_string(&mark).unwrap_or_default();
    let alive = || std::path::Path::new("/proc").join(pid.trim()).exists();
    let gone = async {
        while !pid.trim().is_empty() && alive() {
            tokio::task::yield_now().await;
        }
    };
    crate::harness::within("the end of the hook", gone).await;
}

#[tokio::test]
async fn a_turn_that_is_steered_while_its_last_hooks_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let hooks = json!({"Stop": one(&format!("cat > /dev/null; until [ -e {} ]; do sleep 0.05; done", go.display()))});
    let mut server = server(hooks, &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    for text in ["one", "two", "three"] {
        server.model.say(text);
    }
    let turn = client.begin(&thread, "first").await;
    client
        .next_where::<HookStartedNotification>(|hook| hook.run.event_name == HookEventName::Stop)
        .await;
    let input = json!([{"type": "text", "text": "late steer"}]);
    let params = json!({"threadId": thread, "expectedTurnId": turn, "input": input});
    let steered = client.call_raw("turn/steer", params).await.unwrap();
    assert_eq!(steered, json!({"turnId": turn}));
    std::fs::write(&go, "").unwrap();
    client.done(&turn).await;
    assert_eq!(
        told(&server.model.requests()[1]).pop(),
        Some(pair("user", "late steer"))
    );
    // The next turn is one of its own.
    assert_eq!(client.turn(&thread, "second").await.status, TurnStatus::Completed);
    let begun = client
        .log()
        .into_iter()
        .filter(|message| message["method"] == "turn/started");
    assert_eq!(begun.count(), 2);
}

#[tokio::test]
async fn hooks_are_told_how_a_thread_began() {
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let note = one(&format!("cat >> {0}; echo >> {0}", seen.display()));
    let mut server = server(json!({"SessionStart": note}), &[]).await;
    let mut client = server.client().await;
    let told = |file: &std::path::Path| -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["source"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    let mut threads = Vec::new();
    for source in [json!(null), json!("startup"), json!("clear")] {
        let params = json!({"cwd": server.work(), "sessionStartSource": source});
        let started = client.call_raw("thread/start", params).await.unwrap();
        threads.push(started["thread"]["id"].as_str().unwrap().to_owned());
        server.model.say("done");
        client.turn(&threads[threads.len() - 1], "go").await;
    }
    // A fork is a new thread; a compaction begins nothing.
    let fork = client
        .call_raw("thread/fork", json!({"threadId": threads[0]}))
        .await
        .unwrap();
    server.model.say("done");
    client.turn(fork["thread"]["id"].as_str().unwrap(), "go").await;
    server.model.say("summary");
    client
        .call_raw("thread/compact/start", json!({"threadId": threads[0]}))
        .await
        .unwrap();
    client
        .next_where(|n: &TurnCompletedNotification| n.thread_id == threads[0])
        .await;
    server.model.say("done");
    client.turn(&threads[0], "go on").await;
    server.kill().await;
    server.launch().await;
    client = server.client().await;
    client
        .call_raw("thread/resume", json!({"threadId": threads[0]}))
        .await
        .unwrap();
    server.model.say("done");
    client.turn(&threads[0], "again").await;
    assert_eq!(told(&seen), ["startup", "startup", "clear", "startup", "resume"]);
}
