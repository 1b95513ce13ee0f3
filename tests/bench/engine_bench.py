"""Times the local model engine against llama.cpp, side by side in one run, and holds the ratios against the bars.

    python tests/bench/engine_bench.py --datarus target/release/datarus --quick
    python tests/bench/engine_bench.py --datarus target/release/datarus --peer llama.cpp/build/bin --out engine.json

Any Python will do. Models of random weights are made by `engine_models.py`, quantised by the peer's own tool and kept
under `--cache`; so is llama.cpp, built for this processor (which takes a compiler and a network), unless `--peer` names
a folder with `llama-bench`, `llama-quantize` and `llama-server`. Repetitions of both alternate, so that what else the
machine does hits both alike; a ratio is the median over neighbours. Without `--datarus` the peer is measured alone.

With as many threads as cores the machine must be quiet: threads of llama.cpp spin while they wait for each other, and
come to a crawl when another process takes a core away.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine_peer import (
    PATIENCE,
    built_peer,
    call,
    free_port,
    in_page_cache,
    memory_of,
    named_peer,
    python_with_numpy,
    request,
    say,
    wait_until_healthy,
)

GIB_NEEDED = {"0.5B": 3, "1.5B": 7, "8B": 32}
"""Room on the disk for the files of a shape, the F16 one with them; Qwen2.5-0.5B, Qwen2.5-1.5B and Qwen3-8B."""
PREFILL_BAR, DECODE_BAR, LARGE_BAR, TIME_BAR = 1.5, 1.2, 1.0, 0.5
"""Ours to llama.cpp's: tokens per second at least, those of the 8B shape apart, and seconds at most."""
MEMORY_BAR = 1.15
"""Our resident memory to the file's size, at most."""
DECODED = 32
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16")
READS = """
import time, numpy
block = numpy.ones(1 << 30, numpy.uint8)
def once():
    began = time.perf_counter()
    block.max()
    return time.perf_counter() - began
print((1 << 30) / min(once() for _ in range(5)))
"""
"""Bytes per second of the best of five passes over 1 GiB; the maximum of bytes is the cheapest thing numpy computes."""


@dataclass
class Model:
    """A model file and what is known of it."""

    name: str
    path: Path
    told: dict

    @property
    def size(self) -> int:
        """The file's size in bytes."""
        return self.path.stat().st_size


@dataclass
class Row:
    """One line of the table: samples of both programs, and the bar for their ratio."""

    work: str
    unit: str
    bar: float | None = None
    more_is_better: bool = True
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """The median of ours to llama.cpp's over rounds that ran one after the other."""
        pairs = [ours / theirs for ours, theirs in zip(self.ours, self.theirs)]
        return statistics.median(pairs) if pairs else None

    @property
    def met(self) -> bool | None:
        """Whether the ratio keeps to the bar; none where there is no bar or no ratio."""
        if self.bar is None or self.ratio is None:
            return None
        return self.ratio >= self.bar if self.more_is_better else self.ratio <= self.bar

    def cells(self) -> list[str]:
        """The line as text."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f} ×"
        bar = "" if self.bar is None else f"{'≥' if self.more_is_better else '≤'} {self.bar:g} ×"
        met = {True: "met", False: "MISSED", None: ""}[self.met]
        return [self.work, self.median(self.ours), self.median(self.theirs), ratio, bar, met]

    def median(self, samples: list[float]) -> str:
        """The median with its unit."""
        if not samples:
            return "–"
        found = statistics.median(samples)
        return f"{found:.{0 if found >= 1000 else 1 if found >= 10 else 2}f} {self.unit}"


# The models.


def model_of(shape: str, kind: str, cache: Path, python: Path, peer: Path) -> Model:
    """The file of a shape and a kind of quantisation, made where it is not yet there."""
    maker, path = Path(__file__).with_name("engine_models.py"), cache / f"{shape}-{kind}.gguf"
    whole = cache / f"{shape}-F16.gguf"
    if not path.exists():
        room = GIB_NEEDED[shape]
        if shutil.disk_usage(cache).free < room << 30:
            raise SystemExit(f"error: `{cache}` has less than {room} GiB free\nhint: set `--cache DIR`")
        make(whole, lambda part: call([python, maker, "write", shape, part]))
        make(path, lambda part: call([peer / "llama-quantize", whole, part, kind, os.cpu_count()]))
    told = path.with_suffix(".json")
    make(told, lambda part: part.write_text(call([python, maker, "tell", path])))
    return Model(f"{shape} {kind}", path, json.loads(told.read_text()))


def make(path: Path, how: Callable[[Path], object]) -> None:
    """Makes a file unless it is there; one that is half done never has its name."""
    if not path.exists():
        say(f"making {path}")
        part = path.with_suffix(".part")
        how(part)
        part.rename(path)


# The measures.


@dataclass
class Bench:
    """Both programs, and what to ask of them."""

    program: Path | None
    peer: Path
    python: Path
    prompt: list[int]
    depth: list[int]
    rounds: int
    raw: list[dict] = field(default_factory=list)
    """What either program said in each run, and how much of the processor it got."""
    bandwidths: dict[int, float] = field(default_factory=dict)

    def speeds(self, model: Model, threads: int) -> list[Row]:
        """Rows of prefill and decode."""
        label = labelled(model, threads)
        large = model.name.startswith("8B")
        bars = (LARGE_BAR, LARGE_BAR) if large else (PREFILL_BAR, DECODE_BAR)
        prefill = {n: Row(f"{label}: prefill {n}", "tok/s", bars[0]) for n in self.prompt}
        decode = {d: Row(f"{label}: decode {DECODED} at {d}", "tok/s", bars[1]) for d in self.depth}

        def ours() -> None:
            said = self.our_speeds(model, threads)
            for entry in said["prefill"]:
                prefill[entry["tokens"]].ours += entry["tokens_per_second"]
            for entry in said["decode"]:
                decode[entry["depth"]].ours += entry["tokens_per_second"]

        def theirs() -> None:
            for entry in self.their_speeds(model, threads):
                row = prefill[entry["n_prompt"]] if entry["n_prompt"] else decode[entry["n_depth"]]
                row.theirs += entry["samples_ts"]

        self.in_turn(ours, theirs)
        rows = [*prefill.values(), *decode.values()]
        return [*rows, self.share(label, model, threads, decode[0])] if 0 in decode else rows

    def in_turn(self, ours: Callable[[], None], theirs: Callable[[], None]) -> None:
        """Runs both in every round, each first every other time."""
        for number in range(self.rounds):
            for measure in (ours, theirs) if number % 2 == 0 else (theirs, ours):
                if measure is theirs or self.program:
                    measure()

    def our_speeds(self, model: Model, threads: int) -> dict:
        """What `model bench` says of one repetition."""
        sizes = ["--prompt", listed(self.prompt), "--decode", DECODED, "--depth", listed(self.depth)]
        return self.ask_ours(model, threads, sizes)

    def ask_ours(self, model: Model, threads: int, sizes: list[object]) -> dict:
        """One repetition of these sizes."""
        command = [self.program, "model", "bench", model.path, "--json", "--threads", threads]
        return self.ask("datarus", model, threads, [*command, *sizes, "--repeat", 1])

    def ask(self, program: str, model: Model, threads: int, command: list[object]) -> object:
        """Runs either program and returns the JSON it prints."""
        before = os.times()
        said = json.loads(call(command))
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        run = {"program": program, "file": model.name, "threads": threads, "load_average": os.getloadavg()[0]}
        self.raw.append({**run, "processors_used": used / (after.elapsed - before.elapsed), "said": said})
        return said

    def their_speeds(self, model: Model, threads: int) -> list[dict]:
        """What `llama-bench` says of one repetition: prefill and decode at depth 0, then decode further on."""
        command = [self.peer / "llama-bench", "-m", model.path, "-t", threads, "-r", 1, "-o", "json"]
        shallow, deep = DECODED if 0 in self.depth else 0, [depth for depth in self.depth if depth]
        said = self.ask("llama.cpp", model, threads, [*command, "-p", listed(self.prompt), "-n", shallow, "-d", 0])
        if not deep:
            return said
        return said + self.ask("llama.cpp", model, threads, [*command, "-p", 0, "-n", DECODED, "-d", listed(deep)])

    def share(self, label: str, model: Model, threads: int, decode: Row) -> Row:
        """How much of the memory's bandwidth decoding at depth 0 uses, by the weights that each token reads."""
        available = self.bandwidth(threads)
        scale = 100 * model.told["bytes_read"] / available
        row = Row(f"{label}: share of {available / 1e9:.1f} GB/s", "%")
        row.ours, row.theirs = [scale * ours for ours in decode.ours], [scale * theirs for theirs in decode.theirs]
        return row

    def bandwidth(self, threads: int) -> float:
        """Bytes per second that so many processes together read from memory; measured once."""
        if threads not in self.bandwidths:
            command = [str(self.python), "-c", READS]
            readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(threads)]
            self.bandwidths[threads] = sum(float(reader.communicate(timeout=PATIENCE)[0]) for reader in readers)
        return self.bandwidths[threads]

    def starts(self, model: Model, threads: int) -> list[Row]:
        """Rows of the time from the start of the process to the first token, and of memory after it."""
        label = labelled(model, threads)
        first = Row(f"{label}: start to first token", "s", TIME_BAR, False)
        held = Row(f"{label}: resident", "MiB")
        mapped = Row(f"{label}: of that mapped files", "MiB")
        beside = Row(f"{label}: resident, beside the file itself", "MiB", MEMORY_BAR, False)

        def ours() -> None:
            seconds, said = self.our_start(model, threads)
            first.ours.append(seconds)
            held.ours.append(said["resident_bytes"] / (1 << 20))
            beside.ours.append(held.ours[-1])
            beside.theirs.append(model.size / (1 << 20))

        def theirs() -> None:
            seconds, status = self.their_start(model, threads)
            first.theirs.append(seconds)
            held.theirs.append(status["VmRSS"] / 1024)
            mapped.theirs.append(status["RssFile"] / 1024)

        self.in_turn(ours, theirs)
        return [first, held, mapped, beside]

    def our_start(self, model: Model, threads: int) -> tuple[float, dict]:
        """Seconds until a prompt of one token is computed, as the program says, and those that a program that does
        nothing takes to start and end; and the figures."""
        began = time.perf_counter()
        call([self.program, "--version"])
        empty = time.perf_counter() - began
        said = self.ask_ours(model, threads, ["--prompt", 1, "--decode", 1, "--depth", 0])
        return empty + said["first_token_seconds"], said

    def their_start(self, model: Model, threads: int) -> tuple[float, dict]:
        """Seconds until `llama-server` has replied with one token, and its memory in KiB then."""
        port = free_port()
        options = ["-m", model.path, "-t", threads, "--port", port, "--no-webui", "-c", 512]
        command = [str(word) for word in (self.peer / "llama-server", *options)]
        began = time.perf_counter()
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_healthy(server, port)
            request(port, "/completion", {"prompt": "w", "n_predict": 1})
            seconds = time.perf_counter() - began
            status = memory_of(server.pid)
        finally:
            server.kill()
            server.wait()
        self.raw.append({"program": "llama.cpp", "file": model.name, "threads": threads, "start": seconds, **status})
        return seconds, status


def labelled(model: Model, threads: int) -> str:
    """What a row's name begins with."""
    return f"{model.name}, {threads} thread{'s' if threads > 1 else ''}"


def listed(numbers: list[int]) -> str:
    """Numbers as both programs take them."""
    return ",".join(map(str, numbers))


# What is printed.


def machine() -> dict[str, object]:
    """The processor and how busy it is."""
    told = dict(re.findall(r"^(.+?)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    has = told.get("flags", "").split()
    return {
        "processor": told.get("model name", "unknown"),
        "cores": os.cpu_count(),
        "flags": {flag: flag in has for flag in FLAGS},
        "load_average": os.getloadavg()[0],
        "niceness": os.nice(0),
    }


def heading(about: dict[str, object]) -> str:
    """The machine and the versions."""
    flags = ", ".join(flag if has else f"no {flag}" for flag, has in about["flags"].items())
    return "\n".join(
        (
            f"{about['processor']}, {about['cores']} cores: {flags}",
            f"load average at the start {about['load_average']:.1f}, niceness {about['niceness']}",
            f"datarus: {about['datarus']}",
            f"llama.cpp: {about['llama.cpp']}; {about['uses']}",
        )
    )


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [["work", "ours", "llama.cpp", "ratio", "bar", ""], *(row.cells() for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(6)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def versions(bench: Bench) -> dict[str, str]:
    """What both programs call themselves, and which instructions llama.cpp uses; it tells when it finds no model."""
    ours = call([bench.program, "--version"]).strip() if bench.program else "not measured"
    lines = told_by(bench.peer / "llama-bench", "--version") + told_by(
        bench.peer / "llama-server", "-lv", "4", "-m", "/nonexistent", "--port", str(free_port())
    )
    peer = next((line for line in lines if line.startswith("version")), "unknown")
    uses = next((line.partition("system_info: ")[2] for line in lines if "system_info: " in line), "unknown")
    return {"datarus": ours, "llama.cpp": peer, "uses": re.sub(r".*?\| *", "", uses, count=1)}


def told_by(*command: str | Path) -> list[str]:
    """Lines that a program prints, whether or not it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).splitlines()


def numbers(text: str) -> list[int]:
    """Numbers separated by commas."""
    return [int(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    """Names separated by commas."""
    return text.split(",")


def command_line() -> argparse.Namespace:
    """What to measure, and how long."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datarus-bench"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datarus", type=Path, help="the program to measure; without it the peer alone")
    parser.add_argument("--peer", type=Path, help="folder of llama.cpp's programs; without it they are built")
    parser.add_argument("--cache", type=Path, default=cache, help="folder of models and of the peer")
    parser.add_argument("--shapes", type=names, help=f"of {', '.join(GIB_NEEDED)}; by default the first two")
    parser.add_argument("--kinds", type=names, default=["Q8_0", "Q4_K_M"], help="as llama-quantize names them")
    parser.add_argument("--threads", type=numbers, default=[1, 2], help="numbers of threads")
    parser.add_argument("--prompt", type=numbers, default=[512, 4096], help="tokens to prefill")
    parser.add_argument("--depth", type=numbers, default=[0, 4096], help="tokens before those decoded")
    parser.add_argument("--rounds", type=int, help="repetitions of each program, 5 by default")
    parser.add_argument("--quick", action="store_true", help="0.5B twice, a prompt of 128, depth 0 only")
    parser.add_argument("--only", choices=("speeds", "starts"), help="one part alone")
    parser.add_argument("--out", type=Path, help="write all samples to this file as JSON")
    arguments = parser.parse_args()
    # A relative name that begins with a digit is a number to llama-quantize.
    arguments.cache = arguments.cache.resolve()
    if arguments.quick:
        arguments.prompt, arguments.depth = [128], [0]
    arguments.shapes = arguments.shapes or (["0.5B"] if arguments.quick else ["0.5B", "1.5B"])
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 5)
    if unknown := set(arguments.shapes) - set(GIB_NEEDED):
        parser.error(f"no shape is called `{', '.join(unknown)}`, known are {', '.join(GIB_NEEDED)}")
    return arguments


def main() -> int:
    """Reads the command line, measures, prints the table; 1 when a bar is missed."""
    arguments = command_line()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    peer = named_peer(arguments.peer) if arguments.peer else built_peer(arguments.cache)
    python = python_with_numpy(arguments.cache)
    program = arguments.datarus and arguments.datarus.resolve()
    bench = Bench(program, peer, python, arguments.prompt, arguments.depth, arguments.rounds)
    files = [model_of(s, k, arguments.cache, python, peer) for s in arguments.shapes for k in arguments.kinds]
    about = {**machine(), **versions(bench)}
    rows: list[Row] = []
    for model in files:
        for threads in arguments.threads:
            say(f"measuring {model.name} with {threads} thread(s)")
            in_page_cache(model.path)
            rows += bench.speeds(model, threads) if arguments.only != "starts" else []
            rows += bench.starts(model, threads) if arguments.only != "speeds" else []
    print(f"{heading(about)}\n\n{table(rows)}")
    if arguments.out:
        lines = [{**vars(row), "ratio": row.ratio, "met": row.met} for row in rows]
        written = {"machine": about, "bandwidths": bench.bandwidths, "rows": lines, "runs": bench.raw}
        arguments.out.write_text(json.dumps(written, indent=1))
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
