"""An environment for TRL's `GRPOTrainer` (1.16): the model calls tools, the program runs them and says what it shows.

    trainer = GRPOTrainer(model, args=..., train_dataset=Dataset.from_list(rows(TASKS)),
                          environment_factory=functools.partial(DatarusEnv, TASKS))

For models that call tools. The program's own protocol is trained through `trl_harness`.
"""

from __future__ import annotations

import json
import os
import select
import subprocess

from ..rollouts import environment
from .episode import Episode, dump, tasks_by_name

STEPS = 12  # A cell more is not run: an episode has an end.


class DatarusEnv:
    """A sandbox with the data of one task. TRL makes each public method but `reset` and `get_reward` a tool."""

    def __init__(self, tasks: str, program: str = "datarus", progress: float = 1.0):
        self._tasks, self._program, self._progress = tasks_by_name(tasks), program, progress
        self._episode: Episode | None = None
        self._process: subprocess.Popen | None = None

    def reset(self, **row) -> str:
        """Begins the task that the row names; what the model reads of it besides the row's prompt."""
        self._end()
        task = self._tasks[row["task_id"]]
        if len(task) > 1:
            raise ValueError(f"expected the first question of a chat, found the later one `{row['task_id']}`: leave it out")
        self._episode, self._steps, self._buffer = Episode(task, self._program), 0, b""
        asked, moved = (str(self._episode.folder / name) for name in ("asked", "moved"))
        os.mkfifo(asked)
        os.mkfifo(moved)
        # Opened for both, a pipe waits for nobody; whether the program still lives is asked while it is read.
        self._asked, self._moved = (os.open(path, os.O_RDWR) for path in (asked, moved))
        solver = f"exec 9<&0; cat <&9 >'{asked}' & exec cat '{moved}'"
        self._log = open(self._episode.folder / "log", "w+", encoding="utf-8")
        command = self._episode.command("--solver", solver)
        self._process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=self._log)
        order = self._observe()["order"]
        files = ", ".join(file["name"] for file in order.get("files", []))
        return f"\n\n{order['task']['prompt']}\nFiles: {files}"

    def run_cell(self, thought: str, code: str) -> str:
        """Runs Python in the notebook of this task and shows what it puts out.

        Args:
            thought: What the cell is to find out, in a few words.
            code: The Python code of one cell. Names stay from cell to cell.

        Returns:
            What the cell shows.
        """
        if self._is_over():
            return "The task has ended."
        if self._steps >= STEPS:
            return f"No further cell: {STEPS} were run. Call finish."
        self._steps += 1
        os.write(self._moved, dump({"thought": thought, "code": code}))
        return self._observe()["shown"][-1]["text"]

    def finish(self, thought: str, answer: str) -> str:
        """Gives the answer and ends the task.

        Args:
            thought: What the answer stands on, in a few words.
            answer: The answer, in a sentence or two, with the numbers that the cells have shown.

        Returns:
            That the task has ended.
        """
        if not self._is_over():
            os.write(self._moved, dump({"thought": thought, "answer": answer}))
            self._process.wait()
        return "The task has ended."

    def get_reward(self) -> float:
        """What the work is worth by `datarus reward`; nothing without an answer."""
        scores = self._episode.scores(self._progress) if self._is_over() else None
        return scores["reward"] if scores else 0.0

    def _is_over(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _observe(self) -> dict:
        """The next line of the program: the task, and what its cells have shown so far."""
        while b"\n" not in self._buffer:
            if select.select([self._asked], [], [], 0.2)[0]:
                self._buffer += os.read(self._asked, 1 << 20)
            elif self._is_over():
                self._log.seek(0)
                raise RuntimeError(f"the program ended before the task: {self._log.read()[-2000:]}")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _end(self) -> None:
        if self._episode is None:
            return
        if not self._is_over():
            self._process.kill()  # What guards its sandbox clears up behind it.
            self._process.wait()
        os.close(self._asked)
        os.close(self._moved)
        self._log.close()
        self._episode.close()
        self._episode = None

    def __del__(self):
        self._end()
