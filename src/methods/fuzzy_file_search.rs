//! fuzzyFileSearch*: files by a few letters of their paths, once or while the letters are typed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::protocol::{
    FuzzyFileSearchMatchType, FuzzyFileSearchParams, FuzzyFileSearchResponse, FuzzyFileSearchResult,
    FuzzyFileSearchSessionCompletedNotification, FuzzyFileSearchSessionStartParams,
    FuzzyFileSearchSessionStartResponse, FuzzyFileSearchSessionStopParams, FuzzyFileSearchSessionStopResponse,
    FuzzyFileSearchSessionUpdateParams, FuzzyFileSearchSessionUpdateResponse,
    FuzzyFileSearchSessionUpdatedNotification,
};
use crate::rpc::context::RequestContext;
use crate::rpc::{EncodedNotification, RpcError};
use crate::search::{Hit, Session, SessionEvent, search_once};

/// `fuzzyFileSearch`. A search that is called off answers what it has found so far.
pub async fn search(cx: RequestContext, params: FuzzyFileSearchParams) -> Result<FuzzyFileSearchResponse, RpcError> {
    let stop = Arc::new(AtomicBool::new(false));
    let (client, searches) = (cx.client.id(), &cx.services.file_searches);
    if let Some(token) = &params.cancellation_token {
        searches.begin(client, token, &stop);
    }
    let (roots, query, stopped) = (params.roots, params.query, stop.clone());
    let mut searching = tokio::task::spawn_blocking(move || {
        let hits = search_once(&roots, &query, &stopped);
        results(&roots, hits)
    });
    let found = tokio::select! {
        found = &mut searching => found,
        () = cx.disconnected.cancelled() => {
            stop.store(true, Ordering::Relaxed);
            searching.await
        }
    };
    if let Some(token) = &params.cancellation_token {
        searches.end(client, token, &stop);
    }
    let files = found.map_err(|_| RpcError::internal("the file search failed"))?;
    Ok(FuzzyFileSearchResponse { files })
}

/// `fuzzyFileSearch/sessionStart`. A session of the same id is replaced.
pub async fn start_session(
    cx: RequestContext,
    params: FuzzyFileSearchSessionStartParams,
) -> Result<FuzzyFileSearchSessionStartResponse, RpcError> {
    let FuzzyFileSearchSessionStartParams { roots, session_id } = params;
    if session_id.is_empty() {
        return Err(RpcError::invalid_request("sessionId must not be empty"));
    }
    if roots.is_empty() {
        return Err(RpcError::internal(
            "failed to start fuzzy file search session: at least one search directory is required",
        ));
    }
    let session = Session::new(roots);
    let services = cx.services.clone();
    services
        .file_searches
        .open(cx.client.id(), &session_id, session.clone())?;
    let disconnected = cx.disconnected.clone();
    cx.after(move || {
        tokio::spawn(async move {
            let tell = |event| services.clients.broadcast(&encoded(&session_id, &session, event));
            let mut running = std::pin::pin!(session.run(tell));
            tokio::select! {
                () = &mut running => return,
                () = disconnected.cancelled() => services.file_searches.close_own(&session_id, &session),
            }
            running.await;
        });
    });
    Ok(FuzzyFileSearchSessionStartResponse {})
}

/// `fuzzyFileSearch/sessionUpdate`.
pub async fn update_session(
    cx: RequestContext,
    params: FuzzyFileSearchSessionUpdateParams,
) -> Result<FuzzyFileSearchSessionUpdateResponse, RpcError> {
    let Some(session) = cx.services.file_searches.session(&params.session_id) else {
        return Err(RpcError::invalid_request(format!(
            "fuzzy file search session not found: {}",
            params.session_id
        )));
    };
    // Its results follow the answer.
    cx.after(move || session.update(&params.query));
    Ok(FuzzyFileSearchSessionUpdateResponse {})
}

/// `fuzzyFileSearch/sessionStop`: an id that nothing has is as good as stopped.
pub async fn stop_session(
    cx: RequestContext,
    params: FuzzyFileSearchSessionStopParams,
) -> Result<FuzzyFileSearchSessionStopResponse, RpcError> {
    cx.services.file_searches.close(&params.session_id);
    Ok(FuzzyFileSearchSessionStopResponse {})
}

fn encoded(id: &str, session: &Session, event: SessionEvent) -> EncodedNotification {
    let session_id = id.to_owned();
    match event {
        SessionEvent::Updated { query, hits } => EncodedNotification::new(&FuzzyFileSearchSessionUpdatedNotification {
            files: results(session.roots(), hits),
            query,
            session_id,
        }),
        SessionEvent::Completed => {
            EncodedNotification::new(&FuzzyFileSearchSessionCompletedNotification { session_id })
        }
    }
}

fn results(roots: &[String], hits: Vec<Hit>) -> Vec<FuzzyFileSearchResult> {
    let result = |hit: Hit| FuzzyFileSearchResult {
        file_name: hit.path.rsplit('/').next().unwrap_or_default().to_owned(),
        indices: Some(hit.indices),
        match_type: match hit.is_folder {
            true => FuzzyFileSearchMatchType::Directory,
            false => FuzzyFileSearchMatchType::File,
        },
        path: hit.path,
        root: roots.get(hit.root).cloned().unwrap_or_default(),
        score: hit.score,
    };
    hits.into_iter().map(result).collect()
}
