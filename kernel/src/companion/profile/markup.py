"""XML: the element that is repeated is a record. Nothing outside of the file is read, and no entity is declared."""

import collections
import os
from xml.parsers import expat

from .columns import table
from .formats import Unreadable
from .text import CELLS, ROWS

# Bytes that are read, and of them what shows which element is a record.
BYTES = 32 << 20
HEAD = 1 << 20
BLOCK = 1 << 16

# How deep elements may stand in each other.
DEEPEST = 200


def read_xml(path, found):
    """Counts elements in the beginning, then reads those of the path that is repeated most, highest first."""
    paths = collections.Counter()
    _parse(path, HEAD, lambda names, _: paths.update([names]), lambda *_: None)
    repeated = [names for names, count in paths.items() if count > 1]
    if not repeated:
        root = next(iter(paths))
        found["notes"].append(f"one element `{root[0][:40]}` in which none is repeated")
        return
    shallowest = min(map(len, repeated))
    record = max((names for names in repeated if len(names) == shallowest), key=paths.__getitem__)
    records = _Records(record)
    is_whole = _parse(path, BYTES, records.begin, records.end)
    names = list(dict.fromkeys(name for row in records.rows for name in row))
    rows = [[row.get(name) for name in names] for row in records.rows[: CELLS // max(len(names), 1)]]
    is_all = is_whole and len(rows) == records.count
    count = records.count if is_whole else round(os.path.getsize(path) / BYTES * records.count)
    found["tables"].append(table("/".join(record)[:80], names, rows, count, sample=not is_all, estimate=not is_whole))


class _Records:
    """The elements of one path: their attributes, and the texts of the elements in them."""

    def __init__(self, path):
        self.rows = []
        self.count = 0
        self._path = path

    def begin(self, names, attributes):
        if names == self._path:
            self.count += 1
            if self.count <= ROWS:
                self.rows.append(dict(attributes))

    def end(self, names, text):
        depth = len(self._path)
        if self.count > ROWS or not self.rows or names[:depth] != self._path or not text.strip():
            return
        inner = names[depth:]
        if len(inner) <= 1:
            self.rows[-1][inner[0] if inner else "text"] = text.strip()


def _parse(path, most, begin, end):
    """Calls `begin` with the names down to each element and its attributes, `end` with its text; says whether that was all."""
    names, texts = [], []

    def start(name, attributes):
        names.append(name)
        texts.append([])
        if len(names) > DEEPEST:
            raise RecursionError
        begin(tuple(names), attributes)

    def finish(_):
        end(tuple(names), "".join(texts.pop()))
        names.pop()

    def refuse(*_):
        raise Unreadable("not read: it declares entities, which can unpack to any size")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, finish
    parser.CharacterDataHandler = lambda text: texts[-1].append(text)
    parser.EntityDeclHandler = refuse
    with open(path, "rb") as file:
        for _ in range(0, most, BLOCK):
            block = file.read(BLOCK)
            parser.Parse(block, not block)
            if not block:
                return True
        return False
