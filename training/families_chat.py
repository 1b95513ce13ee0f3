"""Questions that lean on the one before, and the mode in which nothing is run."""

from . import families as f
from . import families_more as m
from . import families_spread as spread
from . import phrases
from .tasks import Task, noise

CONCEPTS = {
    "median": "The median is the middle value: half of the values lie below it and half above.",
    "mean": "The mean is the sum of the values divided by their number; far values pull it.",
    "standard deviation": "The standard deviation tells how far values lie from their mean, in their own unit.",
    "correlation": "The correlation tells from -1 to 1 how closely two columns follow a straight line together.",
    "p value": "The p value is the chance of a difference at least this large if there were none in truth.",
    "t-test": "A t-test asks whether the means of two groups differ more than chance would explain.",
    "linear regression": "A linear regression lays the straight line through points that misses them least.",
    "histogram": "A histogram counts how many values fall into each of a row of intervals.",
    "outlier": "An outlier is a value far away from the others; look at it before taking it out.",
    "missing value": "A missing value is an empty cell; count them first, then leave them out or fill them.",
    "quartile": "The quartiles cut the sorted values into four parts of the same size.",
    "R2": "R2 is the share of the variance that the fitted line explains, from 0 to 1.",
}
ASK = ["What is {a} <z>?", "Explain {the |}<z>{.|}", "What does <z> mean?", "Define <z>", "*Could you explain <z>?"]


def follow(c, before):
    """A short question that is only clear after the task before; none if that task gives no hold."""
    if "filter" in before.memory:
        return _other_value(c, **before.memory)
    agg, x, g = (before.memory.get(k) for k in ("agg", "x", "g"))
    if x is None or agg is None:
        return None
    options = [_other_aggregate, _other_column, *((_plot, _why, _top) if g else (_by, _by, _month))]
    if g and agg == "sum":
        options.append(_percent)
    return c.rng.choice(options)(c, agg, x, g)


def _ask(c, kind, **slots):
    lines = phrases.said(f"follow_{kind}", c.pools)
    texts = {k: c.say(v) if hasattr(v, "kind") else v for k, v in slots.items()}
    return c.typed(phrases.fill(c.rng, c.rng.choice(lines), texts), texts)


def _task(c, question, agg, x, g):
    if g is None:
        step = (f"{agg} of {x.quoted}.", f'print({c.v}["{x.text}"].{agg}().round(3))')
        said = f.NAMES[agg]
        read = lambda t: (f.PRINTED, f"The {said} of {x.quoted} is {f._one(t[-1])}.", [f._one(t[-1])])
        return Task("follow", question, [step], read, memory={"agg": agg, "x": x})
    code = f'{c.v}.groupby("{g.text}")["{x.text}"].{agg}().round(3).sort_values(ascending=False)'

    def read_rows(texts):
        rows = f.pairs(texts[-1])
        return f.LISTED, f"{f.NAMES[agg].capitalize()} of {x.quoted} by {g.quoted}: {f.ranked(rows)}.", [*rows[0]]

    return Task("follow", question, [(f"{agg} of {x.quoted} by {g.quoted}.", code)], read_rows, "text")


def _other_aggregate(c, agg, x, g):
    new = c.rng.choice([a for a in ("mean", "median", "sum", "min", "max") if a != agg])
    word = c.word(phrases.AGGREGATES[new]).removesuffix(" of")
    return _task(c, _ask(c, "agg", agg=word), new, x, g)


def _other_column(c, agg, x, g):
    new = c.pick("number", exclude=(x,))
    return _task(c, _ask(c, "column", x=new), agg, new, g) if new else None


def _by(c, agg, x, g):
    new = c.group()
    return _task(c, _ask(c, "by", g=new), agg, x, new) if new else None


def _other_value(c, agg, x, filter):
    """The same of another part of the rows."""
    code, said = c.value(filter)
    if c.frame.loc[c.frame[filter.text].astype(str) == said, x.text].notna().sum() < 1:
        return None
    return f.filtered(c, _ask(c, "value", v=said), agg, x, filter, code, said, "follow")


def _month(c, agg, x, g):
    days = [t for t in c.table.of("date") if len(str(t.values[0])) == 10]
    return m.by_period(c, _ask(c, "month"), agg, x, c.rng.choice(days), "M", "month", "follow") if days else None


def _top(c, agg, x, g):
    n = c.rng.choice([2, 3, 3])
    if c.frame[g.text].nunique() <= n:
        return None
    return f.top_groups(c, _ask(c, "top", n=str(n)), g, x, agg, n, "follow")


def _percent(c, agg, x, g):
    if c.frame.groupby(g.text)[x.text].sum().min() <= 0:
        return None
    return spread.shares_of_total(c, _ask(c, "percent"), g, x, False, "follow")


def _why(c, agg, x, g):
    """What stands behind the highest group: the same by another column."""
    h = c.group(exclude=(g,))
    best = c.frame.groupby(g.text)[x.text].agg(agg).idxmax() if h else None
    if not isinstance(best, str):
        return None
    rows = c.frame[c.frame[g.text] == best]
    if rows.groupby(h.text)[x.text].count().min() < 1 or rows[h.text].nunique() < 2:
        return None
    code = (f'{c.v}[{c.v}["{g.text}"] == "{best}"].groupby("{h.text}")["{x.text}"].{agg}().round(3)'
            ".sort_values(ascending=False)")

    def read(texts):
        found = f.pairs(texts[-1])
        return f.LISTED, f"{f.NAMES[agg].capitalize()} of {x.quoted} by {h.quoted} there: {f.ranked(found)}.", [*found[0]]

    step = (f'{agg} of {x.quoted} by {h.quoted} where {g.quoted} == "{best}".', code)
    return Task("follow", _ask(c, "why", v=best, g=h), [step], read, "text")


def _plot(c, agg, x, g):
    code = f'{c.v}.groupby("{g.text}")["{x.text}"].{agg}().plot.bar(ylabel="{x.text}", title="{agg} of {x.text} by {g.text}")'
    read = lambda t: (m.DRAWN, f"The bar chart of {x.quoted} by {g.quoted} is drawn.", ["bar", g.text, x.text])
    return Task("follow", _ask(c, "plot"), [(f"Bars of {agg} {x.quoted} by {g.quoted}.", code)], read, "figure")


def think(rng, evaluation):
    """A question of understanding, the thought and the answer."""
    word = rng.choice(list(CONCEPTS))
    line = rng.choice(phrases.side(ASK, evaluation)).replace("{a}", "an" if word[0] in "aeioR" else "a")
    return noise(rng, phrases.fill(rng, line, {"z": word}), evaluation), f"Explain {word}.", CONCEPTS[word]
