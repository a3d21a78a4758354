//! The beginning of a turn: what the model has to be told first, and what the user said.
//!
//! Lines come in the order that other programs write: the turn's start, context items, the turn's settings, the user's
//! message, and its event. They go out with one append, before anything of them is published.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::context::permissions::Asks;
use crate::engine::context::{Situation, UserMessage};
use crate::engine::items;
use crate::engine::scope::ThreadServices;
use crate::engine::settings::{Truncation, TurnContext, TurnSettings, WallClock};
use crate::engine::tools::{exec_command, request_permissions};
use crate::engine::turn::task::{Failure, Task, unix_seconds};
use crate::model::InputItem;
use crate::model::catalog::{self, ModelInfo};
use crate::protocol::{InputModality, ModeKind, TextElement, ThreadItem, UserInput, WarningNotification};
use crate::store::{EventMsg, ItemIdOf, RolloutItem, StoreError, TaskStarted, TurnContextLine};

impl Task {
    /// Records the context and the input, and publishes the input. Returns whether the turn goes on: hooks may end it.
    pub(super) async fn open(&mut self, input: &[UserInput], goal: Option<InputItem>) -> Result<bool, Failure> {
        // Clients know of the turn already: its start is recorded even if it ends here.
        self.begin();
        if self.host().cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        self.say_first(input, goal).await
    }

    /// Adds the line of the turn's start to the next append.
    pub(super) fn begin(&mut self) {
        self.event(EventMsg::TaskStarted(TaskStarted {
            turn_id: Some(self.host().recorded_as.to_string()),
            started_at: Some(unix_seconds(self.started_at)),
            model_context_window: self.scope.model.effective_context_window(),
            collaboration_mode_kind: Some(
                match self.scope.settings.mode {
                    ModeKind::Plan => "plan",
                    ModeKind::Default => "default",
                }
                .to_owned(),
            ),
        }));
    }

    /// Records what the model has to know and the first input, and publishes both. Returns whether hooks let it.
    ///
    /// The conversation is compacted before that if it is too long. Where that fails, what the user said is in the
    /// conversation all the same.
    pub(super) async fn say_first(&mut self, input: &[UserInput], goal: Option<InputItem>) -> Result<bool, Failure> {
        let compacted = self.compact_before_turn().await;
        if let Err(Failure::Interrupted) = compacted {
            return Err(Failure::Interrupted);
        }
        let mut context = self.tell_situation();
        if !self.session_began(&mut context).await {
            self.flush().await?;
            return Ok(false);
        }
        if let Some(goal) = goal {
            self.remember(Arc::clone(&goal));
            context.push(goal);
        }
        let through = self.say(context, input).await?;
        compacted.map(|()| through)
    }

    /// A message of the user that came while the turn ran. Returns whether hooks let it through.
    pub(super) async fn user_message(&mut self, input: &[UserInput]) -> Result<bool, Failure> {
        self.say(Vec::new(), input).await.map_err(Failure::from)
    }

    /// Adds what has to be said about the thread's situation to the conversation; returns what was added.
    fn tell_situation(&mut self) -> Vec<InputItem> {
        let scope = Arc::clone(&self.scope);
        let told = self.conversation.told.as_ref();
        let before = self.conversation.model.as_deref();
        let situation = tell(
            &scope.services,
            &scope.settings,
            &scope.model,
            &scope.host.recorded_as,
            told,
            before,
        );
        for item in &situation.items {
            self.remember(Arc::clone(item));
        }
        if let Some(line) = situation.line {
            self.line(line);
        }
        self.conversation.model = Some(situation.told.model.clone());
        self.conversation.told = Some(situation.told);
        situation.items
    }

    /// Records the user's message behind the `context`, then publishes both. Returns whether hooks let it through.
    async fn say(&mut self, context: Vec<InputItem>, input: &[UserInput]) -> Result<bool, StoreError> {
        let Some(hook_contexts) = self.prompt_submitted(input).await else {
            self.flush().await?;
            return Ok(false);
        };
        let images = self.scope.model.input_modalities.contains(&InputModality::Image);
        let said = UserMessage::read(input, images).await;
        let services = &self.scope.services;
        let added = services
            .extensions
            .input(self.scope.settings.cwd.as_path(), input)
            .await;
        let mut warnings = services.contributed.take_warnings();
        warnings.extend(added.warnings);
        let id = items::new_id();
        let mut raw = context;
        raw.extend(said.message.clone());
        if let Some(message) = said.message {
            self.remember(message);
        }
        if !input.is_empty() {
            self.event(EventMsg::UserMessage(event_of(input)));
            let turn_id = self.host().recorded_as.to_string();
            self.line(RolloutItem::item_id(turn_id, &id, ItemIdOf::UserMessage));
        }
        for context in &hook_contexts {
            self.remember(Arc::clone(context));
        }
        for item in &added.items {
            self.remember(Arc::clone(item));
        }
        self.flush().await?;
        for item in &raw {
            self.publish_raw(item).await;
        }
        if !input.is_empty() {
            let item = ThreadItem::UserMessage {
                content: input.to_vec(),
                id,
            };
            items::publish_started(self.host(), item.clone()).await;
            items::publish_completed(self.host(), item).await;
        }
        for item in hook_contexts.iter().chain(&added.items) {
            self.publish_raw(item).await;
        }
        for message in warnings {
            let thread_id = Some(self.host().thread_id.to_string());
            self.host().publish(&WarningNotification { message, thread_id }).await;
        }
        Ok(true)
    }
}

/// What the model is to be told of a thread's situation.
pub(super) struct Telling {
    /// The messages.
    pub(super) items: Vec<InputItem>,
    /// The settings that the model then knows.
    pub(super) told: TurnContext,
    /// Their line.
    pub(super) line: Option<RolloutItem>,
}

/// Everything if nothing was `told` before, else what has changed. `before` is the model of the turn before.
pub(super) fn tell(
    services: &ThreadServices,
    settings: &TurnSettings,
    model: &ModelInfo,
    turn_id: &str,
    told: Option<&TurnContext>,
    before: Option<&str>,
) -> Telling {
    let clock = WallClock::now();
    let situation = Situation {
        settings,
        clock: &clock,
        model,
        shell: &services.shell,
        project_docs: &services.project_docs,
        approved_prefixes: &services.approved_prefixes(),
        asks: Asks {
            with_command: services.config.feature(exec_command::ADDITIONAL_PERMISSIONS),
            ahead: services.config.feature(request_permissions::FEATURE),
        },
        network: &services.config.network,
        sections: &services.contributed.sections,
        instructions: &services.instructions,
        instructions_given: services.config.base_instructions.is_some(),
        tell_permissions: services.config.include_permissions_instructions,
        tell_environment: services.config.include_environment_context,
    };
    let items = match told {
        None => situation.initial(before),
        Some(told) => situation.changes(told),
    };
    let truncation = match model.truncation {
        catalog::Truncation::Bytes(limit) => Truncation::Bytes(limit),
        catalog::Truncation::Tokens(limit) => Truncation::Tokens(limit),
    };
    let told = settings.to_turn_context(turn_id, &clock, Some(truncation));
    let line = line_of(&told).map(|line| RolloutItem::TurnContext(Box::new(line)));
    Telling { items, told, line }
}

/// The settings as their line: the same members under the same names.
fn line_of(told: &TurnContext) -> Option<TurnContextLine> {
    serde_json::from_value(serde_json::to_value(told).ok()?).ok()
}

/// The event line of an input: its texts joined, its images apart.
pub(super) fn event_of(input: &[UserInput]) -> crate::store::UserMessage {
    let mut event = crate::store::UserMessage {
        images: Some(Vec::new()),
        ..Default::default()
    };
    for item in input {
        match item {
            UserInput::Text { text, text_elements } => {
                let offset = event.message.len();
                event.message.push_str(text);
                event
                    .text_elements
                    .extend(text_elements.iter().map(|element| moved(element, offset)));
            }
            UserInput::Image { url } => event.images.get_or_insert_default().push(url.clone()),
            UserInput::LocalImage { path } => event.local_images.push(PathBuf::from(path)),
            UserInput::Skill { .. } | UserInput::Mention { .. } => {}
        }
    }
    event
}

fn moved(element: &TextElement, offset: usize) -> TextElement {
    let mut element = element.clone();
    element.byte_range.start += offset;
    element.byte_range.end += offset;
    element
}
