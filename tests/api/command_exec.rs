//! `command/exec*`: commands whose answer is their end, held to a sandbox policy.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Client, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(
    a_command_answers_when_it_ends,
    a_named_command_is_written_to_and_terminated
);

async fn exec(client: &Client, params: Value) -> (i64, String, String) {
    let result = client.call_raw("command/exec", params).await.expect("command/exec");
    let text = |member: &str| result[member].as_str().unwrap().to_owned();
    (result["exitCode"].as_i64().unwrap(), text("stdout"), text("stderr"))
}

async fn refusal(client: &Client, method: &str, params: Value) -> (i64, String) {
    let error = client.call_raw(method, params).await.expect_err("a refusal");
    (error.code, error.message)
}

fn streamed(log: &[Value], id: &str) -> Vec<(String, String, bool)> {
    log.iter()
        .filter(|m| m["method"] == "command/exec/outputDelta" && m["params"]["processId"] == id)
        .map(|m| {
            let params = &m["params"];
            let bytes = STANDARD.decode(params["deltaBase64"].as_str().unwrap()).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let stream = params["stream"].as_str().unwrap().to_owned();
            (stream, text, params["capReached"].as_bool().unwrap())
        })
        .collect()
}

async fn a_command_answers_when_it_ends(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let script = json!({"command": ["sh", "-c", "echo out; echo err >&2; exit 7"]});
    assert_eq!(exec(&client, script).await, (7, "out\n".into(), "err\n".into()));
    std::fs::create_dir(server.work().join("sub")).unwrap();
    let below = exec(&client, json!({"command": ["pwd"], "cwd": "sub"})).await;
    assert_eq!(
        below.1.trim_end(),
        server.work().join("sub").canonicalize().unwrap().to_str().unwrap()
    );
    let sleep = json!({"command": ["sh", "-c", "echo a; sleep 60"], "timeoutMs": 200});
    assert_eq!(exec(&client, sleep).await, (124, "a\n".into(), "".into()));
    let capped = json!({"command": ["printf", "1234567890"], "outputBytesCap": 5});
    assert_eq!(exec(&client, capped).await.1, "12345");
    let all =
        json!({"command": ["head", "-c", "2000000", "/dev/zero"], "disableOutputCap": true, "disableTimeout": true});
    assert_eq!(exec(&client, all).await.1.len(), 2_000_000);
    let streaming = json!({"command": ["sh", "-c", "printf 12345; exit 2"], "processId": "s",
        "streamStdoutStderr": true, "outputBytesCap": 5});
    assert_eq!(exec(&client, streaming).await, (2, "".into(), "".into()));
    assert_eq!(streamed(&client.log(), "s"), [("stdout".into(), "12345".into(), true)]);
    // Unnamed commands run side by side.
    let both: Vec<i64> = (0..2)
        .map(|_| client.start("command/exec", json!({"command": ["sleep", "0.1"]})))
        .collect();
    for id in both {
        assert_eq!(client.answer_to(id).await.unwrap()["exitCode"], 0);
    }
}

async fn a_named_command_is_written_to_and_terminated(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let cat = json!({"command": ["cat"], "processId": "c", "streamStdin": true, "streamStdoutStderr": true});
    let id = client.start("command/exec", cat);
    let write = json!({"processId": "c", "deltaBase64": STANDARD.encode("hello\n")});
    client.call_raw("command/exec/write", write).await.unwrap();
    client.until("the echo", |log| !streamed(log, "c").is_empty()).await;
    let taken = "duplicate active command/exec process id: \"c\"".to_owned();
    let again = json!({"command": ["true"], "processId": "c"});
    assert_eq!(refusal(&client, "command/exec", again.clone()).await, (-32600, taken));
    client
        .call_raw("command/exec/write", json!({"processId": "c", "closeStdin": true}))
        .await
        .unwrap();
    assert_eq!(
        client.answer_to(id).await.unwrap(),
        json!({"exitCode": 0, "stdout": "", "stderr": ""})
    );
    // Whoever has the answer may use the name again.
    for _ in 0..20 {
        assert_eq!(exec(&client, again.clone()).await.0, 0);
    }
    for (tty, code) in [(false, -1), (true, 1)] {
        let sleep = json!({"command": ["sleep", "60"], "processId": "t", "tty": tty});
        let id = client.start("command/exec", sleep);
        let resized = client.call_raw(
            "command/exec/resize",
            json!({"processId": "t", "size": {"rows": 5, "cols": 5}}),
        );
        assert_eq!(resized.await.is_ok(), tty);
        client
            .call_raw("command/exec/terminate", json!({"processId": "t"}))
            .await
            .unwrap();
        assert_eq!(client.answer_to(id).await.unwrap()["exitCode"], code);
    }
    let unknown = "no active command/exec for process id \"t\"".to_owned();
    assert_eq!(
        refusal(&client, "command/exec/terminate", json!({"processId": "t"})).await,
        (-32600, unknown)
    );
}

#[tokio::test]
async fn combinations_are_refused_in_order() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let size = json!({"rows": 0, "cols": 5});
    let full = json!({"type": "dangerFullAccess"});
    let disabled = json!({"type": "disabled"});
    for (params, code, told) in [
        (
            json!({"command": [], "size": size}),
            -32600,
            "command must not be empty",
        ),
        (
            json!({"sandboxPolicy": full, "permissionProfile": disabled, "size": size}),
            -32600,
            "`permissionProfile` cannot be combined with `sandboxPolicy`",
        ),
        (
            json!({"size": size, "outputBytesCap": 1, "disableOutputCap": true}),
            -32602,
            "command/exec size requires tty: true",
        ),
        (
            json!({"outputBytesCap": 1, "disableOutputCap": true, "timeoutMs": 1, "disableTimeout": true}),
            -32602,
            "command/exec cannot set both outputBytesCap and disableOutputCap",
        ),
        (
            json!({"timeoutMs": -1, "disableTimeout": true}),
            -32602,
            "command/exec cannot set both timeoutMs and disableTimeout",
        ),
        (
            json!({"timeoutMs": -5, "tty": true, "size": size}),
            -32602,
            "command/exec timeoutMs must be non-negative, got -5",
        ),
        (
            json!({"tty": true, "size": size}),
            -32602,
            "command/exec size rows and cols must be greater than 0",
        ),
        (
            json!({"streamStdin": true, "cwd": "/no/such/folder"}),
            -32600,
            "command/exec tty or streaming requires a client-supplied processId",
        ),
        (
            json!({"cwd": "/no/such/folder"}),
            -32603,
            "failed to spawn command: No such file or directory (os error 2)",
        ),
    ] {
        let mut asked = json!({"command": ["true"]});
        asked
            .as_object_mut()
            .unwrap()
            .extend(params.as_object().unwrap().clone());
        assert_eq!(refusal(&client, "command/exec", asked).await, (code, told.to_owned()));
    }
    let nothing = "command/exec/write requires deltaBase64 or closeStdin".to_owned();
    assert_eq!(
        refusal(&client, "command/exec/write", json!({"processId": "x"})).await,
        (-32602, nothing)
    );
    let resize = json!({"processId": "x", "size": size});
    let told = "command/exec size rows and cols must be greater than 0".to_owned();
    assert_eq!(refusal(&client, "command/exec/resize", resize).await, (-32602, told));
    let empty = json!({"command": ["echo", "x"], "processId": "", "streamStdoutStderr": true});
    assert_eq!(exec(&client, empty).await.0, 0);
}

/// A command that says where it could write and whether it was told to stay off the network.
fn attempt(server: &TestServer, rules: Value) -> Value {
    let outside = server.root.path().join("outside");
    let script = format!(
        "cd {} && touch inside 2>/dev/null && echo inside; touch {} 2>/dev/null && echo outside; \
         echo ${{CODEX_SANDBOX_NETWORK_DISABLED-on}}; rm -f inside {}",
        server.work().display(),
        outside.display(),
        outside.display()
    );
    let mut params = json!({"command": ["sh", "-c", script]});
    params
        .as_object_mut()
        .unwrap()
        .extend(rules.as_object().unwrap().clone());
    params
}

#[tokio::test]
async fn a_command_is_held_to_the_policy_that_it_is_given() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let closed = json!({"excludeSlashTmp": true, "excludeTmpdirEnvVar": true, "type": "workspaceWrite"});
    let root = |access: &str| json!({"access": access, "path": {"type": "special", "value": {"kind": "root"}}});
    let work = json!({"access": "write", "path": {"type": "special", "value": {"kind": "project_roots"}}});
    let managed = |entries: Value, network: bool| {
        let file_system = json!({"type": "restricted", "entries": entries});
        json!({"permissionProfile": {"type": "managed", "fileSystem": file_system, "network": {"enabled": network}}})
    };
    for (rules, told) in [
        (json!({}), "inside\noutside\non\n"),
        (json!({"sandboxPolicy": {"type": "readOnly"}}), "1\n"),
        (
            json!({"sandboxPolicy": {"type": "readOnly", "networkAccess": true}}),
            "on\n",
        ),
        (json!({"sandboxPolicy": closed}), "inside\n1\n"),
        // The workspace is the server's folder, wherever the command starts.
        (json!({"sandboxPolicy": closed, "cwd": "/"}), "inside\n1\n"),
        (
            json!({"sandboxPolicy": {"type": "externalSandbox"}}),
            "inside\noutside\n1\n",
        ),
        (
            json!({"permissionProfile": {"type": "disabled"}}),
            "inside\noutside\non\n",
        ),
        (managed(json!([root("read")]), true), "on\n"),
        (managed(json!([root("read"), work]), false), "inside\n1\n"),
        (managed(json!([root("write")]), false), "inside\noutside\n1\n"),
    ] {
        let (_, stdout, stderr) = exec(&client, attempt(&server, rules.clone())).await;
        assert_eq!((&*stdout, &*stderr), (told, ""), "{rules}");
    }
    // A confined command has its terminal like any other.
    let script = ["sh", "-c", "stty size; cat; touch /nope || stty size"];
    let id = client.start(
        "command/exec",
        json!({"command": script, "tty": true, "size": {"rows": 7, "cols": 70}, "processId": "t",
            "sandboxPolicy": {"type": "readOnly"}}),
    );
    let printed = |log: &[Value]| -> String { streamed(log, "t").into_iter().map(|(_, text, _)| text).collect() };
    client.until("the size", |log| printed(log).contains("7 70")).await;
    let size = json!({"processId": "t", "size": {"rows": 8, "cols": 80}});
    client.call_raw("command/exec/resize", size).await.unwrap();
    client
        .call_raw("command/exec/write", json!({"processId": "t", "closeStdin": true}))
        .await
        .unwrap();
    assert_eq!(client.answer_to(id).await.unwrap()["exitCode"], 0);
    assert!(printed(&client.log()).contains("8 80"));
    // What this machine cannot enforce is not run.
    let (code, told) = refusal(&client, "command/exec", attempt(&server, managed(json!([]), true))).await;
    assert!(code == -32603 && told.starts_with("exec failed: "), "{told}");
    // A command of the connection ends with it, confined or not.
    let sleep = json!({"command": ["sleep", "60"], "sandboxPolicy": {"type": "readOnly"}, "processId": "s"});
    client.start("command/exec", sleep);
    client
        .call_raw("command/exec/write", json!({"processId": "s", "closeStdin": true}))
        .await
        .unwrap_err();
    client.close();
    let other = server.client().await;
    crate::harness::within("no process", async {
        while !server.metrics().await.contains("greenroom_processes 0") {
            other.call_raw("thread/loaded/list", json!({})).await.unwrap();
        }
    })
    .await;
}
