"""What breaks while a question is answered says so, hangs nothing and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

import kernels
from kernel_under_test import Kernel, content_of, results, text_of
from notebook_client import running
from processes import all_gone, companion_of, family, wait_until

STEP = "application/vnd.datarus.step+json"
QUESTION = "What is the mean revenue by region?"

# GGUF version 3, then the number of tensors and of metadata entries.
MALFORMED = {
    "empty": b"",
    "no model": b"this is a text file and no model\n" * 40,
    "cut in its header": b"GGUF\x03\x00\x00\x00\x01",
    "counts beyond all memory": b"GGUF\x03\x00\x00\x00" + b"\xff" * 16,
    "a name beyond all memory": b"GGUF\x03\x00\x00\x00"
    + (1).to_bytes(8, "little")
    + (1).to_bytes(8, "little")
    + (2**62).to_bytes(8, "little"),
}


def start_turn(kernel: Kernel) -> str:
    """Asks, and returns the request's id when the first step shows."""
    request = kernel.client.execute(QUESTION, stop_on_error=False)
    kernel.wait_for(request, lambda kind, content: STEP in content.get("data", {}))
    return request


def test_a_companion_killed_in_a_turn_is_told_and_replaced(kernel: Kernel) -> None:
    kernel.run("x = 1")
    request = start_turn(kernel)
    companion_of(kernel.pid).send_signal(signal.SIGKILL)
    turn = kernel.rest_of(request)
    # While the model writes nothing runs: then the next cell says it.
    after = kernel.run("6 * 7")
    said = text_of([*turn, *after])
    assert "SIGKILL" in said, said
    assert results(after) == "42"
    assert "NameError" in str(kernel.run("x"))


def test_a_kernel_killed_in_a_turn_takes_its_companion_along(kernel: Kernel) -> None:
    start_turn(kernel)
    processes = family(kernel.pid)
    os.kill(kernel.pid, signal.SIGKILL)
    wait_until("kernel and companion are gone", lambda: all_gone(processes))


def test_an_interrupt_ends_a_turn_and_the_kernel_is_ready(kernel: Kernel) -> None:
    request = start_turn(kernel)
    kernel.manager.interrupt_kernel()
    reply = content_of(kernel.rest_of(request), "execute_reply")
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert results(kernel.run("6 * 7")) == "42"


def test_a_shutdown_in_a_turn_leaves_nothing(kernel: Kernel) -> None:
    start_turn(kernel)
    processes = family(kernel.pid)
    kernel.manager.shutdown_kernel()
    wait_until("kernel and companion are gone", lambda: all_gone(processes))


def test_a_question_about_an_unknown_file_ends_and_the_kernel_goes_on(kernel: Kernel) -> None:
    messages = kernel.run("What is the mean revenue in nowhere.csv?")
    assert content_of(messages, "execute_reply")["status"] == "ok"
    assert results(kernel.run("6 * 7")) == "42"


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_model_is_told_in_the_prompt_cell(name: str, work: Path, datarus: str) -> None:
    model = work / "broken.gguf"
    model.write_bytes(MALFORMED[name])
    said = answer_with_model(model, work, datarus)
    assert "broken.gguf" in said, said


def test_a_missing_model_is_told_in_the_prompt_cell(work: Path, datarus: str) -> None:
    said = answer_with_model(work / "missing.gguf", work, datarus)
    assert "missing.gguf" in said, said


def answer_with_model(model: Path, work: Path, datarus: str) -> str:
    """What the prompt cell says; Python has to work before and after."""
    settings = {"DATARUS_MODEL": str(model)}
    with running("datarus", work.parent, datarus, settings) as pair:
        kernel = Kernel(*pair)
        messages = kernel.run(QUESTION)
        assert results(kernel.run("6 * 7")) == "42"
        memory = psutil.Process(kernel.pid).memory_info().rss
    assert memory < 300 << 20, f"expected at most 300 MiB for a model that is none, found {memory}"
    return text_of(messages)


def ask(datarus: str, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`datarus ask` in `work`."""
    command = [datarus, "ask", QUESTION, "-o", "report.ipynb", *arguments]
    env = kernels.environment(work.parent)
    return subprocess.run(
        command, cwd=work, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def test_asking_about_a_missing_file_fails_and_names_it(work: Path, datarus: str) -> None:
    done = ask(datarus, work, "--data", "nowhere.csv")
    assert done.returncode != 0
    assert "nowhere.csv" in done.stderr


def test_asking_a_malformed_model_fails_and_names_it(work: Path, datarus: str) -> None:
    (work / "broken.gguf").write_bytes(b"GGUF")
    done = ask(datarus, work, "--data", "sales.csv", "--model", "broken.gguf")
    assert done.returncode != 0
    assert "broken.gguf" in done.stderr


def test_a_killed_ask_leaves_nothing(work: Path, datarus: str) -> None:
    command = [datarus, "ask", QUESTION, "--data", "sales.csv", "-o", "report.ipynb"]
    env = kernels.environment(work.parent)
    with subprocess.Popen(command, cwd=work, env=env, stderr=subprocess.PIPE) as asking:
        root = psutil.Process(asking.pid)
        wait_until("a Python runs under it", lambda: any_python(root))
        processes = [root, *root.children(recursive=True)]
        asking.kill()
    wait_until("all of them are gone", lambda: all_gone(processes))


def any_python(root: psutil.Process) -> bool:
    return any("python" in child.name() for child in root.children(recursive=True))
