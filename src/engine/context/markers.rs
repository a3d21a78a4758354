//! Texts that stand in the conversation for something that happened.

use crate::model::InputItem;

use super::message;

/// The user message that tells the model of an interrupted turn.
pub fn turn_aborted() -> InputItem {
    message::user_texts(vec![
        "<turn_aborted>\nThe user stopped the previous turn deliberately. Commands and tools it had started may have done \
         part of their work, and background processes may still be running: look before you rely on either.\n</turn_aborted>"
            .to_owned(),
    ])
}
