"""A running Datarus kernel, and what the tests about faults look at."""

from __future__ import annotations

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from notebook_client import Cell, Reader

Messages = list[tuple[str, dict]]


class Kernel:
    """A started kernel."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self.pid = manager.provisioner.process.pid

    def run(self, source: str) -> Messages:
        return Reader(self.client).run(Cell(source))

    def start_cell(self, source: str) -> str:
        """Sends a cell that prints `started`, and returns its id when it has."""
        request = self.client.execute(source, stop_on_error=False)
        self.wait_for(request, lambda kind, content: "started" in content.get("text", ""))
        return request

    def wait_for(self, request: str, wanted) -> Messages:
        """All messages of `request` up to the first that is wanted; fails when none comes."""
        seen: Messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") == request:
                seen.append((message["msg_type"], message["content"]))
                if wanted(*seen[-1]):
                    return seen
                ended = message["content"].get("execution_state") == "idle"
                assert not ended, f"expected another message, found the end after {seen}"

    def rest_of(self, request: str) -> Messages:
        """The messages that are still to come, up to idle, and the reply."""
        idle = lambda kind, content: content.get("execution_state") == "idle"
        seen = self.wait_for(request, idle)
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == request:
                return [*seen, ("execute_reply", reply["content"])]


def text_of(messages: Messages, *kinds: str) -> str:
    """What a reader sees, in one string."""
    parts = []
    for kind, content in messages:
        if not kinds or kind in kinds:
            parts += [content.get("text", ""), content.get("evalue", "")]
            parts.append(str(content.get("data", {}).get("text/plain", "")))
            parts.append(str(content.get("data", {}).get("text/markdown", "")))
    return "\n".join(part for part in parts if part)


def content_of(messages: Messages, wanted: str) -> dict:
    return next(content for kind, content in messages if kind == wanted)


def results(messages: Messages) -> str:
    return text_of(messages, "execute_result")
