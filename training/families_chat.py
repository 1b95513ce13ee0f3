"""Questions that lean on the one before, and the mode in which nothing is run."""

from . import families as f
from . import families_more as m
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
    agg, x, g = (before.memory.get(k) for k in ("agg", "x", "g"))
    if x is None or agg is None:
        return None
    options = [_other_aggregate, _other_column, _plot if g else _by]
    return c.rng.choice(options)(c, agg, x, g)


def _ask(c, kind, **slots):
    lines = phrases.side(phrases.FOLLOW[kind], c.evaluation)
    texts = {k: c.say(v) if hasattr(v, "kind") else v for k, v in slots.items()}
    return noise(c.rng, phrases.fill(c.rng, c.rng.choice(lines), texts), c.evaluation)


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


def _plot(c, agg, x, g):
    code = f'{c.v}.groupby("{g.text}")["{x.text}"].{agg}().plot.bar(ylabel="{x.text}")'
    read = lambda t: (m.DRAWN, f"The bar chart of {x.quoted} by {g.quoted} is drawn.", ["bar", g.text, x.text])
    return Task("follow", _ask(c, "plot"), [(f"Bars of {agg} {x.quoted} by {g.quoted}.", code)], read, "figure")


def think(rng, evaluation):
    """A question of understanding, the thought and the answer."""
    word = rng.choice(list(CONCEPTS))
    line = rng.choice(phrases.side(ASK, evaluation)).replace("{a}", "an" if word[0] in "aeioR" else "a")
    return noise(rng, phrases.fill(rng, line, {"z": word}), evaluation), f"Explain {word}.", CONCEPTS[word]
