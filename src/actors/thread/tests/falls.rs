//! Panics that no guard catches: an effect that follows its response runs outside of the handlers.

use super::*;

/// What everybody sees of a thread that is gone.
const GONE: [&str; 2] = ["thread/status/changed notLoaded", "thread/closed"];

/// Makes the thread fall: an empty input is told to the screen, which breaks.
async fn fall(thread: &ThreadRef, screen: &Screen) {
    let (go, _) = start_held(thread, vec![]).await;
    screen.fault.store(true, Ordering::Relaxed);
    let _ = go.send(());
}

#[actix_web::test]
async fn a_fallen_thread_is_unloaded_and_can_be_loaded_again() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    let _recorded = ::metrics::set_default_local_recorder(&recorder);
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    fall(&thread, &screen).await;
    assert_eq!(screen.see(1).await, ["thread/status/changed systemError"]);
    assert_eq!(screen.see(2).await, GONE);
    assert!(house.registry.get(&thread.id()).is_none());
    let gone = thread.ask(ThreadCommand::View).await;
    assert!(matches!(gone, Err(ThreadError::Gone(_))));
    let counted = counted.render();
    for line in [
        "greenroom_panics_total{where=\"thread\"} 1",
        "greenroom_actor_restarts_total{actor=\"thread\"} 1",
    ] {
        assert!(counted.contains(line), "{counted}");
    }

    let mut again = seed(&house.home);
    again.id = thread.id();
    again.subscribers = vec![screen.client.clone()];
    let again = house.registry.spawn(again).await.unwrap();
    start(&again, text("hello")).await;
    assert_eq!(screen.see(3).await, [BEGIN[0], BEGIN[1], "warning"]);
    assert_eq!(screen.see(2).await, END);
}

#[actix_web::test]
async fn the_turn_of_a_fallen_thread_ends_first() {
    let house = House::new();
    let (mut screen, other) = (house.client(), house.client());
    let thread = house.thread(&[&screen, &other]).await;
    start(&thread, text("ask")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    assert_eq!(
        screen.see(2).await,
        ["thread/status/changed active", "item/tool/requestUserInput"]
    );
    fall(&thread, &other).await;
    // The empty input was told to this one before the other broke.
    assert_eq!(
        screen.see(3).await,
        ["error", "thread/status/changed systemError", "serverRequest/resolved"]
    );
    assert_eq!(screen.see(1).await, ["error"]);
    let end = screen.next().await;
    assert_eq!(end["method"], "turn/completed");
    assert_eq!(end["params"]["turn"]["status"], "interrupted");
    assert_eq!(screen.see(2).await, GONE);
    assert!(house.pending.is_empty());
    assert_eq!(house.turns.running(), 0);
    assert!(house.registry.get(&thread.id()).is_none());
}

#[actix_web::test]
async fn a_fallen_thread_is_closing_while_its_turn_still_ends() {
    let house = House::new();
    let (mut screen, other) = (house.client(), house.client());
    let thread = house.thread(&[&screen, &other]).await;
    start(&thread, text("linger")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    fall(&thread, &other).await;
    assert_eq!(screen.see(2).await, ["error", "thread/status/changed systemError"]);
    assert_eq!(
        thread.ask(ThreadCommand::View).await.unwrap_err(),
        ThreadError::Closing(thread.id())
    );
    assert!(house.registry.get(&thread.id()).is_some(), "its file is still written");
    house.linger.notify_one();
    assert_eq!(screen.see(2).await, ["error", "turn/completed"]);
    assert_eq!(screen.see(2).await, GONE);
    assert!(house.registry.get(&thread.id()).is_none());
}
