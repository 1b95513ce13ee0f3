"""Command: writes the tokenizer and the shards of episodes."""

import argparse
import pathlib

from . import data, tokens
from .player import Player


def main():
    """`python -m training.generate --out DIR --shards N`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--shards", type=int, default=80)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--decisions", action="store_true", help="short episodes of one decision each")
    parser.add_argument("--loaded", type=float, default=0.3, help="share of chats about a table in memory")
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--tokenizer-episodes", type=int, default=2500)
    parser.add_argument("--scratch", default="/dev/shm")
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    scratch = f"{args.scratch}/episodes-{args.start}"
    path = out / "tokenizer.json"
    if not path.exists():
        tokens.learn(data.texts(scratch, args.tokenizer_episodes)).save(str(path))
    tokenizer = tokens.load(path)
    player = Player(scratch, loaded=args.loaded, pieces=tokens.pieces(tokenizer))
    if args.decisions:
        data.write_all(out / "decisions", tokenizer, player.decide, args.shards, args.start, args.stride)
    else:
        data.write_all(out / "data", tokenizer, player.play, args.shards, args.start, args.stride)


if __name__ == "__main__":
    main()
