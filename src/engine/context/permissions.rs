//! The `<permissions instructions>` section: what the model may do unasked, and how to ask for more.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::config::NetworkFilter;
use crate::exec::permissions::PlacedProfile;
use crate::protocol::{
    AbsolutePathBuf, ApprovalsReviewer, AskForApproval, FileSystemAccessMode, NetworkAccess, SandboxPolicy,
};

/// At most so many approved prefixes are listed, in at most so many bytes.
const MOST_PREFIXES: usize = 100;
const MOST_PREFIX_BYTES: usize = 5000;

/// What the section is made from.
#[derive(Debug, Clone)]
pub struct Permissions<'a> {
    /// When the user is asked.
    pub policy: &'a AskForApproval,
    /// Who is asked.
    pub reviewer: ApprovalsReviewer,
    /// What commands may touch.
    pub sandbox: &'a SandboxPolicy,
    /// A profile of the configuration that holds in its place.
    pub profile: Option<PlacedProfile<'a>>,
    /// The roots of the workspace.
    pub workspace_roots: &'a [AbsolutePathBuf],
    /// Command prefixes that the rules allow.
    pub approved_prefixes: &'a [Vec<String>],
    /// What can be asked for beside leaving the sandbox.
    pub asks: Asks,
    /// What looks at the network of commands.
    pub filter: Option<NetworkFilter>,
}

/// What the model can ask for beside leaving the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asks {
    /// More inside of the sandbox, for one command.
    pub with_command: bool,
    /// More inside of the sandbox, for what follows.
    pub ahead: bool,
}

/// The section with its tags.
pub fn section(permissions: &Permissions<'_>) -> String {
    let mut text = String::from("<permissions instructions>\n");
    sandbox(&mut text, permissions);
    approvals(&mut text, permissions);
    text.push_str("</permissions instructions>");
    text
}

/// The folders that are writable by name, sorted: what the section lists, and what makes it differ.
pub fn listed_roots(sandbox: &SandboxPolicy, workspace_roots: &[AbsolutePathBuf]) -> Vec<PathBuf> {
    let SandboxPolicy::WorkspaceWrite {
        writable_roots,
        exclude_slash_tmp,
        ..
    } = sandbox
    else {
        return Vec::new();
    };
    let mut roots: Vec<PathBuf> = workspace_roots
        .iter()
        .chain(writable_roots)
        .map(|root| root.as_path().to_owned())
        .collect();
    if !exclude_slash_tmp {
        roots.push("/tmp".into());
    }
    roots.sort();
    roots.dedup();
    roots
}

fn sandbox(text: &mut String, permissions: &Permissions<'_>) {
    let (mode, what, network) = match permissions.sandbox {
        SandboxPolicy::DangerFullAccess => (
            "danger-full-access",
            "commands and edits are not confined; every file the user can change, you can change",
            true,
        ),
        SandboxPolicy::ExternalSandbox { network_access } => (
            "danger-full-access",
            "this process is confined from outside; what that confinement allows works",
            matches!(network_access, NetworkAccess::Enabled),
        ),
        SandboxPolicy::ReadOnly { network_access } => {
            ("read-only", "you can read every file and change none", *network_access)
        }
        SandboxPolicy::WorkspaceWrite { network_access, .. } => (
            "workspace-write",
            "you can read every file and change those below the writable roots; `.git`, `.codex` and `.agents` in a root \
             stay read-only",
            *network_access,
        ),
    };
    let filter = permissions
        .filter
        .as_ref()
        .filter(|_| !matches!(permissions.sandbox, SandboxPolicy::DangerFullAccess));
    let opened = network || filter.is_some_and(|filter| filter.opened);
    let network = if opened { "enabled" } else { "restricted" };
    let _ = writeln!(
        text,
        "Sandbox: `sandbox_mode` is `{mode}`: {what}. Network access is {network}."
    );
    if let Some(filter) = filter.filter(|filter| opened || filter.managed) {
        let [allowed, denied] = filter.policy.lists().map(|hosts| match hosts.is_empty() {
            true => "none".to_owned(),
            false => hosts
                .iter()
                .map(|host| format!("`{host}`"))
                .collect::<Vec<_>>()
                .join(", "),
        });
        let _ = writeln!(
            text,
            "Commands reach hosts through a proxy (the usual variables name it) and no other way. Allowed: {allowed}. Denied: \
             {denied}. Other hosts are {}.",
            match filter.managed {
                true => "asked about when a command wants them; a refusal ends the command",
                false => "refused",
            }
        );
    }
    if let Some(profile) = permissions.profile {
        let line = |text: &mut String, what: &str, places: Vec<String>| {
            let names: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
            if !names.is_empty() {
                let _ = writeln!(text, "{what}: {}.", names.join(", "));
            }
        };
        let _ = writeln!(
            text,
            "What holds is the permission profile `{}`; the nearest place decides.",
            profile.id()
        );
        line(text, "Writable", profile.places(FileSystemAccessMode::Write));
        line(text, "Read-only", profile.places(FileSystemAccessMode::Read));
        line(text, "Not even readable", profile.places(FileSystemAccessMode::None));
        return;
    }
    let roots = listed_roots(permissions.sandbox, permissions.workspace_roots);
    if !roots.is_empty() {
        let names: Vec<String> = roots.iter().map(|root| format!("`{}`", root.display())).collect();
        let (noun, verb) = if names.len() == 1 {
            ("root", "is")
        } else {
            ("roots", "are")
        };
        let _ = writeln!(text, "The writable {noun} {verb} {}.", names.join(", "));
    }
}

fn approvals(text: &mut String, permissions: &Permissions<'_>) {
    match permissions.policy {
        AskForApproval::Never => {
            text.push_str(
                "Approval policy: `never`. Nobody will be asked. Do not set `sandbox_permissions` on any call: it would \
                 be refused. Solve the task within the sandbox and say in the end what you could not do.\n",
            );
            return;
        }
        AskForApproval::Untrusted => text.push_str(
            "Approval policy: `untrusted`. Only a short list of commands that merely read runs unasked; the user is asked \
             about every other command and every edit.\n",
        ),
        AskForApproval::OnFailure => text.push_str(
            "Approval policy: `on-failure`. Everything runs in the sandbox first; when the sandbox stops a command, the \
             user is asked whether to run it without.\n",
        ),
        AskForApproval::OnRequest => text.push_str(
            "Approval policy: `on-request`. Commands run in the sandbox unasked; you can ask for a command to run outside \
             of it.\n",
        ),
        AskForApproval::Granular { .. } => granular(text, permissions.policy),
    }
    if permissions.reviewer != ApprovalsReviewer::User {
        text.push_str(
            "Requests go to an automatic reviewer instead of the user. It sees the conversation and the planned action; \
             a refusal is final for that action, so do not try to reach the same end by a detour.\n",
        );
    }
    if permissions.asks.with_command && *permissions.policy == AskForApproval::OnRequest {
        text.push_str(ADDITIONAL);
    }
    text.push_str(ESCALATION);
    if permissions.asks.ahead {
        text.push_str(AHEAD);
    }
    prefixes(text, permissions.approved_prefixes);
}

const ADDITIONAL: &str = "\
First choice for a command that needs more: set `sandbox_permissions` to `with_additional_permissions` and name in \
`additional_permissions` what it needs, `network` with `enabled`, or `file_system` with lists of absolute paths to `read` \
and `write`. It then runs inside the sandbox with that much more. Only what this cannot give is a reason to leave the \
sandbox.
";

const AHEAD: &str = "\
With the tool `request_permissions` you can ask for the network and for folders before the commands and patches that need \
them. The user may grant less than you ask for; the answer tells what.
";

const ESCALATION: &str = "\
How to ask: set `sandbox_permissions` to `require_escalated` on the command and give a `justification`, one question to \
the user that says what for. Ask when the task needs it: the command writes outside the writable roots, needs the \
network, opens a window, or has just failed in a way that looks like the sandbox (permission denied, read-only file \
system, name not resolved); then run the same command again with the request instead of looking for a way around. Do not \
ask for what you can do inside, and never for something destructive that the user has not asked for.
A script is judged command by command, split at `|`, `&&`, `||` and `;`. Redirections, substitutions, variables and \
wildcards keep it from being split, and it is then judged as a whole, so keep commands that need a permission plain.
With a request you may propose a `prefix_rule`, the first words of the command, so that its like need not be asked again. \
Keep it narrow (`[\"npm\", \"run\", \"test\"]`), and never propose a bare interpreter or shell (`python`, `bash`, `node`), \
a destructive command such as `rm`, or a script given as a here-document.
";

fn granular(text: &mut String, policy: &AskForApproval) {
    let AskForApproval::Granular {
        mcp_elicitations,
        request_permissions,
        rules,
        sandbox_approval,
        skill_approval,
    } = policy
    else {
        return;
    };
    let kinds = [
        ("sandbox_approval", *sandbox_approval),
        ("rules", *rules),
        ("skill_approval", *skill_approval),
        ("request_permissions", *request_permissions),
        ("mcp_elicitations", *mcp_elicitations),
    ];
    let named = |wanted: bool| {
        let names: Vec<String> = kinds
            .iter()
            .filter(|(_, on)| *on == wanted)
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let _ = writeln!(
        text,
        "Approval policy: `granular`. Requests of these kinds are put to the user: {}. Requests of these kinds are refused \
         without asking: {}.",
        named(true),
        named(false)
    );
}

fn prefixes(text: &mut String, prefixes: &[Vec<String>]) {
    if prefixes.is_empty() {
        return;
    }
    text.push_str("## Approved command prefixes\nCommands that begin like this run outside the sandbox unasked:\n");
    let mut bytes = 0;
    for (at, prefix) in prefixes.iter().enumerate() {
        let line = format!("- {}\n", serde_json::to_string(prefix).unwrap_or_default());
        bytes += line.len();
        if at == MOST_PREFIXES || bytes > MOST_PREFIX_BYTES {
            text.push_str("- (the list goes on)\n");
            break;
        }
        text.push_str(&line);
    }
}
