//! Attempts to leave the sandbox, made by the model's own commands through a real server, under every way that works on
//! this machine.
//!
//! Each attempt is made twice. Confined it must be refused; under full access the same attempt must work, or at least be
//! refused by something else than the sandbox, which shows that it was an attempt. What Landlock alone cannot protect
//! must work there, so that docs/sandbox.md stays true.

mod attempts;
mod reading;
pub mod stage;

use std::path::Path;

use nix::libc;
use serde_json::json;

use self::attempts::{ATTEMPTS, CALLS, PATHS};
use self::stage::{Stage, Target, Way, processes_with};

async fn attempts_are_refused(way: Way) {
    if !way.works_here() {
        return;
    }
    let target = Target::new(Some(way));
    let mut confined = Stage::new("workspace-write", Some(way)).await;
    let mut escaped = Vec::new();
    for (name, script) in ATTEMPTS.iter().chain(PATHS) {
        // What the way does not promise is looked at below.
        if !way.protects_paths() && PATHS.iter().any(|(path, _)| path == name) {
            continue;
        }
        let script = target.aim(script, &confined);
        let output = confined.run(&script, json!({})).await;
        if output.contains("WORKED") || !output.contains("Process exited") || output.contains("cannot be set up") {
            escaped.push((name, output));
        }
    }
    assert!(escaped.is_empty(), "{way:?}: {escaped:#?}");
    let victim = std::fs::read_to_string(target.folder.path().join("victim")).unwrap();
    assert_eq!(victim, "precious");
    let work = confined.server.work();
    assert!(!work.join("late").exists(), "a daemon lives on");
    if way.protects_paths() {
        let file = std::fs::read_to_string(work.join(".agents/file")).unwrap();
        assert_eq!(file, "precious");
        // What was occupied meanwhile is free again.
        assert!(!work.join(".git").exists() && !work.join(".codex").exists());
        return;
    }
    for (name, script) in PATHS {
        let script = target.aim(script, &confined);
        let output = confined.run(&script, json!({})).await;
        let worked = output.contains("WORKED") || output.contains("started");
        assert!(worked, "no limit any more: {name}: {output}");
    }
}

#[tokio::test]
async fn attempts_are_refused_by_mounts() {
    attempts_are_refused(Way::MOUNTS).await;
}

#[tokio::test]
async fn attempts_are_refused_by_mounts_of_an_ordinary_user() {
    attempts_are_refused(Way {
        ordinary: true,
        ..Way::MOUNTS
    })
    .await;
}

#[tokio::test]
async fn attempts_are_refused_by_mounts_without_landlock() {
    attempts_are_refused(Way {
        ordinary: true,
        landlock: false,
        ..Way::MOUNTS
    })
    .await;
}

#[tokio::test]
async fn attempts_are_refused_by_bubblewrap() {
    attempts_are_refused(Way::BUBBLEWRAP).await;
}

#[tokio::test]
async fn attempts_are_refused_by_landlock() {
    attempts_are_refused(Way::LANDLOCK).await;
}

#[tokio::test]
async fn the_same_attempts_work_under_full_access() {
    let target = Target::new(None);
    let mut free = Stage::new("danger-full-access", None).await;
    for (name, script) in ATTEMPTS.iter().chain(PATHS) {
        let script = target.aim(script, &free);
        let output = free.run(&script, json!({})).await;
        let worked = output.contains("WORKED") || output.contains("started");
        if !worked {
            println!("shows nothing here: {name}: {output}");
        }
        // Files need nothing that a machine may lack; the rest depends on who runs the tests, and where.
        let files = script.contains("> ") && script.contains("/var/tmp") && !script.contains("raced");
        let paths = PATHS.iter().any(|(path, _)| path == name) && !script.contains("syscall");
        assert!(!(files || paths) || worked, "{name}: {output}");
    }
}

#[tokio::test]
async fn system_calls_that_could_lift_it_are_refused() {
    for way in [Way::MOUNTS, Way::BUBBLEWRAP, Way::LANDLOCK] {
        if !way.works_here() {
            continue;
        }
        let mut confined = Stage::new("read-only", Some(way)).await;
        let mut free = Stage::new("danger-full-access", None).await;
        let root = nix::unistd::geteuid().is_root();
        for (name, number, arguments) in CALLS {
            let script = format!("perl -e 'syscall({number},{arguments})==-1 or $!=0; print \"errno=\",$!+0,\";\"'");
            let output = confined.run(&script, json!({})).await;
            assert!(output.contains("errno=1;"), "{way:?}: {name}: {output}");
            let output = free.run(&script, json!({})).await;
            if output.contains("errno=1;") {
                println!("shows nothing here: {name} (root: {root})");
            }
        }
        // Answered as unknown, so that programs fall back to clone, whose flags can be looked at.
        let script = format!(
            "perl -e 'syscall({},0,0); print \"errno=\",$!+0,\";\"'",
            libc::SYS_clone3
        );
        let output = confined.run(&script, json!({})).await;
        assert!(
            output.contains(&format!("errno={};", libc::ENOSYS)),
            "{way:?}: {output}"
        );
    }
}

async fn a_confined_command_has_what_it_needs(way: Way) {
    if !way.works_here() {
        return;
    }
    let mut confined = Stage::new("workspace-write", Some(way)).await;
    let script = "echo made > made && cat made && chmod +x made && mkdir -p a/b && mv made a/b && ls a/b && echo $(ls -l /proc/self/fd | wc -l) \
                  && grep -E 'Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs|Seccomp:' /proc/self/status && echo net=$CODEX_SANDBOX_NETWORK_DISABLED";
    let output = confined.run(script, json!({})).await;
    for part in [
        "net=1",
        "NoNewPrivs:\\t1",
        "Seccomp:\\t2",
        "CapEff:\\t0000000000000000",
        "exited with code 0",
    ] {
        assert!(output.contains(part), "{way:?}: {part}: {output}");
    }
    if nix::unistd::geteuid().is_root() {
        assert!(output.contains("CapBnd:\\t0000000000000000"), "{output}");
    }
    // What the shell opened to read the folder is gone by then; 255 is its script.
    let script = "for fd in /proc/$$/fd/*; do test -e $fd || continue; case ${fd##*/} in 0|1|2|255) ;; *) echo EXTRA $fd;; esac; done; echo end";
    let output = confined.run(script, json!({})).await;
    assert!(output.contains("end") && !output.contains("EXTRA"), "{way:?}: {output}");
    let output = confined
        .run(
            "test -t 1 && echo terminal > /dev/tty && echo again > /dev/stdout",
            json!({"tty": true}),
        )
        .await;
    assert!(
        output.contains("terminal") && output.contains("again"),
        "{way:?}: {output}"
    );
    let output = confined.run("true", json!({"shell": "/no/such/bash"})).await;
    assert!(!output.contains("sandbox cannot be set up"), "{output}");
    assert!(!Path::new("/var/tmp/made").exists());
    let output = confined.run("exit 7", json!({})).await;
    assert!(output.contains("exited with code 7"), "{way:?}: {output}");
    // What prints to the end is not cut off by the end of the shell that started it.
    let script = "exec > >(sleep 0.02; cat); echo by another process";
    let output = confined.run(script, json!({})).await;
    assert!(output.contains("by another process"), "{way:?}: {output}");
    if way.protects_paths() {
        let output = confined
            .run("echo x > /dev/shm/made && ls /dev/shm; echo $$", json!({}))
            .await;
        assert!(output.contains("made"), "{output}");
        assert!(!Path::new("/dev/shm/made").exists(), "shared memory is shared");
        // It cannot end what looks after it, nor see anybody else.
        let output = confined
            .run("kill -9 $PPID; kill -9 0 2>/dev/null; echo not here", json!({}))
            .await;
        assert!(
            output.contains("exited with code") || output.contains("killed"),
            "{output}"
        );
        let output = confined.run("echo /proc/[0-9]*", json!({})).await;
        assert!(!output.contains(&confined.server.pid().to_string()), "{output}");
    }
}

#[tokio::test]
async fn a_confined_command_has_what_it_needs_and_nothing_else() {
    for way in [Way::MOUNTS, Way::BUBBLEWRAP, Way::LANDLOCK] {
        a_confined_command_has_what_it_needs(way).await;
    }
}

#[tokio::test]
async fn a_confined_command_ends_with_its_server() {
    for way in [Way::MOUNTS, Way::BUBBLEWRAP, Way::LANDLOCK] {
        if !way.works_here() {
            continue;
        }
        let mut confined = Stage::new("workspace-write", Some(way)).await;
        let mark = uuid::Uuid::new_v4().to_string();
        let script =
            format!("trap '' TERM HUP; setsid sh -c ': {mark}; sleep 600' & : {mark}; while :; do sleep 1; done");
        confined.run(&script, json!({"yield_time_ms": 300})).await;
        let marked = processes_with(&mark);
        assert!(!marked.is_empty(), "{way:?}");
        confined.server.kill().await;
        crate::harness::within("the command's end", async {
            // By Landlock alone a daemon may live on.
            let daemons = usize::from(!way.protects_paths());
            while processes_with(&mark).len() > daemons {
                tokio::task::yield_now().await;
            }
            while way.protects_paths() && confined.server.work().join(".git").exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        for left in processes_with(&mark) {
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(left as i32),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}

#[tokio::test]
async fn links_with_protected_names_stay_and_so_does_what_they_point_at() {
    if !Way::MOUNTS.works_here() {
        return;
    }
    let mut confined = Stage::new("workspace-write", Some(Way::MOUNTS)).await;
    let work = confined.server.work();
    std::fs::create_dir(work.join("real")).unwrap();
    std::fs::write(work.join("real/config"), "kept").unwrap();
    std::os::unix::fs::symlink("real", work.join(".codex")).unwrap();
    let script = "cat .codex/config; rm .codex; mv .codex gone; ln -sfn /tmp .codex; echo x > .codex/config; \
                  echo x > real/config; rm -r real; mv real gone; ls -la";
    let output = confined.run(script, json!({})).await;
    assert!(output.contains("kept"), "{output}");
    assert_eq!(std::fs::read_to_string(work.join(".codex/config")).unwrap(), "kept");
    assert!(work.join(".codex").is_symlink() && !work.join("gone").exists());
}

#[tokio::test]
async fn a_link_that_a_command_makes_opens_nothing_to_the_next_one() {
    for way in [Way::MOUNTS, Way::BUBBLEWRAP, Way::LANDLOCK] {
        if !way.works_here() {
            continue;
        }
        let target = Target::new(Some(way));
        let profile = "\":root\" = \"read\"\n\":workspace_roots\" = { \".\" = \"write\", \"later\" = \"write\" }\n";
        let mut confined = Stage::with_profile(profile, way).await;
        let link = target.aim("ln -sfn OUT later && echo made", &confined);
        let output = confined.run(&link, json!({})).await;
        assert!(output.contains("made"), "{way:?}: {output}");
        let output = confined.run("echo x > later/new && echo WORKED", json!({})).await;
        assert!(
            !output.contains("WORKED") && output.contains("Process exited"),
            "{way:?}: {output}"
        );
        assert!(!target.folder.path().join("new").exists());
    }
}

#[tokio::test]
async fn a_method_that_does_not_work_confines_nothing_and_runs_nothing() {
    let way = Way {
        landlock: false,
        ..Way::LANDLOCK
    };
    let mut stage = Stage::new("workspace-write", Some(way)).await;
    let output = stage.run("echo x > made", json!({})).await;
    assert!(!output.contains("Process exited"), "{output}");
    assert!(!stage.server.work().join("made").exists());
}
