//! What adds to threads without being part of the turn loop: skills, and what else may come.
//!
//! An extension contributes when a thread is loaded (sections for the developer message of its first turn, and things to
//! be held as long as the thread) and when the user has said something (messages that follow what was said).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::ResolvedConfig;
use crate::model::InputItem;
use crate::protocol::UserInput;

/// A thread that is being loaded, as extensions see it.
#[derive(Debug, Clone)]
pub struct ThreadStart {
    /// Its working folder.
    pub cwd: PathBuf,
    /// The configuration it is loaded with.
    pub config: Arc<ResolvedConfig>,
    /// How many tokens its model takes, if that is known.
    pub context_window: Option<i64>,
}

/// What extensions add to a thread.
#[derive(Default)]
pub struct Contribution {
    /// Developer sections of the first turn, tags included, in order.
    pub sections: Vec<Arc<str>>,
    /// What clients are told with the first turn.
    pub warnings: Mutex<Vec<String>>,
    /// Kept as long as the thread is loaded.
    pub held: Vec<Box<dyn Send + Sync>>,
}

impl Contribution {
    /// The warnings, to be told once.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&mut self, other: Contribution) {
        let warnings = other.take_warnings();
        self.sections.extend(other.sections);
        self.warnings
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(warnings);
        self.held.extend(other.held);
    }
}

/// What extensions add to what the user said.
#[derive(Debug, Default)]
pub struct InputContext {
    /// Messages that follow it.
    pub items: Vec<InputItem>,
    /// What clients are told went wrong.
    pub warnings: Vec<String>,
}

/// An extension. Its contributors run where blocking is allowed.
pub trait Extension: Send + Sync {
    /// Contributes to a thread that is being loaded.
    fn thread_start(&self, _start: &ThreadStart) -> Contribution {
        Contribution::default()
    }

    /// Whether it may have something to add to this input. Must not wait.
    fn cares_for(&self, _input: &[UserInput]) -> bool {
        false
    }

    /// Contributes to what the user said in this working folder.
    fn input(&self, _cwd: &Path, _input: &[UserInput]) -> InputContext {
        InputContext::default()
    }
}

/// The extensions of a process, in the order in which they contribute.
#[derive(Clone, Default)]
pub struct Extensions(Arc<[Arc<dyn Extension>]>);

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extensions({})", self.0.len())
    }
}

impl Extensions {
    /// These extensions.
    pub fn new(extensions: Vec<Arc<dyn Extension>>) -> Self {
        Extensions(extensions.into())
    }

    /// What all of them add to a thread.
    pub async fn thread_start(&self, start: ThreadStart) -> Contribution {
        let all = Arc::clone(&self.0);
        let contribute = move || {
            let mut whole = Contribution::default();
            for extension in all.iter() {
                whole.add(extension.thread_start(&start));
            }
            whole
        };
        tokio::task::spawn_blocking(contribute).await.unwrap_or_else(|_| {
            tracing::error!("an extension panicked while a thread was loaded");
            Contribution::default()
        })
    }

    /// What all of them add to what the user said. Goes to the blocking pool only where one of them cares.
    pub async fn input(&self, cwd: &Path, input: &[UserInput]) -> InputContext {
        if !self.0.iter().any(|extension| extension.cares_for(input)) {
            return InputContext::default();
        }
        let (all, cwd, input) = (Arc::clone(&self.0), cwd.to_path_buf(), input.to_vec());
        let contribute = move || {
            let mut whole = InputContext::default();
            for extension in all.iter() {
                let own = extension.input(&cwd, &input);
                whole.items.extend(own.items);
                whole.warnings.extend(own.warnings);
            }
            whole
        };
        tokio::task::spawn_blocking(contribute).await.unwrap_or_else(|_| {
            tracing::error!("an extension panicked while input was read");
            InputContext::default()
        })
    }
}
