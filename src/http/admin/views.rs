//! The answers of the admin endpoints, with their description for OpenAPI.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::app::HttpState;
use crate::http::metrics::resident_memory;

/// The process as a whole.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The server's version.
    version: &'static str,
    /// Its process id.
    pid: u32,
    /// Seconds since it began to serve HTTP.
    uptime_seconds: u64,
    /// The state root.
    home: String,
    /// Connected clients.
    connections: usize,
    /// Threads in memory.
    threads: usize,
    /// Running turns.
    turns_running: usize,
    /// Whether the server is about to end.
    stopping: bool,
    /// Resident memory in bytes, where the system tells.
    resident_memory_bytes: Option<usize>,
}

/// One connected client.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Its number.
    id: u64,
    /// `stdio`, `ws`, `unix` or `in-process`.
    transport: &'static str,
    /// What it calls itself; absent before `initialize`.
    client_name: Option<String>,
    /// Its version.
    client_version: Option<String>,
    /// Whether it asked for experimental parts of the protocol.
    experimental: bool,
}

/// All connected clients.
#[derive(Debug, Serialize, ToSchema)]
pub struct Connections {
    /// By number.
    data: Vec<Connection>,
}

/// One thread in memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct Thread {
    /// Its id.
    id: String,
}

/// All threads in memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct Threads {
    /// By id.
    data: Vec<Thread>,
}

/// The process as a whole.
#[utoipa::path(get, path = "/admin/api/v1/status", responses((status = 200, body = Status)))]
pub fn status(state: &HttpState) -> Status {
    let services = state.kernel.services();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        uptime_seconds: state.started.elapsed().as_secs(),
        home: services.home.display().to_string(),
        connections: services.clients.len(),
        threads: services.threads.loaded_ids().len(),
        turns_running: services.turn_count.running(),
        stopping: state.kernel.stopping().is_cancelled(),
        resident_memory_bytes: resident_memory(),
    }
}

/// The connected clients.
#[utoipa::path(get, path = "/admin/api/v1/connections", responses((status = 200, body = Connections)))]
pub fn connections(state: &HttpState) -> Connections {
    let clients = state.kernel.services().clients.all();
    let mut data: Vec<Connection> = clients
        .iter()
        .map(|client| Connection {
            id: client.id().0,
            transport: client.transport(),
            client_name: client.info().map(|info| info.name.clone()),
            client_version: client.info().map(|info| info.version.clone()),
            experimental: client.experimental(),
        })
        .collect();
    data.sort_by_key(|connection| connection.id);
    Connections { data }
}

/// The threads in memory.
#[utoipa::path(get, path = "/admin/api/v1/threads", responses((status = 200, body = Threads)))]
pub fn threads(state: &HttpState) -> Threads {
    let mut ids: Vec<String> = state
        .kernel
        .services()
        .threads
        .loaded_ids()
        .iter()
        .map(|id| id.to_string())
        .collect();
    ids.sort();
    Threads {
        data: ids.into_iter().map(|id| Thread { id }).collect(),
    }
}
