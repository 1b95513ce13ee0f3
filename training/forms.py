"""Command: writes the forms of the thoughts, the code and the answers that episodes hold.

A form is a text in which names, numbers and the variable of the table are marks. The grammar of the agent keeps the
model to them (`agent/src/forms.rs`, which names the marks).
"""

import argparse
import json
import pathlib
import re

from .player import Player
from .tasks import listed

NAME, NUMBER, VARIABLE, SEPARATOR = "\ue000", "\ue001", "\ue002", "\x1f"
SAME_NAME, SAME_NUMBER, SAME_THOUGHT = 0xE010, 0xE020, 0xE030  # The n-th of the code or thought that is followed.
COLUMN, CELL, LAST = (0xE100, 0xE140), 0xE200, 0xE300  # Rows of the code's first and second column; cells of the output.
LISTS = [("\ue003", None), ("\ue005", 8), ("\ue004", 6)]  # Header cells, all or the first ones.
ALL = "\ue006"  # All cells.
NOTHING = "\ue00b"  # What is followed where neither a file nor a table is.
ZERO = "\ue00c"  # A zero that the mark after it must have read.
SMALL, LARGE = "\ue00d", "\ue00e"  # The mark after it must have read a number below 0.05, or none such.
FALLING, RISING = "\ue00f", "\ue00a"  # The mark after it must have read a negative number, or none such.
MEASURE, GROUP, DATE = "\ue007", "\ue008", "\ue009"  # A numeric column; a column that is none; one of dates.
DIGITS = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
FIRST = 10**9  # Seeds that no shard uses.
IN_TEXT = re.compile(rf"(?<![\w.]){DIGITS}(?![\w])")
IN_CODE = re.compile("|".join(rf"(?<={before}){DIGITS}" for before in (
    "[<>] ", "[<>]= ", "== ", r"est\(", "bins=", r"KMeans\(", r"rolling\(")) + rf"|(?<=quantile\(){DIGITS}(?= / 100)")
OPTIONS = re.compile(r'(?<=sep=)"[^"]*"|(?<=aggfunc=)"[^"]*"|(?<=to_period\()"[^"]*"')
TITLE = re.compile(r'(?<=title=)"([^"]*)"')
BEGINNINGS = ("", "Distribution of ", "Rows by ", *(f"{agg} of " for agg in ("mean", "sum", "median", "min", "max")))
JOINERS = (" by ", " over ", " against ")


def parts_of(text, in_code=False):
    """The quoted names and the numbers outside of quotes, in order."""
    text = TITLE.sub("", OPTIONS.sub("", text))
    numbers = IN_CODE if in_code else IN_TEXT
    return re.findall(r'"([^"]*)"', text), numbers.findall(re.sub(r'"[^"]*"', '""', text))


def mark(text, parts, first, free):
    """The mark of a name or a number: the place of what stands among `parts` already, or a free one."""
    return chr(first + parts.index(text)) if text in parts else free


def of_text(text):
    """The form of the thought of a step."""
    return IN_TEXT.sub(NUMBER, re.sub(r'"[^"]*"', f'"{NAME}"', text))


def with_kinds(thought, kinds):
    """The form of a thought whose places tell what they hold: numeric columns alone, or never such a column.

    `kinds` are the sets of kinds that were seen at each place.
    """
    sure = {frozenset(["number"]): MEASURE, frozenset(["date"]): DATE}
    marks = [sure.get(frozenset(seen), GROUP if seen and "number" not in seen else NAME) for seen in kinds]
    return re.sub(NAME, lambda _: marks.pop(0), thought)


def of_title(title, names):
    """The form of a figure's title, which repeats names of the thought."""
    for begin in BEGINNINGS:
        for one, first in enumerate(names):
            if title == begin + first:
                return f"{begin}{chr(SAME_NAME + one)}"
            for joiner in JOINERS:
                for two, second in enumerate(names):
                    if title == f"{begin}{first}{joiner}{second}":
                        return f"{begin}{chr(SAME_NAME + one)}{joiner}{chr(SAME_NAME + two)}"
    return NAME


def of_code(code, variable, before=((), ())):
    """The form of code; options such as separators stay, and `.round(3)` and the like are no places."""
    names, numbers = before
    if not code.startswith("both = ") and re.search(r"\bboth\b", code):
        variable = "both"
    kept = [found[0] for found in OPTIONS.finditer(code)] + [f'"{of_title(t, names)}"' for t in TITLE.findall(code)]
    code = TITLE.sub("\x00", OPTIONS.sub("\x00", code))
    code = IN_CODE.sub(lambda m: mark(m[0], numbers, SAME_NUMBER, NUMBER), code)
    code = re.sub(r'"([^"]*)"', lambda m: f'"{mark(m[1], names, SAME_NAME, NAME)}"', code)
    code = re.sub(rf"(?<![\w.\"]){re.escape(variable)}(?![\w\"])", VARIABLE, code)
    for option in kept:
        code = code.replace("\x00", option, 1)
    return code


class Output:
    """What can be read off an observation: the cells in order, and the table if there is one."""

    def __init__(self, text):
        lines = [x for x in text.split("\n") if not x.startswith(("Name:", "dtype:", "Length:", "Freq:"))]
        rows = [x.split("|") for x in lines if "|" in x]
        self.header, self.rows = rows[0] if rows else [], rows[1:]
        self.cells = [c.strip() for line in lines for c in self._cells(line)]

    @staticmethod
    def _cells(line):
        if "|" in line:
            return line.split("|")
        if "  " in line:
            return line.rsplit("  ", 1)
        line = line.strip("()")
        return line.split(", ") if ", " in line else line.split()

    def column(self, name):
        """The values below a header cell."""
        at = self.header.index(name) if name in self.header else None
        return [] if at is None else [row[at] for row in self.rows if len(row) > at]


def with_verdict(form):
    """The form of an answer whose words follow from a number: a p value below 0.05, the sign of a slope."""
    is_large = any(said in form for said in ("not significant", "no clear trend", "no dependence"))
    form = re.sub(r"(?<=\(p = )(?=.\))", LARGE if is_large else SMALL, form)
    for said, mark_of_sign in (("a falling trend: ", FALLING), ("a rising trend: ", RISING)):
        form = form.replace(said, said + mark_of_sign)
    return form


class Reader:
    """Replaces what an answer tells by marks of where it was read."""

    def __init__(self, code, thought, output):
        (self.names, self.numbers), (self.said, _) = parts_of(code, in_code=True), parts_of(thought)
        self.output, self.at = output, {}

    def form(self, answer):
        """The form of an answer."""
        for one, count in LISTS:
            if self.output.header and listed(self.output.header[:count]) in answer:
                answer = answer.replace(listed(self.output.header[:count]), one)
        if len(self.output.cells) > 1 and listed(self.output.cells) in answer:
            answer = answer.replace(listed(self.output.cells), ALL)
        either = re.compile(rf'"([^"]*)"|{IN_TEXT.pattern}')
        return either.sub(lambda m: f'"{self._name(m[1])}"' if m[0].startswith('"') else self._number(m[0]), answer)

    def _name(self, text):
        if text in self.said:
            return chr(SAME_THOUGHT + self.said.index(text))
        return mark(text, self.names, SAME_NAME, None) or self._read(text) or NAME

    def _number(self, text):
        return mark(text, self.numbers, SAME_NUMBER, None) or self._read(text) or NUMBER

    def _read(self, text):
        for first, name in zip(COLUMN, self.names):
            at = self._next(first, self.output.column(name), text)
            if at is not None:
                return chr(first + at)
        cells = self.output.cells
        at = self._next(CELL, cells, text)
        if at is None:
            return None
        return chr(CELL + at) if at < 24 else chr(LAST + len(cells) - 1 - at) if len(cells) - at <= 4 else None

    def _next(self, key, texts, text):
        """Where a text stands, if possible after what was read there before."""
        found = [i for i, x in enumerate(texts) if x == text]
        later = [i for i in found if i > self.at.get(key, -1)]
        if not found:
            return None
        self.at[key] = (later or found)[0]
        return self.at[key] if self.at[key] < 64 else None


def of_episode(episode, kinds):
    """The forms of one chat; what its thoughts name is added to `kinds`."""
    code, seen, variable = "", "", episode.variable
    for move, thought, text in episode.moves:
        if move == "seen":
            seen = thought
        elif move == "stop":
            answer = re.sub(rf"as {re.escape(variable)}\.", f"as {VARIABLE}.", text)
            last = Reader(code, "", Output(seen)).form(thought)
            if thought.endswith(" 0."):
                last = f"{last[:-2]}{ZERO}{last[-2:]}"
            answer = with_verdict(Reader(code, thought, Output(seen)).form(answer))
            after = of_code(code, variable) if code or episode.kinds else NOTHING
            yield SEPARATOR.join((after, last, answer))
            code = seen = ""
        else:
            if move == "step":
                form = of_text(thought)
                for seen, name in zip(kinds.setdefault(form, [set() for _ in range(9)]), parts_of(thought)[0]):
                    seen.add("text" if thought.startswith("Make ") else episode.kinds.get(name))
                yield SEPARATOR.join((form, of_code(text, variable, parts_of(thought))))
            code = text


def main():
    """`python -m training.forms --out FILE --episodes N`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--episodes", type=int, default=6000)
    parser.add_argument("--scratch", default="/dev/shm/forms")
    args = parser.parse_args()
    out, player, found, kinds = args.out.resolve(), Player(args.scratch), {}, {}
    for seed in range(FIRST, FIRST + args.episodes):
        for episode in (player.play(seed), player.decide(seed)):
            for form in of_episode(episode, kinds):
                found[form] = found.get(form, 0) + 1
    usual = []
    for form in (form for form, count in found.items() if count > 1):
        thought, rest = form.split(SEPARATOR, 1)
        usual.append(SEPARATOR.join((with_kinds(thought, kinds[thought]), rest)) if SEPARATOR not in rest else form)
    out.write_text(json.dumps(sorted(usual), ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{len(usual)} forms; {len(found) - len(usual)} were seen only once and are left out")


if __name__ == "__main__":
    main()
