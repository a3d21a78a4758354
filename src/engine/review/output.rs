//! The reviewer's answer: read as the JSON it was asked for, or taken as it is, and put into words.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::NOTHING_SAID;

/// What a review found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReviewOutput {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Whether the change is correct, in the reviewer's words.
    pub overall_correctness: String,
    /// Why.
    pub overall_explanation: String,
    /// How sure the reviewer is, from 0 to 1.
    pub overall_confidence_score: f64,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is, in a line.
    pub title: String,
    /// What it is, in a paragraph.
    pub body: String,
    /// How sure the reviewer is, from 0 to 1.
    pub confidence_score: f64,
    /// From 0, the most urgent, to 3.
    pub priority: i32,
    /// Where it is.
    pub code_location: CodeLocation,
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodeLocation {
    /// The file.
    pub absolute_file_path: String,
    /// The lines.
    pub line_range: LineRange,
}

/// Lines of a file, from 1, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineRange {
    /// The first.
    pub start: u32,
    /// The last.
    pub end: u32,
}

impl ReviewOutput {
    /// Reads an answer. JSON may stand among other words; an answer without it is the explanation itself.
    pub fn read(answer: &str) -> Self {
        let embedded = || {
            let (start, end) = (answer.find('{')?, answer.rfind('}')?);
            serde_json::from_str(answer.get(start..=end)?).ok()
        };
        serde_json::from_str(answer)
            .ok()
            .or_else(embedded)
            .unwrap_or_else(|| ReviewOutput {
                overall_explanation: answer.to_owned(),
                ..ReviewOutput::default()
            })
    }

    /// The review as people read it.
    pub fn in_words(&self) -> String {
        let words = self.results();
        match words.trim_start() {
            "" => NOTHING_SAID.to_owned(),
            words => words.to_owned(),
        }
    }

    /// The review as the thread's model is told it.
    pub fn results(&self) -> String {
        let mut text = self.overall_explanation.trim().to_owned();
        match self.findings.len() {
            0 => return text,
            1 => text.push_str("\n\nReview comment:\n"),
            _ => text.push_str("\n\nFull review comments:\n"),
        }
        for finding in &self.findings {
            let CodeLocation {
                absolute_file_path: path,
                line_range: LineRange { start, end },
            } = &finding.code_location;
            // Writing to a string cannot fail.
            let _ = write!(text, "\n- {} — {path}:{start}-{end}", finding.title);
            for line in finding.body.lines() {
                let _ = write!(text, "\n  {line}");
            }
            text.push('\n');
        }
        text.pop();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(findings: &str, explanation: &str) -> String {
        format!(
            r#"{{"findings":[{findings}],"overall_correctness":"patch is correct","overall_explanation":"{explanation}","overall_confidence_score":1}}"#
        )
    }

    fn finding(title: &str, body: &str) -> String {
        format!(
            r#"{{"title":"{title}","body":"{body}","confidence_score":0.9,"priority":1,"code_location":{{"absolute_file_path":"/f.rs","line_range":{{"start":1,"end":2}}}}}}"#
        )
    }

    #[test]
    fn one_finding_and_several_read_differently() {
        let one = ReviewOutput::read(&answer(&finding("A", "x\\n\\ny\\n"), " Fine. "));
        assert_eq!(
            one.in_words(),
            "Fine.\n\nReview comment:\n\n- A — /f.rs:1-2\n  x\n  \n  y"
        );
        let two = format!("{},{}", finding("A", "x"), finding("B", ""));
        let two = ReviewOutput::read(&format!("Here: {} Done.", answer(&two, "")));
        let list = "Full review comments:\n\n- A — /f.rs:1-2\n  x\n\n- B — /f.rs:1-2";
        assert_eq!(two.in_words(), list);
        assert_eq!(two.results(), format!("\n\n{list}"));
    }

    #[test]
    fn what_is_not_the_json_asked_for_is_taken_as_words() {
        for words in ["No faults {at all}.", r#"{"findings":[]}"#, "{", "}{"] {
            let output = ReviewOutput::read(words);
            assert_eq!((output.overall_explanation.as_str(), output.findings.len()), (words, 0));
        }
        let broken = answer(&finding("A", "x").replace("\"end\":2", "\"end\":-2"), "why");
        assert_eq!(ReviewOutput::read(&broken).in_words(), broken);
    }

    #[test]
    fn a_priority_is_wanted_and_an_empty_review_says_so() {
        let unsure = answer(&finding("A", "x").replace(r#""priority":1"#, r#""priority":null"#), "");
        assert_eq!(ReviewOutput::read(&unsure).in_words(), unsure);
        assert_eq!(ReviewOutput::read(&answer("", "")).in_words(), NOTHING_SAID);
        assert_eq!(ReviewOutput::read(&answer("", "")).results(), "");
    }
}
