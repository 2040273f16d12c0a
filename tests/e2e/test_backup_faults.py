# SPDX-License-Identifier: PostgreSQL
"""basebackup killed, or refused by the system, at every system call.

Whatever happens, there is no backup or a whole one; what is left is named by
info, keeps its WAL, goes with expire --broken; and the next backup succeeds.
"""

import errno
import os
import time

from walvault_test import parse_lsn, time_limit
from walvault_test.backups import backup_directories, published
from walvault_test.programs import program
from walvault_test.restoring import small_cluster, take_backup
from walvault_test.torture import CHANGES, JOBS, TORTURE, At, below, changing, each_place
from walvault_test.tracer import Fail, KillAll, trace

LIMIT = 7200 if TORTURE else 300
# Looking after the remains takes as long as making them.
BETWEEN_CLEANINGS = 25
# What fails to no harm: a hint to the kernel, the end of a descriptor.
HARMLESS = {"close", "fadvise64"}
READS = {
    *("open", "openat", "read", "pread64", "getdents64", "readlink", "readlinkat"),
    *("stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2"),
}


class Backups:
    """A cluster with a backup, and one more that something happens to, again and again."""

    def __init__(self, *options):
        self.pg, self.repo = small_cluster()
        self.options = options
        self.good = take_backup(self.repo)
        self.runs = 0

    def traced(self, at):
        words = ("--config", self.repo.config, "--fast", "--conninfo", self.pg.conninfo())
        return trace(at, program("basebackup"), *words, *JOBS, *self.options, timeout=120)

    def run(self, at):
        before = set(published(self.repo))
        result = self.traced(at)
        what = f"{at}\n{result}"
        new = sorted(set(published(self.repo)) - before)
        if at.victim is None:
            assert result.status == 0, what
        assert len(new) == 1 if result.status == 0 else len(new) <= 1, what
        for backup in new:
            verified = self.repo.walvault("verify", backup)
            assert verified.status == 0, f"{what}\nthen {verified}"
        self.assert_info_tells_what_is_there(what)
        self.runs += 1
        if self.runs % BETWEEN_CLEANINGS == 0:
            self.clean(what)
        return result, new

    def remains(self):
        """What was begun and is no backup."""
        complete = set(published(self.repo))
        found = [path for path in backup_directories(self.repo) if path.name not in complete]
        return [path for path in found if any(path.iterdir())]

    def info(self):
        [system] = self.repo.json("info")["systems"]
        return {backup["id"]: backup for backup in system["backups"]}

    def assert_info_tells_what_is_there(self, what):
        told = self.info()
        complete = {name for name, backup in told.items() if backup["state"] == "complete"}
        assert complete == set(published(self.repo)), f"{what}\nthen info says {told}"
        unfinished = {name for name, backup in told.items() if backup["state"] == "unfinished"}
        assert unfinished == {path.name for path in self.remains()}, f"{what}\nthen {told}"

    def segments(self):
        found = self.repo.system_directory().glob("wal/00000001/*/*")
        return {path.name for path in found if len(path.name) == 24}

    def clean(self, what):
        """The next backup succeeds; remains keep their WAL until they are old, and go."""
        backup = take_backup(self.repo)
        told = self.info()
        begun = [told[path.name]["begun"]["from_lsn"] for path in self.remains()]
        wal = self.segments()
        self.repo.walvault("expire", "--keep-full", "1", "--broken").expect(0)
        if begun:
            oldest = min(parse_lsn(lsn) for lsn in begun) // self.pg.segsize
            kept = {name for name in wal if int(name[8:16], 16) * 4096 + int(name[16:], 16) >= oldest}
            assert kept <= self.segments(), f"{what}\nthen WAL was gone: {kept - self.segments()}"
        for path in self.remains():
            for file in path.iterdir():
                os.utime(file, (time.time() - 90000,) * 2)
        self.repo.walvault("expire", "--keep-full", "1", "--broken").expect(0)
        assert self.remains() == [], what
        assert published(self.repo) == [backup], what
        self.repo.walvault("verify").expect(0)


def assert_explained(result, at, *places):
    """The last error says what failed, where, why, and what to do."""
    what = f"{at}\n{result}"
    errors = [line for line in result.err.splitlines() if ": error: " in line]
    assert errors, what
    assert os.strerror(at.action.errno) in errors[-1], what
    assert any(str(place) in errors[-1] for place in places), what
    assert "(hint: " in errors[-1], what


def refuse(backups, error, counts, sample, lasting, place):
    """One error at every call that counts, or from there on."""

    def run(at):
        result, new = backups.run(at)
        if at.victim is None:
            return
        what = f"{at}\n{result}"
        assert result.status in (0, 1), what
        if result.status == 1:
            assert_explained(result, at, place)
        elif at.lasting:
            assert at.name in HARMLESS, what
        else:
            assert at.name in HARMLESS or at.name not in CHANGES - {"openat"}, what

    number = each_place(lambda n: At(counts, n, Fail(error), lasting), run, sample)
    backups.clean(f"{errno.errorcode[error]} everywhere")
    return number


@time_limit(LIMIT)
def test_a_backup_killed_at_any_system_call_is_whole_or_not_there():
    backups = Backups()
    number = each_place(lambda n: At(changing, n, KillAll), backups.run, 12, ends=6)
    assert number > 50
    backups.clean("killed everywhere")


@time_limit(LIMIT)
def test_a_backup_into_a_store_that_is_full_from_some_write_on_is_not_there():
    backups = Backups("--archive-wait", "3s")
    counts = below(backups.repo.store, CHANGES)
    for error in (errno.ENOSPC, errno.EDQUOT):
        assert refuse(backups, error, counts, 5, True, backups.repo.store) > 20


@time_limit(LIMIT)
def test_an_input_output_error_of_the_store_at_any_call_fails_the_backup():
    backups = Backups("--archive-wait", "3s")
    assert refuse(backups, errno.EIO, below(backups.repo.store), 10, False, backups.repo.store) > 100


@time_limit(LIMIT)
def test_a_store_that_is_stale_from_some_call_on_fails_the_backup():
    backups = Backups("--archive-wait", "3s")
    assert refuse(backups, errno.ESTALE, below(backups.repo.store), 8, True, backups.repo.store) > 100


@time_limit(LIMIT)
def test_a_data_directory_that_cannot_be_read_fails_the_backup():
    backups = Backups()
    counts = below(backups.pg.data, READS)

    def run(at):
        result, new = backups.run(at)
        if at.victim is None:
            return
        what = f"{at}\n{result}"
        if result.status == 0:
            # What may be an unlogged relation's is saved if nobody can say.
            assert at.name in ("faccessat", "faccessat2"), what
        else:
            assert result.status == 1, what
            assert_explained(result, at, backups.pg.data, os.path.basename(at.victim.split(")")[0]))

    assert each_place(lambda n: At(counts, n, Fail(errno.EIO)), run, 12, ends=4) > 500
    backups.clean("EIO everywhere")
