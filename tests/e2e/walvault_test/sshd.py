# SPDX-License-Identifier: PostgreSQL
"""OpenSSH's server for SFTP alone, on a free port, where only its own user may log in."""

import getpass
import os
import signal
import subprocess

from .ports import free_ports, is_open
from .processes import descendants
from .waiting import wait_until

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host
PidFile none
AuthorizedKeysFile {home}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowUsers {user}
MaxStartups 100
LogLevel VERBOSE
Subsystem sftp internal-sftp
ForceCommand internal-sftp {words}
{more}
"""


def make_key(path, kind="ed25519", passphrase=""):
    """A pair of keys, ``path`` and ``path``.pub."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    words = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "test", "-f", path]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path


class Sshd:
    """A running server whose directory ``home`` holds its keys and ``data``.

    ``words`` are options of internal-sftp (``-P remove`` forbids a request), and
    ``more`` lines of sshd_config.
    """

    def __init__(self, home, words="", more=""):
        self.home = home
        self.user = getpass.getuser()
        self.data = home / "data"
        self.data.mkdir(exist_ok=True)
        self.key = make_key(home / "id")
        make_key(home / "host")
        self.authorize(self.key)
        (self.port,) = free_ports(1)
        self._config = home / "sshd_config"
        self.configure(words, more)
        self.process = None
        self.start()
        self.known_hosts = home / "known_hosts"
        self.know()

    def configure(self, words="", more=""):
        """For the connections that are made from the next start on."""
        text = CONFIG.format(
            **{"port": self.port, "home": self.home, "user": self.user},
            **{"words": words, "more": more},
        )
        self._config.write_text(text, encoding="ascii")

    def authorize(self, key):
        with open(self.home / "authorized_keys", "a", encoding="ascii") as file:
            file.write(key.with_name(key.name + ".pub").read_text(encoding="ascii"))

    def know(self):
        """Its host key as known_hosts has it."""
        public = (self.home / "host.pub").read_text(encoding="ascii").split()[:2]
        self.known_hosts.write_text(
            f"[127.0.0.1]:{self.port} {' '.join(public)}\n", encoding="ascii"
        )

    def start(self):
        log = open(self.home / "log", "ab")  # kept by the server
        with log:
            self.process = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", self._config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: is_open(self.port), "sshd to be up")
        return self

    def children(self):
        """Its processes for the connections there are."""
        return descendants(self.process.pid)

    def signal_children(self, number):
        for pid in self.children():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop(self):
        """With all its connections."""
        self.signal_children(signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def log(self):
        return (self.home / "log").read_text(encoding="utf-8", errors="replace")

    def section(self, path="", **options):
        """A store's section for a directory below ``data``."""
        given = {
            "url": f"sftp://{self.user}@127.0.0.1:{self.port}{self.data}{path}",
            **{"identity_file": self.key, "known_hosts": self.known_hosts},
            **options,
        }
        return {name: value for name, value in given.items() if value is not None}
