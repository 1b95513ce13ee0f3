"""The calls of a trajectory as sequences of tokens with choices among them; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Sequence:
    """Tokens, and the choices among them as pairs of a place (the tokens before it) and the program's record."""

    ids: list[int]
    choices: list[tuple[int, dict]] = field(default_factory=list)


def sequences(calls: list[dict]) -> list[Sequence]:
    """The calls of a trajectory as few sequences: one that goes on where another ended is read with it.

    Where the program shortened what stood before, a new one begins.
    """
    found: list[Sequence] = []
    for call in calls:
        prompt = call["prompt"]
        if not found or prompt[: len(found[-1].ids)] != found[-1].ids:
            found.append(Sequence([]))
        last = found[-1]
        last.ids = prompt + call["tokens"]
        last.choices += [(len(prompt) + choice["at"], choice) for choice in call["decisions"]]
    return found
