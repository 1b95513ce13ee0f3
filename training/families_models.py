"""The families of questions that tests over several groups, models and other figures answer."""

import warnings

from .families import FIRST, PRINTED, _one
from .families_more import DRAWN
from .names import quote
from .tasks import Task, pairs, ranked, table_rows


def _texts(c, most=6):
    """Categories of texts of which each is there often enough."""
    usable = [g for g in c.table.of("category") if isinstance(c.frame[g.text].dropna().iloc[0], str)]
    return [g for g in usable if 2 <= c.frame[g.text].nunique() <= most and c.frame[g.text].value_counts().min() >= 5]


def _numeric(c):
    """The numeric columns as pandas takes them."""
    return c.frame.select_dtypes("number").columns


def anova(c):
    """Whether the means of several groups differ."""
    x, usable = c.pick("number"), _texts(c)
    g = c.rng.choice(usable) if usable else None
    if g is None or x is None or c.frame[g.text].nunique() < 3 or c.frame.dropna(subset=[x.text])[g.text].value_counts().min() < 3:
        return None
    code = (f'from scipy.stats import f_oneway\nparts = [part.dropna() for _, part in {c.v}.groupby("{g.text}")["{x.text}"]]\n'
            "print(f_oneway(*parts).pvalue.round(4))")

    def read(texts):
        p = _one(texts[-1])
        verdict = "significant" if float(p) < 0.05 else "not significant"
        return f"p is {p}.", f"The difference of {x.quoted} between the groups of {g.quoted} is {verdict} (p = {p}).", [p]

    return Task("anova", c.ask("anova", x=x, g=g), [(f"Test {x.quoted} between all groups of {g.quoted}.", code)], read)


def dependent(c):
    """Whether two categories depend on each other."""
    usable = _texts(c)
    if len(usable) < 2:
        return None
    g, h = c.rng.sample(usable, 2)
    code = (f'import pandas as pd\nfrom scipy.stats import chi2_contingency\ncounts = pd.crosstab({c.v}["{g.text}"], {c.v}["{h.text}"])\n'
            "print(chi2_contingency(counts).pvalue.round(4))")

    def read(texts):
        p = _one(texts[-1])
        verdict = "depend on each other" if float(p) < 0.05 else "show no dependence"
        return f"p is {p}.", f"{g.quoted} and {h.quoted} {verdict} (p = {p}).", [p]

    return Task("chi-square", c.ask("dependent", g=g, h=h), [(f"Test whether {g.quoted} and {h.quoted} depend on each other.", code)], read)


def crosstab(c):
    """Counts by two categories."""
    g, h = c.group(5), c.group(5)
    if g is None or h is None or g is h:
        return None
    code = f'import pandas as pd\npd.crosstab({c.v}["{g.text}"], {c.v}["{h.text}"])'

    def read(texts):
        rows = table_rows(texts[-1])
        said = f"Rows by {g.quoted} and {h.quoted}: {quote(rows[1][0])} and {quote(rows[0][1])} {rows[1][1]}."
        return "The counts are listed.", said, [rows[1][0], rows[0][1], rows[1][1]]

    return Task("crosstab", c.ask("crosstab", g=g, h=h), [(f"Counts by {g.quoted} and {h.quoted}.", code)], read, "text")


def strongest(c):
    """The column that goes best with one."""
    x = c.pick("number")
    numeric = _numeric(c)
    if len(numeric) < 3 or x.text not in numeric or c.frame[numeric].std().min() == 0:
        return None
    code = f'''{c.v}.select_dtypes('number').corr()["{x.text}"].drop("{x.text}").round(3).sort_values(key=abs, ascending=False)'''

    def read(texts):
        rows = pairs(texts[-1])
        return FIRST, f"{quote(rows[0][0])} correlates most with {x.quoted}: {rows[0][1]}.", [*rows[0]]

    return Task("strongest", c.ask("strongest", x=x), [(f"Correlation of all with {x.quoted}.", code)], read, "text")


def predict(c):
    """A linear model of a column on all other numeric ones, scored on rows that it has not seen."""
    y = c.pick("number")
    numeric = _numeric(c)
    if len(numeric) < 3 or y.text not in numeric or len(c.frame[numeric].dropna()) < 20:
        return None
    code = (f"from sklearn.linear_model import LinearRegression\nfrom sklearn.model_selection import cross_val_score\n"
            f"d = {c.v}.select_dtypes('number').dropna()\n"
            f'score = cross_val_score(LinearRegression(), d.drop(columns="{y.text}"), d["{y.text}"])\nprint(score.mean().round(3))')
    said = f"A linear model of {y.quoted} on the other numeric columns reaches a mean R2 of "
    read = lambda t: (PRINTED, f"{said}{_one(t[-1])} in cross-validation.", [_one(t[-1])])
    return Task("predict", c.ask("predict", y=y), [(f"Model {y.quoted} by all other columns.", code)], read)


def classify(c):
    """A classifier of a category by all numeric columns, scored on rows that it has not seen."""
    usable = _texts(c)
    g = c.rng.choice(usable) if usable else None
    known = c.frame.dropna()
    if g is None or len(_numeric(c)) < 2 or known[g.text].value_counts().min() < 5 or known[g.text].nunique() < 2:
        return None
    code = ("from sklearn.linear_model import LogisticRegression\nfrom sklearn.model_selection import cross_val_score\n"
            "from sklearn.pipeline import make_pipeline\nfrom sklearn.preprocessing import StandardScaler\n"
            f"d = {c.v}.dropna()\nmodel = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))\n"
            f'''score = cross_val_score(model, d.select_dtypes('number'), d["{g.text}"])\nprint(score.mean().round(3))''')
    said = f"A logistic regression tells {g.quoted} by the numeric columns with an accuracy of "
    read = lambda t: (PRINTED, f"{said}{_one(t[-1])} in cross-validation.", [_one(t[-1])])
    return Task("classify", c.ask("classify", g=g), [(f"Classify {g.quoted} by the numeric columns.", code)], read)


def clusters(c):
    """Groups of like rows by two columns."""
    both = c.pick("number", n=2)
    if both is None or len(c.frame) < 15:
        return None
    x, y = both
    k = c.rng.choice([2, 3, 3, 4, 5])
    if len(c.frame[[x.text, y.text]].dropna().drop_duplicates()) < 2 * k:
        return None
    code = ("import pandas as pd\nfrom sklearn.cluster import KMeans\nfrom sklearn.preprocessing import scale\n"
            f'd = {c.v}[["{x.text}", "{y.text}"]].dropna()\n'
            f"pd.Series(KMeans({k}, random_state=0).fit_predict(scale(d))).value_counts()")
    read = lambda t: (PRINTED, f"Rows of each of the {k} clusters by {x.quoted} and {y.quoted}: {ranked(pairs(t[-1]))}.",
                      [b for _, b in (*pairs(t[-1])[:3], pairs(t[-1])[-1])])
    step = (f"{k} clusters by {x.quoted} and {y.quoted}.", code)
    return Task("clusters", c.ask("clusters", x=x, y=y, k=str(k)), [step], read)


def box(c):
    """Boxes of a column by group."""
    x, g = c.pick("number"), c.group(8)
    if x is None or g is None:
        return None
    code = f'{c.v}.plot.box(column="{x.text}", by="{g.text}", xlabel="{g.text}", ylabel="{x.text}")'
    read = lambda t: (DRAWN, f"Boxes of {x.quoted} by {g.quoted} are drawn.", ["box", g.text, x.text])
    return Task("box", c.ask("box", x=x, g=g), [(f"Boxes of {x.quoted} by {g.quoted}.", code)], read, "figure")


def pie(c):
    """A pie of how often each value occurs."""
    g = c.group(8)
    if g is None:
        return None
    code = f'{c.v}["{g.text}"].value_counts().plot.pie(ylabel="{g.text}", title="{g.text}")'
    read = lambda t: (DRAWN, f"The pie of {g.quoted} is drawn.", ["pie", g.text])
    return Task("pie", c.ask("pie", g=g), [(f"Pie of {g.quoted}.", code)], read, "figure")


FAMILIES = [
    (anova, 4), (dependent, 4), (crosstab, 2.5), (strongest, 3.5), (predict, 3), (classify, 3.5), (clusters, 3), (box, 3), (pie, 2),
]
warnings.filterwarnings("ignore", module="sklearn")
