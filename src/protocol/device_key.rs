//! Wire payloads: device key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `device/key/create`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceKeyCreateParams {
    pub account_user_id: String,
    pub client_id: String,
    #[serde(default)]
    pub protection_policy: Option<DeviceKeyProtectionPolicy>,
}

/// Result of `device/key/create`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceKeyCreateResponse {
    pub algorithm: DeviceKeyAlgorithm,
    pub key_id: String,
    pub protection_class: DeviceKeyProtectionClass,
    pub public_key_spki_der_base64: String,
}

/// Parameters of `device/key/public`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceKeyPublicParams {
    pub key_id: String,
}

/// Result of `device/key/public`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceKeyPublicResponse {
    pub algorithm: DeviceKeyAlgorithm,
    pub key_id: String,
    pub protection_class: DeviceKeyProtectionClass,
    pub public_key_spki_der_base64: String,
}

/// Parameters of `device/key/sign`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceKeySignParams {
    pub key_id: String,
    pub payload: DeviceKeySignPayload,
}

/// Result of `device/key/sign`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceKeySignResponse {
    pub algorithm: DeviceKeyAlgorithm,
    pub signature_der_base64: String,
    pub signed_payload_base64: String,
}

/// Device key protection policy, carried by `device/key/create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeviceKeyProtectionPolicy {
    #[serde(rename = "hardware_only")]
    HardwareOnly,
    #[serde(rename = "allow_os_protected_nonextractable")]
    AllowOsProtectedNonextractable,
}

/// Device key algorithm, carried by `device/key/create`, `device/key/public`, `device/key/sign`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeviceKeyAlgorithm {
    #[serde(rename = "ecdsa_p256_sha256")]
    EcdsaP256Sha256,
}

/// Device key protection class, carried by `device/key/create`, `device/key/public`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeviceKeyProtectionClass {
    #[serde(rename = "hardware_secure_enclave")]
    HardwareSecureEnclave,
    #[serde(rename = "hardware_tpm")]
    HardwareTpm,
    #[serde(rename = "os_protected_nonextractable")]
    OsProtectedNonextractable,
}

/// Device key sign payload, carried by `device/key/sign`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum DeviceKeySignPayload {
    #[serde(rename = "remoteControlClientConnection", rename_all = "camelCase")]
    RemoteControlClientConnection {
        account_user_id: String,
        audience: RemoteControlClientConnectionAudience,
        client_id: String,
        nonce: String,
        scopes: Vec<String>,
        session_id: String,
        target_origin: String,
        target_path: String,
        token_expires_at: i64,
        token_sha256_base64url: String,
    },
    #[serde(rename = "remoteControlClientEnrollment", rename_all = "camelCase")]
    RemoteControlClientEnrollment {
        account_user_id: String,
        audience: RemoteControlClientEnrollmentAudience,
        challenge_expires_at: i64,
        challenge_id: String,
        client_id: String,
        device_identity_sha256_base64url: String,
        nonce: String,
        target_origin: String,
        target_path: String,
    },
}

/// Remote control client connection audience, carried by `device/key/sign`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RemoteControlClientConnectionAudience {
    #[serde(rename = "remote_control_client_websocket")]
    RemoteControlClientWebsocket,
}

/// Remote control client enrollment audience, carried by `device/key/sign`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RemoteControlClientEnrollmentAudience {
    #[serde(rename = "remote_control_client_enrollment")]
    RemoteControlClientEnrollment,
}
