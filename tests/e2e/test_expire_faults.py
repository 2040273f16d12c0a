# SPDX-License-Identifier: PostgreSQL
"""walvault expire killed, or refused by the system, at every system call.

Whatever happens, what is still a backup can be restored; and expire, run again,
comes to the end that it would have come to.
"""

import errno
import os
import shutil

from walvault_test import time_limit
from walvault_test.keeping import backed_up, copy_of, expire, ids, verify
from walvault_test.programs import program
from walvault_test.torture import CHANGES, TORTURE, At, below, each_place
from walvault_test.tracer import Fail, KillAll, trace

LIMIT = 7200 if TORTURE else 300
RULES = ("--keep-full", "2")
# What fails to no harm: the end of a descriptor.
HARMLESS = {"close"}


class Expires:
    """A repository, copied again and again; two of its backups are to go."""

    def __init__(self):
        _, self.repo, self.made = backed_up(4)
        whole = copy_of(self.repo)
        expire(whole, *RULES)
        self.expected = whole.objects()
        self.kept = self.made[2:]
        assert ids(whole) == self.kept
        self.copy = None

    def run(self, counts, at):
        """Expires a copy; ``counts(copy)`` says which calls count."""
        self.copy = copy_of(self.repo)
        at.counts = counts(self.copy)
        words = ("expire", "--config", self.copy.config, *RULES)
        result = trace(at, program("walvault"), *words)
        what = f"{at}\n{result}"
        if at.victim is None:
            assert result.status == 0, what
        if result.status == 0:
            assert self.copy.objects() == self.expected, what
        # What is still a backup has its WAL, at any moment.
        assert set(ids(self.copy)) >= set(self.kept), what
        assert verify(self.copy, self.kept[0], "--wal") == [], what
        assert verify(self.copy, self.kept[1]) == [], what
        expire(self.copy, *RULES)
        assert self.copy.objects() == self.expected, what
        shutil.rmtree(self.copy.directory)
        return result

    def everywhere(self, counts, action, sample, lasting=False):
        def run(at):
            result = self.run(counts, at)
            if at.victim is not None and isinstance(action, Fail):
                self.judge(result, at)

        return each_place(lambda n: At(None, n, action, lasting), run, sample)

    def judge(self, result, at):
        what = f"{at}\n{result}"
        if result.status == 0:
            assert at.name in HARMLESS, what
            return
        assert result.status == 1, what
        errors = [line for line in result.err.splitlines() if ": error: " in line]
        assert errors, what
        assert os.strerror(at.action.errno) in errors[-1], what
        assert str(self.copy.store) in errors[-1], what
        assert "(hint: " in errors[-1], what


@time_limit(LIMIT)
def test_an_expire_killed_anywhere_and_run_again_comes_to_the_same_end():
    assert Expires().everywhere(lambda copy: below(copy.store), KillAll, 25) > 100


@time_limit(LIMIT)
def test_an_expire_in_a_full_store_fails_and_comes_to_the_same_end():
    expires = Expires()
    for error in (errno.ENOSPC, errno.EDQUOT):
        assert expires.everywhere(lambda copy: below(copy.store, CHANGES), Fail(error), 5, True) > 50


@time_limit(LIMIT)
def test_an_expire_in_a_store_with_errors_fails_and_comes_to_the_same_end():
    expires = Expires()
    assert expires.everywhere(lambda copy: below(copy.store), Fail(errno.EIO), 8) > 100
    assert expires.everywhere(lambda copy: below(copy.store), Fail(errno.ESTALE), 5, True) > 100
