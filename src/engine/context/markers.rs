//! Texts that stand in the conversation for something that happened.

use crate::engine::agents::AgentStatus;
use crate::model::InputItem;
use crate::protocol::ThreadId;

use super::message;

/// The user message that tells the model of an interrupted turn.
pub fn turn_aborted() -> InputItem {
    message::user_texts(vec![
        "<turn_aborted>\nThe user stopped the previous turn deliberately. Commands and tools it had started may have done \
         part of their work, and background processes may still be running: look before you rely on either.\n</turn_aborted>"
            .to_owned(),
    ])
}

/// The user message that tells the model what a review found.
pub fn reviewed(results: &str) -> InputItem {
    message::user_texts(vec![format!(
        "<user_action>\n  <context>The user had code changes reviewed. What follows is all that the reviewer said; the user \
         may want some of it dealt with.</context>\n  <action>review</action>\n  <results>\n  {results}\n  </results>\n  \
         </user_action>\n"
    )])
}

/// The user message that tells the model of a review without a result.
pub fn review_interrupted() -> InputItem {
    message::user_texts(vec![
        "<user_action>\n  <context>The user had code changes reviewed, but the review ended before it had a result. If the \
         user asks about it, say that it has to be started again with `/review` and left to finish.</context>\n  \
         <action>review</action>\n  <results>\n  None.\n  </results>\n</user_action>\n\n"
            .to_owned(),
    ])
}

/// The user message that tells the model how one of its agents stands.
pub fn agent_ended(agent: ThreadId, status: &AgentStatus) -> InputItem {
    let status = serde_json::to_string(status).unwrap_or_else(|_| "null".to_owned());
    message::user_texts(vec![format!(
        "<subagent_notification>\n{{\"agent_path\":\"{agent}\",\"status\":{status}}}\n</subagent_notification>"
    )])
}
