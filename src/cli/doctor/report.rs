//! What was found, and how it is shown.

use std::fmt::{Display, Write};

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// It works less well than it could.
    Warning,
    /// Something will not work.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    area: &'static str,
    name: &'static str,
    level: Level,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

#[derive(Serialize)]
struct Json<'a> {
    version: &'static str,
    healthy: bool,
    findings: &'a [Finding],
}

impl Report {
    fn add(
        &mut self,
        area: &'static str,
        name: &'static str,
        level: Level,
        text: impl Display,
        advice: Option<String>,
    ) {
        let text = text.to_string();
        self.0.push(Finding {
            area,
            name,
            level,
            text,
            advice,
        });
    }

    pub(super) fn good(&mut self, area: &'static str, name: &'static str, text: impl Display) {
        self.add(area, name, Level::Ok, text, None);
    }

    pub(super) fn note(&mut self, area: &'static str, name: &'static str, text: impl Display) {
        self.add(area, name, Level::Note, text, None);
    }

    pub(super) fn warning(&mut self, area: &'static str, name: &'static str, text: impl Display, advice: impl Display) {
        self.add(area, name, Level::Warning, text, Some(advice.to_string()));
    }

    pub(super) fn failure(&mut self, area: &'static str, name: &'static str, text: impl Display, advice: impl Display) {
        self.add(area, name, Level::Failure, text, Some(advice.to_string()));
    }

    /// Whether something will not work.
    pub(super) fn fails(&self) -> bool {
        self.count(Level::Failure) > 0
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&Json {
            version: env!("CARGO_PKG_VERSION"),
            healthy: !self.fails(),
            findings: &self.0,
        })
    }

    /// As lines for people.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut area = "";
        for finding in &self.0 {
            if finding.area != area {
                area = finding.area;
                let _ = writeln!(text, "{area}");
            }
            let mark = match finding.level {
                Level::Ok => "ok     ",
                Level::Note => "note   ",
                Level::Warning => "WARNING",
                Level::Failure => "FAILURE",
            };
            let _ = writeln!(text, "  {mark} {}: {}", finding.name, finding.text);
            if let Some(advice) = &finding.advice {
                let _ = writeln!(text, "          {advice}");
            }
        }
        let _ = write!(
            text,
            "{} failures, {} warnings",
            self.count(Level::Failure),
            self.count(Level::Warning)
        );
        text
    }
}
