"""ZIP archives: their data files are unpacked one by one, within bounds, under names of our own."""

import os
import tempfile
import zipfile

from . import formats
from .formats import READERS, Unreadable, ending

# Data files that are described, names of others, the most bytes of one, and how many times what it is packed in it may be.
MEMBERS = 10
NAMES = 20
BYTES = 64 << 20
RATIO = 200


def read_zip(path, found):
    """Each data file in an archive becomes tables or texts under its name; archives in archives are not opened."""
    if not zipfile.is_zipfile(path):
        raise Unreadable("no ZIP archive")
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        data = [member for member in members if ending(member.filename) in READERS and ending(member.filename) != "zip"]
        for member in data[:MEMBERS]:
            _read_member(archive, member, found)
    if len(data) > MEMBERS:
        found["notes"].append(f"only {MEMBERS} of its {len(data)} data files were read")
    others = [member.filename[:60] for member in members if member not in data]
    if others:
        more = f" and {len(others) - NAMES} more" if len(others) > NAMES else ""
        found["notes"].append("also holds " + ", ".join(others[:NAMES]) + more)
    if not members:
        found["notes"].append("it holds no file")


def _read_member(archive, member, found):
    name = member.filename[:80]
    if member.flag_bits & 1:
        found["notes"].append(f"{name} is encrypted")
        return
    if member.file_size > BYTES or member.file_size > RATIO * max(member.compress_size, 1 << 10):
        found["notes"].append(f"{name} was not unpacked: it claims {member.file_size:,} bytes")
        return
    # The name decides the reader, and nothing else.
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, f"member.{ending(member.filename)}")
        try:
            with archive.open(member) as packed, open(copy, "wb") as file:
                _copy(packed, file, member.file_size)
        except Exception as error:
            found["notes"].append(f"{name} cannot be unpacked: {type(error).__name__}")
            return
        inner = formats.read(copy)
    for part in inner["tables"] + inner["texts"]:
        part["name"] = name if part["name"] is None else f"{name}: {part['name']}"
    found["tables"] += inner["tables"]
    found["texts"] += inner["texts"]
    found["notes"] += [f"{name}: {note}" for note in inner["notes"]]


def _copy(packed, file, most):
    """What an archive says of its sizes need not be true."""
    while block := packed.read(1 << 16):
        most -= len(block)
        if most < 0:
            raise Unreadable("larger than it says")
        file.write(block)
