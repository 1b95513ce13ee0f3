"""Fills the table of faults in SECURITY.md with what the suites print.

    python tests/security_table.py --seeds 100 --turns 2000 --fuzz 60    # runs them, on a machine that does nothing else
    python tests/security_table.py --from FILE…                          # takes what they printed before

Needs the debug build (`cargo build --workspace`). A suite that was not run has no row.
"""

import argparse
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "SECURITY.md"
BEGIN, END = "<!-- begin table: faults, by tests/security_table.py -->", "<!-- end table -->"

INTERRUPT = re.compile(r"interrupt while (\w+) +(\d+) times: .* after +(\d+) ms \(median\), +(\d+) ms \(99 %\), +(\d+) ms at most")
FATES = re.compile(r"^(\d+) turns: (.+)$", re.M)
LEFT = re.compile(r"from turn (\d+) to turn (\d+): ([\d.]+) to ([\d.]+) MiB .*, (\d+) to (\d+) descriptors, (\d+) to (\d+) threads")
STEP = re.compile(r"a step in a page, beyond its time in Python: ([\d.]+) ms \(median\), ([\d.]+) ms \(99 %\), .* of (\d+)")
FUZZ = re.compile(r"^(\w+) +(\d+) executions +(\d+) a second", re.M)


def interrupts(text):
    for phase, times, median, late, longest in INTERRUPT.findall(text):
        yield (f"an interrupt while {phase}, {times} times: until reply and idle", f"{median} ms (median), {late} ms (99 %), "
               f"{longest} ms at most", "500 ms")


def soak(text):
    for turns, fates in FATES.findall(text):
        yield f"{turns} turns: {fates}", "every reply came, none stuck busy, every notebook valid", "the same"
    for median, late, count in STEP.findall(text):
        yield (f"a step in a page, beyond its time in Python, {count} of these", f"{median} ms (median), {late} ms (99 %)",
               "20 ms (99 %)")
    for first, last, before, after, fds, fds_after, threads, threads_after in LEFT.findall(text):
        yield (f"the kernel from turn {first} to turn {last} of these", f"{before} to {after} MiB, {fds} to {fds_after} "
               f"descriptors, {threads} to {threads_after} threads", "1 MiB more in 1,000 turns")


def fuzzing(text):
    for target, executions, _ in FUZZ.findall(text):
        yield f"fuzz target `{target}`", f"{int(executions):,} executions, nothing found", "nothing found"


def printed(arguments):
    environment = os.environ | {"DATARUS_SEEDS": str(arguments.seeds)}
    commands = [["cargo", "test", "--workspace", "--locked", "--test", "it", "phases", "--", "--nocapture"],
                ["target/debug/soak", str(arguments.turns)], ["tests/fuzz/run.sh", str(arguments.fuzz)]]
    for command in commands:
        yield subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--turns", type=int, default=150)
    parser.add_argument("--fuzz", type=int, default=20, help="seconds for each target")
    parser.add_argument("--from", dest="files", nargs="+", type=Path, help="what the suites printed before")
    arguments = parser.parse_args()
    texts = [file.read_text(errors="replace") for file in arguments.files] if arguments.files else list(printed(arguments))
    rows = [row for text in texts for suite in (interrupts, soak, fuzzing) for row in suite(text)]
    if not rows:
        raise SystemExit("nothing that a table could be made of")
    table = "\n".join(f"| {what} | {found} | {aim} |" for what, found, aim in rows)
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n| | found | aimed at |\n|---|---|---|\n{table}\n\n{END}{after}")


if __name__ == "__main__":
    main()
