//! What is wrong with a rule file, as users of its language are used to reading it: the call, the message, the place.

use std::fmt::Write as _;
use std::path::Path;

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// The file does not parse, or names something that is not there.
    Text,
    /// A call does not take its arguments.
    Call,
    /// A rule does not mean what its examples say.
    Example,
}

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
    mistake: Mistake,
}

impl RuleError {
    pub(super) fn new(message: impl Into<String>, start: (usize, usize), end: (usize, usize)) -> Self {
        RuleError {
            message: message.into(),
            start,
            end,
            mistake: Mistake::Text,
        }
    }

    /// The same of another kind.
    pub(super) fn of(self, mistake: Mistake) -> Self {
        RuleError { mistake, ..self }
    }

    /// The whole report.
    pub(super) fn report(&self, path: &Path, source: &str) -> String {
        let lines: Vec<&str> = source.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let path = path.display();
        let (line, message) = (self.start.0, &self.message);
        match self.mistake {
            Mistake::Example => message.clone(),
            Mistake::Text => format!(
                "starlark error: error: {message}\n{}",
                self.excerpt(&path.to_string(), &lines)
            ),
            Mistake::Call => {
                let call = lines.get(line - 1).map_or("", |line| line.trim());
                format!(
                    "starlark error: Traceback (most recent call last):\n  * {path}:{line}, in <module>\n      \
                     {call}\nerror: {message}\n{}",
                    self.excerpt(&path.to_string(), &lines)
                )
            }
        }
    }

    /// The lines that it is about, with a mark below.
    fn excerpt(&self, path: &str, lines: &[&str]) -> String {
        let ((first, column), (last, end)) = (self.start, self.end);
        let text = |line: usize| lines.get(line - 1).copied().unwrap_or_default();
        // The end of a file that ends with its last line has no line of its own to show.
        if first == lines.len() && text(first).is_empty() {
            return format!("--> {path}:1:1\n |\n |\n");
        }
        let width = last.to_string().len();
        let gap = " ".repeat(width);
        let mut shown = format!("{gap}--> {path}:{first}:{column}\n{gap} |\n");
        if first == last {
            let (blank, mark) = (" ".repeat(column - 1), "^".repeat(end.saturating_sub(column)));
            let _ = write!(shown, "{first} | {}\n{gap} | {blank}{mark}\n", text(first));
        } else {
            for line in first..=last {
                let bar = if line == first { "/" } else { "|" };
                let _ = writeln!(shown, "{line:>width$} | {bar} {}", text(line));
            }
            let _ = writeln!(shown, "{gap} | |{}^", "_".repeat(end.saturating_sub(1).max(1)));
        }
        let _ = writeln!(shown, "{gap} |");
        shown
    }
}
