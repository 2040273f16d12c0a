# SPDX-License-Identifier: PostgreSQL
"""A way to a server that breaks at a chosen byte."""

import contextlib
import socket
import threading

from .ports import free_ports


class Cutter:
    """Passes connections on to a port of the loopback, from one of its own.

    ``cut(up=N)`` or ``cut(down=N)``: on the first of the connections made from now on
    on which so many bytes have gone that way, ``then()`` is called, and it is cut
    unless ``keep``. Once; all others pass.
    """

    def __init__(self, port):
        self._to = port
        (self.port,) = free_ports(1)
        self._cut = None
        self._lock = threading.Lock()
        self.cuts = 0
        self.connections = 0
        listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self, up=None, down=None, then=None, keep=False):
        self._cut = {"up": up, "down": down, "then": then, "keep": keep}

    def _accept(self, listener):
        while True:
            here, _ = listener.accept()
            self.connections += 1
            threading.Thread(
                target=self._serve, args=(here, self._cut or {}), daemon=True
            ).start()

    def _serve(self, here, cut):
        with contextlib.suppress(OSError), here:
            with socket.create_connection(("127.0.0.1", self._to)) as there:
                back = threading.Thread(target=self._pass, args=(there, here, cut, "down"))
                back.daemon = True
                back.start()
                self._pass(here, there, cut, "up")
                back.join()

    def _first(self, cut):
        with self._lock:
            first, cut["done"] = "done" not in cut, True
            self.cuts += first
        return first

    def _pass(self, source, sink, cut, way):
        left = cut.get(way)
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                sink.sendall(data)
                if left is not None:
                    left -= len(data)
                if left is not None and left <= 0:
                    left = None
                    if not self._first(cut):
                        continue
                    if cut["then"]:
                        cut["then"]()
                    if not cut["keep"]:
                        break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
