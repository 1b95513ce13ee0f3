"""Which processes are there: for tests that end some and count what is left."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

DEADLINE = 20
"""Seconds after which something that should happen counts as never happening."""


def wait_until(what: str, holds: Callable[[], object]) -> None:
    """Returns as soon as `holds()` is true. Raises `TimeoutError` after `DEADLINE`."""
    end = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"expected within {DEADLINE} s: {what}")
        time.sleep(0.02)


def family(pid: int) -> list[psutil.Process]:
    """The process and all that descend from it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def companion_of(pid: int) -> psutil.Process:
    """The Python process that runs cells, among the children of the kernel `pid`."""
    found = [child for child in psutil.Process(pid).children(recursive=True) if "python" in child.name()]
    # Of the companion and its own children: a sandbox stands between the kernel and the companion.
    found = [child for child in found if child.parent() not in found]
    if len(found) != 1:
        raise LookupError(f"expected one companion under process {pid}, found {found}")
    return found[0]


def is_running(process: psutil.Process) -> bool:
    """A zombie is not: it has ended and waits for its parent to hear of it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(is_running(process) for process in processes)
