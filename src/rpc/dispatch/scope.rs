//! From a row's scope in the table and the typed parameters to the lane of a request.
//!
//! A macro, because each scope reads other fields, and the table names scope and parameters together: a row whose
//! parameters lack the field of its scope does not compile.

/// The lane of a request, from its scope in the table and its typed parameters.
macro_rules! lane {
    (None, $params:ident, $client:ident) => {{
        let _ = ($params, $client);
        None
    }};
    (Exclusive, $params:ident, $client:ident, $global:expr) => {{
        let _ = ($params, $client);
        Some((LaneKey::Global($global), Access::Exclusive))
    }};
    (SharedRead, $params:ident, $client:ident, $global:expr) => {{
        let _ = ($params, $client);
        Some((LaneKey::Global($global), Access::Shared))
    }};
    (Thread, $params:ident, $client:ident) => {{
        let _ = $client;
        Some((LaneKey::Thread($params.thread_id.clone()), Access::Exclusive))
    }};
    (ThreadIfPresent, $params:ident, $client:ident) => {{
        let _ = $client;
        $params
            .thread_id
            .clone()
            .map(|id| (LaneKey::Thread(id), Access::Exclusive))
    }};
    (ThreadOrPath, $params:ident, $client:ident) => {{
        let _ = $client;
        let key = match &$params.path {
            Some(path) if $params.thread_id.is_empty() => LaneKey::Path(path.clone()),
            _ => LaneKey::Thread($params.thread_id.clone()),
        };
        Some((key, Access::Exclusive))
    }};
    (CommandProcess, $params:ident, $client:ident) => {
        Some((
            LaneKey::CommandProcess($client, $params.process_id.clone()),
            Access::Exclusive,
        ))
    };
    (CommandProcessIfPresent, $params:ident, $client:ident) => {
        $params
            .process_id
            .clone()
            .map(|id| (LaneKey::CommandProcess($client, id), Access::Exclusive))
    };
    (ProcessHandle, $params:ident, $client:ident) => {
        Some((
            LaneKey::ProcessHandle($client, $params.process_handle.clone()),
            Access::Exclusive,
        ))
    };
    (FuzzySession, $params:ident, $client:ident) => {{
        let _ = $client;
        Some((LaneKey::FuzzySession($params.session_id.clone()), Access::Exclusive))
    }};
    (FsWatch, $params:ident, $client:ident) => {
        Some((LaneKey::FsWatch($client, $params.watch_id.clone()), Access::Exclusive))
    };
    (McpOauth, $params:ident, $client:ident) => {{
        let _ = $client;
        Some((LaneKey::McpOauth($params.name.clone()), Access::Exclusive))
    }};
}
pub(super) use lane;
