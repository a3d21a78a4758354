//! The patches that the rehearsal model writes.

/// A patch that creates a file.
pub(super) fn create(path: &str, content: &str) -> String {
    let lines: String = content.split('\n').map(|line| format!("+{line}\n")).collect();
    let lines = if content.ends_with('\n') {
        lines.strip_suffix("+\n").unwrap_or(&lines)
    } else {
        &lines
    };
    format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n")
}

/// A patch that adds lines to the end of a file.
pub(super) fn append(path: &str, text: &str) -> String {
    let lines: String = text
        .trim_end_matches('\n')
        .split('\n')
        .map(|line| format!("+{line}\n"))
        .collect();
    format!("*** Begin Patch\n*** Update File: {path}\n@@\n{lines}*** End Patch\n")
}

/// A patch that deletes a file.
pub(super) fn delete(path: &str) -> String {
    format!("*** Begin Patch\n*** Delete File: {path}\n*** End Patch\n")
}

/// A patch that replaces `from` by `to` in a file that holds `content`: in every line, or at the first place when
/// `from` spans lines. `None` when it is not there.
pub(super) fn replace(path: &str, content: &str, from: &str, to: &str) -> Option<String> {
    let mut chunks = String::new();
    if from.contains('\n') {
        let at = content.find(from)?;
        let start = content[..at].rfind('\n').map_or(0, |index| index + 1);
        let end = at + from.len();
        let end = content[end..].find('\n').map_or(content.len(), |index| end + index);
        push_chunk(
            &mut chunks,
            &content[start..end],
            &content[start..end].replacen(from, to, 1),
        );
    } else if !from.is_empty() {
        for line in content.lines().filter(|line| line.contains(from)) {
            push_chunk(&mut chunks, line, &line.replace(from, to));
        }
    }
    (!chunks.is_empty()).then(|| format!("*** Begin Patch\n*** Update File: {path}\n{chunks}*** End Patch\n"))
}

fn push_chunk(out: &mut String, old: &str, new: &str) {
    out.push_str("@@\n");
    for line in old.split('\n') {
        out.push_str(&format!("-{line}\n"));
    }
    for line in new.split('\n') {
        out.push_str(&format!("+{line}\n"));
    }
}
