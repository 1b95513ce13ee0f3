"""Leads from a port of the sandbox's own loopback to the kernel's proxy, which reaches named hosts alone."""

import os
import signal
import socket

NAMES = "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"


def begin(proxy):
    """Starts to lead to the socket `proxy`, and lets libraries know of it.

    In a process of its own: code that keeps the interpreter's lock must not hold up the programs that it started.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    if os.fork() == 0:
        try:
            _lead(listener, proxy)
        finally:
            os._exit(1)
    listener.close()
    os.environ.update(dict.fromkeys(NAMES, f"http://127.0.0.1:{port}"))


def _lead(listener, proxy):
    # An interrupt of a cell is none of ours. The end of the sandbox ends us.
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Of what Python has open, the kernel waits for the end of one.
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number != listener.fileno():
            try:
                os.close(number)
            except OSError:
                pass
    import asyncio

    async def copy(source, target):
        try:
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
            target.write_eof()
        except OSError:
            target.close()

    async def lead(inside, inside_out):
        try:
            outside, outside_out = await asyncio.open_unix_connection(proxy)
        except OSError:
            return inside_out.close()
        await asyncio.gather(copy(inside, outside_out), copy(outside, inside_out))
        inside_out.close()
        outside_out.close()

    async def serve():
        server = await asyncio.start_server(lead, sock=listener)
        await server.serve_forever()

    asyncio.run(serve())
