"""The foreign test suites: what they are, where they come from, how they run.

Each suite is somebody else's and runs unmodified: its files come from the source
distribution of one pinned release, checked by hash. It starts kernels by the name
`python3`; which kernel that is decides the environment (see `kernels.py`).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "target" / "conformance"


@dataclass(frozen=True)
class Suite:
    """One row of the table."""

    name: str
    """What the row is called."""
    files: tuple[str, ...]
    """What pytest is given, relative to the suite's folder."""
    package: str = ""
    """The distribution on the package index; empty when the files lie beside this one."""
    version: str = ""
    sha256: str = ""
    """Of the source distribution: another file is refused."""
    options: tuple[str, ...] = ()
    """For pytest, on top of `COMMON_OPTIONS`."""
    quick: tuple[str, ...] = ()
    """The files of the part that every change runs; empty when the suite has no quick part."""


COMMON_OPTIONS = (
    "-q",
    "-p",
    "no:cacheprovider",
    "--color=no",
    "--tb=short",
    # The suites turn warnings into errors; those of newer libraries are not our subject.
    "-o",
    "filterwarnings=",
    "-W",
    "ignore",
)


def _ipykernel(name: str, *files: str, quick: bool = False) -> Suite:
    paths = tuple(f"tests/{file}.py" for file in files)
    return Suite(
        name=f"ipykernel: {name}",
        files=paths,
        package="ipykernel",
        version="7.4.0",
        sha256="4330114d22b9b33575b2c7c68753fc8faabbbcfbc60b0cdff9f14dd4ce63742f",
        options=("-o", "asyncio_default_fixture_loop_scope=function", "-o", "timeout=120"),
        quick=paths if quick else (),
    )


SUITES = (
    Suite(name="jupyter_kernel_test", files=("jkt_python.py",), quick=("jkt_python.py",)),
    _ipykernel("kernel", "test_kernel"),
    _ipykernel("message spec", "test_message_spec", quick=True),
    _ipykernel("async", "test_async", quick=True),
    _ipykernel("subshells", "test_subshells"),
    _ipykernel("debugger", "test_debugger"),
    _ipykernel("event loops", "test_eventloop"),
    Suite(
        name="nbclient",
        files=("tests",),
        package="nbclient",
        version="0.11.0",
        sha256="04a134a5b087f2c5887f228aca155db50169b8cd9334dee6942c8e927e56081a",
    ),
    Suite(
        name="papermill",
        files=tuple(
            f"papermill/tests/test_{part}.py"
            for part in (
                "execute",
                "engines",
                "autosave",
                "clientwrap",
                "parameterize",
                "inspect",
                "translators",
            )
        ),
        package="papermill",
        version="2.7.0",
        sha256="ec10b37594a060662f57269e1ebd108c209d204450f00fdfeb70a1c7cfb7fbc8",
    ),
)


def folder_of(suite: Suite) -> Path:
    """The folder that holds the suite's files, fetched and unpacked on first use.

    Raises `RuntimeError` when the distribution cannot be had or is another one.
    """
    if not suite.package:
        return HERE
    stem = f"{suite.package}-{suite.version}"
    folder = CACHE / stem
    if not folder.is_dir():
        archive = CACHE / f"{stem}.tar.gz"
        if not archive.is_file():
            _download(suite)
        _check_hash(archive, suite.sha256)
        with tarfile.open(archive) as tar:
            # Pythons before 3.11.4 know no filters; what is in the archive was checked by its hash.
            tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            tar.extractall(CACHE)
    return folder


def _download(suite: Suite) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    # Only this package as source: its build requirements may come as wheels.
    command += ["--no-binary", suite.package, "--dest", str(CACHE)]
    command += [f"{suite.package}=={suite.version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"expected pip to fetch the sources of {suite.package} {suite.version}, "
            f"found exit code {done.returncode}:\n{done.stderr}"
        )


def _check_hash(archive: Path, expected: str) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != expected:
        raise RuntimeError(
            f"expected {archive.name} with SHA-256 {expected}, found {found}: "
            "delete it and run again, or pin the new release in suites.py"
        )
