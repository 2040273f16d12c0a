# SPDX-License-Identifier: PostgreSQL
"""A server that accepts connections and never says a word."""

import socket
import threading

from .cases import new_directory


class SilentServer:
    """Listens while the ``with`` lasts; ``accepted`` counts those who came."""

    def __enter__(self):
        self.accepted = 0
        self._clients = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.secret = new_directory("silent") / "secret"
        self.secret.write_text("secret\n", encoding="ascii")
        self.secret.chmod(0o600)
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._clients.append(client)
            self.accepted += 1

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for client in self._clients:
            client.close()
