//! Wire payloads: environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `environment/add`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentAddParams {
    pub environment_id: String,
    pub exec_server_url: String,
}

/// Result of `environment/add`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentAddResponse {}
