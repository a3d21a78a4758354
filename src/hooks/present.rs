//! The hooks that count at the moment, exchanged when the configuration is loaded anew.

use std::sync::{Arc, PoisonError, RwLock};

use crate::hooks::HookSet;

/// A set of hooks that can be exchanged. Whoever runs some keeps those that it began with.
#[derive(Debug, Default)]
pub struct PresentHooks(RwLock<Arc<HookSet>>);

impl From<Arc<HookSet>> for PresentHooks {
    fn from(hooks: Arc<HookSet>) -> Self {
        PresentHooks(RwLock::new(hooks))
    }
}

impl PresentHooks {
    /// These hooks.
    pub fn new(hooks: HookSet) -> Self {
        PresentHooks(RwLock::new(Arc::new(hooks)))
    }

    /// The hooks that count now.
    pub fn get(&self) -> Arc<HookSet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these count.
    pub fn replace(&self, hooks: HookSet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(hooks);
    }
}
