//! The way from a request to a connection: what may be done, the lists, who is asked, the addresses.
//!
//! Nothing is looked up before a host is allowed: a name itself can carry what was not meant to leave. The addresses that
//! a name has are looked at afterwards, and only these are connected to.

use super::host::Host;
use super::keeper::{Keeper, Request};
use super::policy::{Listing, Mode, NetworkPolicy};
use super::reach::{self, Unreachable};
use super::refusal::{Reason, Refusal, Source};
use super::upstream::{self, Route};
use crate::protocol::NetworkApprovalProtocol;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Closed {
    /// It was refused.
    Refused(Refusal),
    /// The host cannot be reached.
    Unreachable(Unreachable),
}

/// A connection for a request, or why there is none. The keeper hears of refusals.
pub(super) async fn connect(keeper: &dyn Keeper, request: &Request) -> Result<Route, Closed> {
    let admitted = admit(keeper, request).await;
    let reached = match admitted {
        Ok(policy) => reach(&policy, request).await,
        Err(refusal) => Err(Closed::Refused(refusal)),
    };
    if let Err(Closed::Refused(refusal)) = &reached
        && !keeper.refused(request, *refusal)
    {
        // What the command would make of an answer in its last moments is up to chance.
        std::future::pending::<()>().await;
    }
    reached
}

async fn admit(keeper: &dyn Keeper, request: &Request) -> Result<std::sync::Arc<NetworkPolicy>, Refusal> {
    let policy = keeper.policy();
    if let Some(reason) = beyond_mode(policy.mode, request) {
        let source = Source::Mode;
        return Err(Refusal { reason, source });
    }
    let listing = policy.listing(&request.host);
    if listing == Listing::Denied {
        return Err(Refusal::listed(Reason::Denied));
    }
    if request.host.is_local() && !policy.local && !policy.names(&request.host) {
        return Err(Refusal::listed(Reason::Local));
    }
    match listing {
        Listing::Allowed => Ok(policy),
        // Whoever was asked may have changed the lists.
        _ => keeper.admits(request.clone()).await.map(|()| keeper.policy()),
    }
}

fn beyond_mode(mode: Mode, request: &Request) -> Option<Reason> {
    match request.protocol {
        _ if mode == Mode::Full => None,
        NetworkApprovalProtocol::Http => {
            let method = request.method.as_deref().unwrap_or_default();
            (!mode.allows(method)).then_some(Reason::Method)
        }
        NetworkApprovalProtocol::Https => Some(Reason::Sealed),
        NetworkApprovalProtocol::Socks5Tcp | NetworkApprovalProtocol::Socks5Udp => Some(Reason::Method),
    }
}

async fn reach(policy: &NetworkPolicy, request: &Request) -> Result<Route, Closed> {
    let local = policy.local || (request.host.is_local() && policy.names(&request.host));
    let proxy = match policy.upstream && !request.host.is_local() {
        true => upstream::of(request),
        false => None,
    };
    let addresses = match reach::lookup(request).await {
        Ok(addresses) => addresses,
        // The other proxy may know names that are not known here.
        Err(Unreachable::Name) if proxy.is_some() => Vec::new(),
        Err(error) => return Err(Closed::Unreachable(error)),
    };
    // One among many is enough: whoever answers for the name chooses which is taken.
    for address in &addresses {
        let host = Host::from(address.ip());
        if policy.listing(&host) == Listing::Denied {
            return Err(Closed::Refused(Refusal::listed(Reason::Denied)));
        }
        if !local && host.is_local() {
            return Err(Closed::Refused(Refusal::listed(Reason::Local)));
        }
    }
    let route = match proxy {
        Some(proxy) => proxy.connect(request).await,
        None => reach::connect(&addresses).await.map(Route::direct),
    };
    route.map_err(Closed::Unreachable)
}
