//! `/metrics`: everything counted in this process, in Prometheus's text format.
//!
//! Rooms count with the `metrics` macros and know nothing of Prometheus. The recorder is installed when HTTP is served,
//! so a stdio server pays for none of it. What is a state and not an event (connections, threads, memory) is read when
//! somebody asks.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::http::admin::{self, is_loopback};
use crate::http::app::{HttpState, authorization, method_not_allowed, plain, unix_now};

/// Upper bounds in seconds for everything that takes time.
const SECONDS: &[f64] = &[
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Upper bounds for sizes of batches and queues.
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// How often recorded samples are folded into their buckets.
const UPKEEP: Duration = Duration::from_secs(15);

/// Turns what was recorded into text.
#[derive(Clone)]
pub struct Renderer(PrometheusHandle);

impl Renderer {
    /// Installs the recorder of this process. `None` when there is one already or it cannot be made.
    pub fn install() -> Option<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZES))
            .map(|builder| builder.build_recorder())
            .inspect_err(|error| tracing::error!("metrics are off: {error}"))
            .ok()?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe();
        Some(Renderer(handle))
    }

    /// Keeps memory bounded between scrapes; runs for ever.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.0.run_upkeep();
        }
    }

    fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

fn describe() {
    use metrics::{Unit, describe_counter as counter, describe_gauge as gauge, describe_histogram as histogram};
    gauge!("greenroom_connections", "Clients that are connected.");
    gauge!("greenroom_threads_loaded", "Threads in memory.");
    gauge!("greenroom_turns_running", "Turns that run.");
    gauge!(
        "greenroom_uptime_seconds",
        Unit::Seconds,
        "Time since HTTP was first served."
    );
    gauge!(
        "greenroom_resident_memory_bytes",
        Unit::Bytes,
        "Resident memory of the process."
    );
    gauge!("greenroom_requests_in_flight", "Requests in work, of all connections.");
    gauge!("greenroom_lane_depth", "Requests that wait in lanes.");
    gauge!("greenroom_mailbox_depth", "Mail that waits, by actor.");
    counter!("greenroom_requests_total", "Requests taken, by method.");
    counter!("greenroom_sheds_total", "Requests answered as overload.");
    counter!("greenroom_panics_total", "Panics that were contained.");
    counter!("greenroom_actor_restarts_total", "Actors that were started again.");
    counter!(
        "greenroom_slow_clients_total",
        "Connections ended because the client did not keep up."
    );
    histogram!(
        "greenroom_request_seconds",
        Unit::Seconds,
        "Time from taking a request to its answer."
    );
    histogram!(
        "greenroom_db_commit_seconds",
        Unit::Seconds,
        "Time of a database commit."
    );
    histogram!("greenroom_db_batch_size", "Writes in a database commit.");
    histogram!(
        "greenroom_provider_first_event_seconds",
        Unit::Seconds,
        "Time until a model's first event."
    );
    histogram!(
        "greenroom_provider_seconds",
        Unit::Seconds,
        "Time of a model's whole answer."
    );
}

/// Answers `/metrics`: to loopback peers, to the admin token, and to whoever may open a WebSocket.
pub fn answer(request: &HttpRequest, state: &HttpState) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed();
    }
    let client = || state.auth.required() && state.auth.check(authorization(request), unix_now()).is_ok();
    if !is_loopback(request) && !admin::has_token(request, state) && !client() {
        return plain(StatusCode::UNAUTHORIZED, "metrics need a token");
    }
    let Some(renderer) = &state.metrics else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "metrics are off");
    };
    let services = state.kernel.services();
    metrics::gauge!("greenroom_connections").set(services.clients.len() as f64);
    metrics::gauge!("greenroom_threads_loaded").set(services.threads.loaded_ids().len() as f64);
    metrics::gauge!("greenroom_turns_running").set(services.turn_count.running() as f64);
    let load = state.kernel.load();
    metrics::gauge!("greenroom_requests_in_flight").set(load.in_flight.now() as f64);
    metrics::gauge!("greenroom_lane_depth").set(load.lane_depth.now() as f64);
    metrics::gauge!("greenroom_mailbox_depth", "actor" => "supervisor").set(load.supervisor_mail.now() as f64);
    metrics::gauge!("greenroom_pending_server_requests").set(services.pending.len() as f64);
    metrics::gauge!("greenroom_uptime_seconds").set(state.started.elapsed().as_secs_f64());
    if let Some(bytes) = resident_memory() {
        metrics::gauge!("greenroom_resident_memory_bytes").set(bytes as f64);
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(renderer.render())
}

/// Resident memory of this process, where the system tells.
pub fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
