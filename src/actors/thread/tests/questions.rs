//! What a turn asks its clients: who is asked, whose answer counts, and what those hear who come later.

use super::*;

#[actix_web::test]
async fn the_first_answer_wins_and_the_others_are_told() {
    let house = House::new();
    let (mut one, mut two, stranger) = (house.client(), house.client(), house.client());
    let thread = house.thread(&[&one, &two]).await;
    start(&thread, text("ask")).await;
    one.see(3).await;
    assert_eq!(two.see(3).await[2], "thread/status/changed active");
    let request = one.next().await;
    assert_eq!(request["id"], two.next().await["id"], "one id for all");
    assert!(
        !house.answer(&stranger, &request, json!({"answers": {}})),
        "it was not asked"
    );
    assert!(house.answer(&two, &request, json!({"answers": {}})));
    assert!(!house.answer(&one, &request, json!({"answers": {}})), "too late");
    let rest = ["serverRequest/resolved", "thread/status/changed active", "warning"];
    assert_eq!(one.see(3).await, rest);
    assert_eq!(one.see(2).await, END);
}

#[actix_web::test]
async fn an_interrupt_cancels_what_waits_after_the_turn_ended() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    let turn = start(&thread, text("ask")).await;
    assert_eq!(screen.see(3).await[2], "thread/status/changed active");
    assert_eq!(screen.see(1).await, ["item/tool/requestUserInput"]);
    interrupt(&thread, &turn).await.unwrap();
    assert_eq!(
        screen.see(4).await,
        ["warning", END[0], END[1], "serverRequest/resolved"]
    );
    assert!(house.pending.is_empty());
}

#[actix_web::test]
async fn nobody_to_ask_means_no_answer() {
    let house = House::new();
    let mut watcher = house.client();
    let thread = house.thread(&[]).await;
    start(&thread, text("ask")).await;
    assert_eq!(
        watcher.see(2).await,
        ["thread/status/changed active", "thread/status/changed idle"]
    );
    assert!(house.pending.is_empty());
}

#[actix_web::test]
async fn one_who_joins_gets_its_response_then_what_it_missed_then_what_waits() {
    let house = House::new();
    let mut first = house.client();
    let thread = house.thread(&[&first]).await;
    start(&thread, text("ask")).await;
    first.see(3).await;
    let request = first.next().await;
    house.clients.remove(first.client.id());
    house.registry.client_gone(first.client.id()).await;
    assert!(!thread.face().is_heard_by(first.client.id()));

    let mut second = house.client();
    let (go, wait) = oneshot::channel();
    let client = second.client.clone();
    let view = thread
        .ask(|reply| ThreadCommand::Join {
            client,
            after: None,
            go: wait,
            reply,
        })
        .await
        .unwrap()
        .unwrap();
    assert!(view.active_turn.is_some());
    assert!(second.quiet(), "its response is not out");
    go.send(()).unwrap();
    let again = second.next().await;
    assert_eq!(again["id"], request["id"], "the old id");
    assert!(house.answer(&second, &again, json!({"answers": {}})));
    assert_eq!(
        second.see(3).await,
        ["serverRequest/resolved", "thread/status/changed active", "warning"]
    );
}
