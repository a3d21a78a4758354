use super::*;
use crate::protocol::{CollabAgentStatus, TurnError, TurnStatus};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_agent_has_a_name_of_its_own() {
    let mut taken = Vec::new();
    for _ in 0..200 {
        let name = choose_nickname(&[], &taken).unwrap();
        assert!(!taken.contains(&name), "{name} was taken");
        taken.push(name);
    }
    assert!(taken.iter().any(|name| name.ends_with(" the 2nd")));
    assert!(taken.iter().any(|name| name.ends_with(" the 3rd")));
}

#[test]
fn the_names_of_a_role_go_first_and_are_numbered_when_they_are_used_up() {
    let own = names(&["Zed"]);
    assert_eq!(choose_nickname(&own, &[]).as_deref(), Some("Zed"));
    assert_eq!(choose_nickname(&own, &own).as_deref(), Some("Zed the 2nd"));
    let taken = names(&["Zed", "Zed the 2nd", "Zed the 3rd"]);
    assert_eq!(choose_nickname(&own, &taken).as_deref(), Some("Zed the 4th"));
}

#[test]
fn a_status_reads_as_models_know_it() {
    let told = |status: AgentStatus| serde_json::to_string(&status).unwrap();
    assert_eq!(told(AgentStatus::PendingInit), r#""pending_init""#);
    assert_eq!(told(AgentStatus::NotFound), r#""not_found""#);
    assert_eq!(told(AgentStatus::Completed(Some("x".into()))), r#"{"completed":"x"}"#);
    assert_eq!(told(AgentStatus::Completed(None)), r#"{"completed":null}"#);
    assert_eq!(told(AgentStatus::Errored("x".into())), r#"{"errored":"x"}"#);
}

#[test]
fn a_turns_end_says_how_its_agent_stands() {
    let error = TurnError {
        additional_details: None,
        codex_error_info: None,
        message: "no answer".into(),
    };
    let failed = AgentStatus::after_turn(TurnStatus::Failed, None, Some(&error));
    assert_eq!(failed, AgentStatus::Errored("no answer".into()));
    assert!(failed.is_final() && failed.is_failure());
    assert_eq!(failed.shown().status, CollabAgentStatus::Errored);
    let stopped = AgentStatus::after_turn(TurnStatus::Interrupted, Some("half".into()), None);
    assert_eq!(stopped, AgentStatus::Interrupted);
    assert!(!stopped.is_final());
}
