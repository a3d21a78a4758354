//! Where the current branch of a folder left another one, as git says it.
//!
//! git is run without asking, prompting or running anything else; it gets what the server has of its environment, save
//! for the server's own variables. One that is slow is given up.

use std::path::Path;
use std::time::Duration;

use crate::config::ShellEnvironmentPolicy;
use crate::exec::environment::filtered;
use crate::exec::script::{self, Script};
use crate::methods::git_state;

/// How long one question to git may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no merge base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoBase {
    /// The folder is in no repository.
    NoRepository,
    /// There is no such branch, nothing in common, or git does not say.
    Unknown,
}

/// The commit that HEAD and `branch` have in common. A branch that its upstream has left behind counts as where its
/// upstream is.
pub(super) async fn merge_base(cwd: &Path, branch: &str) -> Result<String, NoBase> {
    let folder = cwd.to_path_buf();
    let state = tokio::task::spawn_blocking(move || git_state::read(&folder)).await;
    if state.ok().flatten().is_none() {
        return Err(NoBase::NoRepository);
    }
    // No branch has such a name, but git would take it for an option.
    if branch.starts_with('-') {
        return Err(NoBase::Unknown);
    }
    let found = find(cwd, branch).await;
    found.ok_or(NoBase::Unknown)
}

async fn find(cwd: &Path, branch: &str) -> Option<String> {
    let head = commit(cwd, "HEAD").await?;
    let mut other = commit(cwd, branch).await?;
    if let Some(upstream) = upstream_ahead(cwd, branch).await {
        other = commit(cwd, &upstream).await.unwrap_or(other);
    }
    git(cwd, &["merge-base", &head, &other]).await
}

async fn commit(cwd: &Path, name: &str) -> Option<String> {
    git(
        cwd,
        &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")],
    )
    .await
}

/// The upstream of a branch, when it has commits that the branch has not.
async fn upstream_ahead(cwd: &Path, branch: &str) -> Option<String> {
    let name = format!("{branch}@{{upstream}}");
    let upstream = git(cwd, &["rev-parse", "--abbrev-ref", "--symbolic-full-name", &name]).await?;
    let ahead = git(cwd, &["rev-list", "--count", &format!("{branch}..{upstream}")]).await?;
    (ahead != "0").then_some(upstream)
}

/// What git answers, without white space around it; `None` when it fails or says nothing.
async fn git(cwd: &Path, arguments: &[&str]) -> Option<String> {
    let quiet = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
    let argv: Vec<String> = quiet
        .iter()
        .chain(arguments)
        .map(|argument| (*argument).to_owned())
        .collect();
    let mut environment = filtered(std::env::vars_os(), &ShellEnvironmentPolicy::default());
    environment.insert("GIT_TERMINAL_PROMPT".into(), "0".into());
    environment.insert("GIT_OPTIONAL_LOCKS".into(), "0".into());
    let asked = script::run(Script {
        argv: &argv,
        cwd,
        environment: &environment,
        input: &[],
        limit: PATIENCE,
    });
    let answer = asked.await.ok().filter(|answer| answer.exit_code == Some(0))?;
    let text = answer.stdout.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
