//! Prints a turn as it happens: the answer on stdout, everything else on stderr.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

const DIM: Style = Style::new().dimmed();
const GREEN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const RED: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Red)));
const CYAN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan)));
const BOLD: Style = Style::new().bold();

/// Where a turn is shown.
pub(super) struct Printer {
    json: bool,
    progress: Option<ProgressBar>,
    /// Whether the cursor stands behind streamed text.
    mid_line: bool,
}

impl Printer {
    /// A printer of text, or of JSON lines.
    pub(super) fn new(json: bool) -> Self {
        let progress = (!json && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Printer {
            json,
            progress,
            mid_line: false,
        }
    }

    /// Says in the progress line what is going on.
    pub(super) fn progress(&self, what: &str) {
        if let Some(bar) = &self.progress {
            bar.set_message(what.to_string());
        }
    }

    /// Hides the progress line while somebody is asked.
    pub(super) fn pause<T>(&self, ask: impl FnOnce() -> T) -> T {
        match &self.progress {
            Some(bar) => bar.suspend(ask),
            None => ask(),
        }
    }

    /// Shows one message of the server. `raw` is its text.
    pub(super) fn show(&mut self, raw: &str, method: &str, params: &Value) {
        if self.json {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{raw}");
            let _ = out.flush();
            return;
        }
        match method {
            "item/agentMessage/delta" => self.stream(text(params, "delta"), Style::new()),
            "item/reasoning/summaryTextDelta" => self.aside(text(params, "delta")),
            "item/started" => self.started(&params["item"]),
            "item/completed" => self.completed(&params["item"]),
            "turn/plan/updated" => self.plan(params),
            "error" => self.line(RED, &format!("error: {}", text(&params["error"], "message"))),
            "warning" => self.line(DIM, &format!("warning: {}", text(params, "message"))),
            "configWarning" => self.line(DIM, &format!("warning: {}", text(params, "summary"))),
            "thread/tokenUsage/updated" => {
                let total = params["tokenUsage"]["total"]["totalTokens"]
                    .as_i64()
                    .unwrap_or_default();
                self.progress(&format!("{total} tokens"));
            }
            _ => {}
        }
    }

    fn started(&mut self, item: &Value) {
        match text(item, "type") {
            "commandExecution" => self.progress(&format!("running {}", first_line(text(item, "command")))),
            "reasoning" => self.progress("thinking"),
            "agentMessage" => self.progress("answering"),
            "fileChange" => {
                self.progress("changing files");
                self.changes(item);
            }
            _ => {}
        }
    }

    fn completed(&mut self, item: &Value) {
        match text(item, "type") {
            "agentMessage" => self.end_line(),
            "commandExecution" => {
                let code = item["exitCode"].as_i64();
                let style = if code == Some(0) { GREEN } else { RED };
                let outcome = code.map_or(text(item, "status").to_string(), |code| format!("exit {code}"));
                self.line(CYAN, &format!("$ {}", text(item, "command")));
                if let Some(output) = item["aggregatedOutput"].as_str() {
                    for line in output.lines().take(20) {
                        self.line(DIM, &format!("  {line}"));
                    }
                    let more = output.lines().count().saturating_sub(20);
                    if more > 0 {
                        self.line(DIM, &format!("  … {more} more lines"));
                    }
                }
                self.line(style, &format!("  {outcome}"));
            }
            "fileChange" => self.line(BOLD, &format!("files: {}", text(item, "status"))),
            _ => {}
        }
    }

    fn changes(&mut self, item: &Value) {
        for change in item["changes"].as_array().into_iter().flatten() {
            self.line(
                CYAN,
                &format!("{} {}", text(&change["kind"], "type"), text(change, "path")),
            );
            for line in text(change, "diff").lines().take(60) {
                let style = match line.as_bytes().first() {
                    Some(b'+') => GREEN,
                    Some(b'-') => RED,
                    _ => DIM,
                };
                self.line(style, &format!("  {line}"));
            }
        }
    }

    fn plan(&mut self, params: &Value) {
        for step in params["plan"].as_array().into_iter().flatten() {
            let mark = match text(step, "status") {
                "completed" => "✔",
                "inProgress" => "▸",
                _ => "·",
            };
            self.line(CYAN, &format!("{mark} {}", text(step, "step")));
        }
    }

    /// Text of the answer, as it comes.
    fn stream(&mut self, delta: &str, style: Style) {
        self.pause(|| {
            let mut out = anstream::stdout().lock();
            let _ = write!(out, "{style}{delta}{style:#}");
            let _ = out.flush();
        });
        self.mid_line = !delta.ends_with('\n');
    }

    fn aside(&mut self, delta: &str) {
        self.pause(|| drop(write!(anstream::stderr(), "{DIM}{delta}{DIM:#}")));
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.mid_line) {
            self.pause(|| drop(writeln!(anstream::stdout())));
        }
    }

    /// One line on stderr.
    pub(super) fn line(&mut self, style: Style, line: &str) {
        self.end_line();
        if !self.json {
            self.pause(|| drop(writeln!(anstream::stderr(), "{style}{line}{style:#}")));
        }
    }

    /// The last word.
    pub(super) fn finish(&mut self, ended: &str, thread: &str) {
        self.end_line();
        if let Some(bar) = self.progress.take() {
            bar.finish_and_clear();
        }
        self.line(
            DIM,
            &format!("turn {ended}; go on with: greenroom exec --resume {thread} PROMPT"),
        );
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
