"""A client made of plain libzmq sockets and, for hostile cases, of raw bytes."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import uuid
from pathlib import Path

import psutil
import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

TIMEOUT_MS = 60_000
CHANNELS = {"shell": b"DEALER", "control": b"DEALER", "stdin": b"DEALER", "iopub": b"SUB", "hb": b"REQ"}
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
HUGE_FRAME = b"\x02" + struct.pack(">Q", 2**46)


def ready(socket_type: bytes) -> bytes:
    """The READY command of a socket of this type."""
    body = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(socket_type)) + socket_type
    return b"\x04" + bytes([len(body)]) + body


class Peer:
    """A kernel that was started with a connection file of ours, and sockets to it.

    With `curve` the file has keys for encryption, and the sockets encrypt as those of `jupyter_client` do.
    """

    def __init__(self, datarus: str, folder: Path, transport: str, curve: bool = False) -> None:
        path = folder / "connection.json"
        ip = str(folder / "s") if transport == "ipc" else "127.0.0.1"
        public, secret = zmq.curve_keypair() if curve else (None, None)
        _, self.info = write_connection_file(
            str(path),
            transport=transport,
            ip=ip,
            key=uuid.uuid4().hex.encode(),
            curve_publickey=public,
            curve_secretkey=secret,
        )
        self.security = {}
        if curve:
            self.security = {"curve_serverkey": public, "curve_publickey": public, "curve_secretkey": secret}
        self.session = Session(key=self.info["key"].encode())
        self.context = zmq.Context()
        self.process = subprocess.Popen([datarus, "kernel", "-f", str(path)], cwd=folder)
        self.shell = self.connect("shell", zmq.DEALER)
        self.kernel_info(self.shell)

    def endpoint(self, channel: str) -> str:
        port = self.info[f"{channel}_port"]
        joint = "-" if self.info["transport"] == "ipc" else ":"
        return f"{self.info['transport']}://{self.info['ip']}{joint}{port}"

    def connect(self, channel: str, kind: int, **options: object) -> zmq.Socket:
        """A libzmq socket to a channel."""
        made = self.context.socket(kind)
        made.linger = 0
        for name, value in {**self.security, **options}.items():
            setattr(made, name, value)
        made.connect(self.endpoint(channel))
        return made

    def subscribe(self) -> zmq.Socket:
        """A subscriber that has had its welcome, which must be the first it gets."""
        made = self.connect("iopub", zmq.SUB)
        made.subscribe(b"")
        first = self.receive(made)
        assert first["msg_type"] == "iopub_welcome", first["msg_type"]
        return made

    def raw(self, channel: str) -> socket.socket:
        """A connection of raw bytes to a channel."""
        if self.info["transport"] == "ipc":
            made = socket.socket(socket.AF_UNIX)
            made.connect(f"{self.info['ip']}-{self.info[f'{channel}_port']}")
        else:
            made = socket.create_connection((self.info["ip"], self.info[f"{channel}_port"]))
        made.settimeout(TIMEOUT_MS / 1000)
        return made

    def request(self, made: zmq.Socket, kind: str, content: object) -> dict:
        """Sends a request and returns the content of its reply."""
        message = self.session.msg(kind, {})
        message["content"] = content
        self.session.send(made, message)
        while True:
            reply = self.receive(made)
            if reply["parent_header"]["msg_id"] == message["msg_id"]:
                return reply["content"]

    def receive(self, made: zmq.Socket) -> dict:
        """The next message on a socket."""
        assert made.poll(TIMEOUT_MS), "expected a message, found none"
        _, frames = self.session.feed_identities(made.recv_multipart())
        return self.session.deserialize(frames)

    def kernel_info(self, made: zmq.Socket) -> None:
        """Asks whether the kernel is alive."""
        assert self.request(made, "kernel_info_request", {})["status"] == "ok"

    def signed(self, header: dict, content: bytes) -> list[bytes]:
        """The frames of a message whose content is any bytes."""
        parts = [json.dumps(header).encode(), b"{}", b"{}", content]
        return [b"<IDS|MSG>", self.session.sign(parts), *parts]

    def descriptors(self) -> int:
        """How many files the kernel has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_mb(self) -> float:
        """The memory that the kernel holds."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20

    def stop(self) -> None:
        """Ends what is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.context.destroy(linger=0)


def closed(made: socket.socket) -> bool:
    """Waits until the kernel has closed a raw connection."""
    try:
        while made.recv(65536):
            pass
    except ConnectionError:
        pass
    return True
