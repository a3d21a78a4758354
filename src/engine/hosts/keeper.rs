//! The keeper of one command: the lists, the rules, what was said for the session, and the command's end when it wanted
//! what it may not have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::question::ask;
use super::{Door, Verdict};
use crate::config::NetworkFilter;
use crate::engine::scope::ThreadServices;
use crate::exec::Session;
use crate::exec::policy::RuleDecision;
use crate::network::{Host, Keeper, NetworkPolicy, Reason, Refusal, Request, Source};

/// Decides about the hosts of one command of the model.
pub struct HostKeeper {
    services: Arc<ThreadServices>,
    filter: NetworkFilter,
    /// The command's script, for hooks.
    command: String,
    /// The command, once it runs.
    session: OnceLock<Weak<Session>>,
    /// Why it has to end, once it has.
    over: Mutex<Option<String>>,
    /// Held by the question that it asks.
    asks: Arc<tokio::sync::Mutex<()>>,
    /// Whether clients know of the command: questions that it raises come after that.
    announced: watch::Sender<bool>,
}

impl std::fmt::Debug for HostKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostKeeper({:?})", self.filter)
    }
}

impl HostKeeper {
    /// For a command that is about to run.
    pub fn new(services: &Arc<ThreadServices>, filter: NetworkFilter, command: &str) -> Arc<Self> {
        Arc::new(HostKeeper {
            services: Arc::clone(services),
            filter,
            command: command.to_owned(),
            session: OnceLock::new(),
            over: Mutex::default(),
            asks: Arc::default(),
            announced: watch::Sender::new(false),
        })
    }

    /// The command runs.
    pub fn attend(&self, session: &Arc<Session>) {
        let _ = self.session.set(Arc::downgrade(session));
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(why) = over {
            session.fail(why);
        }
    }

    /// Clients know of it.
    pub fn announced(&self) {
        self.announced.send_replace(true);
    }

    /// Ends the command. The first reason counts.
    fn end(&self, why: String) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        let why = over.get_or_insert(why).clone();
        drop(over);
        if let Some(session) = self.session.get().and_then(Weak::upgrade) {
            session.fail(why);
        }
    }
}

/// A keeper that many connections hold.
#[derive(Debug, Clone)]
struct Held(Arc<HostKeeper>);

impl HostKeeper {
    /// As the proxy knows it.
    pub fn held(self: &Arc<Self>) -> Arc<dyn Keeper> {
        Arc::new(Held(Arc::clone(self)))
    }
}

impl Keeper for Held {
    fn policy(&self) -> Arc<NetworkPolicy> {
        let rules = self.0.services.commands.rules();
        if rules.network_rules().is_empty() {
            return Arc::clone(&self.0.filter.policy);
        }
        // What is said of a host counts for all protocols, and what is said last counts; but not against the lists.
        let mut said = BTreeMap::new();
        for rule in rules.network_rules() {
            if let Some(host) = Host::parse(&rule.host)
                && rule.decision != RuleDecision::Prompt
                && !(rule.decision == RuleDecision::Allow && self.0.filter.exclusive)
            {
                said.insert(host, rule.decision == RuleDecision::Allow);
            }
        }
        let mut policy = (*self.0.filter.policy).clone();
        for (host, allow) in &said {
            policy.rule(host, *allow);
        }
        Arc::new(policy)
    }

    fn admits(&self, request: Request) -> BoxFuture<'static, Result<(), Refusal>> {
        let keeper = Arc::clone(&self.0);
        Box::pin(async move {
            let listed = Err(Refusal {
                reason: Reason::NotAllowed,
                source: Source::Lists,
            });
            if !keeper.filter.managed || keeper.filter.exclusive {
                return listed;
            }
            let mut announced = keeper.announced.subscribe();
            let _ = announced.wait_for(|known| *known).await;
            match ask(&keeper.services, Door::of(&request), &keeper.command, &keeper.asks).await {
                Verdict::Allowed => Ok(()),
                Verdict::Unasked => listed,
                Verdict::Refused(why) => {
                    keeper.end(why);
                    Err(Refusal {
                        reason: Reason::NotAllowed,
                        source: Source::Asked,
                    })
                }
            }
        })
    }

    fn refused(&self, request: &Request, refusal: Refusal) -> bool {
        tracing::debug!(host = %request.host, reason = ?refusal.reason, "a command was refused a host");
        if self.0.filter.managed {
            self.0.end(refusal.reason.told(request));
        }
        !self.0.filter.managed
    }
}
