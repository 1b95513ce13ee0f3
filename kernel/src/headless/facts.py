"""Prints what a notebook was made with, as JSON. Runs in the companion, in a namespace of its own."""

import importlib.metadata
import json
import platform
import sys


def rows(path):
    """Number of rows of a table in a file, or None."""
    name = path.lower()
    try:
        import pandas

        if name.endswith((".csv", ".tsv", ".txt")):
            parts = pandas.read_csv(
                path, sep="\t" if name.endswith(".tsv") else ",", usecols=[0], chunksize=100_000
            )
            return sum(map(len, parts))
        if name.endswith(".parquet"):
            import pyarrow.parquet

            return pyarrow.parquet.read_metadata(path).num_rows
        if name.endswith(".xlsx"):
            return len(pandas.read_excel(path, usecols=[0]))
    except Exception:
        pass
    return None


def version(distribution):
    """Its version, or None where there is no such distribution."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def packages():
    """Versions of the packages whose objects stand in the notebook's namespace."""
    from IPython import get_ipython

    values = list(get_ipython().user_ns.values())
    names = {v.__name__ for v in values if isinstance(v, type(sys))}
    names |= {str(getattr(v, "__module__", "")) for v in values}
    names |= {type(v).__module__ for v in values}
    roots = {name.partition(".")[0] for name in names} - {"", "IPython", "ipykernel"}
    distributions = importlib.metadata.packages_distributions()
    # Python 3.10 finds only those that list their modules; most of the others are named like their module.
    found = {d for root in roots for d in distributions.get(root, [root])}
    versions = {d: version(d) for d in sorted(found)}
    return {d: known for d, known in versions.items() if known}


print(
    json.dumps(
        {
            "python": platform.python_version(),
            "packages": packages(),
            "rows": [rows(path) for path in PATHS],
        }
    )
)
