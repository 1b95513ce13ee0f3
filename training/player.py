"""Plays out an episode for a seed: which kind of chat, which tables, which words."""

import random

import numpy as np

from . import families_chat as chat, names
from .episodes import FAMILIES, Episode, Folder, Scene
from .languages import Unsaid
from .tables import make_table
from .tasks import Context
from .two_files import Pair

TWO_FILES = 0.14  # Share of the chats that are about two files.


class Player:
    """Generates episodes from seeds; one side of the words is used throughout."""

    def __init__(self, folder, evaluation=False, loaded=0.3, pieces=(), language=None, apart=False):
        self.folder, self.loaded = Folder(folder), loaded
        self.pools = names.Pools(evaluation, pieces, language, apart)

    def play(self, seed):
        """The episode of a seed, with executed steps."""
        rng, gen = random.Random(seed), np.random.default_rng(seed)
        while True:
            self.folder.clear()
            try:
                episode = self._in_another_language(rng, gen) if self.pools.language else self._try(rng, gen)
            except Unsaid:
                continue
            if episode is not None:
                return episode

    def decide(self, seed):
        """A short episode that ends with the deciding step: which columns, which code; for a table in memory.

        It holds one decision in a third of the tokens of a whole episode. The code is executed all the same.
        """
        rng, gen = random.Random(seed), np.random.default_rng(seed)
        while True:
            table = make_table(rng, gen, self.pools)
            scene = Scene(rng, gen, self.pools, table, rng.choice(["csv", "csv", "xlsx"]))
            if scene.decide():
                return scene.episode

    def _try(self, rng, gen):
        roll = rng.random()
        if roll < 0.015:
            return thinking(rng, self.pools.evaluation)
        if roll > 1 - TWO_FILES:
            return Pair(rng, gen, self.pools).play()
        table = make_table(rng, gen, self.pools)
        if roll < 0.03:
            return nothing_there(rng, self.pools, table)
        return self._scene(rng, gen, table)

    def _in_another_language(self, rng, gen):
        """One question about one table: what else episodes hold is said in English alone."""
        return self._scene(rng, gen, make_table(rng, gen, self.pools))

    def _scene(self, rng, gen, table):
        ext = rng.choices(["csv", "tsv", "xlsx", "parquet"], [80, 8, 6, 6])[0]
        return Scene(rng, gen, self.pools, table, ext).play(rng.random() < self.loaded)


def thinking(rng, evaluation):
    """A question in the mode in which nothing is run."""
    question, thought, answer = chat.think(rng, evaluation)
    episode = Episode()
    episode.user(f"{question}\nThink only.")
    episode.add(f"<think>{thought}</think>", "model")
    episode.add("\n<answer>", "forced")
    episode.add(f"{answer}</answer>", "model")
    episode.add("<|im_end|>\n", "world")
    episode.tasks.append({"family": "think", "kind": "text", "question": question, "values": [], "answer": answer})
    return episode


def nothing_there(rng, pools, table):
    """A question about data where neither a file nor a table is."""
    makers, weights = zip(*FAMILIES)
    task = rng.choices(makers, weights)[0](Context(rng, pools, table, table.frame()))
    if task is None or task.steps is None:
        return None
    answer = "There is no data yet. Put a file such as CSV or Excel into this folder and name it."
    episode = Episode()
    episode.user(task.question)
    episode.stop("No file and no table.", answer)
    episode.tasks.append({"family": "cannot", "kind": "refusal", "question": task.question, "values": ["no data"], "answer": answer})
    return episode
