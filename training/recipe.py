"""Command: a whole training by a recipe: episodes, tokenizer, supervised training, GRPO, and what each of them added.

`small` makes a tiny model on two processors; `training/make.sh` made the embedded one. A run that was
cut off goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import subprocess
import sys
import time
from dataclasses import dataclass

from .rollouts import Program, read_tasks, write_tasks


@dataclass(frozen=True)
class Recipe:
    """How much of everything; the minutes are of the trainings alone."""

    width: int
    layers: int
    heads: int
    hidden: int
    shards: int
    tokenizer_episodes: int
    form_episodes: int
    supervised_minutes: float
    grpo_minutes: float
    grpo_tasks: int
    held_out: int


RECIPES = {
    "small": Recipe(width=192, layers=4, heads=3, hidden=384, shards=8, tokenizer_episodes=1200, form_episodes=1500,
                    supervised_minutes=7.5, grpo_minutes=4, grpo_tasks=120, held_out=240),
}
HELD_OUT, TASKS = 40_000_000, 30_000_000  # First seeds; those of the shards are below 10 million.


class Cook:
    """A recipe in a folder."""

    def __init__(self, recipe: Recipe, out: pathlib.Path, program: Program, threads: int, share: float):
        self.recipe, self.out, self.program, self.threads, self.share = recipe, out, program, threads, share
        self.begun = time.monotonic()

    def run(self) -> dict:
        """All of it; the table of what each stage is worth."""
        self._episodes()
        recipe = self.recipe
        self._train("untrained", 1e-6)
        self._train("supervised", recipe.supervised_minutes * self.share)
        self._grpo()
        measured = {name: self._measure(name) for name in ("untrained", "supervised", "grpo")}
        report = {"minutes": round((time.monotonic() - self.begun) / 60, 1), "held-out": measured}
        (self.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        return report

    def _say(self, text: str) -> None:
        print(f"[{(time.monotonic() - self.begun) / 60:5.1f} min] {text}", file=sys.stderr, flush=True)

    def _start(self, module: str, *words) -> subprocess.Popen:
        command = [sys.executable, "-m", f"{__package__}.{module}", *map(str, words)]
        return subprocess.Popen(command, stdout=sys.stderr)

    def _wait(self, *started: subprocess.Popen) -> None:
        for process in started:
            if process.wait():
                raise SystemExit(f"`{' '.join(process.args)}` ended with {process.returncode}")

    def _module(self, module: str, *words) -> None:
        self._wait(self._start(module, *words))

    def _episodes(self) -> None:
        """Tokenizer, shards, forms and tasks; two processes at a time."""
        self._say("episodes, executed: tokenizer, shards, forms, tasks")
        out, recipe = self.out, self.recipe
        usual = ("--out", out, "--shards", recipe.shards, "--tokenizer-episodes", recipe.tokenizer_episodes)
        forms = self._start("forms", "--out", out / "forms.json", "--episodes", recipe.form_episodes) \
            if not (out / "forms.json").exists() else None
        self._module("generate", *usual)
        decisions = self._start("generate", *usual, "--decisions", "--start", 0, "--scratch", "/dev/shm/decisions")
        orders = lambda name, first, count, *more: self._module(
            "orders", "--out", out / name, "--first", first, "--count", count, *more)
        if not (out / "held-out/tasks.jsonl").exists():
            orders("tasks", TASKS, self.recipe.grpo_tasks)
            orders("held-out", HELD_OUT, self.recipe.held_out, "--evaluation")
        self._wait(decisions, *([forms] if forms else []))

    def _train(self, name: str, minutes: float) -> None:
        recipe, out = self.recipe, self.out
        if (out / f"{name}.gguf").exists():
            return
        self._say(f"{name}: {minutes:.1f} minutes of supervised training")
        self._module("train", "--data", out, "--tokenizer", out / "tokenizer.json", "--out", out / name, "--minutes", minutes,
                     "--keep", 1, "--threads", self.threads, "--width", recipe.width, "--layers", recipe.layers,
                     "--heads", recipe.heads, "--hidden", recipe.hidden)
        self._module("export", "--checkpoint", out / name / "checkpoint.pt", "--tokenizer", out / "tokenizer.json",
                     "--forms", out / "forms.json", "--out", out / f"{name}.gguf")

    def _grpo(self) -> None:
        out = self.out
        if (out / "grpo.gguf").exists():
            return
        minutes = self.recipe.grpo_minutes * self.share
        self._say(f"grpo: {minutes:.1f} minutes")
        self._module("grpo", "--model", out / "supervised.gguf", "--tasks", out / "tasks/tasks.jsonl", "--out", out / "grpo",
                     "--program", self.program.path, "--minutes", minutes, "--rounds", 1000, "--progress", 1, 1,
                     "--tasks-a-round", 12, "--samples", 6, "--rate", 1e-4, "--threads", self.threads)
        (out / "grpo/model.gguf").rename(out / "grpo.gguf")

    def _measure(self, name: str) -> dict:
        """Held-out tasks, the likeliest words: how many are right, with 95 % by Wilson, and the mean reward."""
        self._say(f"{name}: held-out tasks")
        folder = self.out / "held-out"
        tasks = read_tasks(folder / "tasks.jsonl")
        write_tasks(folder / "given.jsonl", tasks)
        done = folder / f"{name}.jsonl"
        self.program.make(self.out / f"{name}.gguf", folder / "given.jsonl", done, samples=1, temperature=0.0, seed=0,
                          tokens=False)
        return measured(self.program.reward(done, 1.0), sum(map(len, tasks)))


def measured(scores: dict[str, dict], count: int) -> dict:
    """What `count` tasks came to; one that came to nothing is wrong and worth nothing."""
    right = sum(one["correct"] == 1.0 for one in scores.values())
    low, high = wilson(right, count)
    return {"right": right, "of": count, "from": round(low, 3), "to": round(high, 3),
            "reward": round(sum(one["reward"] for one in scores.values()) / count, 3)}


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share that holds 95 % (Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / count / 4)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def table(report: dict) -> str:
    """The report as Markdown."""
    lines = ["| model | right on held-out tasks | 95 % | mean reward |", "|---|---|---|---|"]
    for name, one in report["held-out"].items():
        span = f"{one['from']:.0%} to {one['to']:.0%}"
        lines.append(f"| {name} | {one['right']} of {one['of']} | {span} | {one['reward']:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """`datarus train --recipe small`, or `python -m training.recipe small --out DIR`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--program", default="datarus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of the recipe's minutes")
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    report = Cook(RECIPES[args.recipe], out, Program(args.program), args.threads, args.share).run()
    print(f"{table(report)}\n\n{report['minutes']} minutes; curves: {out}/supervised/curve.png, {out}/grpo/curve.png")


if __name__ == "__main__":
    main()
