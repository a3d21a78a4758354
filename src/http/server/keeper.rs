//! Sees to it that the listeners listen: a server that ends without being told to is bound and started again.
//!
//! State: the handle of the present server and the files of its sockets. Whatever ended it, the same addresses are bound
//! again, after pauses that grow while that fails; clients that were connected come back by themselves. Lives on the main
//! arbiter, as all of `start` does.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use futures_util::FutureExt;

use super::{Again, Bound};
use crate::telemetry::metrics;
use crate::transport::unix::ControlSocket;

#[cfg(test)]
mod tests;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server that lived this long has not fallen because of how it was started.
const STEADY: Duration = Duration::from_secs(60);

/// The listeners of a process, while they are wanted.
pub(super) struct Keeper(Rc<RefCell<Kept>>);

struct Kept {
    /// None between two servers.
    server: Option<ServerHandle>,
    sockets: Vec<ControlSocket>,
    wanted: bool,
}

impl Keeper {
    /// Serves `bound` from now on, and what `again` binds after it.
    pub(super) fn start(bound: Bound, again: Again) -> Self {
        let kept = Rc::new(RefCell::new(Kept {
            server: Some(bound.server.handle()),
            sockets: bound.sockets,
            wanted: true,
        }));
        actix_rt::spawn(keep(bound.server, again, kept.clone()));
        Keeper(kept)
    }

    /// No server follows the present one, which is for the caller to end.
    pub(super) fn stop(&self) -> Option<ServerHandle> {
        let mut kept = self.0.borrow_mut();
        kept.wanted = false;
        kept.server.take()
    }

    #[cfg(test)]
    fn server(&self) -> Option<ServerHandle> {
        self.0.borrow().server.clone()
    }
}

impl Drop for Keeper {
    /// The files of the sockets go with it.
    fn drop(&mut self) {
        let mut kept = self.0.borrow_mut();
        kept.wanted = false;
        kept.sockets.clear();
    }
}

async fn keep(mut server: actix_web::dev::Server, again: Again, kept: Rc<RefCell<Kept>>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let outcome = AssertUnwindSafe(server).catch_unwind().await;
        if !kept.borrow().wanted {
            return;
        }
        match outcome {
            Ok(Ok(())) => tracing::error!("the HTTP server ended by itself"),
            Ok(Err(error)) => tracing::error!("the HTTP server ended: {error}"),
            Err(_) => {
                metrics::panicked("listener");
                tracing::error!("the HTTP server fell");
            }
        }
        if began.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        {
            // The old files go first: they would be in the way of the new ones.
            let mut kept = kept.borrow_mut();
            kept.server = None;
            kept.sockets.clear();
        }
        server = loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if !kept.borrow().wanted {
                return;
            }
            match again() {
                Ok(bound) => {
                    metrics::restarted("listener");
                    let mut kept = kept.borrow_mut();
                    kept.server = Some(bound.server.handle());
                    kept.sockets = bound.sockets;
                    break bound.server;
                }
                Err(error) => tracing::error!("the listeners cannot be bound again yet: {error}"),
            }
        };
    }
}
