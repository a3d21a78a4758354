//! Agents: spawned, waited for, steered, closed, resumed; their limits, approvals and ends.

use greenroom::protocol::methods::server;
use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(an_agent_works_beside_its_parent);

const NOBODY: &str = "019a0000-0000-7000-8000-000000000000";

/// Runs a turn in which the model calls one tool; what it was told, and the item that shows the call.
async fn call(
    server: &TestServer,
    client: &Client,
    thread: &str,
    tool: &str,
    arguments: Value,
) -> (String, Option<ThreadItem>) {
    let call_id = format!("call_{}", client.log().len());
    server.model.add(Reply::call(tool, arguments, &call_id));
    server.model.say("done");
    client.turn(thread, tool).await;
    let requests = server.model.requests();
    let outputs = requests.iter().filter_map(|request| request["input"].as_array());
    let told = outputs
        .flatten()
        .find(|item| item["call_id"] == *call_id && item["type"] == "function_call_output")
        .expect("an output");
    let shown = client.log().into_iter().find_map(|message| {
        let item = message.get("params")?.get("item")?.clone();
        (message["method"] == "item/completed" && item["id"] == *call_id)
            .then(|| serde_json::from_value(item).expect("an item"))
    });
    (told["output"].as_str().expect("a text").to_owned(), shown)
}

/// Spawns an agent; its id.
async fn spawn(server: &TestServer, client: &Client, thread: &str, arguments: Value) -> String {
    let (told, _) = call(server, client, thread, "spawn_agent", arguments).await;
    let told: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("an agent, not: {told}"));
    told["agent_id"].as_str().expect("an id").to_owned()
}

/// The end of an agent's `nth` turn, which may have come while something else was awaited.
async fn ended(client: &Client, agent: &str, nth: usize) -> TurnStatus {
    let ends = |log: &[Value]| -> Vec<Value> {
        let is_end =
            |message: &&Value| message["method"] == "turn/completed" && message["params"]["threadId"] == *agent;
        log.iter().filter(is_end).cloned().collect()
    };
    let log = client
        .until("the end of an agent's turn", |log| ends(log).len() >= nth)
        .await;
    let end = ends(&log).remove(nth - 1);
    serde_json::from_value(end["params"]["turn"]["status"].clone()).expect("a status")
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("JSON, not: {text}"))
}

fn state_of(item: Option<ThreadItem>, agent: &str) -> (CollabAgentToolCallStatus, CollabAgentState) {
    match item {
        Some(ThreadItem::CollabAgentToolCall {
            status, agents_states, ..
        }) => (status, agents_states[agent].clone()),
        other => panic!("an agent call, not {other:?}"),
    }
}

fn texts(request: &Value) -> Vec<String> {
    let items = request["input"].as_array().expect("input");
    let parts = items.iter().filter_map(|item| item["content"].as_array()).flatten();
    parts
        .filter_map(|part| part["text"].as_str().map(str::to_owned))
        .collect()
}

async fn an_agent_works_beside_its_parent(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let work = server
        .model
        .add_for_agents(Reply::message(&["found it"]).held_before(1));
    let agent = spawn(
        &server,
        &client,
        &thread,
        json!({"message": "look", "agent_type": "explorer"}),
    )
    .await;
    work.reached().await;
    work.release();
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Completed);

    // It is a thread of the session, with its parent's settings and none of the agent tools.
    let read = client
        .call_raw("thread/read", json!({"threadId": agent}))
        .await
        .unwrap();
    let read = &read["thread"];
    assert_eq!(read["sessionId"], *thread);
    assert_eq!(read["agentRole"], "explorer");
    assert!(read["agentNickname"].is_string());
    let source = &read["source"]["subAgent"]["thread_spawn"];
    assert_eq!(
        (&source["parent_thread_id"], &source["depth"]),
        (&json!(thread), &json!(1))
    );
    let asked = &server.model.agent_requests()[0];
    let offered = asked["tools"].to_string();
    assert!(offered.contains("exec_command") && !offered.contains("spawn_agent"));
    assert!(server.model.requests()[0]["tools"].to_string().contains("spawn_agent"));

    let (told, shown) = call(&server, &client, &thread, "wait_agent", json!({"targets": [agent]})).await;
    assert_eq!(
        json_of(&told),
        json!({"status": {agent.clone(): {"completed": "found it"}}, "timed_out": false})
    );
    let (status, state) = state_of(shown, &agent);
    assert_eq!(status, CollabAgentToolCallStatus::Completed);
    assert_eq!(state.message.as_deref(), Some("found it"));
    let notice = format!(
        "<subagent_notification>\n{{\"agent_path\":\"{agent}\",\"status\":{{\"completed\":\"found it\"}}}}\n</subagent_notification>"
    );
    let told = texts(server.model.requests().last().unwrap());
    assert_eq!(told.iter().filter(|text| **text == notice).count(), 1, "told once");

    let (told, _) = call(&server, &client, &thread, "close_agent", json!({"target": agent})).await;
    assert_eq!(json_of(&told), json!({"previous_status": {"completed": "found it"}}));
    let (told, shown) = call(&server, &client, &thread, "close_agent", json!({"target": agent})).await;
    assert_eq!(told, format!("agent with id {agent} not found"));
    assert_eq!(state_of(shown, &agent).1.status, CollabAgentStatus::NotFound);
    let loaded = client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(loaded["data"], json!([thread]));

    // What was closed can be taken up again, and knows what it knew.
    let (told, _) = call(&server, &client, &thread, "resume_agent", json!({"id": agent})).await;
    assert_eq!(json_of(&told), json!({"status": "pending_init"}));
    server.model.add_for_agents(Reply::message(&["found more"]));
    let more = json!({"target": agent, "message": "look again"});
    call(&server, &client, &thread, "send_input", more).await;
    assert_eq!(ended(&client, &agent, 2).await, TurnStatus::Completed);
    let known = texts(server.model.agent_requests().last().unwrap());
    assert!(known.contains(&"found it".to_owned()) && known.contains(&"look again".to_owned()));
}

#[tokio::test]
async fn a_session_has_as_many_agents_as_its_configuration_allows() {
    let mut server = TestServer::with(Transport::Ws, "", &["-c", "agents.max_threads=1"]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let agent = spawn(&server, &client, &thread, json!({"message": "one"})).await;
    let (told, shown) = call(&server, &client, &thread, "spawn_agent", json!({"message": "two"})).await;
    assert_eq!(told, "collab spawn failed: agent thread limit reached");
    let Some(ThreadItem::CollabAgentToolCall {
        status,
        receiver_thread_ids,
        ..
    }) = shown
    else {
        panic!("the call shows");
    };
    assert_eq!(status, CollabAgentToolCallStatus::Failed);
    assert!(receiver_thread_ids.is_empty());
    call(&server, &client, &thread, "close_agent", json!({"target": agent})).await;
    spawn(&server, &client, &thread, json!({"message": "three"})).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_told_to_the_model() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let not_found = format!("agent with id {NOBODY} not found");
    let closing_oneself = format!("agent with id {thread} cannot be closed: this thread works for it");
    let wrong = [
        ("spawn_agent", json!({}), "Provide one of: message or items"),
        (
            "spawn_agent",
            json!({"message": "x", "agent_type": "nope"}),
            "unknown agent_type 'nope'",
        ),
        (
            "spawn_agent",
            json!({"message": "x", "model": "gpt-5.4", "reasoning_effort": "minimal"}),
            "Reasoning effort `minimal` is not supported for model `gpt-5.4`. Supported reasoning efforts: low, medium, \
             high, xhigh",
        ),
        (
            "spawn_agent",
            json!({"message": "x", "service_tier": "bogus", "model": "gpt-5.4-mini"}),
            "Service tier `bogus` is not supported for model `gpt-5.4-mini`. Supported service tiers: none",
        ),
        (
            "send_input",
            json!({"target": "junk", "message": "x"}),
            "invalid agent id junk: Error(ParseChar { character: 'j', index: 1 })",
        ),
        ("send_input", json!({"target": NOBODY, "message": "x"}), &not_found),
        ("resume_agent", json!({"id": NOBODY}), &not_found),
        ("close_agent", json!({"target": thread}), &closing_oneself),
        ("wait_agent", json!({"targets": []}), "agent ids must be non-empty"),
        (
            "wait_agent",
            json!({"targets": [NOBODY], "timeout_ms": 0}),
            "timeout_ms must be greater than zero",
        ),
    ];
    for (tool, arguments, expected) in wrong {
        let (told, _) = call(&server, &client, &thread, tool, arguments).await;
        assert_eq!(told, expected, "{tool}");
    }
    let (told, _) = call(&server, &client, &thread, "wait_agent", json!({"targets": [NOBODY]})).await;
    assert_eq!(
        json_of(&told),
        json!({"status": {NOBODY: "not_found"}, "timed_out": false})
    );
    let collab = |method: &str| {
        let log = client.log();
        let shown = log.iter().filter(|message| {
            message["method"] == method && message["params"]["item"]["type"] == "collabAgentToolCall"
        });
        shown.count()
    };
    assert_eq!(
        collab("item/started"),
        collab("item/completed"),
        "every call that shows completes"
    );
    assert!(server.model.agent_requests().is_empty());
}

#[tokio::test]
async fn agents_ask_for_approval_where_their_parents_are_heard() {
    let flags = ["-c", "approval_policy=\"untrusted\""];
    let mut server = TestServer::with(Transport::Ws, "", &flags).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let command = json!({"cmd": "touch made", "login": false});
    server.model.add_for_agents(Reply::call("exec_command", command, "c1"));
    let agent = spawn(&server, &client, &thread, json!({"message": "make it"})).await;
    let (id, asked) = client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    assert_eq!(asked.thread_id, agent);
    client.reply(&id, json!({"decision": "accept"}));
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Completed);
    assert!(server.work().join("made").exists());
}

#[tokio::test]
async fn input_that_interrupts_starts_a_turn_of_its_own() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server
        .model
        .add_for_agents(Reply::message(&["never said"]).held_before(1));
    let agent = spawn(&server, &client, &thread, json!({"message": "one"})).await;
    held.reached().await;
    server.model.add_for_agents(Reply::message(&["second"]));
    let redirect = json!({"target": agent, "message": "two", "interrupt": true});
    let (_, shown) = call(&server, &client, &thread, "send_input", redirect).await;
    assert_eq!(state_of(shown, &agent).1.status, CollabAgentStatus::Running);
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Interrupted);
    assert_eq!(ended(&client, &agent, 2).await, TurnStatus::Completed);
    let said = texts(server.model.agent_requests().last().unwrap());
    assert_eq!(said.last().map(String::as_str), Some("two"));
}

#[tokio::test]
async fn closing_an_agent_at_work_interrupts_it() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server
        .model
        .add_for_agents(Reply::message(&["never said"]).held_before(1));
    let agent = spawn(&server, &client, &thread, json!({"message": "one"})).await;
    held.reached().await;
    let (told, _) = call(&server, &client, &thread, "close_agent", json!({"target": agent})).await;
    assert_eq!(json_of(&told), json!({"previous_status": "running"}));
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Interrupted);
    client.turn(&thread, "and now").await;
    let told = texts(server.model.requests().last().unwrap()).join("\n");
    assert!(told.contains(&format!("{{\"agent_path\":\"{agent}\",\"status\":\"shutdown\"}}")));
}

#[tokio::test]
async fn agents_end_with_the_thread_that_is_archived() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server
        .model
        .add_for_agents(Reply::message(&["never said"]).held_before(1));
    let agent = spawn(&server, &client, &thread, json!({"message": "one"})).await;
    held.reached().await;
    client
        .call_raw("thread/archive", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Interrupted);
    client
        .next_where(|archived: &ThreadArchivedNotification| archived.thread_id == agent)
        .await;
    let loaded = client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(loaded["data"], json!([]));
}

#[tokio::test]
async fn an_agent_survives_the_death_of_the_server_in_its_rollout() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server
        .model
        .add_for_agents(Reply::message(&["never said"]).held_before(1));
    let agent = spawn(&server, &client, &thread, json!({"message": "remember me"})).await;
    held.reached().await;
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    let (told, _) = call(&server, &client, &thread, "wait_agent", json!({"targets": [agent]})).await;
    assert_eq!(
        json_of(&told),
        json!({"status": {agent.clone(): "not_found"}, "timed_out": false})
    );
    let (told, _) = call(&server, &client, &thread, "resume_agent", json!({"id": agent})).await;
    assert_eq!(json_of(&told), json!({"status": "pending_init"}));
    let more = json!({"target": agent, "message": "go on"});
    call(&server, &client, &thread, "send_input", more).await;
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Completed);
    let known = texts(server.model.agent_requests().last().unwrap());
    assert!(known.contains(&"remember me".to_owned()));
}

#[tokio::test]
async fn a_forked_agent_begins_with_what_was_said() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    client.turn(&thread, "the secret is 42").await;
    let fork = json!({"message": "what is the secret?", "fork_context": true});
    let agent = spawn(&server, &client, &thread, fork).await;
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Completed);
    let asked = &server.model.agent_requests()[0];
    let said = texts(asked);
    assert!(said.contains(&"the secret is 42".to_owned()));
    assert_eq!(said.last().map(String::as_str), Some("what is the secret?"));
    assert!(
        !asked["input"].to_string().contains("function_call"),
        "work is left out"
    );
}

#[tokio::test]
async fn a_role_brings_its_own_configuration() {
    let table = "[agents.reviewer]\ndescription = \"Reviews changes.\"\nconfig_file = \"reviewer.toml\"\n\
                 nickname_candidates = [\"Zed\"]\n";
    let mut server = TestServer::with(Transport::Ws, table, &[]).await;
    let role = "developer_instructions = \"REVIEW ONLY\"\nmodel_reasoning_effort = \"high\"\n";
    std::fs::write(server.home().join("reviewer.toml"), role).unwrap();
    let client = server.client().await;
    let thread = client.thread().await;
    let wish = json!({"message": "review", "agent_type": "reviewer"});
    let (told, _) = call(&server, &client, &thread, "spawn_agent", wish).await;
    let told = json_of(&told);
    assert_eq!(told["nickname"], "Zed");
    ended(&client, told["agent_id"].as_str().unwrap(), 1).await;
    let asked = &server.model.agent_requests()[0];
    assert_eq!(asked["reasoning"]["effort"], "high");
    assert!(texts(asked).join("\n").contains("REVIEW ONLY"));
    assert!(
        server.model.requests()[0]["tools"]
            .to_string()
            .contains("Reviews changes.")
    );
}

#[tokio::test]
async fn an_agent_of_a_thread_that_is_not_kept_takes_over_its_conversation() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let params = json!({"cwd": server.work(), "ephemeral": true});
    let started = client.call_raw("thread/start", params).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap();
    server.model.say("an answer");
    client.turn(thread, "said before").await;
    server.model.add_for_agents(Reply::message(&["done"]));
    let arguments = json!({"message": "work", "fork_context": true});
    let agent = spawn(&server, &client, thread, arguments).await;
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Completed);
    let told = texts(&server.model.agent_requests()[0]);
    assert!(
        told.contains(&"said before".to_owned()) && told.contains(&"work".to_owned()),
        "{told:?}"
    );
}

#[tokio::test]
async fn the_agents_of_an_agent_are_resumed_with_it() {
    let mut server = TestServer::with(Transport::Ws, "[agents]\nmax_depth = 2\n", &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let deeper = Reply::call("spawn_agent", json!({"message": "deeper"}), "deeper");
    server.model.add_for_agents(deeper);
    for _ in 0..3 {
        server.model.add_for_agents(Reply::message(&["done"]));
    }
    let agent = spawn(&server, &client, &thread, json!({"message": "work"})).await;
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Completed);
    let loaded = async || -> Vec<Value> {
        let list = client.call_raw("thread/loaded/list", json!({})).await.unwrap();
        list["data"].as_array().unwrap().clone()
    };
    let all = loaded().await;
    assert_eq!(all.len(), 3);
    let below = all
        .iter()
        .find(|id| ![thread.as_str(), agent.as_str()].contains(&id.as_str().unwrap()));
    assert_eq!(
        ended(&client, below.unwrap().as_str().unwrap(), 1).await,
        TurnStatus::Completed
    );
    call(&server, &client, &thread, "close_agent", json!({"target": agent})).await;
    assert_eq!(loaded().await, [json!(thread)]);
    let (told, _) = call(&server, &client, &thread, "resume_agent", json!({"id": agent})).await;
    assert_eq!(json_of(&told)["status"], "pending_init");
    assert_eq!(loaded().await, all);
}

#[tokio::test]
async fn roles_lie_in_files_of_their_own() {
    let mut server = TestServer::start(Transport::Ws).await;
    let roles = server.home().join("agents");
    std::fs::create_dir(&roles).unwrap();
    let role = "name = \"painter\"\ndescription = \"Paints\"\ndeveloper_instructions = \"PAINT ONLY\"\n";
    std::fs::write(roles.join("painter.toml"), role).unwrap();
    std::fs::write(roles.join("broken.toml"), "name = \"broken\"\n").unwrap();
    let client = server.client().await;
    let thread = client.thread().await;
    let why = format!(
        "Ignoring malformed agent role definition: agent role file at {}/broken.toml must define `developer_instructions`",
        roles.display()
    );
    let warned = client
        .next_where(|warning: &WarningNotification| warning.message == why)
        .await;
    assert_eq!(warned.thread_id.as_deref(), Some(thread.as_str()));
    client
        .next_where(|warning: &ConfigWarningNotification| warning.summary == why)
        .await;
    server.model.add_for_agents(Reply::message(&["done"]));
    let arguments = json!({"message": "work", "agent_type": "painter"});
    let agent = spawn(&server, &client, &thread, arguments).await;
    assert_eq!(ended(&client, &agent, 1).await, TurnStatus::Completed);
    let told = texts(&server.model.agent_requests()[0]);
    assert!(told.contains(&"PAINT ONLY".to_owned()), "{told:?}");
    let offered = server.model.requests()[0]["tools"].to_string();
    assert!(offered.contains("painter: Paints"));
}
