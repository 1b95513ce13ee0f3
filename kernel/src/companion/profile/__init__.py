"""Profiles of data files: which tables, columns and values they hold, and what is wrong with them.

Files may be broken, hostile or huge, and readers are C code that no exception stops. So they are read in a process of
its own (`child`), held in time and memory: what hangs or crashes there costs neither the notebook's variables nor the
turn. That process runs in the companion's sandbox, as any child of a cell does.
"""

import json
import os
import selectors
import subprocess
import sys
import time

# Seconds for one file, and for all together; what is not read by then says so.
ONE = 20
ALL = 60

# The most that the child may say of one file, in bytes.
LONGEST = 2 << 20

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from datarus_companion.profile import child; child.main()"


def profile(paths, known=()):
    """Yields what each file holds, in the order of `paths`; only that it is the same, if its content is one of `known`."""
    until = time.monotonic() + ALL
    paths = list(paths)
    while paths:
        if time.monotonic() >= until:
            yield from (_failed(path, f"not read: the files before it took {ALL} seconds") for path in paths)
            return
        for source in _by_one_child(paths, known, until):
            yield source
            paths.pop(0)


def _by_one_child(paths, known, until):
    """What one process says, up to the file that it does not survive, which is said as well."""
    child = _start()
    left = list(paths)
    try:
        child.stdin.write(json.dumps({"paths": paths, "known": list(known), "sys_path": _search_path()}).encode() + b"\n")
        child.stdin.close()
        lines = _Lines(child.stdout)
        while left:
            line = lines.next(min(until, time.monotonic() + ONE))
            if isinstance(line, str):
                yield _failed(left[0], line)
                return
            if line is None:
                yield _failed(left[0], f"cannot be read: the reader {_ended(child)}")
                return
            left.pop(0)
            yield line
    except BrokenPipeError:
        yield _failed(left[0], f"cannot be read: the reader {_ended(child)}")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def _start():
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return subprocess.Popen(
        # Isolated: a file `csv.py` beside the data must not be what is imported.
        [sys.executable, "-I", "-c", _BOOT, here],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _search_path():
    """Where the notebook's Python finds packages, without the folder in which the data lie."""
    here = os.getcwd()
    return [entry for entry in sys.path if entry and os.path.realpath(entry) != here]


class _Lines:
    """Lines of JSON out of a pipe, each waited for no longer than it may take."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)

    def next(self, until):
        """A value; None at the end; a sentence if it takes too long or says too much."""
        while b"\n" not in self._rest:
            if len(self._rest) > LONGEST:
                return "cannot be described: its tables and columns are too many"
            if not self._selector.select(max(0.0, until - time.monotonic())):
                return f"not read: it takes longer than {ONE} seconds"
            block = os.read(self._pipe.fileno(), 1 << 16)
            if not block:
                return None
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)


def _ended(child):
    child.kill()
    code = child.wait()
    return f"ended with signal {-code}" if code < 0 else "ended before it was done"


def _failed(path, why):
    return {"path": path, "notes": [why]}
