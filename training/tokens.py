"""The tokenizer: byte-level BPE in which capitals are marks, digits and quotes stand alone, and tags are tokens."""

import json
import string

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TAGS = ["step", "thought", "action", "action_input", "observation", "stop_analysis", "answer", "think"]
ADDED = SPECIAL + [f"<{slash}{tag}>" for tag in TAGS for slash in ("", "/")]
MARK = "\x01"
PIECES = r"""\x01|[a-z]+|[0-9]|_|"|'|\n|[ \t]+|[^a-z0-9_"'\s\x01]+"""
VOCABULARY = 2048


def blank():
    """A tokenizer that has its rules but no merges yet."""
    tokenizer = Tokenizer(models.BPE())
    capitals = string.ascii_uppercase
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(c, MARK + c.lower()) for c in capitals])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
    ])
    restore = [decoders.Replace(MARK + c.lower(), c) for c in capitals]
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Fuse(), *restore])
    return tokenizer


def learn(texts):
    """Learns the merges from texts; the tags become tokens that are not flagged special."""
    tokenizer = blank()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=ADDED, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    data = json.loads(tokenizer.to_str())
    for token in data["added_tokens"]:
        token["special"] = token["content"] in SPECIAL
    return Tokenizer.from_str(json.dumps(data))


def load(path):
    """The tokenizer of a file."""
    return Tokenizer.from_file(str(path))


def encode(tokenizer, text):
    """Token ids of a text."""
    return tokenizer.encode(text, add_special_tokens=False).ids


def pieces(tokenizer):
    """The tokens of at least two small letters, in a fixed order."""
    return sorted(t for t in tokenizer.get_vocab() if len(t) > 1 and t.isascii() and t.isalpha() and t.islower())
