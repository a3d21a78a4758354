//! Reading shell scripts: which plain commands a script is made of, and whether it only feeds a patch to `apply_patch`.
//!
//! The reading is deliberately narrow. A script counts as plain when it consists of nothing but literal words joined
//! by `&&`, `||`, `;`, `|` and newlines, so that what is judged is exactly what runs. Redirections, substitutions,
//! variables, assignments, groups, background jobs, comments and control flow make it complex. The tree is walked
//! without recursion, since its depth is the model's to choose.

use std::borrow::Cow;

use tree_sitter::{Node, Parser, Tree};

/// Scripts longer than this are not judged.
const MAX_PLAIN_SCRIPT: usize = 64 * 1024;

/// A command of literal words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainCommand {
    /// Its words, quotes and escapes resolved.
    pub argv: Vec<String>,
    /// Whether the shell still expands a word: a pattern, braces, a tilde.
    pub expands: bool,
}

/// What a script is, as far as it can be told by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Plain commands, in the order they stand in.
    Plain(Vec<PlainCommand>),
    /// One plain command that reads a literal here-document.
    Heredoc(PlainCommand),
    /// Anything else.
    Complex,
}

/// A script that does nothing but call `apply_patch` with a here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchScript {
    /// The folder of a leading `cd FOLDER &&`.
    pub folder: Option<String>,
    /// The patch.
    pub patch: String,
}

/// Reads a script.
pub fn read(script: &str) -> Script {
    if script.len() > MAX_PLAIN_SCRIPT {
        return Script::Complex;
    }
    let Some(tree) = parse(script) else {
        return Script::Complex;
    };
    if let Some(commands) = plain_commands(&tree, script) {
        return Script::Plain(commands);
    }
    match heredoc_statement(&tree, script) {
        Some(Heredoc {
            body, literal: true, ..
        }) => match plain_command(body, script) {
            Some(command) => Script::Heredoc(command),
            None => Script::Complex,
        },
        _ => Script::Complex,
    }
}

/// The patch of a script that is exactly `[cd FOLDER &&] apply_patch <<EOF … EOF`.
pub fn patch_script(script: &str) -> Option<PatchScript> {
    if !script.contains("apply_patch") && !script.contains("applypatch") {
        return None;
    }
    let tree = parse(script)?;
    let heredoc = heredoc_statement(&tree, script)?;
    let (folder, call) = match heredoc.body.kind() {
        "command" => (None, heredoc.body),
        "list" => {
            let [cd, and, call] = children(heredoc.body)?;
            let cd = plain_command(cd, script)?;
            let [name, folder] = cd.argv.as_slice() else {
                return None;
            };
            if name != "cd" || and.kind() != "&&" {
                return None;
            }
            (Some(folder.clone()), call)
        }
        _ => return None,
    };
    let call = plain_command(call, script)?;
    match call.argv.as_slice() {
        [name] if name == "apply_patch" || name == "applypatch" => Some(PatchScript {
            folder,
            patch: heredoc.text,
        }),
        _ => None,
    }
}

/// Parses a script; `None` when it has a syntax error.
fn parse(script: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
    let tree = parser.parse(ascii(script).as_ref(), None);
    tree.filter(|tree| !tree.root_node().has_error())
}

/// The script with every byte of a character beyond ASCII as a dot, which is as much a part of a word, and of no name.
///
/// The grammar's scanner looks characters up in a table without knowing its end; those of the higher planes lie far
/// behind it, and reading there ends the process. Places stay the same, so texts are taken from the script itself.
fn ascii(script: &str) -> Cow<'_, [u8]> {
    if script.is_ascii() {
        return Cow::Borrowed(script.as_bytes());
    }
    let bytes = script.bytes();
    bytes
        .map(|byte| if byte.is_ascii() { byte } else { b'.' })
        .collect::<Vec<u8>>()
        .into()
}

/// All commands of a script that has nothing else in it.
fn plain_commands(tree: &Tree, script: &str) -> Option<Vec<PlainCommand>> {
    let mut commands = Vec::new();
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        let descend = match (node.is_named(), node.kind()) {
            (true, "program" | "list" | "pipeline") => true,
            (true, "command") => {
                commands.push(plain_command(node, script)?);
                false
            }
            (false, "&&" | "||" | ";" | "|" | "\n") => false,
            _ => return None,
        };
        if descend && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return Some(commands).filter(|commands| !commands.is_empty());
            }
        }
    }
}

/// A command whose words are all literal.
fn plain_command(node: Node<'_>, script: &str) -> Option<PlainCommand> {
    if node.kind() != "command" {
        return None;
    }
    let mut command = PlainCommand {
        argv: Vec::new(),
        expands: false,
    };
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        let word = match child.kind() {
            "command_name" => child.named_child(0)?,
            _ => child,
        };
        command.argv.push(literal(word, script, &mut command.expands)?);
    }
    Some(command)
}

/// The text of a literal word.
fn literal(node: Node<'_>, script: &str, expands: &mut bool) -> Option<String> {
    let text = script.get(node.byte_range())?;
    match node.kind() {
        "word" | "number" => {
            *expands |= node.kind() == "word" && text.contains(['*', '?', '[', '~', '{']);
            Some(unescape(text, |_| true))
        }
        "raw_string" => Some(text.strip_prefix('\'')?.strip_suffix('\'')?.to_owned()),
        "string" => {
            let mut cursor = node.walk();
            let literal = node
                .named_children(&mut cursor)
                .all(|child| child.kind() == "string_content");
            let inner = text.strip_prefix('"')?.strip_suffix('"')?;
            literal.then(|| unescape(inner, |c| matches!(c, '"' | '\\' | '$' | '`' | '\n')))
        }
        "concatenation" => {
            let mut whole = String::new();
            let mut cursor = node.walk();
            for part in node.children(&mut cursor) {
                if part.kind() == "concatenation" {
                    return None;
                }
                whole += &literal(part, script, expands)?;
            }
            *expands |= whole.contains('{');
            Some(whole)
        }
        _ => None,
    }
}

/// Resolves backslashes before the characters that `escapes` names; an escaped newline vanishes.
fn unescape(text: &str, escapes: impl Fn(char) -> bool) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match rest.next() {
            Some('\n') => {}
            Some(next) if escapes(next) => result.push(next),
            Some(next) => result.extend(['\\', next]),
            None => result.push('\\'),
        }
    }
    result
}

/// A script that is one statement with one here-document.
struct Heredoc<'tree> {
    /// The command, or the list that ends with it.
    body: Node<'tree>,
    /// The text of the document.
    text: String,
    /// Whether the shell expands nothing in it.
    literal: bool,
}

fn heredoc_statement<'tree>(tree: &'tree Tree, script: &str) -> Option<Heredoc<'tree>> {
    let [statement] = children(tree.root_node())?;
    if statement.kind() != "redirected_statement" {
        return None;
    }
    let [body, redirect] = children(statement)?;
    if redirect.kind() != "heredoc_redirect" {
        return None;
    }
    let [arrow, start, document, end] = children(redirect)?;
    if start.kind() != "heredoc_start" || document.kind() != "heredoc_body" || end.kind() != "heredoc_end" {
        return None;
    }
    let quoted = script.get(start.byte_range())?.contains(['\'', '"', '\\']);
    let mut cursor = document.walk();
    let expansions = document
        .named_children(&mut cursor)
        .any(|child| child.kind() != "heredoc_content");
    let text = script.get(document.byte_range())?;
    let text = match arrow.kind() {
        "<<-" => text
            .lines()
            .map(|line| line.trim_start_matches('\t'))
            .collect::<Vec<_>>()
            .join("\n"),
        _ => text.strip_suffix('\n').unwrap_or(text).to_owned(),
    };
    Some(Heredoc {
        body,
        text,
        literal: quoted || !expansions,
    })
}

/// The children of a node that has exactly `N`.
fn children<const N: usize>(node: Node<'_>) -> Option<[Node<'_>; N]> {
    let mut cursor = node.walk();
    let found: Vec<_> = node.children(&mut cursor).collect();
    found.try_into().ok()
}

#[cfg(test)]
mod tests;
