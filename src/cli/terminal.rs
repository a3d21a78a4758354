//! Writing to whoever started the process: stderr, styled when it is a terminal.

use std::io::{IsTerminal, Write};

use anstyle::Style;

/// Writes a line to stderr. A closed stderr is nobody's problem.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Writes a line to stdout; fails when nobody reads it.
pub fn answer(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// `text` in `style` when stderr is a terminal, else as it is.
pub fn styled(text: &str, style: Style) -> String {
    if std::io::stderr().is_terminal() {
        format!("{style}{text}{style:#}")
    } else {
        text.to_string()
    }
}
