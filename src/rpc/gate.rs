//! What needs the experimental API: methods by their row in the table, fields and enum variants by the list below.
//!
//! A gated field counts when it asks for something: present and not null, or true for a switch; an empty list counts.
//! Fields are checked on the typed parameters, in the order written here, and the first one is reported. Methods without
//! gated fields have no entry, and pay nothing. What goes the other way is cut in [`outgoing`]. The schema generator
//! leaves the same fields out.

use std::any::Any;

use crate::protocol::{
    AskForApproval, CommandExecParams, LoginAccountParams, ThreadForkParams, ThreadResumeParams, ThreadStartParams,
    TurnStartParams, TurnSteerParams,
};

pub mod outgoing;
#[cfg(test)]
mod tests;

/// Finds the first gated thing in a method's parameters; returns how it is told to the client.
pub type Check = fn(&dyn Any) -> Option<&'static str>;

/// Whether a field asks for something, and by what name an experimental variant in it is told.
trait Gated {
    fn asked(&self, field: &'static str) -> Option<&'static str>;
}

impl Gated for bool {
    fn asked(&self, field: &'static str) -> Option<&'static str> {
        self.then_some(field)
    }
}

impl<T> Gated for Option<T> {
    fn asked(&self, field: &'static str) -> Option<&'static str> {
        self.as_ref().map(|_| field)
    }
}

/// A stable field whose value may be an experimental variant.
struct Variant<'a, T>(&'a T);

impl Gated for Variant<'_, Option<AskForApproval>> {
    fn asked(&self, variant: &'static str) -> Option<&'static str> {
        matches!(self.0, Some(AskForApproval::Granular { .. })).then_some(variant)
    }
}

macro_rules! gates {
    ($($method:literal ($params:ty) { $($field:ident $(as $variant:literal)? $(, $wire:literal told as $told:literal)?;)+ })+) => {
        /// The check of a method's parameters, for methods that have gated fields.
        pub fn check(method: &str) -> Option<Check> {
            match method {
                $($method => Some(|params: &dyn Any| {
                    let params = params.downcast_ref::<$params>()?;
                    $(if let Some(told) = gates!(@ask params.$field $(, variant $variant)? $(, field concat!($method, ".", $told))?) {
                        return Some(told);
                    })+
                    None
                }),)+
                LOGIN => Some(|params: &dyn Any| {
                    matches!(params.downcast_ref()?, LoginAccountParams::ChatgptAuthTokens { .. })
                        .then_some("account/login/start.chatgptAuthTokens")
                }),
                _ => None,
            }
        }

        /// `(method, wire name)` of every gated field.
        pub const FIELDS: &[(&str, &str)] = &[$($($(($method, $wire),)?)+)+];
    };
    (@ask $place:expr, variant $variant:literal) => { Variant(&$place).asked($variant) };
    (@ask $place:expr, field $told:expr) => { $place.asked($told) };
}

const LOGIN: &str = "account/login/start";

/// `(type, wire name)` of every gated enum variant.
pub const VARIANTS: &[(&str, &str)] = &[
    ("AskForApproval", "granular"),
    ("LoginAccountParams", "chatgptAuthTokens"),
];

gates! {
    "thread/start" (ThreadStartParams) {
        runtime_workspace_roots, "runtimeWorkspaceRoots" told as "runtimeWorkspaceRoots";
        approval_policy as "askForApproval.granular";
        permissions, "permissions" told as "permissions";
        environments, "environments" told as "environments";
        dynamic_tools, "dynamicTools" told as "dynamicTools";
        mock_experimental_field, "mockExperimentalField" told as "mockExperimentalField";
        experimental_raw_events, "experimentalRawEvents" told as "experimentalRawEvents";
        persist_extended_history, "persistExtendedHistory" told as "persistFullHistory";
    }
    "thread/resume" (ThreadResumeParams) {
        history, "history" told as "history";
        path, "path" told as "path";
        runtime_workspace_roots, "runtimeWorkspaceRoots" told as "runtimeWorkspaceRoots";
        approval_policy as "askForApproval.granular";
        permissions, "permissions" told as "permissions";
        exclude_turns, "excludeTurns" told as "excludeTurns";
        persist_extended_history, "persistExtendedHistory" told as "persistFullHistory";
    }
    "thread/fork" (ThreadForkParams) {
        path, "path" told as "path";
        runtime_workspace_roots, "runtimeWorkspaceRoots" told as "runtimeWorkspaceRoots";
        approval_policy as "askForApproval.granular";
        permissions, "permissions" told as "permissions";
        exclude_turns, "excludeTurns" told as "excludeTurns";
        persist_extended_history, "persistExtendedHistory" told as "persistFullHistory";
    }
    "turn/start" (TurnStartParams) {
        responsesapi_client_metadata, "responsesapiClientMetadata" told as "responsesapiClientMetadata";
        environments, "environments" told as "environments";
        runtime_workspace_roots, "runtimeWorkspaceRoots" told as "runtimeWorkspaceRoots";
        approval_policy as "askForApproval.granular";
        permissions, "permissions" told as "permissions";
        collaboration_mode, "collaborationMode" told as "collaborationMode";
    }
    "turn/steer" (TurnSteerParams) {
        responsesapi_client_metadata, "responsesapiClientMetadata" told as "responsesapiClientMetadata";
    }
    "command/exec" (CommandExecParams) {
        permission_profile, "permissionProfile" told as "permissionProfile";
    }
}
