"""The process that reads data files. What it says of each is one line of JSON."""

import hashlib
import json
import os
import resource
import sys

# Memory and processor seconds of this process.
MEMORY = 4 << 30
SECONDS = 60

# What is written for a member of an archive, in bytes.
WRITTEN = 80 << 20

# Larger files are known by size and time alone, in bytes.
HASHED = 256 << 20


def main():
    """Reads the paths from standard input, and writes what the files hold to standard output."""
    asked = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = asked["sys_path"]
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, WRITTEN),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, hard))
    # Libraries may print; the pipe is for lines of ours.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for path in asked["paths"]:
        # Half of a surrogate pair, which JSON can spell, is no text that the kernel could read.
        said = json.dumps(_source(path, set(asked["known"])), ensure_ascii=False)
        out.write(said.encode("utf-8", "replace") + b"\n")
        out.flush()


def _source(path, known):
    from . import formats, servers

    if path.startswith(servers.PREFIX):
        return servers.read(path, known)
    try:
        content = _content(path)
    except OSError as error:
        return {"path": path, "notes": [f"cannot be read: {error.strerror}"]}
    found = {"path": path, "content": content}
    return found if content in known else {**found, **formats.read(path)}


def _content(path):
    """What a file holds, and how it is read: its ending decides that."""
    from .formats import ending

    sha256 = _sha256(path)
    return sha256 and f"{sha256}.{ending(path)}"


def _sha256(path):
    if not os.path.isfile(path) or os.path.getsize(path) > HASHED:
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
