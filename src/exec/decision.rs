//! Whether a command runs, is asked about, or is refused: a pure function of policy, sandbox, rules and the command.
//!
//! Each plain command of the script is judged by the user's rules and, where none matches, by the lists in
//! [`safety`](crate::exec::safety) and the approval policy; the strictest verdict counts. What may run then needs a
//! place to run in. A sandbox policy that restricts commands is enforced by a sandbox or not at all: **where there is
//! none, the command does not run on its own**. Then it is asked about, with that as the reason, or refused when nobody
//! may be asked. Two kinds of command are exempt, since no sandbox would change what they do: those that the user's
//! rules allow (these always run outside), and those that [`only_reads`](crate::exec::safety::only_reads) vouches for,
//! where everything may be read.

use crate::exec::bash::{self, PlainCommand, Script};
use crate::exec::policy::{Policy, RuleDecision};
use crate::exec::safety;
use crate::exec::shell::{display, script_of};
use crate::protocol::AskForApproval;

/// What this machine can enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxAvailability {
    /// Sandbox policies are enforced.
    Available,
    /// There is no sandbox: restricted commands must not run unasked.
    Unavailable,
}

/// Everything a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The command line, a shell and its script as a rule.
    pub argv: &'a [String],
    /// When the user is asked.
    pub approval: &'a AskForApproval,
    /// Whether commands are held to anything.
    pub restricted: bool,
    /// Whether they may read everything.
    pub reads_all: bool,
    /// Whether that can be enforced.
    pub availability: SandboxAvailability,
    /// Whether the model asks to run outside of the sandbox.
    pub escalated: bool,
    /// Whether it asks for more inside of the sandbox than the policy allows and the user has granted.
    pub widened: bool,
    /// The prefix that the model proposes to allow for good.
    pub proposed_prefix: Option<&'a [String]>,
    /// The user's rules.
    pub rules: &'a Policy,
}

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Inside the sandbox.
    Sandboxed,
    /// With all rights of the server.
    Unrestricted,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Runs without a question.
    Run(Placement),
    /// Runs when the user agrees.
    Ask(Question),
    /// Does not run; the text says why, for the model.
    Reject(String),
}

/// What the user is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Why, when it is not the approval policy alone. The model's own justification stands before it.
    pub reason: Option<String>,
    /// A prefix that could be allowed for good.
    pub amendment: Option<Vec<String>>,
    /// Where the command runs once the user agreed.
    pub placement: Placement,
}

/// Told to the user when agreeing means running without the protection that the sandbox policy promises.
pub const NO_SANDBOX_REASON: &str =
    "no sandbox is available on this machine, so the command would run with full access to it";

/// Told to the user when the sandbox seems to have stopped a command.
pub const RETRY_REASON: &str = "command failed; retry without sandbox?";

/// Told to the model when such a command cannot be asked about.
const NO_SANDBOX_REFUSAL: &str = "the sandbox policy restricts commands, no sandbox is available on this machine to enforce it, and the approval policy does not allow asking";

/// Why a model's wish for more than the sandbox allows is refused before anything else; `None` when it may be made.
pub fn refuse_escalation(approval: &AskForApproval) -> Option<String> {
    let policy = match approval {
        AskForApproval::OnRequest => return None,
        AskForApproval::Untrusted => "UnlessTrusted".to_owned(),
        AskForApproval::OnFailure => "OnFailure".to_owned(),
        AskForApproval::Never => "Never".to_owned(),
        AskForApproval::Granular {
            mcp_elicitations,
            request_permissions,
            rules,
            sandbox_approval,
            skill_approval,
        } => format!(
            "Granular(GranularApprovalConfig {{ sandbox_approval: {sandbox_approval}, rules: {rules}, \
             skill_approval: {skill_approval}, request_permissions: {request_permissions}, \
             mcp_elicitations: {mcp_elicitations} }})"
        ),
    };
    Some(format!(
        "approval policy is {policy}; reject command — you cannot ask for escalated permissions if the approval policy \
         is {policy}"
    ))
}

/// Judges a command.
pub fn decide(request: &Request<'_>) -> Decision {
    let more = request.escalated || request.widened;
    if let Some(refusal) = more.then(|| refuse_escalation(request.approval)).flatten() {
        return Decision::Reject(refusal);
    }
    let script = Judged::read(request.argv);
    let verdicts: Vec<Verdict> = script
        .commands
        .iter()
        .map(|command| judge(request, command, script.plain))
        .collect();
    let strictest = verdicts
        .iter()
        .map(|verdict| verdict.decision)
        .max()
        .unwrap_or(RuleDecision::Prompt);
    let command = display(request.argv);
    let by_rule = verdicts
        .iter()
        .filter(|verdict| verdict.decision == strictest)
        .find_map(|verdict| verdict.rule.as_ref());
    match (strictest, by_rule) {
        (RuleDecision::Forbidden, Some(rule)) => Decision::Reject(match &rule.justification {
            Some(why) => format!("`{command}` rejected: {why}"),
            None => format!(
                "`{command}` rejected: policy forbids commands starting with `{}`",
                display(&rule.prefix)
            ),
        }),
        (RuleDecision::Forbidden, None) => Decision::Reject(format!("`{command}` rejected: blocked by policy")),
        (RuleDecision::Prompt, Some(rule)) => {
            if let Some(refusal) = cannot_ask(request.approval, true) {
                return Decision::Reject(refusal);
            }
            let reason = match &rule.justification {
                Some(why) => format!("`{command}` requires approval: {why}"),
                None => format!("`{command}` requires approval by policy"),
            };
            Decision::Ask(request.question(Some(reason), None))
        }
        (RuleDecision::Prompt, None) => {
            if let Some(refusal) = cannot_ask(request.approval, false) {
                return Decision::Reject(refusal);
            }
            let amendment = amendment(request, &script, &verdicts, RuleDecision::Prompt);
            Decision::Ask(request.question(None, amendment))
        }
        (RuleDecision::Allow, _) => run(request, &script, &verdicts),
    }
}

/// What is asked when the sandbox seems to have stopped a command that was let into it; none when the approval policy
/// leaves such a failure to the model.
pub fn retry(request: &Request<'_>) -> Option<Question> {
    let asks = match request.approval {
        AskForApproval::OnFailure | AskForApproval::Untrusted => true,
        AskForApproval::Granular { sandbox_approval, .. } => *sandbox_approval,
        AskForApproval::OnRequest | AskForApproval::Never => false,
    };
    let script = asks.then(|| Judged::read(request.argv))?;
    let ruled = script
        .commands
        .iter()
        .any(|command| request.rules.check(&command.argv).is_some());
    let first = script.commands.first().filter(|_| script.amendable && !ruled);
    Some(Question {
        reason: Some(RETRY_REASON.to_owned()),
        amendment: first.map(|command| command.argv.clone()),
        placement: Placement::Unrestricted,
    })
}

/// What nobody objects to: runs, if there is a place for it.
fn run(request: &Request<'_>, script: &Judged, verdicts: &[Verdict]) -> Decision {
    let allowed_by_rules = verdicts.iter().all(|verdict| verdict.rule.is_some());
    if allowed_by_rules || request.escalated || !request.restricted {
        return Decision::Run(Placement::Unrestricted);
    }
    if request.availability == SandboxAvailability::Available {
        return Decision::Run(Placement::Sandboxed);
    }
    let harmless = |(command, verdict): (&PlainCommand, &Verdict)| {
        verdict.rule.is_some() || (request.reads_all && safety::only_reads(command))
    };
    if script.plain && script.commands.iter().zip(verdicts).all(harmless) {
        return Decision::Run(Placement::Unrestricted);
    }
    match cannot_ask(request.approval, false) {
        Some(_) => Decision::Reject(NO_SANDBOX_REFUSAL.to_owned()),
        None => Decision::Ask(request.question(None, amendment(request, script, verdicts, RuleDecision::Allow))),
    }
}

impl Request<'_> {
    /// A question; where agreeing would lift a restriction that cannot be enforced, the reason says so.
    fn question(&self, reason: Option<String>, amendment: Option<Vec<String>>) -> Question {
        let unrestricted = self.escalated || !self.restricted;
        let unprotected = !unrestricted && self.availability == SandboxAvailability::Unavailable;
        let placement = match unrestricted || unprotected {
            true => Placement::Unrestricted,
            false => Placement::Sandboxed,
        };
        let reason = match (reason, unprotected) {
            (Some(reason), true) => Some(format!("{reason}; {NO_SANDBOX_REASON}")),
            (None, true) => Some(NO_SANDBOX_REASON.to_owned()),
            (reason, false) => reason,
        };
        Question {
            reason,
            amendment,
            placement,
        }
    }
}

/// A script as it is judged: its plain commands, or the whole command line as one.
struct Judged {
    commands: Vec<PlainCommand>,
    /// Whether the commands are all there is to the script. A here-document makes it false.
    plain: bool,
    /// Whether a prefix may be allowed for good on the strength of this reading.
    amendable: bool,
}

impl Judged {
    fn read(argv: &[String]) -> Self {
        let whole = |plain| Judged {
            commands: vec![PlainCommand {
                argv: argv.to_vec(),
                expands: false,
            }],
            plain,
            amendable: true,
        };
        match script_of(argv).map(bash::read) {
            Some(Script::Plain(commands)) => Judged {
                commands,
                plain: true,
                amendable: true,
            },
            Some(Script::Heredoc(command)) => Judged {
                commands: vec![command],
                plain: false,
                amendable: false,
            },
            Some(Script::Complex) => whole(false),
            None => whole(true),
        }
    }
}

/// What is said about one command.
struct Verdict {
    decision: RuleDecision,
    /// The rule that said it; none when the lists and the approval policy did.
    rule: Option<crate::exec::policy::RuleMatch>,
}

fn judge(request: &Request<'_>, command: &PlainCommand, plain: bool) -> Verdict {
    if let Some(rule) = request.rules.check(&command.argv) {
        return Verdict {
            decision: rule.decision,
            rule: Some(rule),
        };
    }
    let safe = plain && *request.approval == AskForApproval::Untrusted && safety::known_safe(&command.argv);
    let decision = if safe {
        RuleDecision::Allow
    } else if safety::dangerous(&command.argv) {
        match request.approval {
            AskForApproval::Never => RuleDecision::Forbidden,
            _ => RuleDecision::Prompt,
        }
    } else {
        match request.approval {
            AskForApproval::Never | AskForApproval::OnFailure => RuleDecision::Allow,
            AskForApproval::Untrusted => RuleDecision::Prompt,
            AskForApproval::OnRequest | AskForApproval::Granular { .. } => {
                match (request.escalated || request.widened) && request.restricted {
                    true => RuleDecision::Prompt,
                    false => RuleDecision::Allow,
                }
            }
        }
    };
    Verdict { decision, rule: None }
}

/// Why the user may not be asked, as told to the model; `None` when they may. `by_rule`: a rule demands the question.
fn cannot_ask(approval: &AskForApproval, by_rule: bool) -> Option<String> {
    let refusal = match approval {
        AskForApproval::Never => "approval required by policy, but AskForApproval is set to Never",
        AskForApproval::Granular { rules: false, .. } if by_rule => {
            "approval required by policy rule, but AskForApproval::Granular.rules is false"
        }
        AskForApproval::Granular {
            sandbox_approval: false,
            ..
        } if !by_rule => "approval required by policy, but AskForApproval::Granular.sandbox_approval is false",
        _ => return None,
    };
    Some(refusal.to_owned())
}

/// Prefixes that would allow anything at all: interpreters, shells, and programs that start others.
const TOO_BROAD: &[&str] = &[
    "bash",
    "sh",
    "zsh",
    "/bin/bash",
    "/bin/sh",
    "/bin/zsh",
    "python",
    "python3",
    "py",
    "pypy",
    "node",
    "deno",
    "bun",
    "perl",
    "ruby",
    "php",
    "lua",
    "git",
    "env",
    "sudo",
    "osascript",
    "pwsh",
    "powershell",
    "xargs",
    "time",
    "nice",
    "nohup",
];

/// What could be allowed for good: the model's proposal when it covers everything, else the first command that the
/// question is about. `about` is `Allow` when only the missing sandbox is the question; then harmless commands are not.
fn amendment(request: &Request<'_>, script: &Judged, verdicts: &[Verdict], about: RuleDecision) -> Option<Vec<String>> {
    if !script.amendable {
        return None;
    }
    let ruled = verdicts.iter().any(|verdict| verdict.rule.is_some());
    if let Some(prefix) = request
        .proposed_prefix
        .filter(|prefix| !prefix.is_empty() && !too_broad(prefix) && !ruled)
    {
        let amended = request.rules.with_allowed(prefix);
        let covers = |command: &PlainCommand| {
            amended
                .check(&command.argv)
                .is_some_and(|found| found.decision == RuleDecision::Allow)
        };
        if script.commands.iter().all(covers) {
            return Some(prefix.to_vec());
        }
    }
    let in_question = |(command, verdict): &(&PlainCommand, &Verdict)| {
        let harmless = about == RuleDecision::Allow && script.plain && safety::only_reads(command);
        verdict.decision == about && verdict.rule.is_none() && !harmless
    };
    script
        .commands
        .iter()
        .zip(verdicts)
        .find(in_question)
        .map(|(command, _)| command.argv.clone())
}

fn too_broad(prefix: &[String]) -> bool {
    match prefix {
        [program] => TOO_BROAD.contains(&program.as_str()) || program.starts_with("python"),
        [program, flag] => {
            too_broad(std::slice::from_ref(program)) && matches!(flag.as_str(), "-c" | "-lc" | "-e" | "-i" | "-m")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
