"""Rows for training stacks, loaded by the package `datasets` that those stacks load them with.

Opt-in, since the package is large: DATARUS_DATASETS_PYTHON names a Python that has `datasets`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

SALES = "region,revenue\nNorth,120.5\nSouth,100\n"

LOAD = """
import json, sys
from datasets import load_dataset
folder = sys.argv[1]
told = {}
for name in ("messages", "steps", "tools", "grpo", "verl", "preferences"):
    rows = load_dataset("json", data_files=f"{folder}/{name}.jsonl", split="train", cache_dir=f"{folder}/cache")
    told[name] = {"rows": len(rows), "columns": sorted(rows.column_names), "first": rows[0]}
load_dataset("json", data_files=f"{folder}/messages.jsonl", split="train", cache_dir=f"{folder}/cache").to_parquet(f"{folder}/m.parquet")
told["parquet"] = len(load_dataset("parquet", data_files=f"{folder}/m.parquet", split="train", cache_dir=f"{folder}/cache"))
print(json.dumps(told))
"""


@pytest.fixture(scope="session")
def datasets_python() -> str:
    named = os.environ.get("DATARUS_DATASETS_PYTHON")
    if not named:
        pytest.skip("opt-in: DATARUS_DATASETS_PYTHON names no Python with the package `datasets`")
    return named


def order(at: int) -> dict:
    """A task with a mistake on the way; values of every second one are words."""
    checker = {"kind": "text", "values": ["North", "120.5"]} if at % 2 else {"kind": "number", "values": ["220.5"]}
    answer = "North has the most: 120.5." if at % 2 else "The total revenue is 220.5."
    code = 'df.groupby("region")["revenue"].sum().sort_values(ascending=False)' if at % 2 else 'print(df["revenue"].sum())'
    return {
        "task": {"id": f"t{at}", "prompt": f"Question {at} about revenue?", "family": "group", "level": 1 + at % 3,
                 "seed": at, "checker": checker},
        "files": [{"name": "sales.csv", "text": SALES}],
        "solution": [
            {"thought": "Load the revenue.", "code": 'import pandas as pd\ndf = pd.read_csv("sales.csv")\ndf.head(3)'},
            {"thought": "Compute it.", "code": code.replace('"revenue"', '"revenu"'), "worth": "mistake"},
            {"thought": "The column is revenue.", "code": code},
            {"thought": "It is shown.", "answer": answer},
        ],
    }


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory, datarus: str) -> Path:
    """A folder with rows of all kinds."""
    folder = tmp_path_factory.mktemp("rows")
    (folder / "tasks.jsonl").write_text("".join(json.dumps(order(at)) + "\n" for at in range(6)))
    run = lambda *command: subprocess.run([datarus, *command], cwd=folder, check=True, capture_output=True, text=True)
    made = json.loads(run("episodes", "make", "tasks.jsonl", "-o", "done.jsonl", "--json").stdout)
    assert (made["trajectories"], made["rejected"]) == (6, 0), made
    run("episodes", "export", "done.jsonl", "-o", "rows", "--license", "cc0-1.0")
    return folder / "rows"


def test_rows_of_all_kinds_are_loaded_by_datasets(rows: Path, datasets_python: str) -> None:
    done = subprocess.run([datasets_python, "-c", LOAD, str(rows)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    counts = {name: told[name]["rows"] for name in ("messages", "steps", "tools", "grpo", "verl", "preferences")}
    # Of four moves one is a mistake, which is no completion but the rejected side of a pair.
    assert counts == {"messages": 6, "steps": 18, "tools": 6, "grpo": 6, "verl": 6, "preferences": 6}
    assert told["parquet"] == 6
    assert told["grpo"]["columns"] == ["checker", "files", "ground_truth", "level", "prompt", "task_id"]
    assert told["grpo"]["first"]["ground_truth"] == "220.5"
    assert told["verl"]["first"]["reward_model"] == {"ground_truth": "220.5", "style": "rule"}
    call = told["tools"]["first"]["messages"][1]["tool_calls"][0]["function"]
    assert call["name"] == "run_cell" and "read_csv" in str(call["arguments"])


def test_the_environment_never_speaks_in_what_is_learnt(rows: Path) -> None:
    learnt = []
    for line in (rows / "messages.jsonl").read_text().splitlines():
        learnt += [m["content"] for m in json.loads(line)["messages"] if m["role"] == "assistant"]
    for line in (rows / "steps.jsonl").read_text().splitlines():
        learnt += [m["content"] for m in json.loads(line)["completion"]]
    assert learnt and not any("observation" in text or "Traceback" in text for text in learnt)


def test_scores_are_a_line_each_and_the_same_from_standard_input(rows: Path, datarus: str) -> None:
    done = (rows.parent / "done.jsonl").read_text()
    score = lambda *args, **more: subprocess.run([datarus, "reward", *args, "--json"], check=True, capture_output=True, text=True, **more)
    told = score(str(rows.parent / "done.jsonl"), "--progress", "0.5")
    assert told.stdout == score("-", "--progress", "0.5", input=done).stdout
    scores = [json.loads(line) for line in told.stdout.splitlines()]
    assert [one["id"] for one in scores] == [f"t{at}" for at in range(6)]
    assert all(one["structure"] == 1 and one["correct"] == 1 and one["faults"] == [] for one in scores)
    # One step of three failed: the steps are two thirds sound, all else is whole.
    assert all(abs(one["reward"] - (0.5 + 0.5 * (0.4 * 2 / 3 + 0.6))) < 1e-9 for one in scores)
    assert "family" in told.stderr and "group" in told.stderr


def test_the_card_names_counts_seeds_hashes_and_licence(rows: Path) -> None:
    import hashlib

    card = (rows / "README.md").read_text()
    assert card.startswith("---\nlicense: cc0-1.0\n")
    assert "6 trajectories in 6 episodes, 18 steps" in card and "Seeds of the tasks: 0 to 5." in card
    for file in rows.glob("*.jsonl"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in card, file.name


def test_generated_tasks_hold_when_the_product_executes_them(scratch: Path, datarus: str, python: str) -> None:
    orders = [python, "-m", "training.orders", "--out", str(scratch), "--count", "40", "--scratch", str(scratch / "s")]
    subprocess.run(orders, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True)
    command = [datarus, "episodes", "make", "tasks.jsonl", "-o", "done.jsonl", "--json"]
    made = json.loads(subprocess.run(command, cwd=scratch, check=True, capture_output=True, text=True).stdout)
    assert made["skipped"] == 0 and made["episodes"] == 40
    rejected = scratch / "done.rejected.jsonl"
    reasons = [json.loads(line)["problems"] for line in rejected.read_text().splitlines()] if rejected.exists() else []
    assert len(reasons) <= 2, reasons
