//! Builds the process and runs it to its end: the only place that decides what runs where, and when it stops.
//!
//! [`build`] makes the services, starts the supervisor on the calling arbiter and the listeners; nothing heavy happens
//! before the first client is answered. [`Server::run_until_stopped`] waits for the end: the stdio client leaves, or a
//! signal asks for it. The first signal drains: the server goes on as before until no turn runs (or the drain time is
//! over), then stops listening, says goodbye and ends. The second one ends at once. A process that serves only stdio
//! keeps the default signal handling: it ends with its parent.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_rt::Arbiter;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::actors::db::{self, Db};
use crate::actors::process::{ProcessLimits, Processes};
use crate::actors::skills_watcher::SkillsWatcher;
use crate::actors::supervisor::{Supervise, Supervisor, SupervisorHandle};
use crate::actors::thread::{Surroundings, ThreadRegistry};
use crate::actors::{Handle, Kernel};
use crate::config::{ConfigLoader, ThreadOverrides};
use crate::engine::extension::{Extension, Extensions};
use crate::engine::skills::SkillsExtension;
use crate::engine::turn::run_turn;
use crate::exec::place::LocalPlace;
use crate::exec::{Environments, Sandbox};
use crate::model::{Catalog, Models};
use crate::protocol::ConfigWarningNotification;
use crate::rpc::EncodedNotification;
use crate::rpc::context::{ClientDirectory, Services, TurnCounter};
use crate::rpc::identity::Identity;
use crate::rpc::notices::Notices;
use crate::rpc::pending::PendingServerRequests;
use crate::rpc::replay::ReplayLimits;
use crate::rpc::searches::FileSearches;
use crate::rpc::watches::FsWatches;
use crate::settings::Settings;
use crate::skills::{Skills, WatchedRoots};
use crate::store::{LocalThreadStore, StoreWarning, ThreadStore};
use crate::telemetry::metrics::{self, Load};
use crate::transport::{RunningListener, StartListener, stdio};

/// How long the end of the process waits for what should be quick: threads that end, goodbyes that are written.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The Db actor's name for the supervisor.
const INDEX: &str = "db";

/// The name of the watcher of skills for the supervisor.
const SKILLS_WATCHER: &str = "skills_watcher";

/// The present Db actor.
type Index = Arc<Mutex<Option<Handle<Db>>>>;

/// What a server is made of.
#[derive(Default)]
pub struct Options {
    /// How the process runs.
    pub settings: Option<Settings>,
    /// `key=value` pairs for the configuration, from the command line.
    pub config: Vec<(String, String)>,
    /// Whether unknown keys of the configuration refuse the start.
    pub strict_config: bool,
    /// Whether the parent process is a client over stdin and stdout.
    pub stdio: bool,
    /// Everything else that clients come through.
    pub listeners: Vec<StartListener>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] crate::settings::SettingsError),
    /// The configuration holds what nobody knows.
    #[error(transparent)]
    Config(#[from] crate::config::StrictError),
    /// The places where commands could run are not what anybody meant.
    #[error(transparent)]
    Environments(#[from] crate::exec::environments::EnvironmentsError),
    /// A listener cannot be started.
    #[error("{0}")]
    Listener(String),
    /// The system refused something.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// A running server.
pub struct Server {
    kernel: Kernel,
    index: Index,
    stdio: Option<oneshot::Receiver<()>>,
    listeners: Vec<RunningListener>,
    signals: Option<(Signal, Signal)>,
}

/// Builds a server on the calling arbiter.
pub async fn build(options: Options) -> Result<Server, StartError> {
    let settings = match options.settings {
        Some(settings) => settings,
        None => Settings::load(crate::settings::Layer::default())?,
    };
    if !options.listeners.is_empty() {
        metrics::install();
    }
    let load = Arc::new(Load::default());
    let supervisor = Supervisor::launch(load.clone());
    let store = LocalThreadStore::open(settings.home.clone(), settings.durability);
    let services = services(settings, &options.config, &store)?;
    try_sandbox(&services.sandbox);
    if options.strict_config {
        services.config.check_strict()?;
    }
    let index = supervised_index(&supervisor, &store)?;
    supervised_skills_watcher(&supervisor, &services)?;
    let kernel = Kernel::new(services, supervisor, load);
    // Watched before anything listens: a signal that comes early is not lost.
    let signals = match options.listeners.is_empty() {
        true => None,
        false => Some((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)),
    };
    let mut listeners = Vec::new();
    for start in options.listeners {
        listeners.push(start(kernel.clone()).await.map_err(StartError::Listener)?);
    }
    let stdio = match options.stdio {
        true => Some(stdio::serve(&kernel)?),
        false => None,
    };
    Ok(Server {
        kernel,
        index,
        stdio,
        listeners,
        signals,
    })
}

/// Makes the services. Threads get arbiters of their own.
pub(crate) fn services(
    settings: Settings,
    config: &[(String, String)],
    store: &LocalThreadStore,
) -> Result<Arc<Services>, StartError> {
    let home = settings.home.clone();
    let sandbox = Arc::new(Sandbox::new(settings.sandbox_method));
    let environments = Environments::load(&home, LocalPlace::new(sandbox.clone()))?;
    let server_cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let clients = Arc::new(ClientDirectory::default());
    let pending = Arc::new(PendingServerRequests::default());
    let turn_count = Arc::new(TurnCounter::default());
    let threads_on_disk: Arc<dyn ThreadStore> = Arc::new(store.clone());
    let replay = Arc::new(ReplayLimits {
        events: settings.replay_window_events,
        // Whoever comes back is sent all of it at once.
        bytes: settings.replay_window_bytes.min(settings.outbox_limit),
        total_bytes: settings.replay_total_bytes,
        ..ReplayLimits::default()
    });
    let threads = ThreadRegistry::new(Surroundings {
        run_turn: Box::new(|job| Box::pin(run_turn(job))),
        store: Arc::clone(&threads_on_disk),
        clients: clients.clone(),
        pending: pending.clone(),
        turns: turn_count.clone(),
        idle_unload: settings.idle_unload,
        replay: replay.clone(),
    });
    let config =
        Arc::new(ConfigLoader::new(home.clone(), server_cwd, config).with_requirements(settings.requirements.clone()));
    let catalog = catalog(&config);
    let (skills, watched_roots) = (Arc::new(Skills::new(config.clone())), Arc::<WatchedRoots>::default());
    let skilled: Arc<dyn Extension> = Arc::new(SkillsExtension::new(skills.clone(), watched_roots.clone()));
    let services = Arc::new(Services {
        config,
        skills,
        watched_roots,
        extensions: Extensions::new(vec![skilled]),
        agents: Arc::new(store.agent_graph()),
        spawning: Mutex::default(),
        store: threads_on_disk,
        sandbox,
        environments: Arc::new(environments),
        models: Models::new(home.clone(), catalog),
        threads: Arc::new(threads),
        processes: Arc::new(Processes::new(ProcessLimits {
            each_connection: settings.max_processes_per_connection,
            total: settings.max_processes,
        })),
        clients,
        pending,
        replay,
        turn_count,
        identity: Identity::from_environment(),
        notices: Notices::default(),
        watcher: Arc::default(),
        fs_watches: FsWatches::default(),
        file_searches: FileSearches::default(),
        settings: Arc::new(settings),
        home,
    });
    tell_warnings(&services, store);
    Ok(services)
}

/// The models that are known: those of the configured file, else the bundled ones and what the provider lists.
fn catalog(config: &ConfigLoader) -> Catalog {
    if let Some(file) = config.model_catalog() {
        return Catalog::of_file(&file);
    }
    match config.resolve(&ThreadOverrides::default()) {
        Ok(resolved) => Catalog::of_home(config.home(), &resolved.model_provider, &resolved.provider),
        // With a configuration that does not hold nobody is asked for anything.
        Err(_) => Catalog::default(),
    }
}

/// Finds out by which way commands are confined, aside: the first client need not wait for it.
fn try_sandbox(sandbox: &Arc<Sandbox>) {
    let sandbox = sandbox.clone();
    tokio::task::spawn_blocking(move || match sandbox.way() {
        Some(way) => tracing::info!("commands are confined by {}", way.name()),
        None => tracing::warn!("commands cannot be confined on this machine"),
    });
}

/// Starts the Db actor on an arbiter of its own. When it falls, the supervisor starts another one in its place; the store
/// reads from files meanwhile.
fn supervised_index(supervisor: &SupervisorHandle, store: &LocalThreadStore) -> Result<Index, StartError> {
    let arbiter = Arbiter::new().handle();
    let index = Index::default();
    let (slot, told, store) = (index.clone(), supervisor.clone(), store.clone());
    let start = move || {
        let supervisor = told.clone();
        let fallen = move || supervisor.child_stopped(INDEX);
        let db = Db::start_on(&arbiter, store.clone(), Box::new(fallen));
        if let Ok(mut slot) = slot.lock() {
            *slot = Some(db);
        }
    };
    start();
    let child = Supervise {
        name: INDEX,
        start: Box::new(start),
    };
    supervisor
        .try_send(child)
        .map_err(|error| StartError::System(std::io::Error::other(error)))?;
    Ok(index)
}

/// Starts the watcher of skills on the supervisor's arbiter, and again when it falls.
fn supervised_skills_watcher(supervisor: &SupervisorHandle, services: &Arc<Services>) -> Result<(), StartError> {
    let (told, services) = (supervisor.clone(), services.clone());
    let start = move || {
        let supervisor = told.clone();
        SkillsWatcher::launch(
            services.clone(),
            Box::new(move || supervisor.child_stopped(SKILLS_WATCHER)),
        );
    };
    start();
    let child = Supervise {
        name: SKILLS_WATCHER,
        start: Box::new(start),
    };
    supervisor
        .try_send(child)
        .map_err(|error| StartError::System(std::io::Error::other(error)))
}

/// What is wrong with the store is told to every client, those that are connected already included.
fn tell_warnings(services: &Arc<Services>, store: &LocalThreadStore) {
    let told = Arc::downgrade(services);
    let tell = move |warning: &StoreWarning| {
        if let Some(services) = told.upgrade() {
            let warning = ConfigWarningNotification {
                summary: warning.summary.clone(),
                details: warning.details.clone(),
                path: None,
                range: None,
            };
            services.clients.broadcast(&EncodedNotification::new(&warning));
            services.notices.add(warning);
        }
    };
    for warning in store.warnings() {
        tell(&warning);
    }
    store.on_warning(tell);
}

impl Server {
    /// What in-process clients connect to.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Runs until the server is asked to end, then ends it.
    pub async fn run_until_stopped(mut self) {
        let drained = match (self.stdio.take(), self.signals.take()) {
            (Some(client), None) => {
                let _ = client.await;
                true
            }
            (_, Some(signals)) => self.drain(signals).await,
            (None, None) => {
                self.kernel.stopping().cancelled().await;
                true
            }
        };
        if drained {
            self.stop().await;
        }
    }

    /// Waits for the first signal, then for the running turns. Returns false when a second signal wants it at once.
    async fn drain(&self, (mut terminate, mut interrupt): (Signal, Signal)) -> bool {
        let stopping = self.kernel.stopping().clone();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = stopping.cancelled() => return true,
        }
        let services = self.kernel.services();
        tracing::info!("stopping: waiting for {} turns", services.turn_count.running());
        tokio::select! {
            idle = timeout(services.settings.drain_timeout, services.turn_count.idle()) => {
                if idle.is_err() {
                    tracing::warn!("turns still run after the drain time; they are interrupted");
                }
                true
            }
            _ = terminate.recv() => false,
            _ = interrupt.recv() => false,
        }
    }

    /// Ends everything in order: listeners, threads, connections.
    pub async fn stop(self) {
        let mut stopped = Vec::new();
        for listener in self.listeners {
            stopped.push((listener.stop)());
        }
        if timeout(LAST_WORDS, self.kernel.services().threads.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("threads still run at the end");
        }
        if timeout(LAST_WORDS, self.kernel.services().processes.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("processes of clients still run at the end");
        }
        let index = self.index.lock().ok().and_then(|mut index| index.take());
        if let Some(index) = index
            && timeout(LAST_WORDS, index.call(db::Shutdown)).await.is_err()
        {
            tracing::warn!("the thread index was not closed in time");
        }
        self.kernel.stopping().cancel();
        let goodbyes = async {
            while self.kernel.open_edges() > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let listening = futures_util::future::join_all(stopped);
        if timeout(LAST_WORDS, futures_util::future::join(goodbyes, listening))
            .await
            .is_err()
        {
            tracing::warn!("{} clients did not take their goodbye", self.kernel.open_edges());
        }
    }
}
