"""Standard output and standard error of a cell, in pieces that a reader can hold.

ipykernel makes one message of all that was printed within 0.2 seconds: up to 200 megabytes. The kernel, which lets
only so much of a stream through, would have to take each whole into memory first.
"""

from ipykernel.iostream import OutStream

# Both in characters. A piece is long enough that what people print goes out as one message.
PIECE = 1 << 17
MOST_WAITING = 1 << 22


class PiecewiseStream(OutStream):
    """An `OutStream` whose messages are at most `PIECE` characters long, and of whose text about `MOST_WAITING` wait.

    ipykernel's own lets a loop print faster than its thread sends, until memory is full: `while True: print(...)` made
    gigabytes within a second, of which none was seen. Here whoever prints waits until what waits has been sent.
    """

    _waiting = 0

    def write(self, string):
        written = super().write(string)
        self._waiting += len(string)
        # The descriptors of a forked child are not ours to wait for.
        if self._waiting > MOST_WAITING and self._is_master_process():
            self.flush()
        return written

    def _flush_buffers(self):
        self._waiting = 0
        for parent, text in super()._flush_buffers():
            for start in range(0, len(text), PIECE):
                yield parent, text[start : start + PIECE]
