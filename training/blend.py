"""Command: weights between those of two model files, so that what further training taught costs less of what was known.

Source: Wortsman et al., Robust fine-tuning of zero-shot models, <https://arxiv.org/abs/2109.01903>: the weights before
and after further training, each parameter on the line between them.
"""

import argparse
import pathlib

from . import restore


def between(before, after, share):
    """Of parameters by name those that lie so far from `before` to `after`: 0 are the first, 1 the others."""
    if {n: w.shape for n, w in before.items()} != {n: w.shape for n, w in after.items()}:
        raise SystemExit("error: expected two models of the same sizes")
    return {name: weight.lerp(after[name], share) for name, weight in before.items()}


def main():
    """`python -m training.blend --before FILE --after FILE --share 0.5 --out FILE`; all but the weights is of `--after`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("before", "after", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the weights after further training")
    args = parser.parse_args()
    if not 0.0 <= args.share <= 1.0:
        parser.error("--share is from 0 to 1")
    (shape, before, tokenizer), (other, after, others) = restore.read(args.before), restore.read(args.after)
    if (shape, tokenizer) != (other, others):
        raise SystemExit("error: expected two models with the same sizes and tokenizer")
    restore.replace(args.after, between(before, after, args.share), args.out)


if __name__ == "__main__":
    main()
