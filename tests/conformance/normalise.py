"""What two runs of the same cell may differ in: ids, times, addresses. Nothing else."""

from __future__ import annotations

import json
import re

# Comms, widgets and displays: 32 digits of a UUID, with or without dashes. Numbered,
# so that two stay apart.
ID = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}(-?)[0-9a-f]{4}(\1[0-9a-f]{4}){2}\1[0-9a-f]{12}(?![0-9a-f])"
)
PLAIN = [
    ("<message>", re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{24}_\d+_\d+\b")),
    ("<address>", re.compile(r"\b0x[0-9a-f]{6,16}\b")),
    ("<file of a cell>", re.compile(r"/[^\s\"']*/ipykernel_\d+/\d+\.py")),
    ("<process>", re.compile(r"\bipykernel_\d+\b")),
    ("<time>", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")),
]


def normalise(messages: list[tuple[str, dict]], folders: dict[str, str]) -> list[str]:
    """One line a message. `folders` maps what only one side has (its folder) to a word.

    Adjacent pieces of one stream are joined: how a text is cut is not its content.
    """
    lines = [json.dumps(pair, sort_keys=True, ensure_ascii=True) for pair in _joined(messages)]
    text = "\n".join(lines)
    for folder, word in folders.items():
        text = text.replace(folder, word)
    for word, pattern in PLAIN:
        text = pattern.sub(word, text)
    names: dict[str, str] = {}
    text = ID.sub(lambda match: names.setdefault(match[0], f"<id {len(names) + 1}>"), text)
    return text.split("\n")


def _joined(messages: list[tuple[str, dict]]) -> list[tuple[str, dict]]:
    joined: list[tuple[str, dict]] = []
    for kind, content in messages:
        last_kind, last = joined[-1] if joined else ("", {})
        if kind == last_kind == "stream" and content["name"] == last["name"]:
            joined[-1] = (kind, {**last, "text": last["text"] + content["text"]})
        else:
            joined.append((kind, content))
    return joined
