"""Command: writes tasks for `datarus episodes make`, with their data and how they are solved.

The program runs every step again, in its own companion, forms the observations that users meet, checks the answers and
rejects what does not hold; so an answer that was read off another output here does not become an example.
"""

import argparse
import json
import pathlib
import random
import re

from .hasty import hasty, names_of
from .languages import LANGUAGES
from .player import Player


def files_of(episode, folder, kept, name):
    """The files that the episode began with; those that are no text are written under `kept`."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    found = {str(p.relative_to(folder)): p.read_bytes() for p in paths} | episode.removed
    orders = []
    for file, content in sorted(found.items()):
        try:
            orders.append({"name": file, "text": content.decode()})
        except UnicodeDecodeError:
            place = kept / name / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            orders.append({"name": file, "path": str(place.relative_to(kept.parent))})
    return orders


def solutions_of(episode):
    """The moves of each question of the episode, in order."""
    if not episode.moves:  # Thinking alone.
        thought = re.sub("</?think>", "", episode.pieces[1][0])
        return [[{"thought": thought, "answer": episode.tasks[0]["answer"]}]]
    solutions = [[]]
    for kind, thought, text in episode.moves:
        if kind == "stop":
            solutions[-1].append({"thought": thought, "answer": text})
            solutions.append([])
        elif kind != "seen":
            worth = {"worth": "mistake"} if kind == "mistake" else {}
            solutions[-1].append({"thought": thought, "code": text, **worth})
    return solutions[:-1]


def orders_of(episode, folder, kept, seed):
    """The tasks of an episode; the first brings the data."""
    name, orders = f"s{seed}", []
    for at, (task, solution) in enumerate(zip(episode.tasks, solutions_of(episode), strict=True)):
        values = [str(value) for value in task["values"]]
        kind = "unrelated" if task["family"] in ("outside", "greeting") else task["kind"]
        orders.append({
            "task": {"id": f"{name}-{at}", "prompt": task["question"], "family": task["family"], "level": len(solution), "seed": seed,
                     "mode": "reflection" if task["family"] == "think" else "agentic",
                     "checker": {"kind": kind, "values": values}},
            "episode": name, "solution": solution,
        })
    orders[0].update(files=files_of(episode, folder, kept, name), before=episode.before, removed=sorted(episode.removed))
    return orders


def main():
    """`python -m training.orders --out DIR --count N [--first SEED]`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=1000, help="episodes")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--evaluation", action="store_true", help="words that training never sees")
    parser.add_argument("--apart", action="store_true", help="with --evaluation: in the wordings that stand apart from all others")
    parser.add_argument("--hasty", action="store_true", help="questions as people type them in a hurry")
    parser.add_argument("--language", choices=LANGUAGES,
                        help="of the questions, for a model that speaks it: the tasks have a checker and no solution, which would be English")
    parser.add_argument("--scratch", default="/dev/shm/orders")
    args = parser.parse_args()
    if args.apart and (args.language or not args.evaluation):
        parser.error("--apart is for evaluation and in English alone; add --evaluation and leave out --language")
    if args.hasty and args.language:
        parser.error("--hasty knows the slips of English alone; leave out --language or --hasty")
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    player = Player(args.scratch, evaluation=args.evaluation, language=args.language, apart=args.apart)
    with open(out / "tasks.jsonl", "w", encoding="utf-8") as file:
        for seed in range(args.first, args.first + args.count):
            orders = orders_of(player.play(seed), pathlib.Path(player.folder.path), out / "files", seed)
            if args.hasty:
                chance, names = random.Random(f"haste of {seed}"), names_of(orders)
                for order in orders:
                    order["task"]["prompt"] = hasty(order["task"]["prompt"], names, chance)
            for order in orders:
                if args.language:
                    del order["solution"]
                file.write(json.dumps(order, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
