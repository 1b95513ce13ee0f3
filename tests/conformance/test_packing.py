"""The companion's JSON of messages with long texts: byte for byte that of `jupyter_client`."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest
from jupyter_client.session import json_packer

SOURCE = Path(__file__).parents[2] / "kernel/src/companion/packing.py"
spec = importlib.util.spec_from_file_location("packing", SOURCE)
packing = importlib.util.module_from_spec(spec)
spec.loader.exec_module(packing)
pack = packing.packer(json_packer)

LONG = packing.LONG
EVERY = "".join(map(chr, range(0x180))) + "\u2028\ud7ff\ufffd😀"


def drawn(seed: int) -> str:
    """A long text of signs that are escaped, of others, and of runs of both."""
    chance = random.Random(seed)
    runs = [chance.choice(EVERY) * chance.choice((1, 1, 1, 50)) for _ in range(LONG)]
    return "".join(runs)


@pytest.mark.parametrize(
    "message",
    [
        {"name": "stdout", "text": "x" * LONG},
        {"name": "stdout", "text": "x" * (LONG - 1)},
        {"text": EVERY * LONG},
        {"data": {"text/plain": "é\n" * LONG, "image/png": "iVBOR" * LONG, "text/html": "<b>"}, "metadata": {}},
        {"data": {"application/json": {"deep": ["y" * LONG, "z" * LONG]}}, "transient": {"display_id": "a"}},
        {"text": "\\" * LONG, "other": '"' * LONG, "third": "\x00" * LONG},
        {"text": "x" * LONG, "told": packing.MARK},
        {packing.MARK: "x" * LONG},
        {"text": packing.MARK * LONG},
        {"text": "\udc80" * LONG},
        {"code": "x" * LONG, "ename": None, "count": 1, "when": 1.5, "list": ["a"]},
        {1: "x" * LONG},
        "x" * LONG,
        *({"text": drawn(seed), "data": {"a": drawn(seed + 100)}} for seed in range(5)),
    ],
)
def test_long_texts_are_packed_to_the_same_bytes(message: object) -> None:
    assert pack(message) == json_packer(message)


@pytest.mark.filterwarnings("ignore:Message serialization failed")
def test_what_json_refuses_is_refused_as_before() -> None:
    with pytest.raises(UnicodeEncodeError):
        json_packer({"text": "\ud800" * LONG})
    with pytest.raises(UnicodeEncodeError):
        pack({"text": "\ud800" * LONG})


def test_a_message_is_not_changed_by_being_packed() -> None:
    message = {"data": {"text/plain": "x" * LONG}}
    pack(message)
    assert message == {"data": {"text/plain": "x" * LONG}}
