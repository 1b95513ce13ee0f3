"""Makes tables of random shape and content, as somebody might have them in a file."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from . import names
from .names import Name, quote


@dataclass
class Column:
    """A column: its name, what kind of values it holds, and the values."""

    name: Name
    kind: str  # number | category | label | date | flag
    values: object

    @property
    def text(self):
        """The name as it stands in the file."""
        return self.name.text

    @property
    def quoted(self):
        """The name as thoughts and answers write it: between quotes, where only names that exist can be written."""
        return quote(self.text)


@dataclass
class Table:
    """Columns in their order and the stem of the file that holds them."""

    stem: str
    columns: list

    def of(self, *kinds):
        """Columns of some kinds."""
        return [c for c in self.columns if c.kind in kinds]

    @property
    def names(self):
        """The names of all columns."""
        return [c.name for c in self.columns]

    def frame(self):
        """The table as pandas has it before it is written to a file."""
        return pd.DataFrame({c.text: c.values for c in self.columns})


def numbers(rng, gen, rows):
    """Values of a numeric column: counts, scores, prices, small fractions."""
    roll = rng.random()
    if roll < 0.25:
        low = rng.choice([0, 1, 10, 100])
        return gen.integers(low, low + rng.choice([9, 40, 90, 900, 5000]), rows)
    if roll < 0.4:
        return np.maximum(0, gen.normal(rng.choice([20, 60, 150, 800]), rng.choice([4, 9, 15]), rows)).astype(int)
    digits = rng.choice([1, 1, 2, 2, 3])
    if roll < 0.65:
        return np.round(gen.normal(rng.choice([0, 5, 20, 60, 300]), rng.choice([1, 3, 8]), rows), digits)
    if roll < 0.85:
        return np.round(gen.gamma(2.0, rng.choice([0.5, 3, 12, 80]), rows), digits)
    return np.round(gen.random(rows) * rng.choice([1, 1, 10, 100]), digits)


def category_values(rng, pools):
    """The values of one categorical column."""
    roll = rng.random()
    if roll < 0.38:
        return list(rng.choice(pools.sets))
    if roll < 0.72:
        pool = rng.choice(pools.values)
        return rng.sample(pool, min(len(pool), rng.randint(2, 7)))
    if roll < 0.9:
        case = rng.choice([str.capitalize, str.lower, str.capitalize, str.upper])
        return list({case(pools.invent(rng)): 0 for _ in range(rng.randint(2, 6))})
    if roll < 0.95:
        prefix = rng.choice("ABCDEFGHKLMPRSTX")
        return [f"{prefix}{i}" for i in range(1, rng.randint(3, 7))]
    return list(range(rng.choice([0, 1, 1]), rng.randint(3, 6)))


def category(rng, gen, rows, pools):
    """A categorical column's values, unevenly spread."""
    values = category_values(rng, pools)
    shares = gen.dirichlet(np.full(len(values), 4.0))
    picked = gen.choice(len(values), rows, p=shares)
    picked[: len(values)] = gen.permutation(len(values))[: len(picked[: len(values)])]
    return np.array(values, dtype=object)[picked] if isinstance(values[0], str) else np.array(values)[picked]


def labels(rng, rows, pools):
    """Names of the things in the rows, all different."""
    pool = rng.choice(pools.values)
    kind = rng.random()
    if kind < 0.4 and len(pool) >= rows:
        return rng.sample(pool, rows)
    if kind < 0.7:
        made = list(dict.fromkeys(pools.invent(rng).capitalize() for _ in range(rows * 2)))
        made += [f"{m}{i}" for i, m in enumerate(made)]
        return made[:rows]
    prefix = rng.choice(["P", "C-", "ID", "X", "N", "KT-", "R", "AB"])
    return [f"{prefix}{i}" for i in rng.sample(range(100, 999), rows)]


def dates(rng, gen, rows):
    """Days or months as ISO text, or years; often several rows for one of them."""
    roll = rng.random()
    many = rng.random() < 0.5
    if roll < 0.5:
        start = date(rng.randint(2015, 2025), rng.randint(1, 12), rng.randint(1, 28))
        steps = np.sort(gen.integers(0, max(4, rows // 2 if many else rows), rows)) * rng.choice([1, 1, 7])
        return [(start + timedelta(days=int(s))).isoformat() for s in steps]
    if roll < 0.8:
        first = rng.randint(2012, 2025) * 12 + rng.randint(0, 11)
        steps = np.sort(gen.integers(0, rng.randint(6, 24), rows)) if many else np.arange(rows)
        return [f"{(first + int(s)) // 12}-{(first + int(s)) % 12 + 1:02d}" for s in steps]
    first = rng.randint(1990, 2015)
    return [first + int(s) for s in (np.sort(gen.integers(0, rng.randint(5, 15), rows)) if many else np.arange(rows))]


def date_words(rng, values, pools):
    """Words for a date column that fit its values."""
    first = str(values[0])
    word = {4: "year", 7: "month", 10: rng.choice(["date", "date", "day", "date"])}[len(first)]
    if rng.random() < 0.35:
        return [rng.choice(pools.modifiers + pools.entities), word]
    return [word]


def put_holes(rng, gen, columns, rows):
    """Takes values out of some columns, as real files lack them."""
    for column in columns:
        if column.kind in ("number", "category") and rng.random() < 0.4:
            values = np.array(column.values, dtype=object)
            values[gen.choice(rows, rng.randint(1, max(1, rows // 6)), replace=False)] = None
            column.values = values
            if column.kind == "number":
                column.values = values.astype(float)


def relate(rng, gen, columns, rows):
    """Makes one numeric column follow another one, so that relations can be found."""
    pair = [c for c in columns if c.kind == "number"]
    if len(pair) >= 2 and rng.random() < 0.5:
        a, b = rng.sample(pair, 2)
        x = np.asarray(a.values, dtype=float)
        spread = x.std() or 1.0
        slope = rng.choice([-2.5, -1.2, -0.4, 0.3, 0.8, 1.5, 3.0])
        noise = gen.normal(0, spread * abs(slope) * rng.choice([0.2, 0.6, 1.5]), rows)
        y = slope * x + rng.choice([0, 5, 20, 70]) + noise
        b.values = np.round(y, 0 if np.abs(y).max() > 3000 else rng.choice([1, 2]))


def kinds_of(rng, width):
    """Which kinds of columns a table of some width has, in order."""
    kinds = ["number", "number", "category"]
    if width > 3:
        kinds.append("category" if rng.random() < 0.5 else "number")
    if rng.random() < 0.5 and len(kinds) < width:
        kinds.append("date")
    if rng.random() < 0.35 and len(kinds) < width:
        kinds.append("label")
    while len(kinds) < width:
        kinds.append(rng.choices(["number", "category", "flag"], [60, 32, 8])[0])
    rng.shuffle(kinds)
    for first in ("date", "label"):
        if first in kinds and rng.random() < 0.7:
            kinds.remove(first)
            kinds.insert(0, first)
    return kinds


def make_column(rng, gen, kind, rows, pools, style, taken):
    """One column whose name, in any spelling, is not taken yet."""
    while True:
        values = None
        if kind == "number":
            words = names.measure_words(rng, pools, [s for _, s in taken])
            values = numbers(rng, gen, rows)
        elif kind == "category":
            words, values = names.category_words(rng, pools), category(rng, gen, rows, pools)
        elif kind == "label":
            words = [rng.choice(pools.entities)] + rng.choice([[], [], ["name"], ["id"], ["code"]])
            values = labels(rng, rows, pools)
        elif kind == "date":
            values = dates(rng, gen, rows)
            words = date_words(rng, values, pools)
        else:
            words = [rng.choice(["is", "has"]), rng.choice(pools.modifiers)]
            values = gen.random(rows) < rng.choice([0.3, 0.5, 0.7])
        name = names.column_name(rng, words, style, kind == "number")
        if name and not any(names.w.plain(name.text) == names.w.plain(t) or words == s for t, s in taken):
            taken.append((name.text, words))
            return Column(name, kind, values)


def make_table(rng, gen, pools, width=None, taken_stems=()):
    """A table of 3 to 10 columns (sometimes up to 16) and 8 to 150 rows."""
    width = width or rng.choices([*range(3, 11), 12, 14, 16], [14, 22, 22, 16, 11, 6, 3, 3, 1, 0.8, 0.7])[0]
    rows = rng.randint(10, 40) if rng.random() < 0.6 else rng.randint(40, 150)
    style, taken = names.style_of_table(rng), []
    columns = [make_column(rng, gen, kind, rows, pools, style, taken) for kind in kinds_of(rng, width)]
    relate(rng, gen, columns, rows)
    if rng.random() < 0.35:
        put_holes(rng, gen, columns, rows)
    stem = rng.choice(pools.stems)
    while stem in taken_stems:
        stem = rng.choice(pools.stems)
    if rng.random() < 0.35:
        extra = str(rng.randint(2010, 2026)) if rng.random() < 0.5 else rng.choice(pools.modifiers)
        stem = f"{stem}_{extra}" if extra[0] == "2" else f"{extra}_{stem}"
    elif rng.random() < 0.12:
        stem = pools.invent(rng)
    return Table(stem.capitalize() if rng.random() < 0.06 else stem, columns)
