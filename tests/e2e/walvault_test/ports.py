# SPDX-License-Identifier: PostgreSQL
"""Ports of the loopback that nobody uses."""

import contextlib
import socket


def free_ports(n):
    """``n`` different ports; nobody else is kept from them, so use them soon."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def is_open(port):
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0
