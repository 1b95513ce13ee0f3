"""The families of questions that a figure, a fit or a test answers, and those that cannot be answered."""

from . import phrases
from .families import LISTED, PRINTED, _one
from .names import measure_words, quote
from .tasks import Task, listed, pairs, ranked
from .words import plain

DRAWN = "The figure is drawn."
CAN = "I can load tables, summarize, group, count, filter, plot, correlate, fit lines and compare groups."


def histogram(c):
    """A histogram of one column."""
    x = c.pick("number")
    # How many is said in English alone.
    bins = None if c.pools.language else c.rng.choice([None, None, None, None, 5, 8, 12, 15, 20, 25, 30])
    more = f", bins={bins}" if bins else ""
    step = (f"Histogram of {x.quoted}.", f'{c.v}["{x.text}"].plot.hist(xlabel="{x.text}", title="Distribution of {x.text}"{more})')
    read = lambda t: (DRAWN, f"The histogram of {x.quoted} is drawn.", ["hist", x.text])
    q = c.ask("hist", x=x)
    q = q.rstrip(".?") + f" with {bins} bins" if bins else q
    return Task("histogram", q, [step], read, "figure")


def bar(c):
    """Bars of an aggregate by group, or of counts."""
    g = c.group(12)
    x = c.pick("number")
    if g is None or x is None:
        return None
    if c.rng.random() < 0.3:
        step = (f"Bars of the counts of {g.quoted}.", f'{c.v}["{g.text}"].value_counts().plot.bar(ylabel="{g.text}", title="Rows by {g.text}")')
        read = lambda t: (DRAWN, f"The bar chart of {g.quoted} is drawn.", ["bar", g.text])
        return Task("bar", c.ask("bar_counts", g=g), [step], read, "figure")
    agg, word = c.aggregate(("mean", "mean", "sum", "median"))
    code = f'{c.v}.groupby("{g.text}")["{x.text}"].{agg}().plot.bar(ylabel="{x.text}", title="{agg} of {x.text} by {g.text}")'
    read = lambda t: (DRAWN, f"The bar chart of {x.quoted} by {g.quoted} is drawn.", ["bar", g.text, x.text])
    return Task("bar", c.ask("bar", g=g, x=x, agg=word), [(f"Bars of {agg} {x.quoted} by {g.quoted}.", code)], read, "figure")


def line(c):
    """A line over time; several rows of one time are averaged."""
    t, x = c.pick("date"), c.pick("number")
    if t is None or x is None:
        return None
    code = f'{c.v}.groupby("{t.text}")["{x.text}"].mean().plot.line(ylabel="{x.text}", title="{x.text} over {t.text}")'
    read = lambda texts: (DRAWN, f"The line of {x.quoted} over {t.quoted} is drawn.", ["line", t.text, x.text])
    return Task("line", c.ask("line", t=t, x=x), [(f"Line of {x.quoted} over {t.quoted}.", code)], read, "figure")


def scatter(c):
    """A scatter plot of two columns."""
    both = c.pick("number", n=2)
    if both is None:
        return None
    x, y = both
    step = (f"Scatter of {y.quoted} against {x.quoted}.", f'{c.v}.plot.scatter(x="{x.text}", y="{y.text}", title="{y.text} against {x.text}")')
    read = lambda t: (DRAWN, f"The scatter plot of {y.quoted} against {x.quoted} is drawn.", ["scatter", x.text, y.text])
    return Task("scatter", c.ask("scatter", x=x, y=y), [step], read, "figure")


def regression(c):
    """A linear regression of one column on another."""
    both = c.pick("number", n=2)
    if both is None or c.frame[both[0].text].nunique() < 3:
        return None
    x, y = both
    code = (f'from scipy.stats import linregress\nd = {c.v}[["{x.text}", "{y.text}"]].dropna()\n'
            f'r = linregress(d["{x.text}"], d["{y.text}"])\n'
            "print(round(r.slope, 4), round(r.intercept, 4), round(r.rvalue**2, 4))")

    def read(texts):
        slope, intercept, r2 = _one(texts[-1]).split()
        said = f"{y.quoted} = {slope} * {x.quoted} + {intercept}, with R2 {r2}."
        return "Slope, intercept and R2 are printed.", said, [slope, intercept, r2]

    q = c.ask("regression", x=x, y=y)
    return Task("regression", q, [(f"Fit {y.quoted} on {x.quoted}.", code)], read, memory={"x": x, "y": y})


def compare(c):
    """Two groups compared by their means and a t-test."""
    x = c.pick("number")
    usable = [g for g in c.table.of("category") if isinstance(c.frame[g.text].dropna().iloc[0], str)]
    g = c.rng.choice(usable) if usable else None
    if g is None or x is None:
        return None
    counts = c.frame.dropna(subset=[x.text])[g.text].value_counts()
    counts = counts[counts >= 3]
    if len(counts) < 2:
        return None
    look = c.frame[g.text].nunique() == 2 and c.rng.random() < 0.5
    a, b = c.rng.sample(list(counts.index), 2) if not look else list(c.frame[g.text].value_counts().index)
    code = (f'from scipy.stats import ttest_ind\na = {c.v}[{c.v}["{g.text}"] == "{a}"]["{x.text}"].dropna()\n'
            f'b = {c.v}[{c.v}["{g.text}"] == "{b}"]["{x.text}"].dropna()\n'
            "print(a.mean().round(3), b.mean().round(3), ttest_ind(a, b).pvalue.round(4))")

    def read(texts):
        first, second, p = _one(texts[-1]).split()
        verdict = "significant" if float(p) < 0.05 else "not significant"
        said = f"The mean of {x.quoted} is {first} for {quote(a)} and {second} for {quote(b)}; the difference is {verdict} (p = {p})."
        return f"p is {p}.", said, [first, second, p]

    steps = [(f'Compare {x.quoted} where {g.quoted} == "{a}" and == "{b}".', code)]
    if look:
        steps.insert(0, (f"Which values {g.quoted} has.", f'{c.v}["{g.text}"].value_counts()'))
        return Task("compare", c.ask("ttest_by", x=x, g=g), steps, read)
    told = c.shown(g, a) or c.shown(g, b)
    u = b if told and c.rng.random() < 0.7 else c.rng.choice(["{} of {}", "{} by {}", "{} ({})"]).format(b, c.say(g))
    return Task("compare", c.ask("ttest", x=x, v=a, u=u), steps, read)


def period(c):
    """An aggregate by month or year of a day."""
    t, x = c.pick("date"), c.pick("number")
    if t is None or x is None or len(str(t.values[0])) != 10:
        return None
    agg, word = c.aggregate(("mean", "sum", "sum"))
    letter, said = c.rng.choice([("M", "month"), ("M", "month"), ("Y", "year")])
    return by_period(c, c.ask("period", x=x, p=said, agg=word), agg, x, t, letter, said)


def by_period(c, question, agg, x, t, letter, said, family="period"):
    """An aggregate by a period of pandas, such as `M`."""
    code = f'import pandas as pd\n{c.v}.groupby(pd.to_datetime({c.v}["{t.text}"]).dt.to_period("{letter}"))["{x.text}"].{agg}().round(3)'

    def read(texts):
        rows = pairs(texts[-1])
        return LISTED, f"{x.quoted} by {said}: {ranked(rows)}.", [*rows[0]]

    step = (f"{agg} of {x.quoted} by {said} of {t.quoted}.", code)
    return Task(family, question, [step], read, "text")


def absent(c):
    """A question about something that no column holds."""
    z = measure_words(c.rng, c.pools)
    taken = " ".join(plain(n.text + n.spoken) for n in c.table.names)
    if any(plain(word)[:3] in taken for word in z):
        return None
    said = " ".join(z)
    k = str(c.rng.randint(1, 99))
    g = c.group() or c.table.columns[0]
    cols = listed(c.frame.columns[:8]) + (", …" if len(c.frame.columns) > 8 else "")
    answer = f"There is no column for {quote(said)}. The columns are {cols}."
    return Task("cannot", c.ask("absent", z=said, k=k, g=g, n=str(c.rng.randint(2, 9))), [], lambda t: (f"No column for {quote(said)}.", answer, ["no column"]), "refusal")


def outside(c):
    """A request that is not about data in the folder."""
    lines = phrases.said("outside", c.pools)
    read = lambda t: ("This is outside of what I can do.", f"I cannot do that. {CAN}", ["cannot"])
    return Task("outside", phrases.fill(c.rng, c.rng.choice(lines), {}), None, read, "refusal")


def greeting(c):
    """Small talk."""
    lines = phrases.said("greeting", c.pools)
    read = lambda t: ("Say what I can do.", f"I answer questions about tables. {CAN}", ["can"])
    return Task("greeting", phrases.fill(c.rng, c.rng.choice(lines), {}), None, read, "text")
