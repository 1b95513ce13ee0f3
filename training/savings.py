"""Command: what three savings of GRPO are worth in time and memory, each on and off, on the same tasks and samples.

The prompt of a task stays in the engine's KV-cache over its samples, or is lost to another task between them; samples
are learnt from one after the other, or all of a step at once; the reference model is in memory while it is read, or
always, or there is none. Learning is measured in a process of its own each time.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import torch

from .choices import log_probabilities
from .grpo import Learnt, Means, Settings, Trainer, peak_memory
from .rollouts import Program, groups, read_tasks, write_tasks

TEMPERATURE, BETA = 1.7, 0.02
APART = 0x9E3779B97F4A7C15  # Between the seeds of two samples of a task, as in `kernel/src/training/order.rs`.


class AtOnce(Trainer):
    """Learns from all samples of a step in one pass: their activations are in memory together."""

    def _step(self, learnt: list[Learnt], log: Means) -> None:
        count, losses = sum(one.sample.n_choices for one in learnt), []
        if not count:
            return
        for one in learnt:
            for at, part in enumerate(part for part in one.sample.sequences if part.choices):
                losses.append(self._loss(one, at, *log_probabilities(self.model, part, self.settings.temperature), log))
        (torch.stack(losses).sum() / count).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class Kept(Trainer):
    """Has its reference in memory always."""

    def __init__(self, *words):
        super().__init__(*words)
        self.kept = super()._reference()

    def _reference(self):
        return self.kept


WAYS = {
    "one sample after the other, no reference": (Trainer, 0.0),
    "all samples of a step at once, no reference": (AtOnce, 0.0),
    "reference in memory while it is read": (Trainer, BETA),
    "reference in memory always": (Kept, BETA),
}


def learn(way: str, args: argparse.Namespace) -> dict:
    """Learns from the samples once; seconds and peak memory."""
    kind, beta = WAYS[way]
    settings = Settings(temperature=TEMPERATURE, beta=beta)
    trainer = kind(settings, args.model, args.out, Program(args.program))
    sampled = groups(args.out / "done.jsonl", json.loads((args.out / "scores.json").read_text()))
    begun = time.monotonic()
    trainer._learn(sampled)
    return {"seconds": round(time.monotonic() - begun, 1), "MB": peak_memory("cpu")}


def roll_out(args: argparse.Namespace) -> dict[str, dict]:
    """The samples by group, which are learnt from, and the same ones with the tasks in turn: seconds of each.

    A sample of its own is a task with the seed that it would have had in its group (`Order::draw_seed`).
    """
    program, episodes = Program(args.program, 1), [one for one in read_tasks(args.tasks) if len(one) == 1]
    told = {}
    numbered = lambda order, n: {**order, "episode": f"{order['episode']}-{n}", "task": {
        **order["task"], "id": f"{order['task']['id']}-{n}", "seed": (order["task"].get("seed", 0) + n * APART) % 2**64}}
    in_turn = [[numbered(order, n) for order in one] for n in range(args.samples) for one in episodes]
    # The first of all is not measured: it finds files and caches cold.
    ways = ((None, "cold", episodes, 1), ("samples of a task one after the other", "done", episodes, args.samples),
            ("samples of all tasks in turn", "turn", in_turn, 1))
    for way, file, tasks, samples in ways:
        write_tasks(args.out / f"{file}.tasks.jsonl", tasks)
        begun = time.monotonic()
        program.make(args.model, args.out / f"{file}.tasks.jsonl", args.out / f"{file}.jsonl", samples=samples,
                     temperature=TEMPERATURE, seed=1)
        if way:
            told[way] = {"seconds": round(time.monotonic() - begun, 1)}
    (args.out / "scores.json").write_text(json.dumps(program.reward(args.out / "done.jsonl", 1.0)))
    return told


def main() -> None:
    """`python -m training.savings --model FILE --tasks FILE [--samples 6] [--program datarus]`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--tasks", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, default=6)
    parser.add_argument("--program", default="datarus")
    args = parser.parse_args()
    if args.way:
        print(json.dumps(learn(args.way, args)))
        return
    with tempfile.TemporaryDirectory() as place:
        args.out = pathlib.Path(place)
        told = roll_out(args)
        for way in WAYS:
            command = [sys.executable, "-m", f"{__package__}.savings", "--model", args.model, "--tasks", args.tasks, "--out", place,
                       "--way", way, "--program", args.program]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=os.environ)
            told[way] = json.loads(done.stdout)
    for way, figures in told.items():
        print(f"{way:<46}" + ", ".join(f"{value} {name}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
