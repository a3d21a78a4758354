//! Operations on files under a sandbox context: each in a process of this program that confines itself first.
//!
//! A context that restricts nothing costs nothing. One that this sandbox cannot enforce to the letter (folders that may
//! not be read, patterns) is refused: an operation never runs with more rights than its client meant it to have.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::files::FileJob;
use super::refusal::Refusal;
use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::WritableRoot;
use crate::exec::{Sandbox, helper};
use crate::protocol::exec_server::{FilePermissions, FileRules, FileSystemSandboxContext, Network};
use crate::protocol::{FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath};

/// The first argument that makes this program do one operation and end. No subcommand can have this name.
const FILES_WORD: &str = "+files";

/// How long an operation may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a context comes to here; none when it restricts nothing.
pub(super) async fn confinement(context: FileSystemSandboxContext) -> Result<Option<Confinement>, Refusal> {
    tokio::task::spawn_blocking(move || resolve(&context))
        .await
        .unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))
}

fn resolve(context: &FileSystemSandboxContext) -> Result<Option<Confinement>, Refusal> {
    let (entries, network) = match &context.permissions {
        FilePermissions::Disabled | FilePermissions::External { .. } => return Ok(None),
        FilePermissions::Managed { file_system, network } => match file_system {
            FileRules::Unrestricted => return Ok(None),
            FileRules::Restricted { entries, .. } => (entries, *network == Network::Enabled),
        },
    };
    let cwd = context.cwd.as_ref().map(|cwd| cwd.0.as_path());
    let of = |access| {
        entries
            .iter()
            .filter(move |entry: &&FileSystemSandboxEntry| entry.access == access)
    };
    if let Some(hidden) = of(FileSystemAccessMode::None).next() {
        return Err(cannot(&format!("hide {:?}", hidden.path)));
    }
    let mut all_readable = false;
    let mut read_only = Vec::new();
    for entry in of(FileSystemAccessMode::Read) {
        match place(&entry.path, cwd)? {
            Some((path, _)) if path == Path::new("/") => all_readable = true,
            Some((path, _)) => read_only.push(path),
            None => {}
        }
    }
    let mut roots = Vec::new();
    for entry in of(FileSystemAccessMode::Write) {
        let Some((path, shared)) = place(&entry.path, cwd)? else {
            continue;
        };
        all_readable |= path == Path::new("/");
        let real = path.canonicalize().unwrap_or(path.clone());
        roots.push(WritableRoot {
            protected: read_only
                .iter()
                .filter(|inner| inner.starts_with(&path) || inner.starts_with(&real))
                .cloned()
                .collect(),
            path: real,
            shared,
        });
    }
    if !all_readable {
        return Err(cannot("hide everything but some folders"));
    }
    Ok(Some(Confinement {
        roots,
        network,
        ..Confinement::default()
    }))
}

fn cannot(what: &str) -> Refusal {
    Refusal::invalid_params(format!(
        "this executor's sandbox cannot {what}; the operation was not done"
    ))
}

/// Where an entry points, and whether others share the place; none when there is no such place here.
fn place(path: &FileSystemPath, cwd: Option<&Path>) -> Result<Option<(PathBuf, bool)>, Refusal> {
    let special = match path {
        FileSystemPath::Path { path } => return Ok(Some((path.as_path().to_owned(), false))),
        FileSystemPath::GlobPattern { pattern } => return Err(cannot(&format!("go by the pattern {pattern:?}"))),
        FileSystemPath::Special { value } => value,
    };
    Ok(match special {
        FileSystemSpecialPath::Root => Some(("/".into(), false)),
        FileSystemSpecialPath::SlashTmp => Some(("/tmp".into(), true)),
        FileSystemSpecialPath::Tmpdir => std::env::var_os("TMPDIR")
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
            .map(|folder| (folder, true)),
        FileSystemSpecialPath::ProjectRoots { subpath } => {
            let cwd = cwd.ok_or_else(|| Refusal::invalid_params("project roots need the context's cwd"))?;
            Some((subpath.as_ref().map_or(cwd.to_owned(), |below| cwd.join(below)), false))
        }
        // Everything may be read here anyway.
        FileSystemSpecialPath::Minimal => None,
        FileSystemSpecialPath::Unknown { path, .. } => return Err(cannot(&format!("tell what {path:?} is"))),
    })
}

/// What the process says when it is done.
#[derive(Serialize, Deserialize)]
enum Told {
    Done(Value),
    Refused { code: i64, message: String },
}

/// Does an operation under a confinement.
pub(super) async fn perform(job: &FileJob, confinement: Confinement, sandbox: &Arc<Sandbox>) -> Result<Value, Refusal> {
    let failed = |why: String| Refusal::internal(format!("fs sandbox helper failed: {why}"));
    // The process below cannot take away what lies in a folder that it may write to, so that is looked at here.
    let protected = |path: &PathBuf| confinement.protected().iter().any(|kept| path.starts_with(kept));
    if job.written().await?.iter().any(protected) {
        return Err(std::io::Error::from_raw_os_error(libc::EACCES).into());
    }
    let order = serde_json::to_vec(job).map_err(|error| failed(error.to_string()))?;
    let argv = ["/proc/self/exe".to_owned(), FILES_WORD.to_owned()];
    let launch = sandbox
        .launch(&argv, confinement)
        .map_err(|error| failed(error.to_string()))?;
    let mut child = helper::spawn(&launch).map_err(|error| failed(error.to_string()))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (Some(mut input), Some(mut output)) = (input, output) else {
        return Err(failed("it has no pipes".to_owned()));
    };
    let talk = async {
        let give = async {
            input.write_all(&order).await?;
            drop(input);
            std::io::Result::Ok(())
        };
        let mut said = Vec::new();
        let take = tokio::io::AsyncReadExt::read_to_end(&mut output, &mut said);
        let (given, taken) = tokio::join!(give, take);
        given.and(taken)?;
        std::io::Result::Ok(said)
    };
    let said = tokio::time::timeout(PATIENCE, talk)
        .await
        .map_err(|_| failed("it took too long".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
    match serde_json::from_slice(&said) {
        Ok(Told::Done(result)) => Ok(result),
        Ok(Told::Refused { code, message }) => Err(Refusal { code, message }),
        Err(_) => Err(failed(status.to_string())),
    }
}

/// Does the operation that this process was started for; none if it was not started for one.
pub fn stage() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != FILES_WORD {
        return None;
    }
    let mut order = Vec::new();
    let told = match std::io::stdin().read_to_end(&mut order) {
        Ok(_) => match serde_json::from_slice::<FileJob>(&order) {
            Ok(job) => job.run(),
            Err(error) => Err(Refusal::internal(error.to_string())),
        },
        Err(error) => Err(error.into()),
    };
    let told = match told {
        Ok(result) => Told::Done(result),
        Err(Refusal { code, message }) => Told::Refused { code, message },
    };
    let said = serde_json::to_vec(&told).unwrap_or_default();
    Some(match std::io::stdout().write_all(&said) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}
