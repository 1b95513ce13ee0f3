"""llama.cpp, which the engine is measured beside: builds it, starts its server, asks it."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

TOOLS = ("llama-bench", "llama-quantize", "llama-server")
PEER = "llama-cpp-python==0.3.36"
"""Its source distribution carries the sources of llama.cpp."""
NEEDED = ["cmake", "ninja", "gguf", "numpy", "scikit-build-core"]
SETTINGS = {
    "CMAKE_BUILD_TYPE": "Release",
    "GGML_NATIVE": "ON",
    "BUILD_SHARED_LIBS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_CURL": "OFF",
    "LLAMA_OPENSSL": "OFF",
}
PATIENCE = 3_600
"""Seconds after which one run of either program counts as hung."""


def say(text: str) -> None:
    """Tells whoever waits what goes on; the table alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)


def call(command: list[object], **options: object) -> str:
    """Runs a program to its end and returns what it printed; says what it complained of when it failed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=PATIENCE, **options)
    if done.returncode:
        raise SystemExit(f"error: `{' '.join(words)}` ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


def python_with_numpy(cache: Path) -> Path:
    """A Python that has gguf and numpy: this one, or that of an environment under the cache folder."""
    if all(importlib.util.find_spec(name) for name in ("gguf", "numpy")):
        return Path(sys.executable)
    return environment(cache)


def environment(cache: Path) -> Path:
    """The Python of the environment under the cache folder, with all that building takes."""
    python = cache / "env/bin/python"
    if not python.exists():
        say(f"making {cache / 'env'}")
        call([sys.executable, "-m", "venv", cache / "env"])
        call([python, "-m", "pip", "install", *NEEDED])
    return python


def built_peer(cache: Path) -> Path:
    """The folder of llama.cpp's programs, built for this processor where that was not yet done."""
    build = cache / "llama.cpp"
    programs = build / "bin"
    if all((programs / tool).exists() for tool in TOOLS):
        return programs
    python, sources = environment(cache), cache / "sources"
    without = ["--no-deps", "--no-build-isolation", "--no-binary", "llama-cpp-python"]
    searched = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    say(f"building llama.cpp in {build}: this takes half an hour on two cores")
    call([python, "-m", "pip", "download", *without, "-d", sources, PEER], env=searched)
    archive = next(sources.glob("llama_cpp_python-*.tar.gz"))
    with tarfile.open(archive) as packed:
        # Pythons before 3.11.4 know no filters; pip has checked the archive.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        packed.extractall(sources)
    inside = sources / archive.name.removesuffix(".tar.gz") / "vendor/llama.cpp"
    keep_tile_settings(inside / "ggml/src/ggml-cpu/amx/mmq.cpp")
    settings = [f"-D{name}={value}" for name, value in SETTINGS.items()]
    call(["cmake", "-G", "Ninja", "-S", inside, "-B", build, *settings], env=searched)
    call(["cmake", "--build", build, "--target", *TOOLS], env=searched)
    return programs


def keep_tile_settings(source: Path) -> None:
    """Keeps GCC 12 from dropping the settings of AMX tiles, for want of which llama.cpp would die of SIGILL.

    GCC's header says that `_tile_loadconfig` reads 8 bytes; it reads 64.

    # Source
    <https://github.com/ggml-org/llama.cpp/pull/26954>
    """
    load = "    _tile_loadconfig(&tc);\n"
    text = source.read_text()
    if load not in text:
        raise SystemExit(f"error: expected `{load.strip()}` in `{source}`: is `{PEER}` another version?")
    source.write_text(text.replace(load, f'    asm volatile("" : : "r"(&tc) : "memory");\n{load}'))


def named_peer(folder: Path) -> Path:
    """The folder of llama.cpp's programs, here or in `bin`."""
    for place in (folder, folder / "bin"):
        if all((place / tool).exists() for tool in TOOLS):
            return place.resolve()
    raise SystemExit(f"error: expected {', '.join(TOOLS)} in `{folder}`\nhint: leave out `--peer` to build them")


def in_page_cache(path: Path) -> None:
    """Reads a file once."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def request(port: int, path: str, content: dict | None = None) -> bytes:
    """Asks the server; an error when it answers with one."""
    data = None if content is None else json.dumps(content).encode()
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    # Whatever proxy the environment names is not for this machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=PATIENCE) as reply:
        return reply.read()


def wait_until_healthy(server: subprocess.Popen, port: int) -> None:
    """Asks every few milliseconds, until the model is loaded."""
    while server.poll() is None:
        try:
            request(port, "/health")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
    raise SystemExit(f"error: llama-server ended with {server.returncode} before it answered")


def memory_of(pid: int) -> dict[str, int]:
    """Resident memory in KiB: all, and the parts that are the process's own and that are pages of files."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {line[0][:-1]: int(line[1]) for line in lines if line and line[0] in ("VmRSS:", "RssAnon:", "RssFile:")}
