//! Telling the operands of a command from its options, without knowing all of them.
//!
//! A word that begins with `-` is an option (or standard input, which is no file); those that take their value as the next word have to be named. Behind
//! `--` everything is an operand.

/// The operands of a command whose options in `valued` are followed by a value.
pub(super) fn operands<'a>(arguments: &'a [String], valued: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if word == "--" {
            found.extend(words);
            break;
        }
        if valued.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            found.push(word);
        }
    }
    found
}

/// The first operand.
pub(super) fn first<'a>(arguments: &'a [String], valued: &[&str]) -> Option<&'a str> {
    operands(arguments, valued).first().copied()
}

/// The operand, if there is exactly one.
pub(super) fn only<'a>(arguments: &'a [String], valued: &[&str]) -> Option<&'a str> {
    match operands(arguments, valued).as_slice() {
        [one] => Some(one),
        _ => None,
    }
}
