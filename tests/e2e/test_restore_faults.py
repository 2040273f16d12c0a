# SPDX-License-Identifier: PostgreSQL
"""pitr-restore killed, or refused by the system, at every system call.

Whatever happens, a directory that a server could be started in is whole and
verified; and the same command into a new directory succeeds.
"""

import errno
import os
import shutil

from walvault_test import run_program, time_limit
from walvault_test.installed import client_program
from walvault_test.programs import program
from walvault_test.restoring import (
    as_postgres,
    new_data_directory,
    restore,
    small_cluster,
    take_backup,
)
from walvault_test.torture import CHANGES, JOBS, TORTURE, At, below, changing, each_place
from walvault_test.tracer import Fail, KillAll, trace

LIMIT = 7200 if TORTURE else 300
# What fails to no harm: the end of a descriptor that nothing was written through.
HARMLESS = {"close", "fadvise64"}


class Restores:
    """A repository of a lost cluster, restored again and again into new directories."""

    def __init__(self, statement="SELECT"):
        self.pg, self.repo = small_cluster()
        self.pg.sql(statement)
        take_backup(self.repo)
        self.pg.sql("INSERT INTO t VALUES (1000)")
        self.pg.archive_all()
        self.pg.destroy()
        self.destination = new_data_directory()

    def run(self, at):
        shutil.rmtree(self.destination, ignore_errors=True)
        words = ("--config", self.repo.config, *JOBS, self.destination)
        result = trace(at, program("pitr-restore"), *words, timeout=120)
        what = f"{at}\n{result}"
        if at.victim is None:
            assert result.status == 0, what
        whole = self.assert_whole_or_not_startable(what)
        assert whole or result.status != 0, what
        return result

    def assert_whole_or_not_startable(self, what):
        """pg_control is what makes a directory startable: with it all must be right."""
        if not (self.destination / "global/pg_control").exists():
            return False
        verified = run_program(client_program("pg_verifybackup"), "-n", self.destination)
        assert verified.status == 0, f"{what}\nthen {verified}"
        for name in ("recovery.signal", "backup_label", "walvault.plan", "postgresql.auto.conf"):
            assert (self.destination / name).exists(), f"{what}\nthen there is no {name}"
        return True

    def assert_the_next_one_starts(self):
        result, destination = restore(self.repo)
        result.expect(0)
        server = as_postgres(self.repo, destination).start().wait_promoted()
        assert server.sql("SELECT count(*), max(i) FROM t") == [(101, 1000)]
        server.destroy()


def assert_explained(result, at, *places):
    """The last error says what failed, where, why, and what to do."""
    what = f"{at}\n{result}"
    errors = [line for line in result.err.splitlines() if ": error: " in line]
    assert errors, what
    assert os.strerror(at.action.errno) in errors[-1], what
    assert any(str(place) in errors[-1] for place in places), what
    assert "(hint: " in errors[-1], what


def refuse(restores, error, counts, sample, place, lasting=False, ends=0):
    """One error at every call that counts, or from there on."""

    def run(at):
        result = restores.run(at)
        if at.victim is None:
            return
        what = f"{at}\n{result}"
        if result.status == 0:
            # Without a lease it goes on, and says what that means.
            assert at.name in HARMLESS or "nothing protects backup" in result.err, what
            # A file server may say at the close that what was written is lost.
            written = place == restores.destination and not os.path.isdir(at.paths[0])
            assert not (written and at.name == "close"), what
            return
        assert result.status == 1, what
        assert_explained(result, at, place)

    number = each_place(lambda n: At(counts, n, Fail(error), lasting), run, sample, ends)
    restores.assert_the_next_one_starts()
    return number


@time_limit(LIMIT)
def test_a_restore_killed_at_any_system_call_leaves_nothing_startable_but_the_whole():
    restores = Restores()
    number = each_place(lambda n: At(changing, n, KillAll), restores.run, 12, ends=9)
    assert number > 500
    restores.assert_the_next_one_starts()


@time_limit(LIMIT)
def test_a_full_destination_is_a_failure_and_leaves_nothing_startable():
    restores = Restores()
    counts = below(restores.destination, CHANGES)
    for error in (errno.ENOSPC, errno.EDQUOT):
        assert refuse(restores, error, counts, 8, restores.destination, lasting=True, ends=4) > 500


@time_limit(LIMIT)
def test_an_input_output_error_of_the_destination_leaves_nothing_startable():
    restores = Restores()
    counts = below(restores.destination)
    assert refuse(restores, errno.EIO, counts, 10, restores.destination, ends=9) > 500


@time_limit(LIMIT)
def test_a_destination_that_is_stale_from_some_call_on_leaves_nothing_startable():
    restores = Restores()
    counts = below(restores.destination)
    assert refuse(restores, errno.ESTALE, counts, 10, restores.destination, lasting=True, ends=4) > 500


@time_limit(LIMIT)
def test_a_store_that_cannot_be_read_fails_the_restore():
    restores = Restores()
    counts = below(restores.repo.store)
    assert refuse(restores, errno.EIO, counts, 8, restores.repo.store) > 300
    assert refuse(restores, errno.ESTALE, counts, 8, restores.repo.store, lasting=True) > 300


@time_limit(LIMIT)
def test_what_is_written_behind_fails_with_the_disk_and_not_where_there_is_no_such_call():
    rows = "generate_series(1, 60000) i"
    restores = Restores(f"CREATE TABLE large AS SELECT i, md5(i::text) FROM {rows}")
    counts = below(restores.destination, {"sync_file_range"})
    assert refuse(restores, errno.EIO, counts, None, restores.destination) > 0
    for error in (errno.ENOSYS, errno.EPERM):  # an old system, and a strict container
        at = At(counts, 0, Fail(error), lasting=True)
        result = restores.run(at)
        assert at.victim and result.status == 0, f"{at}\n{result}"


def test_everything_else_is_on_the_disk_before_pg_control_has_its_name():
    restores = Restores()
    seen = []

    def watch(call):
        if call.result is None and call.name in CHANGES and call.concerns(restores.destination):
            seen.append(str(call).split(" in ")[0])

    trace(watch, program("pitr-restore"), "--config", restores.repo.config, restores.destination).expect(0)
    forced = max(i for i, call in enumerate(seen) if call.startswith("syncfs"))
    behind = [call for call in seen[forced + 1 :] if "pg_control" not in call]
    # The directory that the name is in, opened and forced.
    assert len(behind) <= 2 and all(call.endswith("/global)") for call in behind), behind
    named = [call for call in seen if call.startswith("rename")]
    assert len(named) == 1 and named[0].endswith("/global/pg_control)"), named


def test_a_store_that_fails_at_the_newest_generation_does_not_lead_to_an_older_one():
    pg, repo = small_cluster()
    take_backup(repo)
    repo.init("--new-generation")
    repo.configure(generation=2)
    pg.sql("INSERT INTO t VALUES (1000)")  # what is archived already is in the old one
    take_backup(repo)
    pg.archive_all()
    repo.configure(generation=None)
    newest = repo.system_directory(2)

    def run(at):
        words = ("--config", repo.config, "--plan", "--json")
        result = trace(at, program("pitr-restore"), *words)
        what = f"{at}\n{result}"
        assert result.status == (0 if at.victim is None or at.name in HARMLESS else 1), what
        assert result.status == 1 or result.json()["generation"] == 2, what

    calls = below(newest / "backup", {"openat", "getdents64", "newfstatat", "pread64"})
    assert each_place(lambda n: At(calls, n, Fail(errno.EIO)), run, None) > 20
