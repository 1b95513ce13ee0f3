"""What group-relative policy optimisation maximises, number by number; everything else is in `grpo`.

Sources: GRPO, DeepSeekMath, arXiv 2402.03300, equations 3 and 4 and § 4.1.2; the clipped ratio, PPO, arXiv 1707.06347,
equation 7; one mean over all choices of a round and an upper bound of its own, DAPO, arXiv 2503.14476, equation 8;
the estimate k3, http://joschu.net/blog/kl-approx.html.
"""

import torch

EPSILON = 1e-4  # As in TRL: a group of like rewards has advantages of 0, not of noise.


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    """`A_i = (R_i − mean R)/(std R + ε)` of one group `[samples]`, with the standard deviation of a sample (n − 1).

    A group of one has no standard deviation and nothing to be compared with: 0.
    """
    if len(rewards) < 2:
        return torch.zeros_like(rewards)
    return (rewards - rewards.mean()) / (rewards.std() + EPSILON)


def gain(new: torch.Tensor, old: torch.Tensor, advantage: float, clip: float, clip_high: float) -> torch.Tensor:
    """`min(r·A, clip(r, 1 − ε, 1 + ε_high)·A)` with `r = π_new/π_old`, choice by choice, `[choices]`.

    `new` and `old` are logarithms of probabilities; what is clipped has no gradient any more.
    """
    ratio = (new - old).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip_high) * advantage)


def is_clipped(new: torch.Tensor, old: torch.Tensor, advantage: float, clip: float, clip_high: float) -> torch.Tensor:
    """Where `gain` holds the ratio back: above for what is to be likelier, below for what is to be less likely."""
    ratio = (new - old).exp()
    return ratio > 1 + clip_high if advantage > 0 else (ratio < 1 - clip) & (advantage < 0)


def k3(new: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """`π_ref/π − ln(π_ref/π) − 1`, an unbiased estimate of KL(π ‖ π_ref) that is never negative, `[choices]`."""
    difference = reference - new
    return difference.exp() - difference - 1
