"""Files of characters: comma-separated values, text, Markdown, and the text of PDF."""

import csv
import itertools
import os
import re

from .columns import table
from .formats import Unreadable, ending
from .lines import BYTES, Lines

# Rows that are read of a table, and cells of all of them.
ROWS = 50_000
CELLS = 1_000_000

# How many lines show which character separates cells, and which those may be.
LINES = 20
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

# Characters of a text, headings, and pages of a PDF that are shown.
SHOWN = 200
HEADINGS = 12
PAGES = 3


def read_csv(path, found):
    """A table in text: the separator is the one that most of the first lines agree on."""
    lines = Lines(path)
    head = list(itertools.islice(lines, LINES))
    if not any(line.strip() for line in head):
        raise Unreadable("empty")
    separator = "\t" if ending(path) == "tsv" else _separator(head)
    rows = csv.reader(itertools.chain(head, lines), delimiter=separator)
    names, kept, is_all = _rows(rows, found)
    is_all = is_all and not lines.is_cut
    if separator != "," and ending(path) == "csv":
        found["notes"].append(f"cells are separated by {SEPARATORS[separator]}")
    if lines.encoding != "utf-8":
        found["notes"].append(f"encoding {lines.encoding}")
    # By the bytes of the rows that were read.
    count = round(os.path.getsize(path) * len(kept) / max(lines.n_bytes, 1))
    found["tables"].append(table(None, names, kept, count, sample=not is_all, estimate=True))


def _rows(rows, found):
    """The header, the rows below it as far as they are read, and whether those are all."""
    kept, n_uneven = [], 0
    try:
        names = next(row for row in rows if any(row))
        most = min(ROWS, CELLS // len(names))
        for row in rows:
            if not row:
                continue
            if len(kept) == most:
                return names, kept, False
            if len(row) != len(names):
                n_uneven += 1
                row = (row + [""] * len(names))[: len(names)]
            kept.append(row)
    except csv.Error as error:
        if not kept:
            raise
        found["notes"].append(f"broken after {len(kept):,} rows: {error}")
        return names, kept, False
    finally:
        if n_uneven:
            found["notes"].append(f"rows with more or fewer cells than the header: {n_uneven:,}")
    return names, kept, True


def _separator(lines):
    """The character by which the lines fall into the most cells, as many in each."""

    def cells(separator):
        counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row] or [0]
        n_even = sum(count == counts[0] for count in counts)
        return (counts[0] > 1 and n_even * 5 >= len(counts) * 4, counts[0])

    return max(SEPARATORS, key=cells)


def read_text(path, found):
    """How long a text is, its headings and its beginning."""
    lines = Lines(path)
    n_lines = n_words = 0
    headings, beginning = [], ""
    for line in lines:
        n_lines += 1
        n_words += len(line.split())
        if len(beginning) < SHOWN:
            beginning += line
        if ending(path) != "txt" and re.match(r"#{1,6} ", line) and len(headings) < HEADINGS:
            headings.append(line.strip("# \r\n")[:80])
    if lines.encoding != "utf-8":
        found["notes"].append(f"encoding {lines.encoding}")
    if lines.is_cut:
        found["notes"].append(f"only its first {BYTES >> 20} MB were read")
    found["texts"].append(_text(f"{_counted(n_lines, 'line')}, {_counted(n_words, 'word')}", headings, beginning))


def read_pdf(path, found):
    """How many pages a PDF has, its title, and the beginning of its text."""
    import pypdf

    reader = pypdf.PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("encrypted: it opens only with a password")
    title = (reader.metadata or {}).get("/Title")
    beginning = " ".join(page.extract_text() for page in itertools.islice(reader.pages, PAGES))
    if not beginning.strip():
        found["notes"].append("no text on its first pages: perhaps scanned pictures")
    headings = [str(title)[:80]] if title else []
    found["texts"].append(_text(_counted(len(reader.pages), "page"), headings, beginning))


def _counted(number, what):
    return f"{number:,} {what}" + "s" * (number != 1)


def _text(length, headings, beginning):
    beginning = " ".join(beginning.split())
    if len(beginning) > SHOWN:
        beginning = beginning[: SHOWN - 1] + "…"
    return {"name": None, "length": length, "headings": headings, "beginning": beginning}
