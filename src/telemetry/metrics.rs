//! What the kernel counts: events as counters, the work in hand as plain atomics read when somebody scrapes.
//!
//! Counting costs an atomic addition and works from anywhere; without a recorder (a server that nobody can scrape) it
//! costs nothing. The recorder, the descriptions and the text format belong to `http::metrics`.

use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::counter;

/// A panic was contained.
pub fn panicked(place: &'static str) {
    counter!("greenroom_panics_total", "where" => place).increment(1);
}

/// A request was answered as overload.
pub fn shed(place: &'static str) {
    counter!("greenroom_sheds_total", "where" => place).increment(1);
}

/// A message that is none was dropped.
pub fn dropped_message() {
    counter!("greenroom_dropped_messages_total").increment(1);
}

/// The counter of a method's requests, to be kept.
pub fn requests(method: &'static str) -> metrics::Counter {
    counter!("greenroom_requests_total", "method" => method)
}

/// The server ended a connection.
pub fn closed(reason: &'static str) {
    counter!("greenroom_connections_closed_total", "reason" => reason).increment(1);
}

/// A client did not keep up and its connection was ended.
pub fn slow_client() {
    counter!("greenroom_slow_clients_total").increment(1);
}

/// An actor was restarted.
pub fn restarted(actor: &'static str) {
    counter!("greenroom_actor_restarts_total", "actor" => actor).increment(1);
}

/// A number that goes up and down, read at scrape time.
#[derive(Debug, Default)]
pub struct Level(AtomicUsize);

impl Level {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many fewer.
    pub fn take(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// Exactly so many.
    pub fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// How many now.
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The work that the kernel has in hand.
#[derive(Debug, Default)]
pub struct Load {
    /// Requests that were taken and not answered.
    pub in_flight: Level,
    /// Lanes in which something runs.
    pub lanes: Level,
    /// Requests that wait in lanes.
    pub lane_depth: Level,
    /// Mail that waits for the supervisor.
    pub supervisor_mail: Level,
}
