//! A provider that speaks Chat Completions (`wire_api = "chat"`), as most servers of local models do.
//!
//! The conversation is kept in the form of the Responses API; here it becomes messages ([`messages`]), its tools become
//! functions ([`tools`]), and the chunks of the answer become the events that the engine knows ([`chunks`]). What Chat
//! Completions has no words for (sealed reasoning, hosted tools) is left out. Each request is put together anew, which
//! costs a decoding of the history that the Responses client does without.

mod chunks;
mod messages;
mod provider;
mod request;
mod tools;

pub use provider::ChatProvider;

#[cfg(test)]
mod tests;
