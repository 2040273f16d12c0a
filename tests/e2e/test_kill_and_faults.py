# SPDX-License-Identifier: PostgreSQL
"""walpush and walfetch killed, or refused by the system, at every system call.

An archived file is whole under its name or not there at all; the next try
succeeds and finds nothing in its way.
"""

import errno
import os
import shutil

from walvault_test import time_limit
from walvault_test.fetching import UNPROVEN, Asker
from walvault_test.programs import program
from walvault_test.stopped import stopped_repository
from walvault_test.stored import files_below, stored_bytes
from walvault_test.tracer import Fail, KillAll, KillThis, trace

O_TMPFILE = 0o20000000
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
# Calls that change a directory or a file, or wait for the disk.
CHANGES = (
    *("write", "pwrite64", "writev", "copy_file_range", "fallocate", "ftruncate"),
    *("fsync", "fdatasync", "syncfs", "sync_file_range"),
    *("open", "openat", "mkdir", "mkdirat"),
    *("link", "linkat", "rename", "renameat", "renameat2"),
)
READS = ("read", "pread64", "newfstatat", "getdents64")


class Push:
    """A repository, and one WAL file that is pushed to it again and again."""

    def __init__(self, text=None, **options):
        self.pg, self.repo, names = stopped_repository(timeout="2s", **options)
        self.name = names[0]
        self.beside = []
        if text is not None:
            self.name = "00000002.history"
            (self.pg.data / "pg_wal" / self.name).write_text(text, encoding="ascii")
            for path in (self.pg.data / "pg_wal").glob("0000000100*"):
                if path.name != names[0]:
                    path.unlink()
            # The one that is left belongs to the parent's line and goes along.
            self.beside = names[:1]
        self.plain = (self.pg.data / "pg_wal" / self.name).read_bytes()
        self.wal = self.repo.system_directory() / "wal"
        self.before = set(self.repo.objects())

    def traced(self, on_call):
        return trace(
            on_call,
            *(program("walpush"), "--config", self.repo.config, f"pg_wal/{self.name}"),
            cwd=self.pg.data,
        )

    def reset(self):
        """As if nothing had ever been pushed."""
        shutil.rmtree(self.wal, ignore_errors=True)
        shutil.rmtree(self.repo.state_directory)
        self.repo.state_directory.mkdir()

    def present(self):
        return self.repo.object_path(self.name).exists()

    def assert_absent_or_whole(self, what):
        for name in (self.name, *self.beside):
            if self.repo.object_path(name).exists():
                plain = (self.pg.data / "pg_wal" / name).read_bytes()
                assert stored_bytes(self.repo, name) == plain, f"{name}: {what}"

    def assert_next_push_succeeds(self, what, leftovers=False):
        result = self.repo.walpush(f"pg_wal/{self.name}")
        assert result.status == 0, f"{what}\nthen {result}"
        assert stored_bytes(self.repo, self.name) == self.plain, what
        new = set(self.repo.objects()) - self.before
        expected = {
            str(self.repo.object_path(name).relative_to(self.repo.store))
            for name in (self.name, *self.beside)
        }
        if leftovers:
            new = {key for key in new if not os.path.basename(key).startswith(".")}
        assert new == expected, f"{what}\nthen the store has {sorted(new)}"

    def touches_ours(self, call):
        return call.concerns(self.repo.directory) or call.concerns(self.pg.data)


def no_nameless_files(call):
    """As on NFS: there is no O_TMPFILE."""
    if call.result is None and call.name == "openat" and call.arguments[2] & O_TMPFILE == O_TMPFILE:
        return Fail(errno.EOPNOTSUPP)
    return None


class KillAt:
    """Kills at the entry of one call, counted from the first that touches our files."""

    def __init__(self, push, place, action, only=None, meanwhile=None):
        self.push, self.place, self.action = push, place, action
        self.only, self.meanwhile = only, meanwhile
        self.seen = 0
        self.started = False
        self.victim = None

    def __call__(self, call):
        if call.result is None and self.victim is None and self._counts(call):
            if self.seen == self.place:
                self.victim = str(call)
                return self.action
            self.seen += 1
        return self.meanwhile(call) if self.meanwhile else None

    def _counts(self, call):
        self.started = self.started or self.push.touches_ours(call)
        if not self.started:
            return False
        return self.only is None or call.is_first == (self.only == "parent")


def kill_everywhere(push, action, only=None, meanwhile=None, leftovers=False):
    """One push for every boundary; how many there were."""
    place = 0
    while True:
        push.reset()
        kill = KillAt(push, place, action, only, meanwhile)
        result = push.traced(kill)
        what = f"killed at call {place}, {kill.victim}: {result}"
        if kill.victim is None:
            result.expect(0)
            return place
        if result.status == 0:
            assert push.present(), what
        push.assert_absent_or_whole(what)
        push.assert_next_push_succeeds(what, leftovers)
        place += 1


def test_a_push_killed_at_any_system_call_leaves_a_whole_object_or_none():
    assert kill_everywhere(Push(), KillAll) > 20


def test_a_push_of_a_history_file_and_its_line_killed_anywhere_leaves_only_whole_objects():
    assert kill_everywhere(Push("1\tF/5000000\tno reason\n"), KillAll) > 20


def test_a_push_whose_parent_is_killed_leaves_a_whole_object_or_none():
    kill_everywhere(Push(), KillThis, "parent")


def test_a_push_whose_worker_is_killed_does_not_succeed_without_the_object():
    push = Push()
    kill_everywhere(push, KillThis, "child")


def test_a_push_killed_where_nameless_files_do_not_exist_leaves_all_or_nothing():
    push = Push()
    push.traced(no_nameless_files).expect(0)
    assert kill_everywhere(push, KillAll, meanwhile=no_nameless_files, leftovers=True) > 20


def test_a_file_left_by_a_killed_push_is_never_taken_for_an_object():
    push = Push()

    def kill_before_publishing(call):
        if call.result is None and call.name in ("link", "linkat", "rename", "renameat2"):
            return KillAll
        return no_nameless_files(call)

    push.traced(kill_before_publishing)
    left = set(push.repo.objects()) - push.before
    assert left, "the fallback left nothing: this test has nothing to look at"
    [leftover] = left
    listed = push.repo.walvault("ls").expect(0).out
    assert os.path.basename(leftover) not in listed, listed
    assert push.name not in listed
    push.assert_next_push_succeeds("after a leftover", leftovers=True)


# -- the system refuses --


class FailFrom:
    """From one call of a kind on, all of that kind fail."""

    def __init__(self, names, place, error, concerns):
        self.names, self.place, self.error, self.concerns = names, place, error, concerns
        self.seen = 0
        self.victim = None

    def __call__(self, call):
        if call.result is not None or call.name not in self.names or not self.concerns(call):
            return None
        if self.seen >= self.place:
            self.victim = self.victim or str(call)
            return Fail(self.error)
        self.seen += 1
        return None


def assert_explained(result, error, *names):
    """One line says what failed, on what and why."""
    lines = [line for line in result.err.splitlines() if os.strerror(error) in line]
    assert lines, f"no line with {os.strerror(error)!r}: {result}"
    assert any(name in lines[-1] for name in names), f"none of {names}: {result}"


def refuse_everywhere(push, names, error, concerns):
    """One push for every call of these kinds; how many there were."""
    place = 0
    while True:
        push.reset()
        refuse = FailFrom(names, place, error, concerns)
        result = push.traced(refuse)
        what = f"{errno.errorcode[error]} from {refuse.victim} on: {result}"
        if refuse.victim is None:
            result.expect(0)
            return place
        assert result.status == 1, what
        assert_explained(result, error, push.name, str(push.repo.store), push.repo.cluster)
        push.assert_absent_or_whole(what)
        push.assert_next_push_succeeds(what)
        place += 1


def each_kind(push, names, error, concerns):
    return sum(refuse_everywhere(push, (name,), error, concerns) for name in names)


def test_a_full_store_is_a_failure_worth_repeating_wherever_it_shows():
    push = Push()
    store = push.repo.store
    assert each_kind(push, CHANGES, errno.ENOSPC, lambda call: call.concerns(store)) > 8


def test_an_exhausted_quota_is_a_failure_worth_repeating_wherever_it_shows():
    push = Push()
    store = push.repo.store
    assert each_kind(push, CHANGES, errno.EDQUOT, lambda call: call.concerns(store)) > 8


def test_an_input_output_error_of_the_store_is_a_failure_worth_repeating_wherever_it_shows():
    push = Push()
    store = push.repo.store
    assert each_kind(push, CHANGES + READS, errno.EIO, lambda call: call.concerns(store)) > 8


def test_an_unreadable_segment_is_a_failure_worth_repeating():
    push = Push()
    segment = push.pg.data / "pg_wal" / push.name

    def of_the_segment(call):
        return call.concerns(segment)

    assert each_kind(push, ("open", "openat", *READS), errno.EIO, of_the_segment) > 1


def test_a_store_that_fails_where_nameless_files_do_not_exist_leaves_nothing():
    push = Push()
    push.reset()
    for name in ("pwrite64", "fsync", "renameat2", "linkat"):
        push.reset()
        refuse = FailFrom((name,), 0, errno.ENOSPC, lambda call: call.concerns(push.repo.store))

        def both(call, refuse=refuse):
            return no_nameless_files(call) or refuse(call)

        result = push.traced(both)
        if refuse.victim is None:
            continue
        assert result.status == 1, f"{refuse.victim}: {result}"
        assert set(push.repo.objects()) == push.before, f"{refuse.victim}: {push.repo.objects()}"


def test_a_failing_state_directory_does_not_fail_the_push():
    push = Push()
    state = push.repo.state_directory
    for error in ERRORS:
        push.reset()
        result = push.traced(FailFrom(CHANGES, 0, error, lambda call: call.concerns(state)))
        assert result.status == 0, result


# -- walfetch --


class Fetch:
    """One archived segment and a caller that fetches it again and again."""

    def __init__(self, mode="recovery"):
        self.pg, self.repo, names = stopped_repository(
            push=1, timeout="1s", standby_timeout="500ms"
        )
        self.name = names[0]
        self.plain = (self.pg.data / "pg_wal" / self.name).read_bytes()
        self.asker = Asker(self.repo, mode)
        self.before = self.asker.files()

    def traced(self, on_call):
        command = [program("walfetch"), "--config", self.repo.config]
        return trace(
            on_call, *command, *self.asker.command(self.name), cwd=self.asker.directory
        )

    def reset(self):
        self.asker.destination.unlink(missing_ok=True)

    def assert_absent_or_whole(self, what):
        if self.asker.destination.exists():
            assert self.asker.destination.read_bytes() == self.plain, what

    def assert_next_fetch_succeeds(self, what):
        self.asker.destination.unlink(missing_ok=True)
        result = self.asker.fetch(self.name)
        assert result.status == 0, f"{what}\nthen {result}"
        assert self.asker.destination.read_bytes() == self.plain, what
        self.asker.destination.unlink()
        assert self.asker.files() == self.before, f"{what}\nthen {self.asker.files()}"

    def touches_ours(self, call):
        return call.concerns(self.repo.directory) or call.concerns(self.asker.directory)


def kill_fetch_everywhere(fetch, action, only=None):
    place = 0
    while True:
        fetch.reset()
        kill = KillAt(fetch, place, action, only)
        result = fetch.traced(kill)
        what = f"killed at call {place}, {kill.victim}: {result}"
        if kill.victim is None:
            result.expect(0)
            return place
        status = result.status if result.status >= 0 else 128 - result.status
        assert status == 0 or status > 125, what
        assert status != 0 or fetch.asker.destination.exists(), what
        fetch.assert_absent_or_whole(what)
        fetch.assert_next_fetch_succeeds(what)
        place += 1


def test_a_fetch_killed_at_any_system_call_leaves_a_whole_file_or_none():
    assert kill_fetch_everywhere(Fetch(), KillAll) > 20


def test_a_fetch_whose_worker_is_killed_never_reports_an_absence():
    kill_fetch_everywhere(Fetch(), KillThis, "child")


def refuse_fetch_everywhere(mode, names, error, in_store):
    """One fetch for every call of these kinds that touches store or destination."""
    fetch = Fetch(mode)
    where = fetch.repo.store if in_store else fetch.asker.directory
    total = 0
    for name in names:
        place = 0
        while True:
            fetch.reset()
            refuse = FailFrom((name,), place, error, lambda call: call.concerns(where))
            result = fetch.traced(refuse)
            what = f"{errno.errorcode[error]} from {refuse.victim} on: {result}"
            if refuse.victim is None:
                result.expect(0)
                break
            if result.status == 0:
                assert fetch.asker.destination.read_bytes() == fetch.plain, what
            else:
                assert result.status == UNPROVEN[mode], what
                assert result.err.strip(), what
            fetch.assert_absent_or_whole(what)
            leftovers = set(files_below(fetch.asker.directory)) - set(fetch.before)
            assert leftovers <= {"pg_wal/RECOVERYXLOG"}, what
            place += 1
        total += place
    return total


def test_a_full_disk_under_the_server_is_never_an_absence_wherever_it_shows():
    assert refuse_fetch_everywhere("recovery", CHANGES, errno.ENOSPC, False) > 2


def test_an_exhausted_quota_under_the_server_is_never_an_absence_wherever_it_shows():
    assert refuse_fetch_everywhere("recovery", CHANGES, errno.EDQUOT, False) > 2


def test_an_input_output_error_of_the_store_is_never_an_absence_wherever_it_shows():
    kinds = ("open", "openat", *READS)
    assert refuse_fetch_everywhere("recovery", kinds, errno.EIO, True) > 4


def test_a_stale_network_mount_is_never_an_absence_wherever_it_shows():
    assert refuse_fetch_everywhere("recovery", ("openat", "read"), errno.ESTALE, True) > 4


@time_limit(120)
def test_no_fault_of_disk_or_store_shuts_a_standby_down():
    assert refuse_fetch_everywhere("standby", CHANGES, errno.ENOSPC, False) > 2
    assert refuse_fetch_everywhere("standby", ("openat", *READS), errno.EIO, True) > 4
