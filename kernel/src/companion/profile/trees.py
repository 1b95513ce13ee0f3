"""Files of nested values: JSON, lines of JSON, YAML."""

import json
import os

from .columns import table
from .formats import Unreadable
from .lines import Lines

# Larger files are not read whole, in bytes: YAML takes a hundred times as long.
WHOLE = 64 << 20
WHOLE_YAML = 4 << 20

# Records of a table, lists in a file, and columns of a record that are looked at.
ROWS = 50_000
TABLES = 10
CELLS = 1_000_000
COLUMNS = 1_000


def read_json(path, found):
    """One value: a table where it is a list of records, or an object that holds some."""
    _check_size(path, WHOLE)
    with open(path, "rb") as file:
        _describe(json.load(file), found)


def read_jsonl(path, found):
    """A record on each line."""
    lines, records, n_broken, is_all = Lines(path), [], 0, True
    for line in lines:
        if not line.strip():
            continue
        if len(records) == ROWS:
            is_all = False
            break
        try:
            records.append(json.loads(line))
        except ValueError:
            n_broken += 1
    if not records:
        raise Unreadable("no line of it is JSON")
    if n_broken:
        found["notes"].append(f"lines that are no JSON: {n_broken:,}")
    is_all = is_all and not lines.is_cut
    count = round(os.path.getsize(path) * len(records) / max(lines.n_bytes, 1))
    _add_records(None, records, found, None if is_all else count, estimate=True)


def read_yaml(path, found):
    """One document or several; aliases are not followed any deeper than columns go."""
    import yaml

    _check_size(path, WHOLE_YAML)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with open(path, "rb") as file:
        documents = list(yaml.load_all(file, Loader=loader))
    _describe(documents[0] if len(documents) == 1 else documents, found)


def _check_size(path, most):
    if os.path.getsize(path) > most:
        raise Unreadable(f"not read: larger than {most >> 20} MB; read it in pieces")


def _describe(value, found):
    if isinstance(value, list):
        return _add_records(None, value, found)
    if not isinstance(value, dict):
        raise Unreadable(f"a single value of type {_kind(value)}")
    if _is_columns(value):
        return _add_table(None, list(value), [list(row) for row in zip(*value.values())], found)
    _add_records("top level", [value], found)
    lists = [(name, inner) for name, inner in value.items() if isinstance(inner, list) and inner]
    for name, inner in lists[:TABLES]:
        if any(isinstance(item, dict) for item in inner):
            _add_records(str(name), inner, found)
    if len(lists) > TABLES:
        found["notes"].append(f"only {TABLES} of its {len(lists)} lists were looked at")


def _is_columns(value):
    """Whether an object holds a table by columns: lists of one length."""
    lists = list(value.values())
    is_lists = len(lists) > 1 and all(isinstance(inner, list) for inner in lists)
    plain = is_lists and not any(isinstance(item, (dict, list)) for inner in lists for item in inner[:1])
    return plain and len({len(inner) for inner in lists}) == 1


def _add_records(name, values, found, count=None, estimate=False):
    """A table of objects; of other values, one with a single column. `count` where `values` are not all."""
    records = [value if isinstance(value, dict) else {"value": value} for value in values[:ROWS]]
    names = list(dict.fromkeys(str(key) for record in records[:1_000] for key in record))[:COLUMNS]
    records = records[: CELLS // max(len(names), 1)]
    records = [{str(key): value for key, value in record.items()} for record in records]
    rows = [[record.get(column) for column in names] for record in records]
    if count is None and len(rows) < len(values):
        count, estimate = len(values), False
    _add_table(name, names, rows, found, count, estimate)


def _add_table(name, names, rows, found, count=None, estimate=False):
    found["tables"].append(table(name, names, rows, count, sample=count is not None, estimate=estimate))


def _kind(value):
    return "null" if value is None else type(value).__name__
