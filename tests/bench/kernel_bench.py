"""Times Datarus against ipykernel, side by side in one run, and holds the ratios against the bars.

    python tests/bench/kernel_bench.py --datarus target/release/datarus

Run it with the Python that has ipykernel and jupyter_client; the companion of Datarus runs on the
same one. Requests to the two kernels alternate, so that what else the machine does hits both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

PRINTS = "for i in range(100_000): print(i)"
PRINTED = sum(len(str(i)) + 1 for i in range(100_000))
SHOWN = 50_000_000
SHOW = f"display({{'text/plain': 'x' * {SHOWN}}}, raw=True)"
TIMEOUT_S = 120


class Kernel:
    """A kernel process and a client's sockets to it."""

    def __init__(self, name: str, argv: list[str], folder: Path) -> None:
        """Starts the kernel and connects; does not wait for it."""
        self.name = name
        path = folder / f"{name}-{time.monotonic_ns()}.json"
        _, info = write_connection_file(str(path), ip="127.0.0.1", key=os.urandom(16).hex().encode())
        self.session = Session(key=info["key"].encode(), signature_scheme="hmac-sha256")
        self.context = zmq.Context()
        environment = {**os.environ, "DATARUS_PYTHON": sys.executable, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        command = [str(path) if part == "{connection_file}" else part for part in argv]
        self.started = time.perf_counter()
        with path.with_suffix(".log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.log = path.with_suffix(".log")
        self.shell = self._connect(zmq.DEALER, info["shell_port"])
        self.control = self._connect(zmq.DEALER, info["control_port"])
        self.iopub = self._connect(zmq.SUB, info["iopub_port"])
        self.iopub.subscribe(b"")

    def _connect(self, kind: int, port: int) -> zmq.Socket:
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = 0
        # The default of 100 ms would hide what a quick start gains.
        socket.reconnect_ivl = 1
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    def request(self, kind: str, content: dict) -> float:
        """Sends a request on shell and returns the seconds until its reply."""
        message = self.session.msg(kind, content)
        began = time.perf_counter()
        self.session.send(self.shell, message)
        while True:
            reply = self._receive(self.shell)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return time.perf_counter() - began

    def kernel_info(self) -> float:
        """The round trip of a `kernel_info_request`."""
        took = self.request("kernel_info_request", {})
        self.drain()
        return took

    def execute(self, code: str) -> float:
        """The round trip of an `execute_request`."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        took = self.request("execute_request", {**content, "user_expressions": {}, "stop_on_error": True})
        self.drain()
        return took

    def output(self, code: str, size: Callable[[dict], int]) -> tuple[float, int]:
        """Seconds from a request to its `idle`, and the sum of `size` over its outputs."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = self.session.msg("execute_request", content)
        began, total = time.perf_counter(), 0
        self.session.send(self.shell, message)
        while True:
            said = self._receive(self.iopub)
            if said["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            total += size(said)
            if said["content"].get("execution_state") == "idle":
                took = time.perf_counter() - began
                self._receive(self.shell)
                return took, total

    def drain(self) -> None:
        """Reads what was published, up to the next `idle`."""
        while self._receive(self.iopub)["content"].get("execution_state") != "idle":
            pass

    def _receive(self, socket: zmq.Socket) -> dict:
        if not socket.poll(TIMEOUT_S * 1000):
            said = self.log.read_text(errors="replace")[-2000:]
            raise TimeoutError(f"{self.name} did not answer within {TIMEOUT_S} s; it said:\n{said}")
        _, frames = self.session.feed_identities(socket.recv_multipart(copy=True))
        return self.session.deserialize(frames)

    def resident_mb(self) -> float:
        """Resident memory of the kernel's own process, without its children."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def stop(self) -> None:
        """Asks the kernel to end, and sees to it."""
        self.session.send(self.control, self.session.msg("shutdown_request", {"restart": False}))
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.context.destroy(linger=0)


Pair = tuple[list[float], list[float]]
Start = Callable[[str], Kernel]


@dataclass
class Row:
    """One line of the table: a measure of both kernels, and its bar."""

    measure: str
    ipykernel: float
    datarus: float
    unit: str
    bar: str
    met: bool | None
    ratio: str

    def cells(self) -> list[str]:
        """The line as text."""
        met = {True: "met", False: "MISSED", None: ""}[self.met]
        number = f"{self.datarus:.2f} {self.unit}"
        peer = f"{self.ipykernel:.2f} {self.unit}"
        return [self.measure, peer, number, self.ratio, self.bar, met]


def at_least(measure: str, unit: str, peer: float, ours: float, bar: float, word: str) -> Row:
    """A row whose bar is a ratio of the peer's figure to ours."""
    ratio = peer / ours
    return Row(measure, peer, ours, unit, f"≥ {bar:g} × {word}", ratio >= bar, f"{ratio:.2f} ×")


def in_pairs(measure: str, samples: Pair, bar: float) -> Row:
    """A row of times whose ratio is the median over pairs that ran one after the other.

    Large outputs take long enough for the machine's load to change from one pair to the next.
    """
    ratio = statistics.median(peer / ours for peer, ours in zip(*samples))
    peer, ours = map(statistics.median, samples)
    return Row(measure, peer, ours, "ms", f"≥ {bar:g} × as fast", ratio >= bar, f"{ratio:.2f} ×")


def noted(measure: str, unit: str, peer: float, ours: float) -> Row:
    """A row without a bar."""
    return Row(measure, peer, ours, unit, "", None, f"{peer / ours:.2f} ×")


def p99(samples: list[float]) -> float:
    """The 99th percentile."""
    return sorted(samples)[int(len(samples) * 0.99)]


def milliseconds(samples: list[float]) -> list[float]:
    """Seconds as milliseconds."""
    return [1000 * sample for sample in samples]


def measure_start(start: Start, rounds: int) -> tuple[Pair, Pair]:
    """Milliseconds from the start of the process to the first replies to kernel_info and execute."""
    infos: Pair = ([], [])
    executes: Pair = ([], [])
    for _ in range(rounds):
        for place, name in enumerate(("ipykernel", "datarus")):
            kernel = start(name)
            try:
                kernel.request("kernel_info_request", {})
                infos[place].append(1000 * (time.perf_counter() - kernel.started))
                kernel.request("execute_request", {"code": "1"})
                executes[place].append(1000 * (time.perf_counter() - kernel.started))
            finally:
                kernel.stop()
    return infos, executes


def alternate(kernels: list[Kernel], times: int, what: Callable[[Kernel], float]) -> Pair:
    """Milliseconds of `what` on both kernels in turn; each goes first every other time."""
    samples: Pair = ([], [])
    for number in range(times):
        for place in (0, 1) if number % 2 == 0 else (1, 0):
            samples[place].append(what(kernels[place]))
    return milliseconds(samples[0]), milliseconds(samples[1])


def text_size(said: dict) -> int:
    """Characters of stream text in a message."""
    return len(said["content"].get("text", "")) if said["msg_type"] == "stream" else 0


def shown_size(said: dict) -> int:
    """Characters of displayed text in a message."""
    shown = said["msg_type"] == "display_data"
    return len(said["content"]["data"].get("text/plain", "")) if shown else 0


def complete(kernel: Kernel, code: str, size: Callable[[dict], int], expected: int) -> float:
    """Seconds until all of an output has arrived."""
    took, found = kernel.output(code, size)
    if found != expected:
        raise AssertionError(f"{kernel.name}: expected {expected} characters of output, found {found}")
    return took


def of_starts(start: Start, rounds: int) -> list[Row]:
    """What a start takes."""
    infos, executes = measure_start(start, rounds)
    first = map(statistics.median, infos)
    return [
        at_least("start to first kernel_info_reply", "ms", *first, 5, "sooner"),
        noted("start to first execute_reply", "ms", *map(statistics.median, executes)),
    ]


def of_trips(kernels: list[Kernel], times: int) -> list[Row]:
    """What round trips take."""
    infos = alternate(kernels, times, Kernel.kernel_info)
    cells = alternate(kernels, times, lambda kernel: kernel.execute("1"))
    cell = [statistics.median(sample) for sample in cells]
    added = cell[1] - cell[0]
    return [
        at_least("kernel_info round trip, median", "ms", *map(statistics.median, infos), 3, "shorter"),
        noted("kernel_info round trip, p99", "ms", *map(p99, infos)),
        Row("execute round trip, median", *cell, "ms", "≤ 0.5 ms more", added <= 0.5, f"{added:+.2f} ms"),
        noted("execute round trip, p99", "ms", *map(p99, cells)),
    ]


def of_prints(kernels: list[Kernel], rounds: int) -> list[Row]:
    """What many small outputs take."""
    prints = alternate(kernels, rounds, lambda k: complete(k, PRINTS, text_size, PRINTED))
    return [in_pairs("100,000 printed lines, median", prints, 0.95)]


def of_shows(kernels: list[Kernel], rounds: int) -> list[Row]:
    """What a large output takes."""
    shows = alternate(kernels, rounds, lambda k: complete(k, SHOW, shown_size, SHOWN))
    return [in_pairs("50 MB displayed, median", shows, 0.95)]


PARTS = ("starts", "trips", "prints", "shows")


def bench(start: Start, times: int, rounds: int, only: str | None) -> list[Row]:
    """Runs all measures, or those of one part; memory is measured around all others."""
    rows = of_starts(start, rounds) if only in (None, "starts") else []
    if only == "starts":
        return rows
    kernels = [start("ipykernel"), start("datarus")]
    try:
        for kernel in kernels:
            kernel.execute("1")
        idle = [kernel.resident_mb() for kernel in kernels]
        rows += of_trips(kernels, times) if only in (None, "trips") else []
        rows += of_prints(kernels, rounds) if only in (None, "prints") else []
        rows += of_shows(kernels, rounds) if only in (None, "shows") else []
        used = [kernel.resident_mb() for kernel in kernels]
    finally:
        for kernel in kernels:
            kernel.stop()
    if only is None:
        held = f"{idle[1] / idle[0]:.2f} ×"
        rows.append(Row("resident memory, idle", *idle, "MB", "< 25 MB", idle[1] < 25, held))
        rows.append(noted("resident memory, at the end", "MB", *used))
    return rows


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [["measure", "ipykernel", "datarus", "ratio", "bar", ""], *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(6)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main() -> int:
    """Reads the command line, measures, prints the table; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datarus", required=True, type=Path, help="the program to measure")
    parser.add_argument("--times", type=int, default=500, help="round trips of each kind")
    parser.add_argument("--rounds", type=int, default=21, help="starts and large outputs of each kind")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    commands = {
        "ipykernel": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "datarus": [str(arguments.datarus.resolve()), "kernel", "-f", "{connection_file}"],
    }
    with tempfile.TemporaryDirectory() as folder:
        start = lambda name: Kernel(name, commands[name], Path(folder))  # noqa: E731
        rows = bench(start, arguments.times, arguments.rounds, arguments.only)
    print(f"{os.cpu_count()} cores, load average at the end {os.getloadavg()[0]:.1f}\n")
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps([vars(row) for row in rows], indent=1))
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
