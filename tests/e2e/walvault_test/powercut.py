# SPDX-License-Identifier: PostgreSQL
"""What a disk still holds after the power fails.

POSIX promises no more than this: a file's bytes survive once the file was
fsynced, a name in a directory once the directory was. ``Disk`` watches a directory
while programs run under the tracer and remembers what each fsync made durable.
From that it can build two worlds in which everything else went wrong:

``forgetful``  no name and no byte reached the disk that was not forced there;
``names_first``  all names reached it at once, but no byte that was not forced:
               the file of zero length that careless renaming leaves behind.
"""

import os
import shutil
import stat
from pathlib import Path


def _entries(directory):
    with os.scandir(directory) as found:
        return {entry.name: entry.inode() for entry in found}


def _read(path):
    with open(path, "rb") as file:
        return file.read()


class Disk:
    """The directory below ``root``; all that is in it now counts as durable.

    ``directory_fsync_works`` and ``file_fsync_works`` exist to prove that tests can
    fail: without them fsync of a directory, or of a file, does nothing.
    """

    def __init__(self, root, directory_fsync_works=True, file_fsync_works=True):
        self.root = Path(root)
        self.directory_fsync_works = directory_fsync_works
        self.file_fsync_works = file_fsync_works
        self._device = self.root.stat().st_dev
        self._names = {}  # of each directory, by inode: name -> inode
        self._bytes = {}  # of each file, by inode
        self._now_durable()

    def _now_durable(self):
        for directory, _, names in os.walk(self.root):
            self._names[os.stat(directory).st_ino] = _entries(directory)
            for name in names:
                path = os.path.join(directory, name)
                self._bytes[os.stat(path).st_ino] = _read(path)

    def on_call(self, call):
        """To be told of every call; True if the disk may look different after it."""
        if call.result is None or call.result < 0:
            return False
        if call.name in ("fsync", "fdatasync"):
            return self._fsynced(call.open_file(call.arguments[0]))
        if call.name == "syncfs":
            self._now_durable()
            return True
        return call.name in (
            *("open", "openat", "mkdir", "mkdirat", "link", "linkat"),
            *("rename", "renameat", "renameat2", "unlink", "unlinkat"),
        )

    def _fsynced(self, path):
        status = os.stat(path)
        if status.st_dev != self._device:
            return False
        if not stat.S_ISDIR(status.st_mode):
            if self.file_fsync_works:
                self._bytes[status.st_ino] = _read(path)
        elif self.directory_fsync_works:
            self._names[status.st_ino] = _entries(path)
        return True

    def processes_ended(self):
        """Forgets files that are gone for good, whose inode numbers may be used again."""
        alive = {self.root.stat().st_ino}
        for directory, directories, names in os.walk(self.root):
            for name in (*directories, *names):
                alive.add(os.lstat(os.path.join(directory, name)).st_ino)
        self._names = {inode: names for inode, names in self._names.items() if inode in alive}
        self._bytes = {inode: text for inode, text in self._bytes.items() if inode in alive}

    # -- the worlds after the power cut --

    def forgetful(self):
        """Relative path -> bytes of every file, None for a directory."""
        world = {}
        self._descend(self.root.stat().st_ino, "", world, set())
        return world

    def _is_directory(self, inode):
        return inode in self._names or inode in self._actual_directories()

    def _actual_directories(self):
        return {os.stat(directory).st_ino for directory, _, _ in os.walk(self.root)}

    def _descend(self, inode, prefix, world, seen):
        if inode in seen:
            return
        for name, child in self._names.get(inode, {}).items():
            path = prefix + name
            if self._is_directory(child):
                world[path] = None
                self._descend(child, path + "/", world, seen | {inode})
            else:
                world[path] = self._bytes.get(child, b"")

    def names_first(self):
        """The same for the world in which only bytes are slow."""
        world = {}
        for path in sorted(self.root.rglob("*")):
            key = str(path.relative_to(self.root))
            world[key] = None if path.is_dir() else self._bytes.get(path.stat().st_ino, b"")
        return world


def build(world, directory):
    """Writes a world out as real files."""
    shutil.rmtree(directory, ignore_errors=True)
    Path(directory).mkdir()
    for path, content in sorted(world.items()):
        target = Path(directory) / path
        if content is None:
            target.mkdir(mode=0o700)
        else:
            target.write_bytes(content)
            target.chmod(0o600)
