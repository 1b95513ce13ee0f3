"""Small exercises in copying: names and values that stood above are asked for again.

A model of this size finds out late that names can be copied; these exercises, mixed among the episodes, teach it early.
Every token of the vocabulary is met, so what is learnt is copying as such. Only tokens that can be known count.
"""

import numpy as np
import torch

from . import tokens

ROWS, QUERIES = 16, (4, 9)


class Drill:
    """Makes batches of exercises from the word pieces of a tokenizer."""

    def __init__(self, tokenizer, seed):
        self.rng = np.random.default_rng(seed)
        vocabulary = tokenizer.get_vocab()
        self.pieces = np.array([vocabulary[t] for t in tokens.pieces(tokenizer)])
        self.digits = np.array([vocabulary[d] for d in "0123456789"])
        one = lambda text: tokens.encode(tokenizer, text)[0]
        self.space, self.mark, self.line = one(" "), vocabulary["ā"], one("\n")
        self.low, self.bar, self.dot, self.quote = one("_"), one("|"), one("."), one('"')
        self.comma = tokens.encode(tokenizer, ", ")

    def name(self):
        """One to three words of one to three pieces, in one of the usual spellings."""
        style, parts = self.rng.integers(4), []
        for at in range(self.rng.integers(1, 4)):
            if at and style in (0, 1):
                parts.append(self.low if style == 0 else self.space)
            if style in (1, 2):
                parts.append(self.mark)
            parts += self.rng.choice(self.pieces, self.rng.integers(1, 4)).tolist()
        return parts

    def number(self):
        """A few digits, often with a point among them."""
        digits = self.rng.choice(self.digits, self.rng.integers(1, 5)).tolist()
        return digits + ([self.dot, *self.rng.choice(self.digits, self.rng.integers(1, 3))] if self.rng.random() < 0.5 else [])

    def sheet(self):
        """Token ids and weights of one exercise of one of the two kinds."""
        return self.matching() if self.rng.random() < 0.6 else self.recall()

    def spelled(self, words, style):
        """Words in a spelling: with underscores, spaces, or capitals."""
        parts = []
        for at, word in enumerate(words):
            if at and style < 3:
                parts.append(self.low if style == 0 else self.space)
            parts += [self.mark, *word] if style in (2, 3) else word
        return parts

    def matching(self):
        """Some of a list of names, asked for in plain words among others, to be said as they are spelled there."""
        style = self.rng.integers(4)
        word = lambda: self.rng.choice(self.pieces, self.rng.choice([1, 1, 2, 3])).tolist()
        names = [[word() for _ in range(self.rng.choice([1, 1, 2, 3]))] for _ in range(self.rng.integers(3, 9))]
        asked = self.rng.choice(len(names), self.rng.integers(1, 4), replace=False)
        ids, spelled = [], [self.spelled(words, style) for words in names]
        for at in asked:
            for _ in range(self.rng.integers(0, 3)):
                ids += [self.rng.choice(self.pieces), self.space]
            ids += [*(spelled[at] if self.rng.random() < 0.3 else self.spelled(names[at], 1)), self.space]
        ids[-1:] = [self.line]
        for parts in spelled:
            ids += [*parts, *self.comma]
        ids.append(self.line)
        known = len(ids)
        for _ in range(2):
            for at in asked:
                ids += [self.quote, *spelled[at], self.quote]
            ids.append(self.line)
        return ids, [0.0] * known + [1.0] * (len(ids) - known)

    def recall(self):
        """Names with values; below, some of the names again, with their values."""
        names = [self.name() for _ in range(self.rng.integers(3, 8))]
        values = [self.number() for _ in names]
        paired = self.rng.random() < 0.6
        ids, weights = [], []
        for name, value in zip(names, values):
            ids += [*name, self.space, *value, self.line] if paired else [*name, self.bar]
        weights += [0.0] * len(ids)
        for _ in range(self.rng.integers(*QUERIES)):
            at = self.rng.integers(len(names))
            name = names[at]
            known = 1 + (name[0] in (self.mark,))
            quoted = [self.quote] if self.rng.random() < 0.5 else []
            tail = [self.space, *values[at]] if paired else []
            ids += [*quoted, *name, *quoted, *tail, self.line]
            weights += [0.0] * (len(quoted) + known) + [1.0] * (len(name) - known + len(quoted))
            weights += [0.0] * bool(tail) + [1.0] * (len(values[at]) if tail else 0) + [1.0]
        return ids, weights

    def batch(self, rows=ROWS):
        """Ids `[rows, time]` and weights of the same shape."""
        sheets = [self.sheet() for _ in range(rows)]
        longest = max(len(ids) for ids, _ in sheets)
        ids, weights = np.zeros((rows, longest), np.int64), np.zeros((rows, longest), np.float32)
        for row, (a, b) in enumerate(sheets):
            ids[row, : len(a)], weights[row, : len(b)] = a, b
        return torch.from_numpy(ids), torch.from_numpy(weights)
