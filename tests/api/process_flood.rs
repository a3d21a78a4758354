//! Processes that print more than their clients read, and clients that come and go while processes do.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, TestServer, Transport, counted, scrape, within};

/// A client that reads only when it is told to.
struct Reluctant {
    socket: WebSocketStream<TcpStream>,
    /// What came while an answer was waited for.
    early: VecDeque<Value>,
}

impl Reluctant {
    async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let url = format!("ws://127.0.0.1:{port}/");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut this = Reluctant {
            socket,
            early: VecDeque::new(),
        };
        let client = json!({"name": "tests", "version": "1"});
        let params = json!({"clientInfo": client, "capabilities": {"experimentalApi": true}});
        this.ask("initialize", params).await;
        this
    }

    /// Sends a request and reads on to its answer, which is the next message with an id.
    async fn ask(&mut self, method: &str, params: Value) {
        let request = json!({"id": 1, "method": method, "params": params}).to_string();
        self.socket.send(Message::text(request)).await.unwrap();
        loop {
            let message = self.read().await;
            if message.get("id").is_some() {
                break;
            }
            self.early.push_back(message);
        }
    }

    async fn next(&mut self) -> Value {
        match self.early.pop_front() {
            Some(message) => message,
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Value {
        let message = within("a message", self.socket.next()).await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }
}

fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

async fn passed_on(port: u16) -> f64 {
    counted(&scrape(port).await, "greenroom_process_output_bytes_total", &[])
}

/// The slowest of some requests.
async fn slowest(client: &Client, requests: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..requests {
        let started = Instant::now();
        client.call_raw("thread/loaded/list", json!({})).await.unwrap();
        slowest = slowest.max(started.elapsed());
    }
    slowest
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_its_processes_and_nobody_else() {
    const LINES: usize = 6_000_000;
    let mut server = TestServer::start(Transport::Ws).await;
    let other = server.client().await;
    let mut flooded = Reluctant::connect(server.port()).await;
    slowest(&other, 50).await;
    let before = resident(server.pid());
    for handle in ["a", "b"] {
        let command = ["seq", &LINES.to_string()];
        let params = json!({"command": command, "processHandle": handle, "cwd": server.work(),
            "streamStdoutStderr": true, "outputBytesCap": null, "timeoutMs": null});
        flooded.ask("process/spawn", params).await;
    }
    // The processes stand still once what they may have on the way is on the way.
    let mut last = -1.0;
    within("the processes to stand still", async {
        loop {
            let now = passed_on(server.port()).await;
            if now == last && now > 0.0 {
                break;
            }
            last = now;
            slowest(&other, 20).await;
        }
    })
    .await;
    let latency = slowest(&other, 200).await;
    let grown = resident(server.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "the server grew by {grown} bytes");
    assert!(latency < Duration::from_millis(500), "others waited for {latency:?}");
    // Output that nobody was ready for is all there, in order, and both processes get their share.
    let mut texts = BTreeMap::from([("a", Vec::new()), ("b", Vec::new())]);
    let (mut exited, mut share) = (0, 0);
    while exited < 2 {
        let message = flooded.next().await;
        let params = &message["params"];
        match message["method"].as_str() {
            Some("process/outputDelta") => {
                let bytes = STANDARD.decode(params["deltaBase64"].as_str().unwrap()).unwrap();
                let handle = params["processHandle"].as_str().unwrap();
                texts.get_mut(handle).unwrap().extend(bytes);
            }
            Some("process/exited") => {
                exited += 1;
                if exited == 1 {
                    share = texts["a"].len().min(texts["b"].len());
                }
            }
            _ => {}
        }
    }
    for (handle, text) in &texts {
        let text = std::str::from_utf8(text).unwrap();
        let mut lines = text.lines().enumerate();
        let wrong = lines.find(|(n, line)| line.parse() != Ok(n + 1));
        assert_eq!(wrong, None, "{handle}");
        assert_eq!(text.lines().count(), LINES, "{handle}");
    }
    // How much depends on how the system shares its processors among the two.
    assert!(
        share > LINES / 2,
        "the other had only {share} bytes when one had all of its own"
    );
}

#[tokio::test]
async fn a_flooded_client_that_leaves_takes_its_processes_along() {
    let mut server = TestServer::start(Transport::Ws).await;
    let other = server.client().await;
    let mut flooded = Reluctant::connect(server.port()).await;
    for (handle, tty) in [("a", false), ("b", true)] {
        let params = json!({"command": ["cat", "/dev/zero"], "processHandle": handle, "cwd": server.work(),
            "streamStdoutStderr": true, "tty": tty, "outputBytesCap": null, "timeoutMs": null});
        flooded.ask("process/spawn", params).await;
    }
    drop(flooded);
    within("no process", async {
        while counted(&server.metrics().await, "greenroom_processes", &[]) > 0.0 {
            slowest(&other, 1).await;
        }
    })
    .await;
}

/// What a client does in one random life: which processes ended, against which were started.
async fn life(port: u16, work: &std::path::Path, rng: &mut SmallRng) {
    const COMMANDS: &[&[&str]] = &[
        &["true"],
        &["cat"],
        &["sleep", "60"],
        &["sh", "-c", "exit 3"],
        &["sh", "-c", "trap '' TERM; while read x; do echo $x; done; sleep 60"],
        &["sh", "-c", "sleep 60 & sleep 60"],
        &["head", "-c", "300000", "/dev/zero"],
        &["cat", "/dev/zero"],
        &["/no/such/program"],
    ];
    let client = Client::over_ws(port, None).await.unwrap();
    client.initialize().await;
    let mut started: Vec<(String, i64)> = Vec::new();
    for _ in 0..rng.random_range(2..12) {
        let handle = ["a", "b", "c"][rng.random_range(0..3)].to_owned();
        let (method, params) = match rng.random_range(0..10) {
            0..4 => {
                let tty = rng.random_bool(0.3);
                let cap = [0, 1000, 200_000][rng.random_range(0..3)];
                let timeout = [json!(0), json!(20), json!(null)][rng.random_range(0..3)].clone();
                let params = json!({"command": COMMANDS[rng.random_range(0..COMMANDS.len())],
                    "processHandle": handle, "cwd": work, "tty": tty, "streamStdin": rng.random_bool(0.5),
                    "streamStdoutStderr": rng.random_bool(0.5),
                    "outputBytesCap": cap, "timeoutMs": timeout});
                ("process/spawn", params)
            }
            4..7 => {
                let text = STANDARD.encode(vec![b'x'; rng.random_range(0..100_000)]);
                let close = rng.random_bool(0.2);
                let params = json!({"processHandle": handle, "deltaBase64": text, "closeStdin": close});
                ("process/writeStdin", params)
            }
            7 => {
                let size = json!({"rows": rng.random_range(1..99), "cols": rng.random_range(1..99)});
                ("process/resizePty", json!({"processHandle": handle, "size": size}))
            }
            _ => ("process/kill", json!({"processHandle": handle})),
        };
        let id = client.start(method, params);
        if method == "process/spawn" {
            started.push((handle, id));
        }
        if rng.random_bool(0.5) {
            let _ = client.answer_to(id).await;
        }
    }
    if rng.random_bool(0.3) {
        client.close();
        return;
    }
    let mut running: BTreeMap<String, usize> = BTreeMap::new();
    for (handle, id) in started {
        if client.answer_to(id).await.is_ok() {
            *running.entry(handle).or_default() += 1;
        }
    }
    let ends = |log: &[Value]| {
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for message in log.iter().filter(|m| m["method"] == "process/exited") {
            let handle = message["params"]["processHandle"].as_str().unwrap();
            *ends.entry(handle.to_owned()).or_default() += 1;
        }
        ends
    };
    for handle in ["a", "b", "c"] {
        let _ = client.call_raw("process/kill", json!({"processHandle": handle})).await;
    }
    client
        .until(&format!("the end of {running:?}"), |log| ends(log) == running)
        .await;
    // Whatever would come twice has come by the time of an answer that follows.
    client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(ends(&client.log()), running);
    client.close();
}

/// `GREENROOM_PROCESS_LIVES` says how many lives, `GREENROOM_PROCESS_SEED` which ones.
#[tokio::test]
async fn random_lives_leave_nothing_behind_and_every_end_is_told_once() {
    let number = |name: &str, default: u64| {
        let set = std::env::var(name).ok().and_then(|value| value.parse().ok());
        set.unwrap_or(default)
    };
    let (lives, seed) = (
        number("GREENROOM_PROCESS_LIVES", 80),
        number("GREENROOM_PROCESS_SEED", 42),
    );
    let server = TestServer::start(Transport::Ws).await;
    let (port, work) = (server.port(), server.work());
    life(port, &work, &mut SmallRng::seed_from_u64(seed)).await;
    let left = async || {
        let metrics = server.metrics().await;
        let processes = counted(&metrics, "greenroom_processes", &[]);
        let connections = counted(&metrics, "greenroom_connections", &[]);
        (
            processes + connections,
            counted(&metrics, "greenroom_open_descriptors", &[]),
        )
    };
    let quiet = async || {
        within("the server to be quiet", async {
            loop {
                let (busy, descriptors) = left().await;
                if busy == 0.0 && children(server.pid()).is_empty() {
                    return descriptors;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    };
    let before = quiet().await;
    let mut lanes = Vec::new();
    for lane in 0..4 {
        let work = work.clone();
        lanes.push(tokio::spawn(async move {
            for n in (lane..lives).step_by(4) {
                let seed = seed.wrapping_mul(1_000_003).wrapping_add(n);
                life(port, &work, &mut SmallRng::seed_from_u64(seed)).await;
            }
        }));
    }
    for lane in lanes {
        lane.await.unwrap();
    }
    let mut after = quiet().await;
    // The last sockets close a moment after their connections are forgotten.
    within("the descriptors", async {
        while after > before + 2.0 {
            after = quiet().await;
        }
    })
    .await;
}

/// The processes whose parent is `pid`, zombies among them.
fn children(pid: u32) -> Vec<String> {
    let parent = pid.to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            let fields = stat.rsplit(')').next().unwrap_or_default();
            fields.split_whitespace().nth(1) == Some(&parent)
        })
        .collect()
}
