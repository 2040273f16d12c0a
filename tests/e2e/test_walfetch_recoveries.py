# SPDX-License-Identifier: PostgreSQL
"""Real recoveries during which something goes wrong: no transaction may be lost.

A server takes "not there" for the end of the WAL and is promoted, with all later
transactions missing. So a recovery that cannot know must stop, and go on later.
"""

import os
import shutil
import signal
import time
from dataclasses import dataclass

from walvault_test import (
    BaseCopy,
    Postgres,
    Repository,
    majors,
    run_program,
    wait_until,
)
from walvault_test.fetching import WatchedRestore
from walvault_test.hung import HungStore
from walvault_test.installed import client_program
from walvault_test.processes import command_line, descendants
from walvault_test.wal import MIB, segment_name, segment_start

STANDBY = {"signal": "standby.signal", "wal_retrieve_retry_interval": "100ms"}


def archiving_server(major=15, **settings):
    pg = Postgres.create(major, segsize_mib=1, autovacuum="off", **settings)
    repo = Repository(pg, timeout="1s", standby_timeout="1s")
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (what text)")
    return pg, repo


def archive(pg, what):
    """Commits a row and waits until its segment is in the store; the segment's name."""
    pg.sql("INSERT INTO t VALUES (%s)", what)
    return pg.archive_all()


def rows(pg):
    return sorted(row for (row,) in pg.sql("SELECT what FROM t"))


@dataclass
class Lost:
    """A cluster that is gone; what is left of it."""

    repo: Repository
    base: BaseCopy
    rows: list
    segments: list


def lost_cluster(major=15):
    pg, repo = archiving_server(major)
    base = BaseCopy(pg)
    written = [f"row {n}" for n in range(5)]
    segments = [archive(pg, what) for what in written]
    pg.destroy()
    return Lost(repo, base, written, segments)


def assert_stopped_without_promotion(pg, signal_file="recovery.signal"):
    """Waits for the server's end; it must not have ended its recovery."""
    status = pg.wait_exit(60)
    assert status != 0, pg.log_tail()
    assert "could not restore file" in pg.log(), pg.log_tail()
    assert "selected new timeline" not in pg.log(), pg.log_tail()
    assert (pg.data / signal_file).exists(), pg.log_tail()


def stops_then_goes_on(lost, restore, repair, environment=None):
    """Recovery meets the mishap and stops; after the repair it loses nothing."""
    pg = lost.base.restore(lost.repo, restore_command=restore.command)
    pg.environment = environment or {}
    pg.start(wait=False)
    assert_stopped_without_promotion(pg)
    assert restore.happened, restore.asked()
    repair()
    pg.start().wait_promoted()
    assert rows(pg) == lost.rows, pg.log_tail()
    return pg


# -- in the middle of a recovery without a target --


def test_recovery_stops_when_the_store_is_unmounted_and_goes_on_when_it_is_back():
    lost = lost_cluster()
    store, away = lost.repo.store, lost.repo.directory / "away"
    restore = WatchedRestore(lost.repo, f"[ $1 = {lost.segments[2]} ]", f"mv {store} {away}")
    stops_then_goes_on(lost, restore, lambda: away.rename(store))


def test_recovery_stops_when_the_store_turns_into_an_empty_directory():
    lost = lost_cluster()
    store, away = lost.repo.store, lost.repo.directory / "away"
    restore = WatchedRestore(
        lost.repo, f"[ $1 = {lost.segments[2]} ]", f"mv {store} {away} && mkdir {store}"
    )

    def repair():
        store.rmdir()
        away.rename(store)

    stops_then_goes_on(lost, restore, repair)


def test_recovery_stops_when_the_store_denies_access():
    lost = lost_cluster()
    wal = lost.repo.system_directory() / "wal"
    restore = WatchedRestore(lost.repo, f"[ $1 = {lost.segments[2]} ]", f"chmod 000 {wal}")
    stops_then_goes_on(lost, restore, lambda: wal.chmod(0o700))


def test_recovery_stops_when_the_store_hangs():
    lost = lost_cluster()
    hung = HungStore()
    restore = WatchedRestore(lost.repo, f"[ $1 = {lost.segments[2]} ]", f"touch {hung.switch}")
    stops_then_goes_on(lost, restore, hung.heal, hung.environment)


def test_recovery_stops_when_someone_breaks_the_configuration():
    lost = lost_cluster()
    config = lost.repo.config
    restore = WatchedRestore(
        lost.repo, f"[ $1 = {lost.segments[2]} ]", f"echo 'tiemout = 5s' >> {config}"
    )
    stops_then_goes_on(lost, restore, lost.repo.configure)


def test_recovery_stops_at_a_corrupted_segment_and_goes_on_when_it_is_replaced():
    lost = lost_cluster()
    path = lost.repo.object_path(lost.segments[2])
    path.chmod(0o600)
    good = path.read_bytes()
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 0x10
    path.write_bytes(bad)
    stops_then_goes_on(lost, WatchedRestore(lost.repo, "true"), lambda: path.write_bytes(good))


def test_recovery_stops_when_walfetch_is_killed_and_goes_on_when_started_again():
    lost = lost_cluster()
    restore = WatchedRestore(lost.repo, f"[ $1 = {lost.segments[2]} ]", "kill -9 $$")
    pg = lost.base.restore(lost.repo, restore_command=restore.command)
    pg.start(wait=False)
    assert_stopped_without_promotion(pg)
    pg.configure(restore_command=lost.repo.restore_command())
    pg.start().wait_promoted()
    assert rows(pg) == lost.rows


@majors(13, 18)
def test_recovery_stops_during_an_outage_on_other_majors_too(major):
    lost = lost_cluster(major)
    store, away = lost.repo.store, lost.repo.directory / "away"
    restore = WatchedRestore(lost.repo, f"[ $1 = {lost.segments[2]} ]", f"mv {store} {away}")
    stops_then_goes_on(lost, restore, lambda: away.rename(store))


# -- timelines --


def lost_after_promotion():
    """A lost cluster that had been recovered once before, and archived on timeline 2."""
    lost = lost_cluster()
    again = lost.base.recover(
        lost.repo, archive_mode="on", archive_command=lost.repo.archive_command()
    )
    lost.rows.append("on the second timeline")
    lost.segments.append(archive(again, lost.rows[-1]))
    again.wait_archived(lost.segments[-1])
    lost.rows.sort()
    again.destroy()
    assert lost.repo.object_path("00000002.history").exists()
    return lost


def test_no_timeline_is_used_twice_when_a_history_cannot_be_asked_for():
    lost = lost_after_promotion()
    store, away = lost.repo.store, lost.repo.directory / "away"
    restore = WatchedRestore(lost.repo, "[ $1 = 00000002.history ]", f"mv {store} {away}")
    pg = stops_then_goes_on(lost, restore, lambda: away.rename(store))
    assert pg.timeline() == 3


def test_an_outage_at_the_last_history_probe_stops_the_recovery_too():
    lost = lost_after_promotion()
    store, away = lost.repo.store, lost.repo.directory / "away"
    restore = WatchedRestore(lost.repo, "[ $1 = 00000003.history ]", f"mv {store} {away}")
    pg = stops_then_goes_on(lost, restore, lambda: away.rename(store))
    assert pg.timeline() == 3


@majors(13, 15, 18)
def test_a_promoted_server_survives_an_outage_while_it_asks_for_its_parents_history(major):
    lost = lost_cluster(major)
    again = lost.base.recover(
        lost.repo, archive_mode="on", archive_command=lost.repo.archive_command()
    )
    lost.segments.append(archive(again, "on the second timeline"))
    again.destroy()
    lost.repo.configure(state_dir="/nowhere")  # nothing is remembered of the store
    store, away = lost.repo.store, lost.repo.directory / "away"
    restore = WatchedRestore(lost.repo, "[ ! -e recovery.signal ]", f"mv {store} {away}")
    pg = lost.base.restore(lost.repo, restore_command=restore.command)
    pg.start().wait_promoted()
    assert restore.happened, "nothing was asked for after the signal file had gone"
    assert pg.timeline() == 3
    assert rows(pg) == sorted([*lost.rows, "on the second timeline"])
    assert "FATAL" not in pg.log(), pg.log_tail()


def test_a_first_promotion_survives_an_outage_while_it_asks_for_the_first_history():
    lost = lost_cluster()
    store, away = lost.repo.store, lost.repo.directory / "away"
    restore = WatchedRestore(lost.repo, "[ ! -e recovery.signal ]", f"mv {store} {away}")
    pg = lost.base.restore(lost.repo, restore_command=restore.command)
    pg.start().wait_promoted()
    assert pg.timeline() == 2
    assert rows(pg) == lost.rows


@dataclass
class Forked:
    """Two servers went on from one point; both archived."""

    repo: Repository
    base: BaseCopy
    fork: int  # LSN
    old_rows: list  # of the line that was left
    new_rows: list
    fork_segment: str  # of the new timeline


def forked_cluster(major=15):
    """Archived: both lines in full. The old primary knows nothing of the promotion."""
    old, repo = archiving_server(major)
    base = BaseCopy(old)
    archive(old, "common 1")
    archive(old, "common 2")
    new = base.restore(
        repo,
        **STANDBY,
        primary_conninfo=old.conninfo(),
        archive_mode="on",
        archive_command=repo.archive_command(),
    )
    new.start()
    old.sql("INSERT INTO t VALUES ('common 3')")
    wait_until(lambda: "common 3" in rows(new), "the standby to have caught up")
    new.promote()
    fork = switch_point(new)
    old_rows = ["common 1", "common 2", "common 3", "dead 1", "dead 2"]
    new_rows = ["common 1", "common 2", "common 3", "new 1", "new 2"]
    for n in (1, 2):
        archive(old, f"dead {n}")
        archive(new, f"new {n}")
    old.destroy()
    new.destroy()
    assert repo.object_path(segment_name(1, fork, MIB)).exists()
    return Forked(repo, base, fork, old_rows, new_rows, segment_name(2, fork, MIB))


def switch_point(pg):
    """Where the server's timeline left its parent, by its newest history file."""
    newest = max((pg.data / "pg_wal").glob("*.history"))
    words = newest.read_text(encoding="ascii").strip().splitlines()[-1].split("\t")
    high, low = words[1].split("/")
    return int(high, 16) << 32 | int(low, 16)


@majors(13, 15, 18)
def test_recovery_never_follows_an_abandoned_line_past_its_fork(major):
    forked = forked_cluster(major)
    path = forked.repo.object_path(forked.fork_segment)
    aside = forked.repo.directory / "aside"
    path.rename(aside)
    restore = WatchedRestore(forked.repo)
    pg = forked.base.restore(forked.repo, restore_command=restore.command)
    pg.start(wait=False)
    assert_stopped_without_promotion(pg)
    assert segment_name(1, forked.fork, MIB) in restore.asked(), "the trap was not even set"
    aside.rename(path)
    pg.start().wait_promoted()
    assert rows(pg) == forked.new_rows, pg.log_tail()


@majors(13, 15, 18)
def test_a_standby_never_follows_an_abandoned_line_past_its_fork(major):
    forked = forked_cluster(major)
    path = forked.repo.object_path(forked.fork_segment)
    aside = forked.repo.directory / "aside"
    path.rename(aside)
    restore = WatchedRestore(forked.repo)
    pg = forked.base.restore(forked.repo, **STANDBY, restore_command=restore.command)
    pg.start()
    trap = segment_name(1, forked.fork, MIB)
    wait_until(lambda: restore.asked().count(trap) >= 3, "the old line to be asked for")
    assert rows(pg) == ["common 1", "common 2"], pg.log_tail()
    aside.rename(path)
    wait_until(lambda: "new 2" in rows(pg), lambda: f"the new line\n{pg.log_tail()}")
    assert rows(pg) == forked.new_rows
    assert "prev-link" not in pg.log()


def test_the_abandoned_line_can_be_recovered_to_its_end_when_asked_for():
    forked = forked_cluster()
    pg = forked.base.recover(forked.repo, recovery_target_timeline="1")
    assert rows(pg) == forked.old_rows
    assert pg.timeline() == 3


# -- standbys --


def test_a_standby_goes_on_after_an_outage_and_sees_what_came_meanwhile():
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    archive(primary, "before")
    restore = WatchedRestore(repo)
    standby = base.restore(repo, **STANDBY, restore_command=restore.command)
    standby.start()
    wait_until(lambda: rows(standby) == ["before"], "the first row")
    away = repo.directory / "away"
    repo.store.rename(away)
    asked = len(restore.asked())
    wait_until(lambda: len(restore.asked()) >= asked + 6, "the standby to go on asking")
    assert standby.pid is not None, standby.log_tail()
    away.rename(repo.store)
    archive(primary, "after")
    wait_until(lambda: rows(standby) == ["after", "before"], "the second row")
    assert "FATAL" not in standby.log(), standby.log_tail()


def test_a_standby_survives_a_corrupted_segment_and_waits_for_a_good_one():
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    archive(primary, "first")
    second = archive(primary, "second")
    path = repo.object_path(second)
    path.chmod(0o600)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    restore = WatchedRestore(repo)
    standby = base.restore(repo, **STANDBY, restore_command=restore.command)
    standby.start()
    wait_until(lambda: restore.asked().count(second) >= 3, "the bad segment to be asked for")
    assert rows(standby) == ["first"]
    path.write_bytes(good)
    wait_until(lambda: rows(standby) == ["first", "second"], "the good segment to be replayed")


def promote_in(pg, limit):
    """Promotes; fails if that takes longer than ``limit`` seconds."""
    started = time.monotonic()
    pg.sql("SELECT pg_promote(false)")
    pg.wait_promoted(timeout=limit + 10)
    taken = time.monotonic() - started
    assert taken < limit, f"promotion took {taken:.1f} s\n{pg.log_tail()}"


def caught_up_standby(environment=None):
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    archive(primary, "one")
    primary.destroy()
    standby = base.restore(repo, **STANDBY)
    standby.environment = environment or {}
    standby.start()
    wait_until(lambda: rows(standby) == ["one"], "the row")
    return standby, repo


def test_promotion_is_quick_while_the_store_is_away():
    standby, repo = caught_up_standby()
    repo.store.rename(repo.directory / "away")
    promote_in(standby, 5)
    assert standby.timeline() == 2
    assert rows(standby) == ["one"]


def test_promotion_is_bounded_while_the_store_hangs():
    hung = HungStore()
    standby, _ = caught_up_standby(hung.environment)
    hung.hang()
    promote_in(standby, 12)  # each question may take the second of standby_timeout
    assert rows(standby) == ["one"]
    assert "FATAL" not in standby.log()


def startup_process(pg):
    """The process of the server that replays WAL and runs restore_command."""
    [found] = [pid for pid in descendants(pg.pid) if "startup" in command_line(pid)]
    return found


def standby_beside_foreign_timelines(environment=None):
    """A standby on timeline 2 that has seen 3 and 4 archived, no children of its own.

    It saw both at once, and a server keeps only the highest one's history in pg_wal:
    that 3 is taken it must be told again.
    """
    lost = lost_after_promotion()
    standby = lost.base.restore(lost.repo, **STANDBY)
    standby.environment = environment or {}
    standby.start()
    wait_until(lambda: rows(standby) == lost.rows, "the standby to have all rows")
    os.kill(startup_process(standby), signal.SIGSTOP)
    for timeline in (3, 4):
        other = lost.base.recover(
            lost.repo,
            recovery_target_timeline="1",
            archive_mode="on",
            archive_command=lost.repo.archive_command(),
        )
        assert other.timeline() == timeline
        archive(other, f"on timeline {timeline}")
        other.destroy()
    os.kill(startup_process(standby), signal.SIGCONT)
    standby.wait_log("new timeline 4 is not a child")
    return standby, lost


def test_a_standby_promotes_over_an_outage_to_a_timeline_nobody_used():
    """A history that was fetched once is known, whatever has become of the store."""
    standby, lost = standby_beside_foreign_timelines()
    lost.repo.store.rename(lost.repo.directory / "away")
    promote_in(standby, 10)
    assert standby.timeline() == 5
    assert rows(standby) == lost.rows


def test_a_standby_promotes_over_a_hung_store_to_a_timeline_nobody_used():
    hung = HungStore()
    standby, lost = standby_beside_foreign_timelines(hung.environment)
    hung.hang()
    promote_in(standby, 20)
    assert standby.timeline() == 5
    assert rows(standby) == lost.rows


# -- pg_rewind --


def rewindable():
    """A stopped old primary that went past the fork, the new one, and their repository.

    What pg_rewind needs of the old line is in the store only.
    """
    old, repo = archiving_server(wal_log_hints="on")
    base = BaseCopy(old)
    archive(old, "common")
    new = base.restore(
        repo,
        **STANDBY,
        primary_conninfo=old.conninfo(),
        wal_log_hints="on",
        archive_mode="on",
        archive_command=repo.archive_command(),
    )
    new.start()
    wait_until(lambda: rows(new) == ["common"], "the standby to have caught up")
    new.promote()
    archive(new, "new")
    for n in range(3):
        archive(old, f"dead {n}")
    old.sql("CHECKPOINT")
    last = archive(old, "dead last")
    old.stop()
    for path in (old.data / "pg_wal").iterdir():
        if len(path.name) == 24 and segment_start(path.name, MIB) < segment_start(last, MIB):
            path.unlink()
    new.sql("CHECKPOINT")
    old.configure(restore_command=repo.restore_command())
    return old, new, repo


def rewind(old, new):
    return run_program(
        client_program("pg_rewind"),
        *("-c", "--no-sync", "--target-pgdata", old.data),
        *("--source-server", new.conninfo()),
        cwd=old.data.parent,
    )


def test_pg_rewind_fetches_what_it_misses():
    old, new, _ = rewindable()
    shutil.copytree(old.data, old.data.with_name("untouched"), symlinks=True)
    rewind(old, new).expect(0)
    (old.data / "standby.signal").touch()
    old.configure(primary_conninfo=new.conninfo(), wal_retrieve_retry_interval="100ms")
    old.start()
    wait_until(lambda: "after" not in rows(old) and "new" in rows(old), "the rewound server")
    new.sql("INSERT INTO t VALUES ('after')")
    wait_until(lambda: "after" in rows(old), "the rewound server to follow")
    assert rows(old) == ["after", "common", "new"]


def test_pg_rewind_stops_during_an_outage():
    old, new, repo = rewindable()
    repo.store.rename(repo.directory / "away")
    result = rewind(old, new)
    assert result.status != 0, result
    (repo.directory / "away").rename(repo.store)
    rewind(old, new).expect(0)
