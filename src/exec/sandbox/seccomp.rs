//! Which system calls a confined process may not make.
//!
//! Three filters, each its own program, so that the strictest answer counts: calls that could lift the confinement or
//! reach other processes and the kernel's own settings (always), calls that lead to the network (when it is off, or has to be
//! reached through the proxy), and a first one, written out by hand, for what the rule compiler cannot say: foreign calling conventions, and calls that
//! take their flags from memory, which are answered as unknown so that programs fall back to the older ones.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, sock_filter,
};

use super::policy::Reach;
use super::stage::StageError;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls that no confined process may make, whatever their arguments.
const FORBIDDEN: &[libc::c_long] = &[
    // The mount table and the root.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    // Namespaces; clone is looked at more closely below.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Keys, and ways around the rules for files.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // Large and often faulty parts of the kernel, which commands do without.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Calls that lead to the network or to services on this machine. What is left of sockets are pairs between relatives.
const NETWORK: &[libc::c_long] = &[
    libc::SYS_connect,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_shutdown,
    libc::SYS_sendto,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
];

/// Flags of `clone` that make namespaces.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The filters of a confined process, ready to be applied.
pub(super) struct Filters(Vec<BpfProgram>);

impl Filters {
    /// The filters for a process whose sockets reach so far, on a kernel whose Landlock is `landlock`.
    pub(super) fn new(reach: Reach, landlock: Option<u32>) -> Result<Self, StageError> {
        let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(StageError::seccomp)?;
        // Before its third version Landlock did not know truncation.
        let truncation = landlock.is_some_and(|version| version < 3);
        let mut programs = vec![unknown_calls(truncation), compile(always(truncation)?, arch)?];
        match reach {
            Reach::Nothing => programs.push(compile(no_network()?, arch)?),
            Reach::Proxy => programs.push(compile(own_network()?, arch)?),
            Reach::Everything => {}
        }
        Ok(Filters(programs))
    }

    /// Applies them to the calling thread and all that it will start, for good.
    pub(super) fn apply(&self) -> Result<(), StageError> {
        self.0
            .iter()
            .rev()
            .try_for_each(|program| apply_filter(program))
            .map_err(StageError::seccomp)
    }
}

fn compile(rules: Rules, arch: TargetArch) -> Result<BpfProgram, StageError> {
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)
        .and_then(BpfProgram::try_from)
        .map_err(StageError::seccomp)
}

/// A rule that holds when all conditions do.
fn when(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, StageError> {
    let conditions = conditions
        .iter()
        // The kernel looks at the lower half of these arguments alone, so does the rule.
        .map(|(argument, operation, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operation.clone(), *value)
        })
        .collect::<Result<Vec<_>, _>>();
    conditions.and_then(SeccompRule::new).map_err(StageError::seccomp)
}

fn always(truncation: bool) -> Result<Rules, StageError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let mut rules: Rules = FORBIDDEN.iter().map(|call| (*call, Vec::new())).collect();
    let namespaces = NAMESPACES
        .iter()
        .map(|flag| when(&[(0, MaskedEq(*flag as u64), *flag as u64)]))
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_clone, namespaces);
    // Typing into a terminal that others read.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let typing = typing.iter().map(|request| when(&[(1, Eq, *request as _)]));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    // Limits and priorities of processes that are not ours.
    rules.insert(libc::SYS_prlimit64, vec![when(&[(0, Ne, 0)])?]);
    rules.insert(libc::SYS_setpriority, vec![when(&[(0, Eq, libc::PRIO_USER as u64)])?]);
    // Devices.
    let devices = |argument| {
        [libc::S_IFCHR, libc::S_IFBLK]
            .iter()
            .map(|kind| when(&[(argument, MaskedEq(libc::S_IFMT.into()), (*kind).into())]))
            .collect::<Result<Vec<_>, _>>()
    };
    rules.insert(libc::SYS_mknodat, devices(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mknod, devices(1)?);
    if truncation {
        let emptied = |argument| {
            let mask = (libc::O_TRUNC | libc::O_ACCMODE) as u64;
            when(&[(argument, MaskedEq(mask), (libc::O_TRUNC | libc::O_RDONLY) as u64)])
        };
        rules.insert(libc::SYS_truncate, Vec::new());
        rules.insert(libc::SYS_openat, vec![emptied(2)?]);
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_open, vec![emptied(1)?]);
    }
    Ok(rules)
}

fn no_network() -> Result<Rules, StageError> {
    use SeccompCmpOp::{MaskedEq, Ne};
    let mut rules: Rules = NETWORK.iter().map(|call| (*call, Vec::new())).collect();
    let local = libc::AF_UNIX as u64;
    // Datagrams can be sent to any address without connecting, by a call that must stay allowed.
    let datagram = |kind: libc::c_int| when(&[(1, MaskedEq(0xf), kind as u64)]);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let kinds = vec![
            when(&[(0, Ne, local)])?,
            datagram(libc::SOCK_DGRAM)?,
            datagram(libc::SOCK_RAW)?,
        ];
        rules.insert(call, kinds);
    }
    Ok(rules)
}

/// In a network of its own a process may do what it likes by the internet's protocols. Sockets of other kinds may lead out:
/// Unix ones by their paths.
fn own_network() -> Result<Rules, StageError> {
    use SeccompCmpOp::{MaskedEq, Ne};
    let (local, inner) = (libc::AF_UNIX as u64, [libc::AF_INET as u64, libc::AF_INET6 as u64]);
    let mut rules = Rules::new();
    rules.insert(libc::SYS_socket, vec![when(&[(0, Ne, inner[0]), (0, Ne, inner[1])])?]);
    // Datagrams of a pair can be sent to any address.
    let datagram = |kind: libc::c_int| when(&[(1, MaskedEq(0xf), kind as u64)]);
    let pairs = vec![
        when(&[(0, Ne, local)])?,
        datagram(libc::SOCK_DGRAM)?,
        datagram(libc::SOCK_RAW)?,
    ];
    rules.insert(libc::SYS_socketpair, pairs);
    Ok(rules)
}

/// Answers `ENOSYS` to calls of the x32 convention, to `clone3`, and to `openat2` where opening is looked at.
fn unknown_calls(truncation: bool) -> BpfProgram {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IS: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut program = vec![step(LOAD, 0, 0, 0)];
    let mut unknown = vec![(IS, libc::SYS_clone3 as u32)];
    if cfg!(target_arch = "x86_64") {
        unknown.push((AT_LEAST, 0x4000_0000));
    }
    if truncation {
        unknown.push((IS, libc::SYS_openat2 as u32));
    }
    for (comparison, value) in unknown {
        program.push(step(comparison, 0, 1, value));
        program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32));
    }
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_fit_the_kernel() {
        for reach in [Reach::Nothing, Reach::Proxy, Reach::Everything] {
            for abi in [None, Some(1), Some(6)] {
                let filters = Filters::new(reach, abi).unwrap();
                assert_eq!(filters.0.len(), if reach == Reach::Everything { 2 } else { 3 });
                assert!(filters.0.iter().all(|program| (2..4096).contains(&program.len())));
            }
        }
    }
}
