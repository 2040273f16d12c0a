# SPDX-License-Identifier: PostgreSQL
"""pitr-restore beside odd places, odd settings, gaps in the archive and other restores."""

import hashlib
import os
import re
import shutil
import signal
import time
from datetime import datetime, timedelta, timezone

from walvault_test import (
    Postgres,
    Repository,
    majors,
    parse_lsn,
    run_program,
    segment_name,
    wait_until,
)
from walvault_test.asroot import run_as_root, with_root
from walvault_test.cases import new_directory
from walvault_test.installed import client_program
from walvault_test.oracle import format_time
from walvault_test.programs import program
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


def small_world(major=15, **settings):
    """A cluster with table t of the rows 1 to 100, and a backup."""
    pg, repo = archived_cluster(major, **settings)
    pg.sql("CREATE TABLE t (i int PRIMARY KEY)")
    pg.sql("INSERT INTO t SELECT generate_series(1, 100)")
    take_backup(repo)
    return pg, repo


def insert(pg, value):
    pg.sql("INSERT INTO t VALUES (%s)", value)


def now(pg):
    moment = format_time(pg.value("SELECT clock_timestamp()").astimezone(timezone.utc))
    time.sleep(0.01)
    return moment


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def files_of(directory):
    """Every file of a tree, by its name's bytes, with a digest of its content."""
    top = os.fsencode(directory)
    return {
        os.path.relpath(os.path.join(where, name), top): digest(os.path.join(where, name))
        for where, _, names in os.walk(top)
        for name in names
    }


# -- where it goes --


@majors(13, 15, 18)
def test_a_tablespace_that_the_wal_creates_is_made_at_its_old_place_only_if_asked_for(major):
    pg, repo = small_world(major)
    space = new_directory("later")
    insert(pg, 1000)
    pg.sql(f"CREATE TABLESPACE later LOCATION '{space}'")
    pg.sql("CREATE TABLE in_it TABLESPACE later AS SELECT 1 AS i")
    pg.sql("CHECKPOINT")
    pg.archive_all()
    before = files_of(space)
    result, destination = restore(repo, "--start", "--bindir", pg.bin)
    result.expect(3)
    assert str(space) in result.err and "--new-tablespaces" in result.err, result
    assert not destination.exists()
    (warning,) = plan(repo)["warnings"]
    assert str(space) in warning and "--new-tablespaces" in warning, warning
    # What is before it needs no leave, nor does a backup behind it.
    stop = re.search(r"--to-lsn (\S+) --exclusive", restore(repo)[0].err)[1]
    started = restore_and_start(repo, "--to-lsn", stop, "--exclusive", "--action", "promote")
    assert started.sql(ROWS) == [(101, 1000)]
    assert files_of(space) == before
    assert pg.sql("SELECT i FROM in_it") == [(1,)]
    take_backup(repo)
    before = files_of(space)
    restore(repo, "--tablespace-dir", new_directory("new") / "below")[0].expect(0)
    assert files_of(space) == before
    pg.destroy()
    shutil.rmtree(space)
    space.mkdir()
    oldest = repo.json("info")["systems"][0]["backups"][0]["id"]
    started = restore_and_start(repo, "--backup", oldest, "--new-tablespaces")
    assert started.sql("SELECT i FROM in_it") == [(1,)]


ODD = ("new\nline", "back\\slash", 'double "quotes"', " blanks ", "back\\\nboth", "tail\\")


@majors(13, 18)
def test_tablespaces_with_odd_paths_come_back_at_odd_places(major):
    pg, repo = archived_cluster(major)
    names = ODD if major > 13 else [name for name in ODD if "\\" not in name]
    old = new_directory("odd")
    for number, name in enumerate(names):
        (old / name).mkdir()
        pg.sql(f"CREATE TABLESPACE s{number} LOCATION %s", str(old / name))
        pg.sql(f"CREATE TABLE in{number} TABLESPACE s{number} AS SELECT 1 AS i")
    take_backup(repo)
    pg.archive_all()
    pg.destroy()
    new = new_directory("new")
    words = []
    for name in names[1:]:
        target = name.replace("\n", " ")
        words += ["--tablespace", f"{old / name}={new / target}"]
    started = restore_and_start(repo, *words, "--tablespace-dir", new / "others")
    for number, name in enumerate(names):
        assert started.sql(f"SELECT i FROM in{number}") == [(1,)], name
    places = {row[0] for row in started.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace")}
    assert {str(new / name.replace("\n", " ")) for name in names[1:]} < places, places


def test_a_cluster_whose_pg_wal_was_a_link_comes_back_with_a_directory():
    pg = Postgres.create(15, segsize_mib=1)
    elsewhere = new_directory("wal") / "pg_wal"
    shutil.move(pg.data / "pg_wal", elsewhere)
    (pg.data / "pg_wal").symlink_to(elsewhere)
    repo = Repository(pg)
    repo.enable_archiving()
    repo.init()
    pg.start()
    pg.sql("CREATE TABLE t AS SELECT 1 AS i")
    take_backup(repo)
    insert(pg, 2)
    pg.archive_all()
    before = sorted(path.name for path in elsewhere.iterdir())
    started = restore_and_start(repo)
    assert started.sql(ROWS) == [(2, 2)]
    assert not (started.destination / "pg_wal").is_symlink()
    assert set(before) <= {path.name for path in elsewhere.iterdir()}


def test_dest_may_be_a_link_to_an_empty_directory_and_to_no_other():
    pg, repo = small_world()
    pg.archive_all()
    place = new_directory("place")
    (place / "empty").mkdir()
    (place / "link").symlink_to("empty")
    (place / "full").mkdir()
    (place / "full/precious").write_text("mine")
    (place / "to full").symlink_to("full")
    (place / "dangling").symlink_to("nowhere")
    (place / "file").write_text("mine")
    for name in ("to full", "dangling", "file"):
        result, _ = restore(repo, destination=place / name)
        assert result.status in (1, 3), result
        assert name in result.err, result
    assert not (place / "nowhere").exists()
    assert files_of(place / "full").keys() == {b"precious"}
    assert (place / "file").read_text() == "mine"
    started = restore_and_start(repo, destination=place / "link")
    assert started.sql(ROWS) == [(100, 100)]
    assert (place / "link").is_symlink() and (place / "empty/PG_VERSION").exists()


def test_two_restores_into_one_directory_at_once_do_not_mix():
    """The second one comes and goes between the first one's look and its first step."""
    pg, repo = small_world()
    pg.sql("SELECT pg_create_restore_point('early')")
    insert(pg, 1000)
    pg.archive_all()
    destination = new_data_directory()
    other = []

    def on_call(call):
        if not other and call.result is None and call.name == "mkdir" and call.concerns(destination):
            other.append(restore(repo, "--to-name", "early", destination=destination)[0])

    words = ("--config", repo.config, destination)
    result = trace(on_call, program("pitr-restore"), *words, timeout=120)
    other[0].expect(0)
    assert result.status == 3, result
    assert "not empty" in result.err, result
    server = as_postgres(repo, destination).start()
    wait_until(lambda: server.sql(ROWS) == [(100, 100)], "the other restore's target")


def test_a_restore_into_a_directory_that_another_one_is_filling_is_refused():
    pg, repo = small_world()
    pg.archive_all()
    destination = new_data_directory()
    other = []

    def on_call(call):
        if other or call.result is not None or call.name != "mkdirat":
            return
        if call.concerns(destination):
            other.append(restore(repo, "--to-latest", destination=destination)[0])

    words = ("--config", repo.config, destination)
    trace(on_call, program("pitr-restore"), *words, timeout=120).expect(0)
    other[0].expect(3)
    server = as_postgres(repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(100, 100)]


def test_two_restores_do_not_share_a_tablespace():
    pg, repo = archived_cluster(15)
    space = new_directory("space")
    pg.sql(f"CREATE TABLESPACE space LOCATION '{space}'")
    pg.sql("CREATE TABLE t TABLESPACE space AS SELECT 1 AS i")
    take_backup(repo)
    pg.archive_all()
    shared = new_directory("shared") / "space"
    destination = new_data_directory()
    other = []

    def on_call(call):
        if not other and call.result is None and call.name == "mkdir" and call.concerns(shared):
            other.append(restore(repo, "--tablespace", f"{space}={shared}"))

    words = ("--config", repo.config, "--tablespace", f"{space}={shared}", destination)
    result = trace(on_call, program("pitr-restore"), *words, timeout=120)
    other[0][0].expect(0)
    assert result.status == 3 and "not empty" in result.err, result
    assert not (destination / "global/pg_control").exists()


def test_twenty_thousand_small_files_come_back_as_they_were():
    pg, repo = archived_cluster(15)
    for number in range(20):
        directory = pg.data / f"many{number:02}"
        directory.mkdir()
        for name in range(1000):
            (directory / f"file{name:03}").write_bytes(b"%d" % (number * name) * (name % 7))
    take_backup(repo)
    pg.archive_all()
    destination = new_data_directory()
    words = ("--config", repo.config, destination)
    result = run_program("/usr/bin/time", "-f", "%M", program("pitr-restore"), *words).expect(0)
    assert int(result.err.split()[-1]) < 64 * 1024, result.err
    for number in range(20):
        assert files_of(destination / f"many{number:02}") == files_of(pg.data / f"many{number:02}")
    run_program(client_program("pg_verifybackup"), "-n", destination).expect(0)


def test_names_that_are_not_utf8_come_back_and_are_in_the_manifest():
    pg, repo = archived_cluster(15)
    names = [b"not utf-8 \xff", b"new\nline", b'quo"te', b"back\\slash", b" ", b"\x01"]
    for name in names:
        with open(os.fsencode(pg.data) + b"/" + name, "wb") as file:
            file.write(b"content of " + name)
    take_backup(repo)
    pg.archive_all()
    result, destination = restore(repo)
    result.expect(0)
    for name in names:
        with open(os.fsencode(destination) + b"/" + name, "rb") as file:
            assert file.read() == b"content of " + name
    run_program(client_program("pg_verifybackup"), "-n", destination).expect(0)
    with open(os.fsencode(destination) + b"/" + names[0], "ab") as file:
        file.write(b"!")
    run_program(client_program("pg_verifybackup"), "-n", destination).expect(1)


# -- settings that would lead astray --


def add_conf(pg, text, name="postgresql.conf"):
    with open(pg.data / name, "a", encoding="utf-8") as conf:
        conf.write(text)


@majors(13, 18)
def test_stale_targets_in_included_files_and_elsewhere_are_overridden(major):
    pg, repo = archived_cluster(major)
    (pg.data / "conf.d").mkdir()
    (pg.data / "conf.d/old.conf").write_text(
        "recovery_target_name = 'stale'\nrecovery_target_timeline = '7'\n"
        "recovery_target_action = 'shutdown'\nrecovery_target_inclusive = off\n"
        "restore_command = '/bin/false'\nrecovery_min_apply_delay = '1h'\n"
    )
    add_conf(pg, "include_dir = 'conf.d'\n")
    pg.sql("ALTER SYSTEM SET recovery_target_xid = '3'")
    pg.sql("CREATE TABLE t AS SELECT 1 AS i")
    take_backup(repo)
    insert(pg, 2)
    pg.archive_all()
    pg.destroy()
    result, destination = restore(repo)
    result.expect(0)
    server = as_postgres(repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(2, 2)]
    started = restore_and_start(repo)
    assert started.sql(ROWS) == [(2, 2)]


@majors(13, 18)
def test_limits_below_those_of_the_old_primary_do_not_stop_recovery(major):
    """And hot_standby = off would make a shutdown of the pause."""
    pg, repo = archived_cluster(major, max_connections=60, max_locks_per_transaction=100)
    pg.sql("CREATE TABLE t AS SELECT 1 AS i")
    take_backup(repo)
    insert(pg, 2)
    pg.sql("SELECT pg_create_restore_point('here')")
    pg.archive_all()
    pg.destroy()
    result, destination = restore(repo, "--to-name", "here")
    result.expect(0)
    low = {"max_connections": 15, "max_locks_per_transaction": 10, "hot_standby": "off"}
    server = as_postgres(repo, destination, **low).start()
    wait_until(lambda: server.value("SELECT pg_is_wal_replay_paused()"), "the pause")
    assert server.sql(ROWS) == [(2, 2)]
    server.sql("SELECT pg_wal_replay_resume()")
    server.wait_promoted()


@majors(13, 14)
def test_limits_that_were_raised_behind_the_backup_do_not_stop_a_pause(major):
    pg, repo = archived_cluster(major, max_connections=20)
    pg.sql("CREATE TABLE t AS SELECT 1 AS i")
    take_backup(repo)
    pg.configure(max_connections=70, max_locks_per_transaction=200)
    pg.restart()
    insert(pg, 2)
    pg.sql("SELECT pg_create_restore_point('here')")
    pg.archive_all()
    pg.destroy()
    started = restore_and_start(repo, "--to-name", "here")
    assert started.sql(ROWS) == [(2, 2)]
    assert started.value("SELECT pg_is_in_recovery()") is True


def test_a_started_server_waits_for_no_standby_and_stays_out_of_the_archive_for_good():
    pg, repo = archived_cluster(15)
    pg.sql("CREATE TABLE t AS SELECT 1 AS i")
    pg.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    pg.sql("ALTER SYSTEM SET log_directory = '/nowhere'")
    pg.sql("ALTER SYSTEM SET logging_collector = 'on'")
    pg.sql("ALTER SYSTEM SET listen_addresses = '*'")
    take_backup(repo)
    pg.archive_all()
    pg.destroy()
    before = files_of(repo.store)
    started = restore_and_start(repo)
    started.sql("INSERT INTO t VALUES (2)")
    assert started.value("SHOW listen_addresses") == ""
    os.kill(started.server["pid"], signal.SIGINT)
    wait_until(lambda: not (started.destination / "postmaster.pid").exists(), "the server to stop")
    for line in ("synchronous_standby_names", "logging_collector", "log_directory"):
        run_program("sed", "-i", f"/{line}/d", started.destination / "postgresql.auto.conf").expect(0)
    server = as_postgres(repo, started.destination, **pg.settings).start()
    assert server.settings["archive_mode"] == "on"
    assert server.value("SHOW archive_mode") == "off"
    insert(server, 3)
    server.switch_wal()
    server.stop()
    assert files_of(repo.store) == before


# -- the archive is not what it was --


def test_without_its_last_segment_a_restore_to_the_latest_moment_fails():
    """Also where nothing but the server's own target is left to notice it."""
    pg, repo = small_world()
    pg.archive_all()
    insert(pg, 1000)
    last = pg.archive_all()
    pg.destroy()
    result, destination = restore(repo)
    result.expect(0)
    kept = repo.object_path(last)
    away = kept.with_suffix(".away")
    kept.rename(away)
    (destination / "walvault.plan").unlink()
    server = as_postgres(repo, destination)
    server.start(wait=False)
    assert server.wait_exit() != 0
    assert "recovery ended before configured recovery target was reached" in server.log()
    assert (destination / "recovery.signal").exists()
    away.rename(kept)
    server.start().wait_promoted()
    assert server.sql(ROWS) == [(101, 1000)]


def test_a_record_whose_end_was_never_archived_is_not_the_latest_moment():
    pg, repo = small_world()
    insert(pg, 1000)
    pg.archive_all()
    begin = pg.current_lsn()
    pg.sql("SELECT pg_logical_emit_message(false, 'long', repeat('x', 3 << 20))")
    insert(pg, 2000)
    pg.archive_all()
    pg.destroy()
    for segno in range(begin // pg.segsize + 2, begin // pg.segsize + 9):
        repo.object_path(segment_name(1, segno * pg.segsize, pg.segsize)).unlink(missing_ok=True)
    found = plan(repo)
    assert parse_lsn(found["stop"]["lsn"]) <= begin, found["stop"]
    started = restore_and_start(repo)
    assert started.sql(ROWS) == [(101, 1000)]


@majors(13, 18)
def test_what_was_thrown_away_instead_of_archived_ends_what_can_be_restored(major):
    """archive_command = /bin/true for a while; then archive_mode = off for a while."""
    pg, repo = small_world(major)
    insert(pg, 1000)
    last = pg.archive_all()
    pg.reload(archive_command="/bin/true")
    wait_until(lambda: pg.value("SHOW archive_command") == "/bin/true", "the setting")
    insert(pg, 2000)
    hole = pg.archive_all()
    assert hole > last
    pg.reload(archive_command=repo.archive_command())
    wait_until(lambda: pg.value("SHOW archive_command") != "/bin/true", "the setting")
    insert(pg, 3000)
    pg.archive_all()
    found = plan(repo, status=2)
    assert found["missing"] == hole, found
    assert plan(repo, *found["nearest_before"]["options"].split())["reachable"] is True
    checked = repo.walvault("check")
    assert checked.status == 2 and f"missing between {last} and " in checked.out, checked
    take_backup(repo)
    assert plan(repo)["reachable"] is True
    pg.configure(archive_mode="off")
    pg.restart()
    insert(pg, 4000)
    second = pg.switch_wal()
    pg.sql("CHECKPOINT")
    pg.switch_wal()
    pg.sql("CHECKPOINT")
    pg.configure(archive_mode="on")
    pg.restart()
    insert(pg, 5000)
    pg.archive_all()
    found = plan(repo, status=2)
    assert found["missing"] <= second, (found, second)
    take_backup(repo)
    insert(pg, 6000)
    pg.archive_all()
    pg.destroy()
    assert restore_and_start(repo).sql(ROWS) == [(106, 6000)]


# -- targets --


def test_a_subtransactions_xid_is_no_target_and_a_64_bit_one_is():
    pg, repo = small_world()
    connection = pg.connect()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_current_xact_id()::text")
        top = int(cursor.fetchone()[0])
        cursor.execute("SAVEPOINT s")
        cursor.execute("INSERT INTO t VALUES (1000)")
        cursor.execute("SELECT max(xmin::text::bigint) FROM t WHERE i = 1000")
        sub = int(cursor.fetchone()[0])
        cursor.execute("COMMIT")
    connection.close()
    insert(pg, 2000)
    pg.archive_all()
    pg.destroy()
    assert sub != top
    assert plan(repo, "--to-xid", str(sub), status=2)["reachable"] is False
    wide = str((1 << 32) + top)
    assert plan(repo, "--to-xid", wide)["last"]["xid"] == top
    started = restore_and_start(repo, "--to-xid", str(top))
    assert started.sql(ROWS) == [(101, 1000)]


def test_a_time_means_the_same_whatever_the_servers_zone_is():
    pg, repo = small_world(timezone="America/New_York", log_timezone="Asia/Kolkata")
    insert(pg, 1000)
    moment = now(pg)
    insert(pg, 2000)
    pg.archive_all()
    pg.destroy()
    assert moment.endswith("+00"), moment
    kolkata = timezone(timedelta(hours=5, minutes=30))
    there = datetime.fromisoformat(moment + ":00").astimezone(kolkata)
    texts = [
        ("--to-time", moment),
        ("--to-time", there.strftime("%Y-%m-%d %H:%M:%S.%f%z")),
        ("--to-time", moment.removesuffix("+00"), "--utc"),
    ]
    stops = [plan(repo, *words)["stop"] for words in texts]
    assert stops[0] == stops[1] == stops[2], stops
    result, _ = restore(repo, "--to-time", moment.removesuffix("+00"))
    result.expect(3)
    result, _ = restore(repo, "--to-time", moment.removesuffix("+00") + " America/New_York")
    result.expect(3)
    started = restore_and_start(repo, *texts[1])
    assert started.sql(ROWS) == [(101, 1000)]


def test_timelines_beyond_nine_are_numbers_with_a_decimal_meaning():
    pg, repo = small_world()
    pg.archive_all()
    for timeline in range(2, 12):
        pg.stop()
        (pg.data / "standby.signal").touch()
        pg.configure(restore_command=repo.restore_command(), recovery_target_timeline="latest")
        pg.start()
        pg.promote()
        insert(pg, 1000 * timeline)
    pg.archive_all()
    pg.destroy()
    assert plan(repo)["timeline"] == 11
    result, _ = restore(repo, "--timeline", "0xA", "--plan")
    result.expect(3)
    assert plan(repo, "--timeline", "010")["timeline"] == 10
    started = restore_and_start(repo, "--timeline", "10")
    assert started.value("SELECT max(i) FROM t") == 10000
    assert started.report["timeline"] == 10
    setting = "SHOW recovery_target_timeline"
    assert started.value(setting) == "10"


# -- whose it is --


def move_configuration_out(pg):
    """As Debian has it: configuration in a directory of its own, in part root's."""
    etc = new_directory("etc")
    (etc / "conf.d").mkdir()
    for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
        shutil.move(pg.data / name, etc / name)
    add_conf(
        pg,
        f"data_directory = '{pg.data}'\nhba_file = '{etc}/pg_hba.conf'\n"
        f"ident_file = '{etc}/pg_ident.conf'\ninclude_dir = 'conf.d'\n",
        etc / "postgresql.conf",
    )
    (etc / "test.conf").symlink_to(pg.data / "test.conf")
    (etc / "conf.d/mine.conf").write_text("work_mem = '5MB'\n")
    pg.launcher = ("sh", "-c", f'exec "$1" -c config_file={etc}/postgresql.conf -D "$3"', "sh")
    return etc


@with_root
def test_root_gives_what_it_restores_to_whom_it_belonged_and_that_user_runs_it():
    pg, repo = archived_cluster(15)
    space = new_directory("space")
    pg.sql(f"CREATE TABLESPACE space LOCATION '{space}'")
    pg.sql("CREATE TABLE t TABLESPACE space AS SELECT 1 AS i")
    pg.stop()
    etc = move_configuration_out(pg)
    pg.start()
    owners = {"of somebody": (1, 2), "of nobody": (54321, 54322), "00 of root": (0, 0)}
    for name in owners:
        (pg.data / name).write_text("by " + name)
        (pg.data / name).chmod(0o644)
        run_as_root("chown", "{}:{}".format(*owners[name]), pg.data / name).expect(0)
    run_as_root("chown", "0:0", etc / "conf.d/mine.conf").expect(0)
    owners["mine.conf"] = (0, 0)
    take_backup(repo)
    insert(pg, 2)
    pg.archive_all()
    pg.stop()
    place = new_directory("place")
    words = ("--config", repo.config, "--tablespace-dir", place / "spaces")
    run_as_root(program("pitr-restore"), *words, place / "data").expect(0)
    run_as_root("chown", str(os.geteuid()), place / "spaces").expect(0)
    found = [place / "data", *(place / "data").rglob("*"), *(place / "spaces").rglob("*")]
    assert len(found) > 500
    for path in found:
        status = path.lstat()
        if not path.is_symlink():
            owner = owners.get(path.name, (os.geteuid(), os.getegid()))
            assert (status.st_uid, status.st_gid) == owner, path
    result = run_as_root(program("pitr-restore"), *words, "--start", place / "other").expect(3)
    assert "root" in result.err, result
    server = as_postgres(repo, place / "data")
    add_conf(server, "include = 'test.conf'\n")  # the link to the old one is not followed
    server.start().wait_promoted()
    assert server.sql(ROWS) == [(2, 2)]
    assert server.value("SHOW work_mem") == "5MB"
    server.stop()
