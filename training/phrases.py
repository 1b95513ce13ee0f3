"""Makes questions out of wordings."""

import re

from .wordings import AGGREGATES, FOLLOW, GREETINGS, OUTSIDE, QUESTIONS  # noqa: F401

_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"<([a-z]+)>")


def fill(rng, template, slots):
    """Chooses among the alternatives of a template and fills in its slots."""
    while True:
        found = _CHOICE.search(template)
        if not found:
            break
        template = template[: found.start()] + rng.choice(found[1].split("|")) + template[found.end() :]
    text = _SLOT.sub(lambda m: str(slots[m[1]]), template)
    return " ".join(text.split())


def side(lines, evaluation):
    """The wordings that training, or evaluation, may use."""
    return [line.lstrip("*") for line in lines if line.startswith("*") == evaluation]


def question(rng, family, slots, evaluation):
    """A question of a family; slots may be functions, which are called only when used."""
    lines = side(QUESTIONS[family].strip().split("\n"), evaluation)
    template = rng.choice(lines)
    return fill(rng, template, slots)


def known_words():
    """The words that training's questions ask with, whatever they ask about."""
    texts = [*"\n".join(QUESTIONS.values()).split("\n"), *(line for lines in FOLLOW.values() for line in lines)]
    texts += [word for words in AGGREGATES.values() for word in words]
    said = _SLOT.sub(" ", " ".join(side([text for text in texts if text], False)).lower())
    return sorted(set(re.findall(r"[a-z]+", said)))


def word(rng, words, evaluation=False):
    """One of some words; evaluation may use all of them, training not those with a star."""
    usable = [x.lstrip("*") for x in words if evaluation or not x.startswith("*")]
    return rng.choice(usable)
