//! `/metrics`: everything counted in this process, in Prometheus's text format.
//!
//! The rooms count by `telemetry::metrics`. What is a state and not an event (threads, turns, queues, memory) is read
//! off when somebody asks.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};

use crate::http::admin::{self, is_loopback};
use crate::http::app::{HttpState, authorization, method_not_allowed, plain, unix_now};
use crate::telemetry::metrics;

/// How often recorded samples are folded into their buckets while nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(15);

/// Answers `/metrics`: to loopback peers, to the admin token, and to whoever may open a WebSocket.
pub fn answer(request: &HttpRequest, state: &HttpState) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed();
    }
    let client = || state.auth.required() && state.auth.check(authorization(request), unix_now()).is_ok();
    if !is_loopback(request) && !admin::has_token(request, state) && !client() {
        return plain(StatusCode::UNAUTHORIZED, "metrics need a token");
    }
    read_off(state);
    match metrics::render() {
        Some(text) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text),
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "metrics are off"),
    }
}

/// Keeps the memory of samples bounded between scrapes; runs for ever.
pub async fn upkeep() {
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics::upkeep();
    }
}

fn read_off(state: &HttpState) {
    let services = state.kernel.services();
    metrics::set(metrics::THREADS, services.threads.loaded_ids().len());
    metrics::set(metrics::TURNS, services.turn_count.running());
    metrics::set(metrics::PENDING, services.pending.len());
    let load = state.kernel.load();
    metrics::set(metrics::IN_FLIGHT, load.in_flight.now());
    metrics::set(metrics::LANES, load.lanes.now());
    metrics::set(metrics::LANES_WAITING, load.lane_depth.now());
    metrics::set(metrics::SUPERVISOR_MAIL, load.supervisor_mail.now());
    metrics::set(metrics::OUTBOX_BYTES, services.clients.backlog());
    metrics::set(metrics::REPLAY_BYTES, services.replay.held.now());
    metrics::set(metrics::PROCESSES, services.processes.running());
    if let Some(descriptors) = open_descriptors() {
        metrics::set(metrics::DESCRIPTORS, descriptors);
    }
    let uptime = usize::try_from(state.started.elapsed().as_secs()).unwrap_or(usize::MAX);
    metrics::set("greenroom_uptime_seconds", uptime);
    if let Some(bytes) = resident_memory() {
        metrics::set("greenroom_resident_memory_bytes", bytes);
    }
}

/// Resident memory of this process in bytes, where the system tells.
pub fn resident_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Open file descriptors of this process, where the system tells.
fn open_descriptors() -> Option<usize> {
    // The listing has one open itself.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}
