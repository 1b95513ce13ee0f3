"""A kernel that says what the Datarus kernel says to a page, from a script: for tests of the page alone.

Questions begin with `>`. The words in them choose what happens: see `SCRIPTS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

TARGET = "datarus"
STEPS = [
    ("Make a table of three rows.", "import pandas as pd\ndf = pd.DataFrame({'sales': [1, 2, 4]})\ndf"),
    ("Sum the sales.", "df['sales'].sum()"),
]
FAILING = [("Try what fails.", "1 / 0"), ("Do it another way.", "21 + 21")]
LONG = [("Wait long.", "import time\nfor _ in range(600): time.sleep(0.1)")]
SCRIPTS = {"fail": FAILING, "long": LONG}
ANSWER = "The sales sum up to **7**."


class StandIn(IPythonKernel):
    """Runs Python as ipykernel does, and questions by script."""

    implementation = "datarus-stand-in"

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.comm_page = None
        self.settings = {"review": "off"}
        self.turn = None
        self.waiting: list[tuple] = []
        self.arrived: dict[str, asyncio.Future] = {}
        self.choices: dict[str, asyncio.Future] = {}
        self.stopped = asyncio.Event()
        self.comm_manager.register_target(TARGET, self.on_open)

    def on_open(self, comm, message) -> None:
        self.comm_page = comm
        self.settings = message["content"]["data"]["settings"]
        comm.on_msg(lambda message: self.on_page(message["content"]["data"]))
        comm.send({"op": "hello", "v": 1})

    def on_page(self, data: dict) -> None:
        if log := os.environ.get("STAND_IN_LOG"):
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{data}\n")
        match data["op"]:
            case "stop":
                self.stopped.set()
            case "settings":
                self.settings = data["settings"]
            case "choice":
                self.choices[data["id"]].set_result((data["choice"], data.get("source")))

    def say(self, op: str, **fields: object) -> None:
        self.comm_page.send({"op": op, **fields})

    async def execute_request(self, stream, ident, parent) -> None:
        cell = parent["metadata"].get("cellId", "")
        role = parent["metadata"].get("datarus", {}).get("role")
        code = parent["content"]["code"]
        if cell in self.arrived and not self.arrived[cell].done():
            self.arrived[cell].set_result(None)
            reply = await self.run(stream, ident, parent)
            self.outcome.set_result(reply)
        elif self.turn is not None:
            self.waiting.append((stream, ident, parent))
        elif role == "prompt" or (role is None and code.startswith(">")):
            self.turn = asyncio.create_task(self.ask(stream, ident, parent, cell, code))
        else:
            await self.run(stream, ident, parent)

    async def run(self, stream, ident, parent) -> None:
        self.set_parent(ident, parent, channel="shell")
        await super().execute_request(stream, ident, parent)

    def publish(self, state: str, parent) -> None:
        self.session.send(self.iopub_socket, "status", {"execution_state": state}, parent=parent, ident=self._topic("status"))

    async def ask(self, stream, ident, parent, cell: str, code: str) -> None:
        await asyncio.sleep(0.01)
        self.publish("busy", parent)
        self.stopped.clear()
        started = time.monotonic()
        turn = f"t_{uuid.uuid4().hex[:8]}"
        count = self.shell.execution_count
        self.shell.execution_count += 1
        self.session.send(
            self.iopub_socket, "execute_input", {"code": code, "execution_count": count}, parent=parent, ident=self._topic("execute_input")
        )
        self.say("begin", turn=turn, prompt=cell, remove=[])
        status = "done"
        slow = 0.25 if "slow" in code else 0.02
        steps = next((steps for word, steps in SCRIPTS.items() if word in code), STEPS)
        stop = asyncio.create_task(self.stopped.wait())
        work = asyncio.create_task(self.steps(turn, cell, parent, steps, slow, started))
        await asyncio.wait([stop, work], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            status = "interrupted"
            work.cancel()
        stop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        self.say("patch", id=cell, metadata={
            "tags": ["datarus-prompt", "skip-execution"],
            "datarus": {"v": 1, "role": "prompt", "turn": turn, "status": status},
        })
        text = f"*2 steps · 212 tokens · {time.monotonic() - started:.1f} s*"
        self.session.send(
            self.iopub_socket, "display_data",
            {"data": {"text/markdown": text}, "metadata": {}}, parent=parent, ident=self._topic("display_data"),
        )
        self.say("done", turn=turn, prompt=cell, status=status)
        reply = {"status": "ok", "execution_count": count, "user_expressions": {}, "payload": []}
        self.session.send(stream, "execute_reply", reply, parent, ident=ident)
        self.turn = None
        self.publish("idle", parent)
        waiting, self.waiting = self.waiting, []
        for request in waiting:
            self.publish("busy", request[2])
            await self.execute_request(*request)
            self.publish("idle", request[2])

    async def write(self, cell: str, text: str, slow: float) -> None:
        for word in text.split(" "):
            self.say("append", id=cell, text=word if text.startswith(word) else " " + word)
            await asyncio.sleep(slow)

    async def steps(self, turn: str, prompt: str, parent, steps: list, slow: float, started: float) -> None:
        def bar(phase: str, step: int) -> None:
            seconds = time.monotonic() - started
            self.say("bar", turn=turn, phase=phase, step=step, seconds=seconds, tokens=step * 71, tokens_per_second=61.5)

        after = prompt
        for number, (thought, code) in enumerate(steps, 1):
            thought_id, code_id = f"{turn}-{number}t", f"{turn}-{number}c"
            facts = {"v": 1, "turn": turn, "step": number}
            bar("thinking", number)
            self.say("insert", id=thought_id, after=after, cell_type="markdown", source="",
                     metadata={"tags": ["datarus-thought"], "datarus": {**facts, "role": "thought"}})
            await self.write(thought_id, thought, slow)
            folded = f"<details><summary>Step {number} · {thought.rstrip('.')}</summary>\n\n{thought}\n\n</details>"
            self.say("replace", id=thought_id, source=folded)
            self.say("render", id=thought_id)
            bar("writing", number)
            self.say("insert", id=code_id, after=thought_id, cell_type="code", source="",
                     metadata={"tags": ["datarus-code"], "datarus": {**facts, "role": "code"}})
            await self.write(code_id, code, slow)
            after = code_id
            if self.settings["review"] != "off":
                self.choices[code_id] = asyncio.get_running_loop().create_future()
                self.say("ask", turn=turn, id=code_id, why=[], choices=["run", "edit", "skip"])
                choice, source = await self.choices[code_id]
                if choice == "skip":
                    continue
            bar("running", number)
            self.arrived[code_id] = asyncio.get_running_loop().create_future()
            self.outcome = asyncio.get_running_loop().create_future()
            self.say("execute", id=code_id)
            await self.outcome
            self.publish("busy", parent)
            if steps is FAILING and number == 1:
                self.say("patch", id=code_id, metadata={"tags": ["datarus-failed", "skip-execution"],
                         "jupyter": {"source_hidden": True, "outputs_hidden": True}})
        bar("answering", len(steps) + 1)
        answer_id = f"{turn}-a"
        self.say("insert", id=answer_id, after=after, cell_type="markdown", source="",
                 metadata={"tags": ["datarus-answer"], "datarus": {"v": 1, "role": "answer", "turn": turn}})
        await self.write(answer_id, ANSWER, slow)
        self.say("render", id=answer_id)


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=StandIn)
