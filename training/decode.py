"""Greedy decoding with the rules that the agent applies: forced tags, and known names between quotes."""

import re

import torch

from . import tokens
from .export import LITERALS
from .model import Cache, Model, Shape

TAG = {name: i for i, name in enumerate(tokens.ADDED)}

ROOM = {"thought": 60, "code": 200, "answer": 160}


def load(checkpoint):
    """The model of a checkpoint, ready to read."""
    saved = torch.load(checkpoint, weights_only=False, map_location="cpu")
    model = Model(Shape(**saved["shape"]))
    model.load_state_dict(saved["model"])
    return model.eval()


def known_names(text):
    """What code may write between quotes: names, cells and words that stand in the chat."""
    found = set(LITERALS)
    for line in re.findall(r"^Files: (.*)$", text, re.M):
        found.update(line.split(", "))
    for group in re.findall(r"\(([^\n]*?)\)(?:;|<\|im_end\|>)", text):
        found.update(group.split(", "))
    for seen in re.findall(r"<observation>\n(.*?)\n</observation>", text, re.S):
        for line in seen.split("\n"):
            found.update(line.split("|"))
            found.update(line.split(";"))
            found.add(line)
            if "  " in line:
                found.add(line.rsplit("  ", 1)[0].strip())
    for question in re.findall(r"<\|im_start\|>user\n(.*?)\n", text):
        words = question.split()
        for size in range(1, 5):
            for at in range(len(words) - size + 1):
                part = " ".join(words[at : at + size])
                found.update({part, part.strip("?.!,:;()"), part.rstrip("?.!,:;"), part.rstrip("?.!,:;)")})
    return {name for name in found if name and '"' not in name}


class Reader:
    """One chat: the text so far, fed to the model token by token."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model, tokenizer
        self.cache, self.text, self.logits = Cache(), "", None
        self.quote = tokenizer.encode('"', add_special_tokens=False).ids[0]

    @torch.inference_mode()
    def _read(self, ids):
        self.logits = self.model(torch.tensor([ids]), self.cache)[0, -1]

    def force(self, text):
        """Appends text that somebody else wrote."""
        self.text += text
        self._read(tokens.encode(self.tokenizer, text))

    def _take(self, allowed=None):
        """The best token, among some if given; it is read at once."""
        if allowed is None:
            token = int(self.logits.argmax())
        else:
            allowed = sorted(allowed)
            token = allowed[int(self.logits[allowed].argmax())]
        self._read([token])
        return token

    def choose(self, options):
        """One of several tags."""
        token = self._take([TAG[o] for o in options])
        self.text += tokens.ADDED[token]
        return tokens.ADDED[token]

    def until(self, close, room):
        """Free text up to a tag, which is kept out of the result."""
        ids = []
        while len(ids) < room:
            token = self._take()
            if token < len(tokens.ADDED):
                break
            ids.append(token)
        text = self.tokenizer.decode(ids, skip_special_tokens=False)
        self.text += text + close
        if len(ids) == room or token != TAG[close]:
            self._read([TAG[close]])
        return text

    def code(self, room):
        """Code up to its closing tag; between quotes only known names are written."""
        names = [tokens.encode(self.tokenizer, n) for n in known_names(self.text)]
        ids, inside = [], None
        while len(ids) < room:
            token = self._take(self._names_on(names, inside) if inside is not None else None)
            if token < len(tokens.ADDED):
                break
            ids.append(token)
            if token == self.quote:
                inside = [] if inside is None else None
            elif inside is not None:
                inside.append(token)
        text = self.tokenizer.decode(ids, skip_special_tokens=False)
        self.text += text + "</action_input>"
        if token != TAG["</action_input>"]:
            self._read([TAG["</action_input>"]])
        return text.rstrip("\n")

    def _names_on(self, names, inside):
        """Tokens that go on with a name, or end it."""
        size, allowed = len(inside), set()
        for name in names:
            if name[:size] == inside:
                allowed.add(name[size] if len(name) > size else self.quote)
        return allowed or {self.quote}
