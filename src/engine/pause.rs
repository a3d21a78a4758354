//! Patience that stands still: while somebody asks the user something outside of this server, waiting does not count.
//!
//! State: whether it stands still, set by the thread or held by a question about a host, heard by every tool call that
//! waits for a command. Time that was spent before stays spent.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whether time counts.
#[derive(Debug, Default)]
pub struct Pause(watch::Sender<Standing>);

/// Who has time stand still.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    /// Whether the thread does.
    set: bool,
    /// How many others do.
    held: usize,
}

/// Time stands still until this is dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a Pause);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|standing| standing.held -= 1);
    }
}

impl Pause {
    /// From now on time counts, or does not.
    pub fn set(&self, paused: bool) {
        self.0
            .send_if_modified(|standing| std::mem::replace(&mut standing.set, paused) != paused);
    }

    /// Has time stand still.
    pub fn hold(&self) -> Held<'_> {
        self.0.send_modify(|standing| standing.held += 1);
        Held(self)
    }

    /// Lets `work` run to its end, or until it has had `patience`; `None` then.
    pub async fn within<T>(&self, mut patience: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut paused = self.0.subscribe();
        tokio::pin!(work);
        loop {
            let standing = *paused.borrow_and_update() != Standing::default();
            let since = Instant::now();
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                // The sender is `self`, so that this cannot fail.
                _ = paused.changed() => {}
                () = tokio::time::sleep(patience), if !standing => return None,
            }
            if !standing {
                patience = patience.saturating_sub(since.elapsed());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn without_a_pause_patience_ends() {
        let pause = Pause::default();
        assert_eq!(pause.within(SHORT, async { 1 }).await, Some(1));
        assert_eq!(pause.within(SHORT, pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn time_in_a_pause_does_not_count() {
        let pause = Pause::default();
        pause.set(true);
        let slow = tokio::time::sleep(5 * SHORT);
        assert_eq!(pause.within(SHORT, slow).await, Some(()));
        pause.set(false);
        let held = pause.hold();
        assert_eq!(pause.within(SHORT, tokio::time::sleep(5 * SHORT)).await, Some(()));
        drop(held);
        pause.set(true);
        let began = Instant::now();
        let (ended, ()) = tokio::join!(pause.within(SHORT, pending::<()>()), async {
            tokio::time::sleep(5 * SHORT).await;
            pause.set(false);
        });
        assert_eq!(ended, None);
        assert!(began.elapsed() >= 6 * SHORT, "the patience comes on top of the pause");
    }
}
