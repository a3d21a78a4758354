//! Cutting long output for the model: the middle goes, head and tail stay, and the cut is said.
//!
//! Sizes are estimates: four bytes count as a token. A text within its budget is handed back untouched; a cut text is
//! the two halves of the budget (on character boundaries) around a marker, which comes on top of the budget.

use std::borrow::Cow;

/// Bytes that count as one token.
const BYTES_PER_TOKEN: usize = 4;

/// How much of a text may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// At most about this many tokens; the marker counts tokens.
    Tokens(usize),
    /// At most this many bytes; the marker counts characters.
    Bytes(usize),
}

impl Budget {
    /// The budget in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Budget::Tokens(tokens) => tokens.saturating_mul(BYTES_PER_TOKEN),
            Budget::Bytes(bytes) => bytes,
        }
    }

    /// The budget in tokens.
    pub fn tokens(self) -> usize {
        match self {
            Budget::Tokens(tokens) => tokens,
            Budget::Bytes(bytes) => approximate_tokens(bytes),
        }
    }
}

/// About how many tokens a text of so many bytes has.
pub fn approximate_tokens(bytes: usize) -> usize {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Cuts the middle out of a text that is over its budget.
pub fn truncate_middle(text: &str, budget: Budget) -> Cow<'_, str> {
    let allowed = budget.bytes();
    if text.len() <= allowed {
        return Cow::Borrowed(text);
    }
    let head = &text[..text.floor_char_boundary(allowed / 2)];
    let tail_start = text.ceil_char_boundary(text.len() - (allowed - allowed / 2));
    let tail = &text[tail_start..];
    let marker = match budget {
        Budget::Tokens(_) => format!("…{} tokens truncated…", approximate_tokens(text.len() - allowed)),
        Budget::Bytes(_) => {
            let removed = text[head.len()..tail_start].chars().count();
            format!("…{removed} chars truncated…")
        }
    };
    Cow::Owned([head, &marker, tail].concat())
}

/// Like [`truncate_middle`], and a cut text begins with the number of lines it had.
pub fn truncate_with_line_count(text: &str, budget: Budget) -> Cow<'_, str> {
    match truncate_middle(text, budget) {
        Cow::Borrowed(whole) => Cow::Borrowed(whole),
        Cow::Owned(cut) => Cow::Owned(format!("Total output lines: {}\n\n{cut}", text.lines().count())),
    }
}

#[cfg(test)]
mod tests;
