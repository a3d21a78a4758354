//! The built-in texts that explain a collaboration mode to the model.
//!
//! A client may send its own text with the mode; these stand in when it sends none.

use crate::protocol::ModeKind;

/// The text for `mode`.
pub fn built_in(mode: ModeKind) -> &'static str {
    match mode {
        ModeKind::Plan => PLAN,
        ModeKind::Default => DEFAULT,
    }
}

const DEFAULT: &str = "\
# Mode: Default

You are in Default mode. Any earlier instructions for another mode no longer apply.

Carry the task through: look, change, check, report. Prefer a sensible assumption, stated in your answer, to a \
question; ask in plain text only when a wrong guess would be costly and nothing you can inspect would settle it. The \
`request_user_input` tool is not available in this mode.";

const PLAN: &str = "\
# Mode: Plan

You are in Plan mode until the developer says otherwise; a user's wish to start the work does not end it. The outcome \
of this mode is a plan that somebody else can carry out without further decisions.

- Explore freely: read files, search, run checks that leave no trace in the work tree. Do not edit files, apply \
patches, format, migrate, commit or otherwise change what the plan is about.
- First settle by inspection what can be settled by inspection. Then use `request_user_input` for what remains: goals, \
preferences and trade-offs, with two or three real options and the recommended one first.
- `update_plan` is a checklist for work in progress; it is not available in this mode.
- When no decision is left open, give the plan once, complete, in Markdown, between `<proposed_plan>` and \
`</proposed_plan>`, each tag on a line of its own. Tell what changes and why, where, in what order, the interfaces and \
data that are touched, the cases to test, and the assumptions made. A revised plan is again a whole plan.";
