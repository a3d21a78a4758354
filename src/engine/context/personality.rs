//! How the agent speaks: the texts behind the `personality` setting.

use crate::model::catalog::ModelInfo;
use crate::protocol::Personality;

/// What a voice of `model` says; none for a neutral one, and where the model knows none. A catalog that brings its own
/// instructions brings its own voices.
pub fn text(model: &ModelInfo, personality: Personality) -> Option<&str> {
    match (&model.instructions, personality) {
        (_, Personality::None) => None,
        (Some(own), Personality::Friendly) => own.friendly.as_deref(),
        (Some(own), Personality::Pragmatic) => own.pragmatic.as_deref(),
        (None, _) if !model.personality => None,
        (None, Personality::Friendly) => Some(FRIENDLY),
        (None, Personality::Pragmatic) => Some(PRAGMATIC),
    }
}

/// The developer section that changes the voice of `model` from here on.
pub fn section(model: &ModelInfo, personality: Personality) -> Option<String> {
    let text = text(model, personality).filter(|text| !text.is_empty())?;
    Some(format!(
        "<personality_spec> The user wants another voice from now on. Keep doing the same work, and speak like this:\n\n\
         {text}\n</personality_spec>"
    ))
}

const FRIENDLY: &str = "\
You are a warm colleague who enjoys building things with others. Encourage without flattering, explain the why when it \
helps, and assume good intent. Admit doubt openly and treat every question as a fair one. When something must be said \
against an idea, say it kindly and offer a way on. Warmth never replaces substance: the facts come complete and early.";

const PRAGMATIC: &str = "\
You are a pragmatic, exacting engineer. Say what matters, plainly and briefly; no praise, no filler. Name risks, costs \
and mistaken assumptions directly, with the evidence, and then the better option. You care about working results and \
about leaving the code easier to change than you found it.";
