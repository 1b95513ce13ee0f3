"""Standard output and standard error of a cell, in pieces that a reader can hold.

ipykernel makes one message of all that was printed within 0.2 seconds: up to 200 megabytes. The kernel, which lets
only so much of a stream through, would have to take each whole into memory first.
"""

import os
import threading

from ipykernel.iostream import IOPubThread, OutStream

# Both in characters. A piece is long enough that what people print goes out as one message.
PIECE = 1 << 17
MOST_WAITING = 1 << 22

# Writes between two looks at how much waits: a look at each would make a loop that prints a tenth slower.
LOOK = 32


_is_child = False


def _note_child():
    global _is_child
    _is_child = True


os.register_at_fork(after_in_child=_note_child)


class PiecewiseStream(OutStream):
    """An `OutStream` whose messages are at most `PIECE` characters long, and of whose text about `MOST_WAITING` wait.

    ipykernel's own lets a loop print faster than its thread sends, until memory is full: `while True: print(...)` made
    gigabytes within a second, of which none was seen. Here whoever prints waits until what waits has been sent.
    """

    _writes = 0
    # The header of the request that was written for last, and as the key of its buffer.
    _parent = None, None

    def write(self, string):
        """As ipykernel's own, which makes the key of the buffer anew at each write: a third of what a write takes."""
        if _is_child or self.echo is not None or self.pub_thread is None or type(string) is not str:
            return super().write(string)
        header = self.parent_header
        known, key = self._parent
        if known is not header:
            key = frozenset(header.items())
            self._parent = header, key
        with self._buffer_lock:
            self._buffers[key].write(string)
        self._schedule_flush()
        return len(string)

    def _schedule_flush(self):
        # Each `write` ends here, but in a forked child, whose descriptors are not ours to wait for.
        self._writes += 1
        if not self._writes % LOOK and self._waiting() > MOST_WAITING:
            self.flush()
        elif not self._flush_pending:
            super()._schedule_flush()

    def _is_master_process(self):
        # ipykernel asks the system for the number of the process, at each write.
        return not _is_child

    def _waiting(self):
        with self._buffer_lock:
            return sum(buffer.tell() for buffer in self._buffers.values())

    def _flush(self):
        thread = self.pub_thread
        if isinstance(thread, DirectThread) and threading.current_thread() is thread.thread:
            # Before the text is taken from its buffer: what comes out of it must not be overtaken.
            return thread.in_order(super()._flush)
        super()._flush()

    def _flush_buffers(self):
        for parent, text in super()._flush_buffers():
            for start in range(0, len(text), PIECE):
                yield parent, text[start : start + PIECE]


class DirectThread(IOPubThread):
    """An `IOPubThread` that sends at once what is sent from itself, as the pieces of a stream are.

    ipykernel's own puts a note to itself into a pipe for each message. The pipe holds 2,000, and nobody else reads it: a
    flush into more pieces, or many that followed each other quickly, stopped all output for ever.
    """

    # Whether what is sent now has its place already.
    _is_in_order = False

    def _handle_event(self, msg):
        self.in_order(super()._handle_event, msg)

    def in_order(self, act, *args, **kwargs):
        """Calls `act` in this thread, after all that other threads have asked for so far."""
        if self._is_in_order:
            return act(*args, **kwargs)
        self._is_in_order = True
        try:
            try:
                super()._handle_event(None)
            finally:
                # What another thread asked for may fail; this must be sent all the same.
                act(*args, **kwargs)
        finally:
            self._is_in_order = False

    def send_multipart(self, *args, **kwargs):
        if threading.current_thread() is not self.thread:
            return super().send_multipart(*args, **kwargs)
        self.in_order(self._really_send, *args, **kwargs)
