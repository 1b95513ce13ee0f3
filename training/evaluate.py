"""Command: puts questions to the program `datarus`, that is through the kernel, and counts the right answers by family."""

import argparse
import collections
import contextlib
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from . import cell, check
from .observation import observe


def read(folder):
    """The questions of a folder."""
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def ask(program, model, folder, record):
    """The answer of `datarus ask`, what the code it wrote shows, the code itself, and how many numbers of the answer
    have a source and have none."""
    with tempfile.TemporaryDirectory() as place:
        command = [program, "ask", record["question"], "-o", "out.ipynb", "--json"]
        command += ["--model", str(model)] if model else []
        for name in record["files"]:
            shutil.copy(folder / name, place)
            command += ["--data", name]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=600)
        if not done.stdout.startswith("{"):
            return "", [], done.stderr, [0, 0]
        told = json.loads(done.stdout)
        answer = told["answer"] if told["status"] == "done" else ""
        seen = replay(place) if record["expected"]["kind"] == "figure" else []
        return answer, seen, "\n\n".join(steps(place)) + f"\n\n{told['answer']}", numbers(place)


def steps(place):
    """The code cells of the notebook that the program wrote."""
    notebook = json.loads((pathlib.Path(place) / "out.ipynb").read_text(encoding="utf-8"))
    made = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    return ["".join(c["source"]) for c in made if c["metadata"].get("datarus", {}).get("role") != "prompt"]


def numbers(place):
    """How many numbers of the answer have a source and how many have none, as the program has marked them."""
    notebook = json.loads((pathlib.Path(place) / "out.ipynb").read_text(encoding="utf-8"))
    answers = [c for c in notebook["cells"] if c["metadata"].get("datarus", {}).get("role") == "answer"]
    lacking = sum(len(c["metadata"]["datarus"].get("numbers_not_found", [])) for c in answers)
    return [sum("".join(c["source"]).count("](#") for c in answers), lacking]


def replay(place):
    """Runs the steps once more and tells what they show."""
    before, namespace, seen = os.getcwd(), {"__name__": "__main__"}, []
    os.chdir(place)
    for code in steps(place):
        with contextlib.suppress(SyntaxError):
            seen.append(observe(cell.run(code, namespace)))
    os.chdir(before)
    return seen


def run(folder, records, answer, log):
    """Asks the questions; gives right and all counts by family."""
    counts = collections.defaultdict(lambda: [0, 0])
    with open(log, "w", encoding="utf-8") as file:
        for record in records:
            begun = time.time()
            said, seen, chat, numbers = answer(folder / record["id"], record)
            good = check.right(record["expected"], said, seen)
            counts[record["family"]][0] += good
            counts[record["family"]][1] += 1
            entry = {**record, "right": good, "answer": said, "numbers": numbers,
                     "seconds": round(time.time() - begun, 2), "chat": chat}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
    return counts


def report(counts):
    """A table in Markdown."""
    good, count = (sum(c[i] for c in counts.values()) for i in (0, 1))
    lines = ["| family | right | of |", "|---|---|---|"]
    lines += [f"| {family} | {a} | {b} |" for family, (a, b) in sorted(counts.items())]
    return "\n".join([*lines, f"| **all** | **{good}** ({100 * good / count:.0f} %) | {count} |"])


def main():
    """`python -m training.evaluate --questions DIR [--program datarus] [--model FILE]`"""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--questions", type=pathlib.Path, required=True)
    parser.add_argument("--program", default="datarus")
    parser.add_argument("--model", type=pathlib.Path, help="a GGUF file instead of the embedded model")
    parser.add_argument("--part", default="0/1", help="of the questions: I/N takes every N-th from the I-th on")
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("evaluation.jsonl"))
    args = parser.parse_args()
    folder, (first, of) = args.questions.resolve(), map(int, args.part.split("/"))
    model = args.model and args.model.resolve()
    answer = functools.partial(ask, args.program, model)
    print(report(run(folder, read(folder)[first::of], answer, args.log)))


if __name__ == "__main__":
    main()
