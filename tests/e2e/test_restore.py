# SPDX-License-Identifier: PostgreSQL
"""pitr-restore: a cluster as it was at some moment, or the truth that there is no way."""

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time

from walvault_test import (
    format_lsn,
    majors,
    parse_lsn,
    run_program,
    seeded_random,
    segment_name,
    time_limit,
    wait_until,
)
from walvault_test.backups import check_relations
from walvault_test.cases import new_directory
from walvault_test.installed import client_program
from walvault_test.load import Load
from walvault_test.oracle import format_time
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import (
    archived_cluster,
    as_postgres,
    new_data_directory,
    plan,
    restore,
    restore_and_start,
    take_backup,
)
from walvault_test.tracer import trace

ROWS = "SELECT count(*), max(i) FROM t"
IN_RECOVERY = "SELECT pg_is_in_recovery()"


class World:
    """A cluster with a backup, some known moments behind it, and then its end."""

    def __init__(self, major=15, **settings):
        self.pg, self.repo = archived_cluster(major, **settings)
        self.pg.sql("CREATE TABLE t (i int PRIMARY KEY)")
        self.pg.sql("INSERT INTO t SELECT generate_series(1, 100)")
        self.backup = take_backup(self.repo)
        self.after_backup = self.pg.current_lsn()

    def commit(self, value):
        """One transaction; its xid, and a moment right behind it."""
        connection = self.pg.connect()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO t VALUES (%s) RETURNING pg_current_xact_id()::text", (value,)
            )
            xid = cursor.fetchone()[0]
            cursor.execute("SELECT clock_timestamp(), pg_current_wal_insert_lsn()")
            moment, lsn = cursor.fetchone()
        connection.close()
        time.sleep(0.01)
        return xid, format_time(moment), lsn

    def destroy(self):
        self.pg.archive_all()
        self.pg.destroy()
        return self


def assert_untouched(destination):
    assert not destination.exists(), sorted(destination.iterdir())


def files_of(directory):
    """Every file of a tree with a digest of its content."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


# -- every kind of target, on every major --


def test_a_destroyed_cluster_comes_back_at_every_kind_of_target(major):
    world = World(major)
    xid, moment, _ = world.commit(1000)
    world.pg.sql("SELECT pg_create_restore_point('here')")
    lsn = format_lsn(world.pg.current_lsn())
    world.commit(2000)
    world.destroy()
    for options, rows in {
        ("--to-latest",): (102, 2000),
        (): (102, 2000),
        ("--immediate",): (100, 100),
        ("--to-time", moment): (101, 1000),
        ("--to-xid", xid): (101, 1000),
        ("--to-xid", xid, "--exclusive"): (100, 100),
        ("--to-name", "here"): (101, 1000),
        ("--to-lsn", lsn, "--exclusive", "--action", "promote"): (101, 1000),
    }.items():
        started = restore_and_start(world.repo, *options)
        assert started.sql(ROWS) == [rows], (options, started.report)
        promoted = options in ((), ("--to-latest",)) or "promote" in options
        assert started.value("SELECT pg_is_in_recovery()") is not promoted, options
        started.stop()


def test_a_started_server_stops_where_action_shutdown_says():
    world = World()
    world.pg.sql("SELECT pg_create_restore_point('here')")
    world.commit(1000)
    world.destroy()
    started = restore_and_start(world.repo, "--to-name", "here", "--action", "shutdown")
    assert started.server["running"] is False
    assert started.server["socket_directory"] is None
    assert (started.destination / "recovery.signal").exists()


def test_a_standby_has_no_target_and_follows_the_archive():
    world = World()
    world.commit(1000)
    world.pg.archive_all()
    started = restore_and_start(world.repo, "--standby")
    wait_until(lambda: started.sql(ROWS) == [(101, 1000)], "the standby to replay")
    world.commit(2000)
    world.pg.archive_all()
    wait_until(lambda: started.sql(ROWS) == [(102, 2000)], "the standby to follow", 60)
    settings = (started.destination / "postgresql.auto.conf").read_text()
    assert "recovery_target_lsn = ''" in settings
    assert "archive_mode" not in settings
    assert not (started.destination / "walvault.plan").exists()


def test_a_store_and_nothing_else_is_enough_to_restore():
    world = World()
    world.commit(1000)
    world.destroy()
    destination = new_data_directory()
    nothing = new_directory("nothing") / "walvault.conf"
    nothing.touch()
    result = run_program(
        program("pitr-restore"),
        *("--store", world.repo.url, "--start", "--bindir", world.pg.bin, "--json"),
        destination,
        env={"WALVAULT_CONFIG": str(nothing)},
    ).expect(0)
    server = result.json()["server"]
    assert result.json()["sysid"] == world.pg.sysid
    os.kill(server["pid"], signal.SIGINT)
    wait_until(lambda: not (destination / "postmaster.pid").exists(), "the server to stop")
    os.rmdir(server["socket_directory"])


def test_a_cluster_of_another_name_is_found_where_it_is_the_only_one():
    pg, repo = archived_cluster(15)
    pg.stop()
    named = type(repo)(pg, cluster="warehouse")
    named.enable_archiving()
    pg.start()
    named.init()
    take_backup(named)
    pg.archive_all()
    nothing = new_directory("nothing") / "walvault.conf"
    nothing.touch()
    run_program(
        program("pitr-restore"),
        *("--store", named.url, "--plan"),
        env={"WALVAULT_CONFIG": str(nothing)},
    ).expect(0)


# -- what the plan says --


def test_a_plan_names_the_last_transaction_that_is_there_and_the_first_that_is_not():
    world = World()
    first, moment, _ = world.commit(1000)
    second, _, _ = world.commit(2000)
    world.pg.archive_all()
    found = plan(world.repo, "--to-time", moment)
    assert found["reachable"] is True
    assert found["last"]["xid"] == int(first)
    assert found["first_not"]["xid"] == int(second)
    assert found["backup"]["id"] == world.backup
    assert found["stop"]["inclusive"] is False


def test_a_plan_touches_nothing():
    world = World()
    world.pg.archive_all()
    before = files_of(world.repo.store)
    destination = new_data_directory()
    found = plan(world.repo, destination)
    assert found["restored"] is False
    assert found["places"][0]["path"] == str(destination)
    assert found["places"][0]["needed"] > 1 << 20
    assert_untouched(destination)
    assert files_of(world.repo.store) == before


def test_a_plan_without_a_destination_says_what_is_needed_and_asks_for_tablespaces():
    world, places = tablespace_world()
    world.pg.archive_all()
    oids = [row[0] for row in world.pg.sql("SELECT oid FROM pg_tablespace WHERE oid > 16383 ORDER BY 1")]
    text = world.repo.run("pitr-restore", "--plan").expect(0).out
    for oid, place in zip(oids, places):
        [line] = [line for line in text.splitlines() if f"{oid}, was {place}: " in line]
        assert f"--tablespace {oid}=/new/place, or --tablespace-dir DIR" in line
    assert "DEST: " in text
    top, one, two = plan(world.repo, "--tablespace", f"{oids[1]}=/new")["places"]
    assert top["needed"] > 1 << 20 and top["path"] is None and top["free"] is None
    assert (one["tablespace"], one["was"], one["path"]) == (oids[0], str(places[0]), None)
    assert two["path"] == "/new" and two["needed"] > 0


STATFS = 137


def test_a_disk_that_is_too_small_is_told_and_the_plan_does_not_promise():
    world = World()
    world.pg.archive_all()
    destination = new_data_directory()

    def fill_disk(call):
        if call.number == STATFS and call.result == 0:
            with open(f"/proc/{call.pid}/mem", "r+b", buffering=0) as memory:
                memory.seek(call.arguments[1] + 4 * 8)  # f_bavail
                memory.write((100).to_bytes(8, "little"))

    command = (program("pitr-restore"), "--config", world.repo.config, destination)
    result = trace(fill_disk, *command, "--plan").expect(0)
    assert "without --plan this is done" not in result.out
    assert "too little room" in result.out and "are needed" in result.out, result.out
    result = trace(fill_disk, *command).expect(1)
    assert "are needed" in result.err and "another disk" in result.err, result.err
    assert_untouched(destination)


def test_a_history_that_is_not_there_is_a_matter_of_usage_and_the_known_ones_are_named():
    world = World()
    for options in (("--sysid", "123"), ("--generation", "4"), ("--sysid", "123", "--generation", "4")):
        result, destination = restore(world.repo, *options)
        result.expect(3)
        assert f"{world.pg.sysid} generation 1" in result.err, result.err
        assert "walvault init" not in result.err
        assert_untouched(destination)


def test_the_newest_backup_before_the_target_is_chosen():
    world = World()
    _, between, _ = world.commit(1000)
    time.sleep(0.1)
    newer = take_backup(world.repo)
    _, late, _ = world.commit(2000)
    world.commit(3000)
    world.pg.archive_all()
    assert plan(world.repo, "--to-time", between)["backup"]["id"] == world.backup
    assert plan(world.repo, "--to-time", late)["backup"]["id"] == newer
    assert plan(world.repo)["backup"]["id"] == newer
    chosen = plan(world.repo, "--to-time", late, "--backup", world.backup)
    assert chosen["backup"]["id"] == world.backup


def test_a_current_lsn_behind_the_last_record_means_the_last_record():
    world = World()
    world.commit(1000)
    world.pg.archive_all()
    end = plan(world.repo)["stop"]
    found = plan(world.repo, "--to-lsn", end["end_lsn"])
    assert found["stop"]["lsn"] == end["lsn"]
    beyond = format_lsn(parse_lsn(end["end_lsn"]) + 2 * world.pg.segsize)
    assert plan(world.repo, "--to-lsn", beyond, status=2)["reachable"] is False


def test_an_idle_time_behind_the_last_commit_is_reached_once_wal_tells_of_later():
    world = World()
    world.commit(1000)
    time.sleep(0.2)
    idle = format_time(world.pg.value("SELECT clock_timestamp()"))
    world.pg.archive_all()
    found = plan(world.repo, "--to-time", idle, status=2)
    assert "does not contain" in found["why"] or "nothing is known" in found["why"], found
    assert found["nearest_before"]["options"].startswith("--to-lsn")
    time.sleep(1.1)
    world.pg.sql("CHECKPOINT")  # its time is in whole seconds
    world.destroy()
    started = restore_and_start(world.repo, "--to-time", idle)
    assert started.sql(ROWS) == [(101, 1000)]


# -- there is no way --


def test_a_target_before_the_end_of_the_first_backup_is_exit_2_and_touches_nothing():
    world = World()
    world.commit(1000)
    world.destroy()
    summary = plan(world.repo)["backup"]
    for options in (
        ("--to-lsn", summary["start_lsn"]),
        ("--to-time", "2020-01-01 00:00:00+00"),
    ):
        result, destination = restore(world.repo, "--json", *options)
        result.expect(2)
        assert_untouched(destination)
        found = result.json()
        assert found["nearest_before"] is None
        assert found["nearest_after"]["options"] == f"--immediate --backup {world.backup}"
        assert "nearest moment after" in result.err


def test_a_target_behind_all_wal_is_exit_2_and_names_the_end():
    world = World()
    world.commit(1000)
    world.destroy()
    for options in (
        ("--to-time", "2099-01-01 00:00:00+00"),
        ("--to-lsn", "FFFF/0"),
        ("--to-xid", "999999"),
        ("--to-name", "nowhere"),
    ):
        result, destination = restore(world.repo, "--json", *options)
        result.expect(2)
        assert_untouched(destination)
        before = result.json()["nearest_before"]["options"]
        assert plan(world.repo, *before.split())["reachable"] is True


def test_a_missing_segment_in_the_middle_is_named_and_both_sides_are_reachable():
    world = World()
    _, early, _ = world.commit(1000)
    world.commit(1001)
    world.pg.archive_all()
    world.commit(1100)
    hole = world.pg.archive_all()
    _, in_hole, lsn_behind = world.commit(1200)
    world.pg.archive_all()
    later = take_backup(world.repo)
    world.commit(2000)
    world.destroy()
    world.repo.object_path(hole).unlink()
    result, destination = restore(world.repo, "--to-lsn", lsn_behind, "--json")
    found = result.expect(2).json()
    assert_untouched(destination)
    assert found["missing"] == hole, found
    assert hole in found["why"]
    assert found["nearest_after"]["options"] == f"--immediate --backup {later}"
    before = found["nearest_before"]["options"].split()
    assert plan(world.repo, *before)["backup"]["id"] == world.backup
    assert plan(world.repo, "--to-time", early)["backup"]["id"] == world.backup
    assert plan(world.repo)["backup"]["id"] == later


def test_latest_is_not_a_moment_before_a_gap():
    world = World()
    world.commit(1000)
    hole = world.pg.archive_all()
    world.commit(2000)
    world.destroy()
    world.repo.object_path(hole).unlink()
    result, destination = restore(world.repo, "--json")
    found = result.expect(2).json()
    assert_untouched(destination)
    assert found["missing"] == hole


def test_a_segment_of_a_rewritten_history_under_the_right_name_is_no_link_of_the_chain():
    """The numbers fit, the contents do not: the plan looks at the contents."""
    world = World(segsize_mib=1)
    copy = new_directory("rolled-back") / "data"
    world.pg.stop()
    shutil.copytree(world.pg.data, copy, symlinks=True)
    world.pg.start()
    world.commit(1000)
    world.pg.archive_all()
    genuine = world.pg.archive_all()
    world.pg.archive_all()
    world.pg.stop()
    rolled = type(world.pg)(15, copy, world.pg.segsize, archive_mode="off", wal_keep_size="1GB")
    rolled.start()
    rolled.sql("CREATE TABLE other AS SELECT generate_series(1, 30000) AS i")
    while rolled.switch_wal() < genuine:
        pass
    rolled.stop()
    world.repo.object_path(genuine).unlink()
    world.repo.walpush(copy / "pg_wal" / genuine, cwd=copy).expect(0)
    result, _ = restore(world.repo, "--json")
    found = result.expect(2).json()
    following = segment_name(
        1, parse_lsn(found["nearest_before"]["lsn"]) + world.pg.segsize, world.pg.segsize
    )
    assert found["missing"] == genuine or found["missing"] >= following, found
    assert "follow" in found["why"], found


def test_a_backup_without_its_own_wal_is_not_restored():
    world = World()
    start = segment_name(1, parse_lsn(plan(world.repo)["backup"]["start_lsn"]), world.pg.segsize)
    world.destroy()
    world.repo.object_path(start).unlink()
    result, destination = restore(world.repo, "--immediate", "--json")
    found = result.expect(2).json()
    assert found["missing"] == start
    assert_untouched(destination)


def test_a_restore_point_given_twice_is_exit_2_and_both_are_listed():
    world = World()
    points = [world.pg.value("SELECT pg_create_restore_point('twice')::text") for _ in range(2)]
    world.destroy()
    result, destination = restore(world.repo, "--to-name", "twice", "--json")
    why = result.expect(2).json()["why"]
    assert_untouched(destination)
    assert why.count("(20") == len(points), why


def test_a_time_without_a_zone_is_refused():
    world = World()
    world.pg.archive_all()
    for text in ("2026-11-20 12:00:00", "now", "yesterday"):
        result, destination = restore(world.repo, "--to-time", text)
        result.expect(3)
        assert_untouched(destination)
    restore(world.repo, "--to-time", "2020-01-01 12:00:00", "--utc")[0].expect(2)


def test_contradictory_options_are_exit_3_and_touch_nothing():
    world = World()
    world.pg.archive_all()
    for options in (
        ("--to-lsn", "0/1", "--to-xid", "5"),
        ("--immediate", "--exclusive"),
        ("--standby", "--to-lsn", "0/1"),
        ("--standby", "--action", "promote"),
        ("--start", "--rejoin-archive"),
        ("--timeline", "newest"),
        ("--tablespace", "nonsense"),
        ("--tablespace", "/no/such=/new"),
        ("--to-lsn", "not an LSN"),
        ("--action", "dance"),
    ):
        result, destination = restore(world.repo, *options)
        result.expect(3)
        assert_untouched(destination)
    world.repo.run("pitr-restore").expect(3)


# -- into what --


def test_a_directory_that_is_not_empty_is_refused_and_left_alone():
    world = World()
    world.pg.archive_all()
    destination = new_data_directory()
    destination.mkdir()
    (destination / "precious").write_text("mine")
    result, _ = restore(world.repo, destination=destination)
    result.expect(3)
    assert files_of(destination).keys() == {"precious"}
    restore(world.repo, destination=world.pg.data)[0].expect(3)


def test_an_empty_directory_is_used():
    world = World()
    world.destroy()
    destination = new_data_directory()
    destination.mkdir(mode=0o755)
    started = restore_and_start(world.repo, destination=destination)
    assert started.sql(ROWS) == [(100, 100)]
    assert destination.stat().st_mode & 0o777 == 0o700


def tablespace_world():
    world = World()
    places = [new_directory("space") / name for name in ("plain", "with a space = and =signs")]
    for number, place in enumerate(places):
        place.mkdir()
        world.pg.sql(f"CREATE TABLESPACE space{number} LOCATION '{place}'")
        world.pg.sql(f"CREATE TABLE in{number} TABLESPACE space{number} AS SELECT 1 AS i")
    world.backup = take_backup(world.repo)
    for number in range(2):
        world.pg.sql(f"INSERT INTO in{number} VALUES (2)")
    return world, places


def test_tablespaces_go_where_they_are_told_and_never_where_they_were():
    world, places = tablespace_world()
    world.pg.archive_all()
    before = [files_of(place) for place in places]
    result, destination = restore(world.repo)
    result.expect(3)
    assert "--tablespace-dir" in result.err
    assert_untouched(destination)
    new = new_directory("new")
    started = restore_and_start(
        world.repo, "--tablespace", f"{places[1]}={new}/one", "--tablespace-dir", new / "others"
    )
    for number in range(2):
        assert started.sql(f"SELECT count(*) FROM in{number}") == [(2,)]
    locations = started.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace")
    places_now = {row[0] for row in locations}
    assert str(new / "one") in places_now
    assert not places_now & {str(place) for place in places}
    assert [files_of(place) for place in places] == before


def test_a_tablespace_into_a_directory_that_is_not_empty_is_refused():
    world, _ = tablespace_world()
    world.pg.archive_all()
    new = new_directory("new")
    (new / "others").mkdir()
    oid = world.pg.value("SELECT oid FROM pg_tablespace WHERE spcname = 'space0'")
    (new / "others" / str(oid)).mkdir()
    (new / "others" / str(oid) / "file").touch()
    result, destination = restore(world.repo, "--tablespace-dir", new / "others")
    result.expect(3)
    assert_untouched(destination)


def test_places_that_only_look_different_are_refused():
    world, places = tablespace_world()
    world.pg.archive_all()
    new = new_directory("new")
    destination = new / "data"
    (new / "alias").symlink_to(new)
    (new / "empty").mkdir()
    (new / "link").symlink_to(new / "empty")
    one, two = (world.pg.value(f"SELECT oid FROM pg_tablespace WHERE spcname = 'space{n}'") for n in (0, 1))
    for pair in (
        (f"{new}/data/../data", f"{new}/two"),
        (f"{new}/one", f"{new}//x/./../alias/one"),
        (f"{new}/alias/data", f"{new}/two"),
        (f"{new}/data/ts/one", f"{new}/two"),
        (f"{new}/one", f"{new}/one/two"),
        (f"{new}", f"{new}/two"),
        (f"{new}/link", f"{new}/empty"),
    ):
        options = ("--tablespace", f"{one}={pair[0]}", "--tablespace", f"{two}={pair[1]}")
        restore(world.repo, *options, destination=destination)[0].expect(3)
        assert_untouched(destination)
    result, _ = restore(world.repo, "--tablespace-dir", destination / "ts", destination=destination)
    result.expect(3)
    assert "beside" in result.err
    assert sorted(path.name for path in new.iterdir()) == ["alias", "empty", "link"]
    restore(world.repo, "--tablespace-dir", new / "data2", destination=destination)[0].expect(0)


def test_a_place_that_cannot_be_written_is_found_before_anything_is_touched():
    world, _ = tablespace_world()
    world.pg.archive_all()
    locked, new = new_directory("locked"), new_directory("new")
    locked.chmod(0o555)
    for destination, spaces in ((locked / "data", new / "ts"), (new / "data", locked / "ts")):
        for options in ((), ("--plan",)):
            result, _ = restore(
                world.repo, *options, "--tablespace-dir", spaces, destination=destination
            )
            result.expect(1)
            assert "install -d -o" in result.err and "this is user" in result.err, result.err
            assert "not complete" not in result.err
    assert not list(new.iterdir())
    locked.chmod(0o700)


def test_missing_directories_above_the_destination_are_made():
    world = World()
    world.pg.archive_all()
    destination = new_directory("deep") / "a/b/data"
    restore(world.repo, destination=destination)[0].expect(0)
    assert (destination / "global/pg_control").exists()


def test_a_tablespace_in_place_stays_in_place():
    world = World(allow_in_place_tablespaces="on")
    world.pg.sql("CREATE TABLESPACE inside LOCATION ''")
    world.pg.sql("CREATE TABLE kept TABLESPACE inside AS SELECT 1 AS i")
    take_backup(world.repo)
    world.pg.sql("INSERT INTO kept VALUES (2)")
    world.destroy()
    started = restore_and_start(world.repo)
    assert started.sql("SELECT count(*) FROM kept") == [(2,)]
    [tablespace] = (started.destination / "pg_tblspc").iterdir()
    assert tablespace.is_dir() and not tablespace.is_symlink()


# -- what a restored directory is --


@majors(13, 14, 15)
def test_pg_verifybackup_passes_on_what_was_restored(major):
    world, _ = tablespace_world() if major == 15 else (World(major), None)
    world.destroy()
    result, destination = restore(world.repo, "--tablespace-dir", new_directory("new") / "all")
    result.expect(0)
    run_program(client_program("pg_verifybackup"), "-n", destination).expect(0)


def test_every_file_is_as_it_was_in_the_cluster_that_was_stopped_cleanly():
    """Backed up while idle: what is not replayed has not changed since."""
    world = World()
    series = "generate_series(1, 20000) i"
    world.pg.sql(f"CREATE TABLE big AS SELECT i, repeat('x', 500) AS t FROM {series}")
    world.pg.sql("VACUUM FREEZE")
    world.pg.sql("CHECKPOINT")
    world.backup = take_backup(world.repo)
    world.pg.stop()
    original = files_of(world.pg.data / "base")
    world.pg.start()
    world.pg.archive_all()
    result, destination = restore(world.repo, "--immediate")
    result.expect(0)
    restored = files_of(destination / "base")
    temporary = {name for name in original if "pg_internal.init" in name}
    assert {name: original[name] for name in original.keys() - temporary} == restored


def test_a_label_that_was_lost_keeps_the_directory_from_starting():
    world = World()
    world.destroy()
    result, destination = restore(world.repo)
    result.expect(0)
    (destination / "backup_label").unlink()
    (destination / "recovery.signal").unlink()
    server = as_postgres(world.repo, destination)
    server.start(wait=False)
    assert server.wait_exit() != 0


def test_settings_of_an_earlier_recovery_do_not_survive():
    world = World()
    world.pg.sql("ALTER SYSTEM SET restore_command = '/bin/false'")
    world.pg.sql("ALTER SYSTEM SET recovery_target_time = '2001-01-01 00:00:00+00'")
    world.pg.sql("ALTER SYSTEM SET primary_conninfo = 'host=nowhere'")
    world.pg.sql("ALTER SYSTEM SET work_mem = '7MB'")
    with open(world.pg.data / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write("recovery_target_name = 'from the file'\nrecovery_end_command = 'false'\n")
    world.backup = take_backup(world.repo)
    world.commit(1000)
    world.destroy()
    result, destination = restore(world.repo)
    result.expect(0)
    server = as_postgres(world.repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(101, 1000)]
    assert server.value("SHOW work_mem") == "7MB"
    assert server.value("SHOW primary_conninfo") == ""


def test_a_stale_target_in_the_configuration_is_overridden_on_every_major(major):
    world = World(major)
    with open(world.pg.data / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write("recovery_target_xid = '3'\n")
    world.backup = take_backup(world.repo)
    world.commit(1000)
    world.destroy()
    result, destination = restore(world.repo)
    result.expect(0)
    server = as_postgres(world.repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(101, 1000)]


def test_a_restored_server_never_archives_into_the_production_repository():
    world = World()
    world.commit(1000)
    world.destroy()
    original = files_of(world.repo.store)
    result, destination = restore(world.repo)
    result.expect(0)
    before = files_of(world.repo.store)
    leases = before.keys() - original.keys()  # what the restore itself says it needs
    assert all(path.split("/")[-1].startswith("restore-") for path in leases), leases
    server = as_postgres(world.repo, destination, **world.pg.settings)
    assert server.settings["archive_mode"] == "on"
    server.start().wait_promoted()
    server.sql("INSERT INTO t VALUES (5000)")
    server.switch_wal()
    server.sql("CHECKPOINT")
    server.stop()
    assert files_of(world.repo.store) == before


def test_a_server_that_rejoins_the_archive_goes_on_archiving_on_a_new_timeline():
    world = World()
    world.commit(1000)
    world.destroy()
    result, destination = restore(world.repo, "--rejoin-archive")
    result.expect(0)
    server = as_postgres(world.repo, destination, **world.pg.settings)
    server.start().wait_promoted()
    server.sql("INSERT INTO t VALUES (5000)")
    segment = server.archive_all()
    assert segment.startswith("00000002")
    assert world.repo.object_path("00000002.history").exists()
    server.destroy()
    started = restore_and_start(world.repo)
    assert started.report["timeline"] == 2
    assert started.sql(ROWS) == [(102, 5000)]


def settings_in(destination, name):
    lines = (destination / "postgresql.auto.conf").read_text().splitlines()
    return [line for line in lines if line.split(" ")[0] == name]


def checked(repo):
    """What walvault check says of recovery settings."""
    found = repo.walvault("check", "--json").json()
    return [x for x in found["findings"] if x["subject"] == "recovery settings"]


def test_what_a_restore_left_in_a_primary_is_told_and_not_inherited():
    world = World()
    world.commit(1000)
    world.destroy()
    result, destination = restore(world.repo, "--rejoin-archive")
    result.expect(0)
    shutil.move(destination, world.pg.data)
    server = as_postgres(world.repo, world.pg.data, **world.pg.settings).start().wait_promoted()
    server.sql("ALTER SYSTEM SET work_mem = '7MB'")
    assert "Begin of" not in (server.data / "postgresql.auto.conf").read_text()
    server.sql("ALTER SYSTEM SET synchronous_commit = 'local'")
    assert "max_connections" in checked(world.repo)[0]["text"], checked(world.repo)
    server.archive_all()
    take_backup(world.repo)
    server.archive_all()
    server.destroy()
    result, destination = restore(world.repo, "--rejoin-archive")
    result.expect(0)
    for name in ("max_connections", "recovery_target_xid", "hot_standby", "work_mem"):
        assert len(settings_in(destination, name)) < 2, name
    script = "/^# Begin of pitr-restore/,/^# End of pitr-restore/d"
    server = as_postgres(world.repo, destination, **world.pg.settings).start().wait_promoted()
    run_program("sed", "-i", script, destination / "postgresql.auto.conf").expect(0)
    lines = (destination / "postgresql.auto.conf").read_text().splitlines()
    kept = [line for line in lines if line and not line.startswith("#")]
    assert kept == ["work_mem = '7MB'", "synchronous_commit = 'local'"], kept


def test_limits_that_are_the_users_own_are_kept():
    world = World()
    world.pg.sql("ALTER SYSTEM SET max_connections = 40")
    world.pg.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    assert not checked(world.repo)
    take_backup(world.repo)
    world.destroy()
    result, destination = restore(world.repo, "--rejoin-archive")
    result.expect(0)
    assert settings_in(destination, "max_connections")[0] == "max_connections = '40'"
    assert settings_in(destination, "synchronous_standby_names")


def test_a_copy_does_not_do_the_originals_work():
    world = World()
    world.pg.reload(synchronous_standby_names="'one'", synchronous_commit="local")
    world.commit(1000)
    world.destroy()
    wanted = [("archive_mode", "off"), ("max_logical_replication_workers", "0")]
    wanted += [("synchronous_standby_names", "")]
    result, destination = restore(world.repo)
    result.expect(0)
    server = as_postgres(world.repo, destination, **world.pg.settings).start().wait_promoted()
    for name, value in wanted:
        assert server.value(f"SHOW {name}") == value, name
    server.stop()
    started = restore_and_start(world.repo)
    assert not settings_in(started.destination, "max_connections")
    for name, _ in wanted:
        assert len(settings_in(started.destination, name)) == 1, name
    for option in ("--rejoin-archive", "--standby"):
        result, destination = restore(world.repo, option)
        result.expect(0)
        for name, _ in wanted:
            assert not settings_in(destination, name), (option, name)


# -- timelines --


def fork_world():
    """Timeline 1 goes on after timeline 2 has left it; both have rows of their own."""
    world = World()
    _, common, _ = world.commit(1000)
    world.pg.archive_all()
    result, destination = restore(world.repo, "--rejoin-archive")
    result.expect(0)
    for value in range(1100, 1110):
        world.commit(value)
        world.pg.archive_all()
    world.destroy()
    server = as_postgres(world.repo, destination, **world.pg.settings)
    server.start().wait_promoted()
    server.sql("INSERT INTO t VALUES (2000)")
    server.archive_all()
    server.archive_all()
    server.destroy()
    return world, common


def test_two_lines_that_differ_for_the_target_are_exit_2_until_one_is_chosen():
    world, common = fork_world()
    result, destination = restore(world.repo, "--json")
    why = result.expect(2).json()["why"]
    assert "--timeline" in why
    assert_untouched(destination)
    for timeline, rows in (("1", (111, 1109)), ("2", (102, 2000)), ("latest", (102, 2000))):
        started = restore_and_start(world.repo, "--timeline", timeline)
        assert started.sql(ROWS) == [rows], timeline
        started.stop()
    current = plan(world.repo, "--timeline", "current")
    assert current["timeline"] == 1
    restore(world.repo, "--timeline", "7")[0].expect(3)


def test_a_target_before_the_fork_is_the_same_on_both_lines():
    world, common = fork_world()
    xid = plan(world.repo, "--to-time", common, "--timeline", "1")["last"]["xid"]
    for target in (("--to-xid", str(xid)), ("--to-time", common)):
        assert plan(world.repo, *target)["last"]["xid"] == xid
    started = restore_and_start(world.repo, "--to-time", common)
    assert started.sql(ROWS) == [(101, 1000)]


def test_the_last_transactions_of_a_promoted_standby_are_found_in_a_partial_segment():
    """The new primary died before its first segment was full: only .partial has the end."""
    world = World()
    world.commit(1000)
    world.pg.archive_all()
    world.commit(2000)
    world.pg.promote_in_place(restore_command=world.repo.restore_command())
    wait_until(
        lambda: any(".partial/" in name for name in world.repo.objects())
        and world.repo.object_path("00000002.history").exists(),
        "the old timeline's end to be archived",
    )
    world.pg.destroy()
    assert not any("/wal/00000002/" in name for name in world.repo.objects())
    found = plan(world.repo)
    assert found["wal"]["partial"], found
    started = restore_and_start(world.repo)
    assert started.sql(ROWS) == [(102, 2000)]
    assert started.value("SELECT pg_is_in_recovery()") is False


def test_rescue_saves_what_only_the_dead_clusters_disk_had():
    world = World()
    world.commit(1000)
    world.pg.archive_all()
    world.pg.reload(archive_command="/bin/false")
    world.commit(2000)
    world.pg.switch_wal()
    world.commit(3000)
    world.pg.kill()
    started = restore_and_start(world.repo)
    assert started.sql(ROWS) == [(101, 1000)]
    started.stop()
    out = world.repo.walvault("rescue", world.pg.data).expect(0).out
    assert "1 as .partial" in out, out
    again = world.repo.walvault("rescue", world.pg.data).expect(0).out
    assert again.startswith("rescued "), again
    started = restore_and_start(world.repo)
    assert started.sql(ROWS) == [(103, 3000)]


def test_rescue_refuses_a_cluster_that_runs():
    world = World()
    world.repo.walvault("rescue", world.pg.data).expect(3)


# -- walfetch and the plan --


def test_recovery_finishes_from_one_store_while_the_other_is_dead():
    world = World()
    world.commit(1000)
    world.destroy()
    dead = new_directory("dead") / "store"
    shutil.copytree(world.repo.store, dead)
    both = f"{world.repo.url},file://{dead}"
    destination = new_data_directory()
    world.repo.run("pitr-restore", "--store", both, destination).expect(0)
    shutil.rmtree(dead)
    server = as_postgres(world.repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(101, 1000)]


def test_a_planned_segment_that_vanished_stops_recovery_instead_of_ending_it():
    world = World()
    world.commit(1000)
    segment = world.pg.archive_all()
    world.commit(2000)
    world.destroy()
    result, destination = restore(world.repo)
    result.expect(0)
    kept = world.repo.object_path(segment)
    kept.rename(kept.with_suffix(".away"))
    server = as_postgres(world.repo, destination)
    server.start(wait=False)
    assert server.wait_exit() != 0
    assert "the plan of this recovery needs it" in server.log()
    kept.with_suffix(".away").rename(kept)
    server.start().wait_promoted()
    assert server.sql(ROWS) == [(102, 2000)]


def test_a_plan_for_another_target_than_the_servers_counts_for_nothing():
    world = World()
    world.pg.sql("SELECT pg_create_restore_point('early')")
    world.pg.archive_all()
    world.commit(1000)
    world.destroy()
    result, destination = restore(world.repo, "--to-name", "early")
    result.expect(0)
    latest = plan(world.repo)["stop"]["lsn"]
    conf = destination / "postgresql.auto.conf"
    lines = [
        f"recovery_target_lsn = '{latest}'" if line.startswith("recovery_target_lsn = '0") else line
        for line in conf.read_text().splitlines()
    ]
    conf.write_text("\n".join(lines) + "\nrecovery_target_action = 'promote'\n")
    server = as_postgres(world.repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(101, 1000)]


def test_a_damaged_plan_stops_recovery():
    world = World()
    world.destroy()
    result, destination = restore(world.repo)
    result.expect(0)
    plan_file = destination / "walvault.plan"
    plan_file.write_text(plan_file.read_text().replace("last = ", "last = 1"))
    server = as_postgres(world.repo, destination)
    server.start(wait=False)
    assert server.wait_exit() != 0
    assert "walvault.plan" in server.log()


# -- when it goes wrong --


def test_a_restore_that_was_interrupted_cannot_be_started():
    world = World()
    series = "generate_series(1, 300000) i"
    world.pg.sql(f"CREATE TABLE big AS SELECT i, md5(i::text) AS t FROM {series}")
    take_backup(world.repo)
    world.destroy()
    destination = new_data_directory()
    command = [program("pitr-restore"), "--config", world.repo.config, destination]
    for delay in (0.02, 0.05, 0.1, 0.2, 0.3):
        process = subprocess.Popen(
            [str(word) for word in command],
            env=clean_environment(),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.kill()
        if process.wait() == 0:
            break
        assert not (destination / "global/pg_control").exists()
        if destination.exists():
            world.repo.run("pitr-restore", destination).expect((0, 3))
        shutil.rmtree(destination, ignore_errors=True)


def test_a_restore_that_is_asked_to_stop_says_what_it_leaves_behind():
    world, _ = tablespace_world()
    world.destroy()
    new = new_directory("new")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        destination, asked = new_data_directory(), []

        def on_call(call):
            if call.result is None and call.name == "pwrite64" and call.concerns(destination):
                if not asked:
                    os.kill(call.pid, number)
                asked.append(call)

        words = ("--config", world.repo.config, "--tablespace-dir", new / "spaces", destination)
        result = trace(on_call, program("pitr-restore"), *words)
        assert result.status == 1, result
        last = result.err.splitlines()[-1]
        assert f"stopped by signal {int(number)}" in result.err
        assert f"{destination} is not complete and cannot be started" in result.err
        assert last.rstrip(")").endswith("-mindepth 1 -delete"), last
        assert not (destination / "global/pg_control").exists()
        command = last[last.index("find ") :].rstrip(")")
        run_program("sh", "-c", command).expect(0)
        assert not list(destination.iterdir())
    restore(world.repo, "--tablespace-dir", new / "spaces", destination=destination)[0].expect(0)


class Churn:
    """Tables that are emptied, dropped, made and rewritten in a session of its own."""

    def __init__(self, pg):
        self.pg = pg
        self._stopping = threading.Event()
        self._failures = []
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        pg.sql("CREATE TABLE churn AS SELECT i, repeat('x', 200) AS t FROM generate_series(1, 5000) i")
        pg.sql("CREATE INDEX ON churn (i)")

    def _run(self):
        connection = self.pg.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("CREATE TEMPORARY TABLE mine AS SELECT generate_series(1, 9999)")
                number = 0
                while not self._stopping.is_set():
                    number += 1
                    with self._lock:
                        for statement in self._round(number):
                            cursor.execute(statement)
        except Exception as error:
            self._failures.append(error)
        finally:
            connection.close()

    def _round(self, number):
        series = "generate_series(1, 2000) i"
        yield f"CREATE TABLE t{number} AS SELECT i, repeat('x', 300) AS t FROM {series}"
        yield f"CREATE UNLOGGED TABLE u{number} (i int PRIMARY KEY)"
        yield f"INSERT INTO u{number} SELECT i FROM {series}"
        yield "TRUNCATE churn" if number % 3 == 0 else "DELETE FROM churn WHERE i % 3 = 0"
        yield "VACUUM FULL churn" if number % 2 else "VACUUM churn"
        yield "INSERT INTO mine SELECT generate_series(1, 999)"
        if number > 3:
            yield f"DROP TABLE t{number - 3}, u{number - 3}"
        yield f"INSERT INTO churn SELECT i, 'y' FROM {series}"
        if number % 5 == 0:
            yield "CHECKPOINT"

    def paused(self):
        """While this lasts no round is under way."""
        return self._lock

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join()
        assert not self._failures, self._failures


TABLES = "SELECT relname FROM pg_class WHERE relname ~ '^[tu][0-9]+$' ORDER BY 1"


@time_limit(600)
def test_what_was_backed_up_and_restored_under_heavy_load_is_whole(major):
    """Every acknowledged commit up to the moment is there, none behind it, all is sound."""
    pg, repo = archived_cluster(major, segsize_mib=16)
    rng = seeded_random()
    with Load(pg, rng) as load, Churn(pg) as churn:
        take_backup(repo)
        with load.paused(), churn.paused():
            expected = dict(load.committed)
            churned = pg.sql("SELECT count(*), sum(i) FROM churn")
            tables = pg.sql(TABLES)
            moment = format_time(pg.value("SELECT clock_timestamp()"))
            pg.sql("SELECT pg_create_restore_point('paused')")
            time.sleep(0.01)
        time.sleep(0.5)
    pg.archive_all()
    pg.destroy()
    for options in (("--to-time", moment), ("--to-name", "paused")):
        started = restore_and_start(repo, *options, "--action", "promote")
        assert dict(started.sql("SELECT id, payload FROM rows")) == expected
        assert started.sql("SELECT count(*), sum(i) FROM churn") == churned
        assert started.sql(TABLES) == tables
        for [name] in tables:
            assert started.value(f"SELECT count(*) FROM {name}") == (2000 if name[0] == "t" else 0)
        check_relations(started)
        started.stop()


def test_a_server_of_another_major_is_refused_before_anything_is_touched():
    world = World(14)
    world.destroy()
    result, destination = restore(world.repo, "--start", "--bindir", client_program("psql").parent)
    result.expect(3)
    assert "14" in result.err
    assert_untouched(destination)


def test_a_full_disk_is_a_failure_and_leaves_nothing_startable():
    world = World()
    world.destroy()
    destination = new_data_directory()
    limited = ["sh", "-c", 'ulimit -f 16; exec "$@"', "sh", program("pitr-restore")]
    result = run_program(*limited, "--config", world.repo.config, destination)
    result.expect(1)
    assert not (destination / "global/pg_control").exists()


def test_a_server_that_cannot_recover_is_stopped_and_its_log_shown():
    world = World()
    world.commit(1000)
    segment = world.pg.archive_all()
    world.commit(2000)
    world.destroy()
    kept = world.repo.object_path(segment)
    content = bytearray(kept.read_bytes())
    content[-20] ^= 1  # the header, and so the plan, is untouched
    kept.chmod(0o600)
    kept.write_bytes(content)
    result, destination = restore(world.repo, "--start", "--bindir", world.pg.bin)
    result.expect(1)
    assert "the server's log ends with" in result.err
    assert "restored log file" in result.err
    assert not (destination / "postmaster.pid").exists()


def prepare_transaction(world, value, name):
    connection = world.pg.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO t VALUES (%s)", (value,))
        cursor.execute(f"PREPARE TRANSACTION '{name}'")
    connection.close()


@majors(13, 15, 18)
def test_a_prepared_transaction_in_the_fork_segment_does_not_stop_a_promotion(major):
    world = World(major, max_prepared_transactions=10)
    world.pg.archive_all()
    world.pg.promote_in_place(restore_command=world.repo.restore_command())
    prepare_transaction(world, 7000, "in the fork")
    world.commit(2000)
    world.destroy()
    started = restore_and_start(world.repo)
    assert started.sql(ROWS) == [(101, 2000)]
    assert started.sql("SELECT gid FROM pg_prepared_xacts") == [("in the fork",)]
    started.sql("COMMIT PREPARED 'in the fork'")
    assert started.sql(ROWS) == [(102, 7000)]


def fork_points(world, timeline):
    path = world.repo.directory / "history"
    world.repo.walfetch(f"{timeline:08X}.history", path).expect(0)
    return [parse_lsn(line.split()[1]) for line in path.read_text().splitlines() if line.strip()]


def world_with_two_forks_in_one_segment(major):
    """A transaction prepared on each timeline, all in one segment; and a moment on each."""
    world = World(major, max_prepared_transactions=10)
    world.pg.archive_all()
    moments = []
    for timeline in (1, 2, 3):
        prepare_transaction(world, timeline * 1000, f"on {timeline}")
        xid, _, _ = world.commit(timeline * 1000 + 1)
        moments.append(xid)
        world.commit(timeline * 1000 + 2)
        if timeline < 3:
            world.pg.promote_in_place(
                mode="immediate", restore_command=world.repo.restore_command()
            )
    segment = world.pg.archive_all()
    names = [segment_name(3, lsn, world.pg.segsize) for lsn in fork_points(world, 3)]
    assert names == [segment, segment]
    world.destroy()
    return world, moments


@majors(13, 15, 18)
def test_prepared_transactions_in_a_segment_with_forks_are_found_whatever_the_action(major):
    world, moments = world_with_two_forks_in_one_segment(major)
    for timeline, xid in enumerate(moments, start=1):
        target = ("--to-xid", xid, "--timeline", "3")
        names = [(f"on {number}",) for number in range(1, timeline + 1)]
        for action in ("pause", "promote"):
            started = restore_and_start(world.repo, *target, "--action", action)
            assert started.sql(ROWS) == [(100 + 2 * timeline - 1, timeline * 1000 + 1)]
            if action == "pause":
                started.sql("SELECT pg_wal_replay_resume()")
                wait_until(lambda: not started.value(IN_RECOVERY), "recovery to end")
            assert sorted(started.sql("SELECT gid FROM pg_prepared_xacts")) == names
            started.stop()
        result, _ = restore(
            world.repo, "--start", "--bindir", world.pg.bin, *target, "--action", "shutdown"
        )
        result.expect(0)


def test_a_server_that_archives_again_leaves_the_parents_fork_segments_alone():
    world, _ = world_with_two_forks_in_one_segment(15)
    result, destination = restore(world.repo, "--rejoin-archive", "--action", "promote")
    result.expect(0)
    stored = world.repo.objects()
    restored = as_postgres(world.repo, destination, **world.pg.settings).start()
    restored.wait_promoted()
    for _ in range(3):  # until the segments of the fork may be removed
        restored.archive_all()
        restored.sql("CHECKPOINT")
    restored.archive_all()
    assert restored.value("SELECT failed_count FROM pg_stat_archiver") == 0
    added = set(world.repo.objects()) - set(stored)
    assert added and all("/00000004" in key for key in added), added


def back_up_with_configuration_in(world, outside, *lines):
    """Debian's layout: the configuration lies in a directory of its own, and names PGDATA."""
    world.pg.stop()
    for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "test.conf"):
        shutil.move(world.pg.data / name, outside / name)
    with open(outside / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write("".join(f"{line}\n" for line in lines))
    control = (world.pg.bin / "pg_ctl", "-w", "-D", outside, "-l", world.pg.log_path)
    run_program(*control, "start").expect(0)
    take_backup(world.repo)
    world.pg.sql("INSERT INTO t VALUES (1000)")
    world.pg.archive_all()
    run_program(*control, "-m", "fast", "stop").expect(0)


def test_configuration_that_lay_outside_is_restored_into_the_directory():
    world = World()
    outside = new_directory("etc")
    back_up_with_configuration_in(
        world,
        outside,
        f"data_directory = '{world.pg.data}'",
        f"hba_file = '{outside}/pg_hba.conf'",
        f"ident_file = '{outside}/pg_ident.conf'",
        "include 'test.conf'",
    )
    result, destination = restore(world.repo)
    result.expect(0)
    conf = (destination / "postgresql.conf").read_text()
    assert "left out by pitr-restore: data_directory" in conf
    shutil.rmtree(outside)
    server = as_postgres(world.repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(101, 1000)]
    assert server.value("SHOW data_directory") == str(destination)


def test_included_files_cannot_lead_a_server_back_to_the_original():
    world = World()
    outside, elsewhere = new_directory("etc"), new_directory("elsewhere")
    for name, text in {
        outside / "conf.d/dd.conf": f"  data_directory='{world.pg.data}' # ours\n"
        f"work_mem = 7MB\nHBA_FILE '{outside}/pg_hba.conf'\n",
        outside / "conf.d/deeper.conf": "geqo = off\n"
        f"include_if_exists '{elsewhere}/deep''er.conf'\n",
        outside / "empty.d/nothing.conf": "# nothing\n",
        elsewhere / "deep'er.conf": f"ident_file = '{outside}/pg_ident.conf'\ntemp_buffers = 9MB\n",
        elsewhere / "x.conf": "maintenance_work_mem = 77MB\n",
        elsewhere / "more.d/a.conf": "work_mem = 8MB\nstatement_timeout = 1s\n",
        elsewhere / "more.d/b.conf": "statement_timeout = 77s\n",
    }.items():
        name.parent.mkdir(exist_ok=True)
        name.write_text(text)
    back_up_with_configuration_in(
        world,
        outside,
        "include_dir 'conf.d'",
        "include_dir = 'empty.d'",
        f"include '{elsewhere}/x.conf'",
        f"include_dir='{elsewhere}/more.d'  # the rest",
        f"include_if_exists '{elsewhere}/never.conf'",
        "include 'test.conf'",
    )
    result, destination = restore(world.repo)
    result.expect(0)
    assert "conf.d/dd.conf" in result.err and "postgresql.conf" in result.err, result.err
    run_program(client_program("pg_verifybackup"), "-n", destination).expect(0)
    (elsewhere / "x.conf").write_text("nonsense\n")
    (elsewhere / "never.conf").write_text("nonsense\n")
    server = as_postgres(world.repo, destination).start().wait_promoted()
    assert server.value("SHOW data_directory") == str(destination)
    assert server.sql(ROWS) == [(101, 1000)]
    names = ("work_mem", "maintenance_work_mem", "statement_timeout", "temp_buffers")
    values = [server.value(f"SHOW {name}") for name in names]
    assert values == ["8MB", "77MB", "77s", "9MB"], values
    assert not (world.pg.data / "postmaster.pid").exists()
    for name in ("hba_file", "ident_file"):
        assert server.value(f"SHOW {name}").startswith(str(destination)), name


def test_alter_system_cannot_lead_a_restored_server_away():
    world = World()
    world.pg.sql(f"ALTER SYSTEM SET hba_file = '{world.pg.data}/pg_hba.conf'")
    world.pg.sql(f"ALTER SYSTEM SET external_pid_file = '{world.pg.data}/other.pid'")
    take_backup(world.repo)
    world.destroy()
    result, destination = restore(world.repo)
    result.expect(0)
    server = as_postgres(world.repo, destination).start().wait_promoted()
    assert server.value("SHOW hba_file") == f"{destination}/pg_hba.conf"
    assert server.value("SHOW external_pid_file") == ""
