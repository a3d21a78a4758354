//! Wire payloads: app.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Payload of the notification `app/list/updated`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppListUpdatedNotification {
    pub data: Vec<AppInfo>,
}

/// Parameters of `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppsListParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force_refetch: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
}

/// Result of `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppsListResponse {
    pub data: Vec<AppInfo>,
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// App branding, carried by `app/list/updated`, `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppBranding {
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub developer: Option<String>,
    pub is_discoverable_app: bool,
    #[serde(default)]
    pub privacy_policy: Option<String>,
    #[serde(default)]
    pub terms_of_service: Option<String>,
    #[serde(default)]
    pub website: Option<String>,
}

/// App info, carried by `app/list/updated`, `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppInfo {
    #[serde(default)]
    pub app_metadata: Option<AppMetadata>,
    #[serde(default)]
    pub branding: Option<AppBranding>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub distribution_channel: Option<String>,
    pub id: String,
    #[serde(default)]
    pub install_url: Option<String>,
    #[serde(default)]
    pub is_accessible: bool,
    #[serde(default = "crate::protocol::default_true")]
    pub is_enabled: bool,
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub logo_url: Option<String>,
    #[serde(default)]
    pub logo_url_dark: Option<String>,
    pub name: String,
    #[serde(default)]
    pub plugin_display_names: Vec<String>,
}

/// App metadata, carried by `app/list/updated`, `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppMetadata {
    #[serde(default)]
    pub categories: Option<Vec<String>>,
    #[serde(default)]
    pub developer: Option<String>,
    #[serde(default)]
    pub first_party_requires_install: Option<bool>,
    #[serde(default)]
    pub first_party_type: Option<String>,
    #[serde(default)]
    pub review: Option<AppReview>,
    #[serde(default)]
    pub screenshots: Option<Vec<AppScreenshot>>,
    #[serde(default)]
    pub seo_description: Option<String>,
    #[serde(default)]
    pub show_in_composer_when_unlinked: Option<bool>,
    #[serde(default)]
    pub sub_categories: Option<Vec<String>>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub version_id: Option<String>,
    #[serde(default)]
    pub version_notes: Option<String>,
}

/// App review, carried by `app/list/updated`, `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppReview {
    pub status: String,
}

/// App screenshot, carried by `app/list/updated`, `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppScreenshot {
    #[serde(default)]
    pub file_id: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    pub user_prompt: String,
}
