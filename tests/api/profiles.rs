//! Permission profiles: by default, for a thread, for a turn; what answers show; what commands and patches are held to.

use greenroom::protocol::methods::server::ItemFileChangeRequestApproval;
use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Process, Reply, ScriptedModel, TestServer, Transport, home_with};
use crate::sandbox::stage::Way;

const PROFILES: &str = "[permissions.p.filesystem]\n\":root\" = \"read\"\n\":workspace_roots\" = \"write\"\n\
     [permissions.q.filesystem]\n\":root\" = \"read\"\n\":tmpdir\" = \"write\"\n\
     [permissions.holed.filesystem]\n\":root\" = \"read\"\n\
     \":workspace_roots\" = { \".\" = \"write\", \"kept\" = \"read\", \"*.env\" = \"none\" }\n";

/// A server whose home lies outside of `/tmp` folders that profiles open, without `sandbox_mode`.
async fn server(top: &str, tables: &str) -> TestServer {
    server_by("auto", top, tables).await
}

/// One that confines by a method.
async fn server_by(method: &str, top: &str, tables: &str) -> TestServer {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let file = root.path().join("home/config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("sandbox_mode = \"danger-full-access\"\n", top)
        .replace("\"never\"", "\"on-request\"");
    std::fs::write(&file, format!("{text}\n{tables}")).unwrap();
    let process = Process {
        env: vec![("GREENROOM_SANDBOX_METHOD".to_owned(), method.to_owned())],
        ..Process::default()
    };
    TestServer::started(root, model, Transport::Ws, &[], process).await
}

async fn started(client: &Client, server: &TestServer, params: Value) -> Result<Value, String> {
    let mut all = json!({"cwd": server.work()});
    all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    client
        .call_raw("thread/start", all)
        .await
        .map_err(|error| error.message)
}

fn run(cmd: &str, id: &str) -> Reply {
    Reply::call("exec_command", json!({"cmd": cmd, "login": false}), id)
}

fn id_of(started: &Value) -> String {
    started["thread"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_default_profile_holds_and_answers_show_what_it_looks_like() {
    let mut server = server("default_permissions = \"p\"\n", PROFILES).await;
    let client = server.client().await;
    let thread = started(&client, &server, json!({})).await.unwrap();
    assert_eq!(thread["activePermissionProfile"], json!({"id": "p", "extends": null}));
    let memories = server.home().join("memories");
    let shown = json!({"type": "workspaceWrite", "writableRoots": [memories], "networkAccess": false,
        "excludeTmpdirEnvVar": true, "excludeSlashTmp": true});
    assert_eq!(thread["sandbox"], shown);
    server.model.add(run(
        "touch made ../outside .git; echo network:$CODEX_SANDBOX_NETWORK_DISABLED",
        "c1",
    ));
    client.turn(&id_of(&thread), "go").await;
    assert!(server.work().join("made").exists());
    assert!(!server.root.path().join("outside").exists());
    assert!(server.model.output_of("c1").unwrap().to_string().contains("network:1"));

    // The mode that a request names holds in place of the profile.
    let thread = started(&client, &server, json!({"sandbox": "read-only"}))
        .await
        .unwrap();
    assert_eq!(thread["activePermissionProfile"], Value::Null);
    let config = json!({"config": {"sandbox_mode": "read-only"}});
    assert_eq!(
        started(&client, &server, config).await.unwrap()["sandbox"]["type"],
        "readOnly"
    );
    let other = json!({"permissions": {"type": "profile", "id": "q"}});
    let other = started(&client, &server, other).await.unwrap();
    assert_eq!(other["activePermissionProfile"]["id"], "q");
}

#[tokio::test]
async fn a_turn_may_name_another_profile_and_it_stays() {
    let mut server = server("default_permissions = \":read-only\"\n", PROFILES).await;
    let client = server.client().await;
    let thread = id_of(&started(&client, &server, json!({})).await.unwrap());
    server.model.say("hello");
    client.turn(&thread, "go").await;
    for (asked, active, kind) in [
        (json!({"permissions": "p"}), json!("p"), "workspaceWrite"),
        (json!({}), json!("p"), "workspaceWrite"),
        (
            json!({"permissions": ":danger-full-access"}),
            json!(":danger-full-access"),
            "dangerFullAccess",
        ),
        (json!({"sandboxPolicy": {"type": "readOnly"}}), Value::Null, "readOnly"),
    ] {
        let mut params = json!({"threadId": thread, "input": [{"type": "text", "text": "on"}]});
        params
            .as_object_mut()
            .unwrap()
            .extend(asked.as_object().unwrap().clone());
        let turn = client.call_raw("turn/start", params).await.unwrap();
        client.done(turn["turn"]["id"].as_str().unwrap()).await;
        let now = json!({"threadId": thread, "excludeTurns": true});
        let now = client.call_raw("thread/resume", now).await.unwrap();
        let id = now["activePermissionProfile"].get("id").cloned().unwrap_or_default();
        assert_eq!((id, now["sandbox"]["type"].as_str()), (active, Some(kind)), "{asked}");
    }
    let turn = |extra: Value| {
        let mut params = json!({"threadId": thread, "input": [{"type": "text", "text": "on"}]});
        params
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        params
    };
    for (asked, why) in [
        (
            json!({"permissions": "zz"}),
            "failed to load configuration: default_permissions refers to undefined profile `zz`",
        ),
        (
            json!({"permissions": "p", "sandboxPolicy": {"type": "readOnly"}}),
            "`permissions` cannot be combined with `sandboxPolicy`",
        ),
    ] {
        let error = client.call_raw("turn/start", turn(asked)).await.unwrap_err();
        assert_eq!(error.message, why);
    }
}

#[tokio::test]
async fn what_no_profile_can_be_is_an_error_and_a_warning() {
    for (top, tables, why) in [
        (
            "",
            PROFILES,
            "config defines `[permissions]` profiles but does not set `default_permissions`",
        ),
        (
            "default_permissions = \"p\"\n",
            "",
            "default_permissions requires a `[permissions]` table",
        ),
        (
            "default_permissions = \":bogus\"\n",
            "",
            "default_permissions refers to unknown built-in profile `:bogus`",
        ),
    ] {
        let mut server = server(top, tables).await;
        let client = server.client().await;
        let warning = client.next::<ConfigWarningNotification>().await;
        assert_eq!(warning.summary, "Invalid configuration; using defaults.");
        assert_eq!(warning.details.as_deref(), Some(why));
        let error = started(&client, &server, json!({})).await.unwrap_err();
        assert_eq!(error, format!("failed to load configuration: {why}"));
        let both = json!({"permissions": "p", "sandbox": "read-only"});
        let error = started(&client, &server, both).await.unwrap_err();
        assert_eq!(error, "`permissions` cannot be combined with `sandbox`");
        assert!(started(&client, &server, json!({"sandbox": "read-only"})).await.is_ok());
    }
}

#[tokio::test]
async fn what_cannot_be_enforced_is_told_and_nothing_runs_with_less() {
    // The weakest way: its rules only add.
    if !Way::LANDLOCK.works_here() {
        return;
    }
    let mut server = server_by("landlock", "default_permissions = \"holed\"\n", PROFILES).await;
    std::fs::create_dir(server.work().join("kept")).unwrap();
    std::fs::write(server.work().join("a.env"), "secret\n").unwrap();
    let client = server.client().await;
    let thread = id_of(&started(&client, &server, json!({})).await.unwrap());
    let warning = client.next::<WarningNotification>().await;
    assert!(warning.message.contains("`holed`") && warning.message.contains("cannot enforce"));
    let patch =
        |hunk: &str, id: &str| Reply::custom("apply_patch", &format!("*** Begin Patch\n{hunk}\n*** End Patch"), id);
    server.model.add(run("cat a.env; touch made", "c1"));
    server
        .model
        .add(patch("*** Update File: a.env\n@@\n-secret\n+known", "c2"));
    server.model.add(patch("*** Add File: new\n+one", "c3"));
    server.model.add(patch("*** Add File: kept/new\n+one", "c4"));
    let turn = client.begin(&thread, "go").await;
    let (id, _) = client.asked::<ItemFileChangeRequestApproval>().await;
    client.reply(&id, json!({"decision": "decline"}));
    client.done(&turn).await;
    let told = |call: &str| server.model.output_of(call).unwrap().to_string();
    assert!(told("c1").contains("cannot enforce") && !told("c1").contains("secret"));
    assert!(told("c2").contains("Failed to read file to update") && told("c2").contains("Permission denied"));
    assert!(!server.work().join("made").exists());
    assert!(server.work().join("new").exists(), "a patch can be held to it");
    assert!(!server.work().join("kept/new").exists());
}

#[tokio::test]
async fn patterns_and_places_hold_for_commands_patches_and_pictures() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let profile = "[permissions.p.filesystem]\n\":minimal\" = \"read\"\n\
         \":workspace_roots\" = { \".\" = \"write\", \"**/*.env\" = \"none\", \"**/*.png\" = \"none\" }\n";
    let mut server = server("default_permissions = \"p\"\n", profile).await;
    let client = server.client().await;
    let thread = id_of(&started(&client, &server, json!({})).await.unwrap());
    std::fs::create_dir(server.work().join("sub")).unwrap();
    std::fs::write(server.work().join("sub/a.env"), "secret\n").unwrap();
    std::fs::write(server.root.path().join("outside"), "secret\n").unwrap();
    std::os::unix::fs::symlink("sub/a.env", server.work().join("plain")).unwrap();
    let outside = server.root.path().join("outside.png");
    for picture in [&outside, &server.work().join("sub/dot.png")] {
        std::fs::write(picture, "no picture, but nobody gets as far as that").unwrap();
    }
    let patch =
        |hunk: &str, id: &str| Reply::custom("apply_patch", &format!("*** Begin Patch\n{hunk}\n*** End Patch"), id);
    let look = |path: &str, id: &str| Reply::call("view_image", json!({"path": path}), id);
    let update = |path: &str| format!("*** Update File: {path}\n@@\n-secret\n+known");
    for reply in [
        run("cat sub/a.env plain ../outside; echo ran | tee made", "run"),
        patch(&update("sub/a.env"), "update"),
        patch(&update("plain"), "link"),
        patch(&update("../outside"), "outside"),
        patch("*** Add File: new.env\n+one", "add"),
        patch(
            "*** Update File: made\n*** Move to: sub/made.env\n@@\n-ran\n+moved",
            "move",
        ),
        look("sub/dot.png", "see"),
        look(outside.to_str().unwrap(), "look"),
    ] {
        server.model.add(reply);
    }
    let turn = client.begin(&thread, "go").await;
    for _ in ["add", "move"] {
        let (id, _) = client.asked::<ItemFileChangeRequestApproval>().await;
        client.reply(&id, json!({"decision": "decline"}));
    }
    client.done(&turn).await;
    let told = |call: &str| server.model.output_of(call).expect(call).to_string();
    assert!(
        told("run").contains("ran") && !told("run").contains("secret"),
        "{}",
        told("run")
    );
    for call in ["update", "link", "outside", "see", "look"] {
        assert!(told(call).contains("Permission denied"), "{call}: {}", told(call));
    }
    assert!(!server.work().join("new.env").exists() && !server.work().join("sub/made.env").exists());
}

#[tokio::test]
async fn closed_places_stay_closed_whatever_the_sandbox_can_do() {
    let profile = "[permissions.p.filesystem]\n\":root\" = \"read\"\n\
         \":workspace_roots\" = { \".\" = \"write\", \"kept\" = \"read\", \"closed\" = \"none\" }\n";
    let mut server = server("default_permissions = \"p\"\n", profile).await;
    for folder in ["kept", "closed"] {
        std::fs::create_dir(server.work().join(folder)).unwrap();
    }
    std::fs::write(server.work().join("closed/secret"), "hush\n").unwrap();
    let client = server.client().await;
    let thread = id_of(&started(&client, &server, json!({})).await.unwrap());
    server
        .model
        .add(run("cat closed/secret; touch closed/made kept/made", "c1"));
    client.turn(&thread, "go").await;
    assert!(!server.model.output_of("c1").unwrap().to_string().contains("hush"));
    for made in ["kept/made", "closed/made"] {
        assert!(!server.work().join(made).exists(), "{made}");
    }
    assert_eq!(
        std::fs::read_to_string(server.work().join("closed/secret")).unwrap(),
        "hush\n"
    );
}
