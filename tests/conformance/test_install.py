"""What `datarus install` writes is found, listed, placed and run by Jupyter's own tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import kernels

KERNELSPEC = "import sys; from jupyter_client.kernelspecapp import KernelSpecApp; KernelSpecApp.launch_instance(sys.argv[1:])"
EXECUTE = "import sys; from nbclient.cli import main; sys.exit(main())"


def run(*command: str, env: dict[str, str], cwd: Path) -> str:
    """What a command prints; it has to end well."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


def run_notebook(env: dict[str, str], work: Path) -> str:
    """The text that a notebook for the kernel `datarus` prints."""
    cell = nbformat.v4.new_code_cell("print(6 * 7)", id="one")
    spec = {"name": "datarus", "display_name": "Datarus", "language": "python"}
    path = work / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": spec}), path)
    run(sys.executable, "-c", EXECUTE, "--inplace", str(path), env=env, cwd=work)
    return nbformat.read(path, 4).cells[0].outputs[0].text


@pytest.mark.parametrize("by", ["datarus install", "jupyter kernelspec install"])
def test_the_kernel_is_found_by_its_name_and_runs(by: str, datarus: str, python: str, work: Path) -> None:
    prefix = work.parent / "prefix"
    env = kernels.environment(prefix / "share" / "jupyter")
    place = ["--prefix", str(prefix)]
    if by == "datarus install":
        run(datarus, "install", *place, "--python", python, env=env, cwd=work)
    else:
        folder = work.parent / "datarus"
        run(datarus, "install", "--folder", str(folder), "--python", python, env=env, cwd=work)
        run(sys.executable, "-c", KERNELSPEC, "install", *place, "--name", "datarus", str(folder), env=env, cwd=work)
    listed = json.loads(run(sys.executable, "-c", KERNELSPEC, "list", "--json", env=env, cwd=work))
    spec = listed["kernelspecs"]["datarus"]
    assert Path(spec["resource_dir"]).is_relative_to(prefix)
    assert spec["spec"]["display_name"] == "Datarus"
    assert run_notebook(env, work) == "42\n"


def test_what_was_installed_is_removed(datarus: str, python: str, work: Path) -> None:
    prefix = work.parent / "prefix"
    env = kernels.environment(prefix / "share" / "jupyter")
    run(datarus, "install", "--prefix", str(prefix), "--python", python, env=env, cwd=work)
    run(datarus, "uninstall", "--prefix", str(prefix), env=env, cwd=work)
    listed = json.loads(run(sys.executable, "-c", KERNELSPEC, "list", "--json", env=env, cwd=work))
    assert "datarus" not in listed["kernelspecs"]
