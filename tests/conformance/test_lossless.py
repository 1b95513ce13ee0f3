"""Whatever is cut off or fills up: the old notebook stays whole or the new one is, and what was done is kept."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import nbformat
import pytest

import kernels

KILLS = int(os.environ.get("DATARUS_KILLS", "30"))
"""At how many moments a run is killed."""

CELLS = 8


def notebook(sources: list[str]) -> bytes:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    return nbformat.writes(made).encode()


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook, which must be a valid one."""
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    return read


def with_outputs(path: Path) -> int:
    return sum(bool(cell.outputs) for cell in read(path).cells)


class Runner:
    """`datarus run` in a folder of its own."""

    def __init__(self, datarus: str, scratch: Path, work: Path) -> None:
        self.datarus = datarus
        self.work = work
        self.env = kernels.environment(scratch)
        self.env["XDG_STATE_HOME"] = str(scratch / "state")
        self.recover = scratch / "state/datarus/recover"

    @property
    def command(self) -> list[str]:
        return [self.datarus, "run", "nb.ipynb", "-o", "nb.ipynb"]

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command, cwd=self.work, env=self.env, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip

    def recovered(self) -> list[Path]:
        return sorted(self.recover.glob("*.ipynb"))


@pytest.fixture
def runner(datarus: str, scratch: Path, work: Path) -> Runner:
    return Runner(datarus, scratch, work)


def test_a_run_that_is_killed_loses_at_most_the_step_at_hand(runner: Runner) -> None:
    path, log = runner.work / "nb.ipynb", runner.work / "log"
    sources = [
        f"open('log', 'a').write('{n}\\n')\nimport time; time.sleep(0.03)\nprint({n})"
        for n in range(CELLS)
    ]
    old = notebook(sources)
    path.write_bytes(old)
    begun = time.monotonic()
    assert runner.run().returncode == 0
    whole = time.monotonic() - begun
    assert with_outputs(path) == CELLS
    assert runner.recovered() == []
    chance = random.Random(7)
    told = untouched = 0
    for _ in range(KILLS):
        path.write_bytes(old)
        log.unlink(missing_ok=True)
        with subprocess.Popen(
            runner.command, cwd=runner.work, env=runner.env, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                process.wait(chance.uniform(0, 1.05 * whole))
            except subprocess.TimeoutExpired:
                process.kill()
            told += "a run that was cut off" in process.stderr.read()
        started = len(log.read_text().splitlines()) if log.exists() else 0
        drafts = runner.recovered()
        if path.read_bytes() == old:
            untouched += 1
            kept = max(map(with_outputs, drafts), default=0)
            # Of those that started, one may be running and one may have just ended.
            assert kept >= started - 2, f"{started} cells started, {kept} are kept"
        else:
            assert with_outputs(path) == CELLS
        # Each draft was told of by the run after it.
        for draft in drafts[1:]:
            draft.unlink()
    print(f"{KILLS} kills within {whole:.2f} s: {untouched} old files, {KILLS - untouched} new ones")
    assert untouched > 0 and told > 0


def test_a_notebook_that_somebody_else_changed_is_not_written_over(runner: Runner) -> None:
    path = runner.work / "nb.ipynb"
    path.write_bytes(notebook(["print(1)", "open('nb.ipynb', 'a').write('\\n')"]))
    theirs = path.read_bytes() + b"\n"
    done = runner.run()
    assert (done.returncode, path.read_bytes()) == (4, theirs), done.stderr
    [ours] = runner.recovered()
    assert str(ours) in done.stderr and "somebody else" in done.stderr
    assert with_outputs(ours) == 2


def in_namespace(runner: Runner, prepare: str) -> subprocess.CompletedProcess[str]:
    """Runs in a namespace where `work` is a small disk of its own, and copies the notebook out of it afterwards."""
    script = (
        f"mount -t tmpfs -o size=1m tmpfs {runner.work} && cp ../nb.ipynb {runner.work}/ && cd {runner.work} && "
        f"{prepare} && {{ {' '.join(runner.command)}; code=$?; cp nb.ipynb ../after.ipynb; exit $code; }}"
    )
    options = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--mount", *options, "sh", "-c"]
    if shutil.which("unshare") is None or not may_mount(command):
        pytest.skip("NOT RUN, it needs a namespace in which a file system can be mounted")
    return subprocess.run(
        [*command, script], cwd=runner.work, env=runner.env, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip


def may_mount(command: list[str]) -> bool:
    tried = [*command, "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("prepare", "why"),
    [("true", "No space left"), (f"mount -o remount,ro .", "Read-only file system")],
)
def test_what_cannot_be_saved_is_kept_elsewhere(runner: Runner, prepare: str, why: str) -> None:
    old = notebook([f"print('x' * 700_000)", "print(2)"])
    (runner.work.parent / "nb.ipynb").write_bytes(old)
    # Old and new notebook together are too large for the disk.
    padded = json.loads(old)
    padded["metadata"]["padding"] = "p" * 400_000
    old = json.dumps(padded).encode()
    (runner.work.parent / "nb.ipynb").write_bytes(old)
    done = in_namespace(runner, prepare)
    assert done.returncode == 4, done.stderr
    assert (runner.work.parent / "after.ipynb").read_bytes() == old
    [ours] = runner.recovered()
    assert str(ours) in done.stderr and why in done.stderr, done.stderr
    assert with_outputs(ours) == 2
