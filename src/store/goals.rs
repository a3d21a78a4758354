//! The goal of a stored thread, as its rollout tells it.
//!
//! Goals are few and asked for seldom: nothing of them is indexed, the lines are read when somebody wants to know. A
//! fork's file begins with its parent's lines; a goal among those is the parent's.

use std::path::Path;

use crate::protocol::{ThreadGoal, ThreadId};
use crate::store::core::StoreCore;
use crate::store::rollout::reader::RolloutReader;
use crate::store::rollout::skim::Interest;
use crate::store::{EventMsg, GreenroomLine, RolloutItem, Scope, StoreError};

impl StoreCore {
    /// The goal of a thread.
    pub(crate) fn goal(&self, id: ThreadId) -> Result<Option<ThreadGoal>, StoreError> {
        let Some(path) = self.read(id, Scope::All)?.path else {
            return Ok(None);
        };
        let unreadable = |error| StoreError::Internal(format!("failed to read {}: {error}", path.display()));
        read(&path, id).map_err(unreadable)
    }
}

fn read(path: &Path, id: ThreadId) -> std::io::Result<Option<ThreadGoal>> {
    let mut reader = RolloutReader::open(path)?.asking_for(Interest::Turns);
    let id = id.to_string();
    let mut goal = None;
    while let Some(item) = reader.next_item()? {
        match item {
            RolloutItem::Event(EventMsg::ThreadGoalUpdated(mut line)) => {
                let told = line.fields.remove("goal");
                let told = told.and_then(|told| serde_json::from_value::<ThreadGoal>(told).ok());
                goal = told.filter(|told| told.thread_id == id).or(goal);
            }
            RolloutItem::Greenroom(GreenroomLine::GoalCleared) => goal = None,
            _ => {}
        }
    }
    Ok(goal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "00000000-0000-7000-8000-000000000001";
    const PARENT: &str = "00000000-0000-7000-8000-000000000002";

    fn set(thread: &str, objective: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-01-01T00:00:00.000Z","type":"event_msg","payload":{{"type":"thread_goal_updated","threadId":"{thread}","goal":{{"threadId":"{thread}","objective":"{objective}","status":"active","tokensUsed":1,"timeUsedSeconds":2,"createdAt":3,"updatedAt":4}}}}}}"#
        )
    }

    fn goal(lines: &[&str]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rollout.jsonl");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let id = ThreadId::parse(OWN).unwrap();
        read(&path, id).unwrap().map(|goal| goal.objective)
    }

    #[test]
    fn the_last_goal_of_the_thread_counts() {
        let cleared =
            r#"{"timestamp":"2026-01-01T00:00:00.000Z","type":"greenroom","payload":{"kind":"goal_cleared"}}"#;
        let (first, second, parent) = (set(OWN, "first"), set(OWN, "second"), set(PARENT, "parent"));
        assert_eq!(goal(&[]), None);
        assert_eq!(goal(&[&first, "{\"torn", &second]).as_deref(), Some("second"));
        assert_eq!(goal(&[&parent]), None, "a fork does not inherit it");
        assert_eq!(goal(&[&first, cleared]), None);
        assert_eq!(goal(&[&first, cleared, &second]).as_deref(), Some("second"));
    }
}
