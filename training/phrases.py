"""Makes questions out of wordings."""

import re

from . import wordings, wordings_deep, wordings_more
from .requests import FOLLOW as FOLLOW_FIRST, GREETINGS, OUTSIDE  # noqa: F401
from .wordings import AGGREGATES

QUESTIONS = {**wordings.QUESTIONS, **wordings_more.QUESTIONS, **wordings_deep.QUESTIONS}
FOLLOW = {**FOLLOW_FIRST, **wordings_deep.FOLLOW}

# Words that say nothing about data in any sentence; those that may be a value (no, on, other) are left out.
ORDINARY = """
i me my we us our you your he him his she her it its they them their this that these those am is are was were be been
being have has had having do does did doing would could should may might must shall will can cannot need want like love
wish hope think know tell say said ask asked let get give please kindly thanks thank hi hello hey dear good morning
afternoon evening day great nice ok okay sure well just only also too then than so and or but if because while when where
who whom whose which what why how as at by for from in into of to with about after again before between during each every
all any both few more most some such same very here there now once quickly quick briefly possible able interested curious
""".strip()
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
    return sorted({*re.findall(r"[a-z]+", said), *ORDINARY.split()})


def word(rng, words, evaluation=False):
    """One of some words; evaluation may use all of them, training not those with a star."""
    usable = [x.lstrip("*") for x in words if evaluation or not x.startswith("*")]
    return rng.choice(usable)
