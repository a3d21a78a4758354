//! The words of a rule file: names, strings, numbers and punctuation, with their places.
//!
//! The subset of Starlark that rules are written in. Newlines separate statements only outside of brackets, so the
//! lexer counts brackets and leaves the inner newlines out.

use super::report::RuleError;

/// A kind of word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Integer(i64),
    Punct(char),
    Newline,
    End,
}

/// A word and where it begins and ends (1-based line and column, in characters).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) start: (usize, usize),
    pub(super) end: (usize, usize),
}

/// Splits a file into words; the last one is [`Token::End`].
pub(super) fn words(source: &str) -> Result<Vec<Placed>, RuleError> {
    let mut lexer = Lexer {
        rest: source.chars().collect(),
        at: 0,
        line: 1,
        column: 1,
    };
    let mut found = Vec::new();
    let mut depth = 0usize;
    loop {
        let start = lexer.place();
        let Some(c) = lexer.next() else { break };
        let token = match c {
            ' ' | '\t' | '\r' | '\u{feff}' => continue,
            '#' => {
                while lexer.peek().is_some_and(|c| c != '\n') {
                    lexer.next();
                }
                continue;
            }
            '\\' if lexer.peek() == Some('\n') => {
                lexer.next();
                continue;
            }
            '\n' | ';' if depth == 0 => Token::Newline,
            '\n' => continue,
            '(' | '[' | ')' | ']' | ',' | '=' | '+' => {
                match c {
                    '(' | '[' => depth += 1,
                    ')' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                Token::Punct(c)
            }
            '"' | '\'' => Token::Text(lexer.string(c, false, start)?),
            'r' if matches!(lexer.peek(), Some('"' | '\'')) => {
                let quote = lexer.next().unwrap_or('"');
                Token::Text(lexer.string(quote, true, start)?)
            }
            c if c.is_ascii_digit() => {
                let mut digits = String::from(c);
                while let Some(c) = lexer.peek().filter(char::is_ascii_digit) {
                    digits.push(c);
                    lexer.next();
                }
                let number = digits.parse();
                Token::Integer(number.map_err(|_| RuleError::new("the number is too large", start, lexer.place()))?)
            }
            c if c.is_alphabetic() || c == '_' => {
                let mut name = String::from(c);
                while let Some(c) = lexer.peek().filter(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                    lexer.next();
                }
                Token::Name(name)
            }
            other => {
                return Err(RuleError::new(
                    format!("Parse error: unexpected symbol '{other}' here"),
                    start,
                    lexer.place(),
                ));
            }
        };
        found.push(Placed {
            token,
            start,
            end: lexer.place(),
        });
    }
    let end = lexer.place();
    found.push(Placed {
        token: Token::End,
        start: end,
        end,
    });
    Ok(found)
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
    column: usize,
}

impl Lexer {
    fn place(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    /// The rest of a string whose first quote was read.
    fn string(&mut self, quote: char, raw: bool, start: (usize, usize)) -> Result<String, RuleError> {
        let triple = self.peek() == Some(quote) && self.rest.get(self.at + 1) == Some(&quote);
        if triple {
            self.next();
            self.next();
        }
        let mut text = String::new();
        let end = loop {
            let here = self.place();
            match self.next() {
                None => break here,
                Some('\n') if !triple => break here,
                Some(c) if c == quote && !triple => return Ok(text),
                Some(c) if c == quote && self.peek() == Some(quote) && self.rest.get(self.at + 1) == Some(&quote) => {
                    self.next();
                    self.next();
                    return Ok(text);
                }
                Some('\\') => self.escape(raw, &mut text)?,
                Some(c) => text.push(c),
            }
        };
        Err(RuleError::new("Parse error: unfinished string literal", start, end))
    }

    fn escape(&mut self, raw: bool, text: &mut String) -> Result<(), RuleError> {
        let start = self.place();
        let Some(c) = self.next() else { return Ok(()) };
        if raw {
            text.extend(['\\', c]);
            return Ok(());
        }
        let simple = match c {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'v' => Some('\u{b}'),
            'f' => Some('\u{c}'),
            '\\' | '"' | '\'' => Some(c),
            _ => None,
        };
        let digits = match c {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => {
                match simple {
                    Some(c) => text.push(c),
                    None if c == '\n' => {}
                    None => text.extend(['\\', c]),
                }
                return Ok(());
            }
        };
        let code: String = (0..digits).map_while(|_| self.next()).collect();
        let decoded = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
        let decoded =
            decoded.ok_or_else(|| RuleError::new(format!("`\\{c}{code}` is no character"), start, self.place()))?;
        text.push(decoded);
        Ok(())
    }
}
