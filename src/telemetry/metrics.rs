//! Names of the process's metrics, the recorder that collects them, and the levels that are read off when it is scraped.
//!
//! Counting costs an atomic addition and works from anywhere. Without a recorder (a server that nobody can scrape) it
//! costs nothing. The recorder is installed by `startup` before the first count, when there is an HTTP listener.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Open connections, by transport.
pub const CONNECTIONS: &str = "greenroom_connections";
/// Requests received, by method.
pub const REQUESTS: &str = "greenroom_rpc_requests_total";
/// Requests answered as overload, by where they were shed.
pub const SHED: &str = "greenroom_rpc_shed_total";
/// Messages that were no messages.
pub const JUNK: &str = "greenroom_rpc_dropped_messages_total";
/// Panics contained, by where.
pub const PANICS: &str = "greenroom_panics_total";
/// Actors restarted, by name.
pub const RESTARTS: &str = "greenroom_actor_restarts_total";
/// Connections ended by the server, by reason.
pub const CLOSED: &str = "greenroom_connections_closed_total";
/// Lanes in which something runs.
pub const LANES: &str = "greenroom_lanes";
/// Requests waiting in lanes.
pub const LANES_WAITING: &str = "greenroom_lane_waiting_requests";
/// Mail waiting for the supervisor.
pub const SUPERVISOR_MAIL: &str = "greenroom_supervisor_mailbox_messages";
/// Requests taken and not answered.
pub const IN_FLIGHT: &str = "greenroom_rpc_in_flight_requests";
/// Loaded threads.
pub const THREADS: &str = "greenroom_threads";
/// Running turns.
pub const TURNS: &str = "greenroom_turns_running";
/// Open requests to clients.
pub const PENDING: &str = "greenroom_pending_server_requests";
/// Bytes waiting for slow clients.
pub const OUTBOX_BYTES: &str = "greenroom_outbox_bytes";
/// Bytes of events kept for clients that come back.
pub const REPLAY_BYTES: &str = "greenroom_replay_window_bytes";
/// Clients that came back with the last number they saw, by what became of it.
pub const REPLAYS: &str = "greenroom_replays_total";
/// Processes that clients run.
pub const PROCESSES: &str = "greenroom_processes";
/// Processes started for clients.
pub const PROCESSES_STARTED: &str = "greenroom_processes_started_total";
/// Bytes of output passed on to clients.
pub const PROCESS_OUTPUT: &str = "greenroom_process_output_bytes_total";
/// Open file descriptors of this process.
pub const DESCRIPTORS: &str = "greenroom_open_descriptors";
/// Time a database transaction took, commit included.
pub const DB_COMMIT: &str = "greenroom_db_commit_seconds";
/// Jobs in one database transaction.
pub const DB_BATCH: &str = "greenroom_db_batch_size";
/// Time to the first event of a model's answer.
pub const MODEL_LATENCY: &str = "greenroom_provider_first_event_seconds";

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder. Later calls change nothing.
pub fn install() {
    RECORDER.get_or_init(|| {
        let seconds = [
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ];
        let sizes = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &seconds)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), &sizes))
            .and_then(PrometheusBuilder::install_recorder);
        match handle {
            Ok(handle) => {
                describe();
                Some(handle)
            }
            Err(error) => {
                tracing::error!("no metrics: {error}");
                None
            }
        }
    });
}

/// The metrics in Prometheus' text format; `None` when nothing collects them.
pub fn render() -> Option<String> {
    RECORDER.get()?.as_ref().map(PrometheusHandle::render)
}

/// Folds recorded samples into their buckets; between scrapes, somebody has to, or they pile up.
pub fn upkeep() {
    if let Some(Some(handle)) = RECORDER.get() {
        handle.run_upkeep();
    }
}

fn describe() {
    describe_gauge!(CONNECTIONS, "Open connections");
    describe_counter!(REQUESTS, "Requests received");
    describe_counter!(SHED, "Requests answered as overload");
    describe_counter!(JUNK, "Incoming messages that were not JSON-RPC and were dropped");
    describe_counter!(PANICS, "Panics contained");
    describe_counter!(RESTARTS, "Actors restarted by the supervisor");
    describe_counter!(CLOSED, "Connections ended by the server");
    describe_gauge!(LANES, "Serialization lanes in use");
    describe_gauge!(LANES_WAITING, "Requests waiting for their lane");
    describe_gauge!(SUPERVISOR_MAIL, "Messages waiting in the supervisor's mailbox");
    describe_gauge!(IN_FLIGHT, "Requests taken and not answered yet");
    describe_gauge!(THREADS, "Loaded threads");
    describe_gauge!(TURNS, "Running turns");
    describe_gauge!(PENDING, "Requests to clients that wait for an answer");
    describe_gauge!(OUTBOX_BYTES, "Bytes waiting for clients");
    describe_gauge!(REPLAY_BYTES, "Bytes of events kept for clients that come back");
    describe_counter!(REPLAYS, "Reconnects with the last event seen");
    describe_gauge!(PROCESSES, "Processes that clients run");
    describe_counter!(PROCESSES_STARTED, "Processes started for clients");
    describe_counter!(
        PROCESS_OUTPUT,
        "Bytes of process output passed on to clients as they came"
    );
    describe_gauge!(DESCRIPTORS, "Open file descriptors");
    describe_histogram!(DB_COMMIT, "Duration of database transactions");
    describe_histogram!(DB_BATCH, "Jobs per database transaction");
    describe_histogram!(MODEL_LATENCY, "Time to the first event of a model's answer");
}

/// A panic was contained.
pub fn panicked(place: &'static str) {
    counter!(PANICS, "where" => place).increment(1);
}

/// A request was answered as overload.
pub fn shed(place: &'static str) {
    counter!(SHED, "where" => place).increment(1);
}

/// A message that is none was dropped.
pub fn dropped_message() {
    counter!(JUNK).increment(1);
}

/// The counter of a method's requests, to be kept.
pub fn requests(method: &'static str) -> metrics::Counter {
    counter!(REQUESTS, "method" => method)
}

/// A connection was opened.
pub fn connected(transport: &'static str) {
    gauge!(CONNECTIONS, "transport" => transport).increment(1.0);
}

/// A connection ended.
pub fn disconnected(transport: &'static str) {
    gauge!(CONNECTIONS, "transport" => transport).decrement(1.0);
}

/// The server ended a connection.
pub fn closed(reason: &'static str) {
    counter!(CLOSED, "reason" => reason).increment(1);
}

/// An actor was restarted.
pub fn restarted(actor: &'static str) {
    counter!(RESTARTS, "actor" => actor).increment(1);
}

/// A client asked for the events it missed.
pub fn replayed(outcome: &'static str) {
    counter!(REPLAYS, "outcome" => outcome).increment(1);
}

/// A process was started for a client.
pub fn process_started() {
    counter!(PROCESSES_STARTED).increment(1);
}

/// Output of a process is passed on.
pub fn process_output(bytes: usize) {
    counter!(PROCESS_OUTPUT).increment(bytes as u64);
}

/// Sets a gauge that is read off at scrape time.
pub fn set(name: &'static str, value: usize) {
    gauge!(name).set(value as f64);
}

/// A number that goes up and down, read at scrape time.
#[derive(Debug, Default)]
pub struct Level(AtomicUsize);

impl Level {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more.
    pub fn add_many(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
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
