"""Turns the outputs of a cell into the text that a model reads about them.

`outputs` are dictionaries as nbformat has them (`output_type`: stream, execute_result, display_data, error); a
figure's bundle carries its description under the key `figure` of the output's metadata.
"""

import html
import re
from html.parser import HTMLParser

LIMIT = 1_200
TAGS = ("step|thought|action|action_input|observation|stop_analysis|answer|think|analyze|understand|code|execute")
_TAG = re.compile(rf"<(?=/?(?:{TAGS})>)", re.IGNORECASE)
_COLOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_GAP = re.compile(r"(?<=\S) {3,}(?=\S)")
_TABLE = re.compile(r'<table[^>]*class="dataframe"')
_SIZE = re.compile(r"<p>([\d,]+) rows × ([\d,]+) columns</p>")


class _Rows(HTMLParser):
    """Collects the cells of the rows of the table that pandas writes."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.rows, self.heads, self.cell, self.in_head = [], 0, None, False
        self.down, self.reaching = 0, {}  # Rows below that a cell reaches into, by column.

    def handle_starttag(self, tag, attrs):
        if tag == "thead":
            self.in_head = True
        elif tag == "tr":
            self.rows.append([])
            self.heads += self.in_head
        elif tag in ("th", "td"):
            self._take_reaching()
            self.cell, self.down = [], int(dict(attrs).get("rowspan", 1)) - 1

    def handle_endtag(self, tag):
        if tag == "thead":
            self.in_head = False
        elif tag in ("th", "td") and self.cell is not None:
            text = "".join(self.cell).strip()
            if self.down:
                self.reaching[len(self.rows[-1])] = (self.down, text)
            self.rows[-1].append(text)
            self.cell = None

    def _take_reaching(self):
        row = self.rows[-1]
        while len(row) in self.reaching:
            left, text = self.reaching.pop(len(row))
            if left > 1:
                self.reaching[len(row)] = (left - 1, text)
            row.append(text)

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)


def table_text(markup):
    """A DataFrame's HTML as rows of cells between bars; a plain integer index is left out."""
    parser = _Rows()
    parser.feed(markup)
    rows, heads = parser.rows, parser.heads
    if heads == 2:
        named = sum(map(bool, rows[1]))
        if 0 < named < len(rows[1]) and not any(rows[1][named:]):
            rows[0][:named] = rows.pop(1)[:named]
            heads = 1
    body = rows[heads:]
    if rows and rows[0] and rows[0][0] == "" and all(r and re.fullmatch(r"-?\d+|\.\.\.", r[0]) for r in body):
        rows = [r[1:] for r in rows]
    lines = ["|".join(row) for row in rows]
    size = _SIZE.search(markup)
    if size:
        lines.append(f"[{size[1].replace(',', '')} rows x {size[2].replace(',', '')} columns]")
    return "\n".join(lines)


def plain(text):
    """Text without terminal colours, and of each line only what a carriage return has left standing."""
    lines = _COLOR.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)


def _bundle(output):
    figure = output.get("metadata", {}).get("figure")
    data = output["data"]
    if figure:
        return "\n".join(figure)
    markup = data.get("text/html", "")
    if _TABLE.search(markup):
        return table_text(markup)
    return _GAP.sub("  ", data.get("text/plain", ""))


def _error(output):
    name, value = output["ename"], plain(output["evalue"]).split("\n")[0][:300]
    where = output.get("line")
    return (f"line {where[0]}: {where[1]}\n" if where else "") + f"{name}: {value}"


def _text(output):
    if output["output_type"] == "stream":
        return plain(output["text"])
    if output["output_type"] == "error":
        return _error(output)
    return _bundle(output)


def cut(text, limit=LIMIT):
    """Head and tail of a text that is too long."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit - limit * 2 // 3
    return f"{text[:head]}\n… [{len(text) - head - tail} characters left out] …\n{text[-tail:]}"


def observe(outputs, limit=LIMIT):
    """The observation of a cell."""
    drawn = any(o.get("metadata", {}).get("figure") for o in outputs)
    kept = [o for o in outputs if not (drawn and _names_a_figure(o))]
    texts = [_text(o).rstrip("\n") for o in kept]
    text = "\n".join(t for t in texts if t)
    return cut(_TAG.sub("‹", text), limit) if text else "(no output)"


def _names_a_figure(output):
    """Whether this is the text that stands beside a figure, such as `<Axes: ...>`."""
    if output["output_type"] not in ("execute_result", "display_data") or output.get("metadata", {}).get("figure"):
        return False
    data = output["data"]
    return "text/html" not in data and re.match(r"<(Figure|Axes)\b", data.get("text/plain", "")) is not None
