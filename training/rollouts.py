"""Trajectories by the program: the model itself solves tasks in the sandbox, and its work is scored.

Prompts, grammar, execution, observations and rewards are the program's; here is only how it is called.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass

from .sequences import Sequence, sequences


@dataclass(frozen=True)
class Program:
    """The program `datarus`, with what is the same for all calls."""

    path: str = "datarus"
    workers: int | None = None

    def make(self, model: pathlib.Path, tasks: pathlib.Path, out: pathlib.Path, *, samples: int, temperature: float,
             seed: int, tokens: bool = True) -> None:
        """Has the model solve each task so many times; a file that is there is gone on with."""
        command = [self.path, "episodes", "make", str(tasks), "-o", str(out), "--all", "--model", str(model),
                   "--samples", str(samples), "--temperature", str(temperature), "--seed", str(seed)]
        command += ["--tokens"] if tokens else []
        command += ["--workers", str(self.workers)] if self.workers else []
        # What broke off is made again by the same command; what breaks off twice is told.
        if self._run(command, may_fail=True) is None:
            self._run(command)

    def reward(self, trajectories: pathlib.Path, progress: float) -> dict[str, dict]:
        """The scores of `datarus reward` by the name of the trajectory, at a point of the curriculum."""
        lines = self._run([self.path, "reward", str(trajectories), "--json", "--progress", f"{progress:.6f}"])
        scores = [json.loads(line) for line in lines.splitlines()]
        return {one["id"]: one for one in scores}

    def _run(self, command: list[str], may_fail: bool = False) -> str | None:
        """What a command prints, none if it failed and may; what it tells people is told only if it must not."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
        except FileNotFoundError:
            raise SystemExit(f"no program `{command[0]}`: name it with --program") from None
        if done.returncode and may_fail:
            return None
        if done.returncode:
            raise SystemExit(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout


def environment() -> dict[str, str]:
    """The environment of the program: the Python that trains runs the cells, too, unless another is named."""
    return {"DATARUS_PYTHON": sys.executable, **os.environ}


@dataclass
class Sample:
    """One trajectory of a group: its choices and what it is worth."""

    task: str
    sequences: list[Sequence]
    scores: dict

    @property
    def n_choices(self) -> int:
        """Choices that the model made."""
        return sum(len(one.choices) for one in self.sequences)


def groups(trajectories: pathlib.Path, scores: dict[str, dict]) -> list[list[Sample]]:
    """The samples by task, in the order of the file; a task of which fewer than two came about is left out."""
    found: dict[str, list[Sample]] = {}
    with open(trajectories, encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            sample = Sample(one["task"]["id"], sequences(one.get("calls", [])), scores[one["id"]])
            found.setdefault(sample.task, []).append(sample)
    return [group for group in found.values() if len(group) > 1]


def without_solutions(orders: list[dict]) -> list[dict]:
    """The same tasks for a model to solve."""
    return [{key: value for key, value in order.items() if key != "solution"} for order in orders]


def read_tasks(path: pathlib.Path) -> list[list[dict]]:
    """The tasks of a file by episode; files that lie beside it are named by their whole path."""
    episodes: dict[str, list[dict]] = {}
    with open(path, encoding="utf-8") as file:
        for order in map(json.loads, filter(str.strip, file)):
            for one in order.get("files", []):
                if "path" in one:
                    one["path"] = str((path.parent / one["path"]).resolve())
            episodes.setdefault(order.get("episode") or order["task"]["id"], []).append(order)
    return list(episodes.values())


def write_tasks(path: pathlib.Path, episodes: list[list[dict]]) -> None:
    """Writes tasks for a model to solve."""
    orders = without_solutions([order for episode in episodes for order in episode])
    path.write_text("".join(json.dumps(order, ensure_ascii=False) + "\n" for order in orders), encoding="utf-8")
