//! Why something was refused, in the words of programs, of those who read their output, and of models.

use serde_json::json;

use super::keeper::Request;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The host is listed as one that may not be reached.
    Denied,
    /// The host is on no list, and nobody allowed it.
    NotAllowed,
    /// The host is this machine, or one of a private network.
    Local,
    /// Only reading is allowed.
    Method,
    /// Only what the proxy can look into is allowed.
    Sealed,
}

/// Who refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The lists.
    Lists,
    /// What may be done with any host.
    Mode,
    /// Who was asked.
    Asked,
}

/// A refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// By whom.
    pub source: Source,
}

impl Reason {
    fn code(self) -> &'static str {
        match self {
            Reason::Denied => "denied",
            Reason::NotAllowed => "not_allowed",
            Reason::Local => "not_allowed_local",
            Reason::Method => "method_not_allowed",
            Reason::Sealed => "mitm_required",
        }
    }

    /// The value of the header by which programs tell refusals from answers of hosts.
    pub(super) fn header(self) -> &'static str {
        match self {
            Reason::Denied => "blocked-by-denylist",
            Reason::NotAllowed | Reason::Local => "blocked-by-allowlist",
            Reason::Method => "blocked-by-method-policy",
            Reason::Sealed => "blocked-by-mitm-required",
        }
    }

    /// A line for who reads the output of a command.
    pub(super) fn line(self) -> &'static str {
        match self {
            Reason::Denied => "Domain denied by the sandbox policy.",
            Reason::NotAllowed => "Domain not in allowlist.",
            Reason::Local => "Sandbox policy blocks local/private network addresses.",
            Reason::Method => "Method not allowed in limited mode.",
            Reason::Sealed => "Tunnels are not allowed in limited mode.",
        }
    }

    /// What a model is told of a command that was ended for it.
    pub fn told(self, request: &Request) -> String {
        let detail = match self {
            Reason::Denied => "domain is explicitly denied by policy and cannot be approved from this prompt",
            Reason::NotAllowed => "domain is not on the allowlist for the current sandbox mode",
            Reason::Local => "local/private network addresses are blocked by the sandbox policy",
            Reason::Method => "request method is blocked by the current network mode",
            Reason::Sealed => "request is blocked by network policy",
        };
        format!("Network access to \"{}\" was blocked: {detail}.", request.host)
    }
}

impl Refusal {
    /// By the lists.
    pub(super) fn listed(reason: Reason) -> Self {
        Refusal {
            reason,
            source: Source::Lists,
        }
    }

    /// A refusal as JSON, for programs that look into it.
    pub(super) fn to_json(self, request: &Request) -> String {
        let source = match self.source {
            Source::Lists => "baseline_policy",
            Source::Mode => "mode_guard",
            Source::Asked => "decider",
        };
        json!({
            "status": "blocked",
            "host": request.host.as_str(),
            "reason": self.reason.code(),
            "decision": "deny",
            "source": source,
            "protocol": request.way(),
            "port": request.port,
            "message": self.reason.line(),
        })
        .to_string()
    }
}
