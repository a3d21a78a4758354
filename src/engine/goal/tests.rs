//! The rules for changing a goal, and what counts.

use super::*;
use crate::protocol::ThreadGoalStatus as Status;

fn id() -> ThreadId {
    ThreadId::parse("00000000-0000-7000-8000-000000000001").unwrap()
}

fn objective(text: &str) -> GoalChange {
    GoalChange {
        objective: Some(text.to_owned()),
        ..GoalChange::default()
    }
}

fn said(result: Result<impl std::fmt::Debug, GoalError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn wishes_are_checked() {
    assert_eq!(said(objective(" \n").checked()), "goal objective must not be empty");
    let long = "ö".repeat(LONGEST + 1);
    assert_eq!(
        said(objective(&long).checked()),
        "goal objective must be at most 4000 characters"
    );
    assert!(objective(&format!("  {}  ", "ö".repeat(LONGEST))).checked().is_ok());
    for budget in [0, -1] {
        let change = GoalChange {
            token_budget: Some(Some(budget)),
            ..GoalChange::default()
        };
        assert_eq!(said(change.checked()), "goal budgets must be positive when provided");
    }
    let nothing = GoalChange::default().checked().unwrap();
    assert_eq!(
        said(nothing.apply(id(), None)),
        format!("cannot update goal for thread {}: no goal exists", id())
    );
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let first = objective(" a\nb ").checked().unwrap().apply(id(), None).unwrap();
    assert_eq!(
        (&*first.objective, first.status, first.token_budget),
        ("a\nb", Status::Active, None)
    );
    let mut known = first.clone();
    (known.tokens_used, known.time_used_seconds, known.created_at) = (160, 2, 1);
    let mut change = objective("c");
    change.token_budget = Some(Some(200));
    let second = change.apply(id(), Some(&known)).unwrap();
    assert_eq!((&*second.objective, second.token_budget), ("c", Some(200)));
    assert_eq!(
        (second.tokens_used, second.time_used_seconds, second.created_at),
        (160, 2, 1)
    );
    change.objective = None;
    change.token_budget = Some(None);
    assert_eq!(change.apply(id(), Some(&second)).unwrap().token_budget, None);
}

#[test]
fn a_spent_budget_limits_an_active_goal_only() {
    let mut known = objective("a").apply(id(), None).unwrap();
    known.tokens_used = 50;
    let mut change = GoalChange {
        token_budget: Some(Some(50)),
        ..GoalChange::default()
    };
    assert_eq!(change.apply(id(), Some(&known)).unwrap().status, Status::BudgetLimited);
    change.status = Some(Status::Paused);
    assert_eq!(change.apply(id(), Some(&known)).unwrap().status, Status::Paused);
    change.status = Some(Status::Active);
    change.token_budget = Some(Some(51));
    assert_eq!(change.apply(id(), Some(&known)).unwrap().status, Status::Active);
}

fn state(status: Status) -> State {
    let mut goal = objective("a").apply(id(), None).unwrap();
    goal.status = status;
    State {
        goal: Some(goal),
        in_turn: true,
        ..State::default()
    }
}

#[test]
fn only_turns_of_an_active_goal_count() {
    for status in [Status::Paused, Status::Complete, Status::BudgetLimited] {
        let mut state = state(status);
        state.wind(Some(0));
        assert!(state.accounted(100).is_none());
    }
    let mut state = state(Status::Active);
    state.wind(Some(7));
    assert!(state.accounted(7).is_none(), "nothing was spent yet");
    let (goal, clock) = state.accounted(107).unwrap();
    assert_eq!((goal.tokens_used, clock.spent), (100, Some(107)));
}

#[test]
fn seconds_count_whole_and_their_rest_the_next_time() {
    let mut state = state(Status::Active);
    state.wind(Some(0));
    let began = Instant::now() - Duration::from_millis(2_700);
    state.clock = Some(Clock {
        since: began,
        spent: Some(0),
    });
    let (goal, clock) = state.accounted(0).unwrap();
    assert_eq!(goal.time_used_seconds, 2);
    assert_eq!(clock.since - began, Duration::from_secs(2));
}

#[test]
fn crossing_the_budget_limits_the_goal() {
    let mut state = state(Status::Active);
    if let Some(goal) = &mut state.goal {
        goal.token_budget = Some(100);
    }
    state.wind(Some(0));
    assert_eq!(state.accounted(99).unwrap().0.status, Status::Active);
    assert_eq!(state.accounted(100).unwrap().0.status, Status::BudgetLimited);
}

#[test]
fn the_answer_that_sets_a_goal_costs_it_nothing() {
    let mut state = state(Status::Active);
    state.wind(None);
    assert!(state.accounted(120).is_none());
}
