use super::*;
use crate::exec::policy::parse;
use crate::protocol::SandboxPolicy;

const READ_ONLY: SandboxPolicy = SandboxPolicy::ReadOnly { network_access: false };
const FULL: SandboxPolicy = SandboxPolicy::DangerFullAccess;

fn granular(sandbox_approval: bool, rules: bool) -> AskForApproval {
    AskForApproval::Granular {
        mcp_elicitations: true,
        request_permissions: false,
        rules,
        sandbox_approval,
        skill_approval: false,
    }
}

struct Case<'a> {
    approval: AskForApproval,
    sandbox: SandboxPolicy,
    availability: SandboxAvailability,
    escalated: bool,
    prefix: Option<&'a str>,
    rules: &'a str,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Case {
            approval: AskForApproval::OnRequest,
            sandbox: READ_ONLY,
            availability: SandboxAvailability::Available,
            escalated: false,
            prefix: None,
            rules: "",
        }
    }
}

impl Case<'_> {
    fn decide(&self, script: &str) -> Decision {
        let mut rules = Policy::default();
        parse(self.rules, &mut rules).unwrap();
        let argv = ["/bin/bash", "-c", script].map(str::to_owned);
        let prefix = self.prefix.map(|prefix| shlex::split(prefix).unwrap());
        decide(&Request {
            argv: &argv,
            approval: &self.approval,
            restricted: matches!(
                self.sandbox,
                SandboxPolicy::ReadOnly { .. } | SandboxPolicy::WorkspaceWrite { .. }
            ),
            reads_all: true,
            availability: self.availability,
            escalated: self.escalated,
            widened: false,
            proposed_prefix: prefix.as_deref(),
            rules: &rules,
        })
    }

    /// The verdict in short: where it runs, what is asked (amendment), or that it is refused.
    fn short(&self, script: &str) -> String {
        match self.decide(script) {
            Decision::Run(Placement::Sandboxed) => "run".into(),
            Decision::Run(Placement::Unrestricted) => "run free".into(),
            Decision::Ask(question) => format!(
                "ask {}{}",
                question.amendment.map_or("-".into(), |words| words.join(" ")),
                match question.placement {
                    Placement::Sandboxed => "",
                    Placement::Unrestricted => " free",
                }
            ),
            Decision::Reject(_) => "no".into(),
        }
    }
}

/// Each row: a script, then its verdicts under untrusted, on-request, on-failure, never, granular without sandbox
/// approval.
fn table(sandbox: SandboxPolicy, availability: SandboxAvailability, rows: &[(&str, [&str; 5])]) {
    let policies = [
        AskForApproval::Untrusted,
        AskForApproval::OnRequest,
        AskForApproval::OnFailure,
        AskForApproval::Never,
        granular(false, true),
    ];
    for (script, expected) in rows {
        for (approval, expected) in policies.iter().zip(expected) {
            let case = Case {
                approval: approval.clone(),
                sandbox: sandbox.clone(),
                availability,
                ..Case::default()
            };
            assert_eq!(case.short(script), *expected, "{script:?} under {approval:?}");
        }
    }
}

#[test]
fn with_a_sandbox() {
    table(
        READ_ONLY,
        SandboxAvailability::Available,
        &[
            ("ls", ["run", "run", "run", "run", "run"]),
            ("touch x", ["ask touch x", "run", "run", "run", "run"]),
            ("rm -f x", ["ask rm -f x", "ask rm -f x", "ask rm -f x", "no", "no"]),
            (
                "touch y && rm -f y",
                ["ask touch y", "ask rm -f y", "ask rm -f y", "no", "no"],
            ),
            ("ls > x", ["ask /bin/bash -c ls > x", "run", "run", "run", "run"]),
            ("cat <<E\nhi\nE", ["ask -", "run", "run", "run", "run"]),
            ("", ["ask /bin/bash -c ", "run", "run", "run", "run"]),
        ],
    );
}

#[test]
fn with_full_access() {
    let external = SandboxPolicy::ExternalSandbox {
        network_access: crate::protocol::NetworkAccess::Restricted,
    };
    for (sandbox, availability) in [
        (FULL, SandboxAvailability::Available),
        (FULL, SandboxAvailability::Unavailable),
        (external, SandboxAvailability::Unavailable),
    ] {
        table(
            sandbox,
            availability,
            &[
                ("ls", ["run free"; 5]),
                (
                    "touch x",
                    ["ask touch x free", "run free", "run free", "run free", "run free"],
                ),
                (
                    "rm -f x",
                    ["ask rm -f x free", "ask rm -f x free", "ask rm -f x free", "no", "no"],
                ),
            ],
        );
    }
}

#[test]
fn without_a_sandbox_nothing_restricted_runs_unasked() {
    let write = SandboxPolicy::WorkspaceWrite {
        exclude_slash_tmp: false,
        exclude_tmpdir_env_var: false,
        network_access: false,
        writable_roots: Vec::new(),
    };
    for sandbox in [READ_ONLY, write] {
        table(
            sandbox,
            SandboxAvailability::Unavailable,
            &[
                ("cat a | head && ls *.rs", ["run free"; 5]),
                (
                    "touch x",
                    ["ask touch x free", "ask touch x free", "ask touch x free", "no", "no"],
                ),
                (
                    "ls && touch x",
                    ["ask touch x free", "ask touch x free", "ask touch x free", "no", "no"],
                ),
                (
                    "ls > x",
                    [
                        "ask /bin/bash -c ls > x free",
                        "ask /bin/bash -c ls > x free",
                        "ask /bin/bash -c ls > x free",
                        "no",
                        "no",
                    ],
                ),
                (
                    "git status",
                    [
                        "ask git status free",
                        "ask git status free",
                        "ask git status free",
                        "no",
                        "no",
                    ],
                ),
                ("cat <<E\nhi\nE", ["ask - free", "ask - free", "ask - free", "no", "no"]),
                (
                    "rm -f x",
                    ["ask rm -f x free", "ask rm -f x free", "ask rm -f x free", "no", "no"],
                ),
            ],
        );
    }
    let case = Case {
        availability: SandboxAvailability::Unavailable,
        ..Case::default()
    };
    let Decision::Ask(question) = case.decide("touch x") else {
        panic!()
    };
    assert_eq!(question.reason.as_deref(), Some(NO_SANDBOX_REASON));
    let case = Case {
        approval: AskForApproval::Never,
        ..case
    };
    let Decision::Reject(text) = case.decide("touch x") else {
        panic!()
    };
    assert!(text.contains("no sandbox is available"));
}

#[test]
fn the_model_asks_to_leave_the_sandbox() {
    for availability in [SandboxAvailability::Available, SandboxAvailability::Unavailable] {
        let case = |prefix| Case {
            escalated: true,
            prefix,
            availability,
            ..Case::default()
        };
        assert_eq!(case(None).short("touch x"), "ask touch x free");
        assert_eq!(case(Some("touch")).short("touch x"), "ask touch free");
        assert_eq!(case(Some("bash")).short("touch x"), "ask touch x free");
        assert_eq!(case(Some("mkdir")).short("touch x"), "ask touch x free");
        assert_eq!(case(Some("touch")).short("touch a && mkdir b"), "ask touch a free");
        assert_eq!(case(Some("touch")).short("ls && touch a"), "ask ls free");
        assert_eq!(case(Some("rm")).short("rm -f x"), "ask rm free");
        assert_eq!(case(Some("python3 -c")).short("python3 -c 1"), "ask python3 -c 1 free");
        assert_eq!(case(Some("cat")).short("cat a > b"), "ask /bin/bash -c cat a > b free");
        assert_eq!(case(Some("cat")).short("cat <<E\nE"), "ask - free");
        let Decision::Ask(question) = case(None).decide("touch x") else {
            panic!()
        };
        assert_eq!(question.reason, None);
        let full = Case {
            sandbox: FULL,
            ..case(None)
        };
        assert_eq!(full.short("touch x"), "run free");
    }
}

#[test]
fn rules_come_first() {
    let rules = r#"
prefix_rule(["make"])
prefix_rule(["make", "push"], decision="prompt", justification="careful")
prefix_rule(["make", "pull"], decision="prompt")
prefix_rule(["make", "burn"], decision="forbidden", justification="not here")
prefix_rule(["make", "drop"], decision="forbidden")
prefix_rule(["rm", "-f", "ok"])
"#;
    for availability in [SandboxAvailability::Available, SandboxAvailability::Unavailable] {
        let case = |approval| Case {
            approval,
            availability,
            rules,
            ..Case::default()
        };
        for approval in [AskForApproval::Untrusted, AskForApproval::Never, granular(false, false)] {
            assert_eq!(case(approval.clone()).short("make all && rm -f ok"), "run free");
            assert_eq!(case(approval.clone()).short("/usr/bin/make x"), "run free");
            assert_eq!(case(approval).short("make x <<E\nE"), "run free");
        }
        let free = match availability {
            SandboxAvailability::Available => "",
            SandboxAvailability::Unavailable | SandboxAvailability::UnavailableThere => " free",
        };
        assert_eq!(
            case(AskForApproval::OnRequest).short("ls && make push"),
            format!("ask -{free}")
        );
        assert_eq!(case(granular(false, true)).short("make push"), format!("ask -{free}"));
        let reject = |approval, script: &str| match case(approval).decide(script) {
            Decision::Reject(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            reject(AskForApproval::Never, "make push"),
            "approval required by policy, but AskForApproval is set to Never"
        );
        assert_eq!(
            reject(granular(true, false), "make push"),
            "approval required by policy rule, but AskForApproval::Granular.rules is false"
        );
        assert_eq!(
            reject(granular(false, true), "rm -f x"),
            "approval required by policy, but AskForApproval::Granular.sandbox_approval is false"
        );
        assert_eq!(
            reject(AskForApproval::OnRequest, "ls && make burn && make push"),
            "`/bin/bash -c 'ls && make burn && make push'` rejected: not here"
        );
        assert_eq!(
            reject(AskForApproval::OnRequest, "make drop x"),
            "`/bin/bash -c 'make drop x'` rejected: policy forbids commands starting with `make drop`"
        );
        assert_eq!(
            reject(AskForApproval::Never, "rm -f x"),
            "`/bin/bash -c 'rm -f x'` rejected: blocked by policy"
        );
    }
    let case = Case {
        rules,
        ..Case::default()
    };
    let reason = |script: &str| match case.decide(script) {
        Decision::Ask(question) => question.reason.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason("make push"),
        "`/bin/bash -c 'make push'` requires approval: careful"
    );
    assert_eq!(
        reason("make pull"),
        "`/bin/bash -c 'make pull'` requires approval by policy"
    );
}

#[test]
fn escalation_is_only_for_on_request() {
    assert_eq!(refuse_escalation(&AskForApproval::OnRequest), None);
    assert_eq!(
        refuse_escalation(&AskForApproval::Untrusted).unwrap(),
        "approval policy is UnlessTrusted; reject command — you cannot ask for escalated permissions if the approval \
         policy is UnlessTrusted"
    );
    assert!(refuse_escalation(&granular(true, false)).unwrap().starts_with(
        "approval policy is Granular(GranularApprovalConfig { sandbox_approval: true, rules: false, skill_approval: \
         false, request_permissions: false, mcp_elicitations: true }); reject command"
    ));
}
