//! Which of several names a hook is meant for.

use regex::Regex;

/// What a hook's `matcher` says.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    /// Everything.
    Any,
    /// These names.
    Names(Vec<String>),
    /// Whatever the expression finds itself in.
    Pattern(Regex),
}

impl Matcher {
    /// Reads a matcher: nothing, an empty text and `*` mean everything; words joined by `|` are names; all else is a
    /// regular expression.
    ///
    /// # Errors
    /// It is no regular expression; the text says why.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        let text = match text {
            None | Some("" | "*") => return Ok(Matcher::Any),
            Some(text) => text,
        };
        let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '|';
        if text.chars().all(word) {
            return Ok(Matcher::Names(text.split('|').map(str::to_owned).collect()));
        }
        Regex::new(text)
            .map(Matcher::Pattern)
            .map_err(|error| error.to_string())
    }

    /// Whether one of the names a thing goes by is meant.
    pub(super) fn matches(&self, names: &[&str]) -> bool {
        match self {
            Matcher::Any => true,
            Matcher::Names(wanted) => names.iter().any(|name| wanted.iter().any(|wanted| wanted == name)),
            Matcher::Pattern(pattern) => names.iter().any(|name| pattern.is_match(name)),
        }
    }
}
