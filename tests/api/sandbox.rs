//! Attempts to leave the sandbox, made by the model's own commands through a real server.
//!
//! Each attempt is made twice. Confined it must be refused; under full access the same attempt must work, or at least be
//! refused by something else than the sandbox, which shows that it was an attempt. What Landlock cannot protect stands
//! in a table of its own and is checked too, so that docs/sandbox.md stays true.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;

use nix::libc;
use serde_json::json;

use crate::harness::{Client, Reply, TestServer, Transport};

/// Scripts that print `WORKED` when they do what they try. `OUT` is a folder that nobody allowed, `PID` the server.
const ATTEMPTS: &[(&str, &str)] = &[
    ("write a new file outside", "echo x > OUT/new && echo WORKED"),
    ("overwrite a file outside", "echo x > OUT/victim && echo WORKED"),
    ("append to a file outside", "echo x >> OUT/victim && echo WORKED"),
    ("truncate a file outside", "truncate -s 0 OUT/victim && echo WORKED"),
    (
        "truncate by path",
        "perl -e 'truncate(\"OUT/victim\", 0) && print \"WORKED\"'",
    ),
    ("remove a file outside", "rm OUT/spare && echo WORKED"),
    ("make a folder outside", "mkdir OUT/folder && echo WORKED"),
    ("remove a folder outside", "rmdir OUT/empty && echo WORKED"),
    (
        "write through a symbolic link",
        "ln -sfn OUT link && echo x > link/through && echo WORKED",
    ),
    (
        "write through a link to a file",
        "ln -sfn OUT/victim file && echo x > file && echo WORKED",
    ),
    (
        "link a file outside into the workspace",
        "ln OUT/victim hard && echo WORKED",
    ),
    (
        "rename out of the workspace",
        "echo x > moved && mv -T moved OUT/moved && echo WORKED",
    ),
    ("rename into the workspace", "mv OUT/taken taken && echo WORKED"),
    ("make a symbolic link outside", "ln -s /etc OUT/link && echo WORKED"),
    ("make a pipe outside", "mkfifo OUT/pipe && echo WORKED"),
    ("make a device", "mknod device c 1 3 && echo WORKED"),
    (
        "write by /proc/self/root",
        "echo x > /proc/self/root/OUT/root && echo WORKED",
    ),
    (
        "write by /proc/self/cwd",
        "cd OUT && echo x > /proc/self/cwd/cwd && echo WORKED",
    ),
    (
        "reopen a reader as a writer",
        "exec 7< OUT/victim && echo x > /proc/self/fd/7 && echo WORKED",
    ),
    (
        "swap a folder for a link while writing",
        "mkdir -p swap real; for n in $(seq 40); do mv swap kept 2>/dev/null; ln -sfn OUT swap; \
         (echo x > swap/raced) 2>/dev/null; unlink swap; mv kept swap 2>/dev/null; done; \
         test -e OUT/raced && echo WORKED",
    ),
    (
        "write to a kernel setting",
        "cat /proc/sys/kernel/core_pattern > core; cat core > /proc/sys/kernel/core_pattern && echo WORKED",
    ),
    (
        "read the server's environment",
        "cat /proc/PID/environ > /dev/null && echo WORKED",
    ),
    ("open the server's memory", "exec 7< /proc/PID/mem && echo WORKED"),
    ("write the server's memory", "exec 7<> /proc/PID/mem && echo WORKED"),
    (
        "look at the server's descriptors",
        "readlink /proc/PID/fd/0 > /dev/null && echo WORKED",
    ),
    (
        "enter the server's root",
        "ls /proc/PID/root/ > /dev/null && echo WORKED",
    ),
    ("signal the server", "kill -0 PID && echo WORKED"),
    ("change the server's limits", "prlimit --pid PID --core && echo WORKED"),
    (
        "mount",
        "mkdir -p mnt && mount -t tmpfs none mnt && umount mnt && echo WORKED",
    ),
    (
        "bind",
        "mkdir -p mnt && mount --bind OUT mnt && umount mnt && echo WORKED",
    ),
    ("a mount namespace", "unshare -m true && echo WORKED"),
    ("a user namespace", "unshare -U true && echo WORKED"),
    ("a network namespace", "unshare -n true && echo WORKED"),
    ("another's namespace", "nsenter -t PID -m true && echo WORKED"),
    ("change the root", "chroot / true && echo WORKED"),
    (
        "become somebody else",
        "perl -e '$) = \"1 1\"; $( = 1; $< = 1; $> = 1; print \"WORKED\" if $> == 1'",
    ),
    (
        "connect to a Unix socket",
        "perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0) && connect(S,sockaddr_un(\"OUT/stream\")) && print \"WORKED\"'",
    ),
    (
        "send to a Unix socket",
        "perl -MSocket -e 'socket(S,AF_UNIX,SOCK_DGRAM,0) && send(S,\"x\",0,sockaddr_un(\"OUT/datagram\")) && print \"WORKED\"'",
    ),
    (
        "connect to an abstract socket",
        "perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0) && connect(S,pack(\"Sa*\",AF_UNIX,\"\\0NAME\")) && print \"WORKED\"'",
    ),
    (
        "TCP",
        "perl -MSocket -e 'socket(S,AF_INET,SOCK_STREAM,0) && connect(S,sockaddr_in(PORT,INADDR_LOOPBACK)) && print \"WORKED\"'",
    ),
    (
        "listen",
        "perl -MSocket -e 'socket(S,AF_INET,SOCK_STREAM,0) && bind(S,sockaddr_in(0,INADDR_LOOPBACK)) && listen(S,1) && print \"WORKED\"'",
    ),
    (
        "UDP",
        "perl -MSocket -e 'socket(S,AF_INET,SOCK_DGRAM,0) && print \"WORKED\"'",
    ),
    (
        "IPv6",
        "perl -MSocket -e 'socket(S,AF_INET6,SOCK_STREAM,0) && print \"WORKED\"'",
    ),
    (
        "netlink",
        "perl -MSocket -e 'socket(S,16,SOCK_RAW,0) && print \"WORKED\"'",
    ),
];

/// What Landlock cannot protect: these work although the command is confined (docs/sandbox.md).
const LIMITS: &[(&str, &str)] = &[
    (
        "change the mode of a file outside",
        "chmod 600 OUT/victim && echo WORKED",
    ),
    (
        "change the times of a file outside",
        "touch -d @0 OUT/victim && echo WORKED",
    ),
    (
        "write a hook",
        "mkdir -p .git/hooks && echo x > .git/hooks/pre-commit && echo WORKED",
    ),
    (
        "configure the agent",
        "mkdir -p .codex && echo > .codex/config.toml && echo WORKED",
    ),
];

/// System calls with arguments that do nothing by themselves. Confined, the answer is `EPERM` (1); otherwise it is not.
const CALLS: &[(&str, libc::c_long, &str)] = &[
    ("mount", libc::SYS_mount, "1,1,1,0,0"),
    ("umount2", libc::SYS_umount2, "1,0"),
    ("pivot_root", libc::SYS_pivot_root, "1,1"),
    ("fsopen", libc::SYS_fsopen, "1,0"),
    ("move_mount", libc::SYS_move_mount, "-1,1,-1,1,0"),
    ("mount_setattr", libc::SYS_mount_setattr, "-1,1,0,1,32"),
    ("setns", libc::SYS_setns, "-1,0"),
    ("ptrace", libc::SYS_ptrace, "0,0,0,0"),
    ("process_vm_readv", libc::SYS_process_vm_readv, "1,0,0,0,0,0"),
    ("process_vm_writev", libc::SYS_process_vm_writev, "1,0,0,0,0,0"),
    ("keyctl", libc::SYS_keyctl, "9999,0,0,0,0"),
    ("add_key", libc::SYS_add_key, "1,1,0,0,0"),
    ("bpf", libc::SYS_bpf, "9999,0,0"),
    ("perf_event_open", libc::SYS_perf_event_open, "1,0,-1,-1,0"),
    ("userfaultfd", libc::SYS_userfaultfd, "9999"),
    ("io_uring_setup", libc::SYS_io_uring_setup, "0,1"),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, "-1,1,0"),
    ("init_module", libc::SYS_init_module, "1,0,1"),
    ("reboot", libc::SYS_reboot, "0,0,0,0"),
    ("swapon", libc::SYS_swapon, "1,0"),
    ("acct", libc::SYS_acct, "1"),
];

/// What attempts are made at.
struct Target {
    folder: tempfile::TempDir,
    name: String,
    port: u16,
    _services: (UnixListener, UnixListener, UnixDatagram, std::net::TcpListener),
}

impl Target {
    /// A folder that no policy allows, and services of this machine.
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["victim", "spare", "taken"] {
            std::fs::write(at(name), "precious").unwrap();
        }
        std::fs::create_dir(at("empty")).unwrap();
        let name = format!("greenroom-{}", uuid::Uuid::new_v4());
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Target {
            port: tcp.local_addr().unwrap().port(),
            _services: (
                UnixListener::bind(at("stream")).unwrap(),
                UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
                UnixDatagram::bind(at("datagram")).unwrap(),
                tcp,
            ),
            name,
            folder,
        }
    }

    fn aim(&self, script: &str, server: u32) -> String {
        let folder = self.folder.path().to_str().unwrap();
        script
            .replace("/OUT", folder)
            .replace("OUT", folder)
            .replace("NAME", &self.name)
            .replace("PORT", &self.port.to_string())
            .replace("PID", &server.to_string())
    }
}

/// A server with a policy, and one thread.
struct Stage {
    server: TestServer,
    client: Client,
    thread: String,
    calls: usize,
}

impl Stage {
    async fn new(policy: &str) -> Self {
        let mode = format!("sandbox_mode=\"{policy}\"");
        let mut server = TestServer::with(Transport::Ws, "", &["-c", &mode]).await;
        let client = server.client().await;
        let thread = client.thread().await;
        Stage {
            server,
            client,
            thread,
            calls: 0,
        }
    }

    /// What a command of the model prints.
    async fn run(&mut self, script: &str, more: serde_json::Value) -> String {
        self.calls += 1;
        let id = format!("c{}", self.calls);
        let mut arguments = json!({"cmd": script, "login": false});
        if let (Some(all), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        self.server.model.add(Reply::call("exec_command", arguments, &id));
        self.client.turn(&self.thread, "go").await;
        self.server.model.output_of(&id).expect("an output").to_string()
    }
}

/// Whether this machine can confine at all; says so when not.
fn confines() -> bool {
    // The flag asks for the version.
    #[allow(unsafe_code, reason = "asking for the version of Landlock has no safe form")]
    // SAFETY: with this flag the call takes no memory.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0usize, 0usize, 1) };
    if version < 6 {
        println!("skipped: the kernel's Landlock is {version}, these tests want 6");
    }
    version >= 6
}

#[tokio::test]
async fn attempts_to_leave_the_sandbox_are_refused() {
    if !confines() {
        return;
    }
    let target = Target::new();
    let mut confined = Stage::new("workspace-write").await;
    let mut escaped = Vec::new();
    for (name, script) in ATTEMPTS {
        let script = target.aim(script, confined.server.pid());
        let output = confined.run(&script, json!({})).await;
        if output.contains("WORKED") || !output.contains("Process exited") {
            escaped.push((name, output));
        }
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
    let victim = std::fs::read_to_string(target.folder.path().join("victim")).unwrap();
    assert_eq!(victim, "precious");
    for (name, script) in LIMITS {
        let script = target.aim(script, confined.server.pid());
        let output = confined.run(&script, json!({})).await;
        assert!(output.contains("WORKED"), "no limit any more: {name}: {output}");
    }
}

#[tokio::test]
async fn the_same_attempts_work_under_full_access() {
    let target = Target::new();
    let mut free = Stage::new("danger-full-access").await;
    for (name, script) in ATTEMPTS {
        let script = target.aim(script, free.server.pid());
        let output = free.run(&script, json!({})).await;
        if !output.contains("WORKED") {
            println!("shows nothing here: {name}: {output}");
        }
        // Files need nothing that a machine may lack; the rest depends on who runs the tests, and where.
        let files = script.contains("> ") && script.contains("/var/tmp") && !script.contains("raced");
        assert!(!files || output.contains("WORKED"), "{name}: {output}");
    }
}

#[tokio::test]
async fn system_calls_that_could_lift_it_are_refused() {
    if !confines() {
        return;
    }
    let (mut confined, mut free) = (Stage::new("read-only").await, Stage::new("danger-full-access").await);
    let root = nix::unistd::geteuid().is_root();
    for (name, number, arguments) in CALLS {
        let script = format!("perl -e 'syscall({number},{arguments})==-1 or $!=0; print \"errno=\",$!+0,\";\"'");
        let output = confined.run(&script, json!({})).await;
        assert!(output.contains("errno=1;"), "{name}: {output}");
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
    assert!(output.contains(&format!("errno={};", libc::ENOSYS)), "{output}");
}

#[tokio::test]
async fn a_confined_command_has_what_it_needs_and_nothing_else() {
    if !confines() {
        return;
    }
    let mut confined = Stage::new("workspace-write").await;
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
        assert!(output.contains(part), "{part}: {output}");
    }
    if nix::unistd::geteuid().is_root() {
        assert!(output.contains("CapBnd:\\t0000000000000000"), "{output}");
    }
    // What the shell opened to read the folder is gone by then; 255 is its script.
    let script = "for fd in /proc/$$/fd/*; do test -e $fd || continue; case ${fd##*/} in 0|1|2|255) ;; *) echo EXTRA $fd;; esac; done; echo end";
    let output = confined.run(script, json!({})).await;
    assert!(output.contains("end") && !output.contains("EXTRA"), "{output}");
    let output = confined
        .run("test -t 1 && echo terminal > /dev/tty", json!({"tty": true}))
        .await;
    assert!(output.contains("terminal"), "{output}");
    let output = confined.run("true", json!({"shell": "/no/such/bash"})).await;
    assert!(!output.contains("sandbox cannot be set up"), "{output}");
    assert!(!Path::new("/var/tmp/made").exists());
}

#[tokio::test]
async fn a_confined_command_ends_with_its_server() {
    if !confines() {
        return;
    }
    let mut confined = Stage::new("workspace-write").await;
    let output = confined
        .run(
            "trap '' TERM HUP; echo pid=$$.; while :; do sleep 1; done",
            json!({"yield_time_ms": 300}),
        )
        .await;
    let pid = output.split("pid=").nth(1).and_then(|rest| rest.split('.').next());
    let pid = nix::unistd::Pid::from_raw(pid.and_then(|pid| pid.parse().ok()).expect("a process"));
    confined.server.kill().await;
    crate::harness::within("the command's end", async {
        while nix::sys::signal::kill(pid, None).is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
