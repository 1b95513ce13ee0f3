"""Where the tests find the project, its model, and the program, whose tests are left out without one."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "agent/embedded/datarus-mini.gguf"
PROGRAM = os.environ.get("DATARUS_BIN")
