//! Input for a turn that runs, or that was about to end.

use super::*;

#[actix_web::test]
async fn steering_needs_the_right_turn() {
    let house = House::new();
    let screen = house.client();
    let thread = house.thread(&[&screen]).await;
    let steer = async |expected: &str| {
        let expected = expected.to_owned();
        let input = text("more");
        thread
            .ask(|reply| ThreadCommand::SteerTurn { expected, input, reply })
            .await
            .unwrap()
    };
    assert_eq!(steer("x").await, Err(ThreadError::NothingToSteer));
    let turn = start(&thread, text("wait")).await;
    assert_eq!(
        steer("x").await.unwrap_err().to_string(),
        format!("expected active turn id `x` but found `{turn}`")
    );
    assert_eq!(steer(&turn).await, Ok(turn.clone()));
    interrupt(&thread, &turn).await.unwrap();
    // What comes after the interrupt is too late, however long the turn takes to end.
    assert_eq!(steer(&turn).await, Err(ThreadError::NothingToSteer));
}

#[actix_web::test]
async fn no_turn_begins_that_nobody_was_told_of() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    let turn = start(&thread, text("break")).await;
    let (expected, input) = (turn.to_string(), text("steered"));
    let steered = thread.ask(|reply| ThreadCommand::SteerTurn { expected, input, reply });
    assert_eq!(steered.await.unwrap(), Ok(turn));
    assert_eq!(screen.see(2).await, BEGIN);
    assert_eq!(
        screen.see(3).await,
        ["thread/status/changed systemError", "error", "turn/completed"]
    );
    let next = start(&thread, text("hear")).await;
    assert_eq!(screen.see(1).await, ["thread/status/changed active"]);
    assert_eq!(screen.next().await["params"]["turn"]["id"], *next);
    let heard = screen.next().await["params"]["message"].to_string();
    assert!(heard.contains("steered"), "{heard}");
}

#[actix_web::test]
async fn input_that_came_too_late_starts_the_turn_its_client_was_told() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    start(&thread, text("late")).await;
    let second = start(&thread, text("hello")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    assert_eq!(screen.see(2).await, END);
    assert_eq!(screen.see(1).await, ["thread/status/changed active"]);
    assert_eq!(screen.next().await["params"]["turn"]["id"], *second);
}
