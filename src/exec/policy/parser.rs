//! Reading a rule file: calls, and names for values.
//!
//! Of the language that rules are written in there are strings, whole numbers, lists, tuples, sums of these, names that
//! were given to values, and calls; no loops, conditions or functions. Reading therefore ends, and soon.

use std::collections::BTreeMap;

use super::lexer::{Placed, Token, words};
use super::report::RuleError;
use super::value::Value;
use super::{Policy, calls};

/// Reads a file's rules into `policy`. A mistake in the text counts before a name that is not there, and that before a call
/// that is not taken: nothing is called before all is read.
pub fn parse(source: &str, policy: &mut Policy) -> Result<(), RuleError> {
    let mut parser = Parser {
        words: words(source)?,
        at: 0,
        names: BTreeMap::new(),
        calls: Vec::new(),
        unknown: None,
    };
    loop {
        match parser.peek() {
            Token::End => break,
            Token::Newline => parser.advance(),
            _ => parser.statement()?,
        }
    }
    if let Some(unknown) = parser.unknown {
        return Err(unknown);
    }
    for call in parser.calls {
        calls::call(&call.name, call.arguments, policy)
            .map_err(|(mistake, message)| RuleError::new(message, call.start, call.end).of(mistake))?;
    }
    Ok(())
}

/// A call that was read.
struct Call {
    name: String,
    arguments: Vec<(Option<String>, Value)>,
    start: (usize, usize),
    end: (usize, usize),
}

struct Parser {
    words: Vec<Placed>,
    at: usize,
    names: BTreeMap<String, Value>,
    calls: Vec<Call>,
    /// The first name that is not there.
    unknown: Option<RuleError>,
}

/// How deep lists may nest.
const MAX_DEPTH: usize = 8;
/// How many values a sum may come to; a file that doubles a list a few dozen times is no file of rules.
const MAX_VALUES: usize = 10_000;

/// What may follow a statement that looks complete.
const AFTER_EXPRESSION: &str = r#""\n", "!=", "%", "%=", "&", "&=", "(", ")", "*", "*=", "+", "+=", ",", "-", "-=", ".", "/", "//", "//=", "/=", ":", ";", "<", "<<", "<<=", "<=", "=", "==", ">", ">=", ">>", ">>=", "[", "]", "^", "^=", "and", "else", "for", "if", "in", "not", "or", "|", "|=" or "}""#;
/// What an expression may begin with.
const EXPRESSION: &str =
    r#""(", "+", "-", "...", "FLOAT", "FSTRING", "IDENTIFIER", "INTEGER", "STRING", "[", "lambda", "not", "{" or "~""#;

/// What an argument may begin with, or the end of them.
const ARGUMENT: &str = r#""(", ")", "*", "**", "+", "-", "...", "FLOAT", "FSTRING", "IDENTIFIER", "INTEGER", "STRING", "[", "lambda", "not", "{" or "~""#;

/// Words of the language that rules have no use for.
const KEYWORDS: [&str; 8] = ["for", "if", "def", "load", "while", "return", "lambda", "pass"];

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

    /// Something else should stand here.
    fn unexpected<T>(&self, expected: &str) -> Result<T, RuleError> {
        let found = match self.peek() {
            Token::Name(name) => format!("identifier '{name}'"),
            Token::Text(text) => format!("string literal {text:?}"),
            Token::Integer(number) => format!("integer literal '{number}'"),
            Token::Punct(c) => format!("symbol '{c}'"),
            Token::Newline | Token::End => "new line".to_owned(),
        };
        self.fail(format!(
            "Parse error: unexpected {found} here, expected one of {expected}"
        ))
    }

    /// A call, a name for a value, or a text that says nothing; and the end of its line.
    fn statement(&mut self) -> Result<(), RuleError> {
        match self.peek().clone() {
            Token::Text(_) => self.advance(),
            Token::Name(name) if KEYWORDS.contains(&name.as_str()) => {
                return self.fail(format!("`{name}` has no place in a file of rules"));
            }
            Token::Name(name) => {
                let named = self.word().clone();
                self.advance();
                if *self.peek() == Token::Punct('=') {
                    self.advance();
                    let value = self.value(0)?;
                    self.names.insert(name, value);
                } else {
                    if !calls::exists(&name) && !self.names.contains_key(&name) {
                        self.not_there(&name, &named);
                    }
                    if *self.peek() == Token::Punct('(') {
                        self.call(name, named.start)?;
                    }
                }
            }
            _ => return self.unexpected(EXPRESSION),
        }
        match self.peek() {
            Token::Newline | Token::End => Ok(()),
            _ => self.unexpected(AFTER_EXPRESSION),
        }
    }

    fn not_there(&mut self, name: &str, place: &Placed) {
        let error = RuleError::new(format!("Variable `{name}` not found"), place.start, place.end);
        self.unknown.get_or_insert(error);
    }

    fn call(&mut self, name: String, start: (usize, usize)) -> Result<(), RuleError> {
        self.advance();
        let mut arguments: Vec<(Option<String>, Value)> = Vec::new();
        while *self.peek() != Token::Punct(')') {
            let named = self.argument_name(&arguments)?;
            if matches!(self.peek(), Token::End | Token::Punct(',' | ']' | '=')) {
                return self.unexpected(ARGUMENT);
            }
            arguments.push((named, self.value(0)?));
            self.separator(')', r#"")" or ",""#)?;
        }
        let end = self.word().end;
        self.advance();
        match calls::exists(&name) {
            true => self.calls.push(Call {
                name,
                arguments,
                start,
                end,
            }),
            // A value was called.
            false => {
                self.unknown
                    .get_or_insert(RuleError::new(format!("`{name}` cannot be called"), start, end));
            }
        }
        Ok(())
    }

    /// The name of the argument that comes, if it has one.
    fn argument_name(&mut self, before: &[(Option<String>, Value)]) -> Result<Option<String>, RuleError> {
        let equals = self.words.get(self.at + 1).map(|word| &word.token);
        match self.peek().clone() {
            Token::Name(name) if equals == Some(&Token::Punct('=')) => {
                if before.iter().any(|(other, _)| other.as_ref() == Some(&name)) {
                    return self.fail("repeated named argument");
                }
                self.at += 2;
                Ok(Some(name))
            }
            _ if before.iter().any(|(name, _)| name.is_some()) => self.fail("positional argument after named"),
            _ => Ok(None),
        }
    }

    /// A comma, or the end of what it is in.
    fn separator(&mut self, close: char, expected: &str) -> Result<(), RuleError> {
        match self.peek() {
            Token::Punct(',') => {
                self.advance();
                Ok(())
            }
            Token::Punct(c) if *c == close => Ok(()),
            _ => self.unexpected(expected),
        }
    }

    /// A sum of values.
    fn value(&mut self, depth: usize) -> Result<Value, RuleError> {
        let mut sum = self.single(depth)?;
        while *self.peek() == Token::Punct('+') {
            let plus = self.word().clone();
            self.advance();
            let next = self.single(depth)?;
            let kinds = (sum.kind(), next.kind());
            sum = sum.plus(next).filter(|sum| size(sum) <= MAX_VALUES).ok_or_else(|| {
                let message = format!("Operation `+` not supported for types `{}` and `{}`", kinds.0, kinds.1);
                RuleError::new(message, plus.start, plus.end)
            })?;
        }
        Ok(sum)
    }

    fn single(&mut self, depth: usize) -> Result<Value, RuleError> {
        let value = match self.peek().clone() {
            Token::Text(text) => Value::Text(text),
            Token::Integer(number) => Value::Integer(number),
            Token::Name(name) => match name.as_str() {
                "None" => Value::Absent,
                "True" => Value::Bool(true),
                "False" => Value::Bool(false),
                _ => match self.names.get(&name) {
                    Some(value) => value.clone(),
                    None => {
                        let place = self.word().clone();
                        self.not_there(&name, &place);
                        Value::Absent
                    }
                },
            },
            Token::Punct('[') if depth < MAX_DEPTH => {
                self.advance();
                let (items, _) = self.items(']', r#"",", "]" or "for""#, depth)?;
                Value::List(items)
            }
            Token::Punct('(') if depth < MAX_DEPTH => {
                self.advance();
                let (mut items, commas) = self.items(')', r#"")" or ",""#, depth)?;
                match items.pop() {
                    Some(only) if items.is_empty() && !commas => only,
                    last => Value::Tuple(items.into_iter().chain(last).collect()),
                }
            }
            _ => return self.unexpected(EXPRESSION),
        };
        self.advance();
        Ok(value)
    }

    /// What stands between brackets, and whether commas did; the closing one is left to be taken.
    fn items(&mut self, close: char, expected: &str, depth: usize) -> Result<(Vec<Value>, bool), RuleError> {
        let mut items = Vec::new();
        let mut commas = false;
        while *self.peek() != Token::Punct(close) {
            items.push(self.value(depth + 1)?);
            commas |= *self.peek() == Token::Punct(',');
            self.separator(close, expected)?;
        }
        Ok((items, commas))
    }
}

/// How many values there are in one, or how long its text is.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(values) | Value::Tuple(values) => values.iter().map(size).sum::<usize>() + values.len(),
        _ => 1,
    }
}
