//! Attempts to read what a permission profile closes, or does not open: refused under every way that can enforce it, and
//! possible under full access.

use serde_json::json;

use super::stage::{Stage, Target, Way};

/// Only some places may be read; `OUT` and the server's home are not among them.
const NARROW: &str = "\":minimal\" = \"read\"\n\":workspace_roots\" = \"write\"\n";
/// Everything may be read, but for a folder and whatever has a name like a secret.
const HOLED: &str = "\":root\" = \"read\"\n\":workspace_roots\" = { \".\" = \"write\", \"**/*.env\" = \"none\", \
                     \"closed\" = \"none\", \"closed/open\" = \"write\" }\n";

/// Scripts that print `WORKED` when they read what lies outside of what may be read.
const OUTSIDE: &[(&str, &str)] = &[
    ("a file", "grep -q precious OUT/victim && echo WORKED"),
    (
        "a file of the server",
        "grep -q model ROOT/home/config.toml && echo WORKED",
    ),
    ("a folder", "ls OUT | grep -q victim && echo WORKED"),
    ("a folder above", "ls ROOT | grep -q home && echo WORKED"),
    ("by a relative path", "grep -q model ../home/config.toml && echo WORKED"),
    (
        "by a link",
        "ln -sfn OUT out; grep -q precious out/victim && echo WORKED",
    ),
    (
        "by a hard link",
        "ln OUT/victim outer && grep -q precious outer && echo WORKED",
    ),
    (
        "by /proc/self/root",
        "grep -q precious /proc/self/root/OUT/victim && echo WORKED",
    ),
    (
        "by the first process",
        "grep -q precious /proc/1/root/OUT/victim && echo WORKED",
    ),
    (
        "by the server",
        "grep -q precious /proc/PID/root/OUT/victim && echo WORKED",
    ),
    ("by the server's folder", "ls /proc/PID/cwd/ > /dev/null && echo WORKED"),
    (
        "by the parent's folder",
        "grep -q model /proc/$(cut -d' ' -f4 /proc/$$/stat)/cwd/../home/config.toml && echo WORKED",
    ),
    (
        "by the own folder",
        "exec 7< .; grep -q model /proc/self/fd/7/../home/config.toml && echo WORKED",
    ),
    (
        "by a bind",
        "mkdir -p mnt; mount --bind OUT mnt && grep -q precious mnt/victim && umount mnt && echo WORKED",
    ),
    (
        "mount something",
        "unshare -Urm sh -c 'mount -t tmpfs none mnt && echo WORKED'",
    ),
    (
        "run a program",
        "cp /bin/true OUT/program 2>/dev/null; OUT/program && echo WORKED",
    ),
];

/// The same for what is closed below what may be read.
const CLOSED: &[(&str, &str)] = &[
    ("a file", "grep -q precious deep/in/b.env && echo WORKED"),
    ("a file of a folder", "grep -q precious closed/file && echo WORKED"),
    ("a folder", "ls closed | grep -q file && echo WORKED"),
    ("all below", "grep -rq precious deep && echo WORKED"),
    (
        "by a link",
        "ln -sfn deep/in/b.env link; grep -q precious link && echo WORKED",
    ),
    (
        "by a link to a folder",
        "ln -sfn closed link; grep -q precious link/file && echo WORKED",
    ),
    (
        "by a hard link",
        "ln deep/in/b.env hard && grep -q precious hard && echo WORKED",
    ),
    (
        "by /proc/self/root",
        "grep -q precious /proc/self/root/ROOT/work/deep/in/b.env && echo WORKED",
    ),
    (
        "by /proc/self/cwd",
        "grep -q precious /proc/self/cwd/closed/file && echo WORKED",
    ),
    (
        "by the first process",
        "grep -q precious /proc/1/root/ROOT/work/closed/file && echo WORKED",
    ),
    (
        "by the server",
        "grep -q precious /proc/PID/root/ROOT/work/closed/file && echo WORKED",
    ),
    ("from inside", "cd closed && grep -q precious file && echo WORKED"),
    (
        "by its folder",
        "exec 7< deep/in; grep -q precious /proc/self/fd/7/b.env && echo WORKED",
    ),
    (
        "by a copy",
        "cp -r deep copy; grep -q precious copy/in/b.env && echo WORKED",
    ),
    (
        "renamed",
        "mv deep/in/b.env moved && grep -q precious moved && mv moved deep/in/b.env && echo WORKED",
    ),
    (
        "in a renamed folder",
        "mv deep/in deep/on && grep -q precious deep/on/b.env && mv deep/on deep/in && echo WORKED",
    ),
    (
        "in a folder renamed above",
        "mv deep moved && grep -q precious moved/in/b.env && mv moved deep && echo WORKED",
    ),
    (
        "a renamed folder",
        "mv closed moved && grep -q precious moved/file && mv moved closed && echo WORKED",
    ),
    (
        "exchanged",
        "echo x > other; mv -T --exchange other deep/in/b.env && grep -q precious other && echo WORKED",
    ),
    (
        "by a bind",
        "mkdir -p mnt; mount --bind deep/in mnt && grep -q precious mnt/b.env && umount mnt && echo WORKED",
    ),
    (
        "uncovered",
        "umount deep/in/b.env && grep -q precious deep/in/b.env && echo WORKED",
    ),
    (
        "uncovered in a namespace",
        "unshare -Urm sh -c 'umount deep/in/b.env; grep -q precious deep/in/b.env' && echo WORKED",
    ),
    ("write it", "echo precious > deep/in/b.env && echo WORKED"),
    (
        "change its mode",
        "chmod 644 deep/in/b.env && grep -q precious deep/in/b.env && echo WORKED",
    ),
    (
        "write into a folder",
        "echo x > closed/made && rm closed/made && echo WORKED",
    ),
    (
        "remove it",
        "rm deep/in/b.env && echo precious > deep/in/b.env && echo WORKED",
    ),
];

/// Whether an attempt works under full access wherever tests run: others depend on who runs them, and where.
fn needs_nothing(script: &str) -> bool {
    ![
        "mount",
        "unshare",
        "/proc/1/",
        "/proc/PID",
        "$$",
        "--exchange",
        "ROOT/home",
        "program",
    ]
    .iter()
    .any(|part| script.contains(part))
}

async fn refused(profile: &str, attempts: &[(&str, &str)], way: Way) {
    if !way.works_here() {
        return;
    }
    let target = Target::new(Some(way));
    let mut confined = Stage::with_profile(profile, way).await;
    let mut read = Vec::new();
    for (name, script) in attempts {
        let script = target.aim(script, &confined);
        let output = confined.run(&script, json!({})).await;
        if output.contains("WORKED") || !output.contains("Process exited") || output.contains("cannot be set up") {
            read.push((name, output));
        }
    }
    assert!(read.is_empty(), "{way:?}: {read:#?}");
    let work = confined.server.work();
    for file in ["deep/in/b.env", "closed/file"] {
        assert_eq!(std::fs::read_to_string(work.join(file)).unwrap(), "precious");
    }
    let script = "echo made > made && cat made && ls / > /dev/null; cat /etc/passwd > /dev/null && sh -c 'echo ran'; \
                  cat closed/open/file; echo x > deep/in/other && rm deep/in/other && echo done";
    let output = confined.run(script, json!({})).await;
    for part in ["made", "ran", "precious", "done"] {
        assert!(output.contains(part), "{way:?}: {part}: {output}");
    }
}

const ORDINARY: Way = Way {
    ordinary: true,
    landlock: false,
    ..Way::MOUNTS
};

#[tokio::test]
async fn what_may_not_be_read_is_not_there_by_mounts() {
    refused(NARROW, OUTSIDE, Way::MOUNTS).await;
    refused(NARROW, OUTSIDE, ORDINARY).await;
}

#[tokio::test]
async fn what_may_not_be_read_is_not_there_by_bubblewrap() {
    refused(NARROW, OUTSIDE, Way::BUBBLEWRAP).await;
}

#[tokio::test]
async fn what_may_not_be_read_is_refused_by_landlock() {
    refused(NARROW, OUTSIDE, Way::LANDLOCK).await;
}

#[tokio::test]
async fn what_is_closed_cannot_be_read_by_mounts() {
    refused(HOLED, CLOSED, Way::MOUNTS).await;
    refused(HOLED, CLOSED, ORDINARY).await;
}

#[tokio::test]
async fn what_is_closed_cannot_be_read_by_bubblewrap() {
    refused(HOLED, CLOSED, Way::BUBBLEWRAP).await;
}

#[tokio::test]
async fn what_is_closed_cannot_be_read_where_little_can() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let narrow = HOLED.replace("\":root\"", "\":minimal\"");
    let mut confined = Stage::with_profile(&narrow, Way::MOUNTS).await;
    let script = "cat deep/in/b.env closed/file ../home/config.toml; cat closed/open/file && ls -a";
    let output = confined.run(script, json!({})).await;
    assert_eq!(output.matches("precious").count(), 1, "{output}");
}

#[tokio::test]
async fn the_same_is_read_under_full_access() {
    let target = Target::new(None);
    let mut free = Stage::new("danger-full-access", None).await;
    for (name, script) in OUTSIDE.iter().chain(CLOSED) {
        let needs_nothing = needs_nothing(script);
        let script = target.aim(script, &free);
        let output = free.run(&script, json!({})).await;
        if !output.contains("WORKED") {
            println!("shows nothing here: {name}: {output}");
        }
        assert!(!needs_nothing || output.contains("WORKED"), "{name}: {output}");
    }
}

#[tokio::test]
async fn by_landlock_names_can_be_seen_and_closed_places_are_refused() {
    if !Way::LANDLOCK.works_here() {
        return;
    }
    let target = Target::new(Some(Way::LANDLOCK));
    let mut confined = Stage::with_profile(NARROW, Way::LANDLOCK).await;
    let script = target.aim("stat OUT/victim > /dev/null && echo WORKED", &confined);
    let output = confined.run(&script, json!({})).await;
    assert!(output.contains("WORKED"), "no limit any more: {output}");
    let mut confined = Stage::with_profile(HOLED, Way::LANDLOCK).await;
    let output = confined.run("echo ran", json!({})).await;
    assert!(
        output.contains("cannot enforce") && !output.contains("Process exited"),
        "{output}"
    );
}

#[tokio::test]
async fn what_a_command_needs_and_may_not_read_is_named() {
    for way in [Way::MOUNTS, Way::BUBBLEWRAP, Way::LANDLOCK] {
        if !way.works_here() {
            continue;
        }
        let mut confined = Stage::with_profile("\":workspace_roots\" = \"write\"\n", way).await;
        let output = confined.run("echo ran", json!({})).await;
        let named = match way.method {
            "bubblewrap" => "libraries of the server's own program",
            _ => "may not be read under this confinement",
        };
        assert!(
            output.contains(named) && !output.contains("Process exited"),
            "{way:?}: {output}"
        );
    }
}

#[tokio::test]
async fn a_working_folder_that_may_not_be_read_is_named() {
    for way in [Way::MOUNTS, Way::BUBBLEWRAP, Way::LANDLOCK] {
        if !way.works_here() {
            continue;
        }
        let mut confined = Stage::with_profile(NARROW, way).await;
        let output = confined.run("echo ran", json!({"workdir": "/var"})).await;
        let named = "the working folder /var may not be read";
        assert!(
            output.contains(named) && !output.contains("ran\\n"),
            "{way:?}: {output}"
        );
    }
}

#[tokio::test]
async fn more_matches_than_can_be_covered_run_nothing() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let mut confined = Stage::with_profile(HOLED, Way::MOUNTS).await;
    let many = confined.server.work().join("many");
    std::fs::create_dir(&many).unwrap();
    for number in 0..990 {
        std::fs::write(many.join(format!("{number}.env")), "precious").unwrap();
    }
    let output = confined.run("cat many/*.env; echo ran", json!({})).await;
    assert!(output.contains("ran") && !output.contains("precious"), "{output}");
    for number in 0..20 {
        std::fs::write(many.join(format!("more-{number}.env")), "precious").unwrap();
    }
    let output = confined.run("echo ran", json!({})).await;
    assert!(
        output.contains("more than 1000 paths") && !output.contains("Process exited"),
        "{output}"
    );
}
