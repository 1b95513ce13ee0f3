"""What the tests need from outside; a missing part is an error, never a skip."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kernel_under_test import Kernel
from notebook_client import running
from processes import all_gone, family, wait_until

SALES = """region,month,revenue
North,1,120
South,1,99
East,1,80
North,2,140
South,2,101
East,2,84
"""


def _required(variable: str, meaning: str) -> str:
    value = os.environ.get(variable)
    if not value or not Path(value).is_file():
        raise pytest.UsageError(
            f"expected {variable} to name {meaning}, found {value!r}: set it and run again"
        )
    return value


@pytest.fixture(scope="session")
def datarus() -> str:
    """Path of the binary under test."""
    return str(Path(_required("DATARUS_BIN", "the datarus binary")).resolve())


@pytest.fixture(scope="session", autouse=True)
def python() -> str:
    """The Python with ipykernel that both kernels use."""
    return _required("DATARUS_PYTHON", "a Python with ipykernel")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder with a short name: ipc sockets lie in it, and their paths are bounded."""
    folder = Path(tempfile.mkdtemp(prefix="dr-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def work(scratch: Path) -> Path:
    """The folder in which a kernel runs, with a table."""
    folder = scratch / "work"
    folder.mkdir()
    (folder / "sales.csv").write_text(SALES)
    return folder


@pytest.fixture
def kernel(work: Path, datarus: str) -> Iterator[Kernel]:
    """A started Datarus kernel; that its shutdown leaves nothing is part of every test."""
    with running("datarus", work.parent, datarus) as (manager, client):
        started = Kernel(manager, client)
        yield started
        processes = family(started.pid) if psutil.pid_exists(started.pid) else []
    wait_until("kernel and companion are gone after shutdown", lambda: all_gone(processes))
