"""What a family of questions needs: the table at hand, ways to speak of it, and the task that comes out."""

import math
import re
from dataclasses import dataclass, field

import pandas as pd

from . import languages, names, phrases
from .hasty import hasty

OPENINGS = ["Hi, ", "I want to know: ", "Quick question: ", "Tell me: ", "Hello! "]
MORE_OPENINGS = [
    "Good day. ", "Hey there! ", "Next: ", "One more thing: ", "A question: ", "My boss asks: ", "For a report: ",
    "I am curious: ", "This is what we would like: ", "Now ", "Then ", "So, ", "Ok. ", "Okay, ", "Please help me: ",
    "I was asked this: ", "If you could: ", "First of all, ", "Just ", "As a start: ", "Let us go on. ",
]
CLOSINGS = [
    ", thanks.", ", thank you!", " if possible.", " if you can.", ", please.", " for my report.", " for the meeting.",
    ", would you?", ", could you?", ". Thanks!", " again.", " now.", ", as before.", " here.",
]
HURRIED = 0.15  # Share of training's questions that are typed in a hurry.


@dataclass
class Task:
    """A question, the steps that answer it, and how the answer is read off the last observation.

    `steps` are pairs of a thought and code; `read(texts)` gets the observations of the steps and gives the
    closing thought, the answer, and the values that a right answer must contain.
    """

    family: str
    question: str
    steps: list
    read: object
    kind: str = "number"
    memory: dict = field(default_factory=dict)


class Context:
    """Picks columns and values of one table and words for them; `v` is the variable that holds the table."""

    def __init__(self, rng, pools, table, frame, v="df", seen=True):
        self.rng, self.pools, self.table, self.frame, self.v = rng, pools, table, frame, v
        self.seen = seen
        self.evaluation = pools.evaluation

    def pick(self, *kinds, n=1, exclude=()):
        """`n` different columns of some kinds, or none if the table has too few."""
        usable = [c for c in self.table.of(*kinds) if c not in exclude]
        if len(usable) < n:
            return None
        chosen = self.rng.sample(usable, n)
        return chosen[0] if n == 1 else chosen

    def group(self, most=12, exclude=()):
        """A column to group by."""
        usable = [c for c in self.table.columns if c not in exclude and c.kind in ("category", "flag", "date")]
        usable = [c for c in usable if c.kind != "date" or isinstance(c.values[0], int)]
        usable = [c for c in usable if 2 <= self.frame[c.text].nunique() <= most]
        return self.rng.choice(usable) if usable else None

    def say(self, column, many=False):
        """A mention of a column."""
        return names.mention(self.rng, column.name, self.table.names, many)

    def ask(self, family, **slots):
        """A question of a family about columns (given as such) and other words."""
        if self.pools.language:
            return languages.question(self.rng, self.pools.language, family, slots, self.evaluation)
        texts = {}
        for key, value in slots.items():
            if hasattr(value, "kind"):
                texts[key], texts[key + "s"] = self.say(value), self.say(value, many=True)
            else:
                texts[key] = value
        return self.typed(phrases.question(self.rng, family, texts, self.pools), texts)

    def typed(self, question, slots):
        """A question as somebody types it; what fills its slots stays as it is."""
        question = noise(self.rng, question, self.evaluation)
        if self.evaluation or self.rng.random() >= HURRIED:
            return question
        return hasty(question, self._words(slots), self.rng)

    def _words(self, slots):
        """The words of the table and of what fills slots, in small letters."""
        texts = [self.table.stem, *(text for c in self.table.columns for text in (c.text, *c.name.words))]
        texts += [value for c in self.table.columns for value in c.values if isinstance(value, str)]
        texts += [text for text in slots.values() if isinstance(text, str)]
        return {word.lower() for text in texts for word in re.findall("[A-Za-z]+", text)}

    def word(self, words):
        """One of some words, starred ones only for evaluation."""
        return phrases.word(self.rng, words, self.evaluation)

    def aggregate(self, among=("mean", "mean", "mean", "sum", "sum", "median", "max", "min", "std")):
        """An aggregate and a word for it."""
        agg = self.rng.choice(among)
        if self.pools.language:
            return agg, languages.aggregate(self.rng, self.pools.language, agg)
        word = self.word(phrases.AGGREGATES[agg])
        if not word.endswith(" of") and self.rng.random() < 0.25:
            word += self.rng.choice([" of", " of", " of the", " value of"])
        return agg, word

    def value(self, column):
        """A value of a categorical column: how it is written in code and how a question says it."""
        value = self.rng.choice([x for x in self.frame[column.text].dropna().unique().tolist()])
        return literal(value), str(value)

    def shown(self, column, value):
        """Whether the first rows, which the model has seen, hold a value."""
        return self.seen and value in self.frame[column.text].head(3).tolist()

    def telling(self, column, value):
        """Whether a value alone tells its column: a word that the first rows show there and nowhere else."""
        if len(value) < 3 or not value[0].isalpha() or not self.shown(column, value):
            return False
        return not any(self.shown(c, value) for c in self.table.columns if c is not column)

    def bound(self, column):
        """A round number that splits a numeric column."""
        values = self.frame[column.text].dropna()
        bound = float(values.quantile(self.rng.uniform(0.15, 0.85)))
        digits = 0 if values.std() > 5 else 1 if values.std() > 0.5 else 2
        if values.std() > 200:
            digits = -1
        bound = round(bound, digits)
        return str(int(bound)) if bound == int(bound) else str(bound)


def noise(rng, question, evaluation):
    """Small differences in how people type: no capital at the start, no mark at the end, words of courtesy.

    Evaluation has few of the openings that training has, and no closings.
    """
    roll = rng.random()
    if roll < 0.12 and question[1:2].islower():
        question = question[0].lower() + question[1:]
    elif roll < 0.16 and question[1:2].islower():
        question = f"Please {question[0].lower()}{question[1:]}"
    if rng.random() < 0.12:
        question = question.rstrip(".?")
    if rng.random() < (0.05 if evaluation else 0.12):
        question = rng.choice(OPENINGS if evaluation else OPENINGS + MORE_OPENINGS) + question
    if not evaluation and rng.random() < 0.06:
        question = question.rstrip(".?!") + rng.choice(CLOSINGS)
    return question


def literal(value):
    """A cell's value as Python source."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def listed(texts):
    """Names or values one after the other."""
    return ", ".join(map(names.quote, texts))


def pairs(text):
    """The label and value of each row of a printed Series."""
    rows = []
    for line in text.split("\n"):
        if line.startswith(("Name:", "dtype:", "Length:", "Freq:")) or "  " not in line:
            continue
        label, value = line.rsplit("  ", 1)
        rows.append((label.strip(), value.strip()))
    return rows


def table_rows(text):
    """The rows of a table observation, header first."""
    return [line.split("|") for line in text.split("\n") if "|" in line]


def ranked(items, joiner=", "):
    """`"North" 120.5, "South" 99.0` for a few pairs; for many the first three and the last."""
    shown = [f"{names.quote(label)} {value}" for label, value in items]
    if len(shown) <= 4:
        return joiner.join(shown)
    return f"{joiner.join(shown[:3])}, …, {shown[-1]}"


def readable(frame, column):
    """Whether a column's mean and the like are finite numbers."""
    return column is not None and math.isfinite(pd.to_numeric(frame[column.text], errors="coerce").mean())
