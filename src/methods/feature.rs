//! `experimentalFeature/*`: the feature switches, listed and set while the server runs.
//!
//! Setting is for the process and lasts as long as it does. What the configuration says about a feature counts more, as
//! the list then shows. Threads that are loaded keep the switches they were loaded with.

use crate::config::features::{self, Feature};
use crate::protocol::{
    ExperimentalFeature, ExperimentalFeatureEnablementSetParams, ExperimentalFeatureEnablementSetResponse,
    ExperimentalFeatureListParams, ExperimentalFeatureListResponse,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `experimentalFeature/list`.
pub async fn list(
    cx: RequestContext,
    params: ExperimentalFeatureListParams,
) -> Result<ExperimentalFeatureListResponse, RpcError> {
    let total = features::ALL.len();
    let start = match &params.cursor {
        None => 0,
        Some(cursor) => cursor
            .parse::<usize>()
            .map_err(|_| RpcError::invalid_request(format!("invalid cursor: {cursor}")))?,
    };
    let page = features::ALL
        .get(start..)
        .ok_or_else(|| RpcError::invalid_request(format!("cursor {start} exceeds total feature flags {total}")))?;
    let limit = params.limit.map_or(total, |limit| limit.max(1) as usize);
    let end = start.saturating_add(limit).min(total);
    let config = cx.services.config.clone();
    let switches = tokio::task::spawn_blocking(move || match config.problem() {
        Some(problem) => Err(RpcError::internal(format!("failed to reload config: {problem}"))),
        None => Ok(config.features()),
    })
    .await
    .map_err(|_| RpcError::internal("failed to read the configuration"))??;
    let wire = |feature: &Feature| ExperimentalFeature {
        announcement: feature.shown.map(|shown| shown.announcement.to_owned()),
        default_enabled: feature.default,
        description: feature.shown.map(|shown| shown.description.to_owned()),
        display_name: feature.shown.map(|shown| shown.name.to_owned()),
        enabled: switches.get(feature.key).copied().unwrap_or(feature.default),
        name: feature.key.to_owned(),
        stage: feature.stage,
    };
    Ok(ExperimentalFeatureListResponse {
        data: page.iter().take(limit).map(wire).collect(),
        next_cursor: (end < total).then(|| end.to_string()),
    })
}

/// `experimentalFeature/enablement/set`. One bad key refuses them all.
pub async fn set_enablement(
    cx: RequestContext,
    params: ExperimentalFeatureEnablementSetParams,
) -> Result<ExperimentalFeatureEnablementSetResponse, RpcError> {
    if let Some(refusal) = params.enablement.keys().find_map(|key| refusal(key)) {
        return Err(RpcError::invalid_request(refusal));
    }
    let config = cx.services.config.clone();
    let problem = tokio::task::spawn_blocking(move || config.problem())
        .await
        .map_err(|_| RpcError::internal("failed to read the configuration"))?;
    if let Some(problem) = problem {
        let why = format!("failed to resolve feature override precedence: {problem}");
        return Err(RpcError::internal(why));
    }
    cx.services.config.switch_features(&params.enablement);
    Ok(ExperimentalFeatureEnablementSetResponse {
        enablement: params.enablement,
    })
}

/// Why a feature cannot be switched.
fn refusal(key: &str) -> Option<String> {
    if features::SWITCHABLE.contains(&key) {
        return None;
    }
    Some(match (features::renamed(key), features::find(key)) {
        (Some(present), _) => format!("invalid feature enablement `{key}`: use canonical feature key `{present}`"),
        (None, Some(_)) => format!(
            "unsupported feature enablement `{key}`: currently supported features are {}",
            features::SWITCHABLE.join(", ")
        ),
        (None, None) => format!("invalid feature enablement `{key}`"),
    })
}
