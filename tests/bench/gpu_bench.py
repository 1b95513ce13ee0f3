"""Times model files on a GPU: how quickly they are read and written with, and what share of its memory's speed that is.

    python tests/bench/gpu_bench.py --datarus target/release/datarus --folder /dev/shm/models --out gpu.json
    python tests/bench/gpu_bench.py --datarus target/release/datarus --shapes 0.5B --types Q8_0 --device cpu

Run it with a Python that has gguf and numpy; one with torch also tells how quickly the GPU copies. The files have
blocks of weights without meaning (`engine_models.py blocks`), are made beside each other while the first is measured,
and are deleted afterwards. With `--tests` the tests that want a GPU are run first, and with `--same` some files are
asked how well they foretell a text, on the processor as well as on the GPU. Each line is printed as soon as it is
known, and nothing begins that could not end within `--seconds`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
COPY = """
import torch
block = torch.empty(1 << 32, dtype=torch.uint8, device="cuda").random_()
other = torch.empty_like(block)
def once():
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record(); other.copy_(block); end.record(); end.synchronize()
    return start.elapsed_time(end) / 1e3
once()
print(2 * block.numel() / sorted(once() for _ in range(9))[4])
"""
"""Bytes per second, read and written ones both counted, of the middle of nine copies of 4 GiB."""


@dataclass
class Clock:
    """How much of the time is left."""

    ends: float

    def left(self) -> float:
        return self.ends - time.monotonic()


def say(text: str) -> None:
    print(text, flush=True)


def run(command: list[str], seconds: float, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end or for so long; what it wrote until then is kept."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=max(seconds, 1), **more)
    except subprocess.TimeoutExpired as expired:
        text = lambda part: part.decode() if isinstance(part, bytes) else part or ""  # noqa: E731
        return subprocess.CompletedProcess(command, 124, text(expired.stdout), text(expired.stderr))


def copied(clock: Clock) -> float | None:
    """Bytes per second of a copy on the GPU, if this Python can tell."""
    done = run([sys.executable, "-c", COPY], min(40, clock.left()))
    return float(done.stdout) if done.returncode == 0 else None


def tested(program: str, seconds: float) -> None:
    """Runs the tests that want a GPU."""
    began = time.monotonic()
    done = run([program, "gpu_tests", "--nocapture", "--test-threads", "1"], seconds)
    for line in (done.stdout + done.stderr).splitlines():
        if line.strip():
            say(f"  {line}")
    say(f"tests: code {done.returncode} after {time.monotonic() - began:.1f} s")


def compared(options: argparse.Namespace, file: Path, clock: Clock) -> None:
    """Prints how well a file foretells a text on the processor and on the GPU."""
    text = options.folder / "text"
    text.write_text(__doc__[:600])
    command = [options.datarus, "model", "bench", str(file), "--text", str(text), "--json"]
    command += ["--prompt", "64", "--decode", "4", "--repeat", "1"]
    found = []
    for device in ("cpu", options.device):
        done = run([*command, "--device", device], min(30, clock.left()), env=surroundings(options))
        if done.returncode != 0:
            say(f"{file.stem} on {device}: code {done.returncode}: {done.stderr.strip()[-800:]}")
            return
        found.append(json.loads(done.stdout)["text"])
    here, there = found
    for which in ("perplexity_of_prompts", "perplexity_of_completions"):
        say(f"{file.stem}: {which} {here[which]:.4f} on the processor, {there[which]:.4f} on {options.device}, "
            f"{100 * (there[which] / here[which] - 1):+.3f} %")


def surroundings(options: argparse.Namespace) -> dict[str, str]:
    """Variables for the program: what it saves for a moment lies beside the models."""
    return {**os.environ, "TMPDIR": str(options.folder)}


def measured(options: argparse.Namespace, file: Path, clock: Clock) -> dict | None:
    """What `datarus model bench` says of a file."""
    command = [options.datarus, "model", "bench", str(file), "--device", options.device, "--json"]
    command += ["--prompt", options.prompt, "--depth", options.depth]
    command += ["--decode", str(options.decode), "--repeat", str(options.repeat)]
    done = run(command, min(options.each, clock.left()), env=surroundings(options))
    if done.returncode != 0:
        say(f"{file.stem}: code {done.returncode}: {done.stderr.strip()[-1500:]}")
        return None
    return json.loads(done.stdout)


def table(name: str, report: dict, read: int, speed: float | None) -> None:
    """Prints what was measured of a file, of which one token reads so many bytes."""
    say(f"{name} on {report['device']}: loads in {report['load_seconds']:.1f} s")
    for entry in report["prefill"]:
        say(f"  reads  {entry['tokens']:>6} tokens      {median(entry['tokens_per_second']):>9.1f} tokens/s")
    for entry in report["decode"]:
        rate = median(entry["tokens_per_second"])
        share = f"{100 * rate * read / speed:5.1f} % of the copy's speed" if speed else ""
        say(f"  writes behind {entry['depth']:>6}    {rate:>9.1f} tokens/s {share}")
    for entry in report["restore"]:
        say(f"  restores {entry['tokens']:>6}        {median(entry['tokens_per_second']):>9.1f} tokens/s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datarus", required=True, help="the program, built with `--features cuda`")
    parser.add_argument("--tests", help="the test program of the crate `datarus-agent`, built so too")
    parser.add_argument("--same", default="", help="shapes and types such as 0.5B-Q8_0, and files, to be compared")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/datarus-gpu"))
    parser.add_argument("--shapes", default="8B,14B")
    parser.add_argument("--types", default="Q4_K_M,Q8_0")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--prompt", default="512,4096")
    parser.add_argument("--depth", default="0,4096")
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--each", type=float, default=45, help="seconds that a file may take")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    options = parser.parse_args()
    clock = Clock(time.monotonic() + options.seconds)
    options.folder.mkdir(parents=True, exist_ok=True)
    names = [(shape, kind) for kind in options.types.split(",") for shape in options.shapes.split(",")]
    same = [name for name in options.same.split(",") if name]
    asked = [name.split("-") for name in same if not Path(name).exists()]
    making = {}
    for shape, kind in [*asked, *names]:
        file = options.folder / f"{shape}-{kind}.gguf"
        if file not in making:
            command = [sys.executable, HERE / "engine_models.py", "blocks", shape, kind, file]
            making[file] = subprocess.Popen(command)
    found: dict[str, object] = {}
    try:
        if options.tests:
            tested(options.tests, min(50, clock.left()))
        speed = copied(clock) if options.device != "cpu" else None
        found["copy_bytes_per_second"] = speed
        say(f"copy: {speed / 1e12:.2f} TB/s, read and written" if speed else "copy: not measured")
        for name in same:
            file = Path(name) if Path(name).exists() else options.folder / f"{name}.gguf"
            if maker := making.get(file):
                maker.wait(max(clock.left(), 1))
            compared(options, file, clock)
        for file in (options.folder / f"{shape}-{kind}.gguf" for shape, kind in names):
            maker = making[file]
            try:
                code = maker.wait(max(clock.left(), 1))
            except subprocess.TimeoutExpired:
                say("the time is up")
                break
            if code != 0 or clock.left() < 5:
                say(f"{file.stem}: not measured, code {code}, {clock.left():.0f} s left")
                continue
            told = run([sys.executable, str(HERE / "engine_models.py"), "tell", str(file)], clock.left())
            read = json.loads(told.stdout)["bytes_read"]
            report = measured(options, file, clock)
            file.unlink()
            if report is None:
                continue
            found[file.stem] = {**report, "bytes_read": read}
            table(file.stem, report, read, speed)
            if options.out:
                options.out.write_text(json.dumps(found, indent=1))
            say(f"  ({clock.left():.0f} s left)")
    finally:
        for maker in making.values():
            maker.kill()
        shutil.rmtree(options.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
