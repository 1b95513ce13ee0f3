"""The package of `training/`, installed as a user installs it: what it writes is what the program takes.

Without PyTorch, which nothing here needs: tasks alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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
