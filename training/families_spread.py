"""The families of questions about how values spread, about parts of a table, and about what is wrong with it."""

from .families import FIRST, LISTED, NAMES, PRINTED, _one, there_are
from .names import quote
from .tasks import Task, pairs, ranked, table_rows


def _values(c, x):
    return c.frame[x.text].dropna()


def percentile(c):
    """A value below which some percent lie."""
    x = c.pick("number")
    k = c.rng.choice([5, 10, 20, 30, 40, 60, 70, 75, 80, 90, 90, 95, 95, 99])
    step = (f"Percentile {k} of {x.quoted}.", f'print({c.v}["{x.text}"].quantile({k} / 100).round(3))')
    read = lambda t: (PRINTED, f"{k} percent of {x.quoted} are at most {_one(t[-1])}.", [_one(t[-1])])
    return Task("quantile", c.ask("percentile", x=x, k=str(k)), [step], read)


def quartiles(c):
    """The quartiles of a column."""
    x = c.pick("number")
    step = (f"Quartiles of {x.quoted}.", f'print(*{c.v}["{x.text}"].quantile([0.25, 0.5, 0.75]).round(3))')

    def read(texts):
        low, middle, high = _one(texts[-1]).split()
        return PRINTED, f"The quartiles of {x.quoted} are {low}, {middle} and {high}.", [low, middle, high]

    return Task("quantile", c.ask("quartiles", x=x), [step], read)


def outliers(c):
    """How many values lie far from the others, by the rule of the interquartile range (Tukey 1977)."""
    x = c.pick("number")
    if c.frame[x.text].nunique() < 8:
        return None
    code = (f'a, b = {c.v}["{x.text}"].quantile(0.25), {c.v}["{x.text}"].quantile(0.75)\n'
            f'far = ({c.v}["{x.text}"] < a - 1.5 * (b - a)) | ({c.v}["{x.text}"] > b + 1.5 * (b - a))\nprint(far.sum())')
    read = lambda t: (PRINTED, f"{x.quoted} has {_one(t[-1])} outliers by the rule of the interquartile range.", [_one(t[-1])])
    return Task("outliers", c.ask("outliers", x=x), [(f"Outliers of {x.quoted}.", code)], read)


def spread(c):
    """The distance of the lowest and the highest value."""
    x = c.pick("number")
    step = (f"Range of {x.quoted}.", f'print({c.v}["{x.text}"].min().round(3), {c.v}["{x.text}"].max().round(3))')

    def read(texts):
        low, high = _one(texts[-1]).split()
        return PRINTED, f"{x.quoted} goes from {low} to {high}.", [low, high]

    return Task("range", c.ask("spread", x=x), [step], read)


def between(c):
    """How many rows lie between two numbers."""
    x = c.pick("number")
    a, b = sorted((c.bound(x), c.bound(x)), key=float)
    if float(a) == float(b):
        return None
    step = (f"Rows with {x.quoted} from {a} to {b}.", f'print((({c.v}["{x.text}"] >= {a}) & ({c.v}["{x.text}"] <= {b})).sum())')
    read = lambda t: (PRINTED, there_are(_one(t[-1]), "such rows"), [_one(t[-1])])
    return Task("between", c.ask("between", x=x, a=a, b=b), [step], read)


def ratio(c):
    """The total of one column per total of another."""
    both = c.pick("number", n=2)
    if both is None or _values(c, both[1]).sum() <= 0:
        return None
    x, y = both
    step = (f"Total of {x.quoted} per total of {y.quoted}.",
            f'print(round({c.v}["{x.text}"].sum() / {c.v}["{y.text}"].sum(), 3))')
    read = lambda t: (PRINTED, f"In total there is {_one(t[-1])} of {x.quoted} for each unit of {y.quoted}.", [_one(t[-1])])
    return Task("ratio", c.ask("ratio", x=x, y=y), [step], read)


def duplicates(c):
    """How many rows stand twice; the table gets some."""
    twice = c.rng.choice([0, 0, 1, 2, 3, 5, 8])
    for column in c.table.columns:
        values = list(column.values)
        column.values = values + values[:twice]
    read = lambda t: (PRINTED, there_are(_one(t[-1]), "duplicate rows"), [_one(t[-1])])
    return Task("duplicates", c.ask("duplicates"), [("Duplicate rows.", f"print({c.v}.duplicated().sum())")], read)


def complete(c):
    """How many rows have no missing value."""
    read = lambda t: (PRINTED, f"{_one(t[-1])} rows have no missing value.", [_one(t[-1])])
    return Task("clean", c.ask("complete"), [("Rows without a missing value.", f"print(len({c.v}.dropna()))")], read)


def fill(c):
    """A mean after gaps are filled."""
    x = c.pick("number")
    with_, word = c.rng.choice([("median", "median"), ("mean", "mean"), ("mean", "average"), ("min", "minimum")])
    if with_ == "mean" and c.rng.random() < 0.5 or c.frame[x.text].isna().sum() == 0 and c.rng.random() < 0.6:
        return None
    step = (f"Mean of {x.quoted}, gaps filled with the {with_}.",
            f'print({c.v}["{x.text}"].fillna({c.v}["{x.text}"].{with_}()).mean().round(3))')
    said = f"With gaps filled by the {NAMES[with_]}, the mean of {x.quoted} is "
    return Task("clean", c.ask("fill", x=x, w=word), [step], lambda t: (PRINTED, f"{said}{_one(t[-1])}.", [_one(t[-1])]))


def group_where(c):
    """An aggregate by group over a part of the rows."""
    g, h, x = c.group(), c.group(20), c.pick("number")
    if g is None or h is None or g is h or x is None:
        return None
    agg, word = c.aggregate(("mean", "mean", "sum", "max"))
    if c.rng.random() < 0.6:
        code, said = c.value(h)
        part, where = f'{c.v}[{c.v}["{h.text}"] == {code}]', f"where {h.quoted} == {code}"
        rows, slots = c.frame[c.frame[h.text].astype(str) == said], {"c": h, "v": said, "w": "group_where"}
    else:
        y = c.pick("number", exclude=(x,))
        if y is None:
            return None
        k, above = c.bound(y), c.rng.random() < 0.6
        sign = ">" if above else "<"
        word_of = c.rng.choice(["above", "over", "greater than", "more than"] if above else ["below", "under", "less than"])
        part, where = f'{c.v}[{c.v}["{y.text}"] {sign} {k}]', f"where {y.quoted} {sign} {k}"
        rows = c.frame[c.frame[y.text] > float(k)] if above else c.frame[c.frame[y.text] < float(k)]
        slots = {"c": y, "v": f"{word_of} {k}", "w": "group_where_number"}
    if rows.groupby(g.text)[x.text].count().min() < 1 or len(rows) < 2:
        return None
    step = (f"{agg} of {x.quoted} by {g.quoted} {where}.",
            f'{part}.groupby("{g.text}")["{x.text}"].{agg}().round(3).sort_values(ascending=False)')
    high = c.rng.random() < 0.4

    def read(texts):
        found = pairs(texts[-1])
        if high:
            return FIRST, f"{quote(found[0][0])} has the highest {NAMES[agg]} of {x.quoted} there: {found[0][1]}.", [*found[0]]
        return LISTED, f"{NAMES[agg].capitalize()} of {x.quoted} by {g.quoted} there: {ranked(found)}.", [*found[0]]

    kind = slots.pop("w") + ("_high" if high else "")
    return Task("group where", c.ask(kind, g=g, x=x, agg=word, high=c.word(["highest", "largest", "greatest", "biggest"]), **slots),
                [step], read, "text")


def group_share(c):
    """What share of a total each group has."""
    g, x = c.group(), c.pick("number")
    if g is None or x is None or c.frame.groupby(g.text)[x.text].sum().min() <= 0:
        return None
    high = c.rng.random() < 0.35
    return shares_of_total(c, c.ask("group_share_high" if high else "group_share", g=g, x=x), g, x, high)


def shares_of_total(c, question, g, x, high, family="group share"):
    """What percent of a total each group has, or the largest one has."""
    step = (f"Percent of the total {x.quoted} by {g.quoted}.",
            f'total = {c.v}.groupby("{g.text}")["{x.text}"].sum()\n(total / total.sum() * 100).round(1).sort_values(ascending=False)')

    def read(texts):
        rows = pairs(texts[-1])
        if high:
            return FIRST, f"{quote(rows[0][0])} has the largest part of {x.quoted}: {rows[0][1]} percent.", [*rows[0]]
        return LISTED, f"Percent of the total {x.quoted} by {g.quoted}: {ranked(rows)}.", [*rows[0]]

    return Task(family, question, [step], read, "text", {"g": g})


def groups_above(c):
    """How many groups have an aggregate above a number."""
    g, x = c.group(20), c.pick("number")
    if g is None or x is None:
        return None
    agg, word = c.aggregate(("mean", "mean", "sum", "max"))
    sums = c.frame.groupby(g.text)[x.text].agg(agg)
    k = str(int(sums.median())) if sums.median() >= 10 else str(round(float(sums.median()), 1))
    above = c.rng.random() < 0.6
    sign = ">" if above else "<"
    how = c.rng.choice(["above", "over", "greater than", "of more than"] if above else ["below", "under", "of less than"])
    step = (f"Groups of {g.quoted} with {agg} of {x.quoted} {sign} {k}.",
            f'print(({c.v}.groupby("{g.text}")["{x.text}"].{agg}() {sign} {k}).sum())')
    read = lambda t: (PRINTED, f"{_one(t[-1])} of the groups by {g.quoted} do.", [_one(t[-1])])
    return Task("groups above", c.ask("groups_above", g=g, x=x, agg=word, above=how, k=k), [step], read)


def difference(c):
    """How far the means of two groups are apart."""
    x = c.pick("number")
    usable = [g for g in c.table.of("category") if isinstance(c.frame[g.text].dropna().iloc[0], str)]
    g = c.rng.choice(usable) if usable else None
    if g is None or x is None:
        return None
    known = c.frame.dropna(subset=[x.text])[g.text].dropna().unique().tolist()
    if len(known) < 2:
        return None
    a, b = c.rng.sample(known, 2)
    code = (f'm = {c.v}.groupby("{g.text}")["{x.text}"].mean()\n'
            f'print(m["{a}"].round(3), m["{b}"].round(3), (m["{a}"] - m["{b}"]).round(3))')

    def read(texts):
        first, second, apart = _one(texts[-1]).split()
        return PRINTED, f"The mean of {x.quoted} is {first} for {quote(a)} and {second} for {quote(b)}: a difference of {apart}.", [apart]

    step = (f'Difference of {x.quoted} where {g.quoted} == "{a}" and == "{b}".', code)
    told = c.shown(g, a) or c.shown(g, b)
    u = b if told and c.rng.random() < 0.7 else c.rng.choice(["{} of {}", "{} by {}", "{} ({})"]).format(b, c.say(g))
    return Task("difference", c.ask("difference", x=x, v=a, u=u), [step], read)


def top_where(c):
    """The best rows among those with one value."""
    x, l, g = c.pick("number"), c.pick("label"), c.group(20)
    if x is None or l is None or g is None:
        return None
    code, said = c.value(g)
    n = c.rng.choice([1, 1, 2, 3, 3])
    if c.frame.loc[c.frame[g.text].astype(str) == said, x.text].notna().sum() < max(n, 2):
        return None
    step = (f"largest {x.quoted} with {l.quoted} where {g.quoted} == {code}.",
            f'{c.v}[{c.v}["{g.text}"] == {code}].nlargest({n}, "{x.text}")[["{l.text}", "{x.text}"]]')

    def read(texts):
        rows = [tuple(r) for r in table_rows(texts[-1])[1:]]
        if n == 1:
            return FIRST, f"{quote(rows[0][0])} has the highest {x.quoted} there: {rows[0][1]}.", [*rows[0]]
        return LISTED, f"The {n} highest by {x.quoted} there: {ranked(rows)}.", [*rows[0]]

    kind = "best_where" if n == 1 else "top_where"
    return Task("top where", c.ask(kind, x=x, l=l, c=g, v=said, n=str(n), high=c.word(["highest", "largest", "greatest", "biggest"])),
                [step], read, "text")


def best_each(c):
    """The best row of each group."""
    x, l, g = c.pick("number"), c.pick("label"), c.group(8)
    if x is None or l is None or g is None or g.kind == "flag" or c.frame[x.text].isna().any():
        return None
    high = c.rng.random() < 0.7
    call, word = ("idxmax", "highest") if high else ("idxmin", "lowest")
    step = (f"{word} {x.quoted} with {l.quoted} of each {g.quoted}.",
            f'{c.v}.loc[{c.v}.groupby("{g.text}")["{x.text}"].{call}(), ["{g.text}", "{l.text}", "{x.text}"]]')

    def read(texts):
        rows = table_rows(texts[-1])[1:]
        shown = [f"{quote(a)}: {quote(b)} {value}" for a, b, value in rows]
        told = ", ".join(shown) if len(shown) <= 4 else f"{', '.join(shown[:3])}, …, {shown[-1]}"
        return LISTED, f"The {word} {x.quoted} of each {g.quoted}: {told}.", [*rows[0]]

    return Task("best of each", c.ask("best_each", x=x, l=l, g=g, high=c.word([word, "maximum" if high else "minimum"])),
                [step], read, "text")


FAMILIES = [
    (percentile, 2.5), (quartiles, 1.5), (outliers, 4), (spread, 2.5), (between, 3), (ratio, 2.5), (duplicates, 1.8),
    (complete, 1.5), (fill, 2.5), (group_where, 5), (group_share, 3.5), (groups_above, 2.5), (difference, 3),
    (top_where, 3), (best_each, 3.5),
]
