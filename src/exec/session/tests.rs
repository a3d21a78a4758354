use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::exec::pty::PtySize;
use crate::exec::sessions::{MAX_SESSIONS, Sessions};

fn start_in(sessions: &Sessions, script: &str, terminal: bool) -> Arc<Session> {
    let environment = std::env::vars_os().collect::<BTreeMap<_, _>>();
    let argv = ["/bin/bash", "-c", script].map(str::to_owned);
    let request = SpawnRequest {
        argv: &argv,
        cwd: Path::new("/"),
        environment: &environment,
        terminal: terminal.then(PtySize::default),
        confined: None,
    };
    sessions.start("call".into(), &request).unwrap()
}

fn start(script: &str) -> (Sessions, Arc<Session>) {
    let sessions = Sessions::default();
    let session = start_in(&sessions, script, false);
    (sessions, session)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn whole(script: &str) -> Collected {
    let (_sessions, session) = start(script);
    session.collect(later()).await
}

async fn heard(mut listener: mpsc::Receiver<Bytes>) -> String {
    let mut all = Vec::new();
    while let Some(bytes) = listener.recv().await {
        all.extend_from_slice(&bytes);
    }
    String::from_utf8(all).unwrap()
}

fn alive(pid: &str) -> bool {
    // A zombie is dead for our purposes.
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

#[tokio::test]
async fn output_keeps_the_order_of_writing() {
    let collected = whole("echo a; echo b >&2; echo c; echo d >&2; exit 3").await;
    assert_eq!(collected.output, "a\nb\nc\nd\n");
    assert_eq!(collected.exit_code, Some(3));
}

#[tokio::test]
async fn input_is_empty_without_a_terminal() {
    let collected = whole("cat; read x; echo $?").await;
    assert_eq!((collected.output.as_str(), collected.exit_code), ("1\n", Some(0)));
    let (_sessions, session) = start("sleep 60");
    assert!(matches!(session.write("x").await, Err(InputError::Closed)));
}

#[tokio::test]
async fn a_signal_counts_as_minus_one() {
    assert_eq!(whole("kill -9 $$").await.exit_code, Some(-1));
    let sessions = Sessions::default();
    let session = start_in(&sessions, "kill -9 $$", true);
    assert_eq!(session.ended().await, 1, "behind a terminal it counts as one");
}

#[tokio::test]
async fn a_process_leads_its_own_session() {
    let collected = whole("cut -d' ' -f1,5,6,7 /proc/$$/stat; exec 2>&1; test -t 0; echo $?").await;
    let line = collected.output.lines().next().unwrap();
    let ids: Vec<&str> = line.split(' ').collect();
    assert_eq!(ids[0], ids[1], "group");
    assert_eq!(ids[0], ids[2], "session");
    assert_eq!(ids[3], "0", "no terminal");
}

#[tokio::test]
async fn a_missing_folder_or_program_is_an_error() {
    let environment = BTreeMap::new();
    let argv = ["/bin/bash".to_owned()];
    let request = SpawnRequest {
        argv: &argv,
        cwd: Path::new("/no/such/folder"),
        environment: &environment,
        terminal: None,
        confined: None,
    };
    let sessions = Sessions::default();
    let error = sessions.start("call".into(), &request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Failed to create unified exec process: No such file or directory (os error 2)"
    );
    assert!(sessions.is_empty());
}

#[tokio::test]
async fn a_terminal_can_be_typed_to() {
    let sessions = Sessions::default();
    let session = start_in(&sessions, "tty; stty size; read x; echo got:$x", true);
    let (mut seen, mut listener) = session.listen();
    while !seen.contains("24 80\r\n") {
        seen += std::str::from_utf8(&listener.recv().await.unwrap()).unwrap();
    }
    assert_eq!(session.phase(), Phase::Running);
    session.write("ping\n").await.unwrap();
    let collected = session.collect(later()).await;
    assert!(collected.output.starts_with("/dev/"), "{}", collected.output);
    assert!(
        collected.output.ends_with("24 80\r\nping\r\ngot:ping\r\n"),
        "{}",
        collected.output
    );
    assert_eq!(collected.exit_code, Some(0));
}

#[tokio::test]
async fn collecting_takes_what_is_there_at_the_deadline() {
    let (_sessions, session) = start("echo one; read x < <(sleep 60)");
    let (early, mut listener) = session.listen();
    if early.is_empty() {
        listener.recv().await.unwrap();
    }
    let collected = session.collect(Instant::now()).await;
    assert_eq!((collected.output.as_str(), collected.exit_code), ("one\n", None));
    assert_eq!(session.collect(Instant::now()).await.output, "");
    session.kill();
    assert_eq!(session.ended().await, -1);
}

#[tokio::test]
async fn killing_reaches_the_whole_group() {
    let (sessions, session) = start("sleep 60 & echo $!; wait");
    let (mut pid, mut listener) = session.listen();
    if pid.is_empty() {
        pid = String::from_utf8(listener.recv().await.unwrap().to_vec()).unwrap();
    }
    assert!(alive(&pid));
    sessions.close();
    assert_eq!(session.ended().await, -1);
    assert!(listener.recv().await.is_none());
    wait_for_death(&pid).await;
}

#[tokio::test]
async fn background_children_end_with_their_command() {
    let collected = whole("sleep 60 & echo $!").await;
    assert_eq!(collected.exit_code, Some(0));
    wait_for_death(&collected.output).await;
}

async fn wait_for_death(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while alive(pid) {
        assert!(Instant::now() < deadline, "{pid} still lives");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_listener_hears_everything_from_then_on() {
    let (_sessions, session) = start("read -t 0.05 x < <(sleep 1); seq 1 20000");
    let all = heard(session.listen().1).await;
    assert_eq!(all, (1..=20000).map(|n| format!("{n}\n")).collect::<String>());
    let (early, mut listener) = session.listen();
    assert_eq!((early, listener.recv().await), (all.clone(), None));
    assert_eq!(session.collect(later()).await.output, all);
}

#[tokio::test]
async fn a_flood_is_slowed_by_a_listener_that_does_not_listen() {
    let (_sessions, session) = start("yes | head -c 50000000");
    let (_, mut listener) = session.listen();
    assert!(!session.ended_within(Duration::from_millis(300)).await);
    let mut heard = 0;
    while let Some(bytes) = listener.recv().await {
        assert!(bytes.len() <= READ_SIZE);
        heard += bytes.len();
    }
    let collected = session.collect(later()).await;
    assert_eq!(collected.exit_code, Some(0));
    assert!(heard <= 50_000_000 && heard > 49_000_000);
    assert!(collected.output.len() < 1_100_000);
}

#[tokio::test]
async fn the_flood_goes_on_when_the_listener_leaves() {
    let (_sessions, session) = start("yes | head -c 3000000; exit 7");
    drop(session.listen());
    assert_eq!(session.collect(later()).await.exit_code, Some(7));
}

#[tokio::test]
async fn the_registry_prunes_the_oldest() {
    let sessions = Sessions::default();
    let ended = start_in(&sessions, "true", false);
    let first = start_in(&sessions, "sleep 60", false);
    let second = start_in(&sessions, "sleep 60", false);
    ended.ended().await;
    for _ in 3..MAX_SESSIONS {
        start_in(&sessions, "sleep 60", false);
    }
    assert_eq!(sessions.len(), MAX_SESSIONS);
    start_in(&sessions, "sleep 60", false);
    assert_eq!(sessions.len(), MAX_SESSIONS);
    assert!(sessions.get(ended.id()).is_none());
    assert!(sessions.get(first.id()).is_some(), "used just now");
    start_in(&sessions, "sleep 60", false);
    assert!(sessions.get(second.id()).is_none());
    assert_eq!(second.ended().await, -1);
    sessions.forget(first.id());
    assert!(sessions.get(first.id()).is_none());
    assert!((1000..100_000).contains(&first.id()));
}
