"""What a column holds: its type, what is missing, whether it may be a key, and examples."""

import datetime
import hashlib
import re

# What pandas takes for missing when it reads text.
# Source: https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html, `na_values`.
MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"]
    + ["NULL", "NaN", "None", "n/a", "nan", "null"]
)

# Columns of a table that are described, examples of a column, values up to which all are shown, and characters of one.
MAX_COLUMNS = 200
EXAMPLES = 3
FEW = 6
WIDEST = 32

# How many columns of a table may be linked with others, how long their values may be, and how many hashes stand for them.
LINKED = 16
LONGEST_KEY = 64
SKETCH = 1024

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_ZEROS = re.compile(r"0\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_OTHER_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})")


def table(name, names, rows, count=None, sample=False, estimate=False, keys=(), references=()):
    """Describes a table: `names` of its columns, and the `rows` that were read.

    `sample` says that `rows` are not all: then `count` is how many there are, None if it is not known, by `estimate` if
    it follows from the size of the file. `keys` are columns that the file declares as keys, `references` are triples of
    column, table and column.
    """
    names = [str(name) for name in names]
    shown = names[:MAX_COLUMNS]
    by_column = zip(*rows) if rows else [()] * len(shown)
    columns = [_column(name, values, name in keys, not sample) for name, values in zip(shown, by_column)]
    for column in [column for column in columns if "sketch" in column][LINKED:]:
        del column["sketch"]
    return {
        "name": name,
        "rows": count if sample else len(rows),
        "read": len(rows),
        "sample": sample,
        "estimate": estimate and sample,
        "columns": columns,
        "more_columns": len(names) - len(shown),
        "references": [list(reference) for reference in references],
    }


def _column(name, values, declared, whole):
    present = [value for value in values if not _is_missing(value)]
    found = {"name": name, "missing": len(values) - len(present), "type": "empty"}
    if not present:
        return found
    try:
        # In the order in which they were seen.
        distinct = list(dict.fromkeys(present))
    except TypeError:
        found["type"] = "object" if all(isinstance(value, dict) for value in present) else "list"
        return found
    found["type"], typed = _type(distinct)
    found["distinct"] = len(distinct)
    found["key"] = declared or (whole and _may_be_key(found, len(present), len(values)))
    if typed:
        found["least"], found["most"] = _shown(min(typed)), _shown(max(typed))
    if found["type"] != "float" and found["type"] != "bool":
        texts = [_canonical(value) for value in distinct]
        if 1 < len(texts) and max(map(len, texts)) <= LONGEST_KEY:
            found["sketch"] = _sketch(texts)
    shown = distinct if len(distinct) <= FEW else distinct[:EXAMPLES]
    found["examples"] = [_shown(value) for value in shown]
    return found


def _is_missing(value):
    if isinstance(value, str):
        return value in MISSING
    # Not a number is not itself.
    return value is None or value != value


def _may_be_key(found, n_present, n_all):
    is_name = found["type"] in ("int", "text", "code")
    return is_name and 1 < n_all == n_present == found["distinct"]


def _type(distinct):
    """The type of values that are not missing, and the values to compare, if they have an order worth telling."""
    kinds = {type(value) for value in distinct}
    if kinds == {str}:
        return _type_of_texts(distinct)
    if kinds == {bool}:
        return "bool", None
    if kinds <= {int, bool}:
        return "int", distinct
    if kinds <= {int, float, bool}:
        whole = all(value == value // 1 for value in distinct if abs(value) < 2**53)
        return ("int" if whole and float in kinds and max(map(abs, distinct)) < 2**53 else "float"), distinct
    if kinds <= {datetime.datetime}:
        try:
            return "datetime", [min(distinct), max(distinct)]
        except TypeError:
            return "datetime", None
    if kinds <= {datetime.date}:
        return "date", distinct
    if kinds == {bytes}:
        return "bytes", None
    names = sorted({"text" if kind is str else kind.__name__.lower() for kind in kinds})
    return "/".join(names[:3]), None


def _type_of_texts(distinct):
    def all_are(pattern):
        return all(pattern.fullmatch(value.strip()) for value in distinct)

    if all_are(_INTEGER):
        if any(_ZEROS.fullmatch(value.strip()) for value in distinct):
            return "code", None
        return "int", [int(value) for value in distinct]
    if all_are(_NUMBER):
        return "float", [float(value) for value in distinct]
    if all_are(_COMMA):
        return "float with a decimal comma", None
    if {value.strip().lower() for value in distinct} <= {"true", "false"}:
        return "bool", None
    if all_are(_DATE):
        return "date", [value.strip() for value in distinct]
    if all_are(_MOMENT):
        return "datetime", [min(distinct), max(distinct)]
    if all_are(_OTHER_DATE):
        return "date as text", None
    return "text", None


def _canonical(value):
    """A value as other files may spell it."""
    if isinstance(value, float) and value == value // 1 and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value).strip()


def _sketch(texts):
    """The smallest hashes of the values: of two columns these are a fair sample of what they share.

    Source: Beyer et al., "On synopses for distinct-value estimation under multiset operations", SIGMOD 2007.
    """
    return sorted({_hash(text) for text in texts})[:SKETCH]


def _hash(text):
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def _shown(value):
    if isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, bytes):
        text = f"{len(value)} bytes"
    else:
        text = " ".join(str(value).split())
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"
