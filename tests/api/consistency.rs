//! Two hundred turns with interrupts, steers, approvals and disconnects at any moment end in a consistent state: no
//! process is left, no request waits, and rollouts, index and what clients were told agree.
//!
//! `GREENROOM_CONSISTENCY_SEED` repeats a run, as far as the clock allows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Reply, ScriptedModel, TestServer, Transport, counted, within};

const THREADS: usize = 8;
const TURNS: usize = 25;

/// Numbers of a run, from its seed.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    /// A number below `sides`, by the step of SplitMix64.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// What the model does, whoever asks it: messages, commands that end and commands that stay, patches.
fn script(model: &ScriptedModel, dice: &mut Dice, mark: &str) {
    for n in 0..THREADS * TURNS * 3 {
        let id = format!("call_{n}");
        let command = |script: String| {
            let arguments = json!({"cmd": script, "login": false, "yield_time_ms": 250});
            Reply::call("exec_command", arguments, &id)
        };
        let reply = match dice.roll(20) {
            0..8 => Reply::message(&["some", "thing ", "to ", "read"]),
            8..11 => {
                let pause = Duration::from_millis(20 + dice.roll(80));
                Reply::message(&["slowly", " said"])
                    .held_before(3)
                    .released_after(pause)
            }
            11..13 => command("echo quick".to_owned()),
            13..15 => command(format!("sleep 0.0{}; echo {mark}", dice.roll(10))),
            15 => command(format!("echo begun; perl -e 'sleep 600' {mark}")),
            16 => command(format!("setsid perl -e 'sleep 600' {mark} & echo left {mark}")),
            17 => Reply::message(&["cut ", "off"]).truncated(),
            _ => {
                let patch = format!("*** Begin Patch\n*** Add File: f{n}.txt\n+{n}\n*** End Patch");
                Reply::custom("apply_patch", &patch, &id)
            }
        };
        model.add(reply);
    }
}

/// What somebody does to a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Nothing,
    Interrupt,
    Steer,
    Disconnect,
}

/// A thread and the client that works on it.
struct Worker {
    thread: String,
    port: u16,
    client: Client,
    /// Up to where the client's messages were looked at.
    seen: usize,
    dice: Dice,
    /// How each turn ended, as a client was told.
    ends: BTreeMap<String, String>,
    /// What was said in the middle of a turn and taken.
    steers: Vec<(String, String)>,
    /// Items that were told as completed, by turn.
    items: Vec<(String, String)>,
    /// Which turns were interrupted by a request.
    interrupted: Vec<usize>,
}

impl Worker {
    async fn connect(port: u16) -> Client {
        let client = Client::over_ws(port, None).await.expect("a WebSocket");
        client.initialize().await;
        client
    }

    async fn new(port: u16, dice: Dice) -> Self {
        let client = Self::connect(port).await;
        Worker {
            thread: client.thread().await,
            port,
            client,
            seen: 0,
            dice,
            ends: BTreeMap::new(),
            steers: Vec::new(),
            items: Vec::new(),
            interrupted: Vec::new(),
        }
    }

    /// Leaves and comes back; gives the turn of some words, and how it stands.
    async fn come_back(&mut self, words: &str) -> Option<(String, String)> {
        self.client.close();
        self.client = Self::connect(self.port).await;
        self.seen = 0;
        let asked = json!({"threadId": self.thread});
        let answer = self.client.call_raw("thread/resume", asked).await.expect("a thread");
        let turns = answer["thread"]["turns"].as_array().expect("turns");
        // One that has not begun yet is not shown; this client will hear of it.
        let turn = turns.iter().find(|turn| says(&turn["items"], words))?;
        let text = |name: &str| turn[name].as_str().expect("a text").to_owned();
        Some((text("id"), text("status")))
    }

    /// One turn, from its start to its end.
    async fn turn(&mut self, n: usize) {
        let words = format!("turn {n}.");
        // Its words may join a turn that began by itself with what somebody said too late for the one before.
        let mut turn = self.client.begin(&self.thread, &words).await;
        let deed = match self.dice.roll(10) {
            0..3 => Deed::Nothing,
            3..5 => Deed::Interrupt,
            5..7 => Deed::Steer,
            _ => Deed::Disconnect,
        };
        let mut patience = self.dice.roll(5);
        let mut done = false;
        loop {
            if patience == 0 && !done {
                done = true;
                match self.act(deed, &turn, n).await {
                    Some((id, status)) if status == "inProgress" => turn = id,
                    Some((id, end)) => {
                        self.ends.insert(id, end);
                        return;
                    }
                    None => {}
                }
            }
            patience = patience.saturating_sub(1);
            let message = self
                .hear(&format!("the end of turn {n}, {turn}, {deed:?}, done: {done}"))
                .await;
            let params = &message["params"];
            match message["method"].as_str().unwrap_or_default() {
                "turn/completed" => {
                    let text = |value: &Value| value.as_str().expect("a text").to_owned();
                    let (id, end) = (text(&params["turn"]["id"]), text(&params["turn"]["status"]));
                    self.ends.insert(id.clone(), end);
                    if id == turn {
                        return;
                    }
                }
                "item/completed" => {
                    let text = |value: &Value| value.as_str().expect("a text").to_owned();
                    self.items.push((text(&params["turnId"]), text(&params["item"]["id"])));
                    if says(&params["item"], &words) {
                        turn = text(&params["turnId"]);
                    }
                }
                // Some questions are left to a later connection, or to the interrupt.
                _ if message.get("id").is_some() && (done || deed == Deed::Nothing || deed == Deed::Steer) => {
                    let decision = match self.dice.roll(10) {
                        0..6 => "accept",
                        6 => "acceptForSession",
                        7 | 8 => "decline",
                        _ => "cancel",
                    };
                    self.client.reply(&message["id"], json!({"decision": decision}));
                }
                // Nobody answers a question that was overlooked: what was planned is done now.
                _ if message.get("id").is_some() => patience = 0,
                _ => {}
            }
        }
    }

    /// The next message about the thread.
    async fn hear(&mut self, what: &str) -> Value {
        let of_thread = |m: &Value| m["params"]["threadId"] == *self.thread && m.get("method").is_some();
        let found = self.client.find_from(what, self.seen, of_thread);
        let Ok((at, message)) = tokio::time::timeout(Duration::from_secs(15), found).await else {
            let log = self.client.log();
            let told = log.iter().rev().filter(|m| of_thread(m) || m.get("error").is_some());
            let last: Vec<String> = told
                .take(20)
                .map(|m| m.to_string().chars().take(300).collect())
                .collect();
            panic!(
                "{what} of {} does not come; the last messages, newest first:\n{}",
                self.thread,
                last.join("\n")
            );
        };
        self.seen = at + 1;
        message
    }

    /// Does what was planned; gives the turn as it stands, if that is how one learns of it.
    async fn act(&mut self, deed: Deed, turn: &str, n: usize) -> Option<(String, String)> {
        match deed {
            Deed::Nothing => {}
            Deed::Interrupt => {
                // Its answer comes with the end of the turn.
                let params = json!({"threadId": self.thread, "turnId": turn});
                self.client.start("turn/interrupt", params);
                self.interrupted.push(n);
            }
            Deed::Steer => {
                let text = format!("steer {n}.");
                let input = json!([{"type": "text", "text": text}]);
                let params = json!({"threadId": self.thread, "expectedTurnId": turn, "input": input});
                // The turn may be over.
                if self.client.call_raw("turn/steer", params).await.is_ok() {
                    self.steers.push((turn.to_owned(), text));
                }
            }
            Deed::Disconnect => return self.come_back(&format!("turn {n}.")).await,
        }
        None
    }

    /// What a server shows must be what was told.
    fn check(&self, shown: &Value, when: &str) {
        let when = format!("{when}: {}", self.thread);
        let turns = shown["turns"].as_array().expect("turns");
        let by_id: BTreeMap<&str, &Value> = turns
            .iter()
            .map(|turn| (turn["id"].as_str().expect("an id"), turn))
            .collect();
        assert_eq!(by_id.len(), turns.len(), "{when}: a turn is shown twice");
        for (id, turn) in &by_id {
            let ended = ["completed", "interrupted", "failed"]
                .iter()
                .any(|end| turn["status"] == *end);
            assert!(ended, "{when}: turn {id} goes on: {turn}");
        }
        for (id, end) in &self.ends {
            let status = by_id.get(id.as_str()).map(|turn| &turn["status"]);
            assert_eq!(status, Some(&json!(end)), "{when}: the end of turn {id}");
        }
        for (turn, item) in &self.items {
            let items = by_id.get(turn.as_str()).and_then(|turn| turn["items"].as_array());
            let kept = items.is_some_and(|items| items.iter().any(|kept| kept["id"] == *item));
            assert!(kept, "{when}: item {item} of turn {turn} was told and is gone");
        }
        for n in 0..TURNS {
            // An interrupt may come before a turn has looked at its words.
            let early = self.interrupted.contains(&n);
            assert!(
                early || says(&shown["turns"], &format!("turn {n}.")),
                "{when}: turn {n} is gone"
            );
        }
        for (turn, text) in &self.steers {
            // An interrupt forgets what was said before it.
            let forgotten = self.ends.get(turn).is_some_and(|end| end == "interrupted");
            assert!(
                forgotten || by_id.get(turn.as_str()).is_some_and(|turn| says(turn, text)),
                "{when}: `{text}` was taken in and is not in turn {turn}"
            );
        }
    }
}

/// Whether a user says something in what is shown.
fn says(shown: &Value, words: &str) -> bool {
    shown.to_string().contains(&format!("\"{words}\""))
}

/// Everything that a server shows of threads.
async fn look(client: &Client, workers: &[Worker]) -> Vec<Value> {
    let mut shown = Vec::new();
    let list = client
        .call_raw("thread/list", json!({"limit": 100}))
        .await
        .expect("a list");
    for worker in workers {
        let row = list["data"]
            .as_array()
            .expect("rows")
            .iter()
            .find(|row| row["id"] == *worker.thread);
        let row = row.unwrap_or_else(|| panic!("{} is not listed", worker.thread));
        let asked = json!({"threadId": worker.thread, "includeTurns": true});
        let mut read = client.call_raw("thread/read", asked).await.expect("a thread");
        let thread = read["thread"].take();
        for part in ["preview", "cwd", "modelProvider", "createdAt", "path"] {
            assert_eq!(row[part], thread[part], "{}: list and read differ", worker.thread);
        }
        shown.push(thread);
    }
    shown
}

/// The processes that carry a mark, and the dead ones that the server has not collected.
fn left(mark: &str, server: Option<u32>) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter_map(|number| {
            let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            let (_, rest) = stat.rsplit_once(") ")?;
            let mut rest = rest.split(' ');
            let dead = rest.next() == Some("Z") && server.is_some() && rest.next()?.parse().ok() == server;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (dead || line.contains(mark)).then(|| format!("{number}: {line}"))
        })
        .collect()
}

async fn nothing_left(mark: &str, server: Option<u32>, when: &str) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !left(mark, server).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{when}: {:#?}", left(mark, server));
}

#[tokio::test]
async fn two_hundred_disturbed_turns_end_in_a_consistent_state() {
    let named = std::env::var("GREENROOM_CONSISTENCY_SEED").ok();
    let seed = named.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    eprintln!("seed {seed}");
    let mut dice = Dice(seed);
    let mark = uuid::Uuid::new_v4().to_string();
    let flags = [
        "-c",
        "approval_policy=\"untrusted\"",
        "-c",
        "sandbox_mode=\"workspace-write\"",
    ];
    let mut server = TestServer::with(Transport::Ws, "", &flags).await;
    script(&server.model, &mut dice, &mark);
    let mut workers = Vec::new();
    for _ in 0..THREADS {
        let own = Dice(dice.roll(u64::MAX));
        workers.push(Worker::new(server.port(), own).await);
    }
    let work = workers.iter_mut().map(|worker| async {
        for n in 0..TURNS {
            worker.turn(n).await;
        }
    });
    futures_util::future::join_all(work).await;

    // What was said too late for a last turn began one more, which nobody has answered yet.
    let when = format!("seed {seed}");
    let mut last = Vec::new();
    for worker in &workers {
        let client = Worker::connect(server.port()).await;
        let asked = json!({"threadId": worker.thread});
        client.call_raw("thread/resume", asked).await.expect("a thread");
        last.push(client);
    }
    let mut answered = 0;
    within("an end of all requests and turns", async {
        loop {
            let log: Vec<Value> = last.iter().flat_map(Client::log).collect();
            let asked: Vec<&Value> = log
                .iter()
                .filter(|m| m.get("method").is_some() && m.get("id").is_some())
                .collect();
            if asked.len() > answered {
                answered = asked.len();
                for (client, question) in last
                    .iter()
                    .flat_map(|client| asked.iter().map(move |asked| (client, asked)))
                {
                    client.reply(&question["id"], json!({"decision": "decline"}));
                }
            }
            let metrics = server.metrics().await;
            let gauges = ["greenroom_pending_server_requests", "greenroom_turns_running"];
            if gauges.iter().all(|gauge| counted(&metrics, gauge, &[]) == 0.0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    // Nobody is asked any more, and nothing runs.
    let client = server.client().await;
    for worker in &workers {
        let asked = json!({"threadId": worker.thread});
        let answer = client.call_raw("thread/resume", asked).await.expect("a thread");
        // The last turn may have failed.
        let rests = ["idle", "systemError"]
            .iter()
            .any(|status| answer["thread"]["status"]["type"] == *status);
        assert!(rests, "{when}: {answer}");
    }
    let asked: Vec<_> = client
        .log()
        .into_iter()
        .filter(|m| m.get("method").is_some() && m.get("id").is_some())
        .collect();
    assert!(asked.is_empty(), "{when}: {asked:?}");
    let live = look(&client, &workers).await;
    for (worker, shown) in workers.iter().zip(&live) {
        worker.check(shown, &format!("{when}, live"));
    }

    // Commands that stay are the threads' own, and end when the user wants it.
    for worker in &workers {
        let asked = json!({"threadId": worker.thread});
        client
            .call_raw("thread/backgroundTerminals/clean", asked)
            .await
            .expect("an end of commands");
    }
    nothing_left(&mark, Some(server.pid()), &format!("{when}: after cleaning")).await;

    // From the index, and from the files alone, threads are what they were.
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(server.exit().await.success());
    server.launch().await;
    let client = server.client().await;
    server.indexed().await;
    let indexed = look(&client, &workers).await;
    for (worker, shown) in workers.iter().zip(&indexed) {
        worker.check(shown, &format!("{when}, from the index"));
    }
    server.kill().await;
    std::fs::remove_file(server.home().join("greenroom.sqlite")).expect("an index");
    for rest in ["greenroom.sqlite-wal", "greenroom.sqlite-shm"] {
        let _ = std::fs::remove_file(server.home().join(rest));
    }
    server.launch().await;
    let client = server.client().await;
    server.indexed().await;
    let rebuilt = look(&client, &workers).await;
    for (from_files, from_index) in rebuilt.iter().zip(&indexed) {
        assert_eq!(from_files, from_index, "{when}: files and index differ");
    }
    let ends: Vec<&str> = workers
        .iter()
        .flat_map(|worker| worker.ends.values())
        .map(String::as_str)
        .collect();
    let count = |wanted: &str| ends.iter().filter(|end| **end == wanted).count();
    eprintln!(
        "{} turns: {} completed, {} interrupted, {} failed; {} steers taken in",
        ends.len(),
        count("completed"),
        count("interrupted"),
        count("failed"),
        workers.iter().map(|worker| worker.steers.len()).sum::<usize>()
    );
}
