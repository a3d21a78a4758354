//! A thread in small: folds a rollout's lines, one by one, into what lists and look-ups need.
//!
//! The same fold runs over a file that is scanned and over the lines a live thread records, so the two cannot disagree.
//! Conversation items never matter here; titles and previews come from the user's event lines alone.

use std::path::{Path, PathBuf};

use chrono::DateTime;

use crate::protocol::{GitInfo, SessionSource, ThreadId};
use crate::store::rollout::path as rollout_path;
use crate::store::rollout::writer::FileStamp;
use crate::store::rollout::{EventMsg, GitMeta, RolloutItem, SessionMeta, UserMessage};
use crate::store::thread::StoredThread;

/// What editors put before the user's own words.
const REQUEST_MARKER: &str = "## My request for Codex:";

/// The fold.
#[derive(Debug, Clone)]
pub struct Digest {
    thread: StoredThread,
    /// The id in the file's name: the identity when the first line is damaged.
    named: Option<ThreadId>,
    identified: bool,
    any_line: bool,
    any_damage: bool,
}

impl Digest {
    /// An empty digest of the rollout at `path`.
    pub fn of_file(path: &Path, archived: bool) -> Self {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(rollout_path::parse_name);
        let mut thread = blank(name.map_or(ThreadId(uuid::Uuid::nil()), |(_, id)| id));
        thread.path = Some(path.to_path_buf());
        thread.archived = archived;
        thread.created_at_ms = name.map_or(0, |(time, _)| rollout_path::created_ms(time));
        Digest {
            thread,
            named: name.map(|(_, id)| id),
            identified: false,
            any_line: false,
            any_damage: false,
        }
    }

    /// The digest of a thread that has written nothing yet.
    pub fn of_new(meta: &SessionMeta, path: Option<PathBuf>) -> Self {
        let mut digest = Digest {
            thread: blank(meta.id),
            named: Some(meta.id),
            identified: false,
            any_line: false,
            any_damage: false,
        };
        digest.thread.path = path;
        digest.observe_meta(meta);
        digest.thread.updated_at_ms = digest.thread.created_at_ms;
        digest
    }

    /// Takes up where an earlier digest ended.
    pub fn resume(thread: StoredThread) -> Self {
        Digest {
            named: Some(thread.id),
            thread,
            identified: true,
            any_line: true,
            any_damage: false,
        }
    }

    /// The thread so far.
    pub fn thread(&self) -> &StoredThread {
        &self.thread
    }

    /// The thread so far, to be changed by what is no line (its path, its name).
    pub fn thread_mut(&mut self) -> &mut StoredThread {
        &mut self.thread
    }

    /// Whether the lines make a thread: one has its meta, or lost it to damage.
    pub fn is_thread(&self) -> bool {
        self.identified || (self.any_damage && self.any_line && self.named.is_some())
    }

    /// Whether the thread's own meta was seen.
    pub fn is_identified(&self) -> bool {
        self.identified
    }

    /// Takes note of a line that tells nothing of the thread itself.
    pub fn pass(&mut self) {
        self.any_line = true;
    }

    /// Takes note of a damaged line.
    pub fn damage(&mut self) {
        self.any_damage = true;
    }

    /// Takes note of the file's size and time.
    pub fn stamp(&mut self, stamp: FileStamp) {
        self.thread.file_size = stamp.size;
        self.thread.file_mtime_ns = stamp.mtime_ns;
        self.thread.updated_at_ms = stamp.mtime_ms();
    }

    /// Folds in the next line.
    pub fn observe(&mut self, item: &RolloutItem) {
        match item {
            RolloutItem::SessionMeta(meta) => self.observe_meta(meta),
            RolloutItem::TurnContext(context) => {
                self.thread.model = Some(context.model.clone());
                self.thread.reasoning_effort = context.effort;
                if self.thread.cwd.as_os_str().is_empty() {
                    self.thread.cwd.clone_from(&context.cwd);
                }
            }
            RolloutItem::Event(EventMsg::UserMessage(message)) => self.observe_message(message),
            RolloutItem::Event(EventMsg::TokenCount(count)) => {
                if let Some(info) = &count.info {
                    self.thread.tokens_used = info.total_token_usage.total_tokens;
                }
            }
            RolloutItem::Event(EventMsg::ThreadGoalUpdated(goal)) => {
                if self.thread.preview.is_empty()
                    && let Some(objective) = goal_objective(&goal.fields)
                {
                    self.thread.preview = objective.to_owned();
                }
            }
            _ => {}
        }
        self.pass();
    }

    fn observe_meta(&mut self, meta: &SessionMeta) {
        // Damage before the first meta: it may be the parent's, copied by a fork. Then the file's name decides.
        let ours = if self.identified {
            meta.id == self.thread.id
        } else {
            !self.any_damage || self.named.is_none_or(|named| named == meta.id)
        };
        if !ours {
            if !self.identified && self.thread.model_provider.is_empty() {
                self.thread.model_provider = meta.model_provider.clone().unwrap_or_default();
            }
            return;
        }
        if let Some(git) = &meta.git {
            self.thread.git = git_info(git);
        }
        if meta.memory_mode.is_some() {
            self.thread.memory_mode.clone_from(&meta.memory_mode);
        }
        if self.identified {
            return;
        }
        self.identified = true;
        let thread = &mut self.thread;
        thread.id = meta.id;
        thread.forked_from_id = meta.forked_from_id;
        if let Ok(created) = DateTime::parse_from_rfc3339(&meta.timestamp) {
            thread.created_at_ms = created.timestamp_millis();
        }
        thread.cwd.clone_from(&meta.cwd);
        thread.cli_version.clone_from(&meta.cli_version);
        thread.source = meta.source.clone();
        thread.thread_source = meta.thread_source;
        thread.agent_nickname.clone_from(&meta.agent_nickname);
        thread.agent_role.clone_from(&meta.agent_role);
        thread.agent_path.clone_from(&meta.agent_path);
        if let Some(provider) = &meta.model_provider {
            thread.model_provider.clone_from(provider);
        }
    }

    fn observe_message(&mut self, message: &UserMessage) {
        if self.thread.title.is_empty() || self.thread.preview.is_empty() {
            let text = own_words(&message.message);
            if !text.is_empty() {
                if self.thread.title.is_empty() {
                    self.thread.title = text.to_owned();
                }
                if self.thread.preview.is_empty() {
                    self.thread.preview = text.to_owned();
                }
            } else if self.thread.preview.is_empty() && has_images(message) {
                self.thread.preview = "[Image]".to_owned();
            }
        }
    }
}

/// The user's own words in a message: what stands behind the editor's marker, trimmed.
pub fn own_words(text: &str) -> &str {
    match text.find(REQUEST_MARKER) {
        Some(at) => text[at + REQUEST_MARKER.len()..].trim(),
        None => text.trim(),
    }
}

fn has_images(message: &UserMessage) -> bool {
    message.images.as_ref().is_some_and(|images| !images.is_empty()) || !message.local_images.is_empty()
}

fn goal_objective(fields: &serde_json::Map<String, serde_json::Value>) -> Option<&str> {
    let goal = fields.get("goal").and_then(|goal| goal.as_object()).unwrap_or(fields);
    goal.get("objective")?
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn git_info(git: &GitMeta) -> Option<GitInfo> {
    let info = GitInfo {
        branch: git.branch.clone(),
        origin_url: git.repository_url.clone(),
        sha: git.commit_hash.clone(),
    };
    (info != GitInfo::default()).then_some(info)
}

fn blank(id: ThreadId) -> StoredThread {
    StoredThread {
        id,
        path: None,
        archived: false,
        forked_from_id: None,
        created_at_ms: 0,
        updated_at_ms: 0,
        cwd: PathBuf::new(),
        cli_version: String::new(),
        source: SessionSource::Vscode,
        thread_source: None,
        agent_nickname: None,
        agent_role: None,
        agent_path: None,
        model_provider: String::new(),
        model: None,
        reasoning_effort: None,
        title: String::new(),
        preview: String::new(),
        git: None,
        memory_mode: None,
        tokens_used: 0,
        name: None,
        file_size: 0,
        file_mtime_ns: 0,
    }
}
