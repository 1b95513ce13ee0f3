"""Questions to model servers of other projects, over loopback.

Opt-in, since such a server is large: DATARUS_LLAMA_SERVER names the program `llama-server` of llama.cpp,
DATARUS_TRANSFORMERS the program `transformers` of an environment with `transformers[serving]` and torch.
The models are this repository's: the answers are poor, what passes between the two is real.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
EMBEDDED = ROOT / "agent/embedded/datarus-mini.gguf"
TINY = ROOT / "tests/fixtures/models/qwen2"
STARTS = 120
"""Seconds that a server may take to load its model."""


@dataclass(frozen=True)
class Server:
    """A server that runs, and what of it a test needs to know."""

    address: str
    model: Path
    context_length: int
    """What it says, else what is taken then."""
    keeps_to_steps: bool
    """Whether its model has learnt to write steps."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def served(command: list[str], address: str, log: Path) -> Iterator[None]:
    """Runs a server until it answers; ends it afterwards."""
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        end = time.monotonic() + STARTS
        while True:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < end, f"no answer within {STARTS} s: {log.read_text()[-3000:]}"
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/models", timeout=5).close()
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def program(variable: str) -> str:
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"opt-in: {variable} names no program")
    return named


def tiny_model(folder: Path) -> Path:
    """The random model of the fixtures, with what `transformers` wants to be told besides."""
    copy = shutil.copytree(TINY, folder / TINY.name)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "architectures": ["Qwen2ForCausalLM"]}))
    return copy


@pytest.fixture(params=["llama.cpp", "transformers"])
def server(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Server]:
    port = free_port()
    address = f"http://127.0.0.1:{port}/v1"
    if request.param == "llama.cpp":
        # One thread: more of them spin, which on a busy machine takes minutes.
        limits = ["-c", "8192", "-np", "1", "-t", "1"]
        command = [program("DATARUS_LLAMA_SERVER"), "-m", str(EMBEDDED), *limits]
        # The model's own length: the server gives it no more than that.
        running = Server(address, EMBEDDED, 2048, keeps_to_steps=True)
    else:
        named = program("DATARUS_TRANSFORMERS")
        model = tiny_model(scratch)
        command = [named, "serve", str(model), "--device", "cpu"]
        running = Server(address, model, 8192, keeps_to_steps=False)
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with served(command, address, scratch / "server.log"):
        yield running


def run(datarus: str, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [datarus, *arguments]
    return subprocess.run(
        command, cwd=work, capture_output=True, text=True, check=False, timeout=300
    )


def test_a_server_says_what_it_has(datarus: str, server: Server, work: Path) -> None:
    done = run(datarus, work, "model", "info", server.address, "--json")
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    assert info["architecture"] == "endpoint"
    assert info["served"] == {
        "at": server.address.removesuffix("/v1"),
        "reach": "here",
        "encrypted": False,
    }
    assert (info["name"], info["context_length"]) == (str(server.model), server.context_length)


def test_a_question_passes_through_a_server(datarus: str, server: Server, work: Path) -> None:
    """The model is small or random: no answer is expected, but a notebook of what it tried."""
    limits = ["--max-new-tokens", "80", "--max-turn-tokens", "240"]
    asked = ["ask", "What is the mean revenue by region?", "--data", "sales.csv", "-o", "out.ipynb"]
    done = run(datarus, work, *asked, "--json", "--model", server.address, *limits)
    assert done.returncode in (0, 1), done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["status"] in ("done", "gave_up"), outcome
    notebook = nbformat.read(work / "out.ipynb", as_version=4)
    nbformat.validate(notebook)
    prompt = notebook.cells[0].metadata.datarus
    assert prompt.model_served_at == server.address.removesuffix("/v1")
    assert all(count > 0 for count in prompt.tokens), prompt.tokens
    if server.keeps_to_steps:
        # The server cuts `</action_input>` off and does not say so: without it no step would run.
        assert outcome["steps"] > 0, done.stderr
