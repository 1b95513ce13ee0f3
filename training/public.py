"""Public tables that come with installed packages, and questions over each, written by hand.

Iris, wine, diabetes and cancer come with scikit-learn, penguins with palmerpenguins, tips and gapminder with plotly,
cars with vega_datasets, statecrime and sunspots with statsmodels. Training never sees a column of theirs
(`words.PUBLIC`). What is expected is computed here by pandas, apart from the agent.
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


def cancer():
    """Means of what was measured in cell nuclei, and the diagnosis."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    frame = data.frame[[name for name in data.frame if name.startswith("mean ")]]
    return frame.assign(diagnosis=[str(data.target_names[i]) for i in data.target])


def cars():
    """Cars of 1970 to 1982."""
    from vega_datasets import local_data

    frame = local_data.cars()
    return frame.assign(Year=frame["Year"].dt.strftime("%Y-%m-%d"))


def statecrime():
    """Crime and what may go with it in the states of the USA, without their names."""
    import statsmodels.api as sm

    return sm.datasets.statecrime.load_pandas().data.reset_index(drop=True)


def sunspots():
    """Yearly activity of the sun."""
    import statsmodels.api as sm

    return sm.datasets.sunspots.load_pandas().data.astype({"YEAR": int})


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


def outliers(series):
    """The number of values beyond the whiskers of a box plot."""
    low, high = series.quantile(0.25), series.quantile(0.75)
    return count(((series < low - 1.5 * (high - low)) | (series > high + 1.5 * (high - low))).sum())


def scored(d, target, kind):
    """The mean score of five-fold cross-validation is expected: R2 of a linear model, or accuracy of a logistic one."""
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "linear":
        d = d.select_dtypes("number").dropna()
        return value(cross_val_score(LinearRegression(), d.drop(columns=target), d[target]).mean())
    d = d.dropna()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return value(cross_val_score(model, d.select_dtypes("number"), d[target]).mean())


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
        ("classify", "How well can the species be predicted from the measurements?", lambda d: scored(d, "species", "logistic")),
        ("anova", "Does petal width differ between the species?", lambda d: text("significant")),
        ("box", "Draw a box plot of sepal width by species", lambda d: figure("box", "species", "sepal width (cm)")),
        ("quantile", "What is the 90th percentile of petal length?", lambda d: value(d["petal length (cm)"].quantile(0.9))),
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
        ("strongest", "Which column correlates most with flavanoids?",
         lambda d: text(d.select_dtypes("number").corr()["flavanoids"].drop("flavanoids").abs().idxmax())),
        ("outliers", "How many outliers are there in malic acid?", lambda d: outliers(d["malic_acid"])),
        ("between", "How many wines have alcohol between 12 and 13?", lambda d: count(d["alcohol"].between(12, 13).sum())),
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
        ("predict", "How well can the target be predicted from the other columns?", lambda d: scored(d, "target", "linear")),
        ("quantile", "What are the quartiles of bmi?", lambda d: value(d["bmi"].quantile(0.75))),
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
        ("duplicates", "Are there any duplicate rows?", lambda d: count(d.duplicated().sum())),
        ("clean", "How many rows have no missing values?", lambda d: count(len(d.dropna()))),
        ("group where", "What is the mean body mass by species where sex is female?",
         lambda d: first(d[d["sex"] == "female"].groupby("species")["body_mass_g"].mean())),
        ("difference", "By how much do the mean body mass of Gentoo and Adelie of species differ?",
         lambda d: value(d.groupby("species")["body_mass_g"].mean()["Gentoo"] - d.groupby("species")["body_mass_g"].mean()["Adelie"])),
        ("crosstab", "Cross table of species and island", lambda d: text("Adelie", "Biscoe", 44)),
        ("pie", "Pie chart of the islands", lambda d: figure("pie", "island")),
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
        ("group share", "What share of the total tip does each day have?",
         lambda d: text("Sat", round(d.groupby("day")["tip"].sum()["Sat"] / d["tip"].sum() * 100, 1))),
        ("ratio", "What is the ratio of total tip to total total_bill?", lambda d: value(d["tip"].sum() / d["total_bill"].sum())),
        ("chi-square", "Are smoker and time independent?", lambda d: text("no dependence")),
        ("clusters", "Make 3 clusters by total_bill and tip", lambda d: text("3 clusters")),
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
        ("change", "By how many percent did the mean lifeExp change over the years?",
         lambda d: value((lambda m: (m.iloc[-1] / m.iloc[0] - 1) * 100)(d.groupby("year")["lifeExp"].mean()))),
        ("trend", "Is the lifeExp rising over time?", lambda d: text("rising")),
        ("best of each", "Which country has the highest lifeExp in each continent?", lambda d: text("Japan", "Reunion")),
        ("lines", "Plot the lifeExp over time for each continent", lambda d: figure("line", "year", "lifeExp")),
    ]),
    ("cancer.csv", cancer, [
        ("overview", "How many rows are there?", lambda d: count(len(d))),
        ("value_counts", "How many rows are there per diagnosis?", lambda d: first(d["diagnosis"].value_counts())),
        ("aggregate", "What is the largest mean area?", lambda d: value(d["mean area"].max())),
        ("group", "Show the average mean radius by diagnosis", lambda d: first(d.groupby("diagnosis")["mean radius"].mean())),
        ("compare", "Is there a difference in mean texture between benign and malignant?",
         lambda d: means(d, "diagnosis", "benign", "malignant", "mean texture")),
        ("correlation", "Correlation between mean radius and mean perimeter", lambda d: value(d["mean radius"].corr(d["mean perimeter"]))),
        ("classify", "Train a classifier for the diagnosis", lambda d: scored(d, "diagnosis", "logistic")),
        ("outliers", "Are there outliers in mean area?", lambda d: outliers(d["mean area"])),
        ("share", "What percentage of rows have diagnosis malignant?", lambda d: value((d["diagnosis"] == "malignant").mean() * 100)),
        ("histogram", "Histogram of mean symmetry", lambda d: figure("hist", "mean symmetry")),
    ]),
    ("cars.csv", cars, [
        ("aggregate", "What is the average horsepower?", lambda d: value(d["Horsepower"].mean())),
        ("group", "Which origin has the highest mean miles per gallon?", lambda d: first(d.groupby("Origin")["Miles_per_Gallon"].mean())),
        ("top", "Which 3 names have the highest horsepower?", lambda d: value(d["Horsepower"].max())),
        ("missing", "How many values of horsepower are missing?", lambda d: count(d["Horsepower"].isna().sum())),
        ("period", "What is the mean miles per gallon by year?", lambda d: text("1970", round(d[d["Year"].str[:4] == "1970"]["Miles_per_Gallon"].mean(), 3))),
        ("group where", "What is the mean acceleration by origin for cylinders 4?",
         lambda d: first(d[d["Cylinders"] == 4].groupby("Origin")["Acceleration"].mean())),
        ("trend", "Does miles per gallon rise over time?", lambda d: text("rising")),
        ("scatter", "Scatter plot of miles per gallon against horsepower", lambda d: figure("scatter", "Horsepower", "Miles_per_Gallon")),
        ("regression", "Fit a linear regression of Weight_in_lbs on displacement",
         lambda d: line(d.dropna(subset=["Displacement", "Weight_in_lbs"]), "Displacement", "Weight_in_lbs")),
        ("best of each", "Which name has the highest weight in each origin?", lambda d: text(*d.loc[d.groupby("Origin")["Weight_in_lbs"].idxmax(), "Name"].tolist()[:1])),
    ]),
    ("statecrime.csv", statecrime, [
        ("aggregate", "What is the median murder?", lambda d: value(d["murder"].median())),
        ("range", "What is the range of violent?", lambda d: value(d["violent"].max())),
        ("count", "In how many rows is poverty above 20?", lambda d: count((d["poverty"] > 20).sum())),
        ("correlation", "How strongly are poverty and hs_grad correlated?", lambda d: value(d["poverty"].corr(d["hs_grad"]))),
        ("strongest", "What correlates most with murder?",
         lambda d: text(d.corr()["murder"].drop("murder").abs().idxmax())),
        ("predict", "Predict violent from all other columns", lambda d: scored(d, "violent", "linear")),
        ("regression", "Regress murder on single", lambda d: line(d, "single", "murder")),
        ("top", "Show the 3 rows with the highest urban", lambda d: value(d["urban"].max())),
        ("outliers", "How many outliers does murder have?", lambda d: outliers(d["murder"])),
        ("cannot", "What is the average rainfall?", lambda d: NO),
    ]),
    ("sunspots.csv", sunspots, [
        ("overview", "How many rows and columns are there?", lambda d: count(*d.shape)),
        ("aggregate", "What is the highest sunactivity?", lambda d: value(d["SUNACTIVITY"].max())),
        ("line", "Plot SUNACTIVITY over the years", lambda d: figure("line", "YEAR", "SUNACTIVITY")),
        ("moving average", "Draw a moving average over 11 of SUNACTIVITY", lambda d: figure("line", "YEAR", "SUNACTIVITY")),
        ("trend", "Is there a trend in SUNACTIVITY over the years?", lambda d: text("rising")),
        ("quantile", "What is the 95th percentile of SUNACTIVITY?", lambda d: value(d["SUNACTIVITY"].quantile(0.95))),
        ("count", "How many rows have SUNACTIVITY below 10?", lambda d: count((d["SUNACTIVITY"] < 10).sum())),
        ("running total", "Plot the running total of SUNACTIVITY", lambda d: figure("line", "YEAR", "SUNACTIVITY")),
        ("between", "In how many rows is SUNACTIVITY between 50 and 100?", lambda d: count(d["SUNACTIVITY"].between(50, 100).sum())),
        ("top", "Show the 5 rows with the largest SUNACTIVITY", lambda d: value(d["SUNACTIVITY"].max())),
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
