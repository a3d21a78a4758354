//! `hooks/list`: the hooks of each folder, and whether they count.

use std::path::Path;

use crate::hooks::HookSet;
use crate::protocol::{HookErrorInfo, HooksListEntry, HooksListParams, HooksListResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `hooks/list`. Without folders, those of the server's own.
pub async fn list(cx: RequestContext, params: HooksListParams) -> Result<HooksListResponse, RpcError> {
    let config = cx.services.config.clone();
    let listed = move || {
        let own = || vec![config.server_cwd().display().to_string()];
        let cwds = if params.cwds.is_empty() { own() } else { params.cwds };
        let enabled = config.feature("hooks");
        let entry = |cwd: String| {
            if let Some(problem) = config.problem() {
                return HooksListEntry {
                    errors: vec![HookErrorInfo {
                        message: problem.to_string(),
                        path: cwd.clone(),
                    }],
                    cwd,
                    hooks: Vec::new(),
                    warnings: Vec::new(),
                };
            }
            let layers = config.layers(&config.folder(Some(Path::new(&cwd))));
            let problems = layers.iter().filter_map(|layer| layer.table.as_ref().err());
            let errors = problems.map(|problem| HookErrorInfo {
                message: problem.message.clone(),
                path: problem.path.display().to_string(),
            });
            let errors = errors.collect();
            let found = if enabled {
                HookSet::discover(&layers)
            } else {
                HookSet::default()
            };
            HooksListEntry {
                cwd,
                errors,
                hooks: found.listed(),
                warnings: found.warnings,
            }
        };
        cwds.into_iter().map(entry).collect()
    };
    let data = tokio::task::spawn_blocking(listed)
        .await
        .map_err(|_| RpcError::internal("failed to read the hooks"))?;
    Ok(HooksListResponse { data })
}
