"""The choices of a trajectory and their probabilities: what a policy gradient is taken of.

The program writes down where the model had a choice and what it could have chosen (`datarus episodes make --tokens`).
What the grammar forced and what the environment said are no choices: they are read, and no gradient is taken of them.
The probabilities are those that were drawn from, so that the gradient is that of the product's own decoding, forms,
names and bonuses included.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .model import Model
from .sequences import Sequence


def log_probabilities(model: Model, sequence: Sequence, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logarithms of the probabilities of what was chosen, and the entropies, both `[choices]`, at least one choice.

    `ln π = ln Σ exp(z) over what was chosen − ln Σ exp(z) over what could be`, `z = (logit + bonus)/temperature`. What
    was chosen is one token, or, where a choice ended, everything but the tokens that would have gone on with it.
    """
    device = model.embed.weight.device
    ids = torch.tensor([sequence.ids], device=device)
    before = torch.tensor([place - 1 for place, _ in sequence.choices], device=device)
    logits = F.linear(model.hidden(ids)[0, before], model.embed.weight)
    bonus, chosen = (table.to(device) for table in _tables(sequence, logits.shape[1]))
    scaled = (logits + bonus) / temperature
    whole = scaled.log_softmax(-1)
    taken = whole.masked_fill(~chosen, -torch.inf).logsumexp(-1)
    entropy = -(whole.exp() * whole.masked_fill(bonus == -torch.inf, 0.0)).sum(-1)
    return taken, entropy


def _tables(sequence: Sequence, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What is added to each logit (−∞ for what could not come), and which tokens were chosen: `[choices, vocabulary]`."""
    bonus = torch.zeros(len(sequence.choices), vocabulary)
    chosen = torch.zeros(len(sequence.choices), vocabulary, dtype=torch.bool)
    for row, (_, choice) in enumerate(sequence.choices):
        named = torch.tensor([token for token, _ in choice.get("among", [])], dtype=torch.long)
        if not choice.get("open", False):
            bonus[row] = -torch.inf
        bonus[row, named] = torch.tensor([added for _, added in choice.get("among", [])])
        bonus[row, choice.get("without", [])] = -torch.inf
        if choice["token"] is not None:
            chosen[row, choice["token"]] = True
        else:
            chosen[row] = bonus[row] > -torch.inf
            chosen[row, named] = False
    return bonus, chosen
