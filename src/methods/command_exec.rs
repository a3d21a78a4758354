//! `command/exec*`: one command of the client's own, under a sandbox policy; its answer is its end.
//!
//! The policy is the one that the request names, else the configured one. What cannot be held to its policy is not run.
//! Other requests about a command may come as soon as it runs, long before its answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::{NetworkFilter, ResolvedConfig};
use crate::exec::environment::behind_proxy;
use crate::exec::sandbox::policy::Place;
use crate::exec::sandbox::{Launch, LaunchError, Rules};
use crate::methods::process_setup::{
    OUTPUT_CAP, TIMEOUT, environment, input, named_program, quoted, server_config, taken, terminal_size, time_limit,
};
use crate::network::{Fixed, Keeper};
use crate::protocol::{
    AbsolutePathBuf, CommandExecParams, CommandExecResizeParams, CommandExecResizeResponse, CommandExecResponse,
    CommandExecTerminateParams, CommandExecTerminateResponse, CommandExecWriteParams, CommandExecWriteResponse,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::rpc::error::OVERLOADED;
use crate::rpc::processes::{ProcessError, ProcessKey, ProcessName, ProcessSeed, ProcessStart};

/// Tells programs that they are kept off the network.
const NETWORK_OFF: &str = "CODEX_SANDBOX_NETWORK_DISABLED";

/// Names for commands that their clients do not name.
static UNNAMED: AtomicU64 = AtomicU64::new(0);

/// `command/exec`.
pub async fn exec(cx: RequestContext, params: CommandExecParams) -> Result<CommandExecResponse, RpcError> {
    let asked = Asked::check(&params)?;
    let config = server_config(&cx.services.config).await?;
    let streams = params.tty || params.stream_stdin || params.stream_stdout_stderr;
    let name = match &params.process_id {
        Some(id) => ProcessName::Command(id.clone()),
        None if streams => {
            return Err(RpcError::invalid_request(
                "command/exec tty or streaming requires a client-supplied processId",
            ));
        }
        None => ProcessName::Unnamed(UNNAMED.fetch_add(1, Ordering::Relaxed)),
    };
    let id = params.process_id.unwrap_or_default();
    let words = |error| refused(error, &id);
    named_program(&params.command, params.tty).map_err(words)?;

    let rules = match (params.permission_profile, params.sandbox_policy) {
        (Some(profile), _) => Rules::Profile(profile),
        (None, Some(policy)) => Rules::Policy(policy),
        (None, None) => match &config.profile {
            Some(profile) => Rules::Configured(profile.clone()),
            None => Rules::Policy(config.sandbox.clone()),
        },
    };
    let mut environment = environment(&config, params.env);
    let filter = match &rules {
        Rules::Configured(profile) => config.network.filter(Some(profile)),
        Rules::Policy(_) | Rules::Profile(_) => config.network.filter(None),
    };
    let network = rules.network();
    let mut confined = confine(&cx, &config, &params.command, rules, filter.as_ref()).await?;
    match (&filter, confined.take_if(|launch| launch.is_proxied())) {
        (Some(filter), Some(launch)) => {
            environment.extend(behind_proxy(&filter.policy));
            let keeper: Arc<dyn Keeper> = Arc::new(Fixed(filter.policy.clone()));
            confined = Some(launch.kept_by(&keeper));
        }
        _ if !network || (filter.is_some() && confined.is_some()) => {
            environment.insert(NETWORK_OFF.into(), "1".into());
        }
        _ => {}
    }
    let (ended, end) = oneshot::channel();
    let server_folder = cx.services.config.server_cwd();
    let seed = ProcessSeed {
        name,
        client: cx.client.clone(),
        disconnected: cx.disconnected.clone(),
        start: ProcessStart {
            argv: params.command,
            cwd: server_folder.join(params.cwd.as_deref().map_or(Path::new(""), Path::new)),
            environment,
            terminal: params.tty.then_some(asked.size),
            input: params.stream_stdin,
            confined,
        },
        streamed: params.stream_stdout_stderr || params.tty,
        cap: asked.cap,
        timeout: asked.timeout,
        go: None,
        ended: Some(ended),
    };
    cx.services.processes.spawn(seed).await.map_err(words)?;
    cx.leave_lane();
    let end = end.await.map_err(|_| words(ProcessError::NotRunning))?;
    Ok(CommandExecResponse {
        exit_code: end.exit_code,
        stdout: end.stdout.text,
        stderr: end.stderr.text,
    })
}

/// What a request asks for, once it has been found to make sense.
struct Asked {
    size: crate::exec::pty::PtySize,
    cap: Option<usize>,
    timeout: Option<Duration>,
}

impl Asked {
    fn check(params: &CommandExecParams) -> Result<Self, RpcError> {
        if params.command.is_empty() {
            return Err(RpcError::invalid_request("command must not be empty"));
        }
        if params.permission_profile.is_some() && params.sandbox_policy.is_some() {
            return Err(RpcError::invalid_request(
                "`permissionProfile` cannot be combined with `sandboxPolicy`",
            ));
        }
        if params.size.is_some() && !params.tty {
            return Err(RpcError::invalid_params("command/exec size requires tty: true"));
        }
        let cap = params.output_bytes_cap.flatten();
        if cap.is_some() && params.disable_output_cap {
            return Err(RpcError::invalid_params(
                "command/exec cannot set both outputBytesCap and disableOutputCap",
            ));
        }
        if params.timeout_ms.is_some() && params.disable_timeout {
            return Err(RpcError::invalid_params(
                "command/exec cannot set both timeoutMs and disableTimeout",
            ));
        }
        let limit = params.timeout_ms.map(|limit| time_limit("command/exec", limit));
        let limit = limit.transpose()?;
        let size = params.size.as_ref();
        let size = size.map(|size| terminal_size("command/exec", size.rows, size.cols));
        Ok(Asked {
            size: size.transpose()?.unwrap_or_default(),
            cap: (!params.disable_output_cap).then(|| cap.unwrap_or(OUTPUT_CAP)),
            timeout: (!params.disable_timeout).then(|| limit.unwrap_or(TIMEOUT)),
        })
    }
}

/// How the command is started under its rules; none when they confine nothing. The workspace is the server's folder,
/// wherever the command runs.
async fn confine(
    cx: &RequestContext,
    config: &ResolvedConfig,
    argv: &[String],
    rules: Rules,
    filter: Option<&NetworkFilter>,
) -> Result<Option<Launch>, RpcError> {
    let sandbox = cx.services.sandbox.clone();
    let argv = argv.to_vec();
    let home = config.home.clone();
    let filtered = filter.map(|filter| filter.opened || filter.managed);
    let roots = [AbsolutePathBuf::rooted(cx.services.config.server_cwd())];
    let launch = move || {
        let place = Place {
            workspace_roots: &roots,
            home: &home,
        };
        let Some(mut confinement) = rules.resolve(&place) else {
            return Ok(None);
        };
        match filtered {
            Some(opened) if opened || confinement.network => confinement.filter(),
            _ => {}
        }
        sandbox.launch(&argv, confinement).map(Some)
    };
    let launch = tokio::task::spawn_blocking(launch).await;
    launch
        .map_err(|_| RpcError::internal("exec failed: the sandbox cannot be prepared"))?
        .map_err(|error| match error {
            LaunchError::Program(error) => refused(error.into(), ""),
            error => RpcError::internal(format!("exec failed: {error}")),
        })
}

/// `command/exec/write`.
pub async fn write(cx: RequestContext, params: CommandExecWriteParams) -> Result<CommandExecWriteResponse, RpcError> {
    let input = input(cx.method, params.delta_base64, params.close_stdin)?;
    let words = |error| refused(error, &params.process_id);
    let written = cx.services.processes.write(&key(&cx, &params.process_id), input);
    let room = written.await.map_err(words)?;
    taken(&cx, room).await.map_err(words)?;
    Ok(CommandExecWriteResponse {})
}

/// `command/exec/resize`.
pub async fn resize(
    cx: RequestContext,
    params: CommandExecResizeParams,
) -> Result<CommandExecResizeResponse, RpcError> {
    let size = terminal_size("command/exec", params.size.rows, params.size.cols)?;
    let resized = cx.services.processes.resize(&key(&cx, &params.process_id), size);
    resized.await.map_err(|error| match error {
        ProcessError::System(error) => RpcError::invalid_request(format!("failed to resize PTY: {error}")),
        error => refused(error, &params.process_id),
    })?;
    Ok(CommandExecResizeResponse {})
}

/// `command/exec/terminate`.
pub async fn terminate(
    cx: RequestContext,
    params: CommandExecTerminateParams,
) -> Result<CommandExecTerminateResponse, RpcError> {
    let killed = cx.services.processes.kill(&key(&cx, &params.process_id));
    killed.await.map_err(|error| refused(error, &params.process_id))?;
    Ok(CommandExecTerminateResponse {})
}

fn key(cx: &RequestContext, id: &str) -> ProcessKey {
    (cx.client.id(), ProcessName::Command(id.to_owned()))
}

fn refused(error: ProcessError, id: &str) -> RpcError {
    let id = quoted(id);
    match error {
        ProcessError::Duplicate => RpcError::invalid_request(format!("duplicate active command/exec process id: {id}")),
        ProcessError::Unknown => RpcError::invalid_request(format!("no active command/exec for process id {id}")),
        ProcessError::NotRunning => RpcError::invalid_request(format!("command/exec {id} is no longer running")),
        ProcessError::NoInput => RpcError::invalid_request("stdin streaming is not enabled for this command/exec"),
        ProcessError::NoTerminal => RpcError::invalid_request(format!("failed to resize PTY: {error}")),
        ProcessError::InputClosed => RpcError::invalid_request(error.to_string()),
        ProcessError::System(error) => RpcError::internal(format!("failed to spawn command: {error}")),
        ProcessError::TooManyHere(_) | ProcessError::TooMany(_) | ProcessError::Overloaded => RpcError {
            code: OVERLOADED,
            message: error.to_string(),
            data: None,
        },
    }
}
