"""A cell that prints without end: it shows its beginning and its end, and our memory does not grow with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import zmq

from kernel_under_test import Kernel, content_of, results, text_of
from notebook_client import running

MIB = 1 << 20
LINE = 100_000
LINES = 2_000
FLOOD = f"for n in range({LINES}): print(f'{{n:05}}'.ljust({LINE - 1}, '.'))"


def status_of(pid: int, field: str) -> int:
    """A field of `/proc/PID/status` in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))


def forget_peak(pid: int) -> None:
    """Has `VmHWM` count from what is in use now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@pytest.fixture
def state(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(scratch / "state"))
    return scratch / "state/datarus/output"


def test_200_megabytes_show_their_beginning_and_their_end(
    state: Path, kernel: Kernel
) -> None:
    kernel.run("1")
    before = status_of(kernel.pid, "VmRSS")
    forget_peak(kernel.pid)
    # A client that subscribes and never reads.
    with zmq.Context() as context, context.socket(zmq.SUB) as deaf:
        deaf.setsockopt(zmq.RCVHWM, 1)
        deaf.setsockopt(zmq.LINGER, 0)
        deaf.subscribe(b"")
        deaf.connect(kernel.client.iopub_channel.socket.get(zmq.LAST_ENDPOINT).decode().rstrip("\0"))
        messages = kernel.run(FLOOD)
        peak = status_of(kernel.pid, "VmHWM")
    assert content_of(messages, "execute_reply")["status"] == "ok"
    shown = "".join(content["text"] for kind, content in messages if kind == "stream")
    assert shown.startswith("00000...")
    assert shown.endswith("...\n")
    assert 8 * MIB < len(shown) < 8.2 * MIB
    # What is not shown is counted and kept.
    kept = Path(re.search(r"the rest is kept in (/\S+),", shown)[1])
    assert kept.parent == state
    text = kept.read_text()
    begins = shown[: shown.index("\n… [longer than")]
    assert begins + text == "".join(f"{n:05}".ljust(LINE - 1, ".") + "\n" for n in range(LINES))
    left_out = int(re.search(r"\[(\d+) bytes left out\]", shown)[1])
    ends = shown[shown.index("bytes left out] …\n") + len("bytes left out] …\n") :]
    assert left_out + len(ends) == len(text)
    grown = (peak - before) / MIB
    print(f"memory of the kernel: {grown:.1f} MiB more at its peak")
    assert grown < 32, f"expected at most 32 MiB more, found {grown:.1f}"


def test_one_text_may_be_more_pieces_than_a_queue_of_the_companion_holds(kernel: Kernel) -> None:
    # In real pieces it would be a text of 400 MB.
    source = "import datarus_companion.streams as streams\nstreams.PIECE = 64\nprint('x' * 64 * 3_000)\n"
    messages = kernel.run(source + "print('end')")
    assert content_of(messages, "execute_reply")["status"] == "ok"
    shown = "".join(content["text"] for kind, content in messages if kind == "stream")
    assert shown == "x" * 64 * 3_000 + "\nend\n"


def test_an_interrupt_ends_a_flood(state: Path, kernel: Kernel) -> None:
    request = kernel.client.execute("while True: print('x' * 99_999)", stop_on_error=False)
    kernel.wait_for(request, lambda kind, content: "longer than 8 MiB" in content.get("text", ""))
    kernel.manager.interrupt_kernel()
    reply = content_of(kernel.rest_of(request), "execute_reply")
    assert reply["ename"] == "KeyboardInterrupt"
    assert results(kernel.run("6 * 7")) == "42"


def test_a_bound_can_be_chosen(scratch: Path, datarus: str) -> None:
    with running("datarus", scratch, datarus, {"DATARUS_MAX_OUTPUT": "100"}) as pair:
        kernel = Kernel(*pair)
        said = text_of(kernel.run("import sys; print('a' * 99); print('b' * 70_000)"))
        assert "longer than 100 bytes" in said and said.endswith("b\n")
        assert text_of(kernel.run("print('c')")) == "c\n"
        # What was taken back makes room.
        said = text_of(
            kernel.run(
                "from IPython.display import clear_output\n"
                "for n in range(50): print('d' * 90); clear_output()"
            )
        )
        assert "longer than" not in said
