//! What the store has to tell a person: shown to clients as `configWarning`.
//!
//! Warnings are kept for clients that connect later, and handed to a listener as they come.

use std::sync::{Mutex, OnceLock, PoisonError};

/// Something about the store that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreWarning {
    /// One line.
    pub summary: String,
    /// What was done about it, or can be.
    pub details: Option<String>,
}

type Listener = Box<dyn Fn(&StoreWarning) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Warnings {
    told: Mutex<Vec<StoreWarning>>,
    listener: OnceLock<Listener>,
}

impl std::fmt::Debug for Warnings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Warnings")
    }
}

impl Warnings {
    pub(crate) fn all(&self) -> Vec<StoreWarning> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of a warning, unless it was told before.
    pub(crate) fn add(&self, summary: String, details: Option<String>) {
        let warning = StoreWarning { summary, details };
        tracing::warn!(summary = %warning.summary, details = warning.details.as_deref(), "thread store");
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.contains(&warning) {
                return;
            }
            told.push(warning.clone());
        }
        if let Some(listener) = self.listener.get() {
            listener(&warning);
        }
    }

    pub(crate) fn listen(&self, listener: Listener) -> bool {
        self.listener.set(listener).is_ok()
    }
}
