"""Starts the model with heads that copy, instead of waiting until training finds them.

Answering means copying names and numbers. A trained decoder does it with a pair of heads: one that carries the token
before to the next place, and one that looks for the place whose token before is the one at hand ("induction heads",
https://arxiv.org/abs/2209.11895). A small model finds them only after thousands of steps; here they are laid out in
the initial weights, and training refines them.
"""

import torch

BACK = 3  # How many places back the heads of the first layer look.


def wire(model):
    """Sets three heads of the first layer to look 1, 2 and 3 tokens back, and three of the second to match them."""
    shape = model.shape
    dim = shape.width // shape.heads
    basis = torch.linalg.qr(torch.randn(shape.width, shape.width))[0]
    reader = torch.linalg.qr(torch.randn(shape.width, dim))[0].T  # [dim, width], shared by all heads
    rows = lambda head: slice(head * dim, (head + 1) * dim)
    carried = [basis[:, rows(back)] for back in range(BACK)]  # where the first layer writes: [width, dim] each
    for back in range(BACK):
        _look_back(model.blocks[0].attn, rows(back), back + 1, shape, reader, carried[back])
    for back in range(BACK):
        _match(model.blocks[1].attn, rows(back), reader if back == 0 else carried[back - 1].T, carried[back].T, shape)


def _look_back(attn, rows, distance, shape, reader, target):
    """A head that reads the token `distance` places before, by position alone: rotary phases set in the biases."""
    half = (rows.stop - rows.start) // 2
    rates = shape.rope_base ** (-torch.arange(half, dtype=torch.float32) / half)
    phase = torch.cat((torch.cos(rates * distance), -torch.sin(rates * distance)))
    sharp = (rates > 0.02).float().repeat(2)
    with torch.no_grad():
        attn.q.weight[rows] *= 0.2
        attn.k.weight[rows] *= 0.2
        attn.q.bias[rows] = 6.0 * phase * sharp
        attn.k.bias[rows] = 6.0 * torch.cat((torch.ones(half), torch.zeros(half))) * sharp
        attn.v.weight[rows] = reader
        attn.o.weight[:, rows] = 0.12 * target


def _match(attn, rows, asked, kept, shape):
    """A head that finds the place where `kept` holds what `asked` holds here, and copies the token of that place."""
    half = (rows.stop - rows.start) // 2
    rates = shape.rope_base ** (-torch.arange(half, dtype=torch.float32) / half)
    still = (rates < 0.005).float().repeat(2).unsqueeze(1)  # pairs that hardly turn over a chat
    with torch.no_grad():
        attn.q.weight[rows] = 1.6 * still * asked
        attn.k.weight[rows] = 1.6 * still * kept
        values = torch.linalg.qr(torch.randn(shape.width, rows.stop - rows.start))[0].T
        attn.v.weight[rows] = values
        attn.o.weight[:, rows] = 0.12 * values.T
