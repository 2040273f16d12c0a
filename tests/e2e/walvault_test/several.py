# SPDX-License-Identifier: PostgreSQL
"""A repository in several stores at once, and what befalls one of them."""

import contextlib
import copy
import os
import re
import signal
from pathlib import Path

from .documents import xxhsum128
from .repository import Repository
from .stopped import stopped_cluster
from .waiting import wait_until

LONG_US = 300 * 1000000  # the longest that a store is left alone


class SeveralStores(Repository):
    """As Repository, in a directory for each of ``names``; ``sections`` hold more options.

    A store whose section has a ``url`` is elsewhere.
    """

    def __init__(self, pg, names=("local", "offsite"), sections=None, **options):
        self.names = names
        self.sections = sections or {}
        super().__init__(pg, **{"store": ", ".join(names), **options})

    def place(self, name):
        return self.directory / ("store" if name == "local" else name)

    def configure(self, **options):
        self.options.update(options)
        lines = [f"{name} = {value}" for name, value in self.options.items() if value is not None]
        text = [f"[cluster {self.cluster}]", *lines]
        for name in self.names:
            if "url" not in self.sections.get(name, {}):
                self.place(name).mkdir(exist_ok=True)
            section = {"url": f"file://{self.place(name)}", **self.sections.get(name, {})}
            text += ["", f"[store {name}]", *(f"{k} = {v}" for k, v in section.items())]
        self.config.write_text("\n".join([*text, ""]), encoding="utf-8")

    def only(self, name):
        """The same with this store's directory as its own, for what looks at objects."""
        other = copy.copy(self)
        other.store = self.place(name)
        return other

    def holders(self, wal):
        """The names of the stores that have the object of a WAL file."""
        return [name for name in self.names if self.only(name).object_path(wal).exists()]

    # -- what happens to a store --

    def take_down(self, name):
        """The store's disk is not there any more; a function that brings it back."""
        place = self.place(name)
        away = place.with_name(f"{place.name}.away")
        place.rename(away)
        return lambda: away.rename(place)

    def damage(self, name, wal, offset=30):
        """A flipped bit in one store's object of a WAL file: of its header."""
        flip(self.only(name).object_path(wal), offset)


def flip(path, offset):
    """A flipped bit in a file, whatever its mode says."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def several(names=("local", "offsite"), **options):
    """A stopped cluster and its repository in these stores; nobody starts a sync."""
    pg, wal = stopped_cluster()
    repo = SeveralStores(pg, names, **{"timeout": "20s", **options})
    repo.init()
    return pg, repo, wal


def push(repo, name, *options, **settings):
    return repo.walpush(*options, f"pg_wal/{name}", **settings)


def last_line(result):
    return result.err.splitlines()[-1]


def damage(path):
    """A flipped bit in the middle."""
    flip(path, path.stat().st_size // 2)


def sync(repo, *options, status=0, **settings):
    return repo.walvault("sync", *options, **settings).expect(status)


def remembered_as_down(repo):
    """What is remembered of stores that are down stays in force for minutes."""
    changed = 0
    for path in repo.state_directory.rglob("behind"):
        text, n = re.subn(
            "^failed = ([1-9][0-9]*)\nuntil = [1-9][0-9]*$",
            lambda found: f"failed = {found[1]}\nuntil = {int(found[1]) + LONG_US}",
            path.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        body = text[: text.rindex("sum = ")]
        path.write_text(f"{body}sum = {xxhsum128(body.encode())}\n", encoding="utf-8")
        changed += n
    assert changed, "no store is down"


def sync_at_last(repo):
    """A sync of our own; those that nobody waits for, and may wait long, are ended."""
    ended = []

    def try_it():
        end_background_syncs(repo)
        ended.append(repo.walvault("sync").expect((0, 2)))
        return ended[-1].status == 0

    wait_until(try_it, "the background's syncs to end")
    return ended[-1]


def background_syncs(repo):
    """The process ids of the syncs that nobody waits for, without their workers."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes()
            environment = (path / "environ").read_bytes()
            above = (path / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if b"sync" in line.split(b"\0") and str(repo.config).encode() in line + environment:
            found[int(path.name)] = int(above)
    return [pid for pid, parent in found.items() if parent not in found]


def end_background_syncs(repo):
    for pid in background_syncs(repo):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def background_sync(repo):
    """The process id of the one that has been started."""
    wait_until(lambda: background_syncs(repo), "the background's sync")
    (pid,) = background_syncs(repo)
    return pid
