//! Watching the skills of loaded threads: what is known of skills is forgotten at once when a file changes, and clients are
//! told, but not more often than every few seconds. What happens on the way to the roots, such as the folders that stand
//! for missing ones while a command runs, is no change: it only has the trees looked at again.
//!
//! The actor watches whatever roots somebody holds a guard for (`skills::WatchedRoots`); threads hold theirs for as long as
//! they are loaded. It keeps nothing that a successor could not find again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, StreamHandler, WrapFuture};
use futures_util::stream::unfold;

use crate::protocol::SkillsChangedNotification;
use crate::rpc::EncodedNotification;
use crate::rpc::context::Services;
use crate::skills::WatchedRoots;
use crate::watch::TreeWatch;

/// How often clients are told at most.
const BETWEEN_NOTICES: Duration = Duration::from_secs(10);
/// The first notice waits for the rest of what happens at the same time.
const TOGETHER: Duration = Duration::from_millis(100);

/// Something has changed.
struct FileChanged {
    /// Below a root, not only on the way to one.
    inside: bool,
}

/// The roots have changed.
struct RootsChanged;

/// The watcher.
pub(crate) struct SkillsWatcher {
    services: Arc<Services>,
    tree: Arc<TreeWatch>,
    told: Option<Instant>,
    /// A notice is on its way.
    telling: bool,
    /// The trees are being looked at.
    covering: bool,
    /// They have to be looked at once more, and whether everything is to be forgotten then.
    again: Option<bool>,
    fallen: Box<dyn Fn() + Send>,
}

impl SkillsWatcher {
    /// Starts the watcher on the calling arbiter. `fallen` is called when it ends.
    pub(crate) fn launch(services: Arc<Services>, fallen: Box<dyn Fn() + Send>) {
        let tree = Arc::new(TreeWatch::new(&services.watcher));
        SkillsWatcher {
            services,
            tree,
            told: None,
            telling: false,
            covering: false,
            again: None,
            fallen,
        }
        .start();
    }

    /// Watches the trees as they are now. What happened in new ones before they were watched is not lost: with `forget`
    /// everything is forgotten afterwards, and announced if it is newer than the wish to watch them. Without, only if
    /// a root has come or gone.
    fn cover(&mut self, forget: bool, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.covering, true) {
            self.again = Some(forget || self.again == Some(true));
            return;
        }
        let (tree, watched) = (self.tree.clone(), self.services.watched_roots.clone());
        let covered = tokio::task::spawn_blocking(move || {
            let since = watched.take_fresh();
            tree.cover(&watched.all(), since)
        });
        ctx.spawn(covered.into_actor(self).map(move |covered, watcher, ctx| {
            let covered = covered.unwrap_or_default();
            if forget || covered.moved {
                watcher.services.skills.forget();
            }
            if covered.fresh || covered.moved {
                watcher.announce(ctx);
            }
            watcher.covering = false;
            if let Some(forget) = watcher.again.take() {
                watcher.cover(forget, ctx);
            }
        }));
    }

    fn announce(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.telling, true) {
            return;
        }
        let quiet = self.told.map(|told| BETWEEN_NOTICES.saturating_sub(told.elapsed()));
        ctx.run_later(quiet.unwrap_or_default().max(TOGETHER), |watcher, _| {
            watcher.telling = false;
            watcher.told = Some(Instant::now());
            watcher.services.skills.forget();
            let notice = EncodedNotification::new(&SkillsChangedNotification {});
            watcher.services.clients.broadcast(&notice);
        });
    }
}

impl Actor for SkillsWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let changes = unfold(self.tree.clone(), |tree| async {
            let inside = tree.changed().await;
            Some((FileChanged { inside }, tree))
        });
        ctx.add_stream(changes);
        let roots = unfold(self.services.watched_roots.clone(), |roots: Arc<WatchedRoots>| async {
            roots.changed().await;
            Some((RootsChanged, roots))
        });
        ctx.add_stream(roots);
        // A successor takes over what is watched already.
        if !self.services.watched_roots.all().is_empty() {
            self.cover(true, ctx);
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        (self.fallen)();
    }
}

impl StreamHandler<FileChanged> for SkillsWatcher {
    fn handle(&mut self, changed: FileChanged, ctx: &mut Self::Context) {
        if changed.inside {
            self.services.skills.forget();
            self.announce(ctx);
        }
        self.cover(changed.inside, ctx);
    }
}

impl StreamHandler<RootsChanged> for SkillsWatcher {
    fn handle(&mut self, _: RootsChanged, ctx: &mut Self::Context) {
        self.cover(true, ctx);
    }
}
