//! What a review is of: the target as a request names it, its name for people, and what the reviewer is asked.

use std::path::Path;

use crate::methods::git_base::{self, NoBase};
use crate::protocol::ReviewTarget;
use crate::rpc::RpcError;

/// How much of a commit's hash people are shown.
const SHORT: usize = 7;

/// The target without white space around what it names. What names nothing is refused.
pub(super) fn checked(target: ReviewTarget) -> Result<ReviewTarget, RpcError> {
    let named = |text: String, what: &str| match text.trim() {
        "" => Err(RpcError::invalid_request(format!("{what} must not be empty"))),
        text => Ok(text.to_owned()),
    };
    Ok(match target {
        ReviewTarget::UncommittedChanges => ReviewTarget::UncommittedChanges,
        ReviewTarget::BaseBranch { branch } => ReviewTarget::BaseBranch {
            branch: named(branch, "branch")?,
        },
        ReviewTarget::Commit { sha, title } => ReviewTarget::Commit {
            sha: named(sha, "sha")?,
            title: title
                .map(|title| title.trim().to_owned())
                .filter(|title| !title.is_empty()),
        },
        ReviewTarget::Custom { instructions } => ReviewTarget::Custom {
            instructions: named(instructions, "instructions")?,
        },
    })
}

/// The target's name for people.
pub(super) fn hint(target: &ReviewTarget) -> String {
    match target {
        ReviewTarget::UncommittedChanges => "current changes".to_owned(),
        ReviewTarget::BaseBranch { branch } => format!("changes against '{branch}'"),
        ReviewTarget::Commit { sha, title } => {
            let short: String = sha.chars().take(SHORT).collect();
            match title {
                Some(title) => format!("commit {short}: {title}"),
                None => format!("commit {short}"),
            }
        }
        ReviewTarget::Custom { instructions } => instructions.clone(),
    }
}

/// What the reviewer is asked; an error when there is nothing to compare with.
pub(super) async fn prompt(target: &ReviewTarget, cwd: &Path) -> Result<String, String> {
    Ok(match target {
        ReviewTarget::UncommittedChanges => "Review the current code changes (staged, unstaged, and untracked files) \
                                             and provide prioritized findings."
            .to_owned(),
        ReviewTarget::BaseBranch { branch } => match git_base::merge_base(cwd, branch).await {
            Ok(base) => format!(
                "Review the code changes against the base branch '{branch}'. The merge base commit for this comparison \
                 is {base}. Run `git diff {base}` to inspect the changes relative to {branch}. Provide prioritized, \
                 actionable findings."
            ),
            Err(NoBase::Unknown) => format!(
                "Review the code changes against the base branch '{branch}'. Start by finding the merge diff between the \
                 current branch and {branch}'s upstream e.g. (`git merge-base HEAD \"$(git rev-parse --abbrev-ref \
                 \"{branch}@{{upstream}}\")\"`), then run `git diff` against that SHA to see what changes we would merge \
                 into the {branch} branch. Provide prioritized, actionable findings."
            ),
            Err(NoBase::NoRepository) => return Err(format!("{cwd:?} is not a git repository")),
        },
        ReviewTarget::Commit {
            sha,
            title: Some(title),
        } => format!(
            "Review the code changes introduced by commit {sha} (\"{title}\"). Provide prioritized, actionable findings."
        ),
        ReviewTarget::Commit { sha, title: None } => {
            format!("Review the code changes introduced by commit {sha}. Provide prioritized, actionable findings.")
        }
        ReviewTarget::Custom { instructions } => instructions.clone(),
    })
}
