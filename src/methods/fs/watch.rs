//! fs/watch and fs/unwatch: a client is told when a path, or an entry of a folder, has changed.

use super::on_files;
use crate::files::normalised;
use crate::protocol::{
    AbsolutePathBuf, FsChangedNotification, FsUnwatchParams, FsUnwatchResponse, FsWatchParams, FsWatchResponse,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::watch::PathWatch;

/// `fs/watch`. The path need not exist yet.
pub async fn watch(cx: RequestContext, params: FsWatchParams) -> Result<FsWatchResponse, RpcError> {
    let FsWatchParams { path, watch_id } = params;
    let (client, services) = (cx.client.clone(), cx.services.clone());
    let path = normalised(path.as_path());
    services.fs_watches.reserve(client.id(), &watch_id)?;
    let (watcher, watched) = (services.watcher.clone(), path.clone());
    let watch = match on_files(move || PathWatch::start(&watcher, watched)).await {
        Ok(watch) => watch,
        Err(error) => {
            services.fs_watches.end(client.id(), &watch_id);
            return Err(error);
        }
    };
    services.fs_watches.fill(client.id(), &watch_id, watch.clone());
    let disconnected = cx.disconnected.clone();
    // The task goes on until the watch ends, also while this request's answer is on its way.
    tokio::spawn(async move {
        loop {
            let tell = |changed: Vec<_>| {
                client.notify_one(&FsChangedNotification {
                    changed_paths: changed.into_iter().map(AbsolutePathBuf::rooted).collect(),
                    watch_id: watch_id.clone(),
                });
            };
            let goes_on = tokio::select! {
                goes_on = watch.tell(tell) => goes_on,
                () = disconnected.cancelled() => {
                    services.fs_watches.end(client.id(), &watch_id);
                    false
                }
            };
            if !goes_on {
                // Its folders are let go where blocking is allowed.
                let _ = tokio::task::spawn_blocking(move || drop(watch)).await;
                return;
            }
        }
    });
    Ok(FsWatchResponse {
        path: AbsolutePathBuf::rooted(path),
    })
}

/// `fs/unwatch`: an id that nothing has is as good as ended.
pub async fn unwatch(cx: RequestContext, params: FsUnwatchParams) -> Result<FsUnwatchResponse, RpcError> {
    cx.services.fs_watches.end(cx.client.id(), &params.watch_id);
    Ok(FsUnwatchResponse {})
}
