//! The calls that a rule file is made of: what they take, and what they add to a policy.
//!
//! Examples given with a rule (`match`, `not_match`) are checked at once, so that a rule that does not mean what its
//! author thinks fails here and not in use.

use std::path::PathBuf;

use super::report::Mistake;
use super::value::Value;
use super::{NetworkProtocol, NetworkRule, Policy, PrefixRule, RuleDecision};

/// Why a call is not taken.
pub(super) type Refused = (Mistake, String);

fn refused<T>(message: impl Into<String>) -> Result<T, Refused> {
    Err((Mistake::Call, message.into()))
}

/// Whether there is such a call.
pub(super) fn exists(name: &str) -> bool {
    matches!(name, "prefix_rule" | "network_rule" | "host_executable")
}

/// Makes a call.
pub(super) fn call(name: &str, arguments: Vec<(Option<String>, Value)>, policy: &mut Policy) -> Result<(), Refused> {
    match name {
        "prefix_rule" => prefix_rule(arguments, policy),
        "network_rule" => network_rule(arguments, policy),
        _ => host_executable(arguments, policy),
    }
}

/// The arguments of a call, taken by name or place.
struct Arguments {
    call: &'static str,
    given: Vec<(&'static str, Value)>,
}

impl Arguments {
    fn new(
        call: &'static str,
        arguments: Vec<(Option<String>, Value)>,
        names: &[&'static str],
        required: &[&'static str],
    ) -> Result<Self, Refused> {
        let mut given: Vec<(&'static str, Value)> = Vec::new();
        let mut extra = 0;
        for (place, (name, value)) in arguments.into_iter().enumerate() {
            let known = match &name {
                Some(name) => names.iter().find(|known| *known == name).copied(),
                None => names.get(place).copied(),
            };
            match (known, name) {
                (Some(known), _) => given.push((known, value)),
                (None, Some(name)) => {
                    return refused(format!("Found `{name}` extra named parameter(s) for call to {call}"));
                }
                (None, None) => extra += 1,
            }
        }
        if extra > 0 {
            return refused(format!("Found {extra} extra positional argument(s) for call to {call}"));
        }
        let arguments = Arguments { call, given };
        match required.iter().find(|name| arguments.value(name).is_none()) {
            Some(missing) => refused(format!("Missing parameter `{missing}` for call to `{call}`")),
            None => Ok(arguments),
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.given
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    fn unfit<T>(name: &str, wanted: &str, value: &Value) -> Result<T, Refused> {
        refused(format!(
            "Type of parameter `{name}` doesn't match, expected `{wanted}`, actual `{} (repr: {})`",
            value.kind(),
            value.shown()
        ))
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Refused> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Self::unfit(name, "str", other),
        }
    }

    fn list(&self, name: &str) -> Result<&[Value], Refused> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::List(values)) => Ok(values),
            Some(other) => Self::unfit(name, "list", other),
        }
    }

    fn justification(&self) -> Result<Option<String>, Refused> {
        match self.text("justification")? {
            Some(text) if text.trim().is_empty() => refused("invalid rule: justification cannot be empty"),
            given => Ok(given.map(str::to_owned)),
        }
    }

    fn decision(&self, denies: bool) -> Result<RuleDecision, Refused> {
        match self.text("decision")? {
            None | Some("allow") => Ok(RuleDecision::Allow),
            Some("prompt") => Ok(RuleDecision::Prompt),
            Some("forbidden") => Ok(RuleDecision::Forbidden),
            Some("deny") if denies => Ok(RuleDecision::Forbidden),
            Some(other) => refused(format!("invalid decision: {other}")),
        }
    }

    /// A text that must not be empty.
    fn name(&self, name: &str) -> Result<&str, Refused> {
        match self.text(name)?.map(str::trim) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => refused(format!("invalid rule: {} {name} cannot be empty", self.call)),
        }
    }
}

fn prefix_rule(arguments: Vec<(Option<String>, Value)>, policy: &mut Policy) -> Result<(), Refused> {
    let names = ["pattern", "decision", "match", "not_match", "justification"];
    let given = Arguments::new("prefix_rule", arguments, &names, &["pattern"])?;
    // All types first, in the order of the parameters, as a language with types does.
    let patterns = given.list("pattern")?;
    given.text("decision")?;
    let (matching, other) = (given.list("match")?, given.list("not_match")?);
    given.text("justification")?;
    let decision = given.decision(false)?;
    let justification = given.justification()?;
    let mut pattern = Vec::new();
    for element in patterns {
        pattern.push(alternatives(element)?);
    }
    if pattern.is_empty() {
        return refused("invalid pattern element: pattern cannot be empty");
    }
    let (matching, other) = (examples(matching)?, examples(other)?);
    let rule = PrefixRule {
        pattern,
        decision,
        justification,
    };
    if let Some(example) = other.iter().find(|example| rule.matches(example)) {
        let prefix = &example[..rule.pattern.len()];
        return Err((
            Mistake::Example,
            format!(
                "expected example to not match rule `PrefixRuleMatch {{ matched_prefix: {prefix:?}, decision: {:?}, \
                 resolved_program: None, justification: {:?} }}`: {}",
                rule.decision,
                rule.justification,
                joined(example)
            ),
        ));
    }
    let unmatched: Vec<String> = matching
        .iter()
        .filter(|example| !rule.matches(example))
        .map(|example| joined(example))
        .collect();
    if !unmatched.is_empty() {
        return Err((
            Mistake::Example,
            format!(
                "expected every example to match at least one rule. rules: {:?}; unmatched examples: {unmatched:?}",
                spelled(&rule)
            ),
        ));
    }
    policy.prefix_rules.push(rule);
    Ok(())
}

/// The words that may stand at a place of a pattern.
fn alternatives(element: &Value) -> Result<Vec<String>, Refused> {
    let invalid = |what: String| refused(format!("invalid pattern element: {what}"));
    match element {
        Value::Text(word) => Ok(vec![word.clone()]),
        Value::List(words) if words.is_empty() => invalid("pattern alternatives cannot be empty".to_owned()),
        Value::List(words) => words
            .iter()
            .map(|word| match word {
                Value::Text(word) => Ok(word.clone()),
                other => refused(format!(
                    "invalid pattern element: pattern alternative must be a string (got {})",
                    other.kind()
                )),
            })
            .collect(),
        other => invalid(format!(
            "pattern element must be a string or list of strings (got {})",
            other.kind()
        )),
    }
}

/// Command lines that a rule is to match or not.
fn examples(values: &[Value]) -> Result<Vec<Vec<String>>, Refused> {
    let invalid = |what: String| refused(format!("invalid example: {what}"));
    let example = |value: &Value| match value {
        Value::Text(line) => match shlex::split(line) {
            None => invalid("example string has invalid shell syntax".to_owned()),
            Some(words) if words.is_empty() => invalid("example cannot be an empty string".to_owned()),
            Some(words) => Ok(words),
        },
        Value::List(words) if words.is_empty() => invalid("example cannot be an empty list".to_owned()),
        Value::List(words) => words
            .iter()
            .map(|word| match word {
                Value::Text(word) => Ok(word.clone()),
                other => refused(format!(
                    "invalid example: example tokens must be strings (got {})",
                    other.kind()
                )),
            })
            .collect(),
        other => invalid(format!(
            "example must be a string or list of strings (got {})",
            other.kind()
        )),
    };
    values.iter().map(example).collect()
}

fn joined(words: &[String]) -> String {
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// A rule spelled out, once for each of its first words.
fn spelled(rule: &PrefixRule) -> Vec<String> {
    let rest: Vec<String> = rule.pattern[1..]
        .iter()
        .map(|words| match words.as_slice() {
            [word] => format!("Single({word:?})"),
            words => format!("Alts({words:?})"),
        })
        .collect();
    let rest = rest.join(", ");
    let (decision, why) = (rule.decision, &rule.justification);
    rule.pattern[0]
        .iter()
        .map(|first| {
            format!(
                "PrefixRule {{ pattern: PrefixPattern {{ first: {first:?}, rest: [{rest}] }}, decision: {decision:?}, \
                 justification: {why:?} }}"
            )
        })
        .collect()
}

fn network_rule(arguments: Vec<(Option<String>, Value)>, policy: &mut Policy) -> Result<(), Refused> {
    let names = ["host", "protocol", "decision", "justification"];
    let given = Arguments::new("network_rule", arguments, &names, &names[..3])?;
    for name in names {
        given.text(name)?;
    }
    let host = host(given.name("host")?)?;
    let protocol = match given.text("protocol")?.unwrap_or_default() {
        "http" => NetworkProtocol::Http,
        "https" | "https_connect" | "http-connect" => NetworkProtocol::Https,
        "socks5_tcp" => NetworkProtocol::Socks5Tcp,
        "socks5_udp" => NetworkProtocol::Socks5Udp,
        other => {
            return refused(format!(
                "invalid rule: network_rule protocol must be one of http, https, socks5_tcp, socks5_udp (got {other})"
            ));
        }
    };
    policy.network_rules.push(NetworkRule {
        host,
        protocol,
        decision: given.decision(true)?,
        justification: given.justification()?,
    });
    Ok(())
}

/// A host without port, brackets and final dot, in small letters.
fn host(text: &str) -> Result<String, Refused> {
    if text.contains("://") || text.contains(['/', '?', '#']) {
        return refused("invalid rule: network_rule host must be a hostname or IP literal (without scheme or path)");
    }
    if text.contains(char::is_whitespace) {
        return refused("invalid rule: network_rule host cannot contain whitespace");
    }
    if text.contains('*') {
        return refused("invalid rule: network_rule host must be a specific host; wildcards are not allowed");
    }
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => match text.split_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            _ => text,
        },
    };
    let host = bare.trim_end_matches('.').to_ascii_lowercase();
    match host.is_empty() {
        true => refused("invalid rule: network_rule host cannot be empty"),
        false => Ok(host),
    }
}

fn host_executable(arguments: Vec<(Option<String>, Value)>, policy: &mut Policy) -> Result<(), Refused> {
    let names = ["name", "paths"];
    let given = Arguments::new("host_executable", arguments, &names, &names)?;
    given.text("name")?;
    let values = given.list("paths")?;
    let name = given.name("name")?;
    let invalid = |what: String| refused(format!("invalid rule: host_executable {what}"));
    if name.contains(['/', '\\']) {
        return invalid(format!("name must be a bare executable name (got {name})"));
    }
    let mut paths = Vec::new();
    for value in values {
        let Value::Text(text) = value else {
            return invalid(format!("paths must be strings (got {})", value.kind()));
        };
        let path = PathBuf::from(text);
        if !path.is_absolute() {
            return invalid(format!("paths must be absolute (got {text})"));
        }
        if path.file_name().is_none_or(|file| file != name) {
            return invalid(format!("path `{text}` must have basename `{name}`"));
        }
        paths.push(path);
    }
    policy.executables.insert(name.to_owned(), paths);
    Ok(())
}
