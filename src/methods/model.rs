//! `model/list`: the catalog in pages.
//!
//! A cursor is the number of models before the page.

use crate::model::{ModelInfo, ModelList};
use crate::protocol::{
    Model, ModelAvailabilityNux, ModelListParams, ModelListResponse, ModelServiceTier, ModelUpgradeInfo,
    ReasoningEffort, ReasoningEffortOption,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `model/list`.
pub async fn list(cx: RequestContext, params: ModelListParams) -> Result<ModelListResponse, RpcError> {
    let catalog = cx.services.models.catalog();
    catalog.refresh(&cx.asker()).await;
    page(&catalog.list(), &params)
}

fn page(list: &ModelList, params: &ModelListParams) -> Result<ModelListResponse, RpcError> {
    let hidden = params.include_hidden == Some(true);
    let models: Vec<&ModelInfo> = list.available().filter(|model| hidden || model.visible).collect();
    let default = list.default_model();
    let total = models.len();
    let start = match &params.cursor {
        None => 0,
        Some(cursor) => cursor
            .parse::<usize>()
            .map_err(|_| RpcError::invalid_request(format!("invalid cursor: {cursor}")))?,
    };
    if start > total {
        return Err(RpcError::invalid_request(format!(
            "cursor {start} exceeds total models {total}"
        )));
    }
    let limit = params.limit.map_or(total, |limit| limit.max(1) as usize);
    let end = start.saturating_add(limit).min(total);
    Ok(ModelListResponse {
        data: models[start..end].iter().map(|model| wire(model, default)).collect(),
        next_cursor: (end < total).then(|| end.to_string()),
    })
}

fn wire(model: &ModelInfo, default: &str) -> Model {
    let upgrade = model.upgrade.as_ref();
    let announcement = model.announcement.as_ref();
    Model {
        additional_speed_tiers: model.speed_tiers.to_vec(),
        availability_nux: announcement.map(|message| ModelAvailabilityNux {
            message: message.to_string(),
        }),
        default_reasoning_effort: model.default_effort.unwrap_or(ReasoningEffort::None),
        description: model.description.to_string(),
        display_name: model.display_name.to_string(),
        hidden: !model.visible,
        id: model.slug.to_string(),
        input_modalities: model.input_modalities.to_vec(),
        is_default: model.slug == default,
        model: model.slug.to_string(),
        service_tiers: model
            .service_tiers
            .iter()
            .map(|tier| ModelServiceTier {
                description: tier.description.to_string(),
                id: tier.id.to_string(),
                name: tier.name.to_string(),
            })
            .collect(),
        supported_reasoning_efforts: model
            .efforts
            .iter()
            .map(|effort| ReasoningEffortOption {
                description: effort.description.to_string(),
                reasoning_effort: effort.effort,
            })
            .collect(),
        supports_personality: model.personality,
        upgrade: upgrade.map(|upgrade| upgrade.model.to_string()),
        upgrade_info: upgrade.map(|upgrade| ModelUpgradeInfo {
            migration_markdown: Some(upgrade.markdown.to_string()),
            model: upgrade.model.to_string(),
            model_link: None,
            upgrade_copy: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(cursor: Option<&str>, limit: Option<u32>, hidden: bool) -> Result<(Vec<String>, Option<String>), String> {
        let params = ModelListParams {
            cursor: cursor.map(str::to_owned),
            include_hidden: Some(hidden),
            limit,
        };
        let page = page(&ModelList::default(), &params);
        let page = page.map_err(|error| format!("{} {}", error.code, error.message))?;
        Ok((page.data.into_iter().map(|model| model.id).collect(), page.next_cursor))
    }

    #[test]
    fn pages_follow_each_other() {
        let (all, end) = ask(None, None, false).unwrap();
        assert_eq!(all, ["gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.3-codex", "gpt-5.2"]);
        assert_eq!(end, None);
        assert_eq!(ask(None, Some(2), false).unwrap().1.as_deref(), Some("2"));
        assert_eq!(ask(Some("4"), Some(2), false).unwrap(), (vec!["gpt-5.2".into()], None));
        assert_eq!(
            ask(None, Some(0), false).unwrap(),
            (vec!["gpt-5.5".into()], Some("1".into()))
        );
        assert_eq!(ask(Some("5"), None, false).unwrap(), (vec![], None));
    }

    #[test]
    fn hidden_models_are_shown_on_demand() {
        let (all, _) = ask(None, None, true).unwrap();
        assert_eq!(all[5..], ["codex-auto-review", "rehearsal"]);
    }

    #[test]
    fn bad_cursors_are_refused() {
        assert_eq!(
            ask(Some("rubbish"), None, false).unwrap_err(),
            "-32600 invalid cursor: rubbish"
        );
        assert_eq!(ask(Some(""), None, false).unwrap_err(), "-32600 invalid cursor: ");
        assert_eq!(
            ask(Some("6"), Some(1), false).unwrap_err(),
            "-32600 cursor 6 exceeds total models 5"
        );
    }

    #[test]
    fn one_model_is_the_default() {
        let page = page(&ModelList::default(), &ModelListParams::default()).unwrap();
        assert_eq!(page.data.iter().filter(|model| model.is_default).count(), 1);
    }
}
