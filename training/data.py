"""Writes episodes as shards of token ids and loss weights, and reads them back as batches."""

import pathlib
import time

import numpy as np
import torch

from . import tokens
from .episodes import WEIGHTS
from .player import Player

SHARD = 500
KEPT = 0.25
CLASSES = list(WEIGHTS)


def texts(folder, count):
    """The first episodes as plain text, for the tokenizer."""
    player = Player(folder)
    return [player.play(seed).text for seed in range(count)]


def encode(tokenizer, episode):
    """Token ids and the class of each token (an index into `CLASSES`)."""
    ids, classes = [], []
    for text, kind in episode.pieces:
        piece = tokens.encode(tokenizer, text)
        ids += piece
        classes += [CLASSES.index(kind)] * len(piece)
    return ids, classes


def write_shard(play, tokenizer, path, first):
    """The episodes of seeds `first` to `first + SHARD` as one file."""
    ids, classes, lengths = [], [], []
    for seed in range(first, first + SHARD):
        a, b = encode(tokenizer, play(seed))
        ids += a
        classes += b
        lengths.append(len(a))
    arrays = {"ids": np.array(ids, np.uint16), "classes": np.array(classes, np.uint8), "lengths": np.array(lengths, np.int32)}
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **arrays)
    partial.rename(path)
    return len(ids)


def write_all(out, tokenizer, play, shards, start=0, stride=1):
    """Writes shards `start`, `start + stride`, … below `shards`; those that exist already are kept.

    `play` makes an episode of a seed.
    """
    out = pathlib.Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    for number in range(start, shards, stride):
        path = out / f"{number:05d}.npz"
        if not path.exists():
            begun = time.time()
            count = write_shard(play, tokenizer, path, number * SHARD)
            print(f"shard {number}: {count} tokens, {(time.time() - begun) / SHARD * 1000:.1f} ms each", flush=True)


def read_shard(path, seed=0):
    """The episodes of a shard: pairs of ids and weights.

    Of the lightly weighted tokens only a part counts, with as much more weight: the sum is the same on average, and
    the costly output layer is spared for the rest.
    """
    arrays = np.load(path)
    ids = arrays["ids"].astype(np.int64)
    weights = np.array([WEIGHTS[c] for c in CLASSES], np.float32)[arrays["classes"]]
    light = weights < 1
    kept = np.random.default_rng(seed).random(len(weights)) < KEPT
    weights[light] *= kept[light] / KEPT
    ends = np.cumsum(arrays["lengths"])
    return [(ids[e - n : e], weights[e - n : e]) for e, n in zip(ends, arrays["lengths"])]


def batches(episodes, budget, rng, context=2048):
    """Groups episodes of like length to batches of about `budget` tokens, in random order."""
    episodes = sorted((e for e in episodes if len(e[0]) <= context), key=lambda e: len(e[0]))
    groups, group = [], []
    for episode in episodes:
        if group and (len(group) + 1) * len(episode[0]) > budget:
            groups.append(group)
            group = []
        group.append(episode)
    groups.append(group)
    rng.shuffle(groups)
    return [_stack(group) for group in groups]


def _stack(group):
    """Ids `[batch, time]` and weights of the tokens that follow, padded to a multiple of 16."""
    longest = max(len(ids) for ids, _ in group)
    longest = (longest + 15) // 16 * 16 + 1
    ids = np.zeros((len(group), longest), np.int64)
    weights = np.zeros((len(group), longest), np.float32)
    for row, (a, b) in enumerate(group):
        ids[row, : len(a)] = a
        weights[row, : len(b)] = b
    return torch.from_numpy(ids), torch.from_numpy(weights)
