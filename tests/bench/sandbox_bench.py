"""Times the companion in each sandbox against none, side by side in one run, and holds the ratios against the bars.

    python tests/bench/sandbox_bench.py --datarus target/release/datarus

Run it with the Python that has ipykernel and jupyter_client. Starts and requests alternate between the sandboxes, so
that what else the machine does hits all alike; ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from kernel_bench import Kernel

TIERS = ("off", "bubblewrap", "landlock")
START_BAR, TRIP_BAR = 1.10, 1.05


def works(program: Path, tier: str, folder: Path) -> bool:
    """Whether a cell runs in this sandbox."""
    kernel = start(program, tier, folder)
    try:
        kernel.session.send(kernel.shell, kernel.session.msg("execute_request", {"code": "1"}))
        return kernel._receive(kernel.shell)["content"]["status"] == "ok"
    finally:
        kernel.stop()


def start(program: Path, tier: str, folder: Path) -> Kernel:
    """A kernel whose Python is in this sandbox."""
    return Kernel(tier, [str(program), "kernel", "-f", "{connection_file}", "--sandbox", tier], folder)


def first_replies(program: Path, tiers: list[str], rounds: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds from the start of the process to the reply to the first cell."""
    took: dict[str, list[float]] = {tier: [] for tier in tiers}
    for _ in range(rounds):
        for tier in tiers:
            kernel = start(program, tier, folder)
            try:
                kernel.request("execute_request", {"code": "1"})
                took[tier].append(1000 * (time.perf_counter() - kernel.started))
            finally:
                kernel.stop()
    return took


def round_trips(program: Path, tiers: list[str], times: int, folder: Path) -> dict[str, list[float]]:
    """Milliseconds of a cell that does nothing."""
    kernels = [start(program, tier, folder) for tier in tiers]
    took: dict[str, list[float]] = {tier: [] for tier in tiers}
    try:
        for kernel in kernels:
            kernel.execute("1")
        for _ in range(times):
            for kernel in kernels:
                took[kernel.name].append(1000 * kernel.execute("1"))
    finally:
        for kernel in kernels:
            kernel.stop()
    return took


def lines(measure: str, took: dict[str, list[float]], bar: float) -> list[tuple[str, bool]]:
    """Lines of the table, each with whether its bar is met."""
    told = []
    for tier, samples in took.items():
        ratio = statistics.median(ours / none for ours, none in zip(samples, took["off"]))
        median, least = statistics.median(samples), min(samples)
        met = tier == "off" or ratio <= bar
        word = "" if tier == "off" else f"≤ {bar:.2f} × | {'met' if met else 'MISSED'}"
        told.append((f"| {measure} | {tier} | {median:.1f} ms | {least:.1f} ms | {ratio:.2f} × | {word or ' | '} |", met))
    return told


def main() -> int:
    """Reads the command line, measures, prints the table; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datarus", required=True, type=Path, help="the program to measure")
    parser.add_argument("--times", type=int, default=300, help="round trips in each sandbox")
    parser.add_argument("--rounds", type=int, default=11, help="starts in each sandbox")
    arguments = parser.parse_args()
    program = arguments.datarus.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = folder / "work"
        work.mkdir()
        os.chdir(work)
        tiers = [tier for tier in TIERS if tier == "off" or works(program, tier, folder)]
        rows = lines("start to first execute_reply", first_replies(program, tiers, arguments.rounds, folder), START_BAR)
        rows += lines("execute round trip", round_trips(program, tiers, arguments.times, folder), TRIP_BAR)
        os.chdir("/")
    print(f"{os.cpu_count()} cores, load average at the end {os.getloadavg()[0]:.1f}\n")
    print("| measure | sandbox | median | least | ratio | bar | |\n|---|---|---|---|---|---|---|")
    print("\n".join(text for text, _ in rows))
    return int(not all(met for _, met in rows))


if __name__ == "__main__":
    sys.exit(main())
