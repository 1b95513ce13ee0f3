"""Our agent as a black box for TRL's `AsyncGRPOTrainer` (1.16) through OpenEnv (0.10).

The program's own loop asks the trainer's engine through OpenEnv's capture server, which keeps the engine's tokens and
their probabilities; so what is trained is to the letter what users meet. The server is one of its own:

    python -m openenv.core.harness.capture.server --llm-url http://127.0.0.1:8000/v1 --port 8100

    worker = HarnessRolloutWorker(harness_session_factory=functools.partial(
        DatarusSessions, TASKS, "http://127.0.0.1:8100", MODEL), ...)
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from typing import Any

from openenv.core.harness import ResourceSession, ResourceSessionFactory, ToolResult, TrainingTrace, VerifyResult

from .episode import Episode, named_in, served, tasks_by_name


class Capture:
    """OpenEnv's capture server over HTTP."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")

    def ask(self, method: str, path: str, body: dict | None = None) -> dict:
        """One request; its answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")


class DatarusSession(ResourceSession):
    """One task, solved by the program's own loop."""

    def __init__(self, episode: Episode, capture: Capture, session: str, model: str, progress: float):
        self.episode, self.capture, self.session, self.progress = episode, capture, session, progress
        options, environment = served(f"{capture.url}/v1", model, session)
        self.log = open(episode.folder / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(episode.command(*options), env=environment, stdout=subprocess.DEVNULL,
                                        stderr=self.log)

    def initial_messages(self) -> list[dict[str, Any]]:
        """None: the program writes its prompts itself."""
        return []

    def list_tools(self) -> list:
        """None: the program runs its steps itself."""
        return []

    def call_tool(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """There is none."""
        return ToolResult(error=f"no tool `{name}`: the program runs its steps itself")

    def wait_for_completion(self, timeout_s: float | None = None) -> int:
        """The exit code of the program; `TimeoutError` if it takes longer."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise TimeoutError(f"the task took more than {timeout_s} s") from None

    def fetch_training_trace(self) -> TrainingTrace:
        """The engine's tokens, call by call, with what counts for the loss."""
        return TrainingTrace.from_entries(self.capture.ask("GET", f"/sessions/{self.session}/trace_entries")["entries"])

    def verify(self, transcript: list[dict[str, Any]], final_state: Any | None = None) -> VerifyResult:
        """The reward of `datarus reward`; none, which is not nothing, if the task came to no end."""
        scores = self.episode.scores(self.progress)
        if scores is None:
            return VerifyResult()
        return VerifyResult(env_reward=scores["reward"], done=True, metrics=scores)

    def close(self) -> None:
        """Ends what still runs and leaves nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.episode.close()
        self.capture.ask("DELETE", f"/sessions/{self.session}")


class DatarusSessions(ResourceSessionFactory[DatarusSession]):
    """Sessions for the prompts of `episode.rows`, which are names of tasks."""

    def __init__(self, tasks: str, capture_url: str, model: str, sampling: dict[str, Any] | None = None,
                 program: str = "datarus", progress: float = 1.0):
        self.tasks, self.capture, self.model = tasks_by_name(tasks), Capture(capture_url), model
        self.sampling, self.program, self.progress = sampling, program, progress

    def create(self, task: Any, seed: int | None = None, episode_id: str | None = None) -> DatarusSession:
        """Begins the task that the prompt names; the engine samples as the trainer says."""
        episode = Episode(self.tasks[named_in(task)], self.program)
        body = {"session_id": episode_id, "sampling": self.sampling, "purpose": "train"}
        session = self.capture.ask("POST", "/sessions", body)["session_id"]
        return DatarusSession(episode, self.capture, session, self.model, self.progress)
