//! The `<environment_context>` block: where and when the model is.

use std::path::Path;

use crate::engine::settings::WallClock;

/// The block. `shell` is the shell's name, not its path.
pub fn block(cwd: &Path, shell: &str, clock: &WallClock) -> String {
    let WallClock { date, timezone } = clock;
    let cwd = cwd.display();
    format!(
        "<environment_context>\n  <cwd>{cwd}</cwd>\n  <shell>{shell}</shell>\n  <current_date>{date}</current_date>\n  \
         <timezone>{timezone}</timezone>\n</environment_context>"
    )
}
