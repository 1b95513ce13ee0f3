"""What is lost when something breaks: this program beside the tools that people use today.

Prints rows of a Markdown table (`SECURITY.md` holds one); each row is measured on this machine, in this run.

    python tests/bench/faults.py --datarus target/release/datarus
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty

import nbformat
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))

import kernels  # noqa: E402
from kernel_under_test import Kernel, content_of  # noqa: E402
from notebook_client import running  # noqa: E402

GIB = 1_000_000_000
SILENCE = 120
"""Seconds without a message after which a cell that prints counts as one whose end is lost."""
PATIENCE = 12.0
"""Seconds after which an interrupted cell counts as one that does not stop."""

CELLS_THAT_DO_NOT_STOP = {
    "`await asyncio.sleep(20)`": "import asyncio\nopen('begun', 'w').close()\nawait asyncio.sleep(20)",
    "`sum(range(3 * 10**9))`": "open('begun', 'w').close()\nsum(range(3 * 10**9))",
    "a loop that catches `BaseException`": (
        "import time\n"
        "while True:\n    try: open('begun', 'w').close(); time.sleep(600)\n    except BaseException: pass"
    ),
    "`re` that goes astray": "import re\nopen('begun', 'w').close()\nre.match('(a+)+b', 'a' * 60)",
    "`os.system('sleep 60')`": "import os\nopen('begun', 'w').close()\nos.system('sleep 60')",
    "`!sleep 60`": "open('begun', 'w').close()\n!sleep 60",
    "a process that stopped itself": (
        "import os, signal, time\nopen('begun', 'w').close()\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\nwhile True: time.sleep(0.01)"
    ),
}


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


@contextmanager
def kernel_of(name: str, datarus: str) -> Iterator[Kernel]:
    with tempfile.TemporaryDirectory(prefix="dr-") as scratch:
        os.environ["XDG_STATE_HOME"] = f"{scratch}/state"
        with running(name, Path(scratch), datarus) as pair:
            kernel = Kernel(*pair)
            kernel.begun = Path(scratch) / "work/begun"
            yield kernel


def end_of(kernel: Kernel, request: str, within: float) -> dict | None:
    """The reply to a request; none when it does not come in time."""
    end = time.monotonic() + within
    while (left := end - time.monotonic()) > 0:
        try:
            reply = kernel.client.get_shell_msg(timeout=left)
        except Exception:
            return None
        if reply["parent_header"].get("msg_id") == request:
            return reply["content"]
    return None


def stopped(kernel: Kernel, source: str, *, again: bool) -> str:
    """How long a cell takes to stop, and what it costs."""
    kernel.run("kept = 1")
    # Not by what it prints: libzmq needs the interpreter's lock.
    request = kernel.client.execute(source, stop_on_error=False)
    while not kernel.begun.exists():
        time.sleep(0.01)
    begun = time.monotonic()
    kernel.manager.interrupt_kernel()
    reply = end_of(kernel, request, 3.0 if again else PATIENCE)
    interrupts = 1
    if reply is None and again:
        kernel.manager.interrupt_kernel()
        interrupts = 2
        reply = end_of(kernel, request, PATIENCE)
    seconds = time.monotonic() - begun
    if reply is None:
        return f"not within {PATIENCE:.0f} s"
    lost = ", variables lost" if reply.get("ename") == "PythonDied" else ""
    times = "" if interrupts == 1 else " after a second interrupt"
    return f"{seconds:.1f} s{times}{lost}"


def interrupts(datarus: str) -> None:
    for name, source in CELLS_THAT_DO_NOT_STOP.items():
        told = []
        for kernel_name, again in (("datarus", True), ("python3", False)):
            with kernel_of(kernel_name, datarus) as kernel:
                told.append(stopped(kernel, source, again=again))
                if "not within" in told[-1]:
                    for process in psutil.Process(kernel.pid).children(recursive=True):
                        process.kill()
                    psutil.Process(kernel.pid).kill()
        row(f"Interrupt of {name}", *told)


class Peak:
    """The most memory that a process has while it is watched, beyond what it had."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.before = self.most = self.process.memory_info().rss
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self) -> None:
        while not self.ended.wait(0.02):
            try:
                self.most = max(self.most, self.process.memory_info().rss)
            except psutil.NoSuchProcess:
                return

    def mib(self) -> float:
        self.ended.set()
        self.thread.join()
        return (self.most - self.before) / (1 << 20)


def flood(kernel_name: str, source: str, datarus: str) -> str:
    with kernel_of(kernel_name, datarus) as kernel:
        kernel.run("1")
        peak = Peak(kernel.pid)
        request = kernel.client.execute(source, stop_on_error=False)
        begun, seen, last = time.monotonic(), 0, time.monotonic()
        while True:
            try:
                message = kernel.client.get_iopub_msg(timeout=SILENCE)
            except Empty:
                seconds = last - begun
                mib = peak.mib()
                return f"**no end**: {mib:.0f} MiB more memory, {seen / 1e6:.1f} MB sent on in {seconds:.0f} s, then nothing for {SILENCE} s"
            last = time.monotonic()
            if message["parent_header"].get("msg_id") == request:
                seen += len(message["content"].get("text", ""))
                if message["content"].get("execution_state") == "idle":
                    break
        seconds = time.monotonic() - begun
        return f"{peak.mib():.0f} MiB more memory, {seconds:.0f} s, {seen / 1e6:.1f} MB sent on"


def floods(datarus: str) -> None:
    sources = {
        "1 GB in lines of 100 kB": f"for _ in range({GIB // 100_000}): print('x' * 99_999)",
        "1 GB in one `print`": f"print('x' * {GIB})",
    }
    for name, source in sources.items():
        row(f"A cell prints {name}", *(flood(one, source, datarus) for one in ("datarus", "python3")))


def verdict(path: Path, old: bytes) -> str:
    """What became of a notebook."""
    if path.read_bytes() == old:
        return "the old file, byte for byte"
    try:
        nbformat.validate(nbformat.read(path, as_version=4))
    except Exception:
        return "**an unreadable file**"
    return "the new file, whole"


def full_disk(datarus: str) -> None:
    """The notebook lies on a disk of one megabyte that has no room for its new outputs."""
    cell = nbformat.v4.new_code_cell("for _ in range(9): print('x' * 99_999)")
    old = json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    old["metadata"]["padding"] = "p" * 500_000
    python = sys.executable
    write = (
        "import nbformat; n = nbformat.read('nb.ipynb', 4); n.cells[0].source *= 30000;"
        " nbformat.write(n, 'nb.ipynb')"
    )
    tools = {
        "`datarus run`": [datarus, "run", "nb.ipynb", "-o", "nb.ipynb"],
        "`nbformat.write`": [python, "-c", write],
        "papermill": [python, "-m", "papermill", "-k", "python3", "nb.ipynb", "nb.ipynb"],
        "nbconvert": [
            python, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "nb.ipynb",
        ],
    }  # fmt: skip
    told = {}
    for name, command in tools.items():
        with tempfile.TemporaryDirectory(prefix="dr-") as folder:
            scratch = Path(folder)
            (scratch / "disk").mkdir()
            before = json.dumps(old).encode()
            (scratch / "nb.ipynb").write_bytes(before)
            kernels.write_spec(scratch, "python3", "python3", None)
            env = {**kernels.environment(scratch), "XDG_STATE_HOME": f"{scratch}/state"}
            quoted = " ".join(f"'{part}'" if "'" not in part else f'"{part}"' for part in command)
            script = (
                f"mount -t tmpfs -o size=1m tmpfs {scratch}/disk && cp nb.ipynb disk/ && cd disk && "
                f"{{ {quoted}; cp nb.ipynb ../after.ipynb; }}"
            )
            shell = ["unshare", "--mount", "sh", "-c", script]
            done = subprocess.run(
                shell, cwd=scratch, env=env, capture_output=True, text=True, check=False, timeout=300
            )
            after = scratch / "after.ipynb"
            told[name] = verdict(after, before) if after.exists() else f"not tried: {done.stderr[-200:]}"
            if list(scratch.glob("state/datarus/recover/*.ipynb")):
                told[name] += "; the new one in the recovery folder"
    ours = told.pop("`datarus run`")
    row("Disk full while saving", ours, "; ".join(f"{name}: {what}" for name, what in told.items()))


def main() -> None:
    parts: dict[str, Callable[[str], None]] = {
        "disk": full_disk, "interrupts": interrupts, "floods": floods,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datarus", required=True, type=Path)
    parser.add_argument("--only", choices=parts)
    options = parser.parse_args()
    datarus = str(options.datarus.resolve())
    row("What breaks", "Datarus", "ipykernel 7.4 and its tools")
    row("---", "---", "---")
    for name, part in parts.items():
        if options.only in (None, name):
            part(datarus)


if __name__ == "__main__":
    main()
