"""Questions as people type them in a hurry: a slip of the keys, a word left out, small letters, a word of courtesy.

GRPO begins from a model that answers nearly all questions of its training; these it does not know, and the answers are
the same. Names and values of the data stay as they are.
"""

from __future__ import annotations

import random
import re

BEFORE = ("hi, ", "quick one: ", "hello there, ", "so, ", "ok, ", "next: ", "for my report: ", "sorry to bother you, ")
AFTER = (" thanks", ", thank you", " cheers", ", it is for a report", " asap", ", no rush")
LIGHT = {"the", "please", "just", "me", "could", "you", "can", "a", "an", "all", "give", "is", "are"}


def hasty(question: str, names: set[str], chance: random.Random) -> str:
    """The question with one to three changes; `names` are words, in small letters, that stay whole."""
    for change in chance.sample((slip, leave_out, in_small_letters, be_polite), chance.randint(1, 3)):
        question = change(question, names, chance)
    return question


def slip(question: str, names: set[str], chance: random.Random) -> str:
    """Two letters of a word swapped, one left out, or one twice."""
    places = [found for found in re.finditer(r"[A-Za-z]{5,}", question) if found.group().lower() not in names]
    if not places:
        return question
    found = chance.choice(places)
    word, at = found.group(), chance.randrange(1, len(found.group()) - 2)
    slips = (word[:at] + word[at + 1] + word[at] + word[at + 2:], word[:at] + word[at + 1:], word[:at] + word[at] + word[at:])
    return question[: found.start()] + chance.choice(slips) + question[found.end():]


def leave_out(question: str, names: set[str], chance: random.Random) -> str:
    """Without one of the words that say little."""
    places = [found for found in re.finditer(r"\b[A-Za-z]+ ", question)
              if found.group().strip().lower() in LIGHT - names]
    if not places:
        return question
    found = chance.choice(places)
    return question[: found.start()] + question[found.end():]


def in_small_letters(question: str, names: set[str], _: random.Random) -> str:
    """Without capitals, but for those of names, and without a mark at its end."""
    small = re.sub(r"[A-Za-z]+", lambda found: found.group() if found.group().lower() in names else found.group().lower(), question)
    return small.rstrip("?. ")


def be_polite(question: str, _: set[str], chance: random.Random) -> str:
    """With a word before it or after it."""
    if chance.random() < 0.5:
        return chance.choice(BEFORE) + question
    return question.rstrip("?. ") + chance.choice(AFTER)


def names_of(orders: list[dict]) -> set[str]:
    """The words of an episode's data: of its files, their names, and what its code has between quotes."""
    texts = [text for file in orders[0].get("files", []) for text in (file["name"], file.get("text", ""))]
    texts += [text for order in orders for move in order["solution"] for text in re.findall(r'"([^"]*)"', move.get("code", ""))]
    return {word.lower() for text in texts for word in re.findall(r"[A-Za-z]+", text)}
