//! The `<environment_context>` block: where and when the model is.

use std::fmt::Write as _;

use crate::engine::environments::EnvironmentChoice;
use crate::engine::settings::WallClock;

/// The block. `shell` is the shell's name, not its path. One environment is told plainly, several by their names.
///
/// `hosts` are those that may be reached and those that may not, where an administrator has the network filtered.
pub fn block(
    environments: &[EnvironmentChoice],
    shell: &str,
    clock: &WallClock,
    hosts: Option<[Vec<String>; 2]>,
) -> String {
    let WallClock { date, timezone } = clock;
    let mut places = String::new();
    match environments {
        [] => {}
        [only] => {
            let _ = write!(places, "  <cwd>{}</cwd>\n  <shell>{shell}</shell>\n", only.cwd);
        }
        several => {
            places.push_str("  <environments>\n");
            for EnvironmentChoice { id, cwd } in several {
                let _ = write!(
                    places,
                    "    <environment id=\"{id}\">\n      <cwd>{cwd}</cwd>\n      <shell>{shell}</shell>\n    \
                     </environment>\n"
                );
            }
            places.push_str("  </environments>\n");
        }
    }
    let mut network = String::new();
    if let Some([allowed, denied]) = hosts {
        network.push_str("  <network enabled=\"true\">");
        for (name, hosts) in [("allowed", allowed), ("denied", denied)] {
            if !hosts.is_empty() {
                let _ = write!(network, "<{name}>{}</{name}>", hosts.join(","));
            }
        }
        network.push_str("</network>\n");
    }
    format!(
        "<environment_context>\n{places}  <current_date>{date}</current_date>\n  <timezone>{timezone}</timezone>\n{network}\
         </environment_context>"
    )
}
