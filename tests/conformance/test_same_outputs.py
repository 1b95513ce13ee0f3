"""A Python cell gives under Datarus, message for message, what it gives under `python3`."""

from __future__ import annotations

import difflib
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import kernels
from normalise import normalise
from notebook_client import Cell, Reader, read_cells, running

CELLS = Path(__file__).parent / "cells"
NOTEBOOKS = ("widgets", "plots", "magics")


def messages_of(kernel: str, notebook: str, scratch: Path, datarus: str) -> list[list[str]]:
    """For each cell of `notebook`, its messages under `kernel`."""
    scratch.mkdir()
    cells = read_cells(CELLS / f"{notebook}.ipy")
    with running(kernel, scratch, datarus) as (_, client):
        reader = Reader(client)
        return [normalise(reader.run(cell), {str(scratch): "<scratch>"}) for cell in cells]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_every_message_is_the_same(notebook: str, scratch: Path, datarus: str) -> None:
    expected = messages_of("python3", notebook, scratch / "p", datarus)
    found = messages_of("datarus", notebook, scratch / "d", datarus)
    cells = read_cells(CELLS / f"{notebook}.ipy")
    trouble = [
        difference(cell, one, other)
        for cell, one, other in zip(cells, expected, found, strict=True)
        if one != other
    ]
    assert not trouble, "\n\n".join(trouble)


def difference(cell: Cell, expected: list[str], found: list[str]) -> str:
    """For the reader of a failure: the cell, and the lines that differ, cut to fit a screen."""
    lines = difflib.unified_diff(expected, found, "python3", "datarus", lineterm="", n=0)
    return cell.source[:500] + "\n" + "\n".join(line[:800] for line in lines)


def written_notebook(notebook: str, kernel: str, folder: Path) -> Path:
    """The same cells as a file, without those that wait for a reader."""
    cells = [cell for cell in read_cells(CELLS / f"{notebook}.ipy") if not cell.types]
    file = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(cell.source, id=f"cell-{number}")
            for number, cell in enumerate(cells)
        ],
        metadata={"kernelspec": {"name": kernel, "display_name": kernel}},
    )
    path = folder / f"{notebook}.ipynb"
    nbformat.write(file, path)
    return path


def executed_outputs(kernel: str, notebook: str, scratch: Path, datarus: str) -> list[list[str]]:
    """For each cell, the outputs that nbclient stores."""
    (scratch / "work").mkdir(parents=True)
    kernels.write_spec(scratch, kernel, kernel, datarus)
    path = written_notebook(notebook, kernel, scratch / "work")
    program = "import sys; from nbclient.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--inplace", "--allow-errors", "--timeout=120"]
    command.append(str(path))
    env = {**kernels.environment(scratch), "IPYKERNEL_CELL_NAME": "<cell>"}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(path, as_version=4).cells
    names = {str(scratch): "<scratch>"}
    return [
        normalise([(one["output_type"], dict(one)) for one in cell.outputs], names)
        for cell in cells
    ]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_nbclient_stores_the_same_outputs(notebook: str, scratch: Path, datarus: str) -> None:
    expected = executed_outputs("python3", notebook, scratch / "p", datarus)
    found = executed_outputs("datarus", notebook, scratch / "d", datarus)
    for number, (one, other) in enumerate(zip(expected, found, strict=True)):
        assert other == one, f"cell {number} of {notebook}"
