"""Six public tables that come with installed packages, and ten questions over each.

Iris, wine and diabetes come with scikit-learn, penguins with palmerpenguins, tips and gapminder with plotly. Training
never sees a column of theirs (`words.PUBLIC`). What is expected is computed here by pandas, apart from the agent.
"""

from scipy.stats import linregress


def iris():
    """Iris flowers, with the species spelled out."""
    from sklearn.datasets import load_iris

    data = load_iris(as_frame=True)
    frame = data.frame.rename(columns={"target": "species"})
    return frame.assign(species=[str(data.target_names[i]) for i in frame["species"]])


def wine():
    """Wines of three cultivars."""
    from sklearn.datasets import load_wine

    return load_wine(as_frame=True).frame.rename(columns={"target": "cultivar"})


def diabetes():
    """Diabetes patients in their own units."""
    from sklearn.datasets import load_diabetes

    return load_diabetes(as_frame=True, scaled=False).frame


def penguins():
    """Penguins of the Palmer station."""
    from palmerpenguins import load_penguins

    return load_penguins()


def tips():
    """Bills and tips of a restaurant."""
    from plotly.data import tips as load

    return load()


def gapminder():
    """Life expectancy, population and income of countries."""
    from plotly.data import gapminder as load

    return load()


def value(x):
    """A number is expected."""
    return {"kind": "number", "values": [str(round(float(x), 4))]}


def count(*numbers):
    """Whole numbers are expected."""
    return {"kind": "number", "values": [str(int(n)) for n in numbers]}


def text(*values):
    """Names or numbers are expected."""
    return {"kind": "text", "values": [str(v) for v in values]}


def first(series, largest=True):
    """The label and value of the highest (or lowest) row are expected."""
    row = series.sort_values(ascending=not largest)
    return text(row.index[0], round(float(row.iloc[0]), 3))


def figure(kind, *names):
    """A figure of a kind with some labels is expected."""
    return {"kind": "figure", "values": [kind, *names]}


def line(d, x, y):
    """Slope and intercept are expected."""
    fit = linregress(d[x], d[y])
    return {"kind": "number", "values": [str(round(fit.slope, 4)), str(round(fit.intercept, 4))]}


def means(d, group, a, b, x):
    """The means of two groups are expected."""
    return {"kind": "number", "values": [str(round(d.loc[d[group] == v, x].mean(), 3)) for v in (a, b)]}


NO = {"kind": "refusal", "values": []}

# File, table, and questions: family, wording, what is expected of the table `d`.
TABLES = [
    ("iris.csv", iris, [
        ("overview", "How many rows and columns does the table have?", lambda d: count(*d.shape)),
        ("aggregate", "What is the average petal length?", lambda d: value(d["petal length (cm)"].mean())),
        ("group", "Which species has the largest mean sepal width?",
         lambda d: first(d.groupby("species")["sepal width (cm)"].mean())),
        ("value_counts", "How many rows are there per species?", lambda d: text("setosa", 50)),
        ("count", "How many rows have a petal width above 1.5?", lambda d: count((d["petal width (cm)"] > 1.5).sum())),
        ("correlation", "What is the correlation between petal length and petal width?",
         lambda d: value(d["petal length (cm)"].corr(d["petal width (cm)"]))),
        ("scatter", "Make a scatter plot of petal width against petal length",
         lambda d: figure("scatter", "petal length (cm)", "petal width (cm)")),
        ("histogram", "Show the distribution of sepal length", lambda d: figure("hist", "sepal length (cm)")),
        ("regression", "Fit a linear regression of petal width on petal length",
         lambda d: line(d, "petal length (cm)", "petal width (cm)")),
        ("compare", "Is there a significant difference in sepal length between setosa and virginica?",
         lambda d: means(d, "species", "setosa", "virginica", "sepal length (cm)")),
    ]),
    ("wine.parquet", wine, [
        ("aggregate", "What is the mean alcohol?", lambda d: value(d["alcohol"].mean())),
        ("aggregate", "Give me the maximum proline", lambda d: value(d["proline"].max())),
        ("group", "Which cultivar has the highest average color intensity?",
         lambda d: first(d.groupby("cultivar")["color_intensity"].mean())),
        ("group", "Show the median hue by cultivar", lambda d: first(d.groupby("cultivar")["hue"].median())),
        ("count", "How many wines have more than 14 alcohol?", lambda d: count((d["alcohol"] > 14).sum())),
        ("value_counts", "Which cultivar is the most common?", lambda d: first(d["cultivar"].value_counts())),
        ("correlation", "How strongly are flavanoids and total phenols correlated?",
         lambda d: value(d["flavanoids"].corr(d["total_phenols"]))),
        ("missing", "Are there any missing values?", lambda d: text("no missing")),
        ("histogram", "Draw a histogram of magnesium", lambda d: figure("hist", "magnesium")),
        ("bar", "Plot a bar chart of the mean malic acid per cultivar", lambda d: figure("bar", "cultivar", "malic_acid")),
    ]),
    ("diabetes.tsv", diabetes, [
        ("overview", "How many patients are in the table?", lambda d: count(len(d))),
        ("aggregate", "What is the average bmi?", lambda d: value(d["bmi"].mean())),
        ("aggregate", "What is the standard deviation of the target?", lambda d: value(d["target"].std())),
        ("top", "Show the 5 rows with the highest target", lambda d: count(*d["target"].nlargest(2))),
        ("group", "What is the mean target for each sex?", lambda d: first(d.groupby("sex")["target"].mean())),
        ("correlation", "Correlation of bmi and target", lambda d: value(d["bmi"].corr(d["target"]))),
        ("count", "How many patients are older than 60 years of age?", lambda d: count((d["age"] > 60).sum())),
        ("scatter", "Scatter plot of target vs bmi", lambda d: figure("scatter", "bmi", "target")),
        ("regression", "Regress target on bp", lambda d: line(d, "bp", "target")),
        ("cannot", "What is the average salary?", lambda d: NO),
    ]),
    ("penguins.csv", penguins, [
        ("overview", "What columns are in the data?", lambda d: text("species", "flipper_length_mm", "body_mass_g")),
        ("aggregate", "How many different islands are there?", lambda d: count(d["island"].nunique())),
        ("missing", "How many values of sex are missing?", lambda d: count(d["sex"].isna().sum())),
        ("group", "Which species has the highest average body mass?",
         lambda d: first(d.groupby("species")["body_mass_g"].mean())),
        ("filter", "What is the mean bill length for the species Gentoo?",
         lambda d: value(d.loc[d["species"] == "Gentoo", "bill_length_mm"].mean())),
        ("value_counts", "How many penguins are there on each island?", lambda d: first(d["island"].value_counts())),
        ("share", "What percentage of rows have species Adelie?", lambda d: value((d["species"] == "Adelie").mean() * 100)),
        ("compare", "Compare the flipper length of Adelie and Chinstrap",
         lambda d: means(d, "species", "Adelie", "Chinstrap", "flipper_length_mm")),
        ("bar", "Bar chart of the average flipper length by species",
         lambda d: figure("bar", "species", "flipper_length_mm")),
        ("count", "How many penguins weigh more than 5000 g, by body mass?", lambda d: count((d["body_mass_g"] > 5000).sum())),
    ]),
    ("tips.xlsx", tips, [
        ("aggregate", "What is the average tip?", lambda d: value(d["tip"].mean())),
        ("aggregate", "What is the largest total bill?", lambda d: value(d["total_bill"].max())),
        ("group", "On which day is the average tip the highest?", lambda d: first(d.groupby("day")["tip"].mean())),
        ("group", "Total of the bills per time", lambda d: first(d.groupby("time")["total_bill"].sum())),
        ("count", "How many smokers are there, that is rows with smoker Yes?", lambda d: count((d["smoker"] == "Yes").sum())),
        ("filter", "What is the median tip where sex is Female?", lambda d: value(d.loc[d["sex"] == "Female", "tip"].median())),
        ("top", "Which 3 rows have the largest tip?", lambda d: value(d["tip"].max())),
        ("share", "What share of the rows has time Dinner?", lambda d: value((d["time"] == "Dinner").mean() * 100)),
        ("compare", "Do Male and Female differ in tip?", lambda d: means(d, "sex", "Male", "Female", "tip")),
        ("scatter", "Plot tip against total bill", lambda d: figure("scatter", "total_bill", "tip")),
    ]),
    ("gapminder.csv", gapminder, [
        ("load", "Show me the first rows of the data", lambda d: text("country", "continent")),
        ("aggregate", "How many countries are in the data?", lambda d: count(d["country"].nunique())),
        ("group", "Which continent has the highest mean life expectancy (lifeExp)?",
         lambda d: first(d.groupby("continent")["lifeExp"].mean())),
        ("group", "What is the lowest average gdpPercap by continent?",
         lambda d: first(d.groupby("continent")["gdpPercap"].mean(), largest=False)),
        ("filter", "What is the average life expectancy in Africa?",
         lambda d: value(d.loc[d["continent"] == "Africa", "lifeExp"].mean())),
        ("line", "Plot the lifeExp over the years", lambda d: figure("line", "year", "lifeExp")),
        ("count", "How many rows have the year 2007?", lambda d: count((d["year"] == 2007).sum())),
        ("top", "Which country has the highest gdpPercap?",
         lambda d: text(d.loc[d["gdpPercap"].idxmax(), "country"], round(float(d["gdpPercap"].max()), 2))),
        ("correlation", "Is there a correlation between gdpPercap and lifeExp?", lambda d: value(d["gdpPercap"].corr(d["lifeExp"]))),
        ("cannot", "What will the weather be like tomorrow?", lambda d: NO),
    ]),
]


def records():
    """Every question with its table's file and what is expected: `(name, file, frame, record)`."""
    at = 0
    for file, load, questions in TABLES:
        frame = load()
        for family, question, expect in questions:
            record = {"id": f"p{at:03d}", "family": family, "question": question, "files": [file]}
            yield file, frame, {**record, "expected": expect(frame)}
            at += 1
