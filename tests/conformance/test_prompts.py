"""A notebook with a question runs in other people's programs, and its answer replays without us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat

import kernels
from normalise import normalise

STEP = "application/vnd.datarus.step+json"
QUESTION = "What is the mean revenue by region?"
PROGRAMS = {
    "nbclient": "import sys; from nbclient.cli import main; sys.exit(main())",
    "papermill": "import sys; from papermill.cli import papermill; sys.exit(papermill())",
}


def execute(program: str, *arguments: str, work: Path, datarus: str) -> None:
    """Runs `program` in `work`, where both kernels can be had by name."""
    for kernel in ("python3", "datarus"):
        kernels.write_spec(work.parent, kernel, kernel, datarus)
    command = [sys.executable, "-c", PROGRAMS[program], *arguments]
    env = kernels.environment(work.parent)
    done = subprocess.run(
        command, cwd=work, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-5000:]


def write_mixed_notebook(path: Path) -> None:
    """Python, a question, Python that uses what was there before."""
    sources = ["seats = 40 + 2", QUESTION, "seats"]
    cells = [
        nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        for number, source in enumerate(sources)
    ]
    spec = {"name": "datarus", "display_name": "Datarus", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), path)


def answers(cell: nbformat.NotebookNode) -> list[str]:
    """The answers that the outputs of a prompt cell hold."""
    bundles = [one["data"] for one in cell.outputs if one.output_type == "display_data"]
    ends = [bundle[STEP] for bundle in bundles if STEP in bundle and "outcome" in bundle[STEP]]
    return [end["outcome"]["answer"] for end in ends if end["outcome"]["kind"] == "answered"]


def check_mixed_notebook(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    _, question, after = [cell for cell in notebook.cells if cell.id.startswith("cell-")]
    assert len(answers(question)) == 1, question.outputs
    assert "130" in str(question.outputs), "expected the mean revenue of North"
    assert after.outputs[0]["data"]["text/plain"] == "42"
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == sorted(set(counts)), f"expected numbers that only rise, found {counts}"


def test_nbclient_executes_a_notebook_with_a_question(work: Path, datarus: str) -> None:
    path = work / "mixed.ipynb"
    write_mixed_notebook(path)
    execute("nbclient", "--inplace", "--timeout=200", str(path), work=work, datarus=datarus)
    check_mixed_notebook(path)


def test_papermill_executes_a_notebook_with_a_question(work: Path, datarus: str) -> None:
    write_mixed_notebook(work / "mixed.ipynb")
    arguments = ("mixed.ipynb", "out.ipynb", "-k", "datarus")
    execute("papermill", *arguments, work=work, datarus=datarus)
    check_mixed_notebook(work / "out.ipynb")


def code_outputs(path: Path) -> list[list[str]]:
    """Of the cells that replay: what each shows, without its number."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    replayed = [cell for cell in notebook.cells if "datarus-code" in cell.metadata.get("tags", [])]
    replayed = [cell for cell in replayed if "skip-execution" not in cell.metadata.tags]
    return [
        normalise([(one.pop("output_type"), without_number(one)) for one in cell.outputs], {})
        for cell in replayed
    ]


def without_number(output: dict) -> dict:
    return {
        key: value for key, value in output.items() if key not in ("execution_count", "metadata")
    }


def test_an_asked_notebook_replays_under_plain_python(work: Path, datarus: str) -> None:
    ask = [datarus, "ask", QUESTION, "--data", "sales.csv", "-o", "report.ipynb"]
    env = kernels.environment(work.parent)
    done = subprocess.run(
        ask, cwd=work, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    arguments = ("report.ipynb", "replayed.ipynb", "-k", "python3")
    execute("papermill", *arguments, work=work, datarus=datarus)
    asked = code_outputs(work / "report.ipynb")
    assert asked, "expected steps of code in the notebook"
    assert code_outputs(work / "replayed.ipynb") == asked
