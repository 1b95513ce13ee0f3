"""Command: trains the small decoder by its own work: group-relative policy optimisation with real execution.

Each round the program solves some tasks with the weights as they stand, several times each, in its sandbox and with
its own engine (`datarus episodes make`), and says what each trajectory is worth (`datarus reward`, with the
curriculum's weight of form and content); then PyTorch makes the better ones of each group likelier (`objective`). Only
what the model chose counts (`choices`). The samples of a round are read one after the other, and their gradients added
up, so the memory is that of one sample.

The same seed, weights, tasks and number of threads give the same rounds on a processor.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import resource
import statistics
import time
from dataclasses import asdict, dataclass

import torch
from tqdm import tqdm

from . import objective, restore
from .choices import log_probabilities
from .curves import Curve
from .model import Model
from .rollouts import Program, Sample, groups, read_tasks, write_tasks


@dataclass
class Settings:
    """How it is trained; the same words as the options of the command."""

    rounds: int = 30
    tasks_a_round: int = 12
    samples: int = 8
    temperature: float = 1.0
    rate: float = 5e-5
    batches: int = 3
    epochs: int = 1
    clip: float = 0.2
    clip_high: float = 0.28
    beta: float = 0.0
    progress: tuple[float, float] = (0.0, 1.0)
    norm: float = 1.0
    seed: int = 1
    device: str = "cpu"


@dataclass
class Learnt:
    """A sample with its advantage, and what was known of its choices before the round's first step."""

    sample: Sample
    advantage: float
    old: list[torch.Tensor]
    reference: list[torch.Tensor]


class Trainer:
    """The model, its optimizer and how far they have come."""

    def __init__(self, settings: Settings, start: pathlib.Path, out: pathlib.Path, program: Program):
        self.settings, self.start, self.out, self.program = settings, start, out, program
        torch.manual_seed(settings.seed)
        shape, weights, _ = restore.read(start)
        self.model = Model(shape)
        self.model.load_state_dict(weights)
        self.model.to(settings.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), settings.rate, (0.9, 0.95), weight_decay=0.0)
        self.done, self.checkpoint = 0, out / "checkpoint.pt"
        if self.checkpoint.exists():
            self._resume()
        self.curve = Curve(out, self.done)

    def _resume(self) -> None:
        saved = torch.load(self.checkpoint, map_location=self.settings.device, weights_only=False)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.done = saved["done"]

    def save(self) -> None:
        """Writes a checkpoint as a whole or not at all; `export` and `restore` know its form."""
        partial = self.checkpoint.with_suffix(".part")
        torch.save({"shape": self.model.shape.to_dict(), "model": self.model.state_dict(), "done": self.done,
                    "optimizer": self.optimizer.state_dict(), "settings": asdict(self.settings)}, partial)
        partial.rename(self.checkpoint)

    def weights(self) -> pathlib.Path:
        """The weights as they stand, as a file for the program."""
        path = self.out / "model.gguf"
        restore.replace(self.start, self.model.state_dict(), path)
        return path

    def run(self, episodes: list[list[dict]], minutes: float = float("inf")) -> None:
        """Trains to the last round, or until the minutes are over; what is there already is gone on from."""
        end = time.monotonic() + minutes * 60
        bar = tqdm(total=self.settings.rounds, initial=self.done, unit="round", dynamic_ncols=True)
        while self.done < self.settings.rounds and time.monotonic() < end:
            told = self.round(episodes)
            self.done += 1
            self.curve.add(told)
            self.save()
            bar.update()
            bar.set_postfix({name: f"{told[name]:.3f}" for name in ("reward", "content", "correct")})
        bar.close()
        self.weights()

    def round(self, episodes: list[list[dict]]) -> dict:
        """Samples, scores and learns once; what there is to tell of it."""
        begun = time.monotonic()
        sampled = self._sample(episodes)
        between = time.monotonic()
        told = {"round": self.done, **of_samples(sampled), **self._learn(sampled)}
        told["seconds of rollouts"] = round(between - begun, 1)
        told["seconds of learning"] = round(time.monotonic() - between, 1)
        told["peak memory, MB"] = peak_memory(self.settings.device)
        return told

    def _chance(self, what: str) -> random.Random:
        """Chance of its own for each purpose in each round of each seed."""
        return random.Random(f"{what} of round {self.done} with seed {self.settings.seed}")

    def _sample(self, episodes: list[list[dict]]) -> list[list[Sample]]:
        settings, at = self.settings, self.done
        folder = self.out / "rounds" / f"{at:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        chance = self._chance("tasks")
        write_tasks(folder / "tasks.jsonl", chance.sample(episodes, min(settings.tasks_a_round, len(episodes))))
        # A round that was cut off goes on: its weights are those of the checkpoint, so the draws are the same.
        self.program.make(self.weights(), folder / "tasks.jsonl", folder / "done.jsonl", samples=settings.samples,
                          temperature=settings.temperature, seed=self._chance("draws").getrandbits(63))
        first, last = settings.progress
        scores = self.program.reward(folder / "done.jsonl", first + (last - first) * at / max(settings.rounds - 1, 1))
        return groups(folder / "done.jsonl", scores)

    def _learn(self, sampled: list[list[Sample]]) -> dict:
        settings = self.settings
        learnt = self._prepared(sampled)
        log = Means()
        chance = self._chance("order")
        for _ in range(settings.epochs):
            chance.shuffle(learnt)
            for part in range(settings.batches):
                self._step(learnt[part :: settings.batches], log)
        return log.told()

    def _prepared(self, sampled: list[list[Sample]]) -> list[Learnt]:
        """The samples that have something to teach: those of a group of unlike rewards, all of them with a reference."""
        settings, learnt = self.settings, []
        for group in sampled:
            rewards = torch.tensor([one.scores["reward"] for one in group], dtype=torch.float64)
            for sample, advantage in zip(group, objective.advantages(rewards).tolist(), strict=True):
                if sample.n_choices and (abs(advantage) > 1e-6 or settings.beta):
                    learnt.append(Learnt(sample, advantage, [], []))
        if settings.epochs * settings.batches > 1:
            for one in learnt:
                one.old = self._known(self.model, one)
        if settings.beta:
            # In memory only while it is read: what is kept of it are these numbers.
            reference = self._reference()
            for one in learnt:
                one.reference = self._known(reference, one)
        return learnt

    def _reference(self) -> Model:
        """The model with the weights of the beginning."""
        shape, weights, _ = restore.read(self.start)
        reference = Model(shape)
        reference.load_state_dict(weights)
        return reference.to(self.settings.device)

    @torch.no_grad()
    def _known(self, model: Model, one: Learnt) -> list[torch.Tensor]:
        """What a model gives the choices of a sample, sequence by sequence."""
        read = [log_probabilities(model, part, self.settings.temperature)[0] for part in one.sample.sequences if part.choices]
        return [values.to(self.settings.device) for values in read]

    def _step(self, learnt: list[Learnt], log: Means) -> None:
        count = sum(one.sample.n_choices for one in learnt)
        if not count:
            return
        for one in learnt:
            parts = [part for part in one.sample.sequences if part.choices]
            for at, part in enumerate(parts):
                loss = self._loss(one, at, *log_probabilities(self.model, part, self.settings.temperature), log)
                (loss / count).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        log.add("gradient norm", norm.item(), 1)

    def _loss(self, one: Learnt, at: int, new: torch.Tensor, entropy: torch.Tensor, log: Means) -> torch.Tensor:
        settings, n = self.settings, len(new)
        old = one.old[at] if one.old else new.detach()
        bounds = (old, one.advantage, settings.clip, settings.clip_high)
        gained = objective.gain(new, *bounds)
        log.add("clipped", objective.is_clipped(new.detach(), *bounds).sum().item(), n)
        log.add("ratio", (new.detach() - old).exp().sum().item(), n)
        log.add("entropy", entropy.detach().sum().item(), n)
        if not settings.beta:
            return -gained.sum()
        apart = objective.k3(new, one.reference[at])
        log.add("KL to the reference", apart.detach().sum().item(), n)
        return -(gained - settings.beta * apart).sum()


class Means:
    """Means of what was seen in a round."""

    def __init__(self):
        self.sums: dict[str, tuple[float, float]] = {}

    def add(self, name: str, value: float, weight: float) -> None:
        """Adds a sum and the number of its terms."""
        a, b = self.sums.get(name, (0.0, 0.0))
        self.sums[name] = (a + value, b + weight)

    def told(self) -> dict[str, float]:
        """All means."""
        return {name: a / b for name, (a, b) in self.sums.items()}


def of_samples(sampled: list[list[Sample]]) -> dict:
    """What a round's samples are worth, in the mean."""
    every = [sample for group in sampled for sample in group]
    if not every:
        raise SystemExit("no task gave two trajectories: look at the `.rejected.jsonl` beside the round's trajectories")
    mean = lambda values: statistics.fmean(values) if values else None
    rewards = [[one.scores["reward"] for one in group] for group in sampled]
    return {
        "reward": mean([reward for group in rewards for reward in group]),
        "structure": mean([one.scores["structure"] for one in every if one.scores["structure"] is not None]),
        "content": mean([one.scores["content"] for one in every]),
        "correct": mean([one.scores["correct"] for one in every if one.scores["correct"] is not None]),
        "deviation in a group": mean([statistics.stdev(group) for group in rewards]),
        "groups of unlike rewards": mean([float(max(group) - min(group) > 1e-6) for group in rewards]),
        "choices a sample": mean([one.n_choices for one in every]),
        "tokens a sample": mean([sum(len(part.ids) for part in one.sequences) for one in every]),
    }


def peak_memory(device: str) -> float:
    """The most memory so far: of the accelerator, or of this process (Linux tells kilobytes)."""
    if device != "cpu":
        return round(torch.cuda.max_memory_allocated() / 1e6, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parsed, usual = argparse.ArgumentParser(description=main.__doc__), Settings()
    add = parsed.add_argument
    add("--model", type=pathlib.Path, required=True, help="the weights to begin with: a GGUF file that `export` wrote")
    add("--tasks", type=pathlib.Path, required=True, help="tasks of `training.orders` (docs/rewards.md)")
    add("--out", type=pathlib.Path, required=True)
    add("--program", default="datarus")
    add("--workers", type=int, help="episodes that run at once")
    add("--threads", type=int, default=torch.get_num_threads())
    add("--rounds", type=int, default=usual.rounds)
    add("--minutes", type=float, default=float("inf"), help="no round begins after them")
    add("--tasks-a-round", type=int, default=usual.tasks_a_round)
    add("--samples", type=int, default=usual.samples, help="of each task: the group")
    add("--temperature", type=float, default=usual.temperature)
    add("--rate", type=float, default=usual.rate, help="of AdamW")
    add("--batches", type=int, default=usual.batches, help="optimizer steps a round")
    add("--epochs", type=int, default=usual.epochs, help="times that a round's samples are learnt from")
    add("--clip", type=float, default=usual.clip)
    add("--clip-high", type=float, default=usual.clip_high)
    add("--beta", type=float, default=usual.beta, help="weight of the KL to the weights of the beginning; 0: no reference")
    add("--progress", type=float, nargs=2, default=usual.progress, metavar=("FIRST", "LAST"), help="of the curriculum")
    add("--norm", type=float, default=usual.norm, help="the gradient is cut to")
    add("--seed", type=int, default=usual.seed)
    add("--device", default=usual.device)
    return parsed


def main(words: list[str] | None = None) -> None:
    """`python -m training.grpo --model FILE --tasks FILE --out DIR [--program datarus]`"""
    args = parser().parse_args(words)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    settings = Settings(**{name: getattr(args, name) for name in asdict(Settings())})
    settings.progress = tuple(settings.progress)
    (args.out / "settings.json").write_text(json.dumps(asdict(settings), indent=1) + "\n", encoding="utf-8")
    trainer = Trainer(settings, args.model, args.out.resolve(), Program(args.program, args.workers))
    trainer.run(read_tasks(args.tasks), args.minutes)


if __name__ == "__main__":
    main()
