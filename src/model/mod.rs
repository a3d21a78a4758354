//! Model providers: the clients of the Responses API and of Chat Completions, retries, the catalog, and the offline rehearsal model.
//!
//! The engine sees one seam, [`ModelProvider`]: a request goes in, a stream of [`ModelEvent`]s or one [`ModelError`]
//! comes out. [`Models`] finds the provider for an id of the configuration and the catalog entry for a model's name.
//! History crosses the seam as JSON text ([`InputItem`]), so that a request is put together without encoding it again.

pub mod catalog;
pub mod chat;
pub mod error;
mod http;
pub mod item;
mod models;
pub mod provider;
pub mod rate_limits;
pub mod reach;
pub mod rehearsal;
pub mod responses;
pub mod retry;

pub use catalog::{Asker, Catalog, ModelInfo, ModelList, ModelOverrides, Truncation};
pub use chat::ChatProvider;
pub use error::ModelError;
pub use item::{OutputItem, OutputItemKind};
pub use models::Models;
pub use provider::{
    InputItem, ModelEvent, ModelProvider, ModelStream, Reasoning, RequestIdentity, ResponseHead, SamplingRequest,
    TextControls, TokenUsage, Way, json_text,
};
pub use rehearsal::RehearsalProvider;
pub use responses::ResponsesProvider;
