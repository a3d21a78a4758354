//! Skills: listed, switched, told to the model, used when the user means them, and watched.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use greenroom::protocol::methods::client;
use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport, within};

/// Writes a skill into the home and returns its file.
fn skill(server: &TestServer, name: &str, description: &str) -> PathBuf {
    let folder = server.home().join("skills").join(name);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("SKILL.md");
    fs::write(
        &file,
        format!("---\nname: {name}\ndescription: {description}\n---\nThe {name} way.\n"),
    )
    .unwrap();
    file
}

async fn listed(client: &Client, params: Value) -> Vec<(String, bool)> {
    let params = serde_json::from_value(params).unwrap();
    let list = client.call::<client::SkillsList>(params).await.unwrap();
    let skills = list.data.into_iter().flat_map(|entry| entry.skills);
    skills.map(|skill| (skill.name, skill.enabled)).collect()
}

fn on(name: &str) -> (String, bool) {
    (name.to_owned(), true)
}

fn off(name: &str) -> (String, bool) {
    (name.to_owned(), false)
}

/// All texts of a request's input.
fn texts(request: &Value) -> Vec<String> {
    let contents = request["input"].as_array().unwrap().iter();
    let parts = contents.flat_map(|item| item["content"].as_array().cloned().unwrap_or_default());
    parts
        .filter_map(|part| part["text"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn a_list_is_kept_until_something_is_known_to_have_changed() {
    let mut server = TestServer::start(Transport::Ws).await;
    skill(&server, "first", "d");
    let client = server.client().await;
    assert_eq!(listed(&client, json!({})).await, [on("first")]);
    skill(&server, "second", "d");
    assert_eq!(listed(&client, json!({})).await, [on("first")], "nobody watches");
    let all = [on("first"), on("second")];
    assert_eq!(listed(&client, json!({"forceReload": true})).await, all);
    assert_eq!(listed(&client, json!({})).await, all);
}

#[tokio::test]
async fn a_loaded_thread_has_its_skills_watched() {
    let mut server = TestServer::start(Transport::Ws).await;
    let (client, other) = (server.client().await, server.client().await);
    let thread = client.thread().await;
    assert_eq!(listed(&client, json!({})).await, []);
    // The folder of skills does not exist yet. Everybody is told.
    let file = skill(&server, "new", "d");
    client.next::<SkillsChangedNotification>().await;
    other.next::<SkillsChangedNotification>().await;
    assert_eq!(listed(&client, json!({})).await, [on("new")]);
    // The next notice waits for its time, but what is listed is what there is.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("name: new", "name: newer")).unwrap();
    let newer = async { while listed(&client, json!({})).await != [on("newer")] {} };
    within("the new name in the list", newer).await;
    assert!(
        other
            .methods()
            .iter()
            .filter(|method| *method == "skills/changed")
            .count()
            == 1
    );

    // What nobody uses any more is not watched.
    for client in [&client, &other] {
        let params = json!({"threadId": thread});
        client.call_raw("thread/unsubscribe", params).await.unwrap();
    }
    client
        .call_raw("thread/archive", json!({"threadId": thread}))
        .await
        .ok();
}

#[tokio::test]
async fn skills_are_switched_in_the_users_file_and_nothing_else_of_it_changes() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let (one, _) = (skill(&server, "one", "d"), skill(&server, "two", "d"));
    let client = server.client().await;
    let file = server.home().join("config.toml");
    let before = format!("# kept\n{}", fs::read_to_string(&file).unwrap());
    fs::write(&file, &before).unwrap();
    let write = async |params: Value| client.call_raw("skills/config/write", params).await;
    let detour = server.home().join("skills/../skills/one/SKILL.md");
    write(json!({"path": detour, "enabled": false})).await.unwrap();
    assert_eq!(
        write(json!({"name": " two ", "enabled": false})).await.unwrap(),
        json!({"effectiveEnabled": false})
    );
    assert_eq!(listed(&client, json!({})).await, [off("one"), off("two")]);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!(
            "{before}\n[[skills.config]]\npath = \"{}\"\nenabled = false\n\n[[skills.config]]\nname = \"two\"\nenabled = \
             false\n",
            one.display()
        )
    );
    write(json!({"path": one, "enabled": true})).await.unwrap();
    write(json!({"name": "two", "enabled": true})).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    for params in [json!({"enabled": true}), json!({"enabled": true, "name": " "})] {
        let error = write(params).await.unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            (-32602, "skills/config/write requires exactly one of path or name")
        );
    }
}

#[tokio::test]
async fn the_model_is_told_of_skills_and_given_those_that_the_user_means() {
    let mut server = TestServer::start(Transport::Ws).await;
    let painter = skill(&server, "painter", "Paints walls");
    for name in ["plumber", "secret", "broken"] {
        skill(&server, name, "Something else");
    }
    let quiet = server.home().join("skills/secret/agents");
    fs::create_dir_all(&quiet).unwrap();
    fs::write(
        quiet.join("openai.yaml"),
        "policy:\n  allow_implicit_invocation: false\n",
    )
    .unwrap();
    let client = server.client().await;
    client
        .call_raw("skills/config/write", json!({"name": "broken", "enabled": false}))
        .await
        .unwrap();
    let thread = client.thread().await;
    let turn = async |input: Value| {
        server.model.say("done");
        let params = json!({"threadId": thread, "input": input});
        let started = client.call_raw("turn/start", params).await.unwrap();
        client.done(started["turn"]["id"].as_str().unwrap()).await;
        texts(&server.model.requests().pop().unwrap())
    };
    let first = turn(json!([
        {"type": "text", "text": "$secret, $painter and $broken, please"},
        {"type": "skill", "name": "painter", "path": painter},
    ]))
    .await;
    let list = first
        .iter()
        .find(|text| text.starts_with("<skills_instructions>"))
        .unwrap();
    assert!(list.contains(&format!("- painter: Paints walls (file: {})", painter.display())));
    assert!(list.contains("- plumber: ") && !list.contains("secret") && !list.contains("broken"));
    let given = |texts: &[String]| -> Vec<String> {
        let given = texts.iter().filter_map(|text| text.strip_prefix("<skill>\n<name>"));
        given.map(|text| text.split('<').next().unwrap().to_owned()).collect()
    };
    assert_eq!(given(&first), ["painter", "secret"], "the named one first, each once");
    let text = fs::read_to_string(&painter).unwrap();
    let whole = format!(
        "<skill>\n<name>painter</name>\n<path>{}</path>\n{text}\n</skill>",
        painter.display()
    );
    assert!(first.contains(&whole));

    let second = turn(json!([{"type": "text", "text": "again"}])).await;
    assert_eq!(given(&second), given(&first), "nothing is added without being named");
    assert_eq!(
        second
            .iter()
            .filter(|text| text.starts_with("<skills_instructions>"))
            .count(),
        1
    );
}

/// A command that runs confined until `go` exists in its folder, after which it leaves `done`.
fn waits_for_go(server: &TestServer, marker: &str) -> Reply {
    let work = server.work();
    let script = format!("touch began-{marker}; until [ -e go-{marker} ]; do sleep 0.05; done");
    let arguments = json!({"cmd": script, "workdir": work, "yield_time_ms": 30_000});
    Reply::call("exec_command", arguments, marker)
}

#[tokio::test]
async fn what_the_sandbox_puts_in_the_way_is_no_change_of_skills() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let work = server.work();
    let params = json!({"cwd": work, "sandbox": "workspace-write", "approvalPolicy": "never"});
    let started = client.call_raw("thread/start", params).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap();
    let notices = || {
        let methods = client.methods();
        methods.iter().filter(|method| *method == "skills/changed").count()
    };
    let exists = async |path: PathBuf| {
        let there = async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("a file", there).await;
    };
    let ours = json!({"cwds": [work]});
    assert_eq!(listed(&client, ours.clone()).await, []);

    // A command comes and goes, and while the next one runs somebody makes a skill where a name is occupied.
    server.model.add(waits_for_go(&server, "first"));
    server.model.add(waits_for_go(&server, "second"));
    server.model.say("done");
    let turn = client.begin(thread, "go").await;
    exists(work.join("began-first")).await;
    // A notice would come a tenth of a second after what it is about, and the next one ten seconds later.
    tokio::time::sleep(Duration::from_millis(500)).await;
    fs::write(work.join("go-first"), "").unwrap();
    exists(work.join("began-second")).await;
    assert_eq!(notices(), 0);
    let folder = work.join(".agents/skills/made");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("SKILL.md"), "---\nname: made\ndescription: d\n---\nx\n").unwrap();
    client.next::<SkillsChangedNotification>().await;
    let known = async { while listed(&client, ours.clone()).await != [on("made")] {} };
    within("the new skill in the list", known).await;
    fs::write(work.join("go-second"), "").unwrap();
    client.done(&turn).await;
    assert_eq!(notices(), 1);
}
