//! Executors that cannot be reached any more, for a while or for good.

use super::*;

/// A way to an exec-server that can be cut.
struct Road {
    url: String,
    cut: Arc<std::sync::Mutex<CancellationToken>>,
    taken: Arc<std::sync::atomic::AtomicUsize>,
}

impl Road {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let road = Road {
            url: format!("ws://{}", listener.local_addr().unwrap()),
            cut: Arc::default(),
            taken: Arc::default(),
        };
        let (cut, taken) = (road.cut.clone(), road.taken.clone());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let cut = cut.lock().unwrap().clone();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = cut.cancelled() => {
                            // As a network that is gone: without a word.
                            let _ = near.set_zero_linger();
                            let _ = far.set_zero_linger();
                        }
                    }
                });
            }
        });
        road
    }

    fn cut(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }
}

#[tokio::test]
async fn a_lost_connection_is_taken_up_again_and_nothing_is_missed() {
    let executor = ExecServer::start().await;
    let road = Road::to(executor.port()).await;
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    add(&client, "rem", &road.url).await;
    let params = json!({"environments": [at("rem", &executor.work())]});
    let started = client.call_raw("thread/start", params).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let script = format!(
        "cd {}; for i in 1 2 3 4 5 6 7 8 9; do echo $i; touch at-$i; sleep 0.1; done",
        executor.work().display()
    );
    server
        .model
        .add(command(&script, "count", json!({"yield_time_ms": 15_000})));
    server.model.say("done");
    let begun = client.begin(&thread, "go").await;
    for seen in ["at-3", "at-6"] {
        crate::harness::within(seen, async {
            while !executor.work().join(seen).exists() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        road.cut();
    }
    client.done(&begun).await;
    let counted = output(&server, "count");
    assert!(counted.contains("Process exited with code 0"), "{counted}");
    assert!(counted.ends_with("Output:\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"), "{counted}");
    assert!(road.taken.load(std::sync::atomic::Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn an_executor_that_is_gone_is_told_of_and_another_one_takes_its_place() {
    let executor = ExecServer::start().await;
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    add(&client, "rem", &executor.url()).await;
    let work = executor.work();
    let params = json!({"environments": [at("rem", &work)]});
    let started = client.call_raw("thread/start", params).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let held = server
        .model
        .add(command("echo up; sleep 600", "lost", json!({"yield_time_ms": 30_000})));
    drop(held);
    server.model.say("done");
    let begun = client.begin(&thread, "go").await;
    client
        .until("the command's start", |log| {
            log.iter().any(|m| m["params"]["item"]["type"] == "commandExecution")
        })
        .await;
    executor.stop().await;
    client.done(&begun).await;
    let lost = output(&server, "lost");
    assert!(
        lost.contains("ProcessFailed { message: \"exec-server transport disconnected: ") && lost.contains("up\n"),
        "{lost}"
    );

    let other = ExecServer::start().await;
    add(&client, "rem", &other.url()).await;
    server.model.add(command("echo again", "again", json!({})));
    server.model.say("done");
    turn(&client, &thread, json!([at("rem", &other.work())])).await;
    assert!(output(&server, "again").contains("again\n"));

    add(&client, "nobody", "ws://127.0.0.1:1").await;
    server.model.add(command("x", "refused", json!({})));
    server.model.say("done");
    turn(&client, &thread, json!([at("nobody", &other.work())])).await;
    let refused = output(&server, "refused");
    assert!(
        refused.contains("failed to connect to exec-server websocket `ws://127.0.0.1:1`: IO error: Connection refused"),
        "{refused}"
    );
}
