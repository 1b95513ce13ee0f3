"""Standard output and standard error of a cell, in pieces that a reader can hold.

ipykernel makes one message of all that was printed within 0.2 seconds: up to 200 megabytes. The kernel, which lets
only so much of a stream through, would have to take each whole into memory first.
"""

from ipykernel.iostream import OutStream

# In characters. Long enough that what people print goes out as one message.
PIECE = 1 << 17


class PiecewiseStream(OutStream):
    """An `OutStream` whose messages are at most `PIECE` characters long."""

    def _flush_buffers(self):
        for parent, text in super()._flush_buffers():
            for start in range(0, len(text), PIECE):
                yield parent, text[start : start + PIECE]
