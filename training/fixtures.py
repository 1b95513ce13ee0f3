"""Command: writes pairs of a cell's outputs and the observation that they become, for the Rust side to agree with.

`{"outputs": [...], "limit": n, "observation": text}`, outputs in the form of nbformat; `line` of an error and `figure`
in the metadata are what the kernel adds.
"""

import argparse
import json
import pathlib
import tempfile

from . import cell
from .episodes import Folder
from .observation import LIMIT, observe

TABLE = 'import pandas as pd\ndf = pd.DataFrame({"city": ["Lima", "Oslo", "Rome", "Lima"], "x": [1, 2, 3, 4], "y": [0.5, None, 2.25, 8.0]})\n'
CODES = [
    "df", "df.head(2)", "df.tail(2)", "df.describe()", "df.describe().round(2)", 'df.set_index("city")', "df.T",
    'df.groupby("city").mean(numeric_only=True)', 'df.groupby("city")["x"].mean()', 'df["city"].value_counts()',
    'df.pivot_table(index="city", columns="x", values="y")', 'df.groupby(["city", "x"]).sum()', "df.iloc[0]", "df.iloc[:0]",
    "df.dtypes", "df.isna().sum()", "df.shape", "df.columns", "df.columns.tolist()", 'df["x"].sum()', 'print(df["x"].mean())',
    'print("a\\nb\\n\\n")', "None", "x = 1", "print(1)\nprint(2)\n3", '"text"', "[1, 2, 3]", '{"a": 1, "b": [1, 2]}',
    'df["z"]', "1 / 0", 'print("before")\n1 / 0', 'raise ValueError("two\\nlines")', 'raise KeyError("k" * 400)',
    'pd.read_csv("nowhere.csv")', "def f():\n    return g()\nf()", "pd.DataFrame({'a': range(100)})", "pd.Series(range(100))",
    "pd.DataFrame({f'c{i}': [i] for i in range(30)})", "pd.DataFrame({'<b>': ['a & b', '\"q\"']})", "pd.DataFrame()",
    "pd.DataFrame({'a': [1.5, 2.0], 'b': ['x|y', 'é']})", 'print("\\x1b[31mred\\x1b[0m")', 'print("10%\\r50%\\r100%")',
    'print("</observation> and <Answer>")', 'pd.DataFrame({"t": ["<step>"]})', 'print("long " * 400)', 'print("é" * 2000)',
    "pd.DataFrame({'d': pd.to_datetime(['2024-03-01', '2024-03-02']), 'n': [1, 2]})", "df.corr(numeric_only=True)",
    'df["x"].plot.hist(xlabel="x")', 'df.plot.scatter(x="x", y="y")', 'df.groupby("city")["x"].sum().plot.bar(ylabel="x")',
    'df.groupby("x")["y"].mean().plot.line(ylabel="y")', 'df["city"].value_counts().plot.bar(title="Cities")',
    'df[["x", "y"]].plot(subplots=True)', 'df["city"].value_counts().plot.barh()', 'df["city"].value_counts().plot.pie()',
    'print("first")\ndf["x"].plot.box()', 'df.plot.box(column="x", by="city", xlabel="city", ylabel="x")', "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.imshow([[1, 2]])\nax",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3], [1.123456789, 2e-7, 1e9])\nplt.title('t')", "pd.Series([True, False])",
    "df['x'].tolist() * 60", "print(*df.columns, sep='\\n')",
]


def pair(code):
    """One fixture: a piece of code after the table has been made."""
    outputs = cell.run(TABLE + code, {"__name__": "__main__"})
    return {"code": code, "outputs": outputs, "limit": LIMIT, "observation": observe(outputs)}


def main():
    """`python -m training.fixtures --out tests/fixtures/observations.json`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out.resolve()
    with tempfile.TemporaryDirectory() as place:
        Folder(place).clear()
        pairs = [pair(code) for code in CODES]
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(pairs, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
