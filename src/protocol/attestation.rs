//! Wire payloads: attestation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the server request `attestation/generate`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AttestationGenerateParams {}

/// What a client answers to `attestation/generate`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AttestationGenerateResponse {
    pub token: String,
}
