//! `model/list`: the catalog in pages.
//!
//! The list is the same for the whole life of the process, so it is turned into wire form once. A cursor is the number
//! of models before the page.

use std::sync::LazyLock;

use crate::model::catalog::{self, ModelInfo, Visibility};
use crate::protocol::{
    Model, ModelListParams, ModelListResponse, ModelServiceTier, ModelUpgradeInfo, ReasoningEffort,
    ReasoningEffortOption,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

static VISIBLE: LazyLock<Vec<Model>> = LazyLock::new(|| listed(|model| model.visibility == Visibility::List));
static ALL: LazyLock<Vec<Model>> = LazyLock::new(|| listed(|model| model.visibility != Visibility::Never));

/// `model/list`.
pub async fn list(_cx: RequestContext, params: ModelListParams) -> Result<ModelListResponse, RpcError> {
    page(&params)
}

fn page(params: &ModelListParams) -> Result<ModelListResponse, RpcError> {
    let models: &[Model] = if params.include_hidden == Some(true) {
        &ALL
    } else {
        &VISIBLE
    };
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
        data: models[start..end].to_vec(),
        next_cursor: (end < total).then(|| end.to_string()),
    })
}

fn listed(shown: impl Fn(&ModelInfo) -> bool) -> Vec<Model> {
    let known = catalog::BUNDLED.iter().chain(std::iter::once(&catalog::REHEARSAL));
    known.filter(|model| shown(model)).map(wire).collect()
}

fn wire(model: &ModelInfo) -> Model {
    let tiers = model.service_tiers;
    Model {
        additional_speed_tiers: tiers.iter().map(|tier| tier.alias.to_owned()).collect(),
        availability_nux: None,
        default_reasoning_effort: model.default_effort.unwrap_or(ReasoningEffort::None),
        description: model.description.to_string(),
        display_name: model.display_name.to_string(),
        hidden: model.visibility != Visibility::List,
        id: model.slug.to_string(),
        input_modalities: model.input_modalities.to_vec(),
        is_default: model.slug == catalog::DEFAULT_MODEL,
        model: model.slug.to_string(),
        service_tiers: tiers
            .iter()
            .map(|tier| ModelServiceTier {
                description: tier.description.to_owned(),
                id: tier.id.to_owned(),
                name: tier.name.to_owned(),
            })
            .collect(),
        supported_reasoning_efforts: model
            .efforts
            .iter()
            .map(|effort| ReasoningEffortOption {
                description: effort.description.to_owned(),
                reasoning_effort: effort.effort,
            })
            .collect(),
        supports_personality: model.personality,
        upgrade: model.upgrade.map(|upgrade| upgrade.model.to_owned()),
        upgrade_info: model.upgrade.map(|upgrade| ModelUpgradeInfo {
            migration_markdown: Some(upgrade.markdown.to_owned()),
            model: upgrade.model.to_owned(),
            model_link: None,
            upgrade_copy: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(cursor: Option<&str>, limit: Option<u32>, hidden: bool) -> Result<(Vec<String>, Option<String>), String> {
        let page = page(&ModelListParams {
            cursor: cursor.map(str::to_owned),
            include_hidden: Some(hidden),
            limit,
        });
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
        assert_eq!(ALL.iter().filter(|model| model.is_default).count(), 1);
    }
}
