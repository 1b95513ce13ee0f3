"""Puts the module `datarus_companion` into a kernel that was not started by the launcher, and says where it runs.

Run once over each connection, in a namespace of its own, with `FILES` (name and text of each file of the module),
`VERSION` (what names these files), `FOLDER` (the notebook's folder as the Datarus kernel sees it, with its number and
time) and `OURS` (whether the kernel was started for this notebook).
"""

import atexit
import importlib
import os
import shutil
import sys
import tempfile

from IPython import get_ipython

NAME = "datarus_companion"


def module():
    """The module; one that an earlier connection left here is taken if it is of the same files."""
    known = sys.modules.get(NAME)
    if getattr(known, "VERSION", None) == VERSION:
        return known
    for name in [name for name in sys.modules if name == NAME or name.startswith(NAME + ".")]:
        del sys.modules[name]
    # On disk, since what reads data files is a process of its own that imports it.
    here = tempfile.mkdtemp(prefix="datarus-")
    atexit.register(shutil.rmtree, here, ignore_errors=True)
    for name, text in FILES.items():
        path = os.path.join(here, NAME, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    sys.path.insert(0, here)
    try:
        importlib.invalidate_caches()
        made = importlib.import_module(NAME)
    finally:
        sys.path.remove(here)
    made.VERSION = VERSION
    made.attach(get_ipython())
    return made


def sees_folder():
    """Whether the notebook's folder is here what it is there: the same number, changed at about the same time."""
    try:
        found = os.stat(FOLDER["path"])
    except OSError:
        return False
    # What a network's file system tells of times may be old.
    return found.st_ino == FOLDER["number"] and abs(found.st_mtime - FOLDER["changed"]) < 60


def settle():
    """Returns the answer to the kernel."""
    answer = module()._Answer
    shares = sees_folder()
    if shares and OURS:
        os.chdir(FOLDER["path"])
    return answer({"python": ".".join(map(str, sys.version_info[:3])), "shares_folder": shares})
