//! Finding a chunk's lines in a file, although a model may have copied them inexactly.
//!
//! A ladder of ever looser comparisons: exact, trailing blanks ignored, blanks on both sides ignored, typographic
//! punctuation read as ASCII. A looser rung is tried only when no place in the file fits the stricter ones, so an exact
//! match further down wins over a loose one nearby.

/// The first place at or after `from` where `pattern` stands in `lines`. With `at_end` only the end of the file counts.
pub fn find(lines: &[&str], pattern: &[&str], from: usize, at_end: bool) -> Option<usize> {
    if pattern.is_empty() {
        return Some(from);
    }
    let last = lines.len().checked_sub(pattern.len())?;
    let first = if at_end { last } else { from };
    let rungs: [fn(&str, &str) -> bool; 4] = [
        |line, wanted| line == wanted,
        |line, wanted| line.trim_end() == wanted.trim_end(),
        |line, wanted| line.trim() == wanted.trim(),
        |line, wanted| plain(line).eq(plain(wanted)),
    ];
    rungs.iter().find_map(|same| {
        (first..=last).find(|&at| lines[at..].iter().zip(pattern).all(|(line, wanted)| same(line, wanted)))
    })
}

/// The characters of a trimmed line with typographic dashes, quotes and spaces as their ASCII relatives.
fn plain(line: &str) -> impl Iterator<Item = char> {
    line.trim().chars().map(|c| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}'..='\u{201B}' => '\'',
        '\u{201C}'..='\u{201F}' => '"',
        '\u{00A0}' | '\u{2002}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_strict_match_below_wins_over_a_loose_one_above() {
        let lines = ["a ", "b", "a", "b"];
        assert_eq!(find(&lines, &["a", "b"], 0, false), Some(2));
        assert_eq!(find(&lines, &["a  ", "b"], 0, false), Some(0));
    }

    #[test]
    fn the_ladder_reaches_typography() {
        assert_eq!(
            find(&["x \u{2014} \u{201C}y\u{201D}"], &["  x - \"y\""], 0, false),
            Some(0)
        );
    }

    #[test]
    fn the_end_is_only_the_end() {
        let lines = ["a", "b", "a"];
        assert_eq!(find(&lines, &["a"], 0, true), Some(2));
        assert_eq!(find(&lines, &["b"], 0, true), None);
        assert_eq!(find(&lines, &["a", "b", "a", "b"], 0, true), None);
        assert_eq!(find(&lines, &["a"], 3, false), None);
    }
}
