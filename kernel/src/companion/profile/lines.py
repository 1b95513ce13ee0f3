"""The lines of a text file, whatever its encoding, within bounds."""

import codecs
import io

# Bytes of a file that are read, and of one line.
BYTES = 32 << 20
LINE = 1 << 20

# How much of a file tells its encoding, in bytes.
HEAD = 1 << 20


class Lines:
    """An iterator over lines as text, which knows how far it is."""

    def __init__(self, path):
        self.n_bytes = 0
        # Whether there is more than was read.
        self.is_cut = False
        self._file = open(path, "rb")
        self.encoding = _encoding(self._file.read(HEAD))
        self._file.seek(0)
        if self.encoding == "utf-16":
            # Its line ends are no bytes.
            text = self._file.read(BYTES).decode(self.encoding, "replace")
            self.is_cut = bool(self._file.read(1))
            self._file = io.BytesIO(text.encode())
        elif self.encoding == "utf-8":
            bom = self._file.read(3)
            self._file.seek(3 if bom == codecs.BOM_UTF8 else 0)

    def __iter__(self):
        return self

    def __next__(self):
        line = self._file.readline(LINE) if self.n_bytes < BYTES else b""
        if not line:
            self.is_cut = self.is_cut or bool(self._file.read(1))
            self._file.close()
            self._file = io.BytesIO()
            raise StopIteration
        self.n_bytes += len(line)
        return line.decode("windows-1252" if self.encoding == "windows-1252" else "utf-8", "replace")


def _encoding(head):
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
        return "utf-8"
    except UnicodeDecodeError:
        return "windows-1252"
