# SPDX-License-Identifier: PostgreSQL
"""OpenSSH's server for SFTP."""

from .sshd import Sshd


def start(home):
    server = Sshd(home)
    return {
        **{"user": server.user, "port": server.port, "data": str(server.data)},
        **{"key": str(server.key), "known_hosts": str(server.known_hosts)},
    }
