//! The filter of system calls: what neither namespaces nor Landlock can forbid, and what reaches deep into the system.
//!
//! All is allowed but what is listed, since libraries for data use most of the rest.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// For each system call the cases in which the filter acts; none means all.
type Cases = BTreeMap<c_long, Vec<SeccompRule>>;

/// Reach into other processes, into the system, or around this filter.
const FORBIDDEN: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Memory, counters and messages that other processes of this user share by a number: namespaces have their own.
const SHARED: &[c_long] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Change of a file what Landlock does not guard: its mode, its owner, its times, its attributes. They are said to be
/// done and are not, since copying a file ends with them.
const NOT_DONE: &[c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    /* fchmodat2 */ 452,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// Installs the filter, for this process and all that come of it. `landlock` adds what namespaces would do otherwise.
///
/// # Errors
/// When the system has no such filters.
pub(super) fn install(landlock: bool, network: bool) -> Result<(), String> {
    let failed = |error: seccompiler::Error| format!("cannot filter system calls ({error})");
    for program in programs(landlock, network)? {
        seccompiler::apply_filter(&program).map_err(failed)?;
    }
    Ok(())
}

/// The filters; of what they say of one call, the strictest holds, and they say different things of different calls.
fn programs(landlock: bool, network: bool) -> Result<Vec<BpfProgram>, String> {
    let errno = |number: i32| SeccompAction::Errno(number.cast_unsigned());
    let mut filters = vec![
        (forbidden(landlock, network)?, errno(libc::EPERM)),
        // As if it did not exist: what it would do is in memory, where a filter cannot look. Libraries then use `clone`.
        (always(&[libc::SYS_clone3]), errno(libc::ENOSYS)),
        (BTreeMap::from([(libc::SYS_socket, vec![other_families()?])]), errno(libc::EAFNOSUPPORT)),
        // ZeroMQ ends the process unless this is what it is told.
        (
            BTreeMap::from([(libc::SYS_socket, vec![family(libc::AF_NETLINK)?])]),
            errno(libc::EOPNOTSUPP),
        ),
    ];
    if landlock {
        filters.push((always(NOT_DONE), errno(0)));
    }
    let mut programs = Vec::new();
    #[cfg(target_arch = "x86_64")]
    programs.push(without_x32());
    for (cases, action) in filters {
        let arch = TargetArch::try_from(std::env::consts::ARCH);
        let arch = arch.map_err(|error| error.to_string())?;
        let filter = SeccompFilter::new(cases, SeccompAction::Allow, action, arch);
        let filter = filter.map_err(|error| error.to_string())?;
        programs.push(BpfProgram::try_from(filter).map_err(|error| error.to_string())?);
    }
    Ok(programs)
}

fn forbidden(landlock: bool, network: bool) -> Result<Cases, String> {
    let mut cases = always(FORBIDDEN);
    // Namespaces of its own would give it capabilities in them, and with these a wider way into the system.
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let flag = |flag: i32| {
        let flag = u64::from(flag.cast_unsigned());
        rule(vec![condition(0, Len::Qword, Op::MaskedEq(flag), flag)?])
    };
    cases.insert(libc::SYS_clone, namespaces.into_iter().map(flag).collect::<Result<_, _>>()?);
    // Types what the user would have typed into the terminal.
    let request = |request: u64| rule(vec![condition(1, Len::Dword, Op::Eq, request)?]);
    let requests = [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD];
    cases.insert(libc::SYS_ioctl, requests.into_iter().map(request).collect::<Result<_, _>>()?);
    // Another process's limits: one of no time at all would end it.
    cases.insert(libc::SYS_prlimit64, vec![rule(vec![condition(0, Len::Dword, Op::Ne, 0)?])?]);
    if landlock {
        cases.extend(always(SHARED));
        let mut sockets = vec![datagrams()?];
        if !network {
            sockets.extend([family(libc::AF_INET)?, family(libc::AF_INET6)?]);
            // Sockets of other programs are files, and Landlock does not guard connections to files.
            cases.insert(libc::SYS_connect, Vec::new());
        }
        cases.insert(libc::SYS_socket, sockets);
        cases.insert(libc::SYS_socketpair, vec![datagrams()?]);
    }
    Ok(cases)
}

fn always(calls: &[c_long]) -> Cases {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn family(family: i32) -> Result<SeccompRule, String> {
    rule(vec![condition(0, Len::Dword, Op::Eq, u64::from(family.cast_unsigned()))?])
}

/// Unix sockets that need no connection.
fn datagrams() -> Result<SeccompRule, String> {
    let unix = u64::from(libc::AF_UNIX.cast_unsigned());
    // The lowest bits are the type, the others flags.
    let datagram = u64::from(libc::SOCK_DGRAM.cast_unsigned());
    rule(vec![
        condition(0, Len::Dword, Op::Eq, unix)?,
        condition(1, Len::Dword, Op::MaskedEq(0xf), datagram)?,
    ])
}

/// Such as the sockets to the host of a virtual machine.
fn other_families() -> Result<SeccompRule, String> {
    let known = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let other = |family: i32| condition(0, Len::Dword, Op::Ne, u64::from(family.cast_unsigned()));
    rule(known.into_iter().map(other).collect::<Result<_, _>>()?)
}

fn condition(argument: u8, len: Len, operator: Op, value: u64) -> Result<SeccompCondition, String> {
    SeccompCondition::new(argument, len, operator, value).map_err(|error| error.to_string())
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, String> {
    SeccompRule::new(conditions).map_err(|error| error.to_string())
}

/// Answers that there is no such call to all calls of x32, a second set of numbers for most of what is listed above.
#[cfg(target_arch = "x86_64")]
fn without_x32() -> BpfProgram {
    const FIRST: u32 = 0x4000_0000;
    let line = |code: u32, jt: u8, jf: u8, k: u32| sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    vec![
        // The number is the first word of what a filter sees.
        line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        line(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, FIRST),
        line(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
        ),
        line(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_filters_can_be_made() {
        for (landlock, network) in [(false, false), (false, true), (true, false), (true, true)] {
            let count = programs(landlock, network).unwrap().len();
            assert_eq!(
                count,
                4 + usize::from(landlock) + usize::from(cfg!(target_arch = "x86_64"))
            );
        }
    }
}
