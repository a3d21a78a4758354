//! The plain instructions that the rehearsal model understands, read from a prompt.
//!
//! One instruction a line; several in a line are joined by `then`. Texts may stand in quotes, in backquotes, or (what a
//! file is created with) in a fenced block below the line. Anything else is not understood, and said so.

/// A prompt, understood as far as it goes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Script {
    /// What to do, in order.
    pub(super) instructions: Vec<Instruction>,
    /// Whether to stream with pauses.
    pub(super) slowly: bool,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Say a text.
    Say(String),
    /// Reason about a text, for the show.
    Think(String),
    /// Run a command.
    Run(String),
    /// Create a file, or replace it.
    Create { path: String, content: String },
    /// Add lines to the end of a file.
    Append { path: String, text: String },
    /// Replace a text in a file.
    Replace { path: String, from: String, to: String },
    /// Delete a file.
    Delete(String),
    /// Write down a plan.
    Plan(Vec<String>),
    /// Words that are no instruction.
    Unknown(String),
}

/// Reads a prompt.
pub(super) fn parse(prompt: &str) -> Script {
    let mut script = Script::default();
    let mut lines = prompt.lines().peekable();
    while let Some(line) = lines.next() {
        let line = bare(line);
        if line.is_empty() {
            continue;
        }
        let mut segments = split_at_then(line);
        let last = segments.pop().unwrap_or(line);
        for segment in segments {
            push(&mut script, segment, None);
        }
        let fenced = lines.peek().is_some_and(|next| next.trim_start().starts_with("```"));
        let block = fenced.then(|| {
            lines.next();
            let block: Vec<&str> = lines
                .by_ref()
                .take_while(|line| !line.trim_start().starts_with("```"))
                .collect();
            block.join("\n")
        });
        push(&mut script, last, block);
    }
    script
}

fn push(script: &mut Script, segment: &str, block: Option<String>) {
    let (segment, slowly) = without_slowly(segment);
    script.slowly |= slowly;
    let understood = instruction(segment, block);
    script
        .instructions
        .push(understood.unwrap_or_else(|| Instruction::Unknown(segment.to_owned())));
}

fn instruction(segment: &str, block: Option<String>) -> Option<Instruction> {
    let (verb, rest) = word(segment)?;
    let rest = rest.trim_start_matches(':').trim();
    match verb.to_ascii_lowercase().trim_end_matches(':') {
        "say" => text(rest, block).map(Instruction::Say),
        "reply" | "answer" => text(skip(rest, &["with"]), block).map(Instruction::Say),
        "think" => text(skip(rest, &["about"]), block).map(Instruction::Think),
        "run" | "execute" => command(skip(rest, &["the", "command"]), block).map(Instruction::Run),
        "read" | "show" => path(rest).map(|(path, _)| Instruction::Run(format!("cat {}", shell_word(&path)))),
        "create" | "write" => create(rest, block),
        "append" => append(rest),
        "edit" | "change" => edit(rest),
        "replace" => replace_in(rest),
        "delete" | "remove" => path(rest).map(|(path, _)| Instruction::Delete(path)),
        "plan" => plan(rest),
        _ => None,
    }
}

fn create(rest: &str, block: Option<String>) -> Option<Instruction> {
    let (path, rest) = path(skip(rest, &["a", "the", "file"]))?;
    let rest = skip(rest, &["with", "containing", "the", "content", "contents", "text"]);
    let content = match block {
        Some(block) => block,
        None if rest.is_empty() => String::new(),
        None => quoted(rest).map_or_else(|| rest.to_owned(), |(text, _)| unescape(&text)),
    };
    Some(Instruction::Create { path, content })
}

/// `append TEXT to FILE`
fn append(rest: &str) -> Option<Instruction> {
    let (text, rest) = match quoted(rest) {
        Some((text, rest)) => (unescape(&text), rest),
        None => {
            let (text, _) = rest.rsplit_once(" to ")?;
            (text.to_owned(), &rest[text.len()..])
        }
    };
    let (path, _) = path(skip(rest, &["to", "the", "file"]))?;
    Some(Instruction::Append { path, text })
}

/// `edit FILE: replace A with B`, `edit FILE: append TEXT`
fn edit(rest: &str) -> Option<Instruction> {
    let (path, rest) = path(skip(rest, &["the", "file"]))?;
    let rest = rest.trim_start_matches([':', ',']).trim_start();
    let (verb, rest) = word(skip(rest, &["and"]))?;
    match verb.to_ascii_lowercase().as_str() {
        "replace" => {
            let (from, rest) = until(rest, " with ")?;
            let to = quoted(rest).map_or_else(|| rest.trim().to_owned(), |(text, _)| unescape(&text));
            Some(Instruction::Replace { path, from, to })
        }
        "append" | "add" => text(rest, None).map(|text| Instruction::Append { path, text }),
        _ => None,
    }
}

/// `replace A with B in FILE`
fn replace_in(rest: &str) -> Option<Instruction> {
    let (from, rest) = until(rest, " with ")?;
    let (to, rest) = match quoted(rest) {
        Some((text, rest)) => (unescape(&text), rest),
        None => {
            let (to, file) = rest.rsplit_once(" in ")?;
            (to.trim().to_owned(), file)
        }
    };
    let (path, _) = path(skip(rest, &["in", "the", "file"]))?;
    Some(Instruction::Replace { path, from, to })
}

fn plan(rest: &str) -> Option<Instruction> {
    let steps = rest.split(';').map(|step| step.trim().trim_end_matches('.'));
    let steps: Vec<String> = steps.filter(|step| !step.is_empty()).map(str::to_owned).collect();
    (!steps.is_empty()).then_some(Instruction::Plan(steps))
}

/// A text in quotes, or all that is left, or a fenced block.
fn text(rest: &str, block: Option<String>) -> Option<String> {
    let text = match (quoted(rest), block) {
        (Some((text, _)), _) => unescape(&text),
        (None, Some(block)) => format!("{rest}\n{block}").trim_start().to_owned(),
        (None, None) => rest.to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// A command in quotes, or all that is left, or a fenced block. Backslashes are the shell's.
fn command(rest: &str, block: Option<String>) -> Option<String> {
    let command = match (quoted(rest), block) {
        (Some((command, _)), _) => command.replace("\\\"", "\""),
        (None, Some(block)) => block,
        (None, None) => rest.to_owned(),
    };
    (!command.trim().is_empty()).then_some(command)
}

/// A path: a word, or in quotes. A colon or comma behind it is left over.
fn path(rest: &str) -> Option<(String, &str)> {
    if let Some((path, rest)) = quoted(rest) {
        return (!path.is_empty()).then_some((path, rest));
    }
    let (path, rest) = word(rest)?;
    let bare = path.trim_end_matches([':', ',']);
    (!bare.is_empty()).then(|| (bare.to_owned(), rest))
}

/// The part before `mark`, in quotes or not, and what follows the mark.
fn until<'a>(rest: &'a str, mark: &str) -> Option<(String, &'a str)> {
    if let Some((text, after)) = quoted(rest) {
        return Some((unescape(&text), after.strip_prefix(mark.trim())?.trim_start()));
    }
    let (text, after) = rest.split_once(mark)?;
    Some((text.trim().to_owned(), after.trim_start()))
}

/// The inside of the quotes that a text begins with, and what follows them.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '`' | '"' | '\''))?;
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return Some((text[1..index].to_owned(), text[index + 1..].trim_start()));
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(next)) if matches!(next, 'n' | 't' | '"' | '\\') => {
                chars.next();
                out.push(match next {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                });
            }
            _ => out.push(c),
        }
    }
    out
}

/// Cuts a line at ` then ` where an instruction follows, outside of quotes.
fn split_at_then(line: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let (mut start, mut quote) = (0, None);
    for (index, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            // An apostrophe within a word opens nothing.
            None if matches!(c, '`' | '"') || (c == '\'' && line[..index].ends_with(' ')) => quote = Some(c),
            None => {
                if let Some(rest) = line[index..].strip_prefix(" then ")
                    && index >= start
                    && !matches!(instruction(rest, None), None | Some(Instruction::Unknown(_)))
                {
                    segments.push(trimmed_end(&line[start..index]));
                    start = index + " then ".len();
                }
            }
        }
    }
    segments.push(&line[start..]);
    segments
}

fn trimmed_end(segment: &str) -> &str {
    let segment = segment.trim_end_matches([',', ';', ' ']);
    segment
        .strip_suffix(" and")
        .unwrap_or(segment)
        .trim_end_matches([',', ';', ' '])
}

fn without_slowly(segment: &str) -> (&str, bool) {
    let segment = segment.trim();
    if let Some((first, rest)) = word(segment)
        && first.eq_ignore_ascii_case("slowly")
    {
        return (rest, true);
    }
    match segment.strip_suffix(" slowly") {
        Some(rest) => (rest, true),
        None => (segment, false),
    }
}

/// A line without list marks, courtesy and the like.
fn bare(line: &str) -> &str {
    let line = line.trim().trim_start_matches(['-', '*', '•']).trim_start();
    let numbered = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let line = match numbered.strip_prefix(['.', ')']) {
        Some(rest) if numbered.len() < line.len() => rest.trim_start(),
        _ => line,
    };
    skip(line, &["please", "then", "first", "now", "and"])
}

/// Passes over leading words of a list.
fn skip<'a>(text: &'a str, words: &[&str]) -> &'a str {
    let mut text = text.trim_start();
    while let Some((first, rest)) = word(text)
        && words.contains(&first.to_ascii_lowercase().trim_end_matches([',', ':']))
    {
        text = rest;
    }
    text
}

fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], text[end..].trim_start()))
}

/// A word for the shell, in quotes when it needs them.
pub(super) fn shell_word(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests;
