//! What the model has to be told before a turn: everything the first time, afterwards what has changed.

use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::config::NetworkConfig;
use crate::engine::settings::{TurnContext, TurnSettings, WallClock};
use crate::model::catalog::ModelInfo;
use crate::model::{InputItem, json_text};

use super::permissions::{self, Asks, Permissions};
use super::{ProjectDocs, environment, instructions, message, personality};

/// Everything the context of a turn is made from.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The settings of the turn.
    pub settings: &'a TurnSettings,
    /// The date and zone of the turn.
    pub clock: &'a WallClock,
    /// The model of the turn.
    pub model: &'a ModelInfo,
    /// The name of the user's shell (`bash`).
    pub shell: &'a str,
    /// AGENTS.md, read when the thread was made.
    pub project_docs: &'a ProjectDocs,
    /// Command prefixes that the rules allow.
    pub approved_prefixes: &'a [Vec<String>],
    /// What the model can ask for beside leaving the sandbox.
    pub asks: Asks,
    /// What limits the network, besides profiles.
    pub network: &'a NetworkConfig,
    /// Further developer sections of the first turn, tags included (skills, plugins, memories), in order.
    pub sections: &'a [Arc<str>],
    /// The thread's base instructions, as the JSON string that requests carry.
    pub instructions: &'a RawValue,
    /// Whether client or configuration gave the base instructions; nothing is then said of voices.
    pub instructions_given: bool,
    /// Whether permissions are told (`include_permissions_instructions`).
    pub tell_permissions: bool,
    /// Whether the environment is told (`include_environment_context`).
    pub tell_environment: bool,
}

impl Situation<'_> {
    /// The messages before a thread's first user message, or its first after a compaction.
    /// `before` is the model of the turn before, if there was one.
    pub fn initial(&self, before: Option<&str>) -> Vec<InputItem> {
        let mut sections = Vec::new();
        if before.is_some_and(|before| before != &*self.settings.model) {
            sections.extend(self.model_switch());
        }
        sections.extend(self.permissions());
        sections.extend(
            self.settings
                .developer_instructions
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
        );
        sections.extend(self.mode());
        sections.extend(self.voice().filter(|_| !self.has_voice_built_in()));
        sections.extend(self.sections.iter().map(|section| section.to_string()));
        let mut blocks = Vec::new();
        // What a project wants done says nothing to whoever cannot do anything.
        if !self.settings.environments.is_empty() {
            blocks.extend(self.project_docs.block(self.cwd()));
        }
        blocks.extend(self.environment());
        messages(sections, blocks)
    }

    /// The messages that a later turn adds, given what the model was told last.
    pub fn changes(&self, told: &TurnContext) -> Vec<InputItem> {
        let settings = self.settings;
        let mut sections = Vec::new();
        let switched = told.model != *settings.model;
        if switched {
            sections.extend(self.model_switch());
        }
        let roots = |context: &TurnContext| permissions::listed_roots(&context.sandbox_policy, &context.roots());
        let now = settings.to_turn_context("", self.clock, None);
        if told.approval_policy != now.approval_policy
            || told.sandbox_policy != now.sandbox_policy
            || told.permission_profile != now.permission_profile
            || roots(told) != roots(&now)
        {
            sections.extend(self.permissions());
        }
        if told.collaboration_mode != now.collaboration_mode {
            sections.extend(self.mode());
        }
        if !switched && told.personality.unwrap_or(TurnSettings::PLAIN_VOICE) != settings.voice() {
            sections.extend(self.voice());
        }
        // Other readers of this format cannot tell several environments, or none, from those of the turn before: they are
        // told again. Which one it is says nothing when there is one.
        let one = |environments: usize| environments == 1;
        let before = told.environments.as_ref().map_or(1, Vec::len);
        let placed = !one(settings.environments.len()) || !one(before);
        let moved =
            placed || told.cwd != now.cwd || told.current_date != now.current_date || told.timezone != now.timezone;
        let blocks = if moved {
            self.environment().into_iter().collect()
        } else {
            Vec::new()
        };
        messages(sections, blocks)
    }

    fn cwd(&self) -> &Path {
        self.settings.cwd.as_path()
    }

    fn permissions(&self) -> Option<String> {
        let settings = self.settings;
        self.tell_permissions.then(|| {
            permissions::section(&Permissions {
                policy: &settings.approval_policy,
                reviewer: settings.approvals_reviewer,
                sandbox: &settings.sandbox,
                profile: settings.placed_profile(),
                workspace_roots: &settings.workspace_roots,
                approved_prefixes: self.approved_prefixes,
                asks: self.asks,
                filter: self.network.filter(settings.profile.as_deref()),
            })
        })
    }

    fn mode(&self) -> Option<String> {
        let text = self
            .settings
            .mode_instructions
            .as_deref()
            .filter(|text| !text.is_empty())?;
        Some(format!("<collaboration_mode>{text}</collaboration_mode>"))
    }

    /// The section that sets the voice, where the model knows voices.
    fn voice(&self) -> Option<String> {
        if self.instructions_given {
            return None;
        }
        personality::section(self.model, self.settings.voice())
    }

    /// Whether the base instructions are those of this model in this voice.
    fn has_voice_built_in(&self) -> bool {
        let instructions = instructions::base_instructions(self.model, Some(self.settings.voice()));
        json_text(&instructions).get() == self.instructions.get()
    }

    fn environment(&self) -> Option<String> {
        self.tell_environment.then(|| {
            let filter = self.network.filter(self.settings.profile.as_deref());
            let filter = filter.filter(|filter| filter.managed && self.settings.restricts_commands());
            environment::block(
                &self.settings.told_environments(),
                self.shell,
                self.clock,
                filter.map(|filter| filter.policy.lists()),
            )
        })
    }

    fn model_switch(&self) -> Option<String> {
        let instructions = instructions::base_instructions(self.model, Some(self.settings.voice()));
        let text = format!(
            "<model_switch>\nYou are a different model from the one that wrote the answers so far. Carry on with the \
             conversation under these instructions:\n\n{instructions}\n</model_switch>"
        );
        (!instructions.is_empty()).then_some(text)
    }
}

fn messages(sections: Vec<String>, blocks: Vec<String>) -> Vec<InputItem> {
    let mut messages = Vec::with_capacity(2);
    if !sections.is_empty() {
        messages.push(message::developer(sections));
    }
    if !blocks.is_empty() {
        messages.push(message::user_texts(blocks));
    }
    messages
}

#[cfg(test)]
mod tests;
