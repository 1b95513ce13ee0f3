"""Makes questions out of wordings."""

import collections
import functools
import json
import pathlib
import re

from . import hasty, requests, wordings, wordings_deep, wordings_more, words
from .wordings import AGGREGATES


def _by_others(name):
    return json.loads(pathlib.Path(__file__).with_name(name).read_text(encoding="utf-8"))


def _lines():
    """The wordings of each kind of question, of follow-ups, and of what is said besides."""
    questions = {**wordings.QUESTIONS, **wordings_more.QUESTIONS, **wordings_deep.QUESTIONS}
    follow = {**requests.FOLLOW, **wordings_deep.FOLLOW}
    lines = {kind: text.strip().split("\n") for kind, text in questions.items()}
    lines |= {f"follow_{kind}": said for kind, said in follow.items()}
    lines |= {"outside": requests.OUTSIDE, "greeting": requests.GREETINGS}
    return {kind: said + WIDE.get(kind, []) for kind, said in lines.items()}


# By two other authors, of whom neither knew the rest.
WIDE = _by_others("wordings_wide.json")
WORDINGS = _lines()


@functools.cache
def apart():
    """Wordings by somebody who had seen neither the others nor the rules of decoding: for evaluation alone."""
    return _by_others("wordings_apart.json")


# Words that say nothing about data in any sentence; those that may be a value (no, on, other) are left out.
ORDINARY = """
i me my we us our you your he him his she her it its they them their this that these those am is are was were be been
being have has had having do does did doing would could should may might must shall will can cannot need want like love
wish hope think know tell say said ask asked let get give please kindly thanks thank hi hello hey dear good morning
afternoon evening day great nice ok okay sure well just only also too then than so and or but if because while when where
who whom whose which what why how as at by for from in into of to with about after again before between during each every
all any both few more most some such same very here there now once quickly quick briefly possible able interested curious
""".strip()
SHARED = 3  # Kinds that say a word of the wide wordings.
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


def said(kind, pools):
    """The wordings of a kind that the side of some words may use; all kinds that single questions have stand apart."""
    return apart()[kind] if pools.apart and kind in apart() else side(WORDINGS[kind], pools.evaluation)


def question(rng, kind, slots, pools):
    """A question of a kind."""
    return fill(rng, rng.choice(said(kind, pools)), slots)


def known_words():
    """The words that training's questions ask with, whatever they ask about.

    Of the wide wordings, which also say what for ("for the nurses' meeting"), those that several kinds have and that are
    no names or values of tables.
    """
    besides = ("outside", "greeting")
    texts = [line for kind, lines in WORDINGS.items() if kind not in besides for line in lines if line not in WIDE.get(kind, [])]
    texts += [word for words in AGGREGATES.values() for word in words]
    kinds = collections.Counter(word for kind, lines in WIDE.items() if kind not in besides for word in set(_words(lines)))
    shared = {word for word, count in kinds.items() if count >= SHARED and len(word) > 1} - words.in_tables()
    return sorted({*_words(side(texts, False)), *shared, *_words([*hasty.BEFORE, *hasty.AFTER]), *ORDINARY.split()})


def _words(lines):
    return re.findall(r"[a-z]+", _SLOT.sub(" ", " ".join(lines).lower()))


def word(rng, among, evaluation=False):
    """One of some words; evaluation may use all of them, training not those with a star."""
    usable = [x.lstrip("*") for x in among if evaluation or not x.startswith("*")]
    return rng.choice(usable)
