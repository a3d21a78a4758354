//! Rollouts as older versions of the peer left them, written down here as files.
//!
//! Each lacks something that today's have, or holds something that today's do not. None may hide the others, and what
//! they hold must be shown; where the peer is installed, its own reading of them is the measure.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Peer, Story, assert_same, common, copy_of, describe, peer_or_skip, say};
use crate::harness::{ScriptedModel, TestServer, Transport, home_with, peer_binary};

const NO_STARTS: &str = "01993400-0000-7000-8000-000000000001";
const OLD_EVENTS: &str = "01993400-0000-7000-8000-000000000002";
const DAMAGED: &str = "01993400-0000-7000-8000-000000000003";
/// Ids were not always ordered by time.
const RANDOM_ID: &str = "5973b6c0-94b8-4f7b-9f7e-2a2f7d2b1c11";
const AGENT: &str = "01993400-0000-7000-8000-000000000005";
const NO_META: &str = "01993400-0000-7000-8000-000000000006";
const NO_ENVELOPE: &str = "01993400-0000-7000-8000-000000000007";

fn line(kind: &str, payload: Value) -> String {
    json!({"timestamp": "2025-09-10T08:00:01.000Z", "type": kind, "payload": payload}).to_string()
}

fn event(payload: Value) -> String {
    line("event_msg", payload)
}

fn said(role: &str, text: &str) -> String {
    let kind = if role == "assistant" {
        "output_text"
    } else {
        "input_text"
    };
    line(
        "response_item",
        json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]}),
    )
}

/// The meta of an early version, which named no provider.
fn meta(id: &str, cwd: &Path) -> Value {
    json!({"id": id, "timestamp": "2025-09-10T08:00:00.000Z", "cwd": cwd, "originator": "codex_cli_rs",
        "cli_version": "0.34.0", "instructions": null, "git": {"commit_hash": "abc", "branch": "main"}})
}

/// A question and its answer, without the lines that today enclose a turn.
fn exchange(question: &str, answer: &str) -> Vec<String> {
    vec![
        said("user", question),
        event(json!({"type": "user_message", "message": question, "kind": "plain"})),
        event(json!({"type": "agent_message", "message": answer})),
        said("assistant", answer),
    ]
}

fn no_starts(cwd: &Path) -> Vec<String> {
    let mut lines = vec![
        line("session_meta", meta(NO_STARTS, cwd)),
        said(
            "user",
            "<environment_context>\n  <cwd>/old</cwd>\n</environment_context>",
        ),
        // This spelling of the policy is gone.
        line(
            "turn_context",
            json!({"cwd": cwd, "approval_policy": "on-request", "sandbox_policy": {"mode": "read-only"},
                "model": "gpt-5", "effort": "medium", "summary": "auto"}),
        ),
        said("user", "the oldest question"),
        event(json!({"type": "user_message", "message": "the oldest question", "kind": "plain"})),
        event(json!({"type": "agent_reasoning", "text": "thinking"})),
        line(
            "response_item",
            json!({"type": "function_call", "name": "shell", "arguments": "{\"command\":[\"ls\"]}", "call_id": "s1"}),
        ),
        line(
            "response_item",
            json!({"type": "function_call_output", "call_id": "s1",
                "output": "{\"output\":\"a.txt\\n\",\"metadata\":{\"exit_code\":0,\"duration_seconds\":0.2}}"}),
        ),
        line(
            "response_item",
            json!({"type": "ghost_snapshot", "ghost_commit": {"id": "f00"}}),
        ),
        event(json!({"type": "token_count", "info": null})),
        event(json!({"type": "agent_message", "message": "the oldest answer"})),
        said("assistant", "the oldest answer"),
    ];
    lines.extend(exchange("a second question", "a second answer"));
    lines.push(event(json!({"type": "turn_aborted", "reason": "interrupted"})));
    lines
}

fn old_events(cwd: &Path) -> Vec<String> {
    let mut meta = meta(OLD_EVENTS, cwd);
    meta["model_provider"] = "scripted".into();
    meta["source"] = "cli".into();
    let turn = "01993400-0000-7000-8000-0000000000aa";
    let mut lines = vec![
        line("session_meta", meta),
        event(json!({"type": "turn_started", "turn_id": turn, "model_context_window": null})),
    ];
    lines.extend(exchange("use every tool", "used them"));
    let span = json!({"secs": 1, "nanos": 500_000_000});
    lines.extend([
        event(
            json!({"type": "exec_command_end", "call_id": "x1", "turn_id": turn, "command": ["bash", "-lc", "ls"],
            "cwd": cwd, "parsed_cmd": [{"type": "list_files", "cmd": "ls", "path": null}], "stdout": "a\n",
            "stderr": "", "aggregated_output": "a\n", "exit_code": 0, "duration": span, "formatted_output": "a\n",
            "status": "completed"}),
        ),
        event(json!({"type": "view_image_tool_call", "call_id": "v1", "path": cwd.join("p.png")})),
        event(json!({"type": "mcp_tool_call_end", "call_id": "m1", "duration": span,
            "invocation": {"server": "docs", "tool": "find", "arguments": {"q": 1}},
            "result": {"Ok": {"content": [{"type": "text", "text": "found"}]}}})),
        event(json!({"type": "web_search_end", "call_id": "w1", "query": "rust",
            "action": {"type": "search", "query": "rust"}})),
        event(
            json!({"type": "patch_apply_end", "call_id": "p1", "turn_id": turn, "stdout": "", "stderr": "",
            "success": true, "changes": {"new.txt": {"type": "add", "content": "x\n"}}, "status": "completed"}),
        ),
        event(json!({"type": "thread_name_updated", "thread_id": OLD_EVENTS, "thread_name": "of old"})),
        event(json!({"type": "background_event", "message": "nothing shown"})),
        event(json!({"type": "turn_complete", "turn_id": turn, "last_agent_message": "used them"})),
    ]);
    lines
}

fn damaged(cwd: &Path) -> Vec<String> {
    let mut lines = vec![line("session_meta", meta(DAMAGED, cwd)), "\0\0\0\0".to_owned()];
    lines.extend(exchange("before the damage", "still here"));
    lines.extend([
        String::new(),
        "not json".to_owned(),
        line("telemetry", json!({"of": "a kind that nobody knows"})),
        event(json!({"type": "user_message"})),
    ]);
    lines.extend(exchange("after the damage", "here as well"));
    // No provider would take this call.
    lines.push(line(
        "response_item",
        json!({"type": "function_call", "name": "damaged_call"}),
    ));
    lines
}

/// What every version before the envelope wrote; today's peer cannot read it either.
fn no_envelope() -> Vec<String> {
    vec![
        json!({"id": NO_ENVELOPE, "timestamp": "2025-06-01T08:00:00.000Z", "instructions": null}).to_string(),
        json!({"record_type": "state"}).to_string(),
        json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "lost"}]}).to_string(),
    ]
}

/// Writes them all into a home; the stories are those that hold a thread.
fn write_files(root: &Path) -> Vec<Story> {
    let cwd = root.join("work");
    let mut random = vec![line("session_meta", meta(RANDOM_ID, &cwd))];
    random.extend(exchange("a random id", "is an id"));
    let mut agent = meta(AGENT, &cwd);
    agent["source"] = json!({"subagent": "review"});
    let mut of_agent = vec![line("session_meta", agent)];
    of_agent.extend(exchange("an agent's", "own thread"));
    let files = [
        ("no starts", NO_STARTS, no_starts(&cwd)),
        ("old events", OLD_EVENTS, old_events(&cwd)),
        ("damaged", DAMAGED, damaged(&cwd)),
        ("random id", RANDOM_ID, random),
        ("agent", AGENT, of_agent),
        ("no meta", NO_META, exchange("nobody knows me", "nor me")),
        ("no envelope", NO_ENVELOPE, no_envelope()),
    ];
    let folder = root.join("home/sessions/2025/09/10");
    std::fs::create_dir_all(&folder).unwrap();
    for (index, (_, id, lines)) in files.iter().enumerate() {
        let mut text = lines.join("\n");
        // A file may end in the middle of a line.
        text.push_str("\n{\"timestamp\":\"2025-09-10T08");
        std::fs::write(file(&folder, index, id), text).unwrap();
    }
    let told = files.iter().filter(|(story, ..)| *story != "no envelope");
    told.map(|(story, id, _)| (*story, id.to_string())).collect()
}

fn file(folder: &Path, index: usize, id: &str) -> PathBuf {
    folder.join(format!("rollout-2025-09-10T08-00-{index:02}-{id}.jsonl"))
}

#[tokio::test]
async fn threads_of_old_files_are_listed_read_resumed_and_continued() {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let stories = write_files(root.path());
    let mut server = TestServer::on(root, model, Transport::Ws, &[]).await;
    let client = server.client().await;
    let told = describe(&client, &stories).await;
    let previews: Vec<_> = told["active"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["preview"])
        .collect();
    for preview in [
        "the oldest question",
        "use every tool",
        "before the damage",
        "a random id",
        "nobody knows me",
    ] {
        assert!(
            previews.iter().any(|listed| *listed == preview),
            "{preview}: {previews:?}"
        );
    }
    assert!(!previews.iter().any(|listed| *listed == "an agent's"), "{previews:?}");
    assert_eq!(told["turns of no starts"].as_array().unwrap().len(), 2);
    assert_eq!(told["turns of no starts"][1]["status"], "interrupted");
    assert_eq!(
        told["turns of damaged"].to_string().matches("\"agentMessage\"").count(),
        2
    );
    let kinds: Vec<_> = told["turns of old events"][0]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    let expected = [
        "userMessage",
        "agentMessage",
        "commandExecution",
        "imageView",
        "mcpToolCall",
        "webSearch",
        "fileChange",
    ];
    assert_eq!(kinds, expected);
    for (story, thread) in &stories {
        let resumed = client.call_raw("thread/resume", json!({"threadId": thread})).await;
        let resumed = resumed.unwrap_or_else(|error| panic!("{story}: {error:?}"));
        assert_eq!(resumed["thread"]["turns"], told[format!("turns of {story}")], "{story}");
        say(&client, &server.model, thread, "one more").await;
        let request = server.model.requests().last().unwrap()["input"].to_string();
        assert!(
            request.contains(resumed["thread"]["preview"].as_str().unwrap()),
            "{story}: {request}"
        );
        assert!(!request.contains("damaged_call"), "{request}");
        let read = json!({"threadId": thread, "includeTurns": true});
        let read = client.call_raw("thread/read", read).await.unwrap();
        let before = told[format!("turns of {story}")].as_array().unwrap().len();
        let turns = read["thread"]["turns"].as_array().unwrap();
        assert_eq!(turns.len(), before + 1, "{story}");
        assert!(
            turns.last().unwrap().to_string().contains("answer to one more"),
            "{story}"
        );
    }
}

#[tokio::test]
async fn old_files_read_as_the_peer_reads_them() {
    let program = peer_or_skip!();
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let mut stories = write_files(root.path());
    // The peer does not know a thread whose first line is lost.
    stories.retain(|(story, _)| *story != "no meta");
    let copy = copy_of(root.path(), &model);
    let peer = Peer::start(&program, root.path()).await;
    let expected = common(describe(&peer.client, &stories).await);
    peer.stop().await;
    let mut server = TestServer::on(copy, model, Transport::Ws, &[]).await;
    let client = server.client().await;
    let mut told = common(describe(&client, &stories).await);
    told["active"]
        .as_array_mut()
        .unwrap()
        .retain(|row| row["id"] != NO_META);
    assert_same(&told, &expected);
}
