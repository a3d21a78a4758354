//! What taking a thread up needs, found without reading its whole file: from the index where that is up to date, else by
//! one pass over the file. Blocks.

use std::path::{Path, PathBuf};

use crate::protocol::ThreadId;
use crate::store::core::StoreCore;
use crate::store::thread::StoredThread;
use crate::store::turns::Landmarks;
use crate::store::turns::history::{self, Part};
use crate::store::turns::outline::Outline;
use crate::store::{Scope, StoreError, StoredConversation, ThreadHead, scan};

/// A stored thread, ready to be taken up.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) thread: StoredThread,
    pub(crate) landmarks: Landmarks,
    /// Known when the file was read; else the index has it.
    pub(crate) outline: Option<Outline>,
    /// The index knows the thread as it is.
    pub(crate) indexed: bool,
}

impl Head {
    /// What the lines at the landmarks say.
    pub(crate) fn shown(&self) -> Result<ThreadHead, StoreError> {
        let mut head = ThreadHead::of(self.thread.clone());
        if let Some(path) = &self.thread.path {
            let lines = history::HeadLines::read(path, &self.landmarks)?;
            head.meta = lines.meta;
            head.usage = lines.usage;
            head.rate_limits = lines.rate_limits;
            head.last_context = lines.context;
        }
        Ok(head)
    }
}

impl StoreCore {
    /// The head of a thread that is stored, or being recorded.
    pub(crate) fn head(&self, id: ThreadId) -> Result<Head, StoreError> {
        if let Some(live) = self.live.get(id)
            && live.on_disk()
        {
            return Ok(Head {
                thread: self.named(live.snapshot()),
                landmarks: live.landmarks(),
                outline: None,
                indexed: false,
            });
        }
        if let Some(head) = self.indexed_head(id, None) {
            return Ok(head);
        }
        let (path, archived) = self
            .find_path(id, Scope::All)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        self.read_head(&path, archived)
    }

    /// The head of the thread in a file.
    pub(crate) fn head_at(&self, path: &Path, archived: bool) -> Result<Head, StoreError> {
        let named = scan::head(path, archived)?.ok_or_else(|| StoreError::empty(path))?;
        match self.indexed_head(named.id, Some(path)) {
            Some(head) => Ok(head),
            None => self.read_head(path, archived),
        }
    }

    fn indexed_head(&self, id: ThreadId, path: Option<&Path>) -> Option<Head> {
        let indexed = self.index.reader()?.landmarks(id).ok().flatten()?;
        let same = path.is_none_or(|path| indexed.thread.path.as_deref() == Some(path));
        (same && self.is_current(&indexed.thread)).then(|| Head {
            thread: self.named(indexed.thread),
            landmarks: indexed.found,
            outline: None,
            indexed: true,
        })
    }

    fn read_head(&self, path: &Path, archived: bool) -> Result<Head, StoreError> {
        let mut folded = scan::fold(path, archived)?.ok_or_else(|| StoreError::empty(path))?;
        // The rows of the index are made from the file; only what comes now is a change.
        folded.outline.take_change();
        Ok(Head {
            thread: self.named(folded.thread),
            landmarks: folded.landmarks,
            outline: Some(folded.outline),
            indexed: false,
        })
    }

    /// The outline of what is in a thread's file now.
    pub(crate) fn stored_outline(&self, id: ThreadId, path: &PathBuf) -> Result<Outline, StoreError> {
        let indexed = self.index.reader().and_then(|reader| reader.outline(id).ok().flatten());
        if let Some(indexed) = indexed
            && indexed.thread.path.as_ref() == Some(path)
            && self.is_current(&indexed.thread)
        {
            return Ok(indexed.found);
        }
        let mut folded = scan::fold(path, false)?.ok_or_else(|| StoreError::empty(path))?;
        folded.outline.take_change();
        Ok(folded.outline)
    }

    /// The conversation of a stored thread with the model, without its last `rolled_back` turns.
    pub(crate) fn conversation(&self, id: ThreadId, rolled_back: usize) -> Result<StoredConversation, StoreError> {
        let head = self.head(id)?;
        let part = Part {
            rolled_back,
            ..Part::from(head.landmarks.conversation)
        };
        StoredConversation::read(head.shown()?, part)
    }
}

impl StoredConversation {
    /// Reads what the model is to be sent from a part of the thread's rollout.
    pub(crate) fn read(mut head: ThreadHead, part: Part) -> Result<Self, StoreError> {
        let Some(path) = &head.thread.path else {
            return Ok(StoredConversation {
                head,
                items: Vec::new(),
                window: 0,
            });
        };
        let talk = history::conversation(path, part)?;
        head.last_context = talk.context;
        Ok(StoredConversation {
            head,
            items: talk.items,
            window: talk.window,
        })
    }
}
