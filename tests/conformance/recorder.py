"""What stands between a client and a kernel, and keeps every byte that passes."""

from __future__ import annotations

import socket
import threading


class Recorder:
    """Forwards the five ports of a connection; `info` is the connection through it."""

    def __init__(self, info: dict) -> None:
        self.info = dict(info)
        self._directions: list[list[bytes]] = []
        self._sockets: list[socket.socket] = []
        for name in [name for name in info if name.endswith("_port")]:
            listener = socket.create_server(("127.0.0.1", 0))
            self._sockets.append(listener)
            self.info[name] = listener.getsockname()[1]
            self._start(self._accept, listener, (info["ip"], info[name]))

    def bytes(self) -> bytes:
        """All that has passed; what one side of a connection said stands together."""
        return b"".join(piece for said in self._directions for piece in said)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        for made in self._sockets:
            made.close()

    def _accept(self, listener: socket.socket, kernel: tuple[str, int]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(kernel)
            self._sockets += [client, server]
            self._start(self._pass, client, server)
            self._start(self._pass, server, client)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        said: list[bytes] = []
        self._directions.append(said)
        try:
            while piece := source.recv(65536):
                said.append(piece)
                target.sendall(piece)
        except OSError:
            pass
        finally:
            for made in (source, target):
                try:
                    made.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @staticmethod
    def _start(work: object, *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()
