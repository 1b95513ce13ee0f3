"""The families of questions about one table that a value, a list or a few rows answer."""

from .names import plural, quote
from .phrases import AGGREGATES
from .tasks import Task, listed, pairs, ranked, table_rows
from .words import plain

HIGH, LOW = ["highest", "largest", "greatest", "biggest", "most", "*maximal"], ["lowest", "smallest", "least", "*minimal"]
NAMES = {"mean": "mean", "sum": "total", "median": "median", "min": "minimum", "max": "maximum", "std": "standard deviation"}
PRINTED = "The value is printed."
FIRST = "The first row answers it."
LISTED = "The rows are listed."


def _one(text):
    return text.strip().split("\n")[-1].strip()


def there_are(count, rows="rows"):
    """`There are 3 rows.`, or of one: `There is 1 row.`"""
    return f"There is 1 {rows.removesuffix('s')}." if count == "1" else f"There are {count} {rows}."


def load(c):
    """The first rows of the table; the load step itself shows them."""
    cols = listed(c.frame.columns[:6])
    more = ", …" if len(c.frame.columns) > 6 else ""
    read = lambda texts: (LISTED, f"The table is loaded as {c.v}. Columns: {cols}{more}.", list(c.frame.columns[:3]))
    return Task("load", c.ask("load"), [], read, "text")


def columns(c):
    """The names of the columns."""
    q = c.ask("columns")
    names = [str(n) for n in c.frame.columns]
    read = lambda texts: (LISTED, f"The columns are {listed(names)}.", names)
    return Task("columns", q, [], read, "text") if len(names) <= 14 else None


def shape(c):
    """Rows and columns, or rows alone."""
    if c.rng.random() < 0.5:
        noun = plural(c.rng.choice(c.pools.entities))
        noun = noun if not any(noun[:4] in plain(n.text) for n in c.table.names) and c.rng.random() < 0.4 else "rows"
        read = lambda t: (PRINTED, there_are(_one(t[-1])), [_one(t[-1])])
        return Task("shape", c.ask("rows", e=noun), [("Number of rows.", f"print(len({c.v}))")], read)

    def read(texts):
        rows, cols = _one(texts[-1]).strip("()").split(", ")
        return PRINTED, f"The table has {rows} rows and {cols} columns.", [rows, cols]

    return Task("shape", c.ask("shape"), [("Rows and columns.", f"print({c.v}.shape)")], read)


def describe(c):
    """Size and statistics of the numeric columns."""
    if len(c.table.of("number")) > 4:
        return None

    def read(texts):
        rows, cols = texts[-1].split("\n")[0].strip("()").split(", ")
        return "Size and statistics are listed.", f"The table has {rows} rows and {cols} columns.", [rows, cols]

    step = ("Size and statistics.", f"print({c.v}.shape)\n{c.v}.describe().round(2)")
    return Task("overview", c.ask("describe"), [step], read)


def aggregate(c):
    """One aggregate of one column."""
    x = c.pick("number")
    agg, word = c.aggregate()
    if agg == "mean" and c.rng.random() < 0.2:
        q = c.ask("agg_high", x=x)
    else:
        q = c.ask("agg", agg=word, x=x)
    step = (f"{agg} of {x.quoted}.", f'print({c.v}["{x.text}"].{agg}().round(3))')
    read = lambda t: (PRINTED, f"The {NAMES[agg]} of {x.quoted} is {_one(t[-1])}.", [_one(t[-1])])
    return Task("aggregate", q, [step], read, memory={"agg": agg, "x": x})


def nunique(c):
    """How many different values a column has."""
    x = c.pick("category", "category", "label", "date")
    if x is None:
        return None
    step = (f"nunique of {x.quoted}.", f'print({c.v}["{x.text}"].nunique())')
    read = lambda t: (PRINTED, f"{x.quoted} has {_one(t[-1])} different values.", [_one(t[-1])])
    return Task("aggregate", c.ask("nunique", x=x), [step], read)


def extreme_date(c):
    """The first or the last date."""
    t = c.pick("date")
    if t is None:
        return None
    early = c.rng.random() < 0.5
    word = c.rng.choice(["first", "earliest", "oldest"] if early else ["last", "latest", "most recent"])
    agg = "min" if early else "max"
    step = (f"{agg} of {t.quoted}.", f'print({c.v}["{t.text}"].{agg}())')
    read = lambda x: (PRINTED, f"The {'first' if early else 'last'} {t.quoted} is {quote(_one(x[-1]))}.", [_one(x[-1])])
    return Task("aggregate", c.ask("extreme_date", t=t, early=word), [step], read, "text")


def lookup(c):
    """The value of one thing."""
    l, x = c.pick("label"), c.pick("number")
    if l is None or x is None:
        return None
    code, said = c.value(l)
    step = (f"{x.quoted} where {l.quoted} == {code}.", f'print(*{c.v}[{c.v}["{l.text}"] == {code}]["{x.text}"])')
    read = lambda t: (PRINTED, f"The {x.quoted} of {quote(said)} is {_one(t[-1])}.", [_one(t[-1])])
    return Task("filter", c.ask("lookup", x=x, l=l, v=said), [step], read)


def unique(c):
    """Which different values a column has."""
    x = c.group(8)
    if x is None or x.kind == "flag":
        return None
    step = (f"unique of {x.quoted}.", f'print(*{c.v}["{x.text}"].dropna().unique(), sep=", ")')
    read = lambda t: (PRINTED, f"{x.quoted} is one of {listed(_one(t[-1]).split(', '))}.", _one(t[-1]).split(", "))
    return Task("value_counts", c.ask("unique", x=x), [step], read, "text")


def group(c):
    """An aggregate by group: the highest, the lowest, or all."""
    g = c.group()
    x = c.pick("number", exclude=(g,))
    if g is None or x is None:
        return None
    agg, word = c.aggregate(("mean", "mean", "mean", "sum", "sum", "median", "max", "min"))
    if c.rng.random() < 0.1 and c.frame[g.text].nunique() > 4:
        return _group_top(c, g, x, agg, word)
    roll = c.rng.random()
    slots = {"g": g, "x": x, "agg": word, "high": c.word(HIGH[:4]), "low": c.word(LOW)}
    kind = "high" if roll < 0.38 else "low" if roll < 0.56 else "list"
    if kind == "high" and agg == "sum" and c.rng.random() < 0.5:
        q = c.ask("group_most", g=g, x=x)
    else:
        q = c.ask(f"group_{kind}", **slots)
    order = "sort_values()" if kind == "low" else "sort_values(ascending=False)"
    step = (f"{agg} of {x.quoted} by {g.quoted}.", f'{c.v}.groupby("{g.text}")["{x.text}"].{agg}().round(3).{order}')

    def read(texts):
        rows = pairs(texts[-1])
        if kind == "list":
            return LISTED, f"{NAMES[agg].capitalize()} of {x.quoted} by {g.quoted}: {ranked(rows)}.", [*rows[0]]
        high = "highest" if kind == "high" else "lowest"
        return FIRST, f"{quote(rows[0][0])} has the {high} {NAMES[agg]} of {x.quoted}: {rows[0][1]}.", [*rows[0]]

    return Task("group", q, [step], read, "text", {"agg": agg, "x": x, "g": g})


def _group_top(c, g, x, agg, word):
    n = c.rng.choice([2, 3, 3])
    return top_groups(c, c.ask("group_top", g=g, x=x, agg=word, n=n), g, x, agg, n)


def top_groups(c, question, g, x, agg, n, family="group"):
    """The groups with the highest aggregates."""
    step = (f"{n} largest {agg} of {x.quoted} by {g.quoted}.",
            f'{c.v}.groupby("{g.text}")["{x.text}"].{agg}().round(3).nlargest({n})')

    def read(texts):
        rows = pairs(texts[-1])
        return LISTED, f"The {n} highest by {NAMES[agg]} of {x.quoted}: {ranked(rows)}.", [*rows[0], rows[-1][0]]

    return Task(family, question, [step], read, "text")


def two_groups(c):
    """An aggregate by two columns."""
    g = c.group(4)
    h = c.group(4, exclude=(g,))
    x = c.pick("number")
    if g is None or h is None or x is None:
        return None
    agg, word = c.aggregate(("mean", "mean", "sum"))
    step = (f"{agg} of {x.quoted} by {g.quoted} and {h.quoted}.",
            f'{c.v}.pivot_table(index="{g.text}", columns="{h.text}", values="{x.text}", aggfunc="{agg}").round(3)')

    def read(texts):
        rows = table_rows(texts[-1])
        if rows[1][1] == "NaN":
            raise ValueError("no such rows")
        return LISTED, f"{NAMES[agg].capitalize()} of {x.quoted}: {quote(rows[1][0])} and {quote(rows[0][1])} {rows[1][1]}.", [rows[1][1]]

    return Task("group", c.ask("two_groups", g=g, h=h, x=x, agg=word), [step], read)


def top(c):
    """The n rows with the highest or lowest values."""
    x, l = c.pick("number"), c.pick("label")
    if x is None or c.frame[x.text].nunique() < 8:
        return None
    high = c.rng.random() < 0.65
    call = "nlargest" if high else "nsmallest"
    side = "largest" if high else "smallest"
    n = c.rng.choice([2, 3, 3, 4, 5, 5])
    spoken = c.rng.choice([str(n), str(n), {2: "two", 3: "three", 4: "four", 5: "five"}[n]])
    slots = {"x": x, "n": spoken, "high": c.word(HIGH), "low": c.word(LOW)}
    if l is not None and c.rng.random() < 0.7:
        if c.rng.random() < 0.45:
            n = 1
            q = c.ask("best_label" if high else "worst_label", l=l, **slots)
        else:
            q = c.ask("top_label" if high else "bottom_label", l=l, **slots)
        step = (f"{side} {x.quoted} with {l.quoted}.", f'{c.v}.{call}({n}, "{x.text}")[["{l.text}", "{x.text}"]]')
        word = "highest" if high else "lowest"

        def read(texts):
            rows = [tuple(r) for r in table_rows(texts[-1])[1:]]
            if n == 1:
                return FIRST, f"{quote(rows[0][0])} has the {word} {x.quoted}: {rows[0][1]}.", [*rows[0]]
            return LISTED, f"The {n} {word} by {x.quoted}: {ranked(rows)}.", [*rows[0]]

        return Task("top", q, [step], read, "text")
    if len(c.frame.columns) > (7 if c.rng.random() < 0.7 else 12):
        return None
    q = c.ask("top" if high else "bottom", **slots)
    where = [str(n) for n in c.frame.columns].index(x.text)

    def read(texts):
        rows = table_rows(texts[-1])
        values = [row[where] for row in rows[1:]]
        return LISTED, f"The {n} {side} values of {x.quoted}: {', '.join(values)}.", [values[0], values[-1]]

    return Task("top", q, [(f"{n} {side} {x.quoted}.", f'{c.v}.{call}({n}, "{x.text}")')], read)


def count(c):
    """How many rows fulfil one condition or two."""
    g, x = c.group(20), c.pick("number")
    if g is None or x is None:
        return None
    read = lambda t: (PRINTED, there_are(_one(t[-1]), "such rows"), [_one(t[-1])])
    value, said = c.value(g)
    k = c.bound(x)
    roll = c.rng.random()
    if roll < 0.4:
        step = (f"Rows with {g.quoted} == {value}.", f'print(({c.v}["{g.text}"] == {value}).sum())')
        bare = c.telling(g, said) and c.rng.random() < 0.6
        return Task("count", c.ask("count_bare" if bare else "count_eq", c=g, v=said), [step], read)
    above = c.rng.random() < 0.6
    sign = ">" if above else "<"
    if roll < 0.75:
        step = (f"Rows with {x.quoted} {sign} {k}.", f'print(({c.v}["{x.text}"] {sign} {k}).sum())')
        return Task("count", c.ask("count_gt" if above else "count_lt", x=x, k=k), [step], read)
    word = c.rng.choice(["above", "over", "greater than", "more than"] if above else ["below", "under", "less than"])
    code = f'print((({c.v}["{g.text}"] == {value}) & ({c.v}["{x.text}"] {sign} {k})).sum())'
    step = (f"Rows with {g.quoted} == {value} and {x.quoted} {sign} {k}.", code)
    return Task("count", c.ask("count_two", c=g, v=said, x=x, k=k, above=word), [step], read)


def filter_aggregate(c):
    """An aggregate over the rows with one value."""
    g, x = c.group(20), c.pick("number")
    if g is None or x is None:
        return None
    agg, word = c.aggregate(("mean", "mean", "sum", "median", "max", "min"))
    code, said = c.value(g)
    if c.frame.loc[c.frame[g.text].astype(str) == said, x.text].notna().sum() < 1:
        return None
    bare = c.telling(g, said) and c.rng.random() < 0.6
    q = c.ask("filter_bare" if bare else "filter_agg", agg=word, x=x, c=g, v=said)
    return filtered(c, q, agg, x, g, code, said)


def filtered(c, question, agg, x, g, code, said, family="filter"):
    """An aggregate over the rows whose `g` is `code`, which a question says as `said`."""
    step = (f"{agg} of {x.quoted} where {g.quoted} == {code}.", f'print({c.v}[{c.v}["{g.text}"] == {code}]["{x.text}"].{agg}().round(3))')
    read = lambda t: (PRINTED, f"The {NAMES[agg]} of {x.quoted} for {quote(said)} is {_one(t[-1])}.", [_one(t[-1])])
    return Task(family, question, [step], read, memory={"agg": agg, "x": x, "filter": g})


def missing(c):
    """Missing values of all columns, or of one."""
    if c.rng.random() < 0.4:
        x = c.pick("number", "category")
        step = (f"Missing in {x.quoted}.", f'print({c.v}["{x.text}"].isna().sum())')
        read = lambda t: (PRINTED, f"{x.quoted} has {_one(t[-1])} missing values.", [_one(t[-1])])
        return Task("missing", c.ask("missing_one", x=x), [step], read)

    def read(texts):
        rows = [(a, b) for a, b in pairs(texts[-1]) if b != "0"]
        if not rows and c.pools.language:
            raise ValueError("that there are none is told in English alone")
        if not rows:
            return "All counts are 0.", "There are no missing values.", ["no missing"]
        return LISTED, f"Missing values: {ranked(rows)}.", [*rows[0]]

    step = ("Missing values per column.", f"{c.v}.isna().sum().sort_values(ascending=False)")
    return Task("missing", c.ask("missing"), [step], read, "text")


def value_counts(c):
    """How often each value occurs; the most common one."""
    g = c.group(15)
    if g is None:
        return None
    step = (f"Counts of {g.quoted}.", f'{c.v}["{g.text}"].value_counts()')
    if c.rng.random() < 0.45:
        def read(texts):
            rows = pairs(texts[-1])
            return FIRST, f"The most common {g.quoted} is {quote(rows[0][0])} with {rows[0][1]} rows.", [*rows[0]]
        return Task("value_counts", c.ask("most_common", g=g), [step], read, "text")

    def read_all(texts):
        rows = pairs(texts[-1])
        return LISTED, f"Rows by {g.quoted}: {ranked(rows)}.", [*rows[0]]

    return Task("value_counts", c.ask("value_counts", g=g), [step], read_all, "text", {"g": g})


def share(c):
    """Shares in percent, of one value or of all."""
    g = c.group(12)
    if g is None:
        return None
    if c.rng.random() < 0.35:
        step = (f"Shares of {g.quoted}.", f'{c.v}["{g.text}"].value_counts(normalize=True).mul(100).round(1)')
        read_all = lambda t: (LISTED, f"Percent by {g.quoted}: {ranked(pairs(t[-1]))}.", [*pairs(t[-1])[0]])
        return Task("share", c.ask("shares", g=g), [step], read_all, "text")
    code, said = c.value(g)
    step = (f"Share of {g.quoted} == {code}.", f'print((({c.v}["{g.text}"] == {code}).mean() * 100).round(1))')
    read = lambda t: (PRINTED, f"{_one(t[-1])} percent.", [_one(t[-1])])
    return Task("share", c.ask("share", c=g, v=said), [step], read)


def correlation(c):
    """The correlation of two columns."""
    both = c.pick("number", n=2)
    if both is None:
        return None
    x, y = both
    step = (f"Correlation of {x.quoted} and {y.quoted}.", f'print({c.v}["{x.text}"].corr({c.v}["{y.text}"]).round(3))')
    read = lambda t: (PRINTED, f"The correlation of {x.quoted} and {y.quoted} is {_one(t[-1])}.", [_one(t[-1])])
    return Task("correlation", c.ask("corr", x=x, y=y), [step], read, memory={"x": x, "y": y})


assert set(NAMES) == set(AGGREGATES)
