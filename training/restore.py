"""Command: takes weights and tokenizer out of a GGUF file that `export` wrote, so that training can go on from it."""

import argparse
import json
import pathlib
import shutil

import gguf
import torch

from .export import tensor_name
from .model import Model, Shape


def read(path):
    """The sizes, the parameters by name (float32) and the tokenizer's JSON text."""
    reader = gguf.GGUFReader(str(path))
    value = lambda key: reader.fields[key].contents()
    stored = {t.name: torch.from_numpy(gguf.quants.dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}
    shape = Shape(
        vocab=len(value("tokenizer.ggml.tokens")), width=value("qwen2.embedding_length"),
        layers=value("qwen2.block_count"), heads=value("qwen2.attention.head_count"),
        kv_heads=value("qwen2.attention.head_count_kv"), hidden=value("qwen2.feed_forward_length"),
        context=value("qwen2.context_length"), rope_base=value("qwen2.rope.freq_base"),
        norm_eps=value("qwen2.attention.layer_norm_rms_epsilon"),
    )
    names = Model(shape).state_dict()
    weights = {name: stored[tensor_name(name)].reshape(old.shape).float() for name, old in names.items()}
    return shape, weights, value("tokenizer.huggingface.json")


def replace(source, weights, out, stored_name=tensor_name):
    """Writes a GGUF file like `source`, its tokenizer, forms and words included, with other weights of the same sizes.

    `stored_name` gives a weight's name in the file.
    """
    partial = out.with_suffix(".part")
    shutil.copyfile(source, partial)
    names = {stored_name(name): tensor for name, tensor in weights.items()}
    for stored in gguf.GGUFReader(str(partial), "r+").tensors:
        array = names[stored.name].detach().float().cpu().numpy()
        stored.data[...] = gguf.quants.quantize(array, stored.tensor_type).reshape(stored.data.shape)
    partial.rename(out)


def main():
    """`python -m training.restore --gguf FILE --out DIR`: writes `run/checkpoint.pt` and `tokenizer.json` there"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--gguf", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    shape, weights, tokenizer = read(args.gguf)
    (args.out / "run").mkdir(parents=True, exist_ok=True)
    torch.save({"shape": shape.to_dict(), "model": weights}, args.out / "run/checkpoint.pt")
    (args.out / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer), ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
