# SPDX-License-Identifier: PostgreSQL
"""Small file systems of one's own, which are really full when they are full.

The test process goes into a user and a mount namespace of its own, where it may
mount; what it starts sees the mounts and has no more rights than before. They are
gone with the last process of the test.
"""

import ctypes
import os

from .cases import Skip, new_directory

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_REMOUNT = 32

_libc = ctypes.CDLL(None, use_errno=True)
_entered = []


def _check(rc, what):
    if rc != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _enter():
    """Once, while the process has no threads; it keeps its own user and group."""
    if _entered:
        return
    user, group = os.getuid(), os.getgid()
    try:
        _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
    except OSError as error:
        raise Skip(
            f"no user namespace: {error}", "sysctl -w user.max_user_namespaces=10000"
        ) from error
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    _entered.append(True)


class SmallDisk:
    """A tmpfs of so many bytes, and so many inodes, mounted at ``path``."""

    def __init__(self, size, files=100000):
        _enter()
        self.path = new_directory("small")
        self.files = files
        self._mount(0, size)

    def _mount(self, flags, size):
        options = f"size={size},nr_inodes={self.files},mode=0700".encode()
        _check(_libc.mount(b"none", os.fsencode(self.path), b"tmpfs", flags, options), "mount")

    def resize(self, size):
        self._mount(MS_REMOUNT, size)

    @property
    def free(self):
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, leave=0):
        """Writes until so many bytes are left; the file that takes the room."""
        ballast = self.path / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            while (room := self.free - leave) > 0:
                try:
                    file.write(bytes(min(room, 1 << 20)))
                except OSError:  # no room for what describes the pages
                    break
        return ballast
