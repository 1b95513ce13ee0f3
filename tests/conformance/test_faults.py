"""What breaks says so clearly, hangs nothing and leaves nothing running: through the binary."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kernels
from kernel_under_test import Kernel, content_of, results, text_of
from notebook_client import running
from processes import all_gone, companion_of, family, is_running, wait_until

SLEEPER = "import time\nprint('started', flush=True)\ntime.sleep(600)"


def test_a_killed_companion_is_told_in_the_cell_and_replaced(kernel: Kernel) -> None:
    kernel.run("x = 1")
    request = kernel.start_cell(SLEEPER)
    companion_of(kernel.pid).send_signal(signal.SIGKILL)
    messages = kernel.rest_of(request)
    assert content_of(messages, "execute_reply")["status"] == "error"
    said = text_of(messages, "error")
    assert "SIGKILL" in said, said
    assert "variable" in said, f"expected to be told that variables are gone: {said}"
    assert results(kernel.run("6 * 7")) == "42"
    assert "NameError" in str(kernel.run("x"))


def test_cells_that_wait_when_the_companion_dies_are_all_answered(kernel: Kernel) -> None:
    first = kernel.start_cell(SLEEPER)
    waiting = [kernel.client.execute(f"{n} + 1", stop_on_error=False) for n in range(3)]
    companion_of(kernel.pid).send_signal(signal.SIGKILL)
    answered = set()
    while len(answered) < 4:
        reply = kernel.client.get_shell_msg(timeout=60)
        answered.add(reply["parent_header"]["msg_id"])
    assert answered == {first, *waiting}


def test_a_cell_that_ends_its_own_process_is_answered(kernel: Kernel) -> None:
    messages = kernel.run("import os; os.kill(os.getpid(), 11)")
    assert content_of(messages, "execute_reply")["status"] == "error"
    assert results(kernel.run("6 * 7")) == "42"


def test_a_killed_companion_leaves_none_of_its_children(kernel: Kernel) -> None:
    kernel.run("import subprocess\nchild = subprocess.Popen(['sleep', '600'])")
    companion = companion_of(kernel.pid)
    child = next(one for one in companion.children() if one.name() == "sleep")
    companion.send_signal(signal.SIGKILL)
    wait_until("the companion's child is gone", lambda: not is_running(child))


def test_a_killed_kernel_takes_its_companion_along(kernel: Kernel) -> None:
    kernel.start_cell(SLEEPER)
    processes = family(kernel.pid)
    os.kill(kernel.pid, signal.SIGKILL)
    wait_until("kernel and companion are gone", lambda: all_gone(processes))


def test_a_killed_front_end_takes_the_kernel_along(scratch: Path, datarus: str) -> None:
    kernels.write_spec(scratch, "datarus", "datarus", datarus)
    program = (
        "import sys, time\n"
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='datarus')\n"
        "client.execute_interactive('pass')\n"
        "print(manager.provisioner.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program]
    env = kernels.environment(scratch)
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as front_end:
        processes = family(int(front_end.stdout.readline()))
        front_end.kill()
    wait_until("kernel and companion are gone", lambda: all_gone(processes))


def test_a_restart_leaves_one_family(kernel: Kernel) -> None:
    kernel.run("x = 1")
    before = family(kernel.pid)
    kernel.manager.restart_kernel()
    wait_until("the first kernel and its companion are gone", lambda: all_gone(before))
    kernel.client.wait_for_ready(timeout=60)
    kernel.pid = kernel.manager.provisioner.process.pid
    assert "NameError" in str(kernel.run("x"))


def test_an_interrupt_ends_a_cell_and_the_kernel_is_ready(kernel: Kernel) -> None:
    request = kernel.start_cell(SLEEPER)
    kernel.manager.interrupt_kernel()
    assert content_of(kernel.rest_of(request), "execute_reply")["ename"] == "KeyboardInterrupt"
    assert results(kernel.run("6 * 7")) == "42"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("print('x' * 100_000_000)", "stream"),
        ("for _ in range(10_000): print('x' * 9_999)", "stream"),
        ("'x' * 100_000_000", "execute_result"),
    ],
)
def test_100_megabytes_of_output_arrive_where_they_are_wanted(
    scratch: Path, datarus: str, source: str, kind: str
) -> None:
    with running("datarus", scratch, datarus, {"DATARUS_MAX_OUTPUT": "off"}) as pair:
        kernel = Kernel(*pair)
        found = text_of(kernel.run(source), kind)
        assert found.count("x") in (99_990_000, 100_000_000)
        assert results(kernel.run("6 * 7")) == "42"


def test_a_missing_python_is_told_in_the_cell(scratch: Path, datarus: str) -> None:
    settings = {"DATARUS_PYTHON": "/nowhere/python"}
    with running("datarus", scratch, datarus, settings) as pair:
        said = text_of(Kernel(*pair).run("1 + 1"), "error")
    assert "/nowhere/python" in said


def test_a_missing_connection_file_is_told(datarus: str, scratch: Path) -> None:
    missing = scratch / "missing.json"
    command = [datarus, "kernel", "-f", str(missing)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert str(missing) in done.stderr
