"""Command: writes held-out questions with their files, one folder each, and `questions.jsonl`.

Names, values and wordings come from the held-out side of the words: training has seen none of them.
"""

import argparse
import json
import os
import pathlib
import random
import shutil

import numpy as np

from . import check, families as f, families_models as models, families_more as m, families_spread as spread
from . import families_time as times, public
from .episodes import Scene
from .episodes import write as save
from .player import Player
from .tables import make_table
from .two_files import Pair

MAKERS = {
    "load": [f.load, f.columns], "overview": [f.describe, f.shape], "aggregate": [f.aggregate, f.aggregate, f.nunique],
    "group": [f.group], "top": [f.top], "count": [f.count], "filter": [f.filter_aggregate, f.lookup],
    "missing": [f.missing], "value_counts": [f.value_counts], "share": [f.share], "correlation": [f.correlation],
    "histogram": [m.histogram], "bar": [m.bar], "line": [m.line], "scatter": [m.scatter],
    "regression": [m.regression], "compare": [m.compare], "cannot": [m.absent, m.outside], "period": [m.period],
    "quantile": [spread.percentile, spread.quartiles], "outliers": [spread.outliers], "range": [spread.spread],
    "between": [spread.between], "ratio": [spread.ratio], "duplicates": [spread.duplicates],
    "clean": [spread.complete, spread.fill], "group where": [spread.group_where], "group share": [spread.group_share],
    "groups above": [spread.groups_above], "difference": [spread.difference], "top where": [spread.top_where],
    "best of each": [spread.best_each], "change": [times.change, times.change_by], "part of date": [times.part_of_date],
    "trend": [times.trend], "span": [times.span], "moving average": [times.moving], "running total": [times.running],
    "lines": [times.lines], "anova": [models.anova], "chi-square": [models.dependent], "crosstab": [models.crosstab],
    "strongest": [models.strongest], "predict": [models.predict], "classify": [models.classify],
    "clusters": [models.clusters], "box": [models.box], "pie": [models.pie],
}
# What goes wrong on the way, by the name of the family: see `Scene.single`.
PLANTED = {"number as text": "texts", "wrong file name": "misnamed", "semicolons": "semicolon"}
MAKERS.update({family: [f.aggregate, f.group, f.correlation, f.filter_aggregate] for family in PLANTED})
TWO_FILES = {"join": "join", "stack": "stack", "unmatched": "unmatched", "which file": "second"}
SHARES = {"aggregate": 2, "group": 3, "top": 2, "count": 2}


def plan(count, kinds=()):
    """The family of each question: each in turn, some more often; those of `kinds`, or all."""
    order = [family for family in kinds or [*MAKERS, *TWO_FILES] for _ in range(SHARES.get(family, 1))]
    return [order[i % len(order)] for i in range(count)]


def make(player, family, seed):
    """An executed episode of a family; its files lie in the player's folder."""
    rng, gen = random.Random(seed), np.random.default_rng(seed)
    while True:
        player.folder.clear()
        if family in TWO_FILES:
            episode = Pair(rng, gen, player.pools).play(TWO_FILES[family], most=1)
            if episode is not None:
                return episode
            continue
        table = make_table(rng, gen, player.pools)
        ext = "csv" if family == "semicolons" else rng.choices(["csv", "tsv", "xlsx", "parquet"], [70, 10, 10, 10])[0]
        scene = Scene(rng, gen, player.pools, table, ext)
        episode = scene.single(rng.choice(MAKERS[family]), PLANTED.get(family))
        if episode is not None:
            return episode


def write(out, count, seed, kinds=(), apart=False):
    """Writes the questions and their files."""
    out = out.resolve()
    player = Player(out / "scratch", evaluation=True, apart=apart)
    records = []
    for at, family in enumerate(plan(count, kinds)):
        episode = make(player, family, seed * 1_000_003 + at)
        task = episode.tasks[0]
        name = f"q{at:03d}"
        expected = {"kind": task["kind"], "values": task["values"]}
        assert check.right(expected, task["answer"], [episode.text]), task
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.copytree(player.folder.path, out / name)
        records.append({"id": name, "family": family, "question": task["question"],
                        "files": sorted(os.listdir(out / name)), "expected": expected})
    os.chdir(out)
    shutil.rmtree(out / "scratch")
    (out / "questions.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))


def write_public(out):
    """Writes the questions over public tables and their files."""
    kept = []
    for file, frame, record in public.records():
        folder = out / record["id"]
        folder.mkdir(parents=True, exist_ok=True)
        stem, ext = file.split(".")
        save(frame, str(folder / file), ext)
        kept.append(record)
    (out / "questions.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))


def main():
    """`python -m training.questions --out DIR [--public]`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--public", action="store_true", help="the questions over public tables instead")
    parser.add_argument("--planted", action="store_true", help="only questions on whose way something goes wrong")
    parser.add_argument("--apart", action="store_true", help="in the wordings that stand apart from all others")
    args = parser.parse_args()
    if args.apart and args.public:
        parser.error("--public has its own wordings; leave out --apart or --public")
    args.out.mkdir(parents=True, exist_ok=True)
    if args.public:
        write_public(args.out)
    else:
        write(args.out, args.count, args.seed, PLANTED if args.planted else (), args.apart)


if __name__ == "__main__":
    main()
