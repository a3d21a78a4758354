//! thread/list and thread/loaded/list.
//!
//! The first reads the store and lays the status of loaded threads over it; the second is the directory, sorted.

use std::path::PathBuf;

use crate::files::normalised;
use crate::methods::thread_load::store_error;
use crate::methods::thread_lookup::{default_provider, shown};
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::{ListQuery, StoreError};

/// `thread/list`: a page of stored threads, newest first unless told otherwise.
pub async fn list(cx: RequestContext, params: ThreadListParams) -> Result<ThreadListResponse, RpcError> {
    let provider = default_provider(&cx);
    let cwds = params.cwd.map(|cwd| match cwd {
        ThreadListCwdFilter::Text(one) => vec![one],
        ThreadListCwdFilter::List(many) => many,
    });
    let base = cx.services.config.server_cwd();
    let query = ListQuery {
        cursor: params.cursor.clone(),
        limit: params.limit,
        sort_key: params.sort_key.unwrap_or(ThreadSortKey::CreatedAt),
        direction: params.sort_direction.unwrap_or(SortDirection::Desc),
        model_providers: params.model_providers,
        source_kinds: params.source_kinds.unwrap_or_default(),
        archived: params.archived.unwrap_or(false),
        cwds: cwds.map(|cwds| {
            cwds.iter()
                .map(|cwd| normalised(&base.join(cwd)))
                .collect::<Vec<PathBuf>>()
        }),
        search_term: params.search_term,
        index_only: params.use_state_db_only,
        ..ListQuery::new(provider)
    };
    let page = cx.services.store.list(query).await.map_err(|error| match error {
        StoreError::Invalid(_) if params.cursor.is_some() => {
            RpcError::invalid_request(format!("invalid cursor: {}", params.cursor.unwrap_or_default()))
        }
        other => store_error(other),
    })?;
    let threads = &cx.services.threads;
    let status = |id| {
        threads
            .get(id)
            .map_or(ThreadStatus::NotLoaded, |thread| thread.face().status())
    };
    Ok(ThreadListResponse {
        backwards_cursor: page.backwards_cursor,
        data: page
            .threads
            .iter()
            .map(|one| Thread {
                // Lists do not say where a fork comes from; whoever wants to know reads the thread.
                forked_from_id: None,
                ..shown(&cx, one, status(&one.id), Vec::new())
            })
            .collect(),
        next_cursor: page.next_cursor,
    })
}

/// `thread/loaded/list`: ids in their order as text, a page at a time when a limit is given.
pub async fn loaded_list(
    cx: RequestContext,
    params: ThreadLoadedListParams,
) -> Result<ThreadLoadedListResponse, RpcError> {
    let after = match &params.cursor {
        Some(cursor) => {
            Some(ThreadId::parse(cursor).map_err(|_| RpcError::invalid_request(format!("invalid cursor: {cursor}")))?)
        }
        None => None,
    };
    // A UUID's order is that of its lower-case text.
    let mut ids = cx.services.threads.loaded_ids();
    ids.sort_unstable();
    Ok(page(&ids, after, params.limit))
}

fn page(ids: &[ThreadId], after: Option<ThreadId>, limit: Option<u32>) -> ThreadLoadedListResponse {
    let start = after.map_or(0, |after| ids.partition_point(|id| *id <= after));
    let rest = &ids[start..];
    let count = limit.map_or(rest.len(), |limit| (limit.max(1) as usize).min(rest.len()));
    ThreadLoadedListResponse {
        data: rest[..count].iter().map(ThreadId::to_string).collect(),
        next_cursor: (count < rest.len()).then(|| rest[count - 1].to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gaps() {
        let ids: Vec<ThreadId> = (1..=3u128).map(|n| ThreadId(uuid::Uuid::from_u128(n))).collect();
        let first = page(&ids, None, Some(2));
        assert_eq!(first.data.len(), 2);
        let cursor = ThreadId::parse(&first.next_cursor.unwrap()).unwrap();
        let second = page(&ids, Some(cursor), Some(2));
        assert_eq!((second.data, second.next_cursor), (vec![ids[2].to_string()], None));
        assert_eq!(page(&ids, None, None).data.len(), 3);
        assert_eq!(
            page(&ids, None, Some(0)).data.len(),
            1,
            "a limit of nothing counts as one"
        );
        assert!(page(&[], None, Some(0)).data.is_empty());
    }
}
