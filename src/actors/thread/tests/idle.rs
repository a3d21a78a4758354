//! Threads that nobody needs: when they go, what is said about it, and what is left of them.

use std::time::Instant;

use super::*;

/// Long enough that a busy machine gets everything else done within half of it.
const IDLE: Duration = Duration::from_millis(800);

async fn join(thread: &ThreadRef, screen: &Screen) -> Result<ThreadView, ThreadError> {
    let (go, wait) = oneshot::channel();
    go.send(()).unwrap();
    let client = screen.client.clone();
    thread
        .ask(|reply| ThreadCommand::Join {
            client,
            after: None,
            go: wait,
            reply,
        })
        .await
        .unwrap()
}

async fn leave(thread: &ThreadRef, screen: &Screen) {
    let client = screen.client.id();
    let left = thread.ask(|reply| ThreadCommand::Unsubscribe { client, reply }).await;
    assert_eq!(left, Ok(true));
}

/// Waits for the end of a thread and says when it came.
async fn end(screen: &mut Screen) -> Instant {
    assert_eq!(
        screen.see(2).await,
        ["thread/status/changed notLoaded", "thread/closed"]
    );
    Instant::now()
}

#[actix_web::test]
async fn activity_restarts_the_time() {
    let house = House::with(IDLE);
    let mut watcher = house.client();
    let thread = house.thread(&[]).await;
    tokio::time::sleep(IDLE / 2).await;
    let before = Instant::now();
    start(&thread, text("hello")).await;
    assert_eq!(
        watcher.see(2).await,
        ["thread/status/changed active", "thread/status/changed idle"]
    );
    assert!(end(&mut watcher).await - before >= IDLE);
}

#[actix_web::test]
async fn the_last_one_to_leave_restarts_the_time() {
    let house = House::with(IDLE);
    let mut watcher = house.client();
    let thread = house.thread(&[]).await;
    tokio::time::sleep(IDLE / 2).await;
    join(&thread, &watcher).await.unwrap();
    let before = Instant::now();
    leave(&thread, &watcher).await;
    assert!(end(&mut watcher).await - before >= IDLE);
}

#[actix_web::test]
async fn subscribers_and_turns_keep_a_thread() {
    let house = House::with(Duration::ZERO);
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    let turn = start(&thread, text("wait")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    leave(&thread, &screen).await;
    // Its time would have been over at once.
    thread.ask(ThreadCommand::View).await.unwrap();
    assert!(house.registry.get(&thread.id()).is_some(), "a turn runs");
    join(&thread, &screen).await.unwrap();
    interrupt(&thread, &turn).await.unwrap();
    assert_eq!(screen.see(2).await, END);
    assert!(house.registry.get(&thread.id()).is_some(), "somebody listens");
    leave(&thread, &screen).await;
    end(&mut screen).await;
}

#[actix_web::test]
async fn a_closing_thread_refuses_everybody() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    start(&thread, text("linger")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    let (reply, closed) = oneshot::channel();
    thread.try_send(ThreadCommand::Close { announce: true, reply }).unwrap();
    let refused = join(&thread, &screen).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("thread {} is closing; retry after the thread is closed", thread.id())
    );
    let (go, wait) = oneshot::channel();
    go.send(()).unwrap();
    let params = Box::new(TurnStartParams {
        input: text("hello"),
        ..TurnStartParams::default()
    });
    let refused = thread
        .ask(|reply| ThreadCommand::StartTurn {
            params,
            permissions: None,
            go: wait,
            reply,
        })
        .await
        .unwrap();
    assert_eq!(refused, Err(ThreadError::Closing(thread.id())));
    house.linger.notify_one();
    assert_eq!(screen.see(2).await, END);
    end(&mut screen).await;
    closed.await.unwrap();
}

#[actix_web::test]
async fn an_unloaded_thread_leaves_nothing_in_memory() {
    let house = House::with(Duration::ZERO);
    let mut watcher = house.client();
    let seed = seed(&house.home);
    let services = Arc::downgrade(&seed.services);
    let thread = house.registry.spawn(seed).await.unwrap();
    let face = Arc::downgrade(thread.face());
    drop(thread);
    end(&mut watcher).await;
    while services.upgrade().is_some() || face.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}
