//! A thread that tests can load without a server.

use std::path::Path;

use super::*;
use crate::config::ConfigLoader;
use crate::engine::goal::GoalKeeper;
use crate::methods::thread_setup::{Wishes, resolve};
use crate::store::{Durability, LocalThreadStore, ThreadStore};

/// The seed of a new thread in `home`, on the offline model.
pub(crate) fn seed(home: &Path) -> ThreadSeed {
    let flags = [("model_provider".to_owned(), "rehearsal".to_owned())];
    let loader = ConfigLoader::new(home.to_path_buf(), home.to_path_buf(), &flags);
    let models = Models::new(home.to_path_buf(), Catalog::default());
    let prepared = resolve(&loader, &models, &Environments::default(), Wishes::default()).unwrap();
    let store = LocalThreadStore::open(home.to_path_buf(), Durability::Os);
    let id = ThreadId::generate();
    let meta = SessionMeta::new(id, home.to_path_buf(), "test".into(), "rehearsal".into());
    let recorder = store.create(NewThread { meta, ephemeral: false }).unwrap();
    let loading = Loading {
        id,
        prepared,
        recorder,
        instructions: "Be kind.".into(),
        dynamic_tools: Vec::new(),
        raw_events: false,
        conversation: Some(Conversation::default()),
        usage: None,
        came_by: super::CameBy::Startup,
    };
    let goal = GoalKeeper::new(loading.recorder.clone(), false, None);
    loading
        .seed(
            &models,
            RequestIdentity::default(),
            Company {
                commands: CommandState::default(),
                goal,
                hooks: HookSet::default(),
                agents: None,
                environments: Arc::default(),
                extensions: Extensions::default(),
                contributed: Contribution::default(),
            },
        )
        .unwrap()
}
