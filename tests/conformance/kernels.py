"""Which kernel the name `python3` stands for.

`jupyter_client` looks for kernelspecs on `JUPYTER_PATH` first. So a folder with
`kernels/python3/kernel.json` in front of it makes every program that asks for
`python3` start the kernel written there, without a change to that program.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def python() -> str:
    """The Python that runs cells: the same on both sides, else versions are compared."""
    return os.environ.get("DATARUS_PYTHON", sys.executable)


DISPLAY_NAMES = {"python3": "Python 3 (ipykernel)", "datarus": "Datarus"}


def argv_of(kernel: str, datarus: str | None) -> list[str]:
    """The command line of `kernel`, which is `python3` or `datarus`."""
    if kernel == "python3":
        return [python(), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    if datarus is None:
        raise ValueError("expected the path of the datarus binary, found none")
    return [str(Path(datarus).resolve()), "kernel", "-f", "{connection_file}"]


def write_spec(
    folder: Path,
    name: str,
    kernel: str,
    datarus: str | None,
    settings: dict[str, str] | None = None,
) -> None:
    """Writes the kernelspec `name` that starts `kernel` under `folder`/kernels.

    `settings` are environment variables for Datarus.
    """
    spec = {
        "argv": argv_of(kernel, datarus),
        "display_name": DISPLAY_NAMES[kernel],
        "language": "python",
        "metadata": {"debugger": True},
    }
    if kernel == "datarus":
        spec["interrupt_mode"] = "message"
        spec["env"] = {"DATARUS_PYTHON": python(), **(settings or {})}
    target = folder / "kernels" / name
    target.mkdir(parents=True, exist_ok=True)
    (target / "kernel.json").write_text(json.dumps(spec, indent=1))


def environment(scratch: Path) -> dict[str, str]:
    """An environment that finds the kernelspecs under `scratch`, and nothing of the user's.

    History, configuration and connection files lie under `scratch` too, so a run
    neither reads nor changes what the person who runs it has.
    """
    env = dict(os.environ)
    # ipykernel does not capture what is written to descriptors while pytest runs; a sandboxed one does not see that.
    env.pop("PYTEST_CURRENT_TEST", None)
    env["JUPYTER_PATH"] = str(scratch)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        env[name] = str(scratch / name.lower())
        Path(env[name]).mkdir(parents=True, exist_ok=True)
    env["PATH"] = str(Path(python()).parent) + os.pathsep + env.get("PATH", "")
    env["DATARUS_PYTHON"] = python()
    env.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    return env
