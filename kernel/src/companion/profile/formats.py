"""Which reader a file gets, and what becomes of what the reader cannot do."""

import importlib
import os

# Ending of a name, the module with the reader, its name. The kernel asks about no others (`sources.rs`).
READERS = {
    "csv": ("text", "csv"),
    "tsv": ("text", "csv"),
    "txt": ("text", "text"),
    "md": ("text", "text"),
    "markdown": ("text", "text"),
    "pdf": ("text", "pdf"),
    "json": ("trees", "json"),
    "jsonl": ("trees", "jsonl"),
    "ndjson": ("trees", "jsonl"),
    "yaml": ("trees", "yaml"),
    "yml": ("trees", "yaml"),
    "xml": ("markup", "xml"),
    "xlsx": ("tables", "xlsx"),
    "parquet": ("tables", "parquet"),
    "feather": ("tables", "feather"),
    "sqlite": ("databases", "sqlite"),
    "sqlite3": ("databases", "sqlite"),
    "db": ("databases", "any_database"),
    "duckdb": ("databases", "duckdb"),
    "zip": ("archive", "zip"),
}

# A package by the module that is missing without it, where the names differ.
PACKAGES = {"yaml": "pyyaml"}


class Unreadable(Exception):
    """Why a file cannot be described, as a sentence goes on."""


def read(path):
    """Returns `tables`, `texts` and `notes` of a file; whatever is wrong with it is a note."""
    found = {"tables": [], "texts": [], "notes": []}
    try:
        if not os.path.isfile(path):
            raise Unreadable("no file")
        if os.path.getsize(path) == 0:
            raise Unreadable("empty")
        module, name = READERS[ending(path)]
        reader = getattr(importlib.import_module(f"{__package__}.{module}"), f"read_{name}")
        reader(path, found)
    except Unreadable as error:
        found["notes"].append(str(error))
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        package = PACKAGES.get(name, name)
        found["notes"].append(f"not read: it needs the package `{package}` (`%pip install {package}`)")
    except MemoryError:
        found["notes"].append("cannot be read: it needs too much memory")
    except RecursionError:
        found["notes"].append("cannot be read: it is nested too deeply")
    except Exception as error:
        # Whatever a library says of a broken file, in one line.
        said = " ".join(str(error).split())[:120]
        found["notes"].append(f"cannot be read: {type(error).__name__}" + (f": {said}" if said else ""))
    return found


def ending(name):
    """`csv` of `a.CSV`."""
    return name.rpartition(".")[2].lower()
