"""Runs other people's test suites against `python3` and against Datarus, one table.

    python tests/conformance/table.py --datarus target/release/datarus
    python tests/conformance/table.py --datarus … --quick --json table.json

Whatever passes for `python3` has to pass for Datarus; the exit code is 1 when a test
does not and `known.md` does not explain it. A test that fails is run again alone;
one that passes then counts as passed and is named as unsteady.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import kernels
import suites

KNOWN = suites.HERE / "known.md"


@dataclass
class Outcome:
    """What one suite did on one kernel."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)
    """Passed, but only when run again."""
    messages: dict[str, str] = field(default_factory=dict)
    """Of the failed ones: how the error begins."""
    seconds: float = 0.0

    def counts(self) -> str:
        return f"{len(self.passed)}/{len(self.failed)}/{len(self.skipped)}"


def run_suite(suite: suites.Suite, files: tuple[str, ...], env: dict[str, str]) -> Outcome:
    """Runs `files` of `suite`, and what failed once more alone."""
    started = time.monotonic()
    outcome = run_pytest(suite, list(files), env)
    for test in list(outcome.failed):
        if test in run_pytest(suite, [test], env).passed:
            outcome.failed.remove(test)
            outcome.passed.append(test)
            outcome.unsteady.append(test)
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def run_pytest(suite: suites.Suite, targets: list[str], env: dict[str, str]) -> Outcome:
    """One run of pytest. Raises `RuntimeError` when no test ran."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        paths = [str(suites.HERE), env.get("PYTHONPATH", "")]
        env = {
            **env,
            "CONFORMANCE_REPORT": str(report),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        command = [sys.executable, "-m", "pytest", *suites.COMMON_OPTIONS, *suite.options]
        command += ["-p", "report_plugin", *targets]
        done = subprocess.run(
            command,
            cwd=suites.folder_of(suite),
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        results = json.loads(report.read_text()) if report.is_file() else {}
    if not results:
        tail = (done.stdout + done.stderr)[-3000:]
        raise RuntimeError(f"{suite.name}: expected tests to run, found none:\n{tail}")
    return sort_outcomes(results)


def sort_outcomes(results: dict[str, dict[str, str]]) -> Outcome:
    """From what the plugin wrote."""
    outcome = Outcome()
    for test, result in results.items():
        getattr(outcome, result["outcome"]).append(test)
        if result["outcome"] == "failed":
            outcome.messages[test] = result["message"]
    return outcome


def explained() -> set[str]:
    """The tests that `known.md` explains: the code span that opens a heading of a miss."""
    return set(re.findall(r"^### `([^`]+)`", KNOWN.read_text(encoding="utf-8"), re.MULTILINE))


def compare(results: dict[str, dict[str, Outcome]]) -> list[str]:
    """The tests that pass for `python3` and fail for Datarus, or fail without a reason."""
    misses = []
    for sides in results.values():
        for test in sides["datarus"].failed:
            if test not in sides["python3"].failed:
                misses.append(test)
        for test in sides["datarus"].skipped:
            if test in sides["python3"].passed:
                misses.append(test)
    return misses


def print_table(results: dict[str, dict[str, Outcome]]) -> None:
    width = max(len(name) for name in [*results, "suite"])
    print("passed/failed/skipped, seconds")
    print(f"{'suite':{width}}  {'python3':>20}  {'Datarus':>20}")
    for name, sides in results.items():
        cells = [f"{one.counts()} {one.seconds:6.1f}" for one in sides.values()]
        print(f"{name:{width}}  " + "  ".join(f"{cell:>20}" for cell in cells))
    totals = [sum_of(results, kernel) for kernel in ("python3", "datarus")]
    print(f"{'all':{width}}  " + "  ".join(f"{total:>20}" for total in totals))


def sum_of(results: dict[str, dict[str, Outcome]], kernel: str) -> str:
    sides = [sides[kernel] for sides in results.values()]
    counts = [
        sum(len(getattr(one, kind)) for one in sides) for kind in ("passed", "failed", "skipped")
    ]
    return "/".join(map(str, counts)) + f" {sum(one.seconds for one in sides):6.1f}"


def print_differences(results: dict[str, dict[str, Outcome]], misses: list[str]) -> None:
    """Every test that failed somewhere, by name, and whether `known.md` says why."""
    known = explained()
    for sides in results.values():
        python3, datarus = sides["python3"], sides["datarus"]
        for test in sorted({*python3.failed, *datarus.failed, *set(misses) & {*datarus.skipped}}):
            reason = "see known.md" if test in known else "NOT EXPLAINED"
            print(f"\n{test} ({reason})")
            for kernel, one in sides.items():
                state = next(s for s in ("failed", "passed", "skipped") if test in getattr(one, s))
                print(f"    {kernel} {state} {one.messages.get(test, '')}")
        for kernel, one in sides.items():
            for test in one.unsteady:
                print(f"\n{test}\n    {kernel} passed when run again: {one.messages[test]}")
    print(f"\npasses of python3 that Datarus misses: {len(misses)}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--datarus", required=True, help="path of the binary")
    parser.add_argument("--quick", action="store_true", help="only what every change runs")
    parser.add_argument("--suite", action="append", help="only suites whose name contains this")
    parser.add_argument("--json", type=Path, help="write the outcomes to this file as well")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    if not Path(arguments.datarus).is_file():
        print(f"expected the datarus binary at {arguments.datarus}, found no file", file=sys.stderr)
        return 2
    results = run_all(arguments)
    misses = compare(results)
    print_table(results)
    print_differences(results, misses)
    if arguments.json:
        plain = {n: {k: asdict(o) for k, o in sides.items()} for n, sides in results.items()}
        arguments.json.write_text(json.dumps(plain, indent=1))
    return 1 if set(misses) - explained() else 0


def run_all(arguments: argparse.Namespace) -> dict[str, dict[str, Outcome]]:
    """Suite by suite, `python3` first: neighbours in time, so the machine is alike."""
    results: dict[str, dict[str, Outcome]] = {}
    for suite in suites.SUITES:
        files = suite.quick if arguments.quick else suite.files
        wanted = not arguments.suite or any(part in suite.name for part in arguments.suite)
        if not files or not wanted:
            continue
        results[suite.name] = {}
        for kernel in ("python3", "datarus"):
            print(f"running {suite.name} on {kernel}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="dr-") as scratch:
                kernels.write_spec(Path(scratch), "python3", kernel, arguments.datarus)
                env = kernels.environment(Path(scratch))
                results[suite.name][kernel] = run_suite(suite, files, env)
    return results


if __name__ == "__main__":
    sys.exit(main())
