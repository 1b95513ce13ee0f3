"""Command: puts questions to a checkpoint, or to the program `datarus`, and counts the right answers by family."""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from . import cell, check, tokens
from .observation import observe


def read(folder):
    """The questions of a folder."""
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def by_checkpoint(checkpoint, tokenizer):
    """A function that answers with the weights of a checkpoint."""
    from . import decode
    from .agent import Agent

    agent = Agent(decode.load(checkpoint), tokens.load(tokenizer))

    def ask(folder, record):
        with tempfile.TemporaryDirectory() as place:
            for name in record["files"]:
                shutil.copy(folder / name, place)
            before = os.getcwd()
            os.chdir(place)
            answer, seen, text = agent.ask(record["question"])
            os.chdir(before)
        return answer, seen, text

    return ask


def by_program(program):
    """A function that answers with `datarus ask`, that is through the kernel, and reads what it wrote."""

    def ask(folder, record):
        with tempfile.TemporaryDirectory() as place:
            command = [program, "ask", record["question"], "-o", "out.ipynb", "--json"]
            for name in record["files"]:
                shutil.copy(folder / name, place)
                command += ["--data", name]
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600)
            told = json.loads(done.stdout) if done.stdout.startswith("{") else {"answer": ""}
            answer = told["answer"] if told.get("status", "done") == "done" else ""
            seen = replay(place) if record["expected"]["kind"] == "figure" else []
        return answer, seen, done.stdout + done.stderr

    return ask


def replay(place):
    """Runs the code cells of the notebook that the program wrote once more, and tells what they show."""
    notebook = json.loads((pathlib.Path(place) / "out.ipynb").read_text(encoding="utf-8"))
    before, namespace, seen = os.getcwd(), {"__name__": "__main__"}, []
    os.chdir(place)
    for made in notebook["cells"]:
        role = made["metadata"].get("datarus", {}).get("role")
        if made["cell_type"] == "code" and role != "prompt":
            with contextlib.suppress(SyntaxError):
                seen.append(observe(cell.run("".join(made["source"]), namespace)))
    os.chdir(before)
    return seen


def run(folder, ask, log):
    """Asks all questions; gives right and all counts by family."""
    counts = collections.defaultdict(lambda: [0, 0])
    with open(log, "w", encoding="utf-8") as file:
        for record in read(folder):
            begun = time.time()
            answer, seen, text = ask(folder / record["id"], record)
            good = check.right(record["expected"], answer, seen)
            counts[record["family"]][0] += good
            counts[record["family"]][1] += 1
            entry = {**record, "right": good, "answer": answer, "seconds": round(time.time() - begun, 2), "chat": text}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    return counts


def report(counts):
    """A table in Markdown."""
    good, count = (sum(c[i] for c in counts.values()) for i in (0, 1))
    lines = ["| family | right | of |", "|---|---|---|"]
    lines += [f"| {family} | {a} | {b} |" for family, (a, b) in sorted(counts.items())]
    return "\n".join([*lines, f"| **all** | **{good}** ({100 * good / count:.0f} %) | {count} |"])


def main():
    """`python -m training.evaluate --questions DIR (--checkpoint FILE --tokenizer FILE | --program datarus)`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--questions", type=pathlib.Path, required=True)
    parser.add_argument("--checkpoint", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--program")
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("evaluation.jsonl"))
    args = parser.parse_args()
    ask = by_program(args.program) if args.program else by_checkpoint(args.checkpoint, args.tokenizer)
    print(report(run(args.questions.resolve(), ask, args.log)))


if __name__ == "__main__":
    main()
