//! A search that goes on while its query is typed.
//!
//! One walk fills a list of paths; queries are matched against what is there so far and then against what comes. The
//! results of a query are told while there is more to match, now and then, and once more when all is matched. A new query ends
//! the matching of the one before it. A query that only adds to a finished one looks only at what that one found.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::search::rank::{Best, Hit, Query, Scorer};
use crate::search::walk::{Sink, walk};
use crate::search::{Entry, threads};

/// How many paths a walker collects before others see them.
const BATCH: usize = 512;
/// A walker that finds little shows it after this time.
const BATCH_TIME: Duration = Duration::from_millis(20);
/// The most paths a session keeps; the walk ends there.
const MOST_PATHS: usize = 1_000_000;
/// How often results are told while there is more to match.
const BETWEEN_UPDATES: Duration = Duration::from_millis(40);
/// How many paths are matched between two looks at whether somebody wants something else.
const LOOK_UP: usize = 1024;
/// How long paths are matched before results can be told.
const LOOK: Duration = Duration::from_millis(20);
/// Fewer paths than this are matched on one thread.
const WORTH_A_THREAD: usize = 8192;

/// What a session tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The best results of the present query so far.
    Updated {
        /// The query.
        query: String,
        /// The results.
        hits: Vec<Hit>,
    },
    /// All is matched.
    Completed,
}

type Batch = Arc<[Entry]>;

/// A part of a batch.
type Piece = (Batch, Range<usize>);

struct Shared {
    roots: Vec<String>,
    batches: Mutex<Vec<Batch>>,
    paths: AtomicU64,
    walked: AtomicBool,
    stop: AtomicBool,
    /// The present query. Events are told under this lock, so that none of an older query follows.
    query: Mutex<Arc<Query>>,
    /// Counts queries.
    generation: AtomicU64,
    wake: Notify,
}

/// A session. Cheap to clone; [`Session::stop`] ends it.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

impl Session {
    /// A session with an empty query, which [`Session::run`] brings to life.
    pub fn new(roots: Vec<String>) -> Self {
        Session(Arc::new(Shared {
            roots,
            batches: Mutex::default(),
            paths: AtomicU64::new(0),
            walked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            query: Mutex::new(Arc::new(Query::new(""))),
            generation: AtomicU64::new(0),
            wake: Notify::new(),
        }))
    }

    /// Looks for something else from now on.
    pub fn update(&self, query: &str) {
        let query = Arc::new(Query::new(query));
        let mut present = self.0.query();
        *present = query;
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        drop(present);
        self.0.wake.notify_one();
    }

    /// Ends the session. Nothing is told once this has returned.
    pub fn stop(&self) {
        let present = self.0.query();
        self.0.stop.store(true, Ordering::Release);
        self.0.generation.fetch_add(1, Ordering::AcqRel);
        drop(present);
        self.0.wake.notify_one();
    }

    /// Whether both are one session.
    pub fn is(&self, other: &Session) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The roots, as they were given.
    pub fn roots(&self) -> &[String] {
        &self.0.roots
    }

    /// Walks and matches until the session is stopped. `tell` must not wait.
    pub async fn run(&self, tell: impl Fn(SessionEvent)) {
        let shared = self.0.clone();
        let walking = tokio::task::spawn_blocking(move || shared.walk());
        let mut finished = None;
        while !self.0.stopped() {
            finished = self.answer(finished, &tell).await;
            self.0.wake.notified().await;
        }
        // A walk that is stopped ends at its next entry.
        let _ = walking.await;
    }

    /// Answers the present query as far as it stays the present one. Returns it with all that it found once it is done.
    async fn answer(&self, before: Option<Finished>, tell: &impl Fn(SessionEvent)) -> Option<Finished> {
        let (query, generation) = {
            let present = self.0.query();
            (present.clone(), self.0.generation.load(Ordering::Acquire))
        };
        if let Some(before) = &before
            && before.generation == generation
        {
            return Some(before.clone());
        }
        let mut work = Work {
            query,
            generation,
            taken: 0,
            best: Best::default(),
            found: Vec::new(),
            waiting: Vec::new(),
        };
        if let Some(before) = before
            && work.query.narrows(&before.query)
        {
            work.taken = before.taken;
            work.await_all(before.found);
        }
        // What is found at once is told at once, as the last word.
        let (mut told, mut unseen) = (Instant::now(), false);
        loop {
            // Asked first: once the walk is over, what is there is all there is.
            let walked = self.0.walked.load(Ordering::Acquire);
            let shared = self.0.clone();
            let matched = tokio::task::spawn_blocking(move || shared.look(work)).await;
            let Ok(Some((now, better))) = matched else { return None };
            work = now;
            let done = work.waiting.is_empty();
            if walked && done {
                let hits = work.best.hits(&work.query);
                let present = self.0.query();
                if self.0.generation.load(Ordering::Acquire) != generation {
                    return None;
                }
                tell(SessionEvent::Updated {
                    query: work.query.text().to_owned(),
                    hits,
                });
                tell(SessionEvent::Completed);
                drop(present);
                return Some(work.finish());
            }
            unseen |= better;
            if unseen && told.elapsed() >= BETWEEN_UPDATES {
                let hits = work.best.hits(&work.query);
                let present = self.0.query();
                if self.0.generation.load(Ordering::Acquire) != generation {
                    return None;
                }
                tell(SessionEvent::Updated {
                    query: work.query.text().to_owned(),
                    hits,
                });
                drop(present);
                told = Instant::now();
                unseen = false;
            }
            if done {
                self.0.wake.notified().await;
            }
            if self.0.generation.load(Ordering::Acquire) != generation {
                // Whoever waits next must not wait for what has come already.
                self.0.wake.notify_one();
                return None;
            }
        }
    }
}

/// A query in work.
struct Work {
    query: Arc<Query>,
    generation: u64,
    /// How many batches are matched.
    taken: usize,
    best: Best,
    /// All that was found.
    found: Vec<Entry>,
    /// What is still to be matched.
    waiting: Vec<Piece>,
}

impl Work {
    fn await_all(&mut self, batch: Batch) {
        let starts = (0..batch.len()).step_by(LOOK_UP);
        let piece = |start| (Arc::clone(&batch), start..batch.len().min(start + LOOK_UP));
        self.waiting.extend(starts.map(piece));
    }

    fn finish(self) -> Finished {
        Finished {
            query: self.query,
            generation: self.generation,
            taken: self.taken,
            found: self.found.into(),
        }
    }
}

/// A query that is answered in full.
#[derive(Clone)]
struct Finished {
    query: Arc<Query>,
    generation: u64,
    taken: usize,
    found: Batch,
}

impl Shared {
    fn query(&self) -> MutexGuard<'_, Arc<Query>> {
        self.query.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn walk(&self) {
        walk(&self.roots, &self.stop, || Batches {
            shared: self,
            batch: Vec::with_capacity(BATCH),
            since: Instant::now(),
        });
        self.walked.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Matches what waits, the batches that came meanwhile included, for as long as one look lasts. `None` when the query
    /// is not the present one any more. Tells whether the best have changed. Blocking.
    fn look(&self, mut work: Work) -> Option<(Work, bool)> {
        let until = Instant::now() + LOOK;
        {
            let all = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh: Vec<Batch> = all.iter().skip(work.taken).cloned().collect();
            work.taken = all.len();
            drop(all);
            fresh.into_iter().for_each(|batch| work.await_all(batch));
        }
        if work.query.is_empty() {
            work.waiting.clear();
            return Some((work, false));
        }
        let waiting = std::mem::take(&mut work.waiting);
        let next = AtomicUsize::new(0);
        let paths: usize = waiting.iter().map(|piece| piece.1.len()).sum();
        let helpers = (paths / WORTH_A_THREAD).clamp(1, threads());
        let part = || self.match_pieces(&work, &waiting, &next, until);
        let matched = std::thread::scope(|scope| {
            let running: Vec<_> = (1..helpers).map(|_| scope.spawn(part)).collect();
            let mut matched = vec![part()];
            // A part that panicked counts as given up.
            matched.extend(running.into_iter().map(|part| part.join().ok().flatten()));
            matched
        });
        let mut better = false;
        for part in matched {
            let (best, found) = part?;
            better |= work.best.merge(best);
            work.found.extend(found);
        }
        work.waiting = waiting.into_iter().skip(next.into_inner()).collect();
        Some((work, better))
    }

    /// Takes one piece after the other until none is left or the time is over.
    fn match_pieces(
        &self,
        work: &Work,
        pieces: &[Piece],
        next: &AtomicUsize,
        until: Instant,
    ) -> Option<(Best, Vec<Entry>)> {
        let (mut scorer, mut best, mut found) = (Scorer::new(), Best::default(), Vec::new());
        while Instant::now() < until {
            if self.generation.load(Ordering::Acquire) != work.generation {
                return None;
            }
            // Whoever takes a piece finishes it: what comes after the last one taken is left.
            let Some((batch, range)) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            for entry in &batch[range.clone()] {
                if let Some(score) = scorer.score(&work.query, &entry.path) {
                    best.offer(score, entry);
                    found.push(entry.clone());
                }
            }
        }
        Some((best, found))
    }
}

/// What one walker has collected.
struct Batches<'s> {
    shared: &'s Shared,
    batch: Vec<Entry>,
    since: Instant,
}

impl Batches<'_> {
    fn show(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch: Batch = self.batch.drain(..).collect();
        let mut batches = self.shared.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(batch);
        drop(batches);
        self.since = Instant::now();
        self.shared.wake.notify_one();
    }
}

impl Sink for Batches<'_> {
    fn found(&mut self, entry: Entry) -> bool {
        self.batch.push(entry);
        if self.batch.len() >= BATCH || self.since.elapsed() >= BATCH_TIME {
            self.show();
        }
        let paths = self.shared.paths.fetch_add(1, Ordering::Relaxed) + 1;
        if paths == MOST_PATHS as u64 {
            tracing::warn!("a file search keeps no more than {MOST_PATHS} paths");
        }
        paths < MOST_PATHS as u64
    }
}

impl Drop for Batches<'_> {
    fn drop(&mut self) {
        self.show();
    }
}
