"""Starts ipykernel as the companion of a Datarus kernel.

It differs from `python -m ipykernel_launcher` in these things: output is never dropped when a reader is slow, and
comes in pieces that a reader can hold; long texts are packed quicker; an interrupt ends an `await`, and is not missed by a
call that begins to wait; a cell that is interrupted before or after its code gets a reply; the module `datarus_companion`
is there for the kernel to ask (it is in `sys.modules`, never in the user's namespace); and the kernel is told over the
socket `up` beside this file when requests may be sent, or why not.
"""

import asyncio
import datetime
import json
import os
import signal
import socket
import sys
import threading
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
OLDEST = (7, 3)

# How long the kernel's request for an interrupt may have waited, in seconds: a little later the kernel sends the signal
# itself. Code that keeps the interpreter's lock and looks at signals, as `re` does, stops at that; the request, which is
# read when the lock is free again, must not interrupt what is shown of the first interrupt.
PATIENCE = 0.5

# When the main thread is made to look at signals after an interrupt, in seconds; more than once on a busy machine.
WAKES = 0.02, 0.1, 0.4


def tell(**news):
    """Sends one line of JSON to the kernel."""
    # In a sandbox the line was opened beforehand: connections may be forbidden there.
    opened = os.environ.pop("DATARUS_UP", None)
    with socket.socket(socket.AF_UNIX) if opened is None else socket.socket(fileno=int(opened)) as line:
        if opened is None:
            line.connect(os.path.join(HERE, "up"))
        line.sendall(json.dumps(news).encode() + b"\n")


def load_app():
    """Returns the application class of ipykernel, or tells the kernel what is missing and exits."""
    mend = f"install it with `{sys.executable} -m pip install 'ipykernel>=7.3'`"
    try:
        from ipykernel import __version__, version_info
        from ipykernel.kernelapp import IPKernelApp
    except ImportError as error:
        tell(error=f"ipykernel cannot be imported by `{sys.executable}` ({error}): {mend}")
        sys.exit(1)
    if tuple(version_info[:2]) < OLDEST:
        tell(error=f"ipykernel 7.3 or newer is needed, `{sys.executable}` has {__version__}: {mend}")
        sys.exit(1)
    return IPKernelApp


def companion_app(base):
    """Returns `base` with an IOPub socket whose queue has no limit, and a thread for it that does not stop itself."""
    import zmq
    from datarus_companion.streams import DirectThread
    from ipykernel import kernelapp
    from traitlets import default

    class CompanionApp(base):
        @default("outstream_class")
        def _pieces(self):
            return "datarus_companion.streams.PiecewiseStream"

        def init_iopub(self, context):
            # libzmq drops what is over 1,000 messages while the reader is busy: 28 % of 30,000 flushed prints.
            # The option must be set before `bind`, so it is a default for the one socket made here.
            context.setsockopt(zmq.SNDHWM, 0)
            theirs, kernelapp.IOPubThread = kernelapp.IOPubThread, DirectThread
            try:
                with warnings.catch_warnings():
                    # Landlock forbids the port; SECURITY.md says what is missing then.
                    warnings.filterwarnings("ignore", "Couldn't bind IOPub Pipe")
                    super().init_iopub(context)
            finally:
                context.sockopts.pop(zmq.SNDHWM, None)
                kernelapp.IOPubThread = theirs

    return CompanionApp


def pack_quickly(session):
    """Has long texts packed quicker, unless `session` has another packer than that of the standard library."""
    from datarus_companion import packing
    from jupyter_client.session import json_packer

    if session.pack is json_packer:
        session.pack = packing.packer(json_packer)


def open_databases(shell):
    """Gives the user an engine for each database, as a variable that is there before the first cell."""
    from datarus_companion import databases

    # Hidden, since it is not of the notebook's making: a fresh namespace has it, too.
    shell.user_ns_hidden.update(dict.fromkeys(databases.open_in(shell.user_ns)))


def wake_on_signals(loop):
    """Lets a signal wake the loop.

    ipykernel's handler only queues what cancels an `await`, and the loop then sleeps on: `await asyncio.sleep(20)` ended
    after 19 seconds. A byte that the signal writes ends that sleep.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    loop.add_reader(ours, ours.recv, 4096)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    # They live as long as the process.
    wake_on_signals.sockets = ours, theirs


def interrupt_once(kernel):
    """Has `kernel` refuse a request for an interrupt that has waited longer than `PATIENCE`, and miss no interrupt.

    A signal that comes after Python's last look at signals and before a call that waits, such as `time.sleep`, would be
    seen when that call ends. It is not rare: to begin such a call the main thread lets go of the interpreter's lock, for
    which the thread that sends the signal may wait. Another signal, whose handler does nothing, has the call look again.
    """
    interrupt = kernel.control_handlers["interrupt_request"]
    main = threading.main_thread().ident
    signal.signal(signal.SIGURG, lambda *_: None)

    async def interrupt_request(stream, ident, parent):
        now = datetime.datetime.now(datetime.timezone.utc)
        if (now - parent["header"]["date"]).total_seconds() < PATIENCE:
            await interrupt(stream, ident, parent)
        else:
            late = {"status": "error", "ename": "TimeoutError", "evalue": "too late", "traceback": []}
            kernel.session.send(stream, "interrupt_reply", late, parent, ident=ident)
        for wake in WAKES:
            asyncio.get_running_loop().call_later(wake, signal.pthread_kill, main, signal.SIGURG)

    kernel.control_handlers["interrupt_request"] = interrupt_request


def reply_to_interrupted(kernel):
    """Has a cell that is interrupted just before its code runs, or just after, end as if it were in it.

    ipykernel writes a line to its log then and sends no reply, so that whoever waits for one waits for ever.
    """
    execute, finish = kernel.shell_handlers["execute_request"], kernel.finish_metadata
    replied = set()

    def finish_metadata(parent, metadata, content):
        # From here on the reply is on its way: an interrupt comes too late. In a subshell there are none.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        replied.add(parent["header"]["msg_id"])
        return finish(parent, metadata, content)

    async def execute_request(stream, ident, parent):
        id = parent["header"]["msg_id"]
        try:
            await execute(stream, ident, parent)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if id not in replied:
                error = {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["KeyboardInterrupt"]}
                if not parent["content"].get("silent"):
                    kernel.session.send(kernel.iopub_socket, "error", error, parent, ident=kernel._topic("error"))
                reply = {"status": "error", "execution_count": kernel.execution_count, **error}
                kernel.session.send(stream, "execute_reply", reply, parent, ident=ident)
        finally:
            replied.discard(id)

    kernel.finish_metadata = finish_metadata
    kernel.shell_handlers["execute_request"] = execute_request


def main():
    """Runs the kernel until it is shut down."""
    import datarus_companion

    if proxy := os.environ.pop("DATARUS_PROXY", None):
        # Before there is a thread, which a fork would leave behind.
        from datarus_companion import forward

        forward.begin(proxy)
    # What Python put there to find this file must not be what the user's `import` searches first.
    sys.path[:] = [entry for entry in sys.path if entry != HERE]
    # Last, so that what the environment has is found there.
    sys.path += filter(None, [os.environ.pop("DATARUS_PACKAGES", None)])
    app_class = companion_app(load_app())
    from tornado.ioloop import IOLoop

    try:
        app = app_class.instance()
        app.initialize()
        pack_quickly(app.session)
        datarus_companion.attach(app.shell)
        open_databases(app.shell)
        wake_on_signals(IOLoop.current().asyncio_loop)
        interrupt_once(app.kernel)
        reply_to_interrupted(app.kernel)
    except BaseException as error:
        tell(error=f"ipykernel did not start: {type(error).__name__}: {error}")
        raise
    # Told from the loop: a request for a subshell that comes before `start` has made their manager is never answered.
    IOLoop.current().add_callback(tell, python=".".join(map(str, sys.version_info[:3])))
    app.start()


if __name__ == "__main__":
    main()
