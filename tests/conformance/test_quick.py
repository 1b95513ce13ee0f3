"""The quick part of the foreign suites passes for Datarus wherever it passes for `python3`."""

import os
import subprocess
import sys
from pathlib import Path


def test_quick_part_of_the_foreign_suites(datarus: str) -> None:
    table = Path(__file__).with_name("table.py")
    command = [sys.executable, str(table), "--quick", "--datarus", datarus]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
