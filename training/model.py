"""The embedded model: a small decoder of the architecture `qwen2`, in plain PyTorch.

The layout is the one that llama.cpp and candle load under that name: RMS norms before each block, biases on
query, key and value only, rotary positions that rotate halves (NeoX), SwiGLU, tied embeddings.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; they end up in the metadata of the GGUF file."""

    vocab: int = 2048
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 4
    hidden: int = 704
    context: int = 2048
    rope_base: float = 1_000_000.0
    norm_eps: float = 1e-6

    def to_dict(self):
        """The sizes as plain numbers, for a checkpoint."""
        return asdict(self)


class Norm(nn.Module):
    """Root mean square norm with a learnt scale, computed in float32."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)


def rope_table(shape, length):
    """Cosines and sines of the rotary positions, each `[length, head_dim / 2]`."""
    half = shape.width // shape.heads // 2
    rates = shape.rope_base ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), rates)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """Rotates halves of `x: [batch, heads, time, head_dim]` by position."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    """Causal self-attention with grouped key and value heads."""

    def __init__(self, shape):
        super().__init__()
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        self.head_dim = shape.width // shape.heads
        kv_width = self.head_dim * shape.kv_heads
        self.q = nn.Linear(shape.width, shape.width)
        self.k = nn.Linear(shape.width, kv_width)
        self.v = nn.Linear(shape.width, kv_width)
        self.o = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x, cos, sin, cache=None):
        """`x: [batch, time, width]`; with a cache (`[k, v]` lists) the time before is kept."""
        batch, time, width = x.shape
        split = lambda t, n: t.view(batch, time, n, self.head_dim).transpose(1, 2)
        q = rotate(split(self.q(x), self.heads), cos, sin)
        k = rotate(split(self.k(x), self.kv_heads), cos, sin)
        v = split(self.v(x), self.kv_heads)
        q, k = q.to(v.dtype), k.to(v.dtype)
        if cache is not None:
            k, v = cache.extend(self, k, v)
        groups = self.heads // self.kv_heads
        if groups > 1:
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        if k.shape[2] == time:
            y = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), is_causal=True)
        else:
            past = k.shape[2] - time
            mask = torch.ones(time, k.shape[2], dtype=torch.bool).tril(past)
            y = F.scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), attn_mask=mask)
        return self.o(y.transpose(1, 2).reshape(batch, time, width))


class Block(nn.Module):
    """Attention and SwiGLU, each behind a norm and added to the stream."""

    def __init__(self, shape):
        super().__init__()
        self.attn_norm = Norm(shape.width, shape.norm_eps)
        self.attn = Attention(shape)
        self.ffn_norm = Norm(shape.width, shape.norm_eps)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x, cos, sin, cache=None):
        x = x + self.attn(self.attn_norm(x), cos, sin, cache)
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Cache:
    """Keys and values of the tokens read so far, per attention layer."""

    def __init__(self):
        self.store = {}
        self.length = 0

    def extend(self, layer, k, v):
        """Appends new keys and values of a layer and returns all of them."""
        if layer in self.store:
            old_k, old_v = self.store[layer]
            k, v = torch.cat((old_k, k), 2), torch.cat((old_v, v), 2)
        self.store[layer] = (k, v)
        return k, v


class Model(nn.Module):
    """Token ids `[batch, time]` to logits `[batch, time, vocab]`."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.norm_eps)
        cos, sin = rope_table(shape, shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.apply(_init)
        nn.init.constant_(self.norm.weight, 0.3)  # Else the tied embeddings ask for the token at hand again.
        for block in self.blocks:
            nn.init.zeros_(block.attn.o.weight)
            nn.init.zeros_(block.down.weight)

    def hidden(self, ids, cache=None):
        """The normalised stream before the output layer: `[batch, time, width]`."""
        start = cache.length if cache else 0
        cos = self.cos[start : start + ids.shape[1]]
        sin = self.sin[start : start + ids.shape[1]]
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, cos, sin, cache)
        if cache:
            cache.length += ids.shape[1]
        return self.norm(x)

    def forward(self, ids, cache=None):
        return F.linear(self.hidden(ids, cache), self.embed.weight)


def _init(module):
    """Small normal weights; the output layers of the blocks start at zero (see `Model`)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.5 / module.in_features**0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.08)
