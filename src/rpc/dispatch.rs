//! From a request to its handler: the table of methods expanded into a name-to-entry map.
//!
//! [`prepare`] does everything that can refuse a request, in this order: unknown method, malformed parameters, not
//! initialised, experimental gate. What passes is a [`Call`]: the lane it belongs to and a future that nobody has polled
//! yet. [`Call::run`] answers exactly once, whatever the handler does; a panic is answered too.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use futures_util::FutureExt;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::protocol::methods::{ClientMethod, Scope, Stability, client};
use crate::protocol::*;
use crate::rpc::client::{ClientHandle, ConnectionId, OutFrame};
use crate::rpc::context::{AfterResponse, RequestContext};
use crate::rpc::directory::BoxFuture;
use crate::rpc::envelope::IncomingRequest;
use crate::rpc::error::RpcError;
use crate::rpc::gate;
use crate::rpc::lanes::{Access, LaneKey};
use crate::rpc::services::Services;
use crate::telemetry::metrics as telemetry;

mod params;
mod scope;
#[cfg(test)]
mod tests;

use params::read_params;
use scope::lane;

/// One row of the table, ready to be called.
pub struct Method {
    /// The wire name.
    pub name: &'static str,
    /// Whether it needs the experimental API.
    pub stability: Stability,
    /// Where its requests queue.
    pub scope: Scope,
    /// Whether a handler exists; otherwise it answers that it is not built yet.
    pub built: bool,
    requests: OnceLock<metrics::Counter>,
    prepare: fn(&'static Method, IncomingRequest<'_>, &Caller) -> Result<Call, Refusal>,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Method")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Method {
    /// Counts a request.
    pub fn count(&self) {
        self.requests
            .get_or_init(|| telemetry::requests(self.name))
            .increment(1);
    }
}

/// Who makes requests: one for each connection.
#[derive(Clone)]
pub struct Caller {
    /// The client.
    pub client: ClientHandle,
    /// The process's services.
    pub services: Arc<Services>,
    /// Cancelled when the connection ends.
    pub disconnected: CancellationToken,
}

/// A request that is not run, and why.
#[derive(Debug)]
pub struct Refusal {
    /// The id to answer.
    pub id: RequestId,
    /// What to answer.
    pub error: RpcError,
}

/// A request that may run.
pub struct Call {
    /// Its method.
    pub method: &'static Method,
    /// The client's id.
    pub id: RequestId,
    /// Its queue, if it has one.
    pub lane: Option<(LaneKey, Access)>,
    /// Cancelled when the handler needs its queue no longer.
    pub left_lane: CancellationToken,
    client: ClientHandle,
    work: BoxFuture<OutFrame>,
    effects: Arc<AfterResponse>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Runs the handler, answers, then runs what was to follow the answer.
    pub async fn run(self) {
        let span = tracing::info_span!(
            "rpc.request",
            rpc.method = self.method.name,
            rpc.id = %self.id,
            conn.id = self.client.id().0,
            thread.id = self.lane.as_ref().and_then(|(key, _)| key.thread()),
        );
        let name = self.method.name;
        let message = match AssertUnwindSafe(self.work.instrument(span)).catch_unwind().await {
            Ok(message) => message,
            Err(_) => {
                telemetry::panicked("handler");
                tracing::error!(rpc.method = name, rpc.id = %self.id, "the handler of {name} panicked");
                OutFrame::Whole(encode_error(&self.id, internal(name, &self.id)))
            }
        };
        self.client.send(message);
        if std::panic::catch_unwind(AssertUnwindSafe(|| self.effects.run())).is_err() {
            telemetry::panicked("handler");
        }
    }
}

/// Looks a request up and reads it; nothing of it has run afterwards.
#[allow(
    clippy::result_large_err,
    reason = "both sides are moved once, straight to the outbox or the lane"
)]
pub fn prepare(request: IncomingRequest<'_>, caller: &Caller) -> Result<Call, Refusal> {
    match method(&request.method) {
        Some(method) => {
            let id = request.id.clone();
            let prepared = std::panic::catch_unwind(AssertUnwindSafe(|| (method.prepare)(method, request, caller)));
            prepared.unwrap_or_else(|_| {
                telemetry::panicked("dispatch");
                let error = internal(method.name, &id);
                Err(Refusal { id, error })
            })
        }
        None => Err(Refusal {
            error: RpcError::invalid_request(format!(
                "Invalid request: unknown variant `{}`, expected one of {}",
                request.method, *KNOWN
            )),
            id: request.id,
        }),
    }
}

/// The row of a method.
pub fn method(name: &str) -> Option<&'static Method> {
    BY_NAME.get(name).copied()
}

/// Encodes a failed answer.
pub fn encode_error(id: &RequestId, error: RpcError) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a> {
        error: JSONRPCErrorError,
        id: &'a RequestId,
    }
    let error = error.into();
    Bytes::from(serde_json::to_vec(&Envelope { error, id }).unwrap_or_default())
}

fn encode_result<R: Serialize>(name: &str, id: &RequestId, result: &R) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a, R> {
        id: &'a RequestId,
        result: &'a R,
    }
    match serde_json::to_vec(&Envelope { id, result }) {
        Ok(message) => Bytes::from(message),
        Err(error) => {
            tracing::error!(rpc.method = name, rpc.id = %id, "the result of {name} cannot be encoded: {error}");
            encode_error(id, internal(name, id))
        }
    }
}

fn internal(name: &str, id: &RequestId) -> RpcError {
    RpcError::internal(format!(
        "internal error in {name} (request {id}); the server's log tells more"
    ))
}

/// Tells the lane of a request from its parameters; `None` runs at once.
type LaneOf<P> = fn(&P, ConnectionId) -> Option<(LaneKey, Access)>;

/// The typed part of [`prepare`].
#[allow(clippy::result_large_err, reason = "as for `prepare`")]
fn prepare_typed<M, F, A>(
    method: &'static Method,
    request: IncomingRequest<'_>,
    caller: &Caller,
    lane: LaneOf<M::Params>,
    handler: F,
) -> Result<Call, Refusal>
where
    M: ClientMethod,
    F: FnOnce(RequestContext, M::Params) -> A + Send + 'static,
    A: Future<Output = Result<M::Response, RpcError>> + Send + 'static,
{
    let id = request.id;
    let params = match read_params::<M::Params>(request.params).and_then(|params| {
        admit(method, caller, &params)?;
        Ok(params)
    }) {
        Ok(params) => params,
        Err(error) => return Err(Refusal { id, error }),
    };
    let effects = Arc::new(AfterResponse::default());
    let left_lane = CancellationToken::new();
    let context = RequestContext {
        client: caller.client.clone(),
        request_id: id.clone(),
        method: method.name,
        trace: request.trace,
        services: caller.services.clone(),
        disconnected: caller.disconnected.clone(),
        left_lane: left_lane.clone(),
        effects: effects.clone(),
    };
    let (answer_id, encoded) = (id.clone(), effects.clone());
    Ok(Call {
        method,
        lane: lane(&params, caller.client.id()),
        left_lane,
        client: caller.client.clone(),
        effects,
        work: Box::pin(async move {
            match handler(context, params).await {
                Ok(result) => match encoded.take_bulk() {
                    Some(message) => OutFrame::Bulk(message),
                    None => OutFrame::Whole(encode_result(method.name, &answer_id, &result)),
                },
                Err(error) => OutFrame::Whole(encode_error(&answer_id, error)),
            }
        }),
        id,
    })
}

/// Refuses what this client may not call, or not yet.
fn admit(method: &Method, caller: &Caller, params: &dyn Any) -> Result<(), RpcError> {
    let Some(info) = caller.client.info() else {
        return match method.name {
            client::Initialize::NAME => Ok(()),
            _ => Err(RpcError::invalid_request("Not initialized")),
        };
    };
    if info.experimental_api {
        return Ok(());
    }
    let gated = match method.stability {
        Stability::Experimental => Some(method.name),
        Stability::Stable => gate::check(method.name).and_then(|check| check(params)),
    };
    gated.map_or(Ok(()), |what| {
        Err(RpcError::invalid_request(format!(
            "{what} requires experimentalApi capability"
        )))
    })
}

/// Whether a row's handler exists.
macro_rules! is_built {
    (unbuilt) => {
        false
    };
    ($($handler:ident)::+) => {
        true
    };
}

macro_rules! entries {
    ($($marker:ident: $wire:literal ($params:ty) -> $response:ty, $stability:ident, $scope:ident $(($global:expr))?, $($handler:ident)::+;)+) => {
        /// Every method, in the order of the published list.
        #[allow(clippy::result_large_err, reason = "as for `prepare`")]
        pub static METHODS: [Method; client::METHODS.len()] = [$(Method {
            name: $wire,
            stability: Stability::$stability,
            scope: Scope::$scope $(($global))?,
            built: is_built!($($handler)::+),
            requests: OnceLock::new(),
            prepare: |method, request, caller| {
                prepare_typed::<client::$marker, _, _>(
                    method,
                    request,
                    caller,
                    |params, client| lane!($scope, params, client $(, $global)?),
                    crate::methods::$($handler)::+,
                )
            },
        }),+];
    };
}
use crate::protocol::methods::Global;
crate::client_methods!(entries);

static BY_NAME: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| METHODS.iter().map(|method| (method.name, method)).collect());

/// The list of methods as an unknown one is told it.
static KNOWN: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<String> = METHODS.iter().map(|method| format!("`{}`", method.name)).collect();
    names.join(", ")
});
