"""Makes model files of random weights in the shapes of real models, for timing: speed does not depend on values.

    python tests/bench/engine_models.py write 0.5B /tmp/models/0.5B-F16.gguf
    python tests/bench/engine_models.py blocks 8B Q4_K_M /tmp/models/8B-Q4_K_M.gguf
    python tests/bench/engine_models.py tell /tmp/models/0.5B-Q4_K_M.gguf
    python tests/bench/engine_models.py words /tmp/models/0.5B-Q4_K_M.gguf qwen.tiktoken /tmp/models/words.gguf

Run it with a Python that has gguf and numpy. `write` makes an F16 file whose tokenizer llama.cpp and Datarus both
accept; `blocks` makes a quantised one at once, of blocks without meaning, in seconds; `tell` prints as JSON which types
a file's tensors have, and how many bytes one token reads; `words` copies a file and gives it the vocabulary of Qwen
(the package `dashscope` carries it as `resources/qwen.tiktoken`), so that text becomes as many tokens as in life.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata

SEED = 20_240_919
CONTEXT = 32_768
VOCABULARY = 151_936
BOS, IM_START, EOS = 151_643, 151_644, 151_645
NAMED = {BOS: "<|endoftext|>", IM_START: "<|im_start|>", EOS: "<|im_end|>"}
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CHUNK = 1 << 22
"""Numbers made at a time, so that a large tensor needs little more memory than its 16-bit form."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder."""

    architecture: str
    layers: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    head: int
    tied: bool = True

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes, the slowest dimension first, in the order of the file."""
        yield "token_embd.weight", (VOCABULARY, self.width)
        for layer in range(self.layers):
            for name, shape in self._layer():
                yield f"blk.{layer}.{name}", shape
        yield "output_norm.weight", (self.width,)
        if not self.tied:
            yield "output.weight", (VOCABULARY, self.width)

    def _layer(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        queries, keys = self.heads * self.head, self.kv_heads * self.head
        yield "attn_norm.weight", (self.width,)
        for name, rows in (("q", queries), ("k", keys), ("v", keys)):
            yield f"attn_{name}.weight", (rows, self.width)
            if self.architecture == "qwen2":
                yield f"attn_{name}.bias", (rows,)
            elif name != "v":
                yield f"attn_{name}_norm.weight", (self.head,)
        yield "attn_output.weight", (self.width, queries)
        yield "ffn_norm.weight", (self.width,)
        yield "ffn_gate.weight", (self.hidden, self.width)
        yield "ffn_up.weight", (self.hidden, self.width)
        yield "ffn_down.weight", (self.width, self.hidden)


SHAPES = {
    "0.5B": Shape("qwen2", 24, 896, 4_864, 14, 2, 64),
    "1.5B": Shape("qwen2", 28, 1_536, 8_960, 12, 2, 128),
    "8B": Shape("qwen3", 36, 4_096, 12_288, 32, 8, 128, tied=False),
    "14B": Shape("qwen2", 48, 5_120, 13_824, 40, 8, 128, tied=False),
}
"""Qwen2.5-0.5B, Qwen2.5-1.5B, Qwen3-8B and Qwen2.5-14B."""


def byte_tokens() -> list[str]:
    """The 256 bytes in GPT-2's spelling: those that print stand for themselves, the others follow from `U+0100` on."""
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printing else chr(next(others)) for byte in range(256)]


def vocabulary() -> tuple[list[str], list[int]]:
    """Tokens and their types: bytes, the one merge, made-up words, three control tokens, padding."""
    tokens = [*byte_tokens(), "ĠĠ"]
    tokens += [f"word{number}" for number in range(len(tokens), BOS)]
    tokens += [NAMED.get(number, f"[PAD{number}]") for number in range(BOS, VOCABULARY)]
    kinds = [int(gguf.TokenType.NORMAL)] * BOS
    for number in range(BOS, VOCABULARY):
        kinds.append(int(gguf.TokenType.CONTROL if number in NAMED else gguf.TokenType.UNUSED))
    return tokens, kinds


def describe(
    writer: gguf.GGUFWriter, name: str, shape: Shape, kind: gguf.LlamaFileType = gguf.LlamaFileType.MOSTLY_F16
) -> None:
    """Writes sizes, tokenizer and template into the header."""
    writer.add_name(f"{name} of random weights")
    writer.add_file_type(kind)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    tokens, kinds = vocabulary()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def values(name: str, shape: tuple[int, ...], numbers: np.random.Generator) -> np.ndarray:
    """A tensor whose product with a normalised vector stays of the size of one."""
    if name.endswith("norm.weight"):
        return np.ones(shape, np.float32)
    if len(shape) == 1:
        return numbers.standard_normal(shape, np.float32) * np.float32(0.02)
    scale = 0.02 if name.startswith("token_embd") else shape[1] ** -0.5
    filled = np.empty(shape, np.float16)
    flat = filled.reshape(-1)
    for begin in range(0, flat.size, CHUNK):
        part = flat[begin : begin + CHUNK]
        part[:] = numbers.standard_normal(part.size, np.float32) * np.float32(scale)
    return filled


def write(name: str, path: Path) -> None:
    """Writes the F16 file of a shape, one tensor in memory at a time."""
    shape = SHAPES[name]
    writer = gguf.GGUFWriter(path, shape.architecture)
    describe(writer, name, shape)
    for tensor, size in shape.tensors():
        kind = np.dtype(np.float16 if len(size) == 2 else np.float32)
        writer.add_tensor_info(tensor, size, kind, int(np.prod(size)) * kind.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    numbers = np.random.default_rng(SEED)
    for tensor, size in shape.tensors():
        writer.write_tensor_data(values(tensor, size, numbers))
    writer.close()


def pool_of(kind: gguf.GGMLQuantizationType, count: int, numbers: np.random.Generator) -> np.ndarray:
    """So many blocks of a type, any bytes but for the scales, with which products stay of the size of one."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = numbers.integers(0, 256, (count, size), np.uint8)
    scale = lambda value: np.frombuffer(np.float16(value).tobytes(), np.uint8)  # noqa: E731
    if kind == gguf.GGMLQuantizationType.Q4_K:
        # Quarter bytes of 0 to 15 times scales of 0 to 63, less 7.5 times as much on the average.
        blocks[:, 0:2], blocks[:, 2:4] = scale(9e-5), scale(9e-5 * 7.5)
    elif kind == gguf.GGMLQuantizationType.Q6_K:
        blocks[:, -2:] = scale(1.2e-5)
    else:
        blocks[:, 0:2] = scale(2e-4)
    return blocks.reshape(-1)


def kind_of(tensor: str, layers: int, name: str) -> gguf.GGMLQuantizationType:
    """How llama.cpp stores a matrix in a file of this name."""
    kinds = gguf.GGMLQuantizationType
    if name == "Q8_0":
        return kinds.Q8_0
    layer = re.match(r"blk\.(\d+)\.(attn_v|ffn_down)\.", tensor)
    if layer:
        index, eighth = int(layer[1]), layers // 8
        more = index < eighth or index >= 7 * layers // 8 or (index - eighth) % 3 == 2
        return kinds.Q6_K if more else kinds.Q4_K
    return kinds.Q6_K if tensor == "output.weight" else kinds.Q4_K


def blocks(name: str, type_name: str, path: Path) -> None:
    """Writes a quantised file of a shape, of the same blocks over and over."""
    shape = SHAPES[name]
    writer = gguf.GGUFWriter(path, shape.architecture)
    describe(writer, name, shape, gguf.LlamaFileType[f"MOSTLY_{type_name}"])
    tensors = []
    for tensor, size in shape.tensors():
        kind = kind_of(tensor, shape.layers, type_name) if len(size) == 2 else None
        if kind is None:
            writer.add_tensor_info(tensor, size, np.dtype(np.float32), size[0] * 4)
        else:
            per_block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
            if size[1] % per_block:
                raise SystemExit(f"error: `{tensor}` has rows of {size[1]}, expected whole blocks of {per_block}")
            size = (size[0], size[1] // per_block * block_bytes)
            writer.add_tensor_info(tensor, size, np.dtype(np.uint8), size[0] * size[1], raw_dtype=kind)
        tensors.append((tensor, size, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    numbers = np.random.default_rng(SEED)
    kinds = {kind for _, _, kind in tensors if kind is not None}
    pools = {kind: pool_of(kind, 1 << 17, numbers) for kind in kinds}
    for tensor, size, kind in tensors:
        filled = values(tensor, size, numbers) if kind is None else np.resize(pools[kind], size)
        writer.write_tensor_data(filled)
    writer.close()


def tell(path: Path) -> dict:
    """The types of a file's tensors by name, layers counted together, and the bytes that one token reads.

    Of an embedding that is not the output layer too, one token reads only a row.
    """
    tensors = gguf.GGUFReader(path).tensors
    types: dict[str, Counter] = {}
    layers: dict[str, list[int]] = {}
    for tensor in tensors:
        layer = re.match(r"blk\.(\d+)\.", tensor.name)
        pattern = re.sub(r"^blk\.\d+\.", "blk.*.", tensor.name)
        kind = tensor.tensor_type.name
        types.setdefault(pattern, Counter())[kind] += 1
        if layer:
            layers.setdefault(f"{pattern} {kind}", []).append(int(layer[1]))
    tied = "output.weight" not in types
    read = sum(int(tensor.n_bytes) for tensor in tensors if tied or tensor.name != "token_embd.weight")
    mixed = {key: which for key, which in layers.items() if len(types[key.split()[0]]) > 1}
    return {"types": {name: dict(counts) for name, counts in types.items()}, "layers": mixed, "bytes_read": read}


def ranks_of(path: Path) -> dict[bytes, int]:
    """The tokens of a tiktoken file, in the order in which they were made."""
    lines = (line.split() for line in path.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def halves(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two tokens that a token was merged of: what is left of its bytes by the merges made before it."""
    parts = [token[at : at + 1] for at in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(one + other, len(ranks)) for one, other in zip(parts, parts[1:])]
        at = min(range(len(pairs)), key=pairs.__getitem__)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def words(path: Path, vocabulary_file: Path, to: Path) -> None:
    """Copies a model file with another vocabulary of the same size."""
    ranks = ranks_of(vocabulary_file)
    if sorted(ranks.values()) != list(range(BOS)):
        raise SystemExit(f"error: expected {BOS} tokens in `{vocabulary_file}`, found {len(ranks)}")
    spelled = byte_tokens()
    spell = lambda token: "".join(spelled[byte] for byte in token)  # noqa: E731
    tokens = [spell(token) for token in sorted(ranks, key=ranks.get)]
    merged = (halves(token, ranks) for token in sorted(ranks, key=ranks.get) if len(token) > 1)
    merges = [f"{spell(one)} {spell(other)}" for one, other in merged]
    tokens += vocabulary()[0][BOS:]
    reader = gguf.GGUFReader(path)
    architecture = reader.get_field(gguf.Keys.General.ARCHITECTURE).contents()
    writer = gguf.GGUFWriter(to, architecture, endianess=reader.endianess)
    strings = (gguf.GGUFValueType.ARRAY, "", gguf.GGUFValueType.STRING)
    lists = {gguf.Keys.Tokenizer.LIST: tokens, gguf.Keys.Tokenizer.MERGES: merges}
    changed = {key: MetadataDetails(strings[0], value, *strings[1:]) for key, value in lists.items()}
    copy_with_new_metadata(reader, writer, changed, [])


def main() -> int:
    """Reads the command line and does one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("write", help="make an F16 file")
    making.add_argument("shape", choices=SHAPES)
    making.add_argument("file", type=Path)
    quick = commands.add_parser("blocks", help="make a quantised file of blocks without meaning")
    quick.add_argument("shape", choices=SHAPES)
    quick.add_argument("type", choices=("Q4_K_M", "Q8_0"))
    quick.add_argument("file", type=Path)
    telling = commands.add_parser("tell", help="print a file's types as JSON")
    telling.add_argument("file", type=Path)
    copying = commands.add_parser("words", help="copy a file with a real vocabulary")
    copying.add_argument("file", type=Path)
    copying.add_argument("vocabulary", type=Path)
    copying.add_argument("to", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.shape, arguments.file)
    elif arguments.command == "blocks":
        blocks(arguments.shape, arguments.type, arguments.file)
    elif arguments.command == "words":
        words(arguments.file, arguments.vocabulary, arguments.to)
    else:
        print(json.dumps(tell(arguments.file)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
