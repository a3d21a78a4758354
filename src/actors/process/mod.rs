//! One process that a client runs: `process/*` and `command/exec*` alike.
//!
//! State: the process, its input, and who is to hear of its end. The actor takes mail and never waits; its streams are
//! read by two pumps ([`output`]) and written by a task ([`input`]), and [`life`] sees the process through: until it ends,
//! its time is over, somebody kills it, or its connection goes away. Whatever happens, its process group is killed at the
//! last, it is waited for, and its end is told exactly once.

mod directory;
mod input;
mod life;
mod output;

use std::cell::Cell;
use std::rc::Rc;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::exec::pty::{Pty, PtySize};
use crate::exec::spawn::{GroupEnd, SpawnRequest};
use crate::exec::streams::{self, StreamWishes, Streams};
use crate::protocol::ProcessExitedNotification;
use crate::rpc::output::{OutputStream, OutputTemplate};
use crate::rpc::processes::{
    InputRoom, ProcessEnd, ProcessError, ProcessInput, ProcessName, ProcessSeed, ProcessStart,
};
use crate::rpc::{ClientHandle, EncodedNotification};
use crate::telemetry::metrics;

pub use directory::{ProcessLimits, Processes};

use directory::TakenName;
use input::Input;
use life::{Life, SIGNALLED};
use output::{Pump, Sink};

/// Writes to the input.
#[derive(Message)]
#[rtype(result = "Result<Option<InputRoom>, ProcessError>")]
struct Write(ProcessInput);

/// Gives the terminal another size.
#[derive(Message)]
#[rtype(result = "Result<(), ProcessError>")]
struct Resize(PtySize);

/// Kills the process.
#[derive(Message)]
#[rtype(result = "Result<(), ProcessError>")]
struct Kill;

/// A process of a client.
struct ProcessActor {
    client: ClientHandle,
    /// Its name, in use until its end is told.
    name: Option<TakenName>,
    /// Who hears whether it started.
    started: Option<oneshot::Sender<Result<(), ProcessError>>>,
    /// What is started; taken when that is tried.
    plan: Option<Plan>,
    /// Who hears of its end, if not the client itself.
    ended: Option<oneshot::Sender<ProcessEnd>>,
    input: Input,
    terminal: Option<Pty>,
    kill: CancellationToken,
    running: Rc<Cell<bool>>,
}

/// How a process is run.
struct Plan {
    start: ProcessStart,
    streamed: bool,
    cap: Option<usize>,
    timeout: Option<std::time::Duration>,
    go: Option<oneshot::Receiver<()>>,
    /// Cancelled when nobody wants the process any more: its connection is gone, or the server stops.
    unwanted: [CancellationToken; 2],
}

impl ProcessActor {
    fn new(seed: ProcessSeed, name: TakenName, started: oneshot::Sender<Result<(), ProcessError>>) -> Self {
        ProcessActor {
            client: seed.client,
            started: Some(started),
            plan: Some(Plan {
                start: seed.start,
                streamed: seed.streamed,
                cap: seed.cap,
                timeout: seed.timeout,
                go: seed.go,
                unwanted: [seed.disconnected, name.stopping().clone()],
            }),
            name: Some(name),
            ended: seed.ended,
            input: Input::None,
            terminal: None,
            kill: CancellationToken::new(),
            running: Rc::default(),
        }
    }

    /// Starts the process, and what sees it through.
    fn start(&mut self, mut plan: Plan, ctx: &mut Context<Self>) -> Result<(), ProcessError> {
        let (start, streamed) = (&plan.start, plan.streamed);
        let request = SpawnRequest {
            argv: &start.argv,
            cwd: &start.cwd,
            environment: &start.environment,
            terminal: start.terminal,
            confined: start.confined.as_ref(),
        };
        let wishes = StreamWishes {
            input: start.input,
            wide: streamed,
        };
        let Streams {
            child,
            group,
            input,
            output,
            errors,
            terminal,
        } = streams::spawn(&request, wishes)?;
        if let Some(launch) = plan.start.confined.take() {
            launch.serve();
        }
        metrics::process_started();
        self.running.set(true);
        self.input = Input::of(input);
        self.terminal = terminal;
        let ended = CancellationToken::new();
        let pump = |source, stream| Pump::new(source, self.sink(stream, streamed), plan.cap, ended.clone());
        let output = pump(output, OutputStream::Stdout);
        let errors = errors.map(|errors| pump(errors, OutputStream::Stderr));
        let life = Life {
            child,
            group: GroupEnd::of(group),
            terminal: self.terminal.is_some(),
            timeout: plan.timeout,
            kill: self.kill.clone(),
            unwanted: plan.unwanted,
            running: Rc::clone(&self.running),
            ended,
        };
        let run = life.run(output, errors, plan.go);
        ctx.spawn(run.into_actor(self).map(|end, actor, ctx| {
            actor.tell(end);
            ctx.stop();
        }));
        Ok(())
    }

    fn sink(&self, stream: OutputStream, streamed: bool) -> Sink {
        let template = match self.name.as_ref().map(TakenName::name) {
            Some(ProcessName::Handle(handle)) if streamed => OutputTemplate::process(handle, stream),
            Some(ProcessName::Command(id)) if streamed => OutputTemplate::command(id, stream),
            _ => return Sink::Memory(Vec::new()),
        };
        Sink::Client(self.client.clone(), template)
    }

    /// Tells the end, once; the name is free from the same moment on.
    fn tell(&mut self, end: ProcessEnd) {
        let Some(name) = self.name.take() else { return };
        match (self.ended.take(), name.name()) {
            (None, ProcessName::Handle(handle)) => {
                let exited = EncodedNotification::new(&exited(handle, end));
                name.free_when(|| self.client.notify(&exited));
            }
            (ended, _) => {
                drop(name);
                if let Some(ended) = ended {
                    let _ = ended.send(end);
                }
            }
        }
    }
}

fn exited(handle: &str, end: ProcessEnd) -> ProcessExitedNotification {
    ProcessExitedNotification {
        process_handle: handle.to_owned(),
        exit_code: end.exit_code,
        stdout: end.stdout.text,
        stdout_cap_reached: end.stdout.cap_reached,
        stderr: end.stderr.text,
        stderr_cap_reached: end.stderr.cap_reached,
    }
}

impl Actor for ProcessActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(plan) = self.plan.take() else { return };
        let outcome = self.start(plan, ctx);
        if outcome.is_err() {
            // Before the answer: whoever hears of the failure may use the name again.
            self.name = None;
            ctx.stop();
        }
        if let Some(started) = self.started.take() {
            let _ = started.send(outcome);
        }
    }
}

impl Drop for ProcessActor {
    fn drop(&mut self) {
        // Also runs while unwinding: whatever happened, the process is gone, and its client hears so.
        self.kill.cancel();
        self.tell(ProcessEnd {
            exit_code: SIGNALLED,
            ..ProcessEnd::default()
        });
    }
}

impl Handler<Write> for ProcessActor {
    type Result = Result<Option<InputRoom>, ProcessError>;

    fn handle(&mut self, Write(input): Write, _ctx: &mut Self::Context) -> Self::Result {
        if !self.running.get() {
            return Err(ProcessError::NotRunning);
        }
        let room = self.input.write(input.bytes)?;
        if input.close {
            self.input.close();
        }
        Ok(room)
    }
}

impl Handler<Resize> for ProcessActor {
    type Result = Result<(), ProcessError>;

    fn handle(&mut self, Resize(size): Resize, _ctx: &mut Self::Context) -> Self::Result {
        if !self.running.get() {
            return Err(ProcessError::NotRunning);
        }
        let terminal = self.terminal.as_ref().ok_or(ProcessError::NoTerminal)?;
        Ok(terminal.resize(size)?)
    }
}

impl Handler<Kill> for ProcessActor {
    type Result = Result<(), ProcessError>;

    fn handle(&mut self, _kill: Kill, _ctx: &mut Self::Context) -> Self::Result {
        // What an ended process left running goes too.
        self.kill.cancel();
        match self.running.get() {
            true => Ok(()),
            false => Err(ProcessError::NotRunning),
        }
    }
}
