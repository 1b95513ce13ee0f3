"""AdamW for vectors and embeddings, and Muon (orthogonalised momentum) or AdamW for the matrices of the blocks."""

import torch


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is made orthogonal by five Newton-Schulz steps; matrices of one shape go together.

    Source: https://kellerjordan.github.io/posts/muon/
    """

    def __init__(self, params, lr, momentum=0.95, decay=0.05):
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                if p.grad is not None:
                    tall = p.shape[0] > p.shape[1]
                    by_shape.setdefault((tuple(sorted(p.shape))), []).append((p, tall))
            for entries in by_shape.values():
                self._update(entries, group)

    def _update(self, entries, group):
        directions = []
        for p, tall in entries:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            direction = p.grad.lerp(state["momentum"], group["momentum"])
            directions.append(direction.T if tall else direction)
        for (p, tall), direction in zip(entries, orthogonal(torch.stack(directions))):
            p.mul_(1 - group["lr"] * group["decay"])
            scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
            p.add_(direction.T if tall else direction, alpha=-group["lr"] * scale)


def orthogonal(x):
    """Nearly orthogonal matrices for a stack `[n, rows, columns]` with rows ≤ columns."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x


def make_optimizers(model, kind, rate, muon_rate):
    """The optimizers of a model; weight decay only on matrices."""
    matrices = [p for block in model.blocks for p in block.parameters() if p.ndim == 2]
    known = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in known]
    plain = {"betas": (0.9, 0.95), "weight_decay": 0.0, "fused": True}
    if kind == "muon":
        return [Muon(matrices, muon_rate), torch.optim.AdamW(others, lr=rate, **plain)]
    return [torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others}], lr=rate, **plain)]
