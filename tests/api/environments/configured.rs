//! Executors that a home, or a variable, names.

use super::*;

/// A server whose home has this environments.toml.
async fn configured(text: &str) -> TestServer {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    std::fs::write(root.path().join("home/environments.toml"), text).unwrap();
    TestServer::on(root, model, Transport::Ws, &[]).await
}

#[tokio::test]
async fn a_home_names_its_executors() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "open sesame\n").unwrap();
    let flags = [
        "--ws-auth",
        "capability-token",
        "--ws-token-file",
        secret.to_str().unwrap(),
    ];
    let guarded = ExecServer::of(Path::new(binary()), &flags).await;
    let text = format!(
        "default = \"guarded\"\n[[environments]]\nid = \"guarded\"\nurl = \"{}\"\ntoken_file = {secret:?}\n\
         [[environments]]\nid = \"program\"\nprogram = {:?}\nargs = [\"exec-server\", \"--listen\", \"stdio\"]\n\
         env = {{ SIDE = \"program\", GREENROOM_HOME = {:?} }}\n",
        guarded.url(),
        binary(),
        folder.path()
    );
    let mut server = configured(&text).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(command("echo $EXECUTOR_SIDE", "guarded", json!({})));
    server
        .model
        .add(command("echo $SIDE", "program", json!({"environment_id": "program"})));
    server
        .model
        .add(command("echo here", "here", json!({"environment_id": "local"})));
    server.model.say("done");
    client.turn(&thread, "go").await;
    for (call_id, printed) in [("guarded", "yes\n"), ("program", "program\n"), ("here", "here\n")] {
        let text = output(&server, call_id);
        assert!(text.ends_with(&format!("Output:\n{printed}")), "{call_id}: {text}");
    }
}

/// How a server with this environments.toml ends, and what it says.
async fn refused(text: &str) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("environments.toml"), text).unwrap();
    let output = tokio::process::Command::new(binary())
        .args(["app-server", "--listen", "ws://127.0.0.1:0"])
        .env("GREENROOM_HOME", home.path())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = crate::harness::within("its end", output).await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_mistake_in_the_home_stops_the_start() {
    let said = "Error: exec-server protocol error: default environment `zz` is not configured\n";
    assert_eq!(refused("default = \"zz\"\n").await, (Some(1), said.to_owned()));
}

#[tokio::test]
async fn one_variable_puts_everything_on_an_executor() {
    let executor = ExecServer::start().await;
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let process = Process {
        env: vec![("CODEX_EXEC_SERVER_URL".to_owned(), executor.url())],
        ..Process::default()
    };
    let mut server = TestServer::started(root, model, Transport::Ws, &[], process).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(command("echo $EXECUTOR_SIDE", "there", json!({})));
    server.model.say("done");
    client.turn(&thread, "go").await;
    assert!(
        output(&server, "there").ends_with("Output:\nyes\n"),
        "{}",
        output(&server, "there")
    );
    let local = json!({"environments": [at("local", &server.work())]});
    let error = client.call_raw("thread/start", local).await.unwrap_err();
    assert_eq!(error.message, "unknown turn environment id `local`");
}
