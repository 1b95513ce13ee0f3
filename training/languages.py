"""Questions in other languages than English, for models that speak them; the embedded one speaks English alone.

What is asked, computed and checked is the same as in English. Only the words of the question differ, and names of columns
stand in them as the table spells them.
"""

from .phrases import fill, side
from .wordings_languages import AGGREGATES, FILE, QUESTIONS

LANGUAGES = sorted(QUESTIONS)
DIGITS = {"two": "2", "three": "3", "four": "4", "five": "5"}


class Unsaid(Exception):
    """A family has no wording in a language."""


def question(rng, language, family, slots, evaluation):
    """A question of a family about columns (given as such) and other words."""
    if family not in QUESTIONS[language]:
        raise Unsaid(family)
    texts = {key: value.text if hasattr(value, "kind") else DIGITS.get(value, value) for key, value in slots.items()}
    lines = side(QUESTIONS[language][family].strip().split("\n"), evaluation)
    return fill(rng, rng.choice(lines), texts)


def aggregate(rng, language, agg):
    """A word for an aggregate."""
    return rng.choice(AGGREGATES[language][agg])


def about(question, language, file):
    """The question, and which file it is about."""
    return FILE[language].format(question, file)
