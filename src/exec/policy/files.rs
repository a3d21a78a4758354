//! Where rules are kept: `rules/*.rules` of each configuration folder, and the file that amendments are added to.
//!
//! A broken file makes the whole policy empty: half a set of rules would allow what a missing rule forbids. Blocking
//! file work; callers keep it off the arbiters.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::{NetworkRule, Policy, RuleDecision, RuleError, parse};

/// The file that accepted amendments go to.
const AMENDMENTS: &str = "default.rules";

/// The machine's own configuration.
const MACHINE: &str = "/etc/codex";

/// What is wrong with a rule file.
#[derive(Debug, thiserror::Error)]
pub enum RuleFileError {
    /// It could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not parse.
    #[error("failed to parse rules file {}: {report}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// All that there is to say about it.
        report: String,
        /// What is wrong, and where.
        error: RuleError,
    },
}

impl RuleFileError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            RuleFileError::Io { path, .. } | RuleFileError::Rule { path, .. } => path,
        }
    }

    /// What is wrong in it, and where; none when it could not be read at all.
    pub fn error(&self) -> Option<&RuleError> {
        match self {
            RuleFileError::Io { .. } => None,
            RuleFileError::Rule { error, .. } => Some(error),
        }
    }
}

/// Rules as loaded. When there is a problem the policy is empty.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules.
    pub policy: Policy,
    /// Why there are none; to be told as a `configWarning`.
    pub problem: Option<RuleFileError>,
}

/// The folders whose rules count: the machine's, the home's, and those from a trusted project's root down to the folder
/// that is worked in.
pub fn rule_folders(home: &Path, trusted: Option<(&Path, &Path)>) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(MACHINE).join("rules"), home.join("rules")];
    if let Some((root, cwd)) = trusted {
        let mut below: Vec<&Path> = cwd.ancestors().take_while(|folder| folder.starts_with(root)).collect();
        if below.is_empty() {
            below.push(root);
        }
        folders.extend(below.iter().rev().map(|folder| folder.join(".codex").join("rules")));
    }
    folders
}

/// Loads all `*.rules` of the folders, in order, each folder's sorted by name. Missing folders are fine.
pub fn load(folders: &[PathBuf]) -> Loaded {
    let mut policy = Policy::default();
    let result = folders.iter().try_for_each(|folder| load_folder(folder, &mut policy));
    match result {
        Ok(()) => Loaded { policy, problem: None },
        Err(problem) => Loaded {
            policy: Policy::default(),
            problem: Some(problem),
        },
    }
}

fn load_folder(folder: &Path, policy: &mut Policy) -> Result<(), RuleFileError> {
    let failed = |path: &Path, source| RuleFileError::Io {
        path: path.to_path_buf(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(failed(folder, error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "rules") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    for path in files {
        let source = crate::files::read_text(&path).map_err(|error| failed(&path, error))?;
        parse(&source, policy).map_err(|error| RuleFileError::Rule {
            report: error.report(&path, &source),
            path,
            error,
        })?;
    }
    Ok(())
}

/// Adds a rule that allows a prefix to the home's amendments, unless it is there.
pub fn append_prefix_rule(home: &Path, prefix: &[String]) -> Result<(), RuleFileError> {
    let words: Vec<String> = prefix.iter().map(|word| quoted(word)).collect();
    append_line(
        home,
        &format!("prefix_rule(pattern=[{}], decision=\"allow\")", words.join(", ")),
    )
}

/// Adds a rule about a host to the home's amendments, unless it is there.
pub fn append_network_rule(home: &Path, rule: &NetworkRule) -> Result<(), RuleFileError> {
    let decision = match rule.decision {
        RuleDecision::Allow => "allow",
        RuleDecision::Prompt => "prompt",
        RuleDecision::Forbidden => "deny",
    };
    let why = rule
        .justification
        .as_deref()
        .map(|why| format!(", justification={}", quoted(why)));
    let line = format!(
        "network_rule(host={}, protocol=\"{}\", decision=\"{decision}\"{})",
        quoted(&rule.host),
        rule.protocol.name(),
        why.unwrap_or_default()
    );
    append_line(home, &line)
}

/// A string literal that both Starlark and our reader understand.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Appends a line under a lock, so that several processes on one home do not tear each other's lines.
fn append_line(home: &Path, line: &str) -> Result<(), RuleFileError> {
    let folder = home.join("rules");
    let path = folder.join(AMENDMENTS);
    let failed = |source| RuleFileError::Io {
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    let mut file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))?;
    let mut present = String::new();
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.read_to_string(&mut present).map_err(failed)?;
    if present.lines().any(|existing| existing == line) {
        return Ok(());
    }
    let gap = if present.is_empty() || present.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    file.write_all(format!("{gap}{line}\n").as_bytes()).map_err(failed)
}
