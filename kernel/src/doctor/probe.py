"""What code in the companion can reach: each probe tries one thing and says what came of it.

Runs in a cell, with `PLANTED` in its namespace: what was put outside of the sandbox to be found. Prints JSON, a list
of [name, outcome, found] with the outcomes `reached`, `held` and `unknown`.
"""

import ctypes
import errno
import json
import os
import platform
import resource
import socket
import stat
import sys
import tempfile
import threading

PROBES = []
LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
CALLS = {
    "ptrace": 101 if X86 else 117,
    "mount": 165 if X86 else 40,
    "keyctl": 250 if X86 else 219,
    "unshare": 272 if X86 else 97,
    "perf_event_open": 298 if X86 else 241,
    "bpf": 321 if X86 else 280,
    "userfaultfd": 323 if X86 else 282,
    "io_uring_setup": 425,
}
PTRACE_SEIZE = 0x4206
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MANY = 2000


class Unknown(Exception):
    """It cannot be told here."""


def probe(name):
    """What the function tries: it returns what it reached, or raises `OSError`."""

    def keep(function):
        PROBES.append((name, function))
        return function

    return keep


def call(name, *arguments):
    result = LIBC.syscall(CALLS[name], *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def reaches(name, *arguments):
    """A call with arguments that make no sense: refused, or looked at."""
    try:
        call(name, *arguments)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
        return f"looked at: {error.strerror}"
    return "done"


def in_child(function):
    """Runs `function` in a process of its own; returns what it reached or raises its error."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = "+" + str(function())
        except OSError as error:
            said = "-" + str(error.errno)
        except BaseException as error:
            said = "+" + repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as lines:
        said = lines.read().decode()
    os.waitpid(child, 0)
    if said.startswith("-"):
        raise OSError(int(said[1:]), os.strerror(int(said[1:])))
    return said[1:]


def outside(name):
    return os.path.join(PLANTED["outside"], name)


@probe("read a file outside of the workspace")
def _():
    with open(outside("secret")) as file:
        return file.read()


@probe("list a folder outside of the workspace")
def _():
    return str(os.listdir(PLANTED["outside"]))


@probe("see the size of a file outside of the workspace")
def _():
    return f"{os.stat(outside('secret')).st_size} bytes"


@probe("read it through a symbolic link in the workspace")
def _():
    os.symlink(outside("secret"), "link")
    try:
        with open("link") as file:
            return file.read()
    finally:
        os.remove("link")


@probe("read it through a hard link in the workspace")
def _():
    os.link(outside("secret"), "hard")
    with open("hard") as file:
        return file.read()


@probe("write a file outside of the workspace")
def _():
    with open(outside("written"), "w") as file:
        file.write("x")
    return "written"


@probe("delete a file outside of the workspace")
def _():
    os.remove(outside("expendable"))
    return "deleted"


@probe("change the mode of a file outside of the workspace")
def _():
    path = outside("secret")
    before = os.stat(path).st_mode
    os.chmod(path, 0o640)
    if os.stat(path).st_mode == before:
        raise PermissionError(errno.EPERM, "said to be done, and not done")
    return stat.filemode(os.stat(path).st_mode)


@probe("write into the home")
def _():
    # Whether it is the real home that this reached is looked at from outside.
    with open(PLANTED["file_in_home"], "w") as file:
        file.write("x")
    return "written"


@probe("list the home")
def _():
    found = sorted(set(os.listdir(PLANTED["home"])) & set(PLANTED["names_in_home"]))
    if PLANTED["names_in_home"] and not found:
        raise FileNotFoundError(errno.ENOENT, "nothing of it is there")
    if not PLANTED["names_in_home"]:
        raise Unknown("there is nothing in it")
    return str(found[:3])


@probe("write into the Python environment")
def _():
    path = os.path.join(os.path.dirname(json.__file__), "datarus_probe.py")
    with open(path, "w") as file:
        file.write("x")
    os.remove(path)
    return "written"


@probe("write into the Python environment's packages")
def _():
    import ipykernel

    path = os.path.join(os.path.dirname(ipykernel.__file__), "datarus_probe.py")
    with open(path, "w") as file:
        file.write("x")
    os.remove(path)
    return "written"


@probe("read the kernel's connection file, with its key")
def _():
    with open(PLANTED["connection_file"]) as file:
        return f"{len(file.read())} bytes"


@probe("read a key from the environment")
def _():
    if PLANTED["variable"] in os.environ:
        return os.environ[PLANTED["variable"]]
    raise FileNotFoundError(errno.ENOENT, "not set")


@probe("read the kernel's environment")
def _():
    with open(f"/proc/{PLANTED['kernel']}/environ", "rb") as file:
        return f"{len(file.read())} bytes"


@probe("open another process's memory")
def _():
    with open(f"/proc/{PLANTED['victim']}/mem", "rb"):
        return "opened"


@probe("see another process")
def _():
    with open(f"/proc/{PLANTED['victim']}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode().strip()


@probe("send a signal to another process")
def _():
    os.kill(PLANTED["victim"], 0)
    return "sent"


@probe("change the limits of another process")
def _():
    now = resource.prlimit(PLANTED["victim"], resource.RLIMIT_NOFILE)
    resource.prlimit(PLANTED["victim"], resource.RLIMIT_NOFILE, now)
    return "changed"


@probe("trace another process")
def _():
    return in_child(lambda: call("ptrace", PTRACE_SEIZE, PLANTED["victim"], 0, 0))


@probe("connect to a port of this machine")
def _():
    with socket.create_connection(("127.0.0.1", PLANTED["tcp"]), timeout=5):
        return "connected"


@probe("send a datagram to a port of this machine")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(("127.0.0.1", PLANTED["udp"]))
        line.send(b"x")
        # A refusal comes back with the second one.
        line.settimeout(0.2)
        try:
            return f"answered {line.recv(9)!r}"
        except TimeoutError:
            return "sent, and not refused"


@probe("reach the internet's addresses")
def _():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        # Sends nothing; says whether there is a way.
        line.connect(("192.0.2.1", 9))
        return f"a way from {line.getsockname()[0]}"


@probe("open a raw socket")
def _():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return "opened"


@probe("open a socket to all that passes on the network")
def _():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    return "opened"


@probe("open a socket to the host of a virtual machine")
def _():
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    return "opened"


@probe("open a socket to the system's settings")
def _():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
    return "opened"


@probe("connect to another program's socket")
def _():
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(outside("stream"))
        return "connected"


@probe("send a datagram to another program's socket")
def _():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.sendto(b"x", outside("datagram"))
        return "sent"


@probe("connect to another program's socket without a file")
def _():
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("\0" + PLANTED["abstract"])
        return "connected"


@probe("make namespaces of its own")
def _():
    return in_child(lambda: call("unshare", CLONE_NEWUSER | CLONE_NEWNET))


@probe("mount a file system")
def _():
    return reaches("mount", 0, 0, 0, 0, 0)


@probe("use io_uring, which no filter sees")
def _():
    return reaches("io_uring_setup", 0, 0)


@probe("use the system's key store")
def _():
    return reaches("keyctl", 0, -3, 0)


@probe("load a program into the system")
def _():
    return reaches("bpf", 0, 0, 0)


@probe("watch the system's counters")
def _():
    return reaches("perf_event_open", 0, 0, -1, -1, 0)


@probe("handle its own page faults")
def _():
    os.close(call("userfaultfd", 0))
    return "done"


@probe("type into a terminal")
def _():
    terminals = [number for number in range(3) if os.isatty(number)]
    if terminals:
        return f"descriptors {terminals}"
    with open("/dev/tty", "wb"):
        return "opened"


@probe("hold a capability, or get one back")
def _():
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    if int(status["CapEff"], 16) or status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        return f"CapEff {status['CapEff']}, NoNewPrivs {status['NoNewPrivs']}, Seccomp {status['Seccomp']}"
    raise PermissionError(errno.EPERM, "none, no new ones, and filtered")


@probe("take all memory")
def _():
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return "no limit"
    try:
        bytearray(limit)
    except MemoryError:
        raise PermissionError(errno.EPERM, f"MemoryError at {limit >> 20} MB, and still here") from None
    return "taken"


@probe("start processes without end")
def _():
    if os.getuid() == 0:
        raise Unknown("no limit holds for root")
    # Threads count as processes do, and cost less.
    before = threading.stack_size(1 << 16)
    over, threads = threading.Event(), []
    try:
        for _ in range(MANY):
            thread = threading.Thread(target=over.wait, daemon=True)
            thread.start()
            threads.append(thread)
    except RuntimeError as error:
        raise PermissionError(errno.EAGAIN, f"no more than {len(threads)}") from error
    finally:
        over.set()
        for thread in threads:
            thread.join()
        threading.stack_size(before)
    return f"{MANY}"


@probe("write a file without end")
def _():
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY:
        return "no limit"
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), limit + 1)
    return f"more than {limit} bytes"


@probe("leave a dump of its memory")
def _():
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if limit:
        return f"limit {limit}"
    raise PermissionError(errno.EPERM, "limit 0")


@probe("find its own folder open to other users")
def _():
    # The launcher is in the folder with the companion's sockets.
    folder = os.path.dirname(os.path.abspath(sys.argv[0]))
    mode = os.stat(folder).st_mode & 0o777
    if mode & 0o077:
        return f"{mode:o}"
    raise PermissionError(errno.EPERM, f"mode {mode:o}")


def outcome(function):
    try:
        return "reached", str(function())
    except OSError as error:
        return "held", error.strerror or str(error)
    except (Unknown, AttributeError) as error:
        return "unknown", str(error)


print(json.dumps([[name, *outcome(function)] for name, function in PROBES]))
