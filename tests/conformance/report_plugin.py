"""A pytest plugin that writes `{test: {"outcome", "message"}}` to `$CONFORMANCE_REPORT`.

pytest's own JUnit report names the file of a base class for an inherited test, and
calls a test skipped when one of its subtests is; so it cannot be used to run a test
again by name, nor to compare two runs.
"""

import json
import os

# The worse outcome wins when the phases of a test differ.
RANK = {"skipped": 0, "passed": 1, "failed": 2}
RESULTS: dict[str, dict[str, str]] = {}


def pytest_runtest_logreport(report):
    """Called for set-up, call and tear-down of each test, and for each subtest."""
    is_subtest = hasattr(report, "context")
    if report.outcome == "passed" and report.when != "call":
        return
    if report.outcome == "skipped" and is_subtest:
        return
    outcome = (
        "passed" if report.outcome == "skipped" and hasattr(report, "wasxfail") else report.outcome
    )
    known = RESULTS.get(report.nodeid)
    if known is None or RANK[outcome] > RANK[known["outcome"]]:
        RESULTS[report.nodeid] = {"outcome": outcome, "message": _last_line(report)}


def _last_line(report) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr or "")
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else ""


def pytest_sessionfinish():
    """Written at the end: a run that dies leaves no report, and so counts as none."""
    with open(os.environ["CONFORMANCE_REPORT"], "w", encoding="utf-8") as file:
        json.dump(RESULTS, file)
