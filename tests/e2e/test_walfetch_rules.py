# SPDX-License-Identifier: PostgreSQL
"""What walfetch says to each kind of caller, whatever is wrong.

"It does not exist" ends a recovery and promotes the server, so it must never be
said for want of an answer.
"""

import errno
import os
import resource
import shutil
import signal
import subprocess

from walvault_test import (
    Postgres,
    Repository,
    format_lsn,
    run_program,
    seeded_random,
    wait_until,
    work_directory,
)
from walvault_test.fetching import UNPROVEN, Asker, askers, nothing_is_proven
from walvault_test.hung import HungStore
from walvault_test.processes import any_alive, descendants
from walvault_test.programs import clean_environment, program
from walvault_test.stopped import stopped_cluster, stopped_repository
from walvault_test.tracer import Fail, trace
from walvault_test.wal import MIB, segment_name, segment_start

QUICK = {"timeout": "1s", "standby_timeout": "500ms"}
STRICT = ("recovery", "promoted", "person")
ENDING_SIGNALS = (
    *(signal.SIGTERM, signal.SIGQUIT, signal.SIGINT),
    *(signal.SIGHUP, signal.SIGKILL),
)


def filled_repository(push=3, **options):
    return stopped_repository(push=push, **{**QUICK, **options})


def next_segment(name):
    return segment_name(int(name[:8], 16), segment_start(name, MIB) + MIB, MIB)


def history(*lines):
    return "".join(f"{tli}\t{lsn}\tno recovery target specified\n" for tli, lsn in lines)


def push_text(repo, name, text):
    path = repo.pg.data / "pg_wal" / name
    path.write_text(text, encoding="ascii")
    repo.walpush(f"pg_wal/{name}").expect(0)


# -- found, and truly absent --


def test_a_segment_that_is_there_is_put_in_place_for_every_caller():
    pg, repo, names = filled_repository()
    for asker in askers(repo):
        for name in names[:3]:
            asker.fetch(name).expect(0)
            plain = (pg.data / "pg_wal" / name).read_bytes()
            assert asker.destination.read_bytes() == plain, (asker.mode, name)
            asker.destination.unlink()


def test_fetching_needs_no_more_than_an_absolute_destination():
    pg, repo, names = filled_repository(push=1)
    for asker in askers(repo):
        repo.walfetch(names[0], asker.destination, cwd=asker.directory).expect(0)
        assert asker.destination.stat().st_size == MIB


def test_a_fetched_file_replaces_a_stale_one():
    pg, repo, names = filled_repository(push=1)
    for asker in askers(repo):
        asker.destination.write_text("left by a crash", encoding="ascii")
        asker.fetch(names[0]).expect(0)
        assert asker.destination.read_bytes() == (pg.data / "pg_wal" / names[0]).read_bytes()


def test_a_proven_absence_is_exit_1_for_every_caller():
    _, repo, names = filled_repository(push=3)
    for asker in askers(repo):
        for name in (names[3], "00000007.history", f"00000002{names[0][8:]}"):
            result = asker.fetch(name).expect(1)
            assert not asker.destination.exists(), (asker.mode, result)


def test_an_absence_is_not_remembered():
    pg, repo, names = filled_repository(push=1)
    for asker in askers(repo):
        asker.fetch("00000002.history").expect(1)
        asker.fetch(names[1]).expect(1)
    repo.walpush(f"pg_wal/{names[1]}").expect(0)
    push_text(repo, "00000002.history", history((1, "0/5000000")))
    for asker in askers(repo):
        asker.fetch(names[1]).expect(0)
        asker.fetch("00000002.history").expect(0)


def test_the_first_timelines_history_is_absent_without_asking_the_store():
    _, repo, _ = filled_repository()
    shutil.rmtree(repo.store)
    for asker in askers(repo):
        result = asker.fetch("00000001.history")
        assert result.status == 1, f"{asker.mode}: {result}"
        assert not asker.destination.exists()


def test_a_name_that_cannot_be_asked_for_is_never_a_proven_absence():
    _, repo, names = filled_repository()
    others = (
        f"{names[0]}.partial",
        "RECOVERYXLOG",
        "archive_status",
        "000000010000000000000G01",
        "../../main/repository",
    )
    for asker in askers(repo):
        for name in others:
            expected = 1 if asker.mode == "standby" else 200
            assert asker.fetch(name).status == expected, (asker.mode, name)
            assert not asker.destination.exists(), (asker.mode, name)


# -- the store cannot answer --


def test_a_missing_marker_is_never_an_absence():
    _, repo, names = filled_repository()
    (repo.store / "main/repository").unlink()
    for name in (names[0], names[3], "00000002.history"):
        for result in nothing_is_proven(repo, name).values():
            assert "repository" in result.err, result


def test_a_broken_marker_is_never_an_absence():
    _, repo, names = filled_repository()
    marker = repo.store / "main/repository"
    good = marker.read_bytes()
    for bad in (b"", good[: len(good) // 2], b"\0" * len(good), b"<html>502</html>\n"):
        marker.write_bytes(bad)
        nothing_is_proven(repo, names[3])


def test_a_missing_identity_is_never_an_absence():
    _, repo, names = filled_repository()
    (repo.system_directory() / "identity").unlink()
    for name in (names[0], names[3], "00000002.history"):
        nothing_is_proven(repo, name)


def test_a_missing_store_directory_is_never_an_absence():
    _, repo, names = filled_repository()
    repo.store.rename(repo.directory / "unmounted")
    for name in (names[0], names[3], "00000002.history"):
        for result in nothing_is_proven(repo, name).values():
            assert str(repo.store) in result.err, result


def test_an_empty_mount_point_is_never_an_absence():
    _, repo, names = filled_repository()
    repo.store.rename(repo.directory / "unmounted")
    repo.store.mkdir()
    nothing_is_proven(repo, names[3])


def test_a_denied_permission_is_never_an_absence():
    _, repo, names = filled_repository()
    assert os.geteuid() != 0, "permissions do not stop root"
    locked = [
        repo.store,
        repo.store / "main",
        repo.system_directory() / "wal",
        repo.object_path(names[0]).parent,
    ]
    for path in locked:
        path.chmod(0)
        try:
            nothing_is_proven(repo, names[3])
        finally:
            path.chmod(0o700)
    repo.object_path(names[0]).chmod(0)
    for result in nothing_is_proven(repo, names[0]).values():
        assert "ermission denied" in result.err, result


def test_a_file_where_a_directory_should_be_is_never_an_absence():
    _, repo, names = filled_repository()
    for path in (
        repo.object_path(names[3]).parent,
        repo.system_directory() / "wal",
        repo.system_directory(),
        repo.store / "main",
        repo.store,
    ):
        aside = repo.directory / "aside"
        path.rename(aside)
        path.write_text("not a directory", encoding="ascii")
        nothing_is_proven(repo, names[3])
        path.unlink()
        aside.rename(path)


class VanishingStore:
    """An empty directory takes the store's place just before its n-th opening call."""

    def __init__(self, repo, place):
        self.repo, self.place = repo, place
        self.seen = 0
        self.gone = False

    def __call__(self, call):
        if call.result is None and call.name == "openat" and call.concerns(self.repo.store):
            if self.seen == self.place:
                self.repo.store.rename(self.repo.directory / "away")
                self.repo.store.mkdir()
                self.gone = True
            self.seen += 1

    def back(self):
        self.repo.store.rmdir()
        (self.repo.directory / "away").rename(self.repo.store)


def test_a_store_unmounted_between_two_questions_is_never_an_absence():
    """The marker was seen, and then the mount went away: nothing is proven."""
    _, repo, names = filled_repository()
    asker = Asker(repo, "recovery")
    place = 0
    while True:
        vanishing = VanishingStore(repo, place)
        result = trace(
            vanishing,
            *(program("walfetch"), "--config", repo.config),
            *asker.command(names[0]),
            cwd=asker.directory,
        )
        if not vanishing.gone:
            break
        vanishing.back()
        assert result.status in (0, 200), f"away before opening call {place}: {result}"
        asker.destination.unlink(missing_ok=True)
        place += 1
    assert place > 3


def test_another_clusters_name_is_never_an_absence():
    pg, repo, names = filled_repository()
    nothing_is_proven(repo, names[3], "--cluster", "nosuch")
    stranger = Repository(pg, cluster="other", **QUICK)
    stranger.store.rmdir()
    stranger.store.symlink_to(repo.store)
    nothing_is_proven(stranger, names[3])


def test_another_system_identifier_is_never_an_absence():
    _, repo, names = filled_repository()
    for asker in askers(repo, "recovery", "standby", "promoted"):
        with open(asker.directory / "global/pg_control", "r+b") as control:
            control.write((int(repo.pg.sysid) + 1).to_bytes(8, "little"))
        asker.fetch_fails(names[3], UNPROVEN[asker.mode])
        asker.fetch_fails(names[0], UNPROVEN[asker.mode])


def test_a_torn_control_file_does_not_stop_a_fetch():
    _, repo, names = filled_repository()
    for asker in askers(repo, "recovery", "standby", "promoted"):
        with open(asker.directory / "global/pg_control", "r+b") as control:
            control.seek(40)
            control.write(b"\xff" * 200)
        asker.fetch(names[0]).expect(0)
        asker.destination.unlink()
        asker.fetch(names[3]).expect(1)


# -- what the store gives is not what was archived --


def flip(path, offset, bit):
    with open(path, "r+b") as file:
        file.seek(offset)
        [byte] = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


def test_no_flipped_bit_of_an_object_is_served():
    rng = seeded_random()
    _, repo, names = filled_repository()
    path = repo.object_path(names[1])
    path.chmod(0o600)
    size = path.stat().st_size
    asker = Asker(repo, "recovery")
    edge = min(400, size // 3)
    offsets = [*range(0, 16), *range(size - 16, size)]
    offsets += rng.sample(range(16, edge), 60) + rng.sample(range(size - edge, size - 16), 60)
    offsets += rng.sample(range(edge, size - edge), 100)
    for offset in offsets:
        bit = rng.randrange(8)
        flip(path, offset, bit)
        result = asker.fetch(names[1])
        assert result.status == 200, f"bit {bit} of byte {offset} of {size}: {result}"
        assert not asker.destination.exists(), f"bit {bit} of byte {offset} of {size}"
        flip(path, offset, bit)
    asker.fetch(names[1]).expect(0)


def test_a_damaged_object_is_never_an_absence():
    _, repo, names = filled_repository()
    path = repo.object_path(names[1])
    path.chmod(0o600)
    flip(path, path.stat().st_size // 2, 3)
    for result in nothing_is_proven(repo, names[1]).values():
        assert names[1] in result.err, result


def test_a_truncated_object_is_never_an_absence():
    rng = seeded_random()
    _, repo, names = filled_repository()
    path = repo.object_path(names[1])
    path.chmod(0o600)
    whole = path.read_bytes()
    asker = Asker(repo, "recovery")
    lengths = {1, 4, 8, 64, len(whole) - 1, len(whole) - 8, *rng.sample(range(len(whole)), 30)}
    for length in lengths:
        path.write_bytes(whole[:length])
        result = asker.fetch(names[1])
        assert result.status == 200 and not asker.destination.exists(), (length, result)
    path.write_bytes(whole[: len(whole) // 2])
    nothing_is_proven(repo, names[1])


def test_an_object_with_bytes_behind_its_end_is_not_served():
    _, repo, names = filled_repository()
    path = repo.object_path(names[1])
    path.chmod(0o600)
    whole = path.read_bytes()
    for extra in (b"\0", b"x" * 100, whole):
        path.write_bytes(whole + extra)
        nothing_is_proven(repo, names[1])


def test_an_empty_object_is_never_an_absence():
    _, repo, names = filled_repository()
    path = repo.object_path(names[1])
    path.chmod(0o600)
    path.write_bytes(b"")
    nothing_is_proven(repo, names[1])


def test_the_object_of_another_key_is_not_served():
    _, repo, names = filled_repository()
    shutil.copyfile(repo.object_path(names[0]), repo.object_path(names[3]))
    nothing_is_proven(repo, names[3])
    push_text(repo, "00000002.history", history((1, "0/5000000")))
    shutil.copyfile(
        repo.object_path("00000002.history"), repo.object_path("00000003.history")
    )
    nothing_is_proven(repo, "00000003.history")


def test_the_plain_segment_in_an_objects_place_is_not_served():
    pg, repo, names = filled_repository()
    shutil.copyfile(pg.data / "pg_wal" / names[3], repo.object_path(names[3]))
    nothing_is_proven(repo, names[3])


def test_a_directory_or_link_in_an_objects_place_is_not_served():
    _, repo, names = filled_repository()
    repo.object_path(names[3]).symlink_to(repo.object_path(names[0]))
    for asker in askers(repo):
        assert asker.fetch(names[3]).status != 0, asker.mode
        assert not asker.destination.exists()


def test_a_damaged_history_file_is_not_served():
    _, repo, _ = filled_repository(push=0)
    push_text(repo, "00000002.history", history((1, "0/5000000")))
    path = repo.object_path("00000002.history")
    path.chmod(0o600)
    for offset in range(0, path.stat().st_size, 7):
        flip(path, offset, 0)
        for mode in ("recovery", "standby"):
            Asker(repo, mode).fetch_fails("00000002.history", UNPROVEN[mode])
        flip(path, offset, 0)


# -- the caller's side --


def test_a_typing_error_in_the_configuration_is_never_an_absence():
    _, repo, names = filled_repository()
    good = repo.config.read_text(encoding="utf-8")
    for bad in ("tiemout = 5s\n", "timeout = soon\n", "[clutser x]\n", "no equals sign\n"):
        repo.config.write_text(good.replace("store = local\n", f"store = local\n{bad}"), "utf-8")
        line = repo.config.read_text(encoding="utf-8").splitlines().index(bad.strip()) + 1
        for result in nothing_is_proven(repo, names[3]).values():
            assert f"{repo.config}:{line}" in result.err, result


def test_a_missing_configuration_file_is_never_an_absence():
    _, repo, names = filled_repository()
    repo.config.unlink()
    nothing_is_proven(repo, names[3])


def test_an_unreadable_configuration_file_is_never_an_absence():
    _, repo, names = filled_repository()
    repo.config.chmod(0)
    nothing_is_proven(repo, names[3])


def test_an_unknown_option_is_never_an_absence():
    _, repo, names = filled_repository()
    for option in ("--no-such-option", "--timeout=soon", "-x"):
        nothing_is_proven(repo, names[3], option)


def test_a_wrong_number_of_arguments_is_never_an_absence():
    _, repo, names = filled_repository()
    for asker in askers(repo, *STRICT):
        for words in ([], [names[3]], [names[3], "a", "b"]):
            repo.walfetch(*words, cwd=asker.directory).expect(200)


def test_a_full_disk_at_the_destination_is_never_an_absence():
    _, repo, names = filled_repository()

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    nothing_is_proven(repo, names[0], preexec_fn=limit)

    def limit_as_the_server_does():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit()

    nothing_is_proven(repo, names[0], preexec_fn=limit_as_the_server_does)


def test_a_destination_that_cannot_be_written_is_never_an_absence():
    _, repo, names = filled_repository()
    for asker in askers(repo):
        asker.destination.parent.chmod(0o500)
        try:
            asker.fetch_fails(names[0], UNPROVEN[asker.mode])
        finally:
            asker.destination.parent.chmod(0o700)
    for asker in askers(repo):
        nowhere = asker.directory / "nowhere/RECOVERYXLOG"
        repo.walfetch(names[0], nowhere, cwd=asker.directory).expect(UNPROVEN[asker.mode])


def test_an_error_told_only_when_the_destination_is_closed_is_never_a_success():
    """Network file systems say only then that the disk was full."""
    _, repo, names = filled_repository()
    for asker in askers(repo, "recovery", "standby"):
        refused = []

        def refuse_close(call, wal=asker.wal, refused=refused):
            if call.result is None and call.name == "close" and call.concerns(wal):
                refused.append(str(call))
                return Fail(errno.EDQUOT)
            return None

        result = trace(
            refuse_close,
            *(program("walfetch"), "--config", repo.config),
            *asker.command(names[0]),
            cwd=asker.directory,
        )
        assert refused, "the destination was never closed: errors cannot be seen"
        assert result.status == UNPROVEN[asker.mode], (refused, result)


def test_a_failed_fetch_leaves_what_was_at_the_destination():
    _, repo, names = filled_repository()
    path = repo.object_path(names[0])
    path.chmod(0o600)
    flip(path, path.stat().st_size // 2, 1)
    for asker in askers(repo):
        asker.destination.write_text("before", encoding="ascii")
        asker.fetch_fails(names[0], UNPROVEN[asker.mode])
        assert asker.destination.read_text(encoding="ascii") == "before"


def test_a_closed_standard_error_changes_no_answer():
    _, repo, names = filled_repository()
    environment = clean_environment(WALVAULT_CONFIG=str(repo.config))
    for asker in askers(repo):
        for name, status in ((names[0], 0), (names[3], 1), ("--bad", UNPROVEN[asker.mode])):
            words = [str(word) for word in asker.command(name)]
            done = subprocess.run(
                ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program("walfetch"), *words],
                cwd=asker.directory,
                env=environment,
                check=False,
            )
            assert done.returncode == status, (asker.mode, name, done.returncode)
        assert asker.destination.stat().st_size == MIB


# -- nothing lasts for ever --


def test_a_hung_store_is_left_behind_when_the_time_is_up():
    _, repo, names = filled_repository(timeout="2s", standby_timeout="1s")
    hung = HungStore().hang()
    for asker in askers(repo):
        # Five seconds to spare over the larger budget.
        asker.fetch_fails(names[0], UNPROVEN[asker.mode], timeout=7, env=hung.environment)


class Hanging:
    """A walfetch that is waiting for a store that does not answer."""

    def __init__(self, repo, asker, name):
        hung = HungStore().hang()
        self.process = subprocess.Popen(
            [program("walfetch"), *map(str, asker.command(name))],
            cwd=asker.directory,
            env=clean_environment(WALVAULT_CONFIG=str(repo.config), **hung.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        hung.wait_reached()
        self._family = [self.process.pid, *descendants(self.process.pid)]

    def worker(self):
        """The process that talks to the store."""
        return self._family[-1]

    def status(self, timeout):
        """Its exit status as a shell sees it; nobody may stay behind."""
        status = self.process.wait(timeout)
        wait_until(lambda: not any_alive(self._family), "the worker to end", timeout)
        return status if status >= 0 else 128 - status


def test_no_signal_to_walfetch_looks_like_an_absence():
    _, repo, names = filled_repository(timeout="30s", standby_timeout="30s")
    for mode in STRICT:
        for number in ENDING_SIGNALS:
            asker = Asker(repo, mode)
            hanging = Hanging(repo, asker, names[0])
            hanging.process.send_signal(number)
            status = hanging.status(timeout=5)
            assert status > 125, (mode, number, status)
            assert not asker.destination.exists()


def test_no_signal_to_its_worker_looks_like_an_absence():
    _, repo, names = filled_repository(timeout="3s", standby_timeout="1s")
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL, signal.SIGSEGV):
        asker = Asker(repo, "recovery")
        hanging = Hanging(repo, asker, names[0])
        os.kill(hanging.worker(), number)
        status = hanging.status(timeout=10)
        assert status > 125, (number, status)
        assert not asker.destination.exists()


def test_a_terminated_walfetch_ends_at_once_on_a_standby_too():
    _, repo, names = filled_repository(timeout="30s", standby_timeout="30s")
    hanging = Hanging(repo, Asker(repo, "standby"), names[0])
    hanging.process.terminate()
    hanging.status(timeout=5)


# -- timelines --


def test_a_server_without_a_signal_file_gets_history_from_its_own_wal_directory():
    _, repo, _ = filled_repository()
    text = history((1, "0/5000000"))
    shutil.rmtree(repo.store)
    asker = Asker(repo, "promoted")
    (asker.wal / "00000002.history").write_text(text, encoding="ascii")
    asker.fetch("00000002.history").expect(0)
    assert asker.destination.read_text(encoding="ascii") == text
    asker.destination.unlink()
    asker.fetch_fails("00000003.history", 200)


def lsn_at(name, offset):
    return format_lsn(segment_start(name, MIB) + offset)


def forked(repo, mode, switch_point):
    """A caller on its way, whose pg_wal says that timeline 1 was left at ``switch_point``.

    Its pg_control is as old as a base backup's.
    """
    asker = Asker(repo, mode)
    beginning = Postgres.create(15, segsize_mib=1)
    assert beginning.sysid == repo.pg.sysid
    shutil.copy(beginning.data / "global/pg_control", asker.directory / "global/pg_control")
    (asker.wal / "00000002.history").write_text(history((1, switch_point)), encoding="ascii")
    return asker


def test_no_segment_of_an_abandoned_line_is_served_from_the_fork_on():
    _, repo, names = filled_repository(push=4)
    for mode in ("recovery", "standby"):
        asker = forked(repo, mode, lsn_at(names[2], 0x2A08))
        asker.fetch(names[1]).expect(0)
        asker.destination.unlink()
        for name in names[2:4]:
            asker.fetch_fails(name, UNPROVEN[mode])


def test_a_fork_at_a_segments_first_byte_leaves_the_segment_before_it():
    _, repo, names = filled_repository(push=4)
    for mode in ("recovery", "standby"):
        asker = forked(repo, mode, lsn_at(names[2], 0))
        asker.fetch(names[1]).expect(0)
        asker.destination.unlink()
        asker.fetch_fails(names[2], UNPROVEN[mode])


def test_a_server_that_went_on_past_the_fork_gets_its_own_lines_segments():
    """Another server's history in its pg_wal is not the line that it follows."""
    pg, repo, names = filled_repository(push=4)
    for mode in ("recovery", "standby"):
        asker = Asker(repo, mode)  # its pg_control stands behind all these segments
        text = history((1, lsn_at(names[2], 0x2A08)))
        (asker.wal / "00000002.history").write_text(text, encoding="ascii")
        asker.fetch(names[3]).expect(0)
        assert asker.destination.read_bytes() == (pg.data / "pg_wal" / names[3]).read_bytes()


def test_an_unreadable_history_in_the_wal_directory_is_never_an_absence():
    _, repo, names = filled_repository(push=2)
    for mode in ("recovery", "standby"):
        asker = Asker(repo, mode)
        (asker.wal / "00000002.history").write_text("<html>oops</html>\n", encoding="ascii")
        result = asker.fetch(names[3])
        assert result.status in (1, UNPROVEN[mode]), result
        assert not asker.destination.exists()


# -- who the caller is --


def test_a_person_without_a_data_directory_gets_the_repositorys_only_cluster():
    pg, repo, names = filled_repository()
    repo.configure(pgdata=None)
    asker = Asker(repo, "person")
    asker.fetch(names[0]).expect(0)
    asker.destination.unlink()
    asker.fetch(names[3]).expect(1)
    asker.fetch(names[0], "--sysid", pg.sysid).expect(0)
    asker.destination.unlink()
    asker.fetch_fails(names[0], 200, "--sysid", str(int(pg.sysid) + 1))


def test_a_store_and_nothing_else_is_enough_to_fetch():
    pg, repo, names = filled_repository()
    repo.config.unlink()
    elsewhere = work_directory() / "elsewhere"
    elsewhere.mkdir()
    run_program(
        program("walfetch"), "--store", repo.url, names[0], "got", cwd=elsewhere
    ).expect(0)
    assert (elsewhere / "got").read_bytes() == (pg.data / "pg_wal" / names[0]).read_bytes()


def test_the_control_file_above_the_destination_says_which_cluster_it_is():
    pg, repo, names = filled_repository()
    other, other_names = stopped_cluster(14)
    other_repo = Repository(other, **QUICK)
    other_repo.store.rmdir()
    other_repo.store.symlink_to(repo.store)
    # The configured data directory is another cluster's than the destination's.
    asker = Asker(repo, "recovery")
    repo.configure(pgdata=other.data)
    somewhere = work_directory() / "somewhere"
    somewhere.mkdir()
    repo.walfetch(names[0], asker.destination, cwd=somewhere).expect(0)
    assert asker.destination.read_bytes() == (pg.data / "pg_wal" / names[0]).read_bytes()


def test_state_that_cannot_be_written_changes_no_answer():
    _, repo, names = filled_repository()
    repo.configure(state_dir="/nowhere/at/all")
    for asker in askers(repo):
        asker.fetch(names[0]).expect(0)
        asker.destination.unlink()
        asker.fetch(names[3]).expect(1)
    repo.store.rename(repo.directory / "unmounted")
    nothing_is_proven(repo, names[3])
