//! The machine: by which way commands are confined, what the kernel has, and its limits.

use std::path::Path;

use nix::sys::resource::{Resource, getrlimit};

use super::report::Report;
use crate::config::ResolvedConfig;
use crate::exec::Sandbox;
use crate::protocol::SandboxPolicy;
use crate::settings::{SandboxMethod, Settings};

/// Descriptors that a server needs beside its connections: files, the index, terminals, the model.
const OWN_DESCRIPTORS: u64 = 256;
/// Fewer processes than this soon run out: each command needs some.
const FEW_PROCESSES: u64 = 256;
/// Fewer watches than this are used up by one large workspace.
const FEW_WATCHES: u64 = 8192;

/// By which way commands are confined, and why not by the others.
pub(super) fn sandbox(report: &mut Report, method: SandboxMethod, config: Option<&ResolvedConfig>) {
    const AREA: &str = "sandbox";
    let sandbox = Sandbox::new(method);
    match sandbox.way() {
        Some(way) => {
            report.good(AREA, "way", format_args!("commands are confined by {}", way.name()));
            for limit in way.limits() {
                report.note(AREA, "not protected", limit);
            }
        }
        None => {
            let text = "commands cannot be confined on this machine";
            let advice = "allow user namespaces, or install bubblewrap; until then restricted commands are asked about \
                          or refused";
            let free = config.is_some_and(|config| {
                matches!(
                    config.sandbox,
                    SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. }
                )
            });
            match free {
                true => report.warning(AREA, "way", text, advice),
                false => report.failure(AREA, "way", text, advice),
            }
        }
    }
    if sandbox.way().is_some()
        && let Some((summary, _)) = sandbox.weakness()
    {
        report.warning(AREA, "strength", summary, "see docs/sandbox.md");
    }
    for method in [
        SandboxMethod::Mounts,
        SandboxMethod::Bubblewrap,
        SandboxMethod::Landlock,
    ] {
        for trial in Sandbox::new(method).trials() {
            match &trial.result {
                Ok(_) => report.note(AREA, trial.name, "works"),
                Err(why) => report.note(AREA, trial.name, format_args!("does not work: {why}")),
            }
        }
    }
}

/// What the kernel has that the sandbox uses.
pub(super) fn kernel(report: &mut Report) {
    const AREA: &str = "kernel";
    if let Ok(system) = nix::sys::utsname::uname() {
        let version = format!(
            "{} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy()
        );
        report.good(AREA, "version", version);
    }
    match crate::exec::sandbox::landlock_version() {
        Some(version) => report.good(AREA, "Landlock", format_args!("version {version}")),
        None => report.note(AREA, "Landlock", "not there, or switched off"),
    }
    let namespaces = user_namespaces(
        number("/proc/sys/user/max_user_namespaces"),
        number("/proc/sys/kernel/unprivileged_userns_clone"),
        number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    );
    match namespaces {
        Ok(most) => report.good(AREA, "user namespaces", format_args!("at most {most}")),
        Err(why) => report.note(AREA, "user namespaces", why),
    }
}

/// How many user namespaces there may be, or why ordinary users have none, by the kernel's settings.
fn user_namespaces(most: Option<u64>, for_users: Option<u64>, named_only: Option<u64>) -> Result<u64, &'static str> {
    match (most, for_users, named_only) {
        (None, ..) => Err("not there"),
        (Some(0), ..) => Err("switched off (user.max_user_namespaces)"),
        (_, Some(0), _) => Err("for root only (kernel.unprivileged_userns_clone)"),
        (.., Some(1)) => Err("only for programs that the system names (kernel.apparmor_restrict_unprivileged_userns)"),
        (Some(most), ..) => Ok(most),
    }
}

/// Limits that a server runs into.
pub(super) fn limits(report: &mut Report, settings: &Settings) {
    const AREA: &str = "limits";
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let wanted = settings.max_connections as u64 + OWN_DESCRIPTORS;
        match most {
            most if most < OWN_DESCRIPTORS => report.failure(
                AREA,
                "descriptors",
                format_args!("at most {most}"),
                format_args!("a server needs {OWN_DESCRIPTORS} for itself; raise `ulimit -Hn`"),
            ),
            most if most < wanted => report.warning(
                AREA,
                "descriptors",
                format_args!("at most {most}, fewer than max_connections allows connections"),
                format_args!("raise `ulimit -Hn` to {wanted}, or lower max_connections"),
            ),
            most => report.good(AREA, "descriptors", format_args!("at most {most}")),
        }
    }
    let mut processes: Vec<u64> = cgroup_processes().into_iter().collect();
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NPROC) {
        processes.push(soft);
    }
    match processes.into_iter().min() {
        Some(most) if most < FEW_PROCESSES => report.warning(
            AREA,
            "processes",
            format_args!("at most {most}"),
            "commands will fail to start when several run; raise the limit of processes (`ulimit -u`, or the container's)",
        ),
        Some(u64::MAX) | None => report.good(AREA, "processes", "no limit"),
        Some(most) => report.good(AREA, "processes", format_args!("at most {most}")),
    }
    let watches = number("/proc/sys/fs/inotify/max_user_watches");
    let instances = number("/proc/sys/fs/inotify/max_user_instances");
    if let (Some(watches), Some(instances)) = (watches, instances) {
        let text = format!("at most {watches} watches, {instances} watchers");
        match watches < FEW_WATCHES || instances < 16 {
            true => report.warning(
                AREA,
                "inotify",
                text,
                "watching files may fail in large folders; raise fs.inotify.max_user_watches and max_user_instances",
            ),
            false => report.good(AREA, "inotify", text),
        }
    }
}

/// The number in a file of the kernel's.
fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// How many processes the own control group may have, in either version of control groups.
fn cgroup_processes() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            "pids" => "/sys/fs/cgroup/pids",
            _ => return None,
        };
        // Inside a container the path is often that of the host, and the own group is the root.
        let own = Path::new(root).join(path.trim_start_matches('/')).join("pids.max");
        let root = Path::new(root).join("pids.max");
        number(own.to_str()?).or_else(|| number(root.to_str()?))
    };
    groups.lines().filter_map(of_line).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_have_user_namespaces_is_told_by_the_setting_that_decides() {
        assert_eq!(user_namespaces(Some(7), None, None), Ok(7));
        assert_eq!(user_namespaces(Some(7), Some(1), Some(0)), Ok(7));
        for (settings, part) in [
            ((None, Some(1), None), "not there"),
            ((Some(0), Some(1), Some(0)), "max_user_namespaces"),
            ((Some(7), Some(0), None), "unprivileged_userns_clone"),
            ((Some(7), Some(1), Some(1)), "apparmor"),
        ] {
            let (most, for_users, named_only) = settings;
            let why = user_namespaces(most, for_users, named_only).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
