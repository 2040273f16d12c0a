# SPDX-License-Identifier: PostgreSQL
"""Something happens to a program at one system call, and at each of them in turn.

``make torture`` means every call; otherwise it is a seeded sample of them. A run
under torture has a single worker, so that the same call comes at the same place.

Calls that a program is killed at are those that change something outside of it. A
kill at any other leaves the same world as one at the next of these. Calls that fail
are all that have to do with a directory, whatever they do there.
"""

import errno
import os

from .cases import seeded_random
from .tracer import Fail

# make torture: every system call, not a sample of them.
TORTURE = "WALVAULT_TORTURE" in os.environ
JOBS = ("--jobs", "1") if TORTURE else ()

# Calls that change a file or a directory, or wait for the disk.
CHANGES = {
    *("write", "pwrite64", "writev", "copy_file_range", "fallocate", "truncate", "ftruncate"),
    *("fsync", "fdatasync", "syncfs", "sync_file_range"),
    *("open", "openat", "mkdir", "mkdirat", "link", "linkat", "symlinkat"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"),
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "utimensat"),
}

MOST_FINDINGS = 20
O_CREAT, O_TRUNC, O_TMPFILE = 0o100, 0o1000, 0o20000000


class At:
    """At one of the calls that count something happens; all of them are counted.

    ``lasting``: it happens at all that follow, too, like a disk that stays full.
    """

    def __init__(self, counts, place, action, lasting=False):
        self.counts, self.place, self.action, self.lasting = counts, place, action, lasting
        self.seen = 0
        self.victim = None
        self.name = None
        self.paths = []

    def __call__(self, call):
        if call.result is not None or (self.victim and not self.lasting) or not self.counts(call):
            return None
        self.seen += 1
        if self.place is None or self.seen <= self.place:
            return None
        if self.victim is None:
            self.victim, self.name, self.paths = str(call), call.name, call.paths()
        return self.action

    def __str__(self):
        if isinstance(self.action, Fail):
            what = errno.errorcode[self.action.errno] + (" from there on" if self.lasting else "")
        else:
            what = self.action.__name__
        return f"{what} at call {self.place}, {self.victim}"


def changing(call):
    """Calls count that change something outside: in files, or at another process."""
    if call.name in ("open", "openat"):
        flags = call.arguments[2 if call.name == "openat" else 1]
        return flags & (O_CREAT | O_TRUNC | O_TMPFILE) != 0
    return call.name in CHANGES or call.name in ("sendto", "flock")


def below(directory, names=None):
    """Calls count that have to do with the directory (and are called so)."""
    return lambda call: (names is None or call.name in names) and call.concerns(directory)


def each_place(new, run, sample, ends=0):
    """``run(at)`` for the At that ``new(place)`` makes: at every place, or at a sample.

    The sample has the first ``ends`` and the last ``ends`` places and ``sample``
    others; without ``sample`` it is every place, too. A run that nothing happened
    to ends it. How many places there are.
    """
    findings = []
    at = new(None)
    run(at)
    total = at.seen
    everywhere = TORTURE or sample is None
    for place in range(2 * total) if everywhere else _sample(total, sample, ends):
        at = new(place)
        try:
            run(at)
        except AssertionError as finding:
            findings.append(str(finding))
            print(finding, flush=True)
        # One finding of a long run must not hide the others.
        if at.victim is None or len(findings) == MOST_FINDINGS:
            break
    assert not findings, f"{len(findings)} of {total}:\n" + "\n\n".join(findings)
    return total


def _sample(total, sample, ends):
    chosen = {*range(ends), *range(total - ends, total)}
    chosen.update(seeded_random().sample(range(total), sample))
    return sorted(chosen & set(range(total)))
