"""One task given to the program, and what its work is worth: what all bridges share."""

from __future__ import annotations

import json
import pathlib
import tempfile

from ..rollouts import Program, environment, read_tasks, write_tasks


class Episode:
    """A folder with one task, in which the program leaves its trajectory; `close` removes it."""

    def __init__(self, task: list[dict], program: str):
        self.program = program
        self._place = tempfile.TemporaryDirectory(prefix="datarus-episode-")
        self.folder = pathlib.Path(self._place.name)
        self.done = self.folder / "done.jsonl"
        write_tasks(self.folder / "tasks.jsonl", [task])

    def command(self, *more: str) -> list[str]:
        """The command line that has the task solved; its words are told nobody unless it fails."""
        return [self.program, "episodes", "make", str(self.folder / "tasks.jsonl"), "-o", str(self.done), "--all",
                "--workers", "1", *more]

    def scores(self, progress: float) -> dict | None:
        """The scores of the last trajectory; none if the task came to no end."""
        if not self.done.exists() or not self.done.stat().st_size:
            return None
        return list(Program(self.program).reward(self.done, progress).values())[-1]

    def close(self) -> None:
        """Removes the folder."""
        self._place.cleanup()


def served(url: str, model: str, key: str) -> tuple[list[str], dict[str, str]]:
    """Options and environment with which the program's own loop asks a server; the key is in no command line."""
    return ["--model", url, "--endpoint-model", model], {**environment(), "DATARUS_API_KEY": key}


def tasks_by_name(path: str) -> dict[str, list[dict]]:
    """What each question of a file needs, by its name: the chat up to it."""
    tasks = read_tasks(pathlib.Path(path))
    return {order["task"]["id"]: task[: at + 1] for task in tasks for at, order in enumerate(task)}


def rows(path: str) -> list[dict]:
    """A data set whose prompts are names of tasks: what a model reads is for the program to say."""
    names = [task[-1]["task"]["id"] for task in read_tasks(pathlib.Path(path))]
    return [{"prompt": [{"role": "user", "content": name}], "task_id": name, "agent_name": "datarus"} for name in names]


def named_in(prompt: str | list[dict]) -> str:
    """The name in a prompt of `rows`."""
    return prompt if isinstance(prompt, str) else prompt[-1]["content"]


def task_of(row: dict) -> str:
    """The name of the task of a row: of `rows`, or of `datarus episodes export --format verl`, whose prompt is a chat."""
    info = row.get("extra_info") or {}
    return row.get("task_id") or info.get("task_id") or named_in(list(row["raw_prompt"]))


def dump(value: dict) -> bytes:
    """A line of JSON."""
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()
