"""A report is checked by running its code again: what changed is named, and nothing is written."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(NOTEBOOKS / "data", tmp_path / "data")
    shutil.copy(NOTEBOOKS / "penguins.ipynb", tmp_path / "n.ipynb")
    return tmp_path


def verified(datarus: str, folder: Path) -> tuple[int, dict]:
    before = (folder / "n.ipynb").read_bytes()
    run = [datarus, "verify", "n.ipynb", "--json"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    assert (folder / "n.ipynb").read_bytes() == before
    return done.returncode, json.loads(done.stdout)


def code_cell(id: str, source: str, output: str | None = None, **metadata: object) -> dict:
    outputs = [] if output is None else [{"output_type": "stream", "name": "stdout", "text": output}]
    return {"cell_type": "code", "id": id, "metadata": metadata, "source": source, "outputs": outputs, "execution_count": 1}


def written(folder: Path, *cells: dict) -> None:
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (folder / "n.ipynb").write_text(json.dumps(notebook))


def changed(folder: Path, change) -> None:
    notebook = json.loads((folder / "n.ipynb").read_text())
    change(notebook)
    (folder / "n.ipynb").write_text(json.dumps(notebook))


def first(notebook: dict, part: str) -> dict:
    """The cell of the first turn whose id ends so: `-1c` is its first code, `-a` its answer."""
    return next(cell for cell in notebook["cells"] if cell["id"].startswith("t_") and cell["id"].endswith(part))


def test_a_notebook_holds_whose_data_are_the_same(datarus: str, folder: Path) -> None:
    code, found = verified(datarus, folder)
    # The pictures are those of another matplotlib where there is another.
    others = [output for output in found["outputs"] if "[image/" not in output["was"]]
    assert (others, found["failed"], found["numbers_lost"]) == ([], [], [])
    assert (found["cells"], found["numbers_held"]) == (9, 13)
    assert found["data"] == [{"path": "data/penguins.csv", "state": "same"}]
    assert code == (0 if not found["outputs"] else 1)


def test_changed_data_are_named_first_and_with_them_what_no_longer_holds(datarus: str, folder: Path) -> None:
    table = folder / "data/penguins.csv"
    lines = table.read_text().splitlines()
    gone = next(at for at, line in enumerate(lines) if line.startswith("Chinstrap"))
    table.write_text("\n".join(lines[:gone] + lines[gone + 1 :]) + "\n")
    code, found = verified(datarus, folder)
    assert (code, found["holds"]) == (1, False)
    assert found["data"] == [{"path": "data/penguins.csv", "state": "changed"}]
    assert {"question": 1, "number": "68"} in found["numbers_lost"]
    assert {"question": 1, "number": "152"} not in found["numbers_lost"]
    counts = next(output for output in found["outputs"] if "68" in output["was"])
    assert "67" in counts["is"] and counts["execution_count"] == 3
    said = subprocess.run([datarus, "verify", "n.ipynb"], cwd=folder, capture_output=True, text=True, timeout=300)
    first, *others = said.stdout.splitlines()
    assert first == "data      data/penguins.csv has changed"
    assert any(line.startswith("number    68 of the answer to question 1") for line in others)


def test_data_that_are_gone_fail_the_cells(datarus: str, folder: Path) -> None:
    (folder / "data/penguins.csv").unlink()
    code, found = verified(datarus, folder)
    assert (code, found["data"][0]["state"]) == (1, "missing")
    assert found["failed"][0]["ename"] == "FileNotFoundError"


def test_an_output_that_was_touched_up_is_found(datarus: str, folder: Path) -> None:
    def touch_up(notebook: dict) -> None:
        cell = first(notebook, "-1c")
        cell["outputs"][0]["data"]["text/plain"] = "".join(cell["outputs"][0]["data"]["text/plain"]).replace("152", "999")
        answer = first(notebook, "-a")
        answer["source"] = "".join(answer["source"]).replace("[152]", "[999]")

    changed(folder, touch_up)
    code, found = verified(datarus, folder)
    assert code == 1
    assert found["numbers_lost"] == [{"question": 1, "number": "999"}]
    assert ("999" in found["outputs"][0]["was"], "152" in found["outputs"][0]["is"]) == (True, True)


def test_cells_run_in_the_sandbox_and_no_cell_of_the_notebook_opens_it(datarus: str, folder: Path) -> None:
    secret = folder.parent / "secret.txt"
    secret.write_text("key")

    def reach_out(notebook: dict) -> None:
        for at, source in enumerate(["%datarus sandbox off", f"open({str(secret)!r}).read()"]):
            notebook["cells"].append({"cell_type": "code", "id": f"out{at}", "metadata": {}, "source": source, "outputs": [], "execution_count": None})

    changed(folder, reach_out)
    code, found = verified(datarus, folder)
    assert code == 1
    assert [failed["id"] for failed in found["failed"]] == ["out1"]


@pytest.mark.parametrize("audience", ["reader", "reviewer"])
def test_a_clean_notebook_is_checked_like_the_one_that_it_was_made_of(datarus: str, folder: Path, audience: str) -> None:
    _, whole = verified(datarus, folder)
    run = [datarus, "report", "n.ipynb", "--to", "ipynb", "--audience", audience, "-o", "clean.ipynb"]
    subprocess.run(run, cwd=folder, check=True, capture_output=True, timeout=120)
    (folder / "clean.ipynb").rename(folder / "n.ipynb")
    _, clean = verified(datarus, folder)
    assert clean | {"seconds": 0} == whole | {"seconds": 0}


def test_a_question_that_no_page_has_marked_is_not_asked_and_stops_nothing(datarus: str, folder: Path) -> None:
    written(folder, code_cell("q", "> How many rows are there?"), code_cell("c", "print(1)", "1\n"))
    code, found = verified(datarus, folder)
    assert (code, found["holds"], found["cells"]) == (0, True, 1)


def test_what_is_shown_by_cells_that_do_not_run_does_not_hold(datarus: str, folder: Path) -> None:
    written(folder, code_cell("s", "print(1)", "999\n", tags=["skip-execution"]), code_cell("c", "print(1)", "1\n"))
    code, found = verified(datarus, folder)
    assert (code, found["holds"], found["cells"], found["outputs"]) == (1, False, 1, [])
    assert [cell["id"] for cell in found["not_run"]] == ["s"]


def test_a_check_that_was_interrupted_says_nothing_of_what_it_did_not_reach(datarus: str, folder: Path) -> None:
    def interrupt(notebook: dict) -> None:
        at = notebook["cells"].index(first(notebook, "-a"))
        notebook["cells"][at + 1 : at + 1] = [code_cell("stop", "raise KeyboardInterrupt")]

    changed(folder, interrupt)
    code, found = verified(datarus, folder)
    assert (code, found["holds"]) == (130, False)
    assert 0 < found["numbers_held"] < 13 and found["numbers_lost"] == []
    assert found["cells"] + found["unreached"] == 10 and 0 < found["cells"]


def test_python_that_shows_what_a_turn_shows_is_checked_as_python(datarus: str, folder: Path) -> None:
    step = "application/vnd.datarus.step+json"
    source = f'display({{"{step}": {{"v": 1, "turn": "t_1", "step": 1, "state": "done", "code": "2"}}}}, raw=True)\nprint(1)'
    written(folder, code_cell("f", source, "999\n"), code_cell("c", "print(1)", "999\n"))
    code, found = verified(datarus, folder)
    assert (code, found["holds"], found["cells"]) == (1, False, 2)
    assert [output["id"] for output in found["outputs"]] == ["f", "c"]


def test_a_notebook_says_to_a_terminal_nothing_but_itself(datarus: str, folder: Path) -> None:
    source = 'raise ValueError("\\x1b]0;evil\\x07\\x1b[2J\\nholds: all")'
    written(folder, code_cell("c", source, "\x1b[31mred\x9b2J\n"))
    run = [datarus, "verify", "n.ipynb"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "evil" in said and not set("\x1b\x07\x9b") & set(said), said
    assert not any(line.startswith("holds") for line in said.splitlines())
