"""The package of `training/`, installed as a user installs it: what it writes is what the program takes.

What trains needs PyTorch, and runs where DATARUS_TRAINING_PYTHON names a Python that has it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TRAINING = Path(__file__).parents[2] / "training"


def test_the_installed_package_makes_tasks_that_the_program_solves(datarus: str, work: Path) -> None:
    site = work.parent / "site"
    env = os.environ | {"PYTHONPATH": str(site)}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-5000:]
        return done.stdout

    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(TRAINING))
    run(sys.executable, "-m", "datarus_training.orders", "--out", "tasks", "--count", "3", "--scratch", "made")
    made = json.loads(run(datarus, "episodes", "make", "tasks/tasks.jsonl", "-o", "done.jsonl", "--json"))
    tasks = (work / "tasks/tasks.jsonl").read_text().splitlines()
    done = (work / "done.jsonl").read_text().splitlines()
    assert len(tasks) == len(done) >= 3, made


def test_the_tour_runs_from_its_tasks_to_a_trained_model(
    datarus: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = os.environ.get("DATARUS_TRAINING_PYTHON")
    if not python:
        pytest.skip("opt-in: DATARUS_TRAINING_PYTHON names no Python with PyTorch")
    for name in ("notebooks/data", "agent/embedded"):
        shutil.copytree(TRAINING.parent / name, scratch / name)
    folder, programs, kernels = scratch / "training", scratch / "bin", scratch / "jupyter/kernels/python3"
    for made in (folder, programs, kernels):
        made.mkdir(parents=True)
    (programs / "datarus").symlink_to(datarus)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    # Each run trains a little, from the sources at hand.
    package = scratch / "package/datarus_training"
    package.parent.mkdir()
    package.symlink_to(TRAINING)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3 (ipykernel)", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(kernels.parents[1]))
    notebook = nbformat.read(TRAINING / "tour.ipynb", 4)
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    assert (folder / "way/grpo/model.gguf").is_file()
    assert "Gentoo" in json.dumps(notebook.cells[-2].outputs)
