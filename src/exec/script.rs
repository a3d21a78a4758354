//! Running a helper program to its end: something to read, two outputs, a limit of time.
//!
//! For programs that the user has set up (hooks), not for the model's commands. What one prints is kept up to a bound;
//! what lies beyond is read and dropped, so that it never blocks. It leads a session of its own and dies with the server.
//! A program that does not read what it is given is no failure, nor is one that leaves something running behind it.
//!
//! To be run on a thread that lives as long as the server (see [`spawn`](super::spawn)).

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::exec::environment::Environment;
use crate::exec::spawn::{ProcessGroup, prepare_child};

/// Bytes kept of either output.
const MAX_OUTPUT: usize = 1 << 20;
/// How long outputs are read once the program has ended: what it started may hold them open for good.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A program to run.
#[derive(Debug)]
pub struct Script<'a> {
    /// Program and arguments.
    pub argv: &'a [String],
    /// Where it runs.
    pub cwd: &'a Path,
    /// Its whole environment.
    pub environment: &'a Environment,
    /// What it can read.
    pub input: &'a [u8],
    /// How long it may take.
    pub limit: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub exit_code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// Why there is no end to tell of.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It took too long, and was killed with all that it started.
    #[error("timed out")]
    TimedOut,
    /// It could not be run.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Ends the group of a program that is not waited for any more.
struct Group(Option<ProcessGroup>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            group.kill();
        }
    }
}

/// Runs a program. Dropping the future kills it.
///
/// # Errors
/// It cannot be started, or takes too long.
#[allow(clippy::disallowed_methods, reason = "this is the place that starts them")]
pub async fn run(script: Script<'_>) -> Result<Ended, ScriptError> {
    let Some((program, arguments)) = script.argv.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program is named").into());
    };
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .current_dir(script.cwd)
        .env_clear()
        .envs(script.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    prepare_child(&mut command, false, [None; 2]);
    let mut child = command.spawn()?;
    let mut group = Group(ProcessGroup::of(&child));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async {
        if let Some(mut stdin) = stdin {
            // A program that ends, or closes its input, without reading has decided that it needs none of it.
            let _ = stdin.write_all(script.input).await;
        }
    };
    let (mut printed, mut complained) = (Vec::new(), Vec::new());
    let work = async {
        let talk = async { tokio::join!(give, bounded(stdout, &mut printed), bounded(stderr, &mut complained)) };
        tokio::pin!(talk);
        tokio::select! {
            biased;
            ((), stdout, stderr) = &mut talk => {
                stdout.and(stderr)?;
                child.wait().await
            }
            status = child.wait() => {
                let _ = tokio::time::timeout(LAST_WORDS, talk).await;
                status
            }
        }
    };
    match tokio::time::timeout(script.limit, work).await {
        Ok(status) => {
            group.0 = None;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(Ended {
                exit_code: status?.code(),
                stdout: text(&printed),
                stderr: text(&complained),
            })
        }
        Err(_) => Err(ScriptError::TimedOut),
    }
}

/// Reads to the end, keeping the first [`MAX_OUTPUT`] bytes.
async fn bounded(source: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) -> io::Result<()> {
    let Some(mut source) = source else {
        return Ok(());
    };
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let read = source.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let room = MAX_OUTPUT.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(text: &str, input: &[u8], limit: Duration) -> Result<Ended, ScriptError> {
        let argv = ["/bin/sh", "-c", text].map(str::to_owned);
        let environment = Environment::from([("PATH".into(), std::env::var_os("PATH").unwrap_or_default())]);
        let cwd = Path::new("/");
        run(Script {
            argv: &argv,
            cwd,
            environment: &environment,
            input,
            limit,
        })
        .await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn outputs_and_exit_code_come_back() {
        let ended = shell("cat; echo bad >&2; exit 3", b"given", LONG).await.unwrap();
        assert_eq!(
            (ended.exit_code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(3), "given", "bad\n")
        );
    }

    #[tokio::test]
    async fn a_program_that_does_not_read_is_no_failure() {
        let input = vec![b'x'; 4 << 20];
        let ended = shell("echo done", &input, LONG).await.unwrap();
        assert_eq!((ended.exit_code, ended.stdout.as_str()), (Some(0), "done\n"));
    }

    #[tokio::test]
    async fn what_a_program_leaves_running_is_not_waited_for() {
        let ended = shell("sleep 1000 & echo $!", b"", LONG).await.unwrap();
        assert_eq!(ended.exit_code, Some(0));
        let child: i32 = ended.stdout.trim().parse().unwrap();
        let running = nix::unistd::Pid::from_raw(child);
        nix::sys::signal::kill(running, nix::sys::signal::Signal::SIGKILL).expect("it still runs");
    }

    #[tokio::test]
    async fn a_flood_is_cut_and_does_not_block() {
        let ended = shell("head -c 5000000 /dev/zero; echo end >&2", b"", LONG)
            .await
            .unwrap();
        assert_eq!((ended.stdout.len(), ended.stderr.as_str()), (MAX_OUTPUT, "end\n"));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("pid");
        let text = format!("sleep 1000 & echo $! > {}; wait", mark.display());
        let ended = shell(&text, b"", Duration::from_millis(300)).await;
        assert!(matches!(ended, Err(ScriptError::TimedOut)));
        let child: i32 = std::fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
        let gone = async {
            while std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z")) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, gone).await.unwrap();
    }
}
