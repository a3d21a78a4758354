//! The house rules that a compiler does not check: imports run downward, rooms stay small, every file says its role.

use std::path::{Path, PathBuf};

/// The layers, from the edges down. A file may import its own layer and those after it.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["startup"],
    &["http", "transport", "executor"],
    &["actors"],
    &["methods"],
    &["rpc"],
    &["engine"],
    &["model", "exec", "store", "hooks", "watch", "search", "skills"],
    &["config", "settings", "telemetry"],
    &["network"],
    &["protocol", "files"],
];

/// Arrows that point upward on purpose, each with its reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "engine",
        "rpc",
        "a turn publishes encoded notifications and asks clients through handles that know no actor",
    ),
    (
        "rpc",
        "methods",
        "dispatch is generated from the table, whose rows name the handlers",
    ),
];

fn sources() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn room(path: &Path) -> String {
    let below = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_string()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs") || path.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn imports_run_downward() {
    let mut upward = Vec::new();
    for file in sources().into_iter().filter(|file| !is_test(file)) {
        let from = room(&file);
        let Some(own) = layer(&from) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for target in line.split("crate::").skip(1) {
                let to: String = target
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let known = ALLOWED.iter().any(|(a, b, _)| *a == from && *b == to);
                if layer(&to).is_some_and(|other| other < own) && !known {
                    upward.push(format!("{}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn rooms_stay_small() {
    let long: Vec<String> = sources()
        .into_iter()
        .filter_map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            let lines = text.lines().count();
            let limit = if is_test(&file) { 900 } else { 600 };
            (lines > limit && !text.contains("//! Long because"))
                .then(|| format!("{} has {lines} lines", file.display()))
        })
        .collect();
    assert!(
        long.is_empty(),
        "split these, or say why at the top (`//! Long because …`): {long:#?}"
    );
}

#[test]
fn every_file_says_its_role() {
    let silent: Vec<PathBuf> = sources()
        .into_iter()
        .filter(|file| !is_test(file) && !std::fs::read_to_string(file).unwrap().trim_start().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}
