"""Command: writes a checkpoint and its tokenizer as one GGUF file that llama.cpp's and candle's loaders read."""

import argparse
import json
import pathlib

import gguf
import numpy as np
import torch

from . import phrases, tokens

NAME = "datarus-mini"
# What code may write between quotes besides names and values that stand in the chat.
LITERALS = ["\\t", "\\n", ", ", ";", "M", "Y", "mean", "sum", "median", "min", "max", "std"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' "
    "+ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LAYER = {
    "attn_norm.weight": "attn_norm.weight", "attn.q.weight": "attn_q.weight", "attn.q.bias": "attn_q.bias",
    "attn.k.weight": "attn_k.weight", "attn.k.bias": "attn_k.bias", "attn.v.weight": "attn_v.weight",
    "attn.v.bias": "attn_v.bias", "attn.o.weight": "attn_output.weight", "ffn_norm.weight": "ffn_norm.weight",
    "gate.weight": "ffn_gate.weight", "up.weight": "ffn_up.weight", "down.weight": "ffn_down.weight",
}


def tensor_name(name):
    """The name of a parameter as GGUF files of `qwen2` have it."""
    if name == "embed.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{LAYER[rest]}"


def put_shape(writer, shape):
    """Metadata on the sizes of the model."""
    writer.add_name(NAME)
    writer.add_license("apache-2.0")
    writer.add_context_length(shape["context"])
    writer.add_block_count(shape["layers"])
    writer.add_embedding_length(shape["width"])
    writer.add_feed_forward_length(shape["hidden"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_layer_norm_rms_eps(shape["norm_eps"])
    writer.add_rope_freq_base(shape["rope_base"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def put_tokenizer(writer, path, forms):
    """The tokenizer, whole as JSON and in the form of llama.cpp, and what it is used for."""
    text = path.read_text(encoding="utf-8")
    data = json.loads(text)
    vocabulary = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    special = set(tokens.SPECIAL)
    kinds = [
        gguf.TokenType.CONTROL if t in special else
        gguf.TokenType.USER_DEFINED if t in tokens.ADDED else gguf.TokenType.NORMAL
        for t in vocabulary
    ]
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]]
    writer.add_string("tokenizer.huggingface.json", text)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.ADDED.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.ADDED.index("<|endoftext|>"))
    writer.add_chat_template(TEMPLATE)
    writer.add_string("datarus.dialect", "datarus")
    writer.add_string("datarus.profile", "compact")
    writer.add_array("datarus.literals", LITERALS)
    writer.add_array("datarus.forms", forms)
    writer.add_array("datarus.words", phrases.known_words())


def write(checkpoint, tokenizer, forms, out):
    """Writes matrices as Q8_0, norms and biases as F32; the output layer is the embedding."""
    saved = torch.load(checkpoint, weights_only=False, map_location="cpu")
    writer = gguf.GGUFWriter(str(out), "qwen2")
    put_shape(writer, saved["shape"])
    put_tokenizer(writer, tokenizer, forms)
    for name, tensor in saved["model"].items():
        array = tensor.float().numpy()
        if array.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor_name(name), gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(tensor_name(name), array.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    """`python -m training.export --checkpoint FILE --tokenizer FILE --forms FILE --out FILE`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("checkpoint", "tokenizer", "forms", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    args = parser.parse_args()
    write(args.checkpoint, args.tokenizer, json.loads(args.forms.read_text(encoding="utf-8")), args.out)


if __name__ == "__main__":
    main()
