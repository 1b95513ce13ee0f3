"""Installs packages into a folder: what Python's own environment has stays in the version that it has there."""

import importlib.metadata
import runpy
import sys
import tempfile

target, *packages = sys.argv[1:]
with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as constraints:
    for found in importlib.metadata.distributions():
        if found.metadata["Name"]:
            # A local version, such as `2.0+cpu`, is on no index.
            print(found.metadata["Name"], found.version.partition("+")[0], sep="==", file=constraints)
options = "--quiet --no-input --disable-pip-version-check --no-cache-dir --no-compile --progress-bar off"
sys.argv = ["pip", "install", *options.split(), "--only-binary", ":all:", "--upgrade", "--target", target]
sys.argv += ["--constraint", constraints.name, "--", *packages]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
