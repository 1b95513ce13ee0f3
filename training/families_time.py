"""The families of questions about what changes over time."""

from .families import FIRST, LISTED, NAMES, PRINTED, _one
from .families_more import DRAWN
from .names import quote
from .tasks import Task, pairs, ranked

WEEKDAY, MONTH, QUARTER = "day_name()", "month_name()", "quarter"
SAID = {WEEKDAY: "weekday", MONTH: "month of the year", QUARTER: "quarter"}


def _day(c):
    """A column of whole days."""
    days = [t for t in c.table.of("date") if len(str(t.values[0])) == 10]
    return c.rng.choice(days) if days else None


def change(c):
    """From the first time to the last, in percent."""
    t, x = c.pick("date"), c.pick("number")
    if t is None or x is None:
        return None
    agg, word = c.aggregate(("mean", "sum", "sum"))
    by = c.frame.groupby(t.text)[x.text].agg(agg)
    if len(by) < 3 or by.isna().any() or by.iloc[0] <= 0:
        return None
    code = (f's = {c.v}.groupby("{t.text}")["{x.text}"].{agg}()\n'
            "print(s.iloc[0].round(3), s.iloc[-1].round(3), ((s.iloc[-1] / s.iloc[0] - 1) * 100).round(1))")

    def read(texts):
        first, last, percent = _one(texts[-1]).split()
        return PRINTED, f"The {NAMES[agg]} of {x.quoted} went from {first} to {last}: a change of {percent} percent.", [percent]

    step = (f"Change of the {agg} of {x.quoted} over {t.quoted}.", code)
    return Task("change", c.ask("change", t=t, x=x, agg=word), [step], read, memory={"x": x})


def change_by(c):
    """From month to month, or year to year, in percent."""
    t, x = _day(c), c.pick("number")
    if t is None or x is None:
        return None
    letter, said = c.rng.choice([("M", "month"), ("M", "month"), ("Y", "year")])
    sums = c.frame.groupby(c.frame[t.text].str[: 7 if letter == "M" else 4])[x.text].sum()
    if len(sums) < 3 or sums.min() <= 0:
        return None
    code = (f'import pandas as pd\ns = {c.v}.groupby(pd.to_datetime({c.v}["{t.text}"]).dt.to_period("{letter}"))["{x.text}"].sum()\n'
            "s.pct_change().mul(100).round(1).dropna()")
    step = (f"Percent change of {x.quoted} by {said} of {t.quoted}.", code)
    read = lambda texts: (LISTED, f"Change of {x.quoted} by {said} in percent: {ranked(pairs(texts[-1]))}.", [*pairs(texts[-1])[0]])
    return Task("change", c.ask("change_by", x=x, p=said), [step], read, "text")


def part_of_date(c):
    """An aggregate by weekday, month of the year or quarter."""
    t, x = _day(c), c.pick("number")
    if t is None or x is None:
        return None
    part = c.rng.choice([WEEKDAY, WEEKDAY, MONTH, QUARTER])
    agg, word = c.aggregate(("mean", "mean", "sum"))
    roll = c.rng.random()
    kind = "high" if roll < 0.35 else "low" if roll < 0.5 else "list"
    code = (f'import pandas as pd\n{c.v}.groupby(pd.to_datetime({c.v}["{t.text}"]).dt.{part})["{x.text}"].{agg}().round(3)'
            + (".sort_values()" if kind == "low" else ".sort_values(ascending=False)"))
    spoken = {WEEKDAY: ["weekday", "day of the week"], MONTH: ["month of the year", "calendar month"], QUARTER: ["quarter"]}[part]

    def read(texts):
        rows = pairs(texts[-1])
        if kind == "list":
            return LISTED, f"{NAMES[agg].capitalize()} of {x.quoted} by {SAID[part]}: {ranked(rows)}.", [*rows[0]]
        return FIRST, f"{quote(rows[0][0])} has the {kind}est {NAMES[agg]} of {x.quoted}: {rows[0][1]}.", [*rows[0]]

    low = "" if kind != "low" else ", lowest first"
    step = (f"{agg} of {x.quoted} by {SAID[part]} of {t.quoted}{low}.", code)
    slots = {"x": x, "p": c.rng.choice(spoken), "agg": word, "high": c.word(["highest", "largest", "greatest"]),
             "low": c.word(["lowest", "smallest"])}
    return Task("part of date", c.ask(f"part_{kind}", **slots), [step], read, "text")


def trend(c):
    """Whether a column rises or falls over time."""
    t, x = c.pick("date"), c.pick("number")
    if t is None or x is None or c.frame.dropna(subset=[x.text])[t.text].nunique() < 5:
        return None
    code = (f'from scipy.stats import linregress\ns = {c.v}.groupby("{t.text}")["{x.text}"].mean().dropna()\n'
            "r = linregress(range(len(s)), s)\nprint(r.slope.round(4), r.pvalue.round(4))")

    def read(texts):
        slope, p = _one(texts[-1]).split()
        said = "no clear trend" if float(p) >= 0.05 else "a falling trend" if slope.startswith("-") else "a rising trend"
        return f"The slope is {slope}, p is {p}.", f"{x.quoted} has {said}: {slope} from one {t.quoted} to the next (p = {p}).", [slope, p]

    return Task("trend", c.ask("trend", t=t, x=x), [(f"Trend of {x.quoted} over {t.quoted}.", code)], read)


def span(c):
    """The first and the last day, and the days between."""
    t = _day(c)
    if t is None:
        return None
    code = (f'import pandas as pd\nt = pd.to_datetime({c.v}["{t.text}"])\n'
            "print(t.min().date(), t.max().date(), (t.max() - t.min()).days)")

    def read(texts):
        first, last, days = _one(texts[-1]).split()
        return PRINTED, f"{t.quoted} goes from {quote(first)} to {quote(last)}: {days} days.", [first, last, days]

    return Task("span", c.ask("span", t=t), [(f"First and last {t.quoted}.", code)], read, "text")


def moving(c):
    """A line of a moving average."""
    t, x = c.pick("date"), c.pick("number")
    k = c.rng.choice([2, 3, 3, 4, 5, 5, 7])
    if t is None or x is None or c.frame[t.text].nunique() < k + 4:
        return None
    code = f'{c.v}.groupby("{t.text}")["{x.text}"].mean().rolling({k}).mean().plot.line(ylabel="{x.text}", title="{x.text} over {t.text}")'
    read = lambda texts: (DRAWN, f"The moving average of {x.quoted} over {t.quoted} is drawn.", ["line", t.text, x.text])
    step = (f"Moving average over {k} of {x.quoted} over {t.quoted}.", code)
    return Task("moving average", c.ask("moving", t=t, x=x, k=str(k)), [step], read, "figure")


def running(c):
    """A line of the running total."""
    t, x = c.pick("date"), c.pick("number")
    if t is None or x is None:
        return None
    code = f'{c.v}.groupby("{t.text}")["{x.text}"].sum().cumsum().plot.line(ylabel="{x.text}", title="{x.text} over {t.text}")'
    read = lambda texts: (DRAWN, f"The running total of {x.quoted} over {t.quoted} is drawn.", ["line", t.text, x.text])
    return Task("running total", c.ask("running", t=t, x=x), [(f"Running total of {x.quoted} over {t.quoted}.", code)], read, "figure")


def lines(c):
    """A line for each group."""
    t, x, g = c.pick("date"), c.pick("number"), c.group(6)
    if t is None or x is None or g is None or g is t:
        return None
    code = (f'{c.v}.pivot_table(index="{t.text}", columns="{g.text}", values="{x.text}").plot.line('
            f'ylabel="{x.text}", title="{x.text} by {g.text}")')
    read = lambda texts: (DRAWN, f"A line of {x.quoted} over {t.quoted} is drawn for each {g.quoted}.", ["line", t.text, x.text])
    step = (f"Lines of {x.quoted} over {t.quoted} by {g.quoted}.", code)
    return Task("lines", c.ask("lines", t=t, x=x, g=g), [step], read, "figure")


FAMILIES = [
    (change, 5), (change_by, 3), (part_of_date, 6), (trend, 5), (span, 2), (moving, 3), (running, 2.5), (lines, 3),
]
