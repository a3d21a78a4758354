//! One turn over a line: the handshake, the thread, the turn, its approvals, its end.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::approval::{self, Reply};
use super::line::ExecLine;
use super::printer::Printer;
use super::{ExecArgs, Yes};

/// What can go wrong before the turn ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("the server closed the connection")]
    Closed,
    #[error("{method}: {message}")]
    Refused { method: &'static str, message: String },
    #[error("cannot read the prompt: {0}")]
    Prompt(#[from] std::io::Error),
    #[error("the prompt is empty; say what the agent is to do")]
    EmptyPrompt,
    #[error("invalid -c `{0}`; expected KEY=VALUE")]
    Config(String),
}

/// How the turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Failed,
    Interrupted,
}

impl Outcome {
    fn of(status: &str) -> Self {
        match status {
            "completed" => Outcome::Completed,
            "interrupted" => Outcome::Interrupted,
            _ => Outcome::Failed,
        }
    }

    /// The process's exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Outcome::Completed => 0,
            Outcome::Failed => 1,
            Outcome::Interrupted => 130,
        }
    }
}

/// A message of the server, parsed.
struct Incoming {
    raw: String,
    message: Value,
}

struct Session {
    line: ExecLine,
    printer: Printer,
    yes: Option<Yes>,
    can_ask: bool,
    next_id: i64,
    /// Messages that came while an answer was awaited.
    waiting: Vec<Incoming>,
}

/// Runs the turn of `args` and returns how it ended.
pub(super) async fn run(args: ExecArgs, line: ExecLine) -> Result<Outcome, SessionError> {
    let prompt = args.prompt()?;
    if prompt.trim().is_empty() {
        return Err(SessionError::EmptyPrompt);
    }
    let printer = Printer::new(args.json);
    let mut session = Session {
        line,
        printer,
        yes: args.yes,
        can_ask: args.can_ask(),
        next_id: 0,
        waiting: Vec::new(),
    };
    session.printer.progress("connecting");
    let info = json!({"name": "greenroom_exec", "title": "greenroom exec", "version": env!("CARGO_PKG_VERSION")});
    session.call("initialize", json!({"clientInfo": info})).await?;
    session.send(json!({"method": "initialized"})).await?;
    let thread = session.open_thread(&args).await?;
    session.printer.progress("thinking");
    let input = json!([{"type": "text", "text": prompt}]);
    let started = session
        .call("turn/start", json!({"threadId": thread, "input": input}))
        .await?;
    let turn = started["turn"]["id"].as_str().unwrap_or_default().to_string();
    let outcome = session.follow(&thread, &turn).await?;
    let ended = match outcome {
        Outcome::Completed => "completed",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "was interrupted",
    };
    session.printer.finish(ended, &thread);
    Ok(outcome)
}

/// A value of `-c`: TOML when it parses as such, else the text itself.
fn config_value(text: &str) -> Value {
    let parsed = format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("value"));
    parsed
        .and_then(|value| serde_json::to_value(value).ok())
        .unwrap_or_else(|| json!(text))
}

impl Session {
    async fn send(&mut self, message: Value) -> Result<(), SessionError> {
        self.line
            .send
            .send(message.to_string())
            .await
            .map_err(|_| SessionError::Closed)
    }

    async fn receive(&mut self) -> Result<Incoming, SessionError> {
        loop {
            let raw = self.line.receive.recv().await.ok_or(SessionError::Closed)?;
            if let Ok(message) = serde_json::from_str(&raw) {
                return Ok(Incoming { raw, message });
            }
        }
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<i64, SessionError> {
        self.next_id += 1;
        let id = self.next_id;
        self.send(json!({"id": id, "method": method, "params": params})).await?;
        Ok(id)
    }

    /// Calls a method; what else arrives meanwhile is kept for later.
    async fn call(&mut self, method: &'static str, params: Value) -> Result<Value, SessionError> {
        let id = self.request(method, params).await?;
        loop {
            let incoming = self.receive().await?;
            let message = &incoming.message;
            if message.get("method").is_some() || message["id"] != id {
                self.waiting.push(incoming);
                continue;
            }
            if let Some(error) = message.get("error") {
                let text = error["message"].as_str().unwrap_or("unknown error").to_string();
                return Err(SessionError::Refused { method, message: text });
            }
            return Ok(message["result"].clone());
        }
    }

    async fn open_thread(&mut self, args: &ExecArgs) -> Result<String, SessionError> {
        let mut params = json!({});
        let cwd = match &args.cwd {
            Some(cwd) => Some(std::path::absolute(cwd)?),
            None if args.remote.is_none() => Some(std::env::current_dir()?),
            None => None,
        };
        if let Some(cwd) = cwd {
            params["cwd"] = json!(cwd);
        }
        if let Some(model) = &args.model {
            params["model"] = json!(model);
        }
        if let Some(sandbox) = &args.sandbox {
            params["sandbox"] = json!(sandbox);
        }
        if !args.config.is_empty() {
            let mut config: HashMap<&str, Value> = HashMap::new();
            for pair in &args.config {
                let (key, value) = pair.split_once('=').ok_or_else(|| SessionError::Config(pair.clone()))?;
                config.insert(key, config_value(value));
            }
            params["config"] = json!(config);
        }
        let opened = match &args.resume {
            Some(thread) => {
                params["threadId"] = json!(thread);
                self.call("thread/resume", params).await?
            }
            None => {
                params["ephemeral"] = json!(args.ephemeral);
                self.call("thread/start", params).await?
            }
        };
        Ok(opened["thread"]["id"].as_str().unwrap_or_default().to_string())
    }

    /// Shows the turn until it ends. The first Ctrl-C interrupts the turn, the second ends the program.
    async fn follow(&mut self, thread: &str, turn: &str) -> Result<Outcome, SessionError> {
        let mut kept: std::collections::VecDeque<Incoming> = std::mem::take(&mut self.waiting).into();
        let (asked, mut answers) = mpsc::channel::<(Value, Value)>(8);
        let mut interrupted = false;
        loop {
            let incoming = match kept.pop_front() {
                Some(incoming) => incoming,
                None => tokio::select! {
                    incoming = self.receive() => incoming?,
                    Some((id, result)) = answers.recv() => {
                        self.send(json!({"id": id, "result": result})).await?;
                        continue;
                    }
                    _ = tokio::signal::ctrl_c() => {
                        if interrupted {
                            return Ok(Outcome::Interrupted);
                        }
                        interrupted = true;
                        self.printer.progress("interrupting");
                        self.request("turn/interrupt", json!({"threadId": thread, "turnId": turn})).await?;
                        continue;
                    }
                },
            };
            let Some(method) = incoming.message["method"].as_str() else {
                continue;
            };
            let params = &incoming.message["params"];
            self.printer.show(&incoming.raw, method, params);
            if let Some(id) = incoming.message.get("id") {
                self.answer(id.clone(), method, params, &asked).await?;
            } else if method == "turn/completed" && params["turn"]["id"] == *turn {
                return Ok(Outcome::of(params["turn"]["status"].as_str().unwrap_or_default()));
            }
        }
    }

    /// Answers a request of the server, at once or when the person decided.
    async fn answer(
        &mut self,
        id: Value,
        method: &str,
        params: &Value,
        asked: &mpsc::Sender<(Value, Value)>,
    ) -> Result<(), SessionError> {
        match approval::reply_to(method, params, self.yes) {
            Reply::Result(result) => self.send(json!({"id": id, "result": result})).await,
            Reply::Unsupported => {
                let error = json!({"code": -32601, "message": format!("greenroom exec cannot answer {method}")});
                self.send(json!({"id": id, "error": error})).await
            }
            Reply::Ask(question) if self.can_ask => {
                // One question at a time: the terminal is blocked, not the connection.
                let asked = asked.clone();
                let question = self.printer.pause(|| question);
                tokio::task::spawn_blocking(move || {
                    let decision = approval::ask(&question);
                    let _ = asked.blocking_send((id, approval::decision(decision)));
                });
                Ok(())
            }
            Reply::Ask(question) => {
                let first = question.lines().next().unwrap_or_default();
                let why = format!("declined, nobody to ask: {first} (allow it with --yes)");
                self.printer.line(anstyle::Style::new(), &why);
                self.send(json!({"id": id, "result": approval::decision(approval::Decision::Decline)}))
                    .await
            }
        }
    }
}
