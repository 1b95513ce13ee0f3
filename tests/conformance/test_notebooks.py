"""The notebooks of the repository are what the program makes of their questions, and run under plain Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LINK = re.compile(r"\[([^\]]+)\]\(#cell-id=[^)]*\)")


def source(cell: dict) -> str:
    return "".join(cell["source"])


def role(cell: dict) -> str | None:
    return cell["metadata"].get("datarus", {}).get("role")


def answers(notebook: dict) -> list[str]:
    """The answers without their links."""
    return [LINK.sub(r"\1", source(cell)) for cell in notebook["cells"] if role(cell) == "answer"]


def unanswered(notebook: dict) -> dict:
    """The notebook as somebody typed it: text, Python and questions."""
    typed = [cell for cell in notebook["cells"] if role(cell) in (None, "prompt")]
    for cell in typed:
        if cell["cell_type"] == "code":
            cell.update(metadata={}, outputs=[], execution_count=None)
    return {**notebook, "cells": typed, "metadata": {}}


@pytest.fixture(params=sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    shutil.copytree(NOTEBOOKS / "data", tmp_path / "data")
    shutil.copy(NOTEBOOKS / request.param, tmp_path / "kept.ipynb")
    return tmp_path


def test_its_questions_get_the_answers_that_stand_there(folder: Path, datarus: str) -> None:
    kept = json.loads((folder / "kept.ipynb").read_text())
    expected = answers(kept)
    (folder / "asked.ipynb").write_text(json.dumps(unanswered(kept)))
    run = [datarus, "run", "asked.ipynb", "-o", "out.ipynb"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert len(expected) >= 6
    assert answers(json.loads((folder / "out.ipynb").read_text())) == expected


def test_it_runs_under_plain_python(folder: Path) -> None:
    run = [sys.executable, "-m", "papermill", "-k", "python3", "kept.ipynb", "out.ipynb"]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
