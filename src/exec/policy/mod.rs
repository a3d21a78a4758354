//! The user's own rules about commands: `*.rules` files and what they say about a command line.
//!
//! A rule names a prefix of words and a decision. Of all rules that match, the strictest counts. An absolute program
//! path also matches the rules of its base name, unless `host_executable` limits that name to other paths. A policy is
//! immutable; an amendment makes a new one.

mod calls;
mod files;
mod lexer;
mod parser;
mod report;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use files::{Loaded, RuleFileError, append_network_rule, append_prefix_rule, load, rule_folders};
pub use parser::parse;
pub use report::RuleError;

/// What a rule says, from lax to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleDecision {
    /// Runs without question, and without sandbox.
    Allow,
    /// Asks.
    Prompt,
    /// Never runs.
    Forbidden,
}

/// A rule about commands that begin with certain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixRule {
    /// The alternatives for each word.
    pub pattern: Vec<Vec<String>>,
    /// What happens.
    pub decision: RuleDecision,
    /// Why, for the user or the model.
    pub justification: Option<String>,
}

impl PrefixRule {
    /// A rule that allows exactly this prefix.
    pub fn allow(prefix: &[String]) -> Self {
        PrefixRule {
            pattern: prefix.iter().map(|word| vec![word.clone()]).collect(),
            decision: RuleDecision::Allow,
            justification: None,
        }
    }

    fn matches(&self, argv: &[String]) -> bool {
        argv.len() >= self.pattern.len()
            && self
                .pattern
                .iter()
                .zip(argv)
                .all(|(allowed, word)| allowed.contains(word))
    }
}

/// A network protocol a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkProtocol {
    /// Plain HTTP.
    Http,
    /// HTTPS.
    Https,
    /// TCP through SOCKS5.
    Socks5Tcp,
    /// UDP through SOCKS5.
    Socks5Udp,
}

impl NetworkProtocol {
    /// The name in a rule file.
    pub fn name(self) -> &'static str {
        match self {
            NetworkProtocol::Http => "http",
            NetworkProtocol::Https => "https",
            NetworkProtocol::Socks5Tcp => "socks5_tcp",
            NetworkProtocol::Socks5Udp => "socks5_udp",
        }
    }
}

/// A rule about a host, for commands that reach the network through the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    /// The host, without wildcards.
    pub host: String,
    /// By which protocol.
    pub protocol: NetworkProtocol,
    /// What happens.
    pub decision: RuleDecision,
    /// Why.
    pub justification: Option<String>,
}

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleMatch {
    /// What it says.
    pub decision: RuleDecision,
    /// Why.
    pub justification: Option<String>,
    /// The words of the command that it matched.
    pub prefix: Vec<String>,
}

/// A set of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    prefix_rules: Vec<PrefixRule>,
    network_rules: Vec<NetworkRule>,
    executables: BTreeMap<String, Vec<PathBuf>>,
}

impl Policy {
    /// The strictest rule that matches the command; of equally strict ones the longest.
    pub fn check(&self, argv: &[String]) -> Option<RuleMatch> {
        self.strictest(argv).or_else(|| {
            let (program, rest) = argv.split_first()?;
            let path = Path::new(program);
            let name = path.file_name().filter(|_| path.is_absolute())?.to_str()?;
            let allowed = self
                .executables
                .get(name)
                .is_none_or(|paths| paths.iter().any(|p| p == path));
            let by_name: Vec<String> = std::iter::once(name.to_owned()).chain(rest.iter().cloned()).collect();
            allowed.then(|| self.strictest(&by_name)).flatten()
        })
    }

    fn strictest(&self, argv: &[String]) -> Option<RuleMatch> {
        let rule = self
            .prefix_rules
            .iter()
            .filter(|rule| rule.matches(argv))
            .max_by_key(|rule| (rule.decision, rule.pattern.len(), rule.justification.is_some()))?;
        Some(RuleMatch {
            decision: rule.decision,
            justification: rule.justification.clone(),
            prefix: argv[..rule.pattern.len()].to_vec(),
        })
    }

    /// This policy and one more prefix that is allowed.
    pub fn with_allowed(&self, prefix: &[String]) -> Policy {
        let mut policy = self.clone();
        let rule = PrefixRule::allow(prefix);
        if !policy.prefix_rules.contains(&rule) {
            policy.prefix_rules.push(rule);
        }
        policy
    }

    /// This policy and one more rule about a host.
    pub fn with_host(&self, rule: NetworkRule) -> Policy {
        let mut policy = self.clone();
        policy.network_rules.retain(|other| *other != rule);
        policy.network_rules.push(rule);
        policy
    }

    /// The prefixes that are allowed, each spelled out, for telling the model.
    pub fn allowed_prefixes(&self) -> Vec<Vec<String>> {
        let mut prefixes = Vec::new();
        for rule in self
            .prefix_rules
            .iter()
            .filter(|rule| rule.decision == RuleDecision::Allow)
        {
            let mut spelled: Vec<Vec<String>> = vec![Vec::new()];
            for alternatives in &rule.pattern {
                spelled = spelled
                    .iter()
                    .flat_map(|start| {
                        alternatives
                            .iter()
                            .map(|word| [start.as_slice(), std::slice::from_ref(word)].concat())
                    })
                    .collect();
            }
            prefixes.extend(spelled);
        }
        prefixes.sort();
        prefixes.dedup();
        prefixes
    }

    /// The rules about hosts.
    pub fn network_rules(&self) -> &[NetworkRule] {
        &self.network_rules
    }

    /// Whether it has no rule at all.
    pub fn is_empty(&self) -> bool {
        self.prefix_rules.is_empty() && self.network_rules.is_empty() && self.executables.is_empty()
    }
}
