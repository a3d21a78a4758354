//! The attempts: what a command tries, as scripts and as system calls.

use nix::libc;

/// Scripts that print `WORKED` when they do what they try. `OUT` is a folder that nobody allowed, `PID` the server.
pub const ATTEMPTS: &[(&str, &str)] = &[
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

/// The same for what Landlock alone cannot protect: by that way they work although the command is confined
/// (docs/sandbox.md). `ROOT` is the folder of the workspace, in a place for temporary files that may be written.
pub const PATHS: &[(&str, &str)] = &[
    (
        "change the mode of a file outside",
        "chmod 600 OUT/victim && echo WORKED",
    ),
    (
        "change the times of a file outside",
        "touch -d @0 OUT/victim && echo WORKED",
    ),
    (
        "change the owner of a file outside",
        "chown $(id -u) OUT/victim && echo WORKED",
    ),
    (
        "change an attribute of a file outside",
        "perl -e 'my ($f,$n,$v)=(\"OUT/victim\",\"user.x\",\"y\"); syscall(SETXATTR,$f,$n,$v,1,0)==0 && print \"WORKED\"'",
    ),
    (
        "change the mode of a file outside by its descriptor",
        "exec 7< OUT/victim && chmod 640 /proc/self/fd/7 && echo WORKED",
    ),
    (
        "write a hook",
        "mkdir -p .git/hooks && echo x > .git/hooks/pre-commit && echo WORKED",
    ),
    (
        "configure the agent",
        "mkdir -p .codex && echo > .codex/config.toml && echo WORKED",
    ),
    (
        "make a link where a protected folder could be",
        "rm -r .codex; ln -s OUT .codex && echo WORKED; rm .codex",
    ),
    (
        "rename a folder to a protected name",
        "rm -r .codex; mkdir made && mv -T made .codex && echo WORKED; rm -r made",
    ),
    ("write below a protected folder", "echo x > .agents/made && echo WORKED"),
    (
        "overwrite below a protected folder",
        "echo x > .agents/file && echo WORKED",
    ),
    (
        "write through a link to a protected folder",
        "ln -sfn .agents agents && echo x > agents/through && echo WORKED",
    ),
    (
        "write through a hard link to a protected file",
        "ln .agents/file harder && echo x >> harder && echo WORKED",
    ),
    (
        "change the mode of a protected file",
        "chmod 600 .agents/file && echo WORKED",
    ),
    (
        "replace a protected folder",
        "mv .agents kept && mkdir .agents && echo WORKED; rm -r .agents; mv kept .agents",
    ),
    (
        "replace the workspace below a protected folder",
        "cd / && mv ROOT/work ROOT/kept && mkdir -p ROOT/work/.agents && echo WORKED; rm -r ROOT/work; mv -T ROOT/kept ROOT/work",
    ),
    (
        "replace a folder above a protected folder",
        "cd / && mv ROOT ROOT.kept && mkdir -p ROOT/work/.agents && echo WORKED && rm -r ROOT && mv -T ROOT.kept ROOT",
    ),
    (
        "outlive the call",
        "setsid sh -c 'exec >/dev/null 2>&1; sleep 1; echo x > late' & sleep 0.1; echo started",
    ),
];

/// System calls with arguments that do nothing by themselves. Confined, the answer is `EPERM` (1); otherwise it is not.
pub const CALLS: &[(&str, libc::c_long, &str)] = &[
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
