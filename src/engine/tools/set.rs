//! The tools of one thread: which are offered to a model, in which order, and who answers a call.
//!
//! Fixed when the thread is loaded. The encoded specs are kept for the last offer, because most turns offer the same.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::engine::tools::agents::RoleText;
use crate::engine::tools::dynamic::{self, DynamicTool};
use crate::engine::tools::goal::GoalTool;
use crate::engine::tools::tool_search::ToolSearch;
use crate::engine::tools::{
    DeferredTools, Tool, ToolOffer, agents, apply_patch, exec_command, request_permissions, request_user_input,
    shell_command, tool_search, update_plan, view_image, web_search, write_stdin,
};
use crate::model::InputItem;
use crate::protocol::DynamicToolSpec;

/// A thread's tools.
pub struct ToolSet {
    built_in: Vec<Arc<dyn Tool>>,
    agents: Vec<Arc<dyn Tool>>,
    dynamic: Vec<Arc<DynamicTool>>,
    search: Option<ToolSearch>,
    encoded: Mutex<Option<(ToolOffer, InputItem)>>,
}

impl ToolSet {
    /// The built-in tools and those that the client of the thread declared.
    pub fn new(dynamic: &[DynamicToolSpec]) -> Self {
        ToolSet::with(built_in(), dynamic)
    }

    /// A set with these built-in tools.
    pub fn with(built_in: Vec<Arc<dyn Tool>>, dynamic: &[DynamicToolSpec]) -> Self {
        let dynamic: Vec<_> = dynamic.iter().cloned().map(DynamicTool::new).map(Arc::new).collect();
        ToolSet {
            built_in,
            agents: Vec::new(),
            search: ToolSearch::over(&dynamic),
            dynamic,
            encoded: Mutex::new(None),
        }
    }

    /// The same with the tools that spawn and steer agents. `roles` are those of the configuration.
    #[must_use]
    pub fn with_agents(mut self, roles: Vec<RoleText>) -> Self {
        self.agents = agents::tools(roles);
        self
    }

    /// Who answers a call.
    pub fn find(&self, namespace: Option<&str>, name: &str) -> Option<Arc<dyn Tool>> {
        if namespace.is_none()
            && let Some(tool) = self.own().find(|tool| tool.name() == name)
        {
            return Some(Arc::clone(tool));
        }
        let dynamic = self.dynamic.iter().find(|tool| tool.answers(namespace, name))?;
        Some(Arc::clone(dynamic) as Arc<dyn Tool>)
    }

    /// The tools of the server, in the order in which they are offered.
    fn own(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.built_in.iter().chain(&self.agents)
    }

    /// The declarations of the deferred tools that a search finds.
    pub fn search(&self, arguments: &Value) -> Vec<Value> {
        self.search
            .as_ref()
            .map(|search| search.find(arguments))
            .unwrap_or_default()
    }

    /// The request's `tools`.
    pub fn specs(&self, offer: &ToolOffer) -> InputItem {
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, specs)) = encoded.as_ref()
            && known == offer
        {
            return Arc::clone(specs);
        }
        let mut specs: Vec<Value> = self.own().filter_map(|tool| tool.spec(offer)).collect();
        specs.extend(dynamic::specs(&self.dynamic, offer.deferred == DeferredTools::Shown));
        if self.search.is_some() && offer.deferred == DeferredTools::Searched {
            specs.push(tool_search::spec());
        }
        specs.extend(web_search::spec(offer));
        let specs: InputItem = match serde_json::value::to_raw_value(&specs) {
            Ok(specs) => specs.into(),
            Err(_) => RawValue::NULL.to_owned().into(),
        };
        *encoded = Some((offer.clone(), Arc::clone(&specs)));
        specs
    }
}

/// The built-in tools in the order in which they are offered.
fn built_in() -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(exec_command::ExecCommand),
        Arc::new(write_stdin::WriteStdin),
        Arc::new(shell_command::ShellCommand),
        Arc::new(update_plan::UpdatePlan),
        Arc::new(GoalTool::Get),
        Arc::new(GoalTool::Create),
        Arc::new(GoalTool::Update),
        Arc::new(request_user_input::RequestUserInput),
        Arc::new(request_permissions::RequestPermissions),
        Arc::new(apply_patch::ApplyPatch),
        Arc::new(view_image::ViewImage),
    ]
}

#[cfg(test)]
mod tests;
