# SPDX-License-Identifier: PostgreSQL
"""The way to a service that many tests share, which one of them can cut."""

import contextlib
import selectors
import socket
import threading

from .cases import at_end


class Relay:
    """Connections to ``address`` (host, port) by way of ``port``, as long as it is up."""

    def __init__(self, address):
        self.address = address
        self.port = None
        self._listener = None
        self._open = set()
        self._lock = threading.Lock()
        self.up()
        at_end(self.cut)

    def up(self):
        """Takes connections again, at the port it had."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port or 0))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def cut(self):
        """As if the service had died: open connections are reset, new ones refused."""
        if self._listener is None:
            return
        # A thread that waits in accept keeps a closed socket listening.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self.address)
            except OSError:
                return
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def _pass_on(self, near, far):
        with selectors.DefaultSelector() as waiting, near, far:
            waiting.register(near, selectors.EVENT_READ, far)
            waiting.register(far, selectors.EVENT_READ, near)
            with contextlib.suppress(OSError):
                while True:
                    for key, _ in waiting.select():
                        data = key.fileobj.recv(1 << 16)
                        if not data:
                            return
                        key.data.sendall(data)
