"""Encryption of the kernel's sockets, as `jupyter_client` asks for it: CURVE on all five, or no word at all.

The rules themselves are tested beside the code, and `test_zmtp_peers.py` runs over CURVE as well.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from zmq.utils.monitor import recv_monitor_message

import kernels
from kernel_under_test import Kernel, results, text_of
from recorder import Recorder
from zmtp_peer import CHANNELS, TIMEOUT_MS, Peer

KINDS = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "iopub": zmq.SUB, "hb": zmq.REQ}
FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_DISCONNECTED
)


@pytest.fixture(scope="module")
def peer(datarus: str) -> Iterator[Peer]:
    """A kernel that encrypts; it must survive all tests that use it."""
    folder = Path(tempfile.mkdtemp(prefix="dr-"))
    started = Peer(datarus, folder, "tcp", curve=True)
    yield started
    started.kernel_info(started.shell)
    started.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["tcp", "ipc"])
def manager(request: pytest.FixtureRequest, datarus: str, python: str, work: Path) -> Iterator[KernelManager]:
    """A manager that insists on encryption, with the kernelspec that the product writes."""
    folder = work.parent / "kernels" / "datarus"
    subprocess.run([datarus, "install", "--folder", str(folder), "--python", python], check=True)
    specs = KernelSpecManager(kernel_dirs=[str(folder.parent)], ensure_native_kernel=False)
    made = KernelManager(
        kernel_name="datarus",
        kernel_spec_manager=specs,
        connection_file=str(work.parent / "connection.json"),
        transport=request.param,
        ip=str(work.parent / "s") if request.param == "ipc" else "127.0.0.1",
        transport_encryption="required",
    )
    made.start_kernel(cwd=str(work), env=kernels.environment(work.parent))
    yield made
    if made.has_kernel:
        made.shutdown_kernel(now=True)


def test_a_manager_that_requires_encryption_runs_cells(manager: KernelManager) -> None:
    written = json.loads(Path(manager.connection_file).read_text())
    assert len(written["curve_publickey"]) == len(written["curve_secretkey"]) == 40
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    messages = Kernel(manager, client).run("print('x' * 3_000_000)\n6 * 7")
    assert results(messages) == "42"
    assert text_of(messages, "stream").count("x") == 3_000_000
    assert client.shutdown(reply=True, timeout=60)["content"]["status"] == "ok"
    client.stop_channels()


def test_a_restarted_kernel_keeps_its_keys_and_its_heartbeat(manager: KernelManager) -> None:
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    manager.restart_kernel()
    client.wait_for_ready(timeout=60)
    assert results(Kernel(manager, client).run("6 * 7")) == "42"
    # As `jupyter_client` does: a pair of its own for the heartbeat alone.
    heartbeat = client.hb_channel
    with zmq.Context() as context, context.socket(zmq.REQ) as made:
        made.linger = 0
        made.curve_publickey, made.curve_secretkey = zmq.curve_keypair()
        made.curve_serverkey = heartbeat.curve_serverkey
        made.connect(heartbeat.address)
        made.send(b"ping")
        assert made.poll(TIMEOUT_MS)
        assert made.recv() == b"ping"
    client.stop_channels()


def nothing_is_heard(peer: Peer, security: dict, channel: str) -> None:
    """Waits until the kernel has refused a client that has the key for signatures; it has heard nothing then."""
    with peer.context.socket(KINDS[channel]) as made:
        made.linger = made.sndtimeo = 0
        for name, value in security.items():
            setattr(made, name, value)
        monitor = made.get_monitor_socket(FAILED)
        made.connect(peer.endpoint(channel))
        # Who is refused already has nowhere to send to.
        with suppress(zmq.Again):
            if channel == "iopub":
                made.subscribe(b"")
            elif channel == "hb":
                made.send(b"ping")
            else:
                peer.session.send(made, peer.session.msg("kernel_info_request", {}))
        assert monitor.poll(TIMEOUT_MS), "expected a refusal, found none"
        assert recv_monitor_message(monitor)["event"] & FAILED
        # Something is published meanwhile.
        peer.kernel_info(peer.shell)
        assert not made.poll(0), "something was heard"
        made.disable_monitor()


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_client_without_encryption_gets_nothing(peer: Peer, channel: str) -> None:
    nothing_is_heard(peer, {}, channel)


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_client_with_another_server_key_gets_nothing(peer: Peer, channel: str) -> None:
    other, _ = zmq.curve_keypair()
    nothing_is_heard(peer, {**peer.security, "curve_serverkey": other}, channel)


def test_a_client_that_encrypts_gets_nothing_from_a_kernel_without_keys(datarus: str, scratch: Path) -> None:
    plain = Peer(datarus, scratch, "tcp")
    try:
        public, secret = zmq.curve_keypair()
        security = {"curve_serverkey": public, "curve_publickey": public, "curve_secretkey": secret}
        for channel in CHANNELS:
            nothing_is_heard(plain, security, channel)
    finally:
        plain.stop()


@pytest.mark.parametrize("curve", [True, False])
def test_nothing_that_passes_can_be_read_on_the_way(curve: bool, datarus: str, scratch: Path) -> None:
    """Without keys all of it can, which shows that the recorder sees what passes."""
    peer = Peer(datarus, scratch, "tcp", curve=curve)
    marks = [uuid.uuid4().hex for _ in range(4)]
    with Recorder(peer.info) as recorder:
        client = BlockingKernelClient()
        client.load_connection_info(recorder.info)
        client.start_channels(hb=False)
        try:
            client.wait_for_ready(timeout=60)
            code = f"name = input('{marks[0]}')\nprint('{marks[1][:16]}' + '{marks[1][16:]}' + name)\n1 / 0"
            reply = client.execute_interactive(
                code,
                timeout=60,
                allow_stdin=True,
                stop_on_error=False,
                output_hook=lambda message: None,
                stdin_hook=lambda request: client.input(marks[2]),
            )
            assert reply["content"]["ename"] == "ZeroDivisionError"
            client.session.send(client.control_channel.socket, "kernel_info_request", {"mark": marks[3]})
            assert client.get_control_msg(timeout=60)["msg_type"] == "kernel_info_reply"
        finally:
            client.stop_channels()
            peer.stop()
    readable = [mark for mark in marks if mark.encode() in recorder.bytes()]
    signs = [sign for sign in (b"<IDS|MSG>", b"msg_id", b"ZeroDivisionError") if sign in recorder.bytes()]
    assert recorder.bytes().count(b"MESSAGE") > 20 or not curve
    assert (readable, len(signs)) == (([], 0) if curve else (marks, 3))


def test_keys_that_cannot_be_used_are_named_and_nothing_is_served(datarus: str, scratch: Path) -> None:
    path = scratch / "connection.json"
    write_connection_file(str(path), key=b"key")
    info = json.loads(path.read_text())
    public, secret = (key.decode() for key in zmq.curve_keypair())
    another = zmq.curve_keypair()[1].decode()
    for keys, reason in [
        ({"curve_publickey": public}, "found `curve_publickey` alone"),
        ({"curve_secretkey": secret}, "found `curve_secretkey` alone"),
        ({"curve_publickey": public, "curve_secretkey": secret[:-1]}, "`curve_secretkey`, found 39"),
        ({"curve_publickey": "~" * 40, "curve_secretkey": secret}, "40 characters of Z85 in `curve_publickey`"),
        ({"curve_publickey": public, "curve_secretkey": another}, "found another"),
    ]:
        path.write_text(json.dumps({**info, **keys}))
        ended = subprocess.run(
            [datarus, "kernel", "-f", str(path)], capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode != 0
        assert reason in ended.stderr
        assert not any(key in ended.stderr for key in (public, secret, secret[:-1], another))
