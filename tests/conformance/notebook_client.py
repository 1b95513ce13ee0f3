"""A reader of a notebook, as small as can be: runs cells and records all that comes back.

nbclient keeps only what a file stores and never answers `input()`; here every message
counts, in its order, and the reader can type and move a widget.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

import kernels

TIMEOUT = 60
"""Seconds without any message after which a cell counts as hung."""


@dataclass
class Cell:
    """Source, and what the reader does while the cell runs."""

    source: str
    types: list[str] = field(default_factory=list)
    moves: dict[str, int] = field(default_factory=dict)
    """Widget values, by description, set before the cell runs."""


def read_cells(path: Path) -> list[Cell]:
    """The cells of a script with `# %%` lines; a line may say what the reader does.

    `# %% types Ada, Grace` answers two `input()` calls; `# %% moves the seats to 7`
    moves a widget before the cell runs.
    """
    cells: list[Cell] = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.startswith("# %%"):
            cells[-1].source += line
            continue
        action = line.removeprefix("# %%").strip()
        cell = Cell(source="")
        if action.startswith("types "):
            cell.types = [part.strip() for part in action.removeprefix("types ").split(",")]
        elif moved := re.fullmatch(r"moves the (\w+) to (\d+)", action):
            cell.moves = {moved[1]: int(moved[2])}
        elif action:
            raise ValueError(f"{path.name}: expected an action, found `{action}`")
        cells.append(cell)
    for cell in cells:
        cell.source = cell.source.rstrip("\n")
    return cells


@contextmanager
def running(
    kernel: str, scratch: Path, datarus: str | None, settings: dict[str, str] | None = None
) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """A started kernel and its client; both are gone afterwards.

    They speak over ipc: TCP ports that are free when they are chosen may be taken when
    they are used, and the foreign suites use TCP throughout. `scratch` has to be short.
    """
    kernels.write_spec(scratch, kernel, kernel, datarus, settings)
    work = scratch / "work"
    work.mkdir(exist_ok=True)
    specs = KernelSpecManager(kernel_dirs=[str(scratch / "kernels")], ensure_native_kernel=False)
    manager = KernelManager(
        kernel_name=kernel,
        kernel_spec_manager=specs,
        connection_file=str(scratch / "connection.json"),
        transport="ipc",
        ip=str(scratch / "socket"),
    )
    manager.start_kernel(cwd=str(work), env=kernels.environment(scratch))
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT)
        yield manager, client
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel()


class Reader:
    """Runs cells one after another and remembers the widgets it was told of."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.widgets: dict[str, str] = {}
        """Comm id by description."""

    def run(self, cell: Cell) -> list[tuple[str, dict]]:
        """All messages on iopub, then the input requests and the reply, as (type, content) pairs.

        Between two sockets there is no order, so each keeps its own.
        """
        for description, value in cell.moves.items():
            self._move(description, value)
        typed = iter(cell.types)
        messages: list[tuple[str, dict]] = []
        requests: list[tuple[str, dict]] = []

        def answer(request: dict) -> None:
            requests.append(("input_request", request["content"]))
            self.client.input(next(typed))

        reply = self.client.execute_interactive(
            cell.source,
            allow_stdin=bool(cell.types),
            stop_on_error=False,
            timeout=TIMEOUT,
            output_hook=lambda message: messages.append(self._note(message)),
            stdin_hook=answer,
        )
        return [*messages, *requests, ("execute_reply", reply["content"])]

    def _note(self, message: dict) -> tuple[str, dict]:
        content = {**message["content"]}
        if message["buffers"]:
            content["buffers"] = [bytes(buffer).hex() for buffer in message["buffers"]]
        if message["msg_type"] == "comm_open":
            description = content["data"].get("state", {}).get("description")
            if description:
                self.widgets[description] = content["comm_id"]
        return message["msg_type"], content

    def _move(self, description: str, value: int) -> None:
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        content = {"comm_id": self.widgets[description], "data": data}
        request = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(request)
        self._drain(request["header"]["msg_id"])

    def _drain(self, parent: str) -> None:
        """Until the kernel is idle again after the request `parent`."""
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=TIMEOUT)
            except Empty as error:
                raise TimeoutError("expected idle after a comm message, found silence") from error
            same = message["parent_header"].get("msg_id") == parent
            if same and message["content"].get("execution_state") == "idle":
                return
