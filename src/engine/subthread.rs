//! Threads that work inside of another thread's turn: a reviewer of changes, a judge of approvals.
//!
//! Such a thread has a rollout, instructions and settings of its own, and nothing of the conversation. It has no actor:
//! its turn is part of the turn that wants it, ends with that one, and shows to clients only what that one passes on,
//! under the ids of the thread that they know.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::mpsc;

use crate::config::WebSearchMode;
use crate::engine::commands::CommandState;
use crate::engine::extension::Contribution;
use crate::engine::goal::GoalKeeper;
use crate::engine::host::{TurnEvent, TurnHost};
use crate::engine::scope::{ThreadServices, TurnScope};
use crate::engine::settings::TurnSettings;
use crate::engine::tools::ToolSet;
use crate::engine::turn::{Conversation, TurnJob, TurnOpening};
use crate::exec::policy::Policy;
use crate::hooks::PresentHooks;
use crate::model::{RequestIdentity, json_text};
use crate::protocol::{SessionSource, SubAgentSource, ThreadId, ThreadSource, UserInput};
use crate::store::{BaseInstructions, GitMeta, NewThread, Recorder, SessionMeta, StoreError};

/// What such a thread is for.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// What its rollout says of where it came from.
    pub source: SubAgentSource,
    /// What model providers are told of it.
    pub label: &'static str,
    /// Its base instructions.
    pub instructions: String,
    /// Whether it may search the web as the thread may.
    pub web_search: bool,
    /// Whether the user's hooks hear of it.
    pub hooks: bool,
    /// Whether the user's rules for commands count, which may let some out of the sandbox.
    pub rules: bool,
    /// Whether it is recorded, if the thread is.
    pub kept: bool,
}

/// A thread inside of another one's turn.
pub struct SubThread {
    services: Arc<ThreadServices>,
    settings: Arc<TurnSettings>,
}

impl SubThread {
    /// Makes one for the turn of `parent`. Nothing is written yet.
    pub fn new(parent: &TurnScope, purpose: Purpose, settings: TurnSettings) -> Result<Self, StoreError> {
        let above = &parent.services;
        let id = ThreadId::generate();
        let mut meta = SessionMeta::new(
            id,
            settings.cwd.as_path().to_path_buf(),
            above.identity.originator.clone(),
            above.config.model_provider.clone(),
        );
        meta.source = SessionSource::SubAgent(purpose.source);
        meta.thread_source = Some(ThreadSource::Subagent);
        meta.git = above.recorder.thread().git.map(|git| GitMeta {
            commit_hash: git.sha,
            branch: git.branch,
            repository_url: git.origin_url,
        });
        meta.base_instructions = Some(BaseInstructions {
            text: purpose.instructions.clone(),
        });
        let new = NewThread {
            meta,
            ephemeral: !purpose.kept || above.recorder.is_ephemeral(),
        };
        let gone = || StoreError::Internal("the thread store has been closed".to_owned());
        let recorder = above.recorder.sibling(new).ok_or_else(gone)?;
        let instructions = json_text(&purpose.instructions);
        let mut config = (*above.config).clone();
        config.base_instructions = Some(purpose.instructions);
        if !purpose.web_search {
            config.web_search = Some(WebSearchMode::Disabled);
        }
        let rules = match purpose.rules {
            true => (*above.commands.rules()).clone(),
            false => Policy::default(),
        };
        let services = ThreadServices {
            environments: parent.services.environments.clone(),
            config: Arc::new(config),
            catalog: Arc::clone(&above.catalog),
            provider: Arc::clone(&above.provider),
            identity: Arc::new(RequestIdentity {
                thread_id: id.to_string(),
                subagent: Some(purpose.label.to_owned()),
                parent_thread_id: None,
                ..(*above.identity).clone()
            }),
            instructions,
            tools: ToolSet::new(&[]),
            agents: None,
            goal: Arc::new(GoalKeeper::new(recorder.clone(), false, None)),
            recorder,
            commands: CommandState::new(rules, Arc::clone(&above.commands.sandbox)),
            shell: Arc::clone(&above.shell),
            project_docs: above.project_docs.clone(),
            extensions: above.extensions.clone(),
            contributed: Contribution {
                sections: above.contributed.sections.clone(),
                ..Contribution::default()
            },
            raw_events: above.raw_events,
            hooks: match purpose.hooks {
                true => above.hooks.get().into(),
                false => PresentHooks::default(),
            },
            came_by: Mutex::new(Some("startup")),
            patch_approvals: Default::default(),
            guardian: Default::default(),
        };
        Ok(SubThread {
            services: Arc::new(services),
            settings: Arc::new(settings),
        })
    }

    /// Its own rollout.
    pub fn recorder(&self) -> &Recorder {
        &self.services.recorder
    }

    /// Ends what its commands left running.
    pub fn end_processes(&self) {
        self.services.commands.sessions.close();
    }

    /// A turn of it inside of the turn of `parent`, whose events arrive at the other end of `events`.
    pub fn turn(&self, parent: &TurnHost, prompt: Vec<String>, events: mpsc::Sender<TurnEvent>) -> TurnJob {
        TurnJob {
            host: parent.inner(events),
            services: Arc::clone(&self.services),
            settings: Arc::clone(&self.settings),
            conversation: Conversation::default(),
            input: prompt.into_iter().map(said).collect(),
            opening: TurnOpening::Said,
            output_schema: None,
            lenient: false,
            client_metadata: Default::default(),
            started_at: SystemTime::now(),
        }
    }
}

fn said(text: String) -> UserInput {
    UserInput::Text {
        text,
        text_elements: Vec::new(),
    }
}

impl Drop for SubThread {
    fn drop(&mut self) {
        self.end_processes();
    }
}
