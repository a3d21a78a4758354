//! Wire payloads: mock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `mock/experimentalMethod`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MockExperimentalMethodParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Result of `mock/experimentalMethod`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MockExperimentalMethodResponse {
    #[serde(default)]
    pub echoed: Option<String>,
}
