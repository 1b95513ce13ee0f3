"""Chats about two files: joined on a column that both have, stacked, or one of them after the other."""

from . import families as f, families_models as models, families_more as m, families_spread as spread, names
from .episodes import FAILED, GO_ON, READERS, Scene, write
from .tables import Column, Table, category, make_column, make_table, numbers
from .tasks import Context, Task

JOINED = [
    (f.group, 8), (f.filter_aggregate, 4), (f.count, 2), (f.two_groups, 1), (m.bar, 2), (m.compare, 1.5), (f.correlation, 1),
    (m.scatter, 0.7), (spread.group_where, 2), (spread.group_share, 1.5), (spread.top_where, 1), (models.box, 0.7), (spread.ratio, 0.7),
]
STACKED = [(f.aggregate, 4), (f.group, 4), (f.shape, 1), (f.value_counts, 2), (f.filter_aggregate, 2), (f.count, 2), (m.bar, 1)]
ALONE = [(f.aggregate, 3), (f.group, 4), (f.filter_aggregate, 2), (f.top, 2), (f.correlation, 1), (m.scatter, 1), (f.value_counts, 1)]
OVER_BOTH = [" over both files", " in both files together", " across both files", " in all files", " over all files", " for both files"]
OVER_BOTH_HELD_OUT = [" taking both files together", " over the two files"]


def second_table(rng, gen, pools, first):
    """A table about the things that a column of `first` names, and that column; none where it has no such column."""
    usable = [c for c in first.of("category", "label") if isinstance(c.values[0], str) and None not in list(c.values)]
    if not usable:
        return None
    key = rng.choice(usable)
    known = list(dict.fromkeys(key.values))
    if not 3 <= len(known) <= 60:
        return None
    rng.shuffle(known)
    if rng.random() < 0.3:
        known = known[:-1]  # One is not there.
    rows, style, taken = len(known), names.style_of_table(rng), [(c.text, c.name.words) for c in first.columns]
    kinds = ["category", *rng.choices(["category", "number", "number", "label"], k=rng.randint(1, 3))]
    kinds = [kind for at, kind in enumerate(kinds) if kind != "label" or "label" not in kinds[:at]]
    columns = [make_column(rng, gen, kind, rows, pools, style, taken) for kind in kinds]
    for column in columns:
        if column.kind == "category":
            column.values = _few(rng, gen, rows, pools)
        elif column.kind == "number":
            column.values = numbers(rng, gen, rows)
    stem = rng.choice([s for s in pools.stems if s != first.stem])
    if rng.random() < 0.4:
        word = names.plural(key.name.words[0])
        stem = word if word.isidentifier() and word not in first.stem else stem
    return key, Table(stem, [Column(key.name, key.kind, known), *columns])


def _few(rng, gen, rows, pools):
    """Values of a category of which there are fewer than rows."""
    for _ in range(20):
        values = category(rng, gen, max(rows, 8), pools)[:rows]
        if 2 <= len(set(values)) < rows:
            return values
    return category(rng, gen, max(rows, 8), pools)[:rows]


class Pair(Scene):
    """Two tables in two files, and the chat about them."""

    def __init__(self, rng, gen, pools):
        table = make_table(rng, gen, pools)
        super().__init__(rng, gen, pools, table, rng.choices(["csv", "tsv", "xlsx", "parquet"], [84, 5, 6, 5])[0])
        self.other_ext = self.ext if rng.random() < 0.8 else rng.choice(["csv", "xlsx"])
        self.named, self.sep, self.way = False, None, None

    def play(self, way=None, most=2):
        """The whole chat, or none when the tables do not fit; `way` is how the files are used."""
        self.way = way or self.rng.choices(["join", "stack", "unmatched", "first", "second"], [62, 12, 7, 9, 10])[0]
        task = self._stacked() if self.way == "stack" else self._linked()
        if task is None:
            return None
        write(self.first.frame(), self.name, self.ext)
        write(self.other.frame(), self.other_name, self.other_ext)
        if not self._turn(task, False):
            return None
        while len(self.episode.tasks) < most and self.way == "join" and self.rng.random() < 0.25:
            second = self._follow(task)
            if second is not None and second.steps and not self._turn(second, True):
                return None
        return self.episode

    def _place(self, first, other):
        """Which file is which: the one that is listed first is read first."""
        self.first, self.other = first, other
        self.name, self.other_name = f"{first.stem}.{self.ext}", f"{other.stem}.{self.other_ext}"
        self.episode.kinds = {column.text: column.kind for table in (first, other) for column in table.columns}

    def _stacked(self):
        first = self.table
        other = make_table(self.rng, self.gen, self.pools)
        rows = self.rng.randint(8, 40)
        frame = first.frame().sample(rows, replace=True, random_state=self.rng.randrange(10**6))
        columns = [Column(c.name, c.kind, frame[c.text].to_numpy()) for c in first.columns]
        year = self.rng.randint(2012, 2025)
        a, b = self.rng.choice([(year, year + 1), ("a", "b"), (1, 2), ("old", "new"), ("north", "south"), ("q1", "q2")])
        stem = other.stem.rsplit("_", 1)[0]
        other = Table(f"{stem}_{b}", columns)
        self._place(Table(f"{stem}_{a}", first.columns), other)
        if self.name > self.other_name:
            return None
        both = [Column(c.name, c.kind, [*c.values, *d.values]) for c, d in zip(first.columns, columns)]
        self.table, self.v = Table(stem, both), "both"
        task = self._made(STACKED)
        if task is None:
            return None
        words = OVER_BOTH_HELD_OUT if self.pools.evaluation else OVER_BOTH
        mark = task.question[-1] if task.question[-1] in "?." else ""
        task.question = task.question.rstrip("?.") + self.rng.choice(words) + mark
        task.family = "stack"
        return task

    def _linked(self):
        made = second_table(self.rng, self.gen, self.pools, self.table)
        if made is None:
            return None
        key, other = made
        tables = [self.table, other]
        if f"{self.table.stem}.{self.ext}" > f"{other.stem}.{self.other_ext}":
            tables.reverse()
        if self.table.stem == other.stem:
            return None
        self._place(*tables)
        self.key = key
        if self.way == "unmatched":
            return self._unmatched()
        if self.way in ("first", "second"):
            self.table, self.v = tables[self.way == "second"], "df"
            if len(self.table.columns[0].values) < 4:
                return None
            task = self._made(ALONE)
            own = [c for c in self.table.columns if c.text != key.text]
            return task if task and any(c.quoted in code for c in own for _, code in task.steps) else None
        frame = tables[0].frame().merge(tables[1].frame(), on=key.text)
        if len(frame) < 5:
            return None
        kinds = self.episode.kinds
        by_name = {c.text: c.name for table in tables for c in table.columns}
        self.table = Table("both", [Column(by_name[n], kinds[n], frame[n].to_numpy()) for n in frame.columns])
        self.v = "both"
        for _ in range(8):
            task = self._made(JOINED)
            if task and task.steps and all(self._uses(task, table) for table in tables):
                task.family = "join"
                return task
        return None

    def _made(self, makers):
        """A task of one of some families about the table at hand."""
        if not self.table.of("number"):
            return None
        context = Context(self.rng, self.pools, self.table, self.table.frame(), self.v)
        functions, weights = zip(*makers)
        return self.rng.choices(functions, weights)[0](context)

    def _uses(self, task, table):
        own = [c.quoted for c in table.columns if c.text != self.key.text]
        return any(name in code for name in own for _, code in task.steps)

    def _unmatched(self):
        self.v = "df"
        context = Context(self.rng, self.pools, self.first, self.first.frame())
        say = lambda name, stem: self.rng.choice([name, name, f"the {stem.replace('_', ' ')}", stem])
        said = [say(self.name, self.first.stem), say(self.other_name, self.other.stem)]
        of, among = self.rng.choice([("df", "other"), ("other", "df")])
        question = context.ask("unmatched", **dict(zip("ab" if of == "df" else "ba", said)))
        code = f'print((~{of}["{self.key.text}"].isin({among}["{self.key.text}"])).sum())'
        read = lambda t: (f.PRINTED, f.there_are(f._one(t[-1]), "rows")[:-1] + " without a match.", [f._one(t[-1])])
        return Task("unmatched", question, [(f"Rows of {of} whose {self.key.quoted} is not in {among}.", code)], read)

    def _load(self, named, texts):
        """The steps that read what is needed and put it together."""
        look = lambda name, ext: self._run(f"Load {names.quote(name)} and look.", self._load_code(name, ext), GO_ON)
        shown = [look(self.name, self.ext)]
        if self.way == "second":
            shown.append(look(self.other_name, self.other_ext))
        elif self.way != "first":
            code = "other = " + READERS[self.other_ext].format(self.other_name) + "\nother.head(3)"
            shown.append(self._run(f"Load {names.quote(self.other_name)} as other.", code, GO_ON))
        if self.way == "join":
            shown.append(self._join())
        elif self.way == "stack":
            shown.append(self._run("Stack both.", "both = pd.concat([df, other])\nboth.head(3)", GO_ON))
        texts += shown
        return not any("characters left out" in text for text in shown)

    def _join(self):
        thought, code = f"Join both on {self.key.quoted}.", f'both = df.merge(other, on="{self.key.text}")\nboth.head(3)'
        lone = [c.text for c in self.first.columns if c.text not in {d.text for d in self.other.columns}]
        if lone and self.rng.random() < 0.04:
            wrong = self.rng.choice(lone)
            self._run(thought.replace(self.key.text, wrong), code.replace(self.key.text, wrong), FAILED, "mistake")
        return self._run(thought, code, GO_ON)
