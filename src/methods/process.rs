//! `process/*`: processes of a client's own, outside of any thread and, on purpose, of any sandbox.
//!
//! The answer to `process/spawn` comes when the process runs; its output and its end follow as notifications. Handles are
//! the client's, and good on its connection alone.

use crate::methods::process_setup::{
    OUTPUT_CAP, TIMEOUT, environment, input, named_program, quoted, server_config, taken, terminal_size, time_limit,
};
use crate::methods::turn::after_response;
use crate::protocol::{
    ProcessKillParams, ProcessKillResponse, ProcessResizePtyParams, ProcessResizePtyResponse, ProcessSpawnParams,
    ProcessSpawnResponse, ProcessWriteStdinParams, ProcessWriteStdinResponse,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::rpc::error::OVERLOADED;
use crate::rpc::processes::{ProcessError, ProcessKey, ProcessName, ProcessSeed, ProcessStart};

/// `process/spawn`.
pub async fn spawn(cx: RequestContext, params: ProcessSpawnParams) -> Result<ProcessSpawnResponse, RpcError> {
    if params.command.is_empty() {
        return Err(RpcError::invalid_request("command must not be empty"));
    }
    if params.process_handle.is_empty() {
        return Err(RpcError::invalid_request("processHandle must not be empty"));
    }
    if params.size.is_some() && !params.tty {
        return Err(RpcError::invalid_params("process/spawn size requires tty: true"));
    }
    let timeout = match params.timeout_ms {
        None => Some(TIMEOUT),
        Some(limit) => limit.map(|limit| time_limit(cx.method, limit)).transpose()?,
    };
    let size = params.size.map(|size| terminal_size("process", size.rows, size.cols));
    let size = size.transpose()?.unwrap_or_default();
    let config = server_config(&cx.services.config).await?;
    let words = |error| refused(error, &params.process_handle);
    named_program(&params.command, params.tty).map_err(words)?;
    let seed = ProcessSeed {
        name: ProcessName::Handle(params.process_handle.clone()),
        client: cx.client.clone(),
        disconnected: cx.disconnected.clone(),
        start: ProcessStart {
            environment: environment(&config, params.env),
            argv: params.command,
            cwd: params.cwd.as_path().to_owned(),
            terminal: params.tty.then_some(size),
            input: params.stream_stdin,
            confined: None,
        },
        streamed: params.stream_stdout_stderr || params.tty,
        cap: params.output_bytes_cap.unwrap_or(Some(OUTPUT_CAP)),
        timeout,
        go: Some(after_response(&cx)),
        ended: None,
    };
    cx.services.processes.spawn(seed).await.map_err(words)?;
    Ok(ProcessSpawnResponse {})
}

/// `process/writeStdin`.
pub async fn write_stdin(
    cx: RequestContext,
    params: ProcessWriteStdinParams,
) -> Result<ProcessWriteStdinResponse, RpcError> {
    let input = input(cx.method, params.delta_base64, params.close_stdin)?;
    let words = |error| refused(error, &params.process_handle);
    let written = cx.services.processes.write(&key(&cx, &params.process_handle), input);
    let room = written.await.map_err(words)?;
    taken(&cx, room).await.map_err(words)?;
    Ok(ProcessWriteStdinResponse {})
}

/// `process/resizePty`.
pub async fn resize_pty(
    cx: RequestContext,
    params: ProcessResizePtyParams,
) -> Result<ProcessResizePtyResponse, RpcError> {
    let size = terminal_size("process", params.size.rows, params.size.cols)?;
    let resized = cx.services.processes.resize(&key(&cx, &params.process_handle), size);
    resized.await.map_err(|error| match error {
        ProcessError::System(error) => RpcError::invalid_request(format!("failed to resize PTY: {error}")),
        error => refused(error, &params.process_handle),
    })?;
    Ok(ProcessResizePtyResponse {})
}

/// `process/kill`.
pub async fn kill(cx: RequestContext, params: ProcessKillParams) -> Result<ProcessKillResponse, RpcError> {
    let killed = cx.services.processes.kill(&key(&cx, &params.process_handle));
    killed.await.map_err(|error| refused(error, &params.process_handle))?;
    Ok(ProcessKillResponse {})
}

fn key(cx: &RequestContext, handle: &str) -> ProcessKey {
    (cx.client.id(), ProcessName::Handle(handle.to_owned()))
}

fn refused(error: ProcessError, handle: &str) -> RpcError {
    let handle = quoted(handle);
    match error {
        ProcessError::Duplicate => RpcError::invalid_request(format!("duplicate active process handle: {handle}")),
        ProcessError::Unknown => RpcError::invalid_request(format!("no active process for process handle {handle}")),
        ProcessError::NotRunning => RpcError::invalid_request(format!("process {handle} is no longer running")),
        ProcessError::NoInput => RpcError::invalid_request("stdin streaming is not enabled for this process"),
        ProcessError::NoTerminal => RpcError::invalid_request(format!("failed to resize PTY: {error}")),
        ProcessError::InputClosed => RpcError::invalid_request(error.to_string()),
        ProcessError::System(error) => RpcError::internal(format!("failed to spawn process: {error}")),
        ProcessError::TooManyHere(_) | ProcessError::TooMany(_) | ProcessError::Overloaded => RpcError {
            code: OVERLOADED,
            message: error.to_string(),
            data: None,
        },
    }
}
