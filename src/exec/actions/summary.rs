//! What one plain command is about.
//!
//! Programs are known by their bare names. Of options only those matter that take a value, so that it is not mistaken
//! for an operand.

use super::operands::{first, only, operands};
use crate::exec::safety::is_line_range;

/// What a command is about. Paths are as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Summary {
    /// Prints a file, or a part of it.
    Read { path: String },
    /// Lists files.
    List { path: Option<String> },
    /// Looks for something.
    Search {
        query: Option<String>,
        path: Option<String>,
    },
    /// Anything else.
    Other,
}

const GREP_VALUED: &[&str] = &[
    "-m",
    "--max-count",
    "-C",
    "--context",
    "-A",
    "--after-context",
    "-B",
    "--before-context",
    "-d",
    "-D",
];
const RG_VALUED: &[&str] = &[
    "-g",
    "--glob",
    "--iglob",
    "-t",
    "--type",
    "-T",
    "--type-not",
    "--type-add",
    "-m",
    "--max-count",
    "-A",
    "-B",
    "-C",
    "--context",
    "--max-depth",
    "-d",
    "-j",
    "--threads",
    "-M",
    "--max-columns",
    "--sort",
    "-r",
    "--replace",
];
const AG_VALUED: &[&str] = &[
    "-G",
    "-g",
    "--file-search-regex",
    "--ignore-dir",
    "--ignore-file",
    "--path-to-ignore",
];
const FD_VALUED: &[&str] = &[
    "-t",
    "--type",
    "-e",
    "--extension",
    "-E",
    "--exclude",
    "--search-path",
    "-d",
    "--max-depth",
];
const LS_VALUED: &[&str] = &[
    "-I",
    "-w",
    "--block-size",
    "--format",
    "--time-style",
    "--color",
    "--quoting-style",
];
const EZA_VALUED: &[&str] = &["-I", "--ignore-glob", "--color", "--sort", "--time-style", "--time"];
const TREE_VALUED: &[&str] = &["-L", "-P", "-I", "--charset", "--filelimit", "--sort"];
const DU_VALUED: &[&str] = &["-d", "--max-depth", "-B", "--block-size", "--exclude", "--time-style"];
const LS_FILES_VALUED: &[&str] = &["--exclude", "--exclude-from", "--pathspec-from-file", "-x", "-X"];
const BAT_VALUED: &[&str] = &[
    "--theme",
    "--language",
    "--style",
    "--terminal-width",
    "--tabs",
    "--line-range",
    "--map-syntax",
    "-l",
    "-r",
];
const LESS_VALUED: &[&str] = &[
    "-p",
    "-P",
    "-x",
    "-y",
    "-z",
    "-j",
    "--pattern",
    "--prompt",
    "--tabs",
    "--shift",
    "--jump-target",
];
const NL_VALUED: &[&str] = &["-s", "-w", "-v", "-i", "-b"];

/// Whether a command in a longer script only shapes what others print.
pub(super) fn only_shapes_output(argv: &[String]) -> bool {
    let Some((program, arguments)) = argv.split_first() else {
        return true;
    };
    match program.as_str() {
        "wc" | "tr" | "cut" | "sort" | "uniq" | "tee" | "column" | "yes" | "printf" => true,
        "xargs" => !xargs_changes_files(arguments),
        "awk" | "gawk" | "mawk" | "nawk" => awk_file(arguments).is_none(),
        "head" | "tail" => {
            matches!(arguments, [] | [_]) && part_of(program, arguments).is_none() || {
                matches!(arguments, [n, _] if n == "-n" || n == "-c")
            }
        }
        "sed" => {
            let script_given = arguments.iter().any(|word| word == "-e" || word == "-f");
            !changes_in_place(arguments) && operands(arguments, &["-e", "-f"]).len() <= usize::from(!script_given)
        }
        "nl" => first(arguments, NL_VALUED).is_none(),
        _ => false,
    }
}

/// What a command is about.
pub(super) fn summarise(argv: &[String]) -> Summary {
    let Some((program, arguments)) = argv.split_first() else {
        return Summary::Other;
    };
    match program.as_str() {
        "ls" => list(first(arguments, LS_VALUED)),
        "eza" | "exa" => list(first(arguments, EZA_VALUED)),
        "tree" => list(first(arguments, TREE_VALUED)),
        "du" => list(first(arguments, DU_VALUED)),
        "rg" | "rga" | "ripgrep-all" => ripgrep(arguments),
        "fd" => fd(arguments),
        "find" => find(arguments),
        "grep" | "egrep" | "fgrep" => grep(arguments),
        "ag" | "ack" | "pt" => search(&operands(arguments, AG_VALUED)),
        "git" => match arguments.split_first() {
            Some((sub, rest)) if sub == "grep" => grep(rest),
            Some((sub, rest)) if sub == "ls-files" => list(first(rest, LS_FILES_VALUED)),
            _ => Summary::Other,
        },
        "cat" | "more" => read(only(arguments, &[])),
        "bat" | "batcat" => read(only(arguments, BAT_VALUED)),
        "less" => read(only(arguments, LESS_VALUED)),
        "head" | "tail" => read(part_of(program, arguments)),
        "awk" | "gawk" | "mawk" | "nawk" => read(awk_file(arguments)),
        "nl" => read(first(arguments, NL_VALUED)),
        "sed" => read(sed_file(arguments)),
        name if name.starts_with("python") => match arguments {
            [flag, script, ..] if flag == "-c" && lists_files_in_python(script) => list(None),
            _ => Summary::Other,
        },
        _ => Summary::Other,
    }
}

fn read(path: Option<&str>) -> Summary {
    match path {
        Some(path) => Summary::Read { path: path.to_owned() },
        None => Summary::Other,
    }
}

fn list(path: Option<&str>) -> Summary {
    Summary::List {
        path: path.map(str::to_owned),
    }
}

fn search(operands: &[&str]) -> Summary {
    Summary::Search {
        query: operands.first().map(|query| (*query).to_owned()),
        path: operands.get(1).map(|path| (*path).to_owned()),
    }
}

fn ripgrep(arguments: &[String]) -> Summary {
    let operands = operands(arguments, RG_VALUED);
    if arguments.iter().any(|word| word == "--files") {
        return list(operands.first().copied());
    }
    search(&operands)
}

fn grep(arguments: &[String]) -> Summary {
    let mut pattern = None;
    let mut rest = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-e" | "--regexp" | "-f" | "--file" => pattern = pattern.or(words.next().map(String::as_str)),
            _ => rest.push(word.clone()),
        }
    }
    let operands = operands(&rest, GREP_VALUED);
    match pattern {
        Some(pattern) => search(&[&[pattern], operands.as_slice()].concat()),
        None => search(&operands),
    }
}

fn fd(arguments: &[String]) -> Summary {
    match operands(arguments, FD_VALUED).as_slice() {
        [] => list(None),
        [one] if one.starts_with(['.', '/', '~']) || one.contains('/') => list(Some(one)),
        both => search(both),
    }
}

fn find(arguments: &[String]) -> Summary {
    let path = arguments.first().filter(|word| !word.starts_with(['-', '!', '(']));
    let names = |word: &String| matches!(word.as_str(), "-name" | "-iname" | "-path" | "-regex");
    let query = arguments.iter().skip_while(|word| !names(word)).nth(1);
    match query {
        Some(query) => Summary::Search {
            query: Some(query.clone()),
            path: path.cloned(),
        },
        None => list(path.map(String::as_str)),
    }
}

/// The file of `head` or `tail`, when the count is given in lines or not at all.
fn part_of<'a>(program: &str, arguments: &'a [String]) -> Option<&'a str> {
    let is_count = |text: &str| {
        let digits = if program == "tail" {
            text.strip_prefix('+').unwrap_or(text)
        } else {
            text
        };
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let files = match arguments {
        [n, count, files @ ..] if n == "-n" && is_count(count) => files,
        [count, files @ ..] if count.strip_prefix("-n").is_some_and(is_count) => files,
        files => files,
    };
    match files {
        [dashes, file, ..] if dashes == "--" => Some(file),
        [file, ..] if !file.starts_with('-') => Some(file),
        _ => None,
    }
}

/// The data file of `awk`: the operand behind the program text.
fn awk_file(arguments: &[String]) -> Option<&str> {
    let from_file = arguments.iter().any(|word| word == "-f" || word == "--file");
    let operands = operands(
        arguments,
        &["-F", "-v", "-f", "--field-separator", "--assign", "--file"],
    );
    operands.get(usize::from(!from_file)).copied()
}

/// The file that `sed -n` prints lines of.
fn sed_file(arguments: &[String]) -> Option<&str> {
    let rest = match arguments {
        [n, e, rest @ ..] if n == "-n" && e == "-e" => rest,
        [n, rest @ ..] if n == "-n" => rest,
        _ => return None,
    };
    match rest {
        [range, file, ..] if is_line_range(range) && !file.starts_with('-') => Some(file),
        _ => None,
    }
}

fn changes_in_place(arguments: &[String]) -> bool {
    arguments
        .iter()
        .any(|word| word.starts_with("-i") || word.starts_with("-pi") || word.starts_with("--in-place"))
}

fn xargs_changes_files(arguments: &[String]) -> bool {
    let Some(at) = arguments.iter().position(|word| !word.starts_with('-')) else {
        return false;
    };
    match arguments[at].as_str() {
        "sed" | "perl" | "ruby" => changes_in_place(&arguments[at..]),
        "rg" => arguments[at..]
            .iter()
            .any(|word| word == "-r" || word.starts_with("--replace")),
        _ => false,
    }
}

fn lists_files_in_python(script: &str) -> bool {
    const WALKERS: &[&str] = &[
        "os.walk",
        "os.listdir",
        "os.scandir",
        "glob.glob",
        "glob.iglob",
        "pathlib.Path",
        ".rglob(",
    ];
    WALKERS.iter().any(|walker| script.contains(walker))
}
