//! skills/*: which skills there are in a folder, and switching them on and off.

use std::path::Path;

use crate::config::SkillSwitch;
use crate::files::normalised;
use crate::protocol::{
    SkillsConfigWriteParams, SkillsConfigWriteResponse, SkillsListEntry, SkillsListParams, SkillsListResponse,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::skills::is_enabled;

/// `skills/list`. Without folders, those of the server's own.
pub async fn list(cx: RequestContext, params: SkillsListParams) -> Result<SkillsListResponse, RpcError> {
    let services = cx.services.clone();
    let listed = move || {
        let own = services.config.server_cwd();
        let cwds = match params.cwds.is_empty() {
            true => vec![own.display().to_string()],
            false => params.cwds,
        };
        let switches = services.skills.switches();
        if let Some(problem) = services.config.problem() {
            return Err(RpcError::internal(format!("failed to reload config: {problem}")));
        }
        let entry = |cwd: String| {
            let folder = services.config.folder(Some(Path::new(&cwd)));
            let set = services.skills.of(&folder, params.force_reload);
            let skill = |skill: &crate::skills::Skill| {
                let mut shown = skill.shown.clone();
                shown.enabled = is_enabled(skill, &switches);
                shown
            };
            SkillsListEntry {
                cwd,
                errors: set.errors.clone(),
                skills: set.skills.iter().map(skill).collect(),
            }
        };
        Ok(cwds.into_iter().map(entry).collect())
    };
    let data = tokio::task::spawn_blocking(listed)
        .await
        .map_err(|_| RpcError::internal("failed to read the skills"))??;
    Ok(SkillsListResponse { data })
}

/// `skills/config/write`: the user's config.toml names what is off.
pub async fn write_config(
    cx: RequestContext,
    params: SkillsConfigWriteParams,
) -> Result<SkillsConfigWriteResponse, RpcError> {
    let switch = match (params.path, params.name) {
        (Some(path), None) => SkillSwitch::Path(normalised(path.as_path())),
        (None, Some(name)) if !name.trim().is_empty() => SkillSwitch::Name(name.trim().to_owned()),
        _ => {
            return Err(RpcError::invalid_params(
                "skills/config/write requires exactly one of path or name",
            ));
        }
    };
    let (services, on) = (cx.services.clone(), params.enabled);
    let written = tokio::task::spawn_blocking(move || services.config.switch_skill(&switch, on)).await;
    cx.services.skills.forget();
    let failed = |why: &dyn std::fmt::Display| RpcError::internal(format!("failed to update skill settings: {why}"));
    written
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    Ok(SkillsConfigWriteResponse { effective_enabled: on })
}
