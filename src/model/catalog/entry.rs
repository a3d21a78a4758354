//! What a catalog says about a model, as this server knows models.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Effort, Instructions, ModelInfo, ServiceTier, Truncation, Upgrade, table};
use crate::config::{CatalogMeasure, CatalogModel, CatalogPatchTool, CatalogSearch, CatalogShell, CatalogVisibility};
use crate::protocol::ReasoningSummary;

/// What a negative limit means.
const NO_LIMIT: usize = usize::MAX >> 1;

impl From<&CatalogModel> for ModelInfo {
    fn from(model: &CatalogModel) -> Self {
        let owned = |text: &str| Cow::Owned(text.to_owned());
        let instructions = instructions(model);
        let limit = usize::try_from(model.truncation_policy.limit).unwrap_or(NO_LIMIT);
        ModelInfo {
            slug: owned(&model.slug),
            display_name: owned(&model.display_name),
            description: owned(model.description.as_deref().unwrap_or_default()),
            visible: model.visibility == CatalogVisibility::List,
            in_api: model.supported_in_api,
            priority: model.priority,
            announcement: model.availability_nux.as_ref().map(|nux| nux.message.as_str().into()),
            upgrade: model.upgrade.as_ref().map(|upgrade| Upgrade {
                model: owned(&upgrade.model),
                markdown: owned(&upgrade.migration_markdown),
            }),
            efforts: model
                .supported_reasoning_levels
                .iter()
                .map(|level| Effort {
                    effort: level.effort,
                    description: owned(&level.description),
                })
                .collect(),
            reasons: model.supports_reasoning_summaries,
            default_effort: model.default_reasoning_level,
            default_summary: Some(model.default_reasoning_summary).filter(|summary| *summary != ReasoningSummary::None),
            knows_verbosity: model.support_verbosity,
            default_verbosity: model.default_verbosity,
            parallel_tool_calls: model.supports_parallel_tool_calls,
            apply_patch: model.apply_patch_tool_type == Some(CatalogPatchTool::Freeform),
            runs_commands: model.shell_type != CatalogShell::Disabled,
            tool_search: model.supports_search_tool,
            image_detail: model.supports_image_detail_original,
            web_search_content: match model.web_search_tool_type {
                CatalogSearch::Text => &[],
                CatalogSearch::TextAndImage => table::TEXT_AND_IMAGE,
            },
            truncation: match model.truncation_policy.mode {
                CatalogMeasure::Bytes => Truncation::Bytes(limit),
                CatalogMeasure::Tokens => Truncation::Tokens(limit),
            },
            context_window: model.context_window,
            max_context_window: model.max_context_window,
            effective_percent: model.effective_context_window_percent,
            auto_compact_limit: model.auto_compact_token_limit,
            input_modalities: model.input_modalities.as_slice().into(),
            service_tiers: model
                .service_tiers
                .iter()
                .map(|tier| ServiceTier {
                    id: owned(&tier.id),
                    name: owned(&tier.name),
                    description: owned(&tier.description),
                })
                .collect(),
            speed_tiers: model.additional_speed_tiers.as_slice().into(),
            personality: has_voices(model),
            instructions: Some(instructions),
            fallback: false,
        }
    }
}

fn instructions(model: &CatalogModel) -> Instructions {
    let messages = model.model_messages.as_ref();
    let voices = messages.and_then(|messages| messages.instructions_variables.as_ref());
    let shared = |text: &Option<String>| text.as_deref().map(Arc::from);
    Instructions {
        plain: model.base_instructions.as_str().into(),
        template: messages.and_then(|messages| shared(&messages.instructions_template)),
        friendly: voices.and_then(|voices| shared(&voices.personality_friendly)),
        pragmatic: voices.and_then(|voices| shared(&voices.personality_pragmatic)),
    }
}

/// Whether clients are to offer voices: there is a place for them, and a text for each.
fn has_voices(model: &CatalogModel) -> bool {
    model.model_messages.as_ref().is_some_and(|messages| {
        let place = |template: &String| template.contains(Instructions::PLACE);
        messages.instructions_template.as_ref().is_some_and(place)
            && messages.instructions_variables.as_ref().is_some_and(|voices| {
                voices.personality_default.is_some()
                    && voices.personality_friendly.is_some()
                    && voices.personality_pragmatic.is_some()
            })
    })
}
