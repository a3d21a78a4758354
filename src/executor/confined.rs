//! Operations on files under a sandbox context: each in a process of this program that confines itself first.
//!
//! A context that restricts nothing costs nothing. One that the sandbox of this machine cannot enforce to the letter is
//! refused: an operation never runs with more rights than its client meant it to have.

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
use crate::exec::permissions::places::{loader, readable, spots};
use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::Place;
use crate::exec::{Sandbox, helper};
use crate::protocol::exec_server::{FilePermissions, FileRules, FileSystemSandboxContext, Network};
use crate::protocol::{
    AbsolutePathBuf, FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath,
};

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
    let depth;
    let (entries, network) = match &context.permissions {
        FilePermissions::Disabled | FilePermissions::External { .. } => return Ok(None),
        FilePermissions::Managed { file_system, network } => match file_system {
            FileRules::Unrestricted => return Ok(None),
            FileRules::Restricted {
                entries,
                glob_scan_max_depth,
            } => {
                depth = *glob_scan_max_depth;
                (entries, *network == Network::Enabled)
            }
        },
    };
    let cwd: Vec<AbsolutePathBuf> = context.cwd.iter().map(|cwd| AbsolutePathBuf::rooted(&cwd.0)).collect();
    let place = Place {
        workspace_roots: &cwd,
        home: Path::new("/"),
    };
    let all = |entry: &FileSystemSandboxEntry| {
        let root = FileSystemPath::Special {
            value: FileSystemSpecialPath::Root,
        };
        entry.access != FileSystemAccessMode::None && entry.path == root
    };
    let mut confinement = Confinement {
        network,
        readable: (!entries.iter().any(all)).then(Vec::new),
        ..Confinement::default()
    };
    for entry in entries
        .iter()
        .filter(|entry| entry.access == FileSystemAccessMode::Write)
    {
        let spots = spots(&known(&entry.path)?, &place);
        confinement.open(spots.into_iter().map(|spot| (spot.path, spot.shared)));
    }
    for entry in entries
        .iter()
        .filter(|entry| entry.access != FileSystemAccessMode::Write)
    {
        let path = known(&entry.path)?;
        let paths = spots(&path, &place).into_iter().map(|spot| spot.path);
        match (entry.access, &path) {
            (FileSystemAccessMode::None, FileSystemPath::GlobPattern { pattern }) => {
                let folder = cwd.first().map_or(Path::new("/"), AbsolutePathBuf::as_path);
                confinement.hide_pattern(folder, pattern, depth);
            }
            (FileSystemAccessMode::None, _) => confinement.hide(paths),
            _ => {
                let paths: Vec<PathBuf> = paths.collect();
                confinement.show(readable(&path, &place).into_iter());
                // What is protected by its name already needs no more.
                let kept = paths.into_iter().filter(|path| confinement.allows_writing(path));
                let kept: Vec<PathBuf> = kept.collect();
                confinement.read_only.extend(kept);
            }
        }
    }
    confinement.distrust_links(&cwd);
    Ok(Some(confinement))
}

/// A path whose meaning is known: what is not cannot be kept to.
fn known(path: &FileSystemPath) -> Result<FileSystemPath, Refusal> {
    match path {
        FileSystemPath::Special {
            value: FileSystemSpecialPath::Unknown { path, .. },
        } => Err(Refusal::invalid_params(format!(
            "nobody here knows what {path:?} is; the operation was not done"
        ))),
        path => Ok(path.clone()),
    }
}

/// What the process says when it is done.
#[derive(Serialize, Deserialize)]
enum Told {
    Done(Value),
    Refused { code: i64, message: String },
}

/// Does an operation under a confinement.
pub(super) async fn perform(
    job: &FileJob,
    mut confinement: Confinement,
    sandbox: &Arc<Sandbox>,
) -> Result<Value, Refusal> {
    let failed = |why: String| Refusal::internal(format!("fs sandbox helper failed: {why}"));
    // The process below cannot take away what lies in a folder that it may write to, and sees more than it may read
    // where it may read little, because it has to be loaded itself. So that is looked at here.
    let touched = job.touched().await?;
    let allowed = touched.written.iter().all(|path| confinement.allows_writing(path))
        && touched.read.iter().all(|(path, real)| !confinement.hides(path, real));
    if !allowed {
        return Err(std::io::Error::from_raw_os_error(libc::EACCES).into());
    }
    confinement.show(loader().into_iter());
    let order = serde_json::to_vec(job).map_err(|error| failed(error.to_string()))?;
    let argv = ["/proc/self/exe".to_owned(), FILES_WORD.to_owned()];
    let launch = Arc::clone(sandbox)
        .launch_elsewhere(argv.to_vec(), confinement)
        .await
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
