"""Trains the model for a given time, with checkpoints from which it goes on.

The learning rate follows the share of the time that has passed, so the model is ready at the end of it whatever
speed the machine gave.
"""

import argparse
import contextlib
import pathlib
import queue
import random
import threading
import time

import torch
import torch.nn.functional as F

from . import data, tokens
from .curves import Curve
from .drill import ROWS, Drill
from .model import Model, Shape
from .optimizers import make_optimizers
from .wiring import wire

WARM_UP, HOLD = 0.02, 0.5
SHOW = 25  # steps between two lines of the log


def rate(share):
    """Factor of the learning rate at a share of the time: up, level, down to almost nothing."""
    if share < WARM_UP:
        return 0.05 + 0.95 * share / WARM_UP
    if share < HOLD:
        return 1.0
    return max(0.01, (1.0 - share) / (1.0 - HOLD))


def loss_of(model, ids, weights):
    """Weighted sum of the losses of the next tokens, the same for the model's own text alone, and both weights."""
    hidden = model.hidden(ids[:, :-1]).flatten(0, 1)
    targets, weights = ids[:, 1:].flatten(), weights[:, 1:].flatten()
    counted = weights.nonzero().squeeze(1)
    hidden, targets, weights = hidden[counted], targets[counted], weights[counted]
    losses = F.cross_entropy(F.linear(hidden, model.embed.weight), targets, reduction="none")
    own = (weights == 1.0).float()
    return (losses * weights).sum(), (losses.detach() * own).sum(), own.sum(), weights.sum()


class Stream:
    """Batches out of shards in order; waits for shards that are still being written, and begins anew at the end."""

    def __init__(self, folder, budget, position=0):
        self.folder, self.budget, self.position = pathlib.Path(folder), budget, position

    def __iter__(self):
        while True:
            path = self.folder / f"{self.position:05d}.npz"
            if not self._wait(path):
                print("no further shard: a second epoch begins", flush=True)
                self.position = 0
                continue
            episodes = data.read_shard(path, self.position)
            yield from data.batches(episodes, self.budget, random.Random(self.position))
            self.position += 1

    def _wait(self, path, seconds=60):
        for _ in range(seconds):
            if path.exists():
                return True
            time.sleep(1)
        return path.exists()


class Ahead:
    """What an iterator gives, made ready by another thread: a GPU should not wait for a processor."""

    def __init__(self, items, device, depth=8):
        self.items, self.device, self.ready = items, device, queue.Queue(depth)
        threading.Thread(target=self._fill, daemon=True).start()

    def _fill(self):
        for item in self.items:
            self.ready.put([tensor.pin_memory().to(self.device, non_blocking=True) for tensor in item])

    def __iter__(self):
        while True:
            yield self.ready.get()


class Newest(Stream):
    """Batches out of several shards at a time: those that nobody has read yet, or else some at random.

    For a machine that reads faster than episodes are made.
    """

    TOGETHER = 6

    def __iter__(self):
        read, chance = set(), random.Random(self.position)
        while True:
            found = {int(path.stem) for path in self.folder.glob("*.npz") if path.stem.isdigit()}
            fresh = sorted(found - read)[: self.TOGETHER]
            rest = sorted(found & read)
            chosen = fresh + chance.sample(rest, min(self.TOGETHER - len(fresh), len(rest)))
            if len(chosen) < self.TOGETHER:
                time.sleep(0.2)
                continue
            read.update(fresh)
            self.position += 1
            shards = [data.read_shard(self.folder / f"{n:05d}.npz", self.position) for n in chosen]
            yield from data.batches([e for shard in shards for e in shard], self.budget, random.Random(self.position))


class Log:
    """Means over the steps since the last line."""

    def __init__(self):
        self.sums, self.begun = {}, time.time()

    def add(self, name, value, weight):
        """Adds a sum and its weight."""
        a, b = self.sums.get(name, (0.0, 0.0))
        self.sums[name] = (a + value, b + weight)

    def line(self, state, share):
        """Prints the means and begins anew; gives them."""
        means = {name: a / max(b, 1) for name, (a, b) in self.sums.items() if name != "tokens"}
        speed = self.sums["tokens"][0] / (time.time() - self.begun)
        told = " ".join(f"{name} {mean:.4f}" for name, mean in means.items())
        print(f"{state['spent'] / 60:6.1f} min step {state['step']} shard {state['shard']} tokens {state['tokens']} "
              f"{told} {speed:.0f} tok/s share {share:.3f}", flush=True)
        self.__init__()
        return {"step": state["step"], **means, "tokens": state["tokens"], "tokens a second": speed, "rate": rate(share)}


class Trainer:
    """Model, optimizers and how far they have come."""

    def __init__(self, args):
        torch.manual_seed(args.seed)
        torch.set_num_threads(args.threads)
        self.args, self.checkpoint = args, args.out / "checkpoint.pt"
        saved = torch.load(self.checkpoint, weights_only=False, map_location=args.device) if self.checkpoint.exists() else None
        asked = Shape(width=args.width, layers=args.layers, heads=args.heads, kv_heads=args.heads, hidden=args.hidden)
        self.model = Model(Shape(**saved["shape"]) if saved else asked)
        wire(self.model)
        self.model.to(args.device)
        self.on_gpu = args.device != "cpu"
        # Norms, losses and optimizers stay in float32; matrices are multiplied in bfloat16 where there are units for it.
        self.narrow = torch.autocast(args.device, torch.bfloat16) if self.on_gpu else contextlib.nullcontext()
        self.optimizers = make_optimizers(self.model, args.optimizer, args.rate, args.muon_rate)
        self.state = {"spent": 0.0, "step": 0, "tokens": 0, "shard": 0,
                      "base": [[g["lr"] for g in o.param_groups] for o in self.optimizers]}
        if saved:
            self._resume(saved)
        self.curve = Curve(args.out, self.state["step"] // SHOW, "step")
        self.drill = Drill(tokens.load(args.tokenizer), args.seed + self.state["step"])
        self.chance, self.log = random.Random(args.seed + self.state["step"]), Log()

    def _resume(self, saved):
        self.model.load_state_dict(saved["model"])
        if "optimizers" not in saved:  # Weights alone, out of a GGUF file.
            return
        for optimizer, old in zip(self.optimizers, saved["optimizers"]):
            optimizer.load_state_dict(old)
        self.state = saved["state"]

    def save(self):
        """Writes a checkpoint as a whole or not at all."""
        partial = self.checkpoint.with_suffix(".part")
        torch.save({"shape": self.model.shape.to_dict(), "model": self.model.state_dict(), "state": self.state,
                    "optimizers": [o.state_dict() for o in self.optimizers]}, partial)
        partial.rename(self.checkpoint)

    def run(self):
        """Trains until the time is over."""
        kind = Newest if self.on_gpu else Stream
        stream = kind(self.args.data / "data", self.args.batch, self.state["shard"])
        short = kind(self.args.data / "decisions", self.args.batch, self.state.setdefault("short", 0))
        begun, kept = time.time() - self.state["spent"], time.time()
        for ids, weights in self._mixed(stream, short):
            share = (time.time() - begun) / (self.args.minutes * 60)
            if share >= 1:
                break
            self._step(ids, weights, share)
            self.state.update(spent=time.time() - begun, shard=stream.position, short=short.position)
            if self.state["step"] % SHOW == 0:
                self.curve.add(self.log.line(self.state, share))
            if time.time() - kept > self.args.keep * 60:
                self.save()
                kept = time.time()
        self.save()

    def _mixed(self, whole, short):
        """Batches of whole episodes and of short ones, by chance."""
        whole, short = ([iter(Ahead(s, self.args.device)) for s in (whole, short)] if self.on_gpu else [iter(whole), iter(short)])
        while True:
            yield next(short if self.chance.random() < self.args.decisions else whole)

    def _step(self, ids, weights, share):
        for optimizer, rates in zip(self.optimizers, self.state["base"]):
            for group, base in zip(optimizer.param_groups, rates):
                group["lr"] = base * rate(share)
        with self.narrow:
            total, own, own_count, weight = loss_of(self.model, ids, weights)
        (total / weight).backward()
        self.log.add("loss", own.item(), own_count.item())
        if share < self.args.drill_until and self.chance.random() < self.args.drill:
            exercise = [tensor.to(self.args.device) for tensor in self.drill.batch(4 * ROWS if self.on_gpu else ROWS)]
            with self.narrow:
                copied, _, _, copies = loss_of(self.model, *exercise)
            (copied / copies * 0.5).backward()
            self.log.add("drill", copied.item(), copies.item())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        count = int((ids > 0).sum())
        self.state["step"] += 1
        self.state["tokens"] += count
        self.log.add("tokens", count, 1)


def main():
    """`python -m training.train --data DIR --tokenizer FILE --out DIR --minutes N`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("data", "tokenizer", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--keep", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch", type=int, default=2500, help="tokens a step")
    parser.add_argument("--rate", type=float, default=3e-3, help="of AdamW, for vectors and the embedding")
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--optimizer", choices=["adamw", "muon"], default="muon")
    parser.add_argument("--drill", type=float, default=0.25, help="share of the steps with an exercise in copying")
    parser.add_argument("--drill-until", type=float, default=0.8, help="share of the time after which they end")
    parser.add_argument("--decisions", type=float, default=0.6, help="share of the batches of short episodes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=256, help="as the other sizes, of a new model; a checkpoint has its own")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=512)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    Trainer(args).run()


if __name__ == "__main__":
    main()
