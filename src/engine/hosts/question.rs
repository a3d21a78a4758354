//! A question about a host: who is asked, and what each answer does.
//!
//! It runs by itself, so that a command which gives up does not take it away from others that wait for the same host.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::{Mutex, watch};

use super::{Door, Verdict};
use crate::engine::context::message;
use crate::engine::guardian::{self, Planned, Ruling};
use crate::engine::host::{Answer, TurnEvent};
use crate::engine::scope::{ThreadServices, TurnScope};
use crate::engine::tools::hooked;
use crate::engine::{hooks, items};
use crate::exec::policy::{NetworkProtocol, NetworkRule, RuleDecision};
use crate::network::Host;
use crate::protocol::methods::server::ItemCommandExecutionRequestApproval;
use crate::protocol::{
    AskForApproval, CommandExecutionApprovalDecision, CommandExecutionRequestApprovalParams,
    GuardianApprovalReviewAction, NetworkApprovalContext, NetworkApprovalProtocol, NetworkPolicyAmendment,
    NetworkPolicyRuleAction, ThreadActiveFlag, WarningNotification,
};

/// What the model is told of a command that wanted what the user refused.
const BY_USER: &str = "rejected by user";

/// What came of it, in the end.
enum Said {
    Once,
    ForSession,
    No(String),
    NotForSession(String),
    /// No, and the turn is over.
    Cancelled,
    Nothing,
}

/// Asks about a host, or waits for the answer to the question that is open. `turns`: a command asks one thing at a time.
pub(super) async fn ask(services: &Arc<ThreadServices>, door: Door, command: &str, turns: &Arc<Mutex<()>>) -> Verdict {
    let mut open = {
        let mut known = services.commands.hosts.known();
        if known.refused.contains(&door) {
            return Verdict::Unasked;
        }
        if known.allowed.contains(&door) {
            return Verdict::Allowed;
        }
        match known.open.get(&door) {
            Some(open) => open.subscribe(),
            None => {
                let (answer, open) = watch::channel(None);
                known.open.insert(door.clone(), answer.clone());
                let question = Question {
                    services: Arc::clone(services),
                    door,
                    command: command.to_owned(),
                    answer,
                };
                tokio::spawn(question.settle(Arc::clone(turns)));
                open
            }
        }
    };
    let verdict = open
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|verdict| verdict.clone());
    verdict.unwrap_or(Verdict::Unasked)
}

/// A question from its beginning to its answer.
struct Question {
    services: Arc<ThreadServices>,
    door: Door,
    command: String,
    answer: watch::Sender<Option<Verdict>>,
}

impl Drop for Question {
    /// It is closed, however that comes.
    fn drop(&mut self) {
        self.services.commands.hosts.known().open.remove(&self.door);
    }
}

impl Question {
    async fn settle(self, turns: Arc<Mutex<()>>) {
        let ours = turns.lock().await;
        let hosts = &self.services.commands.hosts;
        let Some(turn) = hosts.turn().filter(|turn| can_ask(turn)) else {
            self.answer.send_replace(Some(Verdict::Unasked));
            return;
        };
        let said = self.said(&turn).await;
        drop(ours);
        let cancelled = matches!(said, Said::Cancelled);
        let verdict = match said {
            Said::Once => Verdict::Allowed,
            Said::ForSession => {
                hosts.remember(&self.door, true);
                Verdict::Allowed
            }
            Said::NotForSession(why) => {
                hosts.remember(&self.door, false);
                Verdict::Refused(why)
            }
            Said::No(why) => Verdict::Refused(why),
            Said::Cancelled => Verdict::Refused(BY_USER.to_owned()),
            Said::Nothing => Verdict::Unasked,
        };
        let judged = matches!(verdict, Verdict::Refused(_)) && guardian::judges(&turn);
        self.answer.send_replace(Some(verdict));
        drop(self);
        if cancelled {
            turn.host.cancel.cancel();
        } else if judged {
            tokio::select! {
                () = guardian::settle_refusal(&turn) => {}
                () = turn.host.cancel.cancelled() => {}
            }
        }
    }

    /// What is said in the turn. The time that the user takes is not the command's; but when nobody waits for the answer
    /// any more, it counts again. The answer is good for the next one who asks.
    async fn said(&self, turn: &TurnScope) -> Said {
        let deciding = decide(turn, &self.door, &self.command);
        tokio::pin!(deciding);
        let ended = || Said::No(BY_USER.to_owned());
        {
            let _pause = self.services.commands.pause.hold();
            tokio::select! {
                said = &mut deciding => return said,
                () = turn.host.cancel.cancelled() => return ended(),
                () = self.answer.closed() => {}
            }
        }
        tokio::select! {
            said = &mut deciding => said,
            () = turn.host.cancel.cancelled() => ended(),
        }
    }
}

/// Whether anybody may be asked at all.
fn can_ask(turn: &TurnScope) -> bool {
    turn.settings.approval_policy != AskForApproval::Never && turn.settings.restricts_commands()
}

async fn decide(turn: &TurnScope, door: &Door, command: &str) -> Said {
    let item_id = door.item_id();
    let description = format!("network-access {}", door.target());
    match hooks::permission(turn, &item_id, hooked::SHELL, command, Some(&description)).await {
        Some(Ok(())) => return Said::Once,
        Some(Err(why)) => return Said::No(why),
        None => {}
    }
    if guardian::judges(turn) {
        return judged(turn, door).await;
    }
    let flag = Some(ThreadActiveFlag::WaitingOnApproval);
    let params = params(turn, door, item_id);
    let refused = || Said::No(BY_USER.to_owned());
    match turn
        .host
        .ask::<ItemCommandExecutionRequestApproval>(&params, flag)
        .await
    {
        Answer::Given(response) => match response.decision {
            CommandExecutionApprovalDecision::Accept
            | CommandExecutionApprovalDecision::AcceptWithExecpolicyAmendment { .. } => Said::Once,
            CommandExecutionApprovalDecision::AcceptForSession => Said::ForSession,
            CommandExecutionApprovalDecision::ApplyNetworkPolicyAmendment {
                network_policy_amendment,
            } => amend(turn, door, &network_policy_amendment).await,
            CommandExecutionApprovalDecision::Decline => refused(),
            CommandExecutionApprovalDecision::Cancel => Said::Cancelled,
        },
        Answer::Refused(_) | Answer::Malformed(_) => refused(),
        Answer::Cancelled if turn.host.cancel.is_cancelled() => refused(),
        // Nobody is there.
        Answer::Cancelled => Said::Nothing,
    }
}

/// Has the host judged in the user's place.
async fn judged(turn: &TurnScope, door: &Door) -> Said {
    let planned = Planned {
        item_id: None,
        started_at_ms: items::now_ms(),
        action: GuardianApprovalReviewAction::NetworkAccess {
            host: door.host.clone(),
            port: door.port,
            protocol: door.protocol,
            target: door.target(),
        },
        details: json!({
            "host": door.host,
            "port": door.port,
            "protocol": door.protocol,
            "target": door.target(),
            "tool": "network_access",
        }),
        reason: Some(format!("Network access to \"{}\" is blocked by policy.", door.target())),
    };
    match guardian::rule(turn, &planned).await {
        Ruling::Allowed => Said::Once,
        Ruling::Denied(why) | Ruling::Late(why) => Said::No(why),
    }
}

/// Keeps a rule about the host, here and in the home.
async fn amend(turn: &TurnScope, door: &Door, amendment: &NetworkPolicyAmendment) -> Said {
    let allow = amendment.action == NetworkPolicyRuleAction::Allow;
    let kept = match Host::parse(&amendment.host).is_some_and(|host| host.as_str() == door.host) {
        false => Err(format!(
            "network policy amendment host '{}' does not match approved host '{}'",
            amendment.host, door.host
        )),
        true => {
            let home = turn.services.config.home.clone();
            turn.services.commands.keep_host(home, rule(door, allow)).await
        }
    };
    match kept {
        Ok(()) => {
            let (verb, list) = match allow {
                true => ("Allowed", "allowlist"),
                false => ("Denied", "denylist"),
            };
            let told = format!("{verb} network rule saved in execpolicy ({list}): {}", amendment.host);
            turn.host.send(TurnEvent::Told(message::developer(vec![told]))).await;
        }
        Err(why) => {
            let message = format!("Failed to apply network policy amendment: {why}");
            let thread_id = Some(turn.host.thread_id.to_string());
            turn.host.publish(&WarningNotification { message, thread_id }).await;
        }
    }
    match allow {
        true => Said::ForSession,
        false => Said::NotForSession(BY_USER.to_owned()),
    }
}

fn rule(door: &Door, allow: bool) -> NetworkRule {
    let (protocol, label) = match door.protocol {
        NetworkApprovalProtocol::Http => (NetworkProtocol::Http, "http"),
        NetworkApprovalProtocol::Https => (NetworkProtocol::Https, "https_connect"),
        NetworkApprovalProtocol::Socks5Tcp => (NetworkProtocol::Socks5Tcp, "socks5_tcp"),
        NetworkApprovalProtocol::Socks5Udp => (NetworkProtocol::Socks5Udp, "socks5_udp"),
    };
    let verb = if allow { "Allow" } else { "Deny" };
    NetworkRule {
        host: door.host.clone(),
        protocol,
        decision: match allow {
            true => RuleDecision::Allow,
            false => RuleDecision::Forbidden,
        },
        justification: Some(format!("{verb} {label} access to {}", door.host)),
    }
}

fn params(turn: &TurnScope, door: &Door, item_id: String) -> CommandExecutionRequestApprovalParams {
    let amendment = |action| NetworkPolicyAmendment {
        action,
        host: door.host.clone(),
    };
    let allow = amendment(NetworkPolicyRuleAction::Allow);
    CommandExecutionRequestApprovalParams {
        available_decisions: Some(vec![
            CommandExecutionApprovalDecision::Accept,
            CommandExecutionApprovalDecision::AcceptForSession,
            CommandExecutionApprovalDecision::ApplyNetworkPolicyAmendment {
                network_policy_amendment: allow.clone(),
            },
            CommandExecutionApprovalDecision::Cancel,
        ]),
        item_id,
        network_approval_context: Some(NetworkApprovalContext {
            host: door.host.clone(),
            protocol: door.protocol,
        }),
        proposed_network_policy_amendments: Some(vec![allow, amendment(NetworkPolicyRuleAction::Deny)]),
        reason: Some(format!("{} is not in the allowed_domains", door.host)),
        started_at_ms: items::now_ms(),
        thread_id: turn.host.thread_id.to_string(),
        turn_id: turn.host.turn_id.to_string(),
        ..CommandExecutionRequestApprovalParams::default()
    }
}
