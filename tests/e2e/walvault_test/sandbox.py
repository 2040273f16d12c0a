# SPDX-License-Identifier: PostgreSQL
"""A temporary directory in which an unprivileged user can run everything.

PostgreSQL refuses to run as root, and the user that root becomes instead may be
unable to read the checkout: programs and test sources are therefore copied.
"""

import grp
import itertools
import os
import pwd
import shutil
import tempfile
from pathlib import Path

SOURCES = ("tests", "contrib", "conf.d", "man", "README.md")
# A unix socket's path has 107 bytes at most, and names of ours come after this.
LONGEST_PARENT = 40


def unprivileged_user():
    """Whom root becomes: postgres, else nobody; None for anybody but root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _drop_options(user):
    if user is None:
        return {}
    groups = [group.gr_gid for group in grp.getgrall() if user.pw_name in group.gr_mem]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}


def _copy_tree(source, destination):
    if source.is_dir():
        ignore = shutil.ignore_patterns("__pycache__", "corpus")
        shutil.copytree(source, destination, symlinks=True, ignore=ignore)
    elif source.is_file():
        shutil.copy2(source, destination)


def _copy_programs(source, destination):
    destination.mkdir()
    for path in source.iterdir() if source.is_dir() else []:
        if path.is_file() and not path.name.startswith("check_"):
            shutil.copy2(path, destination)


class Sandbox:
    """Holds copies of the programs (bin), test helpers (helpers) and sources (src).

    ``work`` is a directory that belongs to the unprivileged user; ``options`` are
    for subprocess and make a process that user's.
    """

    def __init__(self, root, programs, helpers=None):
        parent = tempfile.gettempdir()
        if len(parent) > LONGEST_PARENT:
            parent = "/tmp"
        self.path = Path(tempfile.mkdtemp(prefix="walvault-", dir=parent))
        self.bin = self.path / "bin"
        self.helpers = self.path / "helpers"
        self.source = self.path / "src"
        self.work = self.path / "work"
        self.templates = self.path / "templates"
        self._user = user = unprivileged_user()
        self._directories = itertools.count(1)
        self.options = _drop_options(user)
        self.home = user.pw_dir if user else os.environ.get("HOME", "/")
        try:
            self._fill(Path(root), Path(programs), helpers)
        except BaseException:
            self.remove()
            raise

    def _fill(self, root, programs, helpers):
        self.path.chmod(0o755)
        _copy_programs(programs, self.bin)
        if helpers:
            _copy_programs(Path(helpers), self.helpers)
        for name in SOURCES:
            _copy_tree(root / name, self.source / name)
        self._make_directory(self.work)
        self._make_directory(self.templates)
        if self._user:
            self._open_to_all()

    def _make_directory(self, path):
        path.mkdir(mode=0o700)
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def new_work_directory(self):
        """A directory for one test; its name is short for the sake of socket paths."""
        directory = self.work / str(next(self._directories))
        self._make_directory(directory)
        return directory

    def _open_to_all(self):
        """A checkout made under umask 077 must not make the copy unreadable."""
        for path in self.path.rglob("*"):
            if not path.is_symlink() and path not in (self.work, self.templates):
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))

    def environment(self):
        """The environment in which the copies are found."""
        return {
            **os.environ,
            "HOME": self.home,
            "TMPDIR": str(self.work),
            "PYTHONPATH": str(self.source / "tests/e2e"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "WALVAULT_BIN": str(self.bin),
            "WALVAULT_SOURCE": str(self.source),
            "WALVAULT_TEST_HELPERS": str(self.helpers),
            "WALVAULT_TEST_TEMPLATES": str(self.templates),
        }

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()
