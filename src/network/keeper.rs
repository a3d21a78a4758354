//! Who decides about the hosts of one command.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::host::Host;
use super::policy::NetworkPolicy;
use super::refusal::{Reason, Refusal};
use crate::protocol::NetworkApprovalProtocol;

/// What a command wants of the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// How it asks.
    pub protocol: NetworkApprovalProtocol,
    /// Whom it wants to reach.
    pub host: Host,
    /// At which port.
    pub port: u16,
    /// What it wants to do, where that can be seen.
    pub method: Option<String>,
}

impl Request {
    /// Host and port.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    /// The host as it stands in addresses.
    pub(super) fn bracketed(&self) -> String {
        match self.host.as_str().contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.to_string(),
        }
    }

    /// How it asks, as in refusals.
    pub(super) fn way(&self) -> &'static str {
        match self.protocol {
            NetworkApprovalProtocol::Http => "http",
            NetworkApprovalProtocol::Https => "https_connect",
            NetworkApprovalProtocol::Socks5Tcp => "socks5_tcp",
            NetworkApprovalProtocol::Socks5Udp => "socks5_udp",
        }
    }
}

/// Decides about the hosts of one command, and hears what was refused.
pub trait Keeper: Debug + Send + Sync {
    /// What holds now.
    fn policy(&self) -> Arc<NetworkPolicy>;

    /// Whether a host that is on no list may be reached. It may take as long as a person takes to answer.
    fn admits(&self, request: Request) -> BoxFuture<'static, Result<(), Refusal>>;

    /// Something was refused. False when that is the end of the command: it is not answered then.
    fn refused(&self, request: &Request, refusal: Refusal) -> bool;
}

/// One who never changes the lists and asks nobody.
#[derive(Debug)]
pub struct Fixed(pub Arc<NetworkPolicy>);

impl Keeper for Fixed {
    fn policy(&self) -> Arc<NetworkPolicy> {
        Arc::clone(&self.0)
    }

    fn admits(&self, _request: Request) -> BoxFuture<'static, Result<(), Refusal>> {
        Box::pin(std::future::ready(Err(Refusal::listed(Reason::NotAllowed))))
    }

    fn refused(&self, request: &Request, refusal: Refusal) -> bool {
        tracing::debug!(host = %request.host, reason = ?refusal.reason, "a command was refused a host");
        true
    }
}
