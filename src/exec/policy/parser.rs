//! Reading a rule file: calls of `prefix_rule`, `network_rule` and `host_executable` with literal arguments.
//!
//! No expression is evaluated: strings, lists of strings and names of arguments are all there is. Examples given with
//! a rule (`match`, `not_match`) are checked at once, so that a rule that does not mean what its author thinks fails
//! here and not in use.

use std::path::PathBuf;

use super::lexer::{Placed, Token, words};
use super::{NetworkProtocol, NetworkRule, Policy, PrefixRule, RuleDecision};

/// What is wrong with a rule file, and where (1-based lines and columns).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", start.0, start.1)]
pub struct RuleError {
    /// What is wrong.
    pub message: String,
    /// Line and column where it begins.
    pub start: (usize, usize),
    /// Line and column behind it.
    pub end: (usize, usize),
}

impl RuleError {
    pub(super) fn new(message: impl Into<String>, start: (usize, usize), end: (usize, usize)) -> Self {
        RuleError {
            message: message.into(),
            start,
            end,
        }
    }
}

/// Reads a file's rules into `policy`.
pub fn parse(source: &str, policy: &mut Policy) -> Result<(), RuleError> {
    let mut parser = Parser {
        words: words(source)?,
        at: 0,
    };
    loop {
        match parser.peek() {
            Token::End => return Ok(()),
            Token::Newline => parser.advance(),
            _ => parser.statement(policy)?,
        }
    }
}

/// A literal value.
#[derive(Debug, Clone)]
enum Value {
    Text(String),
    List(Vec<Value>),
    Absent,
}

/// An argument of a call.
struct Argument {
    name: Option<String>,
    value: Value,
}

struct Parser {
    words: Vec<Placed>,
    at: usize,
}

/// How deep lists may nest.
const MAX_DEPTH: usize = 8;

impl Parser {
    fn word(&self) -> &Placed {
        &self.words[self.at.min(self.words.len() - 1)]
    }

    fn peek(&self) -> &Token {
        &self.word().token
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, RuleError> {
        let word = self.word();
        Err(RuleError::new(message, word.start, word.end))
    }

    fn punct(&mut self, wanted: char) -> Result<(), RuleError> {
        if *self.peek() == Token::Punct(wanted) {
            self.advance();
            return Ok(());
        }
        self.fail(format!("expected `{wanted}`"))
    }

    /// One call and the end of its line.
    fn statement(&mut self, policy: &mut Policy) -> Result<(), RuleError> {
        let start = self.word().start;
        let Token::Name(name) = self.peek().clone() else {
            return self.fail("expected a call such as prefix_rule(...)");
        };
        self.advance();
        self.punct('(')?;
        let mut arguments = Vec::new();
        while *self.peek() != Token::Punct(')') {
            arguments.push(self.argument()?);
            if *self.peek() != Token::Punct(')') {
                self.punct(',')?;
            }
        }
        let end = self.word().end;
        self.advance();
        if !matches!(self.peek(), Token::Newline | Token::End) {
            return self.fail("expected the end of the line");
        }
        let applied = match name.as_str() {
            "prefix_rule" => prefix_rule(arguments, policy),
            "network_rule" => network_rule(arguments, policy),
            "host_executable" => host_executable(arguments, policy),
            other => Err(format!("unknown function `{other}`")),
        };
        applied.map_err(|message| RuleError::new(format!("{name}: {message}"), start, end))
    }

    fn argument(&mut self) -> Result<Argument, RuleError> {
        let next_is_equals = self
            .words
            .get(self.at + 1)
            .is_some_and(|w| w.token == Token::Punct('='));
        let name = match self.peek().clone() {
            Token::Name(name) if next_is_equals => {
                self.at += 2;
                Some(name)
            }
            _ => None,
        };
        Ok(Argument {
            name,
            value: self.value(0)?,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Value, RuleError> {
        match self.peek().clone() {
            Token::Text(text) => {
                self.advance();
                Ok(Value::Text(text))
            }
            Token::Name(name) if name == "None" => {
                self.advance();
                Ok(Value::Absent)
            }
            Token::Punct('[') if depth < MAX_DEPTH => {
                self.advance();
                let mut items = Vec::new();
                while *self.peek() != Token::Punct(']') {
                    items.push(self.value(depth + 1)?);
                    if *self.peek() != Token::Punct(']') {
                        self.punct(',')?;
                    }
                }
                self.advance();
                Ok(Value::List(items))
            }
            _ => self.fail("expected a string or a list of strings"),
        }
    }
}

/// The arguments of a call, taken by name or place.
struct Arguments {
    given: Vec<(String, Value)>,
}

impl Arguments {
    fn new(arguments: Vec<Argument>, names: &[&str]) -> Result<Self, String> {
        let mut given: Vec<(String, Value)> = Vec::new();
        for (place, argument) in arguments.into_iter().enumerate() {
            let name = match argument.name {
                Some(name) if names.contains(&name.as_str()) => name,
                Some(name) => return Err(format!("unknown argument `{name}`")),
                None if place == given.len() => match names.get(place) {
                    Some(name) => (*name).to_owned(),
                    None => return Err("too many arguments".to_owned()),
                },
                None => return Err("an argument without a name follows one with a name".to_owned()),
            };
            if given.iter().any(|(other, _)| *other == name) {
                return Err(format!("argument `{name}` is given twice"));
            }
            given.push((name, argument.value));
        }
        Ok(Arguments { given })
    }

    fn take(&mut self, name: &str) -> Value {
        match self.given.iter().position(|(other, _)| other == name) {
            Some(at) => self.given.swap_remove(at).1,
            None => Value::Absent,
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            Value::Text(text) => Ok(Some(text)),
            Value::Absent => Ok(None),
            Value::List(_) => Err(format!("`{name}` must be a string")),
        }
    }

    fn required_text(&mut self, name: &str) -> Result<String, String> {
        self.text(name)?
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| format!("`{name}` must be a string that is not empty"))
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value>, String> {
        match self.take(name) {
            Value::List(items) => Ok(items),
            Value::Absent => Ok(Vec::new()),
            Value::Text(_) => Err(format!("`{name}` must be a list")),
        }
    }

    fn justification(&mut self) -> Result<Option<String>, String> {
        match self.text("justification")? {
            Some(text) if text.trim().is_empty() => Err("`justification` must not be empty".to_owned()),
            given => Ok(given),
        }
    }
}

fn prefix_rule(arguments: Vec<Argument>, policy: &mut Policy) -> Result<(), String> {
    let mut given = Arguments::new(
        arguments,
        &["pattern", "decision", "match", "not_match", "justification"],
    )?;
    let mut pattern = Vec::new();
    for item in given.list("pattern")? {
        pattern.push(match item {
            Value::Text(word) => vec![word],
            Value::List(words) if !words.is_empty() => texts(words, "pattern")?,
            _ => return Err("`pattern` holds words and lists of words".to_owned()),
        });
    }
    if pattern.is_empty() {
        return Err("`pattern` must be a list that is not empty".to_owned());
    }
    let decision = match given.text("decision")?.as_deref() {
        None | Some("allow") => RuleDecision::Allow,
        Some("prompt") => RuleDecision::Prompt,
        Some("forbidden") => RuleDecision::Forbidden,
        Some(other) => return Err(format!("`decision` is allow, prompt or forbidden, not `{other}`")),
    };
    let rule = PrefixRule {
        pattern,
        decision,
        justification: given.justification()?,
    };
    for (name, wanted) in [("match", true), ("not_match", false)] {
        for example in given.list(name)? {
            let words = match example {
                Value::Text(line) => shlex::split(&line).ok_or_else(|| format!("`{line}` is no command line"))?,
                Value::List(words) => texts(words, name)?,
                Value::Absent => return Err(format!("`{name}` holds command lines")),
            };
            if rule.matches(&words) != wanted {
                let verb = if wanted { "does not match" } else { "matches" };
                return Err(format!("the rule {verb} the example `{}`", words.join(" ")));
            }
        }
    }
    policy.prefix_rules.push(rule);
    Ok(())
}

fn network_rule(arguments: Vec<Argument>, policy: &mut Policy) -> Result<(), String> {
    let mut given = Arguments::new(arguments, &["host", "protocol", "decision", "justification"])?;
    let host = given.required_text("host")?.trim().to_ascii_lowercase();
    if host.contains(['*', '/', ' ']) {
        return Err(format!("`{host}` is no host name; patterns are not possible"));
    }
    let protocol = match given.required_text("protocol")?.as_str() {
        "http" => NetworkProtocol::Http,
        "https" => NetworkProtocol::Https,
        "socks5_tcp" => NetworkProtocol::Socks5Tcp,
        "socks5_udp" => NetworkProtocol::Socks5Udp,
        other => {
            return Err(format!(
                "`protocol` is http, https, socks5_tcp or socks5_udp, not `{other}`"
            ));
        }
    };
    let decision = match given.required_text("decision")?.as_str() {
        "allow" => RuleDecision::Allow,
        "prompt" => RuleDecision::Prompt,
        "deny" | "forbidden" => RuleDecision::Forbidden,
        other => return Err(format!("`decision` is allow, prompt or deny, not `{other}`")),
    };
    let justification = given.justification()?;
    policy.network_rules.push(NetworkRule {
        host,
        protocol,
        decision,
        justification,
    });
    Ok(())
}

fn host_executable(arguments: Vec<Argument>, policy: &mut Policy) -> Result<(), String> {
    let mut given = Arguments::new(arguments, &["name", "paths"])?;
    let name = given.required_text("name")?;
    if name.contains('/') {
        return Err(format!("`name` is a bare name, not the path `{name}`"));
    }
    let paths: Vec<PathBuf> = texts(given.list("paths")?, "paths")?
        .into_iter()
        .map(PathBuf::from)
        .collect();
    for path in &paths {
        if !path.is_absolute() || path.file_name().is_none_or(|file| file != name.as_str()) {
            return Err(format!("`{}` is not an absolute path of `{name}`", path.display()));
        }
    }
    policy.executables.insert(name, paths);
    Ok(())
}

fn texts(values: Vec<Value>, name: &str) -> Result<Vec<String>, String> {
    let text = |value| match value {
        Value::Text(text) => Ok(text),
        _ => Err(format!("`{name}` holds strings")),
    };
    values.into_iter().map(text).collect()
}
