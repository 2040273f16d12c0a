# SPDX-License-Identifier: PostgreSQL
"""Odd but lawful things that real servers hand to walpush, and what follows from them."""

import re
import shutil
import time

from walvault_test import (
    BaseCopy,
    Postgres,
    Repository,
    format_lsn,
    majors,
    run_program,
    wait_until,
    work_directory,
)
from walvault_test.hung import HungStore
from walvault_test.installed import client_program, server_programs
from walvault_test.stored import stored_bytes
from walvault_test.wal import MIB, parse_lsn, segment_name, segment_start

PAGE = 8192
LONG_HEADER, SHORT_HEADER = 40, 24
STANDBY = {"signal": "standby.signal", "wal_retrieve_retry_interval": "100ms"}


def archiving_server(major=15, **settings):
    pg = Postgres.create(
        major, segsize_mib=1, autovacuum="off", **{"wal_keep_size": "64MB", **settings}
    )
    repo = Repository(pg, timeout="2s", standby_timeout="1s")
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (what text)")
    return pg, repo


def insert(pg, what):
    pg.sql("INSERT INTO t VALUES (%s)", what)


def archive(pg, what):
    insert(pg, what)
    return pg.archive_all()


def rows(pg):
    return sorted(row for (row,) in pg.sql("SELECT what FROM t"))


def assert_flawless(repo):
    """walvault knows of no damage and no gap."""
    for system in repo.json("info")["systems"]:
        for line in system["timelines"]:
            assert line["damaged"] == [], line
            assert line["gaps"] == [], line


# -- where a segment ends --


class Writer:
    """Writes WAL to the byte, through one session."""

    def __init__(self, pg):
        self.segsize = pg.segsize
        self._connection = pg.connect()
        self._cursor = self._connection.cursor()

    def close(self):
        self._connection.close()

    def position(self):
        self._cursor.execute("SELECT pg_current_wal_insert_lsn()")
        return parse_lsn(self._cursor.fetchone()[0])

    def left(self):
        """Bytes to the end of the segment."""
        return self.segsize - self.position() % self.segsize

    def message(self, length):
        self._cursor.execute(
            "SELECT pg_logical_emit_message(false, '', repeat('x', %s))", (length,)
        )

    def switch(self):
        self._cursor.execute("SELECT pg_switch_wal()")

    def leave(self, wanted):
        """Goes on until exactly ``wanted`` bytes are left of a segment."""
        for _ in range(20):
            while (left := self.left()) > PAGE - SHORT_HEADER or left < 1000:
                self.message(left - 12_000 if left > 14_000 else 1_000)
            # Record header 24, data header 5, message header 24, the prefix's NUL.
            self.message(left - wanted - 54)
            if self.left() == wanted:
                return
        raise AssertionError("other records kept coming between")


@majors(13, 15, 18)
def test_a_switch_record_cut_by_the_segments_end_is_archived_and_recovered(major):
    # Not 24: behind a switch record that ends exactly with the segment the server
    # itself may panic ("xlog write request ... is past end of log").
    pg, repo = archiving_server(major)
    base = BaseCopy(pg)
    expected = []
    for left in (8, 16, 32):
        writer = Writer(pg)
        expected.append(f"before {left}")
        insert(pg, expected[-1])
        writer.leave(left)
        before = writer.position()
        writer.switch()
        writer.close()
        expected.append(f"after {left}")
        archive(pg, expected[-1])
        cut = segment_name(1, before, MIB)
        assert repo.object_path(cut).exists(), cut
        if left < 24:
            # The switch record lies in both segments; nothing begins in the second.
            second = stored_bytes(repo, segment_name(1, before + MIB, MIB))
            assert not second[LONG_HEADER + 24 - left :].strip(b"\0"), left
    pg.destroy()
    assert_flawless(repo)
    assert rows(base.recover(repo)) == sorted(expected)


def test_a_record_longer_than_a_segment_is_archived_and_recovered():
    pg, repo = archiving_server()
    base = BaseCopy(pg)
    pg.sql("SELECT pg_logical_emit_message(true, 'long', repeat('x', 3500000))")
    archive(pg, "after a long record")
    pg.destroy()
    assert_flawless(repo)
    assert rows(base.recover(repo)) == ["after a long record"]


# -- crashes --


def overwriting_record(pg, start):
    """Where, by pg_waldump of Debian's 15, a record says that it overwrites an unfinished one."""
    done = run_program(
        client_program("pg_waldump"),
        *("-p", pg.data / "pg_wal", "-t", str(pg.timeline())),
        *("-s", format_lsn(start), "-e", format_lsn(pg.current_lsn())),
    )
    [lsn] = re.findall(r"lsn: ([0-9A-F/]+),.*OVERWRITE_CONTRECORD", done.out)
    return parse_lsn(lsn)


def crash_in_a_long_record(pg):
    """Kills the server with the end of a record of several segments not written yet.

    The record does not end a transaction, so nobody waits for it to reach the disk: of
    its last half MiB (wal_buffers), some is lost. All of that lies in one segment.
    Returns where the record began.
    """
    writer = Writer(pg)
    begun = writer.position()
    end = (begun // MIB + 3) * MIB - 100_000
    writer.message((end - begun) // PAGE * (PAGE - SHORT_HEADER))
    assert writer.position() // MIB == begun // MIB + 2
    pg.kill()
    return begun


def recovers_after_the_crash(pg, repo, base, expected):
    archive(pg, "after the crash")
    archive(pg, "and later")
    pg.destroy()
    assert_flawless(repo)
    assert rows(base.recover(repo)) == sorted([*expected, "after the crash", "and later"])


def test_a_record_cut_by_a_crash_and_overwritten_is_archived_and_recovered():
    pg, repo = archiving_server(wal_writer_delay="10s", wal_buffers="512kB")
    base = BaseCopy(pg)
    insert(pg, "before the crash")
    begun = crash_in_a_long_record(pg)
    pg.start()
    archive(pg, "restarted")
    overwriting = overwriting_record(pg, begun)
    assert overwriting % MIB > PAGE, "it was to stand in the middle of a segment"
    recovers_after_the_crash(pg, repo, base, ["before the crash", "restarted"])


def test_a_record_whose_next_segment_was_lost_in_a_crash_is_archived_and_recovered():
    pg, repo = archiving_server(wal_writer_delay="10s", wal_buffers="512kB")
    base = BaseCopy(pg)
    insert(pg, "before the crash")
    begun = crash_in_a_long_record(pg)
    # The machine had not written this either. (Segments that the archiver was told of
    # were on the disk before.)
    told = [path.stem for path in (pg.data / "pg_wal/archive_status").iterdir()]
    last_told = max(name for name in told if len(name) == 24)
    assert segment_start(last_told, MIB) + MIB > begun
    for path in (pg.data / "pg_wal").iterdir():
        if len(path.name) == 24 and path.name > last_told:
            path.unlink()
    pg.start()
    archive(pg, "restarted")
    overwriting = overwriting_record(pg, begun)
    assert overwriting % MIB < PAGE, "it was to stand at the beginning of a segment"
    recovers_after_the_crash(pg, repo, base, ["before the crash", "restarted"])


def test_files_asked_for_again_after_a_crash_of_the_machine_are_a_success():
    """The server's own note that a file was archived may be lost with the power."""
    pg, repo = archiving_server()
    names = [archive(pg, n) for n in ("one", "two", "three")]
    pg.kill()
    status = pg.data / "pg_wal/archive_status"
    for name in names:
        (status / f"{name}.done").rename(status / f"{name}.ready")
    failed_before = pg.log().count("archive command failed")
    pg.start()
    archive(pg, "four")
    for name in names:
        assert (status / f"{name}.done").exists(), pg.log_tail()
    assert pg.log().count("archive command failed") == failed_before, pg.log_tail()


# -- the archiver's life --


def test_a_failing_archive_command_is_counted_and_tried_again():
    pg, repo = archiving_server()
    archive(pg, "fine")
    repo.store.rename(repo.directory / "away")
    insert(pg, "stuck")
    segment = pg.switch_wal()
    wait_until(lambda: pg.archiver()["failed_count"] > 0, "the failure to be counted")
    assert "FATAL" not in pg.log(), pg.log_tail()
    (repo.directory / "away").rename(repo.store)
    pg.switch_wal()
    pg.wait_archived(segment)
    assert repo.object_path(segment).exists()


def test_a_broken_configuration_does_not_kill_the_archiver():
    pg, repo = archiving_server()
    repo.configure(tiemout="5s")
    segment = pg.switch_wal()
    wait_until(lambda: pg.archiver()["failed_count"] > 0, "the failure to be counted")
    assert "tiemout" in pg.log() and "FATAL" not in pg.log(), pg.log_tail()
    repo.configure(tiemout=None)
    pg.switch_wal()
    pg.wait_archived(segment)


def test_a_fast_stop_does_not_wait_for_a_hung_store_for_ever():
    pg, _ = archiving_server()
    hung = HungStore()
    pg.stop()
    pg.environment = hung.environment
    pg.start()
    archive(pg, "fine")
    hung.hang()
    insert(pg, "stuck")
    pg.switch_wal()
    hung.wait_reached()
    started = time.monotonic()
    pg.stop("fast")
    assert time.monotonic() - started < 25, pg.log_tail()
    hung.heal()
    pg.start()
    archive(pg, "going on")


def test_a_period_without_archiving_is_a_gap_that_info_shows():
    pg, repo = archiving_server()
    first = archive(pg, "archived")
    pg.reload(archive_command="/bin/true")
    lost = archive(pg, "lost")
    pg.reload(archive_command=repo.archive_command())
    last = archive(pg, "archived again")
    [system] = repo.json("info")["systems"]
    [line] = system["timelines"]
    assert not repo.object_path(lost).exists()
    assert len(line["gaps"]) == 1, line
    gap = line["gaps"][0]
    assert gap["after"] == first and gap["before"] == last, gap


# -- failover --


def standby_of(primary, repo, base, **settings):
    """A streaming standby that will archive when it is promoted."""
    standby = base.restore(
        repo,
        **STANDBY,
        primary_conninfo=primary.conninfo(),
        wal_keep_size="64MB",
        **{"archive_mode": "on", "archive_command": repo.archive_command(), **settings},
    )
    return standby.start()


def wait_caught_up(standby, primary):
    # A commit, so that all of it is flushed, and more than the header of an empty page.
    primary.sql("SELECT pg_logical_emit_message(true, '', '')")
    goal = primary.current_lsn()
    wait_until(
        lambda: parse_lsn(standby.value("SELECT pg_last_wal_replay_lsn()")) >= goal,
        lambda: f"{standby} to catch up\n{standby.log_tail()}",
    )


@majors(13, 15, 18)
def test_a_promoted_server_ships_what_the_old_primary_could_not(major):
    primary, repo = archiving_server(major)
    base = BaseCopy(primary)
    archive(primary, "archived")
    standby = standby_of(primary, repo, base)
    primary.reload(archive_command="/bin/false")
    missing = []
    for n in range(3):
        insert(primary, f"not archived {n}")
        missing.append(primary.switch_wal())
    insert(primary, "in the last segment")
    wait_caught_up(standby, primary)
    primary.destroy()
    for name in missing:
        assert not repo.object_path(name).exists()
    standby.promote()
    archive(standby, "on the new timeline")
    assert repo.object_path("00000002.history").exists()
    for name in missing:
        assert repo.object_path(name).exists(), (name, standby.log_tail())
    expected = rows(standby)
    standby.destroy()
    recovered = base.recover(repo)
    assert rows(recovered) == expected
    assert len(expected) == 6


def test_the_last_segment_of_a_left_timeline_is_kept_as_partial():
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    archive(primary, "archived")
    standby = standby_of(primary, repo, base)
    insert(primary, "in the last segment")
    wait_caught_up(standby, primary)
    standby.promote()
    archive(standby, "new")
    last = segment_name(1, primary.current_lsn(), MIB)
    partials = [key for key in repo.objects() if f"/{last}.partial/" in key]
    assert len(partials) == 1, repo.objects()
    assert not repo.object_path(last).exists()
    genuine = archive(primary, "old")
    assert genuine == last
    assert repo.object_path(last).exists()


def test_history_files_of_the_own_line_are_shipped_when_archiving_begins_late():
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    archive(primary, "archived")
    primary.destroy()
    server = base.recover(repo)  # its archive_mode is off
    insert(server, "not archived yet")
    assert not repo.object_path("00000002.history").exists()
    server.configure(archive_mode="on", archive_command=repo.archive_command())
    server.restart()
    archive(server, "archived later")
    assert repo.object_path("00000002.history").exists(), server.log_tail()
    assert stored_bytes(repo, "00000002.history") == (
        server.data / "pg_wal/00000002.history"
    ).read_bytes()


def test_an_incomplete_segment_from_a_cascaded_standby_does_not_take_the_whole_ones_name():
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    archive(primary, "archived")
    middle = standby_of(primary, repo, base, archive_mode="off")
    last = standby_of(
        middle, repo, base, archive_mode="always", wal_receiver_status_interval="1s"
    )
    insert(primary, "in the last segment")
    wait_caught_up(middle, primary)
    wait_caught_up(last, primary)
    cut = segment_name(1, primary.current_lsn(), MIB)
    middle.promote()
    insert(middle, "new")
    wait_until(lambda: "new" in rows(last), lambda: f"the new timeline\n{last.log_tail()}")
    done = last.data / "pg_wal/archive_status" / f"{cut}.done"
    wait_until(
        lambda: done.exists() or repo.object_path(cut).exists(),
        lambda: f"{cut} to be archived by the cascaded standby\n{last.log_tail()}",
    )
    assert not repo.object_path(cut).exists(), last.log_tail()
    assert [key for key in repo.objects() if f"/{cut}.partial/" in key], repo.objects()
    assert_flawless(repo)
    # The old primary's own, whole one still finds its place.
    assert archive(primary, "old") == cut
    assert repo.object_path(cut).exists()


def test_a_standby_and_its_primary_archive_the_same_segments_side_by_side():
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    standby = standby_of(primary, repo, base, archive_mode="always")
    for n in range(8):
        segment = archive(primary, f"row {n}")
        done = standby.data / "pg_wal/archive_status" / f"{segment}.done"
        wait_until(done.exists, lambda: f"{done}\n{standby.log_tail()}")
    for server in (primary, standby):
        assert "archive command failed" not in server.log(), server.log_tail()
    primary.destroy()
    standby.destroy()
    assert len(rows(base.recover(repo))) == 8


# -- another history of the same cluster --


def init_new_generation(repo):
    """Runs what the hints say; the generation that it prints, and sets it."""
    printed = repo.init("--new-generation").out
    [generation] = re.findall(r"generation = (\d+)", printed)
    repo.configure(generation=generation)
    return int(generation)


def stuck(pg, segment):
    """Waits until the archiver has failed with that file; what walpush said."""
    wait_until(
        lambda: (pg.archiver()["last_failed_wal"] or "") == segment,
        lambda: f"{segment} to be refused\n{pg.log_tail()}",
    )
    return pg.log()


def recovers_from_generation(pg, repo, generation):
    """A backup and later WAL of the new generation recover; the old one is as it was."""
    base = BaseCopy(pg)
    archive(pg, "after the new backup")
    expected = rows(pg)
    pg.destroy()
    assert rows(base.recover(repo)) == expected
    keys = repo.objects()
    assert any(f"/{repo.pg.sysid}.{generation}/wal/" in f"/{key}" for key in keys), keys


def test_a_cluster_rolled_back_is_refused_and_a_new_generation_is_the_way_out():
    pg, repo = archiving_server()
    pg.stop()
    snapshot = work_directory() / "snapshot"
    shutil.copytree(pg.data, snapshot, symlinks=True)
    pg.start()
    first = archive(pg, "written and forgotten")
    pg.stop()
    before = repo.object_path(first).read_bytes()
    shutil.rmtree(pg.data)
    snapshot.rename(pg.data)
    pg.start()
    insert(pg, "written instead")
    assert pg.switch_wal() == first
    assert "--new-generation" in stuck(pg, first)
    assert repo.object_path(first).read_bytes() == before
    generation = init_new_generation(repo)
    assert generation == 2
    archive(pg, "archived again")
    assert repo.object_path(first).read_bytes() == before
    assert repo.object_path(first, generation).exists()
    recovers_from_generation(pg, repo, generation)


def test_a_reset_cluster_is_refused_and_a_new_generation_is_the_way_out():
    pg, repo = archiving_server()
    archive(pg, "before")
    pg.stop()
    run_program(
        server_programs(15) / "pg_resetwal", "-f", "--wal-segsize=2", "-D", pg.data
    ).expect(0)
    pg.segsize = 2 * MIB
    pg.start()
    insert(pg, "after")
    assert "--new-generation" in stuck(pg, pg.switch_wal())
    generation = init_new_generation(repo)
    archive(pg, "archived again")
    recovers_from_generation(pg, repo, generation)


def two_servers_on_one_timeline(same_fork):
    """Two promotions from one line, the later one blind to what the archive holds.

    Returns the later one and the repository, in which timeline 2 is the first's.
    """
    primary, repo = archiving_server()
    base = BaseCopy(primary)
    archive(primary, "common")
    late = standby_of(primary, repo, base)
    early = standby_of(primary, repo, base)
    for server in (early, late):
        wait_caught_up(server, primary)
    late.reload(restore_command=repo.restore_command("--store", "file:///nowhere"))
    if same_fork:
        primary.destroy()
    early.promote()
    archive(early, "of the first")
    early.destroy()
    if not same_fork:
        insert(primary, "only the later one has this")
        wait_caught_up(late, primary)
        primary.destroy()
    late.promote()
    assert late.timeline() == 2, "it knew better: nothing to test here"
    insert(late, "of the second")
    repo.configure(pgdata=late.data)
    return late, repo


def way_out_works(server, repo, refused):
    """What is refused stays as it is stored; with a new generation archiving goes on."""
    before = repo.object_path(refused).read_bytes()
    said = stuck(server, refused)
    assert "--new-generation" in said, server.log_tail()
    assert repo.object_path(refused).read_bytes() == before
    generation = init_new_generation(repo)
    archive(server, "archived again")
    assert repo.object_path(refused).read_bytes() == before
    assert repo.object_path("00000002.history", generation).exists()
    recovers_from_generation(server, repo, generation)


def test_a_refused_history_file_names_the_way_out_and_the_way_out_works():
    late, repo = two_servers_on_one_timeline(same_fork=False)
    late.switch_wal()
    way_out_works(late, repo, "00000002.history")


def test_two_promotions_at_one_point_are_told_apart_by_their_first_segment():
    """Their history files are the same to the byte; their WAL is not."""
    late, repo = two_servers_on_one_timeline(same_fork=True)
    way_out_works(late, repo, late.switch_wal())
