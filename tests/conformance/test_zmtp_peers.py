"""The kernel's own sockets against libzmq, and against bytes that no client would send.

The rules themselves are tested beside the code; here the peer is the library that clients use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from processes import wait_until
from zmtp_peer import CHANNELS, GREETING, HUGE_FRAME, TIMEOUT_MS, Peer, closed, ready


@pytest.fixture(scope="module", params=["tcp", "ipc", "tcp with curve"])
def peer(request: pytest.FixtureRequest, datarus: str) -> Iterator[Peer]:
    """One kernel for each transport; it must survive all tests of this file."""
    folder = Path(tempfile.mkdtemp(prefix="dr-"))
    transport, *curve = request.param.split()
    started = Peer(datarus, folder, transport, curve=bool(curve))
    yield started
    started.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def alive(peer: Peer) -> Iterator[None]:
    """After each test the kernel answers the client that was there first, and a new one."""
    yield
    if peer.process.poll() is None:
        peer.kernel_info(peer.shell)
        with peer.connect("control", zmq.DEALER) as control:
            peer.kernel_info(control)


def test_a_client_with_zmtp_heartbeats_keeps_its_connection(peer: Peer) -> None:
    with peer.connect("shell", zmq.DEALER, heartbeat_ivl=50, heartbeat_timeout=2_000) as shell:
        monitor = shell.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        peer.kernel_info(shell)
        assert not monitor.poll(500), "the connection was lost"
        peer.kernel_info(shell)
        shell.disable_monitor()


def test_the_heartbeat_channel_echoes(peer: Peer) -> None:
    with peer.connect("hb", zmq.REQ) as heartbeat:
        for ping in (b"ping", b"", os.urandom(100_000)):
            heartbeat.send(ping)
            assert heartbeat.poll(TIMEOUT_MS)
            assert heartbeat.recv() == ping


def test_the_welcome_is_the_first_message_of_every_subscriber(peer: Peer) -> None:
    for _ in range(20):
        # Something is published all the while.
        peer.session.send(peer.shell, peer.session.msg("kernel_info_request", {}))
        peer.subscribe().close()
    for _ in range(20):
        peer.receive(peer.shell)


def test_a_huge_frame_header_costs_its_sender_the_connection(peer: Peer) -> None:
    for channel, socket_type in CHANNELS.items():
        for start in (GREETING, GREETING + ready(socket_type)):
            with peer.raw(channel) as hostile:
                hostile.sendall(start + HUGE_FRAME)
                assert closed(hostile)


def test_garbage_and_half_open_handshakes_harm_nobody(peer: Peer) -> None:
    half_open = [peer.raw(channel) for channel in CHANNELS for _ in range(10)]
    for channel in CHANNELS:
        for start in (b"", GREETING):
            with peer.raw(channel) as hostile:
                try:
                    hostile.sendall(start + b"\xff" + os.urandom(65_536))
                except ConnectionError:
                    pass
    peer.kernel_info(peer.shell)
    for connection in half_open:
        connection.close()


def test_one_identity_reconnects_fifty_times(peer: Peer) -> None:
    identity = uuid.uuid4().bytes.replace(b"\0", b"x")
    for _ in range(50):
        with peer.connect("shell", zmq.DEALER, identity=identity) as shell:
            peer.kernel_info(shell)


def test_subscribers_come_and_go_and_leave_no_descriptor(peer: Peer) -> None:
    # The companion comes up in the background, and with it what connects us to it.
    peer.request(peer.shell, "execute_request", {"code": "1"})
    before = peer.descriptors()
    for _ in range(200):
        peer.subscribe().close()
    wait_until("no descriptor is left", lambda: peer.descriptors() <= before)


def test_a_stalled_subscriber_delays_nobody_else(peer: Peer) -> None:
    # It reads nothing but its welcome, and libzmq holds one message for it.
    stalled = peer.connect("iopub", zmq.SUB, rcvhwm=1)
    stalled.subscribe(b"")
    reader = peer.subscribe()
    # A debug build encrypts slowly.
    outputs = 20 if peer.security else 100
    code = f"for n in range({outputs}): display({{'text/plain': str(n) + 'x' * 1_000_000}}, raw=True)"
    request = peer.session.send(peer.shell, "execute_request", {"code": code})
    seen = 0
    while True:
        message = peer.receive(reader)
        if message["parent_header"].get("msg_id") != request["msg_id"]:
            continue
        if message["msg_type"] == "display_data":
            assert message["content"]["data"]["text/plain"].startswith(f"{seen}x")
            seen += 1
        if message["content"].get("execution_state") == "idle":
            break
    assert seen == outputs
    assert peer.receive(peer.shell)["content"]["status"] == "ok"
    stalled.close()
    reader.close()


def test_what_is_not_signed_is_not_answered(peer: Peer) -> None:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "kernel_info_request", "session": "s"}
    frames = peer.signed(header, b"{}")
    wrong = [frames[0], b"0" * 64, *frames[2:]]
    for hostile in (wrong, frames[:1], frames[1:], [frames[0], b"", *frames[2:]], [b""] * 1000):
        peer.shell.send_multipart(hostile)
    # The good one is answered once; its replay is not.
    peer.shell.send_multipart(frames)
    peer.shell.send_multipart(frames)
    assert peer.receive(peer.shell)["parent_header"]["msg_id"] == header["msg_id"]
    peer.kernel_info(peer.shell)


def test_a_replay_is_refused_on_another_channel_too(peer: Peer) -> None:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "kernel_info_request", "session": "s"}
    frames = peer.signed(header, b"{}")
    peer.shell.send_multipart(frames)
    assert peer.receive(peer.shell)["parent_header"]["msg_id"] == header["msg_id"]
    with peer.connect("control", zmq.DEALER) as control:
        control.send_multipart(frames)
        later = peer.session.send(control, "kernel_info_request", {})
        assert peer.receive(control)["parent_header"]["msg_id"] == later["msg_id"]


def test_messages_with_a_wrong_signature_leave_nothing_in_memory(peer: Peer) -> None:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "s"}
    frames = peer.signed(header, b'{"code": "1/0"}')
    frames[1] = b"0" * 64
    peer.kernel_info(peer.shell)
    before = peer.resident_mb()
    for _ in range(20_000):
        peer.shell.send_multipart(frames)
    peer.kernel_info(peer.shell)
    peer.shell.send_multipart([*frames[:-1], bytes(100 << 20)])
    peer.kernel_info(peer.shell)
    wait_until("the memory is given back", lambda: peer.resident_mb() < before + 16)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_cannot_reach_a_unix_socket(peer: Peer) -> None:
    if peer.info["transport"] != "ipc":
        return
    # Even where the folder lets others in.
    folder = Path(peer.info["ip"]).parent
    folder.chmod(0o755)
    path = f"{peer.info['ip']}-{peer.info['shell_port']}"
    program = f"import socket; socket.socket(socket.AF_UNIX).connect({path!r})"
    command = [sys.executable, "-I", "-c", program]
    assert subprocess.run(command, check=False).returncode == 0
    other = subprocess.run(
        ["/usr/bin/python3", *command[1:]], user=65534, capture_output=True, text=True, check=False
    )
    folder.chmod(0o700)
    assert "PermissionError" in other.stderr, other


@pytest.mark.parametrize("content", [b"{}", b"[]", b"[" * 100_000, b'{"code": 3}', b"\xff"])
def test_a_signed_request_that_is_malformed_is_answered(peer: Peer, content: bytes) -> None:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "s"}
    peer.shell.send_multipart(peer.signed(header, content))
    reply = peer.receive(peer.shell)
    assert reply["parent_header"]["msg_id"] == header["msg_id"]
    assert reply["content"]["status"] == "error"


def test_the_last_replies_are_sent_before_the_end(peer: Peer) -> None:
    with peer.subscribe() as iopub, peer.connect("control", zmq.DEALER) as control:
        reply = peer.request(control, "shutdown_request", {"restart": False})
        assert reply["status"] == "ok"
        while peer.receive(iopub)["content"].get("execution_state") != "idle":
            pass
    assert peer.process.wait(TIMEOUT_MS / 1000) == 0
    if peer.info["transport"] == "ipc":
        left = Path(peer.info["ip"]).parent.glob("s-*")
        assert not list(left), "a socket file is left"
