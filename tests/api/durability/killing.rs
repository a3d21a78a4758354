//! `kill -9` at any moment: every method that writes keeps what it answered.
//!
//! A table of operations works on threads of its own, all at once, while the server is killed at random moments of its
//! whole life: while it starts, while it takes threads up, while it writes. After each kill a new server must show what
//! was answered before. What was asked and not answered may be there or not, but never by half.
//! `GREENROOM_KILL_ROUNDS` sets the rounds, `GREENROOM_KILL_SEED` repeats a run.

mod operations;

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use self::operations::{OPERATIONS, Operation, Seen};
use crate::harness::{Client, Reply, TestServer, Transport};

/// Rounds of the kill test; the full bar (200) is set by `GREENROOM_KILL_ROUNDS`.
fn rounds() -> u64 {
    std::env::var("GREENROOM_KILL_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(12)
}

/// An operation at work on its thread, over all lives of the server.
struct Worker {
    operation: &'static Operation,
    thread: String,
    n: u64,
    /// How often it went well.
    answered: u64,
    /// What was answered: all of it, or the last where each overwrites the one before.
    promised: Vec<Value>,
    /// What was asked last and not answered when the server was killed.
    open: Option<Value>,
    /// Items that were told as completed: turn and item.
    told: Vec<(String, String)>,
    built: bool,
}

impl Worker {
    async fn new(client: &Client, operation: &'static Operation) -> Self {
        let thread = client.thread().await;
        client.turn(&thread, "make it real").await;
        Worker {
            operation,
            thread,
            n: 0,
            answered: 0,
            promised: Vec::new(),
            open: None,
            told: Vec::new(),
            built: true,
        }
    }

    /// Works until the server is gone.
    async fn work(&mut self, client: &Client) {
        let resume = client.start("thread/resume", json!({"threadId": self.thread}));
        if answer(client, resume).await.is_none() {
            return;
        }
        let mut turns = 0;
        let last_time = self.n.saturating_add(self.operation.at_most);
        while self.built && self.n < last_time {
            self.n += 1;
            let requests = (self.operation.requests)(&self.thread, self.n);
            let last = requests.len() - 1;
            for (index, (method, params)) in requests.into_iter().enumerate() {
                if index == last && self.operation.overwrites {
                    self.open = Some((self.operation.promise)(self.n, &Value::Null));
                }
                let id = client.start(method, params);
                match answer(client, id).await {
                    None => return,
                    Some(Err(message)) => {
                        self.open = None;
                        self.built &= !message.contains("not built yet");
                        break;
                    }
                    Some(Ok(answer)) if index == last => self.keep(&answer),
                    Some(Ok(_)) => {}
                }
                if ["turn/start", "thread/shellCommand"].contains(&method) {
                    turns += 1;
                    if !turns_end(client, &self.thread, turns).await {
                        return;
                    }
                }
            }
        }
    }

    fn keep(&mut self, answer: &Value) {
        self.open = None;
        self.answered += 1;
        if self.operation.overwrites {
            self.promised.clear();
        }
        self.promised.push((self.operation.promise)(self.n, answer));
    }

    /// Remembers the items that a client was told of before its server went.
    fn note(&mut self, log: &[Value]) {
        if self.operation.name == "thread/rollback" {
            return;
        }
        let completed = log
            .iter()
            .filter(|m| m["method"] == "item/completed" && m["params"]["threadId"] == *self.thread);
        self.told
            .extend(completed.map(|m| (text(&m["params"]["turnId"]), text(&m["params"]["item"]["id"]))));
    }

    /// What the new server shows must be what was promised.
    fn check(&mut self, seen: &Seen, when: &str) {
        let name = self.operation.name;
        let holds = |promise: &Value| (self.operation.holds)(seen, promise);
        if self.operation.overwrites {
            let shown = self.open.iter().chain(&self.promised).find(|promise| holds(promise));
            let nothing_yet = self.promised.is_empty();
            assert!(
                shown.is_some() || nothing_yet,
                "{when}: {name}: {:?} is gone: {}",
                self.promised,
                seen.thread
            );
            // What was open is decided now.
            self.promised = shown.cloned().into_iter().collect();
            self.open = None;
        } else {
            let lost: Vec<_> = self.promised.iter().filter(|promise| !holds(promise)).collect();
            assert!(lost.is_empty(), "{when}: {name}: lost {lost:?}");
        }
        let turns = seen.thread["turns"].as_array().map(Vec::as_slice).unwrap_or_default();
        let items = turns.iter().flat_map(|turn| {
            let items = turn["items"].as_array().into_iter().flatten();
            items.map(|item| (text(&turn["id"]), text(&item["id"])))
        });
        let kept: HashSet<_> = items.collect();
        let lost: Vec<_> = self.told.iter().filter(|told| !kept.contains(told)).collect();
        assert!(
            lost.is_empty(),
            "{when}: {name}: items that were told are gone: {lost:?}"
        );
        let ended = turns.iter().all(|turn| turn["status"] != "inProgress");
        assert!(ended, "{when}: {name}: a turn of a dead server goes on: {turns:?}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The answer to a request; `None` when the server went first.
async fn answer(client: &Client, id: i64) -> Option<Result<Value, String>> {
    let message = client
        .find_or_end("an answer", |m| m.get("method").is_none() && m["id"] == id)
        .await?;
    Some(match message.get("error") {
        Some(error) => Err(error["message"].as_str().unwrap_or_default().to_owned()),
        None => Ok(message["result"].clone()),
    })
}

/// Waits for the `count`th end of a turn of this life; false when the server went first.
async fn turns_end(client: &Client, thread: &str, count: usize) -> bool {
    let ended = Cell::new(0);
    let enough = |m: &Value| {
        let ends = m["method"] == "turn/completed" && m["params"]["threadId"] == thread;
        ended.set(ended.get() + usize::from(ends));
        ends && ended.get() == count
    };
    client.find_or_end("the end of a turn", enough).await.is_some()
}

/// Looks at everything, and checks what holds for all threads.
async fn look(client: &Client, workers: &[Worker], when: &str) -> HashMap<String, Seen> {
    let mut listed = BTreeSet::new();
    let mut away = BTreeSet::new();
    for archived in [false, true] {
        let mut cursor = Value::Null;
        loop {
            let asked = json!({"archived": archived, "limit": 50, "cursor": cursor});
            let page = client.call_raw("thread/list", asked).await.unwrap();
            for row in page["data"].as_array().unwrap() {
                let id = row["id"].as_str().unwrap().to_string();
                assert!(listed.insert(id.clone()), "{when}: {id} is listed twice");
                if archived {
                    away.insert(id);
                }
            }
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
    }
    for id in &listed {
        let read = json!({"threadId": id, "includeTurns": true});
        let read = client.call_raw("thread/read", read).await;
        let read = read.unwrap_or_else(|error| panic!("{when}: {id} is listed, not read: {error:?}"));
        let first = &read["thread"]["turns"][0]["items"][0]["content"][0]["text"];
        assert_eq!(*first, "make it real", "{when}: {id} is there by half");
    }
    let mut seen = HashMap::new();
    for worker in workers {
        let thread = json!({"threadId": worker.thread, "includeTurns": true});
        let mut read = client.call_raw("thread/read", thread).await.unwrap();
        let path = read["thread"]["path"].as_str().unwrap();
        let rollout = std::fs::read(path).unwrap_or_else(|error| panic!("{when}: {path}: {error}"));
        let goal = client
            .call_raw("thread/goal/get", json!({"threadId": worker.thread}))
            .await;
        let of_thread = Seen {
            archived: away.contains(&worker.thread),
            goal: goal.unwrap_or_default(),
            rollout: String::from_utf8_lossy(&rollout).into_owned(),
            listed: listed.clone(),
            turns: read["thread"]["turns"].to_string(),
            thread: read["thread"].take(),
        };
        assert!(
            listed.contains(&worker.thread),
            "{when}: {} is listed nowhere",
            worker.operation.name
        );
        seen.insert(worker.thread.clone(), of_thread);
    }
    seen
}

/// Moments of a run, from its seed.
struct Moments(u64);

impl Moments {
    fn below(&mut self, limit: Duration) -> Duration {
        // The step of SplitMix64: even neighbouring seeds give unrelated moments.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        limit.mul_f64((mixed >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// A long script, so that turns have something to write: a command, a patch, a message.
fn script(server: &TestServer) {
    server.model.clear();
    for n in 0..200 {
        let command = json!({"cmd": format!("echo {n}"), "login": false});
        server.model.add(Reply::call("exec_command", command, &format!("c{n}")));
        let patch = format!("*** Begin Patch\n*** Add File: f{n}.txt\n+{n}\n*** End Patch");
        server.model.add(Reply::custom("apply_patch", &patch, &format!("p{n}")));
        server.model.add(Reply::message(&["all ", "done"]));
    }
}

#[tokio::test]
async fn killing_the_server_at_any_moment_keeps_what_every_method_answered() {
    let named = std::env::var("GREENROOM_KILL_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = named.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let mut moments = Moments(seed);
    let goals = ["-c", "features.goals=true"];
    let mut server = TestServer::with(Transport::Ws, "", &goals).await;
    let client = server.client().await;
    let mut workers = Vec::new();
    for operation in OPERATIONS {
        workers.push(Worker::new(&client, operation).await);
    }
    // On a slow machine a few more, until every method has come to an answer.
    for round in 0..rounds() * 4 {
        if round >= rounds() && workers.iter().all(|worker| !worker.built || worker.answered > 0) {
            break;
        }
        let when = format!("seed {seed}, round {round}");
        script(&server);
        let client = server.client().await;
        let end = Instant::now() + moments.below(Duration::from_millis(1200));
        let working = futures_util::future::join_all(workers.iter_mut().map(|worker| worker.work(&client)));
        let ((), _) = tokio::join!(
            async {
                tokio::time::sleep_until(end).await;
                server.kill().await;
            },
            working
        );
        let log = client.log();
        workers.iter_mut().for_each(|worker| worker.note(&log));
        // Every third server does not live to its first client.
        if round % 3 == 2 {
            let short = moments.below(Duration::from_millis(150));
            let _ = tokio::time::timeout(short, server.launch()).await;
            server.kill().await;
        }
        server.launch().await;
        let client = server.client().await;
        let seen = look(&client, &workers, &when).await;
        workers
            .iter_mut()
            .for_each(|worker| worker.check(&seen[&worker.thread], &when));
    }
    for worker in workers.iter().filter(|worker| worker.built) {
        let name = worker.operation.name;
        eprintln!("{name}: {} times, {} answered", worker.n, worker.answered);
        assert!(worker.answered > 0, "{name} was never answered: nothing was tested");
    }
}
