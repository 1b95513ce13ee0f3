"""Times a recorded analysis of six steps by Datarus and by llama.cpp's server, and says what each reuse spares.

    python tests/bench/episode_bench.py --datarus target/release/datarus --peer llama.cpp/build/bin --model model.gguf
    python tests/bench/episode_bench.py --datarus target/release/datarus --model model.gguf --growth docs/growth.svg

The model may be of random weights, with a real vocabulary (`engine_models.py words`): Datarus writes what was recorded
(`model bench --replay`), and computes what it would compute for words of its own. The server gets the same tokens: its
prompt is what it held, its own noise of as many tokens as were recorded, and the observation, so that its prompt cache
holds all but that. Both wait as long as the code ran. Turns of both alternate; a ratio is the median over neighbours.
`--growth` draws the cost of each step of an analysis of thirty, which takes matplotlib.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import engine_peer as engine

EPISODE = Path(__file__).with_name("episode.json")
BAR = 2.0
"""Seconds of llama.cpp's turn to ours, at least."""
SPARED = ("keep", "meanwhile", "forced", "guesses")
CONTEXT = 8_192
STEPS, SHORT_STEPS, LINES = 30, 12, 12
"""Steps of the long analysis, of the one that keeps nothing, and lines of an output in both."""


def ours(arguments: argparse.Namespace, episode: Path, without: list[str] = []) -> dict:
    """What `model bench` says of one turn."""
    command = [arguments.datarus, "model", "bench", arguments.model, "--threads", arguments.threads, "--json"]
    said = json.loads(engine.call([*command, "--replay", episode, *(["--without", ",".join(without)] if without else [])]))
    return {**said, "without": without}


class Server:
    """llama.cpp's server with one slot, started anew for each turn."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.port = engine.free_port()
        options = ["-m", arguments.model, "-t", arguments.threads, "--port", self.port, "-c", CONTEXT, "-np", 1]
        command = [str(word) for word in (arguments.peer / "llama-server", *options, "--no-webui")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self) -> Server:
        engine.wait_until_healthy(self.process, self.port)
        # Whatever it does at its first request is not part of the turn.
        self.write([1, 2, 3], 2)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def write(self, prompt: list[int], tokens: int) -> dict:
        """So many tokens after a prompt."""
        content = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "ignore_eos": True}
        asked = {**content, "cache_prompt": True, "return_tokens": True}
        return json.loads(engine.request(self.port, "/completion", asked))


def theirs(arguments: argparse.Namespace, steps: list[dict]) -> dict:
    """The turn of `steps`, which Datarus did, by the server."""
    with Server(arguments) as server:
        held: list[int] = []
        done = []
        began = time.perf_counter()
        for step in steps:
            held = held[: step["known_tokens"]] + step["new_tokens"]
            said = server.write(held, step["completion_tokens"])
            if len(held) != step["prompt_tokens"] or len(said["tokens"]) != step["completion_tokens"]:
                raise SystemExit(f"error: expected {step['completion_tokens']} tokens, got {len(said['tokens'])}")
            held += said["tokens"]
            done.append(said["timings"])
            time.sleep(step["tool_seconds"])
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "tool_seconds": sum(step["tool_seconds"] for step in steps), "steps": done}


def computing(turn: dict) -> float:
    """Seconds of a turn in which no code ran."""
    return turn["seconds"] - turn["tool_seconds"]


def medians(turns: list[dict]) -> tuple[float, float]:
    """Of the whole turn, and of it without the time of its code."""
    return statistics.median(turn["seconds"] for turn in turns), statistics.median(map(computing, turns))


def ratio(ours: list[dict], others: list[dict], of: object) -> float:
    """How many times as long the others took, the median over neighbours."""
    return statistics.median(of(other) / of(own) for own, other in zip(ours, others))


def compared(arguments: argparse.Namespace) -> bool:
    """Measures both in turns and prints a table; whether the bar was met."""
    turns: dict[str, list[dict]] = {}
    kinds = ["ours", *(f"without {what}" for what in (SPARED if not arguments.only_peer else ()))]
    if arguments.peer:
        kinds.insert(1, "theirs")
    for number in range(arguments.rounds):
        for kind in kinds:
            engine.say(f"round {number + 1}: {kind}")
            if kind == "theirs":
                turn = theirs(arguments, turns["ours"][-1]["steps"])
            else:
                turn = ours(arguments, arguments.episode, kind.split()[1:])
            turns.setdefault(kind, []).append(turn)
    if arguments.out:
        arguments.out.write_text(json.dumps(turns))
    return printed(turns)


def printed(turns: dict[str, list[dict]]) -> bool:
    """The tables; whether the bar was met."""
    own, whole = turns["ours"], lambda turn: turn["seconds"]
    print("| turn | whole | without the time of its code | to ours | bar |\n|---|---|---|---|---|")
    names = {"ours": "Datarus", "theirs": "llama.cpp's server with its prompt cache"}
    met = True
    for kind, samples in turns.items():
        seconds, rest = medians(samples)
        ratios = f"{ratio(own, samples, whole):.2f} ×, {ratio(own, samples, computing):.2f} ×"
        bar = ""
        if kind == "theirs":
            met = ratio(own, samples, whole) >= BAR
            bar = f"≥ {BAR:g} ×: {'met' if met else 'MISSED'}"
        print(f"| {names.get(kind, kind)} | {seconds:.1f} s | {rest:.1f} s | {'' if kind == 'ours' else ratios} | {bar} |")
    print("\n| step | prompt | computed | while code ran | written | forced | guessed | prefill | decode | code |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    counts = ("prompt", "prefilled", "completion", "forced", "guessed")
    for number, step in enumerate(own[-1]["steps"], 1):
        prompt, prefilled, written, forced, guessed = (step[f"{count}_tokens"] for count in counts)
        tokens = (prompt, prefilled, step["prefilled_meanwhile"], written, forced, guessed)
        seconds = (step["prefill_seconds"], step["decode_seconds"], step["tool_seconds"])
        cells = [*map(str, (number, *tokens)), *(f"{value:.2f} s" for value in seconds)]
        print(f"| {' | '.join(cells)} |")
    return met


# Growth.


def lengthened(episode: dict, steps: int) -> dict:
    """So many steps: those of the recording with other names and short outputs, whose code takes no time."""
    longer = {**episode, "steps": []}
    for number in range(steps):
        step = copy.deepcopy(episode["steps"][number % len(episode["steps"])])
        for name in ("orders", "by_group", "rates", "monthly", "mix", "furniture", "west", "draws"):
            step["code"] = step["code"].replace(name, f"{name}_{number + 1}")
        for piece in step["pieces"]:
            output = piece["output"]
            texts = output if "text" in output else output["data"]
            key = "text" if "text" in output else "text/plain"
            kept = "\n".join(texts[key].splitlines()[:LINES])
            texts.clear() if texts is not output else None
            texts[key] = kept
            piece["at"] = 0
        longer["steps"].append({**step, "seconds": 0})
    return longer


def growth(arguments: argparse.Namespace) -> None:
    """Draws what each step costs against the number of the step, with and without keeping the prompt."""
    episode, taken = json.loads(arguments.episode.read_text()), {}
    with tempfile.TemporaryDirectory() as folder:
        for without, steps in (([], STEPS), (["keep"], SHORT_STEPS)):
            engine.say(f"{steps} steps without {without or 'nothing'}")
            path = Path(folder, "long.json")
            path.write_text(json.dumps(lengthened(episode, steps)))
            taken["keep" if without else ""] = ours(arguments, path, without)["steps"]
    if arguments.out:
        arguments.out.write_text(json.dumps(taken))
    drawn(taken, arguments.growth)


def drawn(taken: dict[str, list[dict]], path: Path) -> None:
    """The plot."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (reading, writing) = plt.subplots(1, 2, figsize=(9, 3.4))
    names = {"": "prompt kept from step to step", "keep": "nothing kept"}
    for key, steps in taken.items():
        numbers = range(1, len(steps) + 1)
        reading.plot(numbers, [step["prefill_seconds"] for step in steps], ".-", label=names[key])
    kept = taken[""]
    per_token = [1e3 * step["decode_seconds"] / step["completion_tokens"] for step in kept]
    new = [1e3 * step["prefill_seconds"] / step["prefilled_tokens"] for step in kept]
    prompts = [step["prompt_tokens"] for step in kept]
    writing.plot(prompts, per_token, ".", label="a token written")
    writing.plot(prompts, new, ".", label="a new token read")
    reading.set(xlabel="step", ylabel="seconds to read its prompt", ylim=(0, None))
    writing.set(xlabel="tokens in the prompt", ylabel="milliseconds", ylim=(0, None))
    for axes in (reading, writing):
        axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def command_line() -> argparse.Namespace:
    """What to measure, and how long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datarus", type=Path, required=True, help="the program to measure")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--peer", type=lambda folder: engine.named_peer(Path(folder)), help="folder of llama.cpp's programs")
    parser.add_argument("--episode", type=Path, default=EPISODE, help="the recording")
    parser.add_argument("--threads", type=int, default=2, help="of both programs")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    parser.add_argument("--only-peer", action="store_true", help="leave out what each reuse spares")
    parser.add_argument("--growth", type=Path, help="draw this picture instead")
    parser.add_argument("--out", type=Path, help="write all samples to this file as JSON")
    arguments = parser.parse_args()
    arguments.datarus = arguments.datarus.resolve()
    return arguments


def main() -> int:
    """Reads the command line, measures, prints the tables; 1 when the bar is missed."""
    arguments = command_line()
    engine.in_page_cache(arguments.model)
    if arguments.growth:
        growth(arguments)
        return 0
    return int(not compared(arguments))


if __name__ == "__main__":
    sys.exit(main())
