//! What everything inside one turn shares: the line to the thread, and what the thread lends for the turn's time.
//!
//! Made once per turn, held in an `Arc` by the loop and by each running tool. A tool's watcher may outlive the turn
//! (a background command); it then still publishes under the old turn.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::config::{NetworkFilter, ResolvedConfig};
use crate::engine::agents::AgentSeat;
use crate::engine::commands::CommandState;
use crate::engine::context::ProjectDocs;
use crate::engine::diff::{self, TurnDiff};
use crate::engine::environments::{self, Environment};
use crate::engine::extension::{Contribution, Extensions};
use crate::engine::goal::GoalKeeper;
use crate::engine::guardian;
use crate::engine::history::History;
use crate::engine::host::TurnHost;
use crate::engine::settings::TurnSettings;
use crate::engine::tools::ToolSet;
use crate::engine::tools::apply_patch::PatchApprovals;
use crate::exec::Environments;
use crate::exec::permissions::Grants;
use crate::exec::place::Bounds;
use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::Place;
use crate::hooks::PresentHooks;
use crate::model::catalog::{Catalog, ModelInfo};
use crate::model::{InputItem, ModelProvider, RequestIdentity};
use crate::protocol::TurnDiffUpdatedNotification;
use crate::store::Recorder;

/// What lives as long as the loaded thread and is used by its turns. Each room adds its own field.
pub struct ThreadServices {
    /// The configuration the thread was loaded with.
    pub config: Arc<ResolvedConfig>,
    /// The models that are known.
    pub catalog: Arc<Catalog>,
    /// Where the model answers.
    pub provider: Arc<dyn ModelProvider>,
    /// What the provider is told about the thread.
    pub identity: Arc<RequestIdentity>,
    /// The base instructions as the JSON string that requests carry; constant for the thread.
    pub instructions: InputItem,
    /// The thread's rollout.
    pub recorder: Recorder,
    /// The tools that can be called: the built-in ones, then the client's.
    pub tools: ToolSet,
    /// Its place among agents; none when it may not spawn any and was not spawned.
    pub agents: Option<AgentSeat>,
    /// What the thread is to achieve.
    pub goal: Arc<GoalKeeper>,
    /// The environments that turns can have.
    pub environments: Arc<Environments>,
    /// Processes, command rules and approvals.
    pub commands: CommandState,
    /// The name of the user's shell, as the model is told it (`bash`).
    pub shell: Arc<str>,
    /// AGENTS.md, read when the thread was loaded.
    pub project_docs: ProjectDocs,
    /// What adds to what the user says.
    pub extensions: Extensions,
    /// What they added when the thread was loaded.
    pub contributed: Contribution,
    /// Whether subscribers are told each item of the conversation (`experimentalRawEvents`).
    pub raw_events: bool,
    /// The user's hooks that count in the thread's folder.
    pub hooks: PresentHooks,
    /// How the thread came to life, until hooks were told of it: `startup`, `clear`, `resume`.
    pub came_by: Mutex<Option<&'static str>>,
    /// The files that the user has approved patches of, for as long as the thread is loaded.
    pub patch_approvals: PatchApprovals,
    /// Who judges approvals in the user's place.
    pub guardian: guardian::Seat,
}

impl ThreadServices {
    /// The command prefixes that the rules allow, to be told to the model.
    pub fn approved_prefixes(&self) -> Vec<Vec<String>> {
        self.commands.rules().allowed_prefixes()
    }
}

#[derive(Debug, Default)]
struct TurnGrants {
    permissions: Grants,
    /// Whether whoever granted them wants to see each command that follows.
    strict: bool,
}

/// What one turn's loop and tools share.
pub struct TurnScope {
    /// The line to the thread: publish, ask, pending input.
    pub host: TurnHost,
    /// What the thread keeps between turns.
    pub services: Arc<ThreadServices>,
    /// The settings of this turn.
    pub settings: Arc<TurnSettings>,
    /// What is known about the turn's model, overrides of the configuration included.
    pub model: Arc<ModelInfo>,
    /// Where its commands run and its files are, the primary environment first.
    pub environments: Vec<Environment>,
    /// What the turn's patches have done to files.
    pub diff: Mutex<TurnDiff>,
    /// What is known of judgements of approvals.
    pub judgements: guardian::Watch,
    /// What the user granted for the turn.
    granted: Mutex<TurnGrants>,
    /// What paths in the diff are relative to, once it was needed.
    diff_root: OnceLock<PathBuf>,
    /// The conversation as it was last sent, of a thread that no rollout tells.
    sent: Mutex<Vec<InputItem>>,
}

impl TurnScope {
    /// The scope of a turn that begins.
    pub fn new(
        host: TurnHost,
        services: Arc<ThreadServices>,
        settings: Arc<TurnSettings>,
        model: Arc<ModelInfo>,
    ) -> Self {
        TurnScope {
            environments: environments::resolve(&services.environments, &settings),
            host,
            services,
            settings,
            model,
            diff: Mutex::default(),
            judgements: Default::default(),
            granted: Mutex::default(),
            diff_root: OnceLock::new(),
            sent: Mutex::default(),
        }
    }

    /// Remembers what the model is sent now, where nobody could read it later.
    pub fn sends(&self, history: &History) {
        if self.recorder().is_ephemeral() {
            *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = history.items().cloned().collect();
        }
    }

    /// What the model was last sent, of a thread that no rollout tells.
    pub fn sent(&self) -> Vec<InputItem> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The thread's rollout.
    pub fn recorder(&self) -> &Recorder {
        &self.services.recorder
    }

    /// The environment that a call names, or the primary one. The error is for the model.
    pub fn environment(&self, id: Option<&str>) -> Result<&Environment, String> {
        match id {
            None => self
                .environments
                .first()
                .ok_or_else(|| "this turn has no environment".to_owned()),
            Some(id) => {
                let found = self.environments.iter().find(|environment| *environment.id == *id);
                found.ok_or_else(|| format!("unknown turn environment id `{id}`"))
            }
        }
    }

    /// What the user granted beyond the sandbox policy, for the session and for this turn.
    pub fn granted(&self) -> Grants {
        let of_turn = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        self.services.commands.granted().merged(&of_turn.permissions)
    }

    /// Remembers a grant for the rest of the turn. `strict`: every command that follows is judged.
    pub fn grant(&self, grants: &Grants, strict: bool) {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.permissions = granted.permissions.merged(grants);
        granted.strict |= strict;
    }

    /// Whether every command and patch of the turn is to be judged from now on.
    pub fn judges_all(&self) -> bool {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).strict
    }

    /// What holds for a confined command of this turn, grants included; none when nothing confines it. Touches the disk.
    pub fn confinement(&self, grants: &Grants) -> Option<Confinement> {
        let config = &self.services.config;
        let mut confinement = self.settings.confinement(&config.home)?;
        let place = Place {
            workspace_roots: &self.settings.workspace_roots,
            home: &config.home,
        };
        grants.widen(&mut confinement, &place);
        if let Some(filter) = self.network_filter() {
            let wanted = confinement.network || filter.opened || filter.managed;
            confinement.network = false;
            if wanted {
                confinement.filter();
            }
        }
        Some(confinement)
    }

    /// What looks at the network of confined commands; none when nothing does.
    pub fn network_filter(&self) -> Option<NetworkFilter> {
        self.services.config.network.filter(self.settings.profile.as_deref())
    }

    /// What holds for patches, and for commands that are not let out, in an environment on another machine; none for one
    /// on this machine.
    pub fn bounds_there(&self, environment: &Environment) -> Option<Bounds> {
        let remote = environment.place.is_remote();
        let mut bounds = remote.then(|| environments::bounds_there(&self.settings, &environment.cwd))?;
        // The proxy is here, and not there.
        if self.network_filter().is_some() {
            bounds.close_network();
        }
        Some(bounds)
    }

    /// Whether a file of an environment may not even be read that is called `path` and lies at `real`. Touches the disk.
    pub fn hides(&self, environment: &Environment, path: &Path, real: &Path) -> bool {
        match environment.place.is_remote() {
            // What a profile hides has its names here.
            true => !self.settings.reads_all(),
            false => self
                .confinement(&self.granted())
                .is_some_and(|held| held.hides(path, real)),
        }
    }

    /// Publishes the turn's diff, if there is one.
    pub async fn publish_diff(&self) {
        let update = {
            let mut diff = self.diff.lock().unwrap_or_else(PoisonError::into_inner);
            if diff.is_untouched() {
                return;
            }
            diff.update(
                self.diff_root
                    .get_or_init(|| diff::root_of(self.settings.cwd.as_path())),
            )
        };
        if let Some(diff) = update {
            self.host
                .publish(&TurnDiffUpdatedNotification {
                    diff,
                    thread_id: self.host.thread_id.to_string(),
                    turn_id: self.host.turn_id.to_string(),
                })
                .await;
        }
    }
}
