//! Wire payloads: memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Result of `memory/reset`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MemoryResetResponse {}
