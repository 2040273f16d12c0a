# SPDX-License-Identifier: PostgreSQL
"""basebackup: what it takes, what it waits for, and that failures leave no backup."""

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from walvault_test import (
    Postgres,
    Repository,
    majors,
    run_program,
    segment_name,
    time_limit,
    wait_until,
)
from walvault_test.backups import (
    backup_directories,
    check_pgbench,
    check_relations,
    published,
    refused_backup,
    take_backup,
    unlz4,
)
from walvault_test.cases import new_directory
from walvault_test.installed import client_program, server_programs
from walvault_test.programs import clean_environment, program

EMPTY_DIRECTORIES = (
    *("pg_wal", "pg_wal/archive_status", "pg_replslot", "pg_dynshmem", "pg_notify"),
    *("pg_serial", "pg_snapshots", "pg_subtrans", "pg_stat_tmp"),
)


def archived_cluster(major=15, repository=None, before_start=None, **settings):
    """A running cluster that archives into a new repository."""
    pg = Postgres.create(major, **settings)
    repo = Repository(pg, **repository or {})
    repo.enable_archiving()
    repo.init()
    if before_start:
        before_start(pg, repo)
    pg.start()
    return pg, repo


@contextlib.contextmanager
def pgbench_running(pg, clients=4):
    """pgbench writes while this lasts."""
    words = (client_program("pgbench"), "-n", "-c", str(clients), "-T", "600", pg.conninfo())
    load = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()
    )
    try:
        yield
        assert load.poll() is None, "pgbench ended early"
    finally:
        load.terminate()
        load.wait()
        # Its sessions may still commit what they were sent.
        others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
        query = f"SELECT count(*) FROM pg_stat_activity WHERE {others} AND application_name = 'pgbench'"
        wait_until(lambda: pg.value(query) == 0, "pgbench's sessions to end")


@contextlib.contextmanager
def started(repo, *options):
    """basebackup running beside the test; ended with it."""
    words = [program("basebackup"), "--config", repo.config, "--fast"]
    words += ["--conninfo", repo.pg.conninfo(), *options]
    process = subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=clean_environment(),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_begun(repo):
    """Waits until a backup has begun; its directory."""
    def begun():
        found = [path for path in backup_directories(repo) if (path / "begin").exists()]
        return found[0] if found else None

    return wait_until(begun, "a backup to begin")


def stop_archiving(pg):
    """From now on nothing arrives: the command fails."""
    pg.reload(archive_command="/bin/false")


def files_on_disk(directory):
    return {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}


# -- what comes back --


@time_limit(600)
def test_a_backup_under_load_unpacked_by_lz4_and_tar_is_a_cluster(major):
    pg, repo = archived_cluster(major)
    pg.pgbench("-i", "-s", "5", "-q")
    with pgbench_running(pg):
        backup = take_backup(repo)
    accounted = pg.value("SELECT count(*) FROM pgbench_history")
    pg.archive_all()
    restored = backup.recover()
    assert restored.value("SELECT count(*) FROM pgbench_history") == accounted
    check_pgbench(restored)
    check_relations(restored)


@time_limit(600)
def test_ddl_truncation_and_vacuum_full_while_copying_do_no_harm(major):
    pg, repo = archived_cluster(major)
    pg.pgbench("-i", "-s", "3", "-q")
    pg.sql("CREATE UNLOGGED TABLE fleeting AS SELECT g FROM generate_series(1, 10000) g")
    pg.sql("CREATE TABLE kept AS SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g")
    stop = threading.Event()
    failures = []

    def disturb():
        connection = pg.connect()
        cursor = connection.cursor()
        cursor.execute("CREATE TEMPORARY TABLE mine AS SELECT g FROM generate_series(1, 10000) g")
        number = 0
        try:
            while not stop.is_set():
                number += 1
                cursor.execute(f"CREATE TABLE t{number} AS SELECT g FROM generate_series(1, 5000) g")
                cursor.execute(f"CREATE UNLOGGED TABLE u{number} (a int PRIMARY KEY)")
                cursor.execute("DELETE FROM kept WHERE g % 3 = 0")
                cursor.execute("VACUUM FULL kept" if number % 2 else "VACUUM kept")
                cursor.execute("TRUNCATE pgbench_history")
                if number > 3:
                    cursor.execute(f"DROP TABLE t{number - 3}, u{number - 3}")
                cursor.execute("INSERT INTO kept SELECT g, 'y' FROM generate_series(1, 9000) g")
                if number % 5 == 0:
                    cursor.execute("CHECKPOINT")
        except Exception as error:
            failures.append(error)
        connection.close()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        backup = take_backup(repo)
    finally:
        stop.set()
        thread.join()
    assert failures == []
    expected = pg.sql("SELECT count(*), sum(g) FROM kept")
    tables = pg.sql("SELECT relname FROM pg_class WHERE relname ~ '^[tu][0-9]+$' ORDER BY 1")
    pg.archive_all()
    restored = backup.recover()
    assert restored.sql("SELECT count(*), sum(g) FROM kept") == expected
    assert restored.sql("SELECT relname FROM pg_class WHERE relname ~ '^[tu][0-9]+$' ORDER BY 1") == tables
    assert restored.value("SELECT count(*) FROM fleeting") == 0
    check_relations(restored)


def test_a_backup_starts_from_wal_put_beside_it(major):
    pg, repo = archived_cluster(major)
    pg.sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
    backup = take_backup(repo)
    data = backup.unpack()
    (data / "tablespace_map").unlink(missing_ok=True)
    for number in range(backup.start_lsn // pg.segsize, (backup.stop_lsn - 1) // pg.segsize + 1):
        name = segment_name(1, number * pg.segsize, pg.segsize)
        (data / "pg_wal" / name).write_bytes(unlz4(repo.object_path(name)))
    restored = Postgres(major, data, pg.segsize, **{**pg.settings, "archive_mode": "off"})
    restored.start()
    assert restored.value("SELECT count(*) FROM t") == 1000


def test_files_larger_than_a_part_come_back_bit_by_bit():
    pg, repo = archived_cluster(fsync="off")
    pg.sql("CREATE TABLE large AS SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 400000) g")
    pg.sql("CHECKPOINT")
    path = pg.value("SELECT pg_relation_filepath('large')")
    assert (pg.data / path).stat().st_size > 3 * 64 * 2**20
    backup = take_backup(repo)
    unpacked = backup.unpack()
    assert (unpacked / path).read_bytes() == (pg.data / path).read_bytes()
    assert len(backup.entries()[path]["x"]) > 24, "pieces of at most 8 MiB"


def test_every_file_of_a_quiet_cluster_is_there_and_the_same(major):
    pg, repo = archived_cluster(major)
    pg.pgbench("-i", "-s", "1", "-q")
    pg.sql("CHECKPOINT")
    backup = take_backup(repo, "--label", "a label", "--annotate", "a=1", "--annotate", "b=x=y")
    assert backup.facts["label"] == "a label"
    assert backup.facts["annotations"] == {"a": "1", "b": "x=y"}
    unpacked = backup.unpack()
    pg.stop()
    there = files_on_disk(unpacked)
    assert sorted(there, key=os.fsencode) == backup.paths()
    assert backup.end["files"] == len(there) == backup.facts["files"]
    assert backup.facts["bytes"] == sum(path.stat().st_size for path in there.values())
    assert backup.facts["stored"] == sum(path.stat().st_size for path in backup.packs())
    for directory in EMPTY_DIRECTORIES:
        assert (unpacked / directory).is_dir() and directory in backup.paths("d")
    assert (unpacked / "pg_wal/summaries").is_dir() == (major >= 17)
    for name in ("postmaster.pid", "postmaster.opts"):
        assert name not in there
    assert "START WAL LOCATION" in (unpacked / "backup_label").read_text()
    assert "LABEL: a label\n" in (unpacked / "backup_label").read_text()
    for path in ("PG_VERSION", "postgresql.conf", "test.conf"):
        assert (unpacked / path).read_bytes() == (pg.data / path).read_bytes()


@majors(15)
def test_pg_verifybackup_is_content_with_what_is_unpacked(major):
    pg, repo = archived_cluster(major)
    pg.pgbench("-i", "-s", "2", "-q")
    backup = take_backup(repo)
    unpacked = backup.unpack()
    run_program(client_program("pg_verifybackup"), "-n", unpacked).expect()
    victim = unpacked / "global/1262"
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    run_program(client_program("pg_verifybackup"), "-n", unpacked).expect(1)


def test_the_servers_own_manifest_has_the_version_of_its_major(major):
    import hashlib

    pg, repo = archived_cluster(major)
    backup = take_backup(repo)
    text = (backup.unpack() / "backup_manifest").read_bytes()
    manifest = json.loads(text)
    assert manifest["PostgreSQL-Backup-Manifest-Version"] == (2 if major >= 17 else 1)
    assert ("System-Identifier" in manifest) == (major >= 17)
    before, last = text[: text.rindex(b'"Manifest-Checksum"')], manifest["Manifest-Checksum"]
    assert hashlib.sha256(before).hexdigest() == last
    [wal] = manifest["WAL-Ranges"]
    assert wal == {
        "Timeline": 1,
        "Start-LSN": backup.facts["start_lsn"],
        "End-LSN": backup.facts["stop_lsn"],
    }
    assert {file["Path"] for file in manifest["Files"]} == set(backup.paths()) - {"backup_manifest"}


# -- from where --


@time_limit(600)
def test_a_backup_of_a_standby_is_consistent_and_needs_only_the_archive(major):
    pg, repo = archived_cluster(major)
    pg.pgbench("-i", "-s", "2", "-q")
    first = take_backup(repo)
    standby = first.restore(recovery_target_action=None, recovery_target_timeline="latest")
    (standby.data / "recovery.signal").rename(standby.data / "standby.signal")
    standby.configure(primary_conninfo=pg.conninfo(), archive_mode="on", hot_standby="on")
    standby.start()
    with pgbench_running(pg):
        time.sleep(1)
        pg.sql("CHECKPOINT")
        repo.pg = standby
        repo.configure(pgdata=standby.data)
        stop = threading.Event()

        def switch():
            while not stop.wait(1):
                pg.switch_wal()

        thread = threading.Thread(target=switch)
        thread.start()
        try:
            backup = take_backup(repo)
        finally:
            stop.set()
            thread.join()
    assert backup.facts["from_standby"]
    accounted = pg.value("SELECT count(*) FROM pgbench_history")
    pg.archive_all()
    standby.kill()
    restored = backup.recover(primary_conninfo=None)
    assert restored.value("SELECT count(*) FROM pgbench_history") == accounted
    check_pgbench(restored)
    check_relations(restored)


def test_on_an_idle_primary_a_standbys_backup_asks_for_a_switch():
    pg, repo = archived_cluster()
    first = take_backup(repo)
    standby = first.restore(recovery_target_action=None, hot_standby="on")
    (standby.data / "recovery.signal").rename(standby.data / "standby.signal")
    standby.configure(primary_conninfo=pg.conninfo())
    standby.start()
    pg.sql("CREATE TABLE t ()")
    pg.sql("CHECKPOINT")
    wait_until(
        lambda: standby.value("SELECT pg_last_wal_replay_lsn()") >= pg.value("SELECT pg_current_wal_lsn()"),
        "the standby to catch up",
    )
    standby.sql("CHECKPOINT")
    repo.pg = standby
    repo.configure(pgdata=standby.data)
    before = published(repo)
    result = repo.run(
        *("basebackup", "--fast", "--archive-wait", "2s", "--conninfo", standby.conninfo())
    ).expect(1)
    assert "pg_switch_wal()" in result.err, result
    assert published(repo) == before


def test_a_standby_that_is_promoted_meanwhile_gives_no_backup():
    pg, repo = archived_cluster()
    pg.pgbench("-i", "-s", "10", "-q")
    first = take_backup(repo)
    standby = first.restore(recovery_target_action=None, hot_standby="on")
    (standby.data / "recovery.signal").rename(standby.data / "standby.signal")
    standby.configure(primary_conninfo=pg.conninfo())
    standby.start()
    pg.archive_all()
    repo.pg = standby
    repo.configure(pgdata=standby.data)
    # It waits for the archive's proof, which is hidden, when the promotion comes.
    wal = repo.system_directory() / "wal/00000001"
    wal.rename(wal.with_name("hidden"))
    query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE '%backup_start%'"
    with started(repo) as backup:
        wait_until(lambda: standby.value(query) == 1, "pg_backup_start")
        standby.promote()
        wal.with_name("hidden").rename(wal)
        _, err = backup.communicate(timeout=60)
    assert backup.returncode == 1 and "promoted" in err, err
    assert published(repo) == [first.id]


# -- where the files are --


def test_tablespaces_come_along_also_with_spaces_and_link_chains(major):
    pg, repo = archived_cluster(major)
    place = new_directory("table space")
    real = place / "real one"
    real.mkdir()
    (place / "link 1").symlink_to(real)
    (place / "link 2").symlink_to(place / "link 1")
    plain = new_directory("plain")
    pg.sql(f"CREATE TABLESPACE chained LOCATION '{place / 'link 2'}'")
    pg.sql(f"CREATE TABLESPACE plain LOCATION '{plain}'")
    for name in ("chained", "plain"):
        pg.sql(f"CREATE TABLE in_{name} TABLESPACE {name} AS SELECT g FROM generate_series(1, 1000) g")
    (plain / "PG_9.6_201608131").mkdir()  # what an older cluster left there
    (plain / "PG_9.6_201608131/1").touch()
    backup = take_backup(repo)
    targets = {line["to"] for line in backup.lines if line.get("t") == "l"}
    assert targets == {str(real), str(plain)}
    assert not [path for path in backup.paths() if "PG_9.6" in path]
    restored = backup.recover()
    for name in ("chained", "plain"):
        assert restored.value(f"SELECT count(*) FROM in_{name}") == 1000


@majors(15, 16, 17, 18)
def test_in_place_tablespaces_are_directories(major):
    pg, repo = archived_cluster(major, allow_in_place_tablespaces="on")
    pg.sql("CREATE TABLESPACE here LOCATION ''")
    pg.sql("CREATE TABLE t TABLESPACE here AS SELECT g FROM generate_series(1, 1000) g")
    backup = take_backup(repo)
    assert backup.paths("l") == []
    assert [path for path in backup.paths("d") if path.startswith("pg_tblspc/")]
    assert backup.recover().value("SELECT count(*) FROM t") == 1000


def test_a_tablespace_inside_pgdata_is_saved_once():
    pg, repo = archived_cluster()
    (pg.data / "inside").mkdir(mode=0o700)
    pg.sql(f"CREATE TABLESPACE inside LOCATION '{pg.data / 'inside'}'")
    pg.sql("CREATE TABLE t TABLESPACE inside AS SELECT g FROM generate_series(1, 1000) g")
    backup = take_backup(repo)
    assert not [path for path in backup.paths() if path.startswith("inside/")]
    assert "inside" in backup.paths("d")
    assert backup.recover().value("SELECT count(*) FROM t") == 1000


def test_pg_wal_behind_a_link_is_an_empty_directory():
    def move(pg, _):
        elsewhere = new_directory("wal") / "pg_wal"
        shutil.move(pg.data / "pg_wal", elsewhere)
        (pg.data / "pg_wal").symlink_to(elsewhere)

    pg, repo = archived_cluster(before_start=move)
    backup = take_backup(repo)
    assert {"pg_wal", "pg_wal/archive_status"} <= set(backup.paths("d"))
    assert not [path for path in backup.paths() if path.startswith("pg_wal/")]
    backup.recover()


def test_a_directory_behind_a_link_is_followed_and_a_loop_is_an_error():
    pg, repo = archived_cluster()
    elsewhere = new_directory("elsewhere")
    (elsewhere / "file").write_text("content")
    (pg.data / "moved").symlink_to(elsewhere)
    (pg.data / "linked file").symlink_to(elsewhere / "file")
    (pg.data / "dangling").symlink_to(elsewhere / "nothing")
    backup = take_backup(repo)
    assert backup.entries()["moved"]["to"] == str(elsewhere)
    assert {"moved/file", "linked file"} <= set(backup.paths())
    assert "dangling: a link to nothing" in backup.result.err
    assert "dangling" not in backup.entries()
    assert (backup.unpack() / "moved/file").read_text() == "content"
    (elsewhere / "back").symlink_to(pg.data)
    result = repo.run("basebackup", "--fast", "--conninfo", pg.conninfo()).expect(1)
    assert "it leads back to a directory above" in result.err
    assert published(repo) == [backup.id]


def test_configuration_outside_pgdata_comes_along():
    etc = new_directory("etc")

    def move(pg, _):
        (etc / "conf.d").mkdir()
        for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
            shutil.move(pg.data / name, etc / name)
        with open(etc / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(f"data_directory = '{pg.data}'\nhba_file = '{etc}/pg_hba.conf'\n")
            conf.write(f"ident_file = '{etc}/pg_ident.conf'\ninclude_dir = 'conf.d'\n")
            conf.write(f"include = '{pg.data}/test.conf'\n")
        (etc / "conf.d/mine.conf").write_text("work_mem = '5MB'\n")
        pg.launcher = ("sh", "-c", f'exec "$1" -c config_file={etc}/postgresql.conf -D "$3"', "sh")

    pg, repo = archived_cluster(before_start=move)
    backup = take_backup(repo)
    entries = backup.entries()
    for path in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "conf.d/mine.conf"):
        assert entries[path]["outside"] == str(etc / path)
    assert "outside" not in entries["test.conf"]
    assert (backup.unpack() / "conf.d/mine.conf").read_text() == "work_mem = '5MB'\n"


def test_odd_file_names_come_back_and_what_is_no_file_is_skipped():
    pg, repo = archived_cluster()
    names = [b"with space", b'quo"te', b"back\\slash", b"new\nline", b"not utf-8 \xff", b"=eq", b"[x]"]
    names.append(b"long" * 50)
    for name in names:
        with open(os.fsencode(pg.data) + b"/" + name, "wb") as file:
            file.write(b"content of " + name)
    deep = "d" * 120 + "/" + "e" * 120 + "/" + "f" * 120
    (pg.data / deep).mkdir(parents=True)
    (pg.data / deep / "file").write_text("deep")
    os.mkfifo(pg.data / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        old = os.getcwd()
        os.chdir(pg.data)
        listener.bind("socket")
        os.chdir(old)
        backup = take_backup(repo)
    for name in ("fifo", "socket"):
        assert f"/{name}: neither a file nor a directory" in backup.result.err
    unpacked = backup.unpack()
    for name in names:
        with open(os.fsencode(unpacked) + b"/" + name, "rb") as file:
            assert file.read() == b"content of " + name
    assert (unpacked / deep / "file").read_text() == "deep"


def test_temporary_and_unlogged_relations_are_left_out_but_for_the_init_fork():
    pg, repo = archived_cluster()
    pg.sql("CREATE UNLOGGED TABLE u AS SELECT g FROM generate_series(1, 1000) g")
    path = pg.value("SELECT pg_relation_filepath('u')")
    connection = pg.connect()
    cursor = connection.cursor()
    cursor.execute("CREATE TEMPORARY TABLE mine AS SELECT g FROM generate_series(1, 1000) g")
    cursor.execute("SELECT pg_relation_filepath('mine')")
    [[temporary]] = cursor.fetchall()
    (pg.data / "base/pgsql_tmp").mkdir(exist_ok=True)
    (pg.data / "base/pgsql_tmp/pgsql_tmp1.2").touch()
    (pg.data / "global/pg_internal.init.99").touch()
    backup = take_backup(repo)
    connection.close()
    saved = set(backup.paths())
    assert f"{path}_init" in saved
    assert not saved & {path, f"{path}_fsm", temporary, "global/pg_internal.init.99"}
    assert not [name for name in saved if "pgsql_tmp" in name]
    assert backup.recover().value("SELECT count(*) FROM u") == 0


# -- pages --


def damage(path, block, offset=4000):
    with open(path, "r+b") as file:
        file.seek(block * 8192 + offset)
        file.write(b"damage!!")


def test_damaged_pages_are_listed_by_file_and_block_and_the_backup_is_kept(major):
    pg = Postgres.create(major, initdb=("-k",))
    repo = Repository(pg)
    repo.enable_archiving()
    repo.init()
    pg.start()
    pg.sql("CREATE TABLE t AS SELECT g, repeat('x', 500) FROM generate_series(1, 10000) g")
    path = pg.value("SELECT pg_relation_filepath('t')")
    assert take_backup(repo).facts["bad_pages"] == 0
    pg.stop()
    damage(pg.data / path, 7)
    damage(pg.data / path, 100)
    pg.start()
    backup = take_backup(repo, status=2)
    assert backup.facts["checksums"]
    assert backup.facts["bad_pages"] == 2
    assert backup.facts["bad"] == [{"path": path, "block": 7}, {"path": path, "block": 100}]
    assert f"damaged page: {path}: block 7" in backup.result.err
    assert backup.entries()[path]["bad"] == [7, 100]
    assert backup.id in published(repo)


def test_pages_of_a_cluster_without_checksums_are_not_judged():
    # From 18 on initdb has checksums unless told otherwise.
    pg, repo = archived_cluster(15)
    pg.sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
    path = pg.value("SELECT pg_relation_filepath('t')")
    pg.stop()
    damage(pg.data / path, 1)
    pg.start()
    backup = take_backup(repo)
    assert not backup.facts["checksums"]


@time_limit(600)
def test_pages_written_while_they_are_read_raise_no_false_alarm():
    pg = Postgres.create(15, initdb=("-k",), shared_buffers="1MB", bgwriter_delay="10ms")
    repo = Repository(pg)
    repo.enable_archiving()
    repo.init()
    pg.start()
    pg.pgbench("-i", "-s", "5", "-q")
    with pgbench_running(pg):
        for _ in range(5):
            assert take_backup(repo).facts["bad_pages"] == 0


# -- WAL --


def test_archiving_that_does_not_work_is_told_before_anything_is_copied(major):
    pg, repo = archived_cluster(major)
    pg.archive_all()
    stop_archiving(pg)
    pg.write_wal()  # else there is nothing that could not be archived
    result = refused_backup(repo, "--archive-wait", "3s")
    assert "archiving is not proven" in result.err
    assert "archive_command fails" in result.err
    [directory] = backup_directories(repo)
    assert [path.name for path in directory.iterdir()] == ["begin"]


def test_archive_mode_off_is_refused_at_once():
    pg = Postgres.create(15)
    repo = Repository(pg)
    repo.init()
    pg.start()
    assert "archive_mode is off" in refused_backup(repo).err
    assert backup_directories(repo) == []


@contextlib.contextmanager
def held_before_copying(pg, repo, *options):
    """A backup that waits for proof of archiving, stopped: it goes on when let.

    Yields a function that lets it, and gives its exit status and words.
    """
    pg.archive_all()
    stop_archiving(pg)
    pg.write_wal()
    query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE '%backup_start%'"
    with started(repo, *options) as backup:
        wait_until(lambda: pg.value(query) == 1, "pg_backup_start")
        backup.send_signal(signal.SIGSTOP)

        def go_on():
            backup.send_signal(signal.SIGCONT)
            _, err = backup.communicate(timeout=60)
            return backup.returncode, err

        yield go_on


def test_a_missing_middle_segment_keeps_the_backup_unpublished():
    pg, repo = archived_cluster()
    with held_before_copying(pg, repo, "--archive-wait", "3s") as go_on:
        pg.switch_wal()
        hole = pg.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        # Archived, the server believes.
        pg.reload(archive_command=f"test %f = {hole} || {repo.archive_command()}")
        assert pg.switch_wal() == hole
        pg.archive_all()
        status, err = go_on()
    assert status == 1 and hole in err and "was not archived within 3s" in err, err
    assert published(repo) == []


def test_a_damaged_segment_in_the_store_keeps_the_backup_unpublished():
    pg, repo = archived_cluster()
    with held_before_copying(pg, repo, "--archive-wait", "3s") as go_on:
        pg.reload(archive_command=repo.archive_command())
        needed = pg.archive_all()
        path = repo.object_path(needed)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        status, err = go_on()
    assert status == 1 and needed in err and "WAL that the backup needs is damaged" in err, err
    assert published(repo) == []


def test_segments_that_do_not_follow_each_other_keep_the_backup_unpublished():
    pg, repo = archived_cluster()
    other = Postgres.create(15, archive_mode="on", archive_command="/bin/false")
    with held_before_copying(pg, repo, "--archive-wait", "3s") as go_on:
        # A copy of the cluster, with its own WAL under the same name, was quicker.
        foreign = pg.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        other.start()
        other.sql("CREATE TABLE of_its_own AS SELECT g FROM generate_series(1, 1000) g")
        while other.switch_wal() < foreign:
            pass
        other.kill()
        repo.walpush(f"pg_wal/{foreign}", cwd=other.data).expect(0)
        pg.reload(archive_command=f"test %f = {foreign} || {repo.archive_command()}")
        pg.switch_wal()
        pg.archive_all()
        status, err = go_on()
    assert status == 1 and published(repo) == [], err
    assert "does not follow" in err, err


# -- failures leave nothing visible --


def test_two_at_once_exclude_each_other_and_wait_if_asked_to():
    pg, repo = archived_cluster()
    pg.archive_all()
    stop_archiving(pg)  # the first one waits
    pg.write_wal()
    with started(repo, "--archive-wait", "60s") as first:
        wait_begun(repo)
        result = refused_backup(repo)
        assert "another backup of this cluster is running" in result.err
        with started(repo, "--wait-lock", "60s") as second:
            pg.reload(archive_command=repo.archive_command())
            first.communicate(timeout=60)
            second.communicate(timeout=60)
            assert (first.returncode, second.returncode) == (0, 0)
    assert len(published(repo)) == 2


def test_two_at_once_with_other_state_directories_exclude_each_other():
    pg, repo = archived_cluster()
    pg.archive_all()
    stop_archiving(pg)  # the first one waits
    pg.write_wal()
    others = [new_directory("state") for _ in range(2)]
    others[1].chmod(0o500)
    with started(repo, "--json", "--archive-wait", "60s") as first:
        wait_begun(repo)
        for other in others:
            result = refused_backup(repo, "--state-dir", other)
            assert "another backup of this cluster is running" in result.err
        assert len(backup_directories(repo)) == 1
        with started(repo, "--json", "--state-dir", others[1], "--wait-lock", "60s") as second:
            line = second.stderr.readline()
            while "waiting: another backup of this cluster" not in line:
                assert line, "the second backup did not wait"
                line = second.stderr.readline()
            pg.reload(archive_command=repo.archive_command())
            told = [json.loads(each.communicate(timeout=60)[0]) for each in (first, second)]
            assert (first.returncode, second.returncode) == (0, 0)
    others[1].chmod(0o700)
    assert len(published(repo)) == 2
    assert told[1]["start_time"] >= told[0]["stop_time"], "it began when it had the lock"


def test_an_unwritable_state_directory_is_a_warning():
    pg, repo = archived_cluster()
    repo.state_directory.chmod(0o500)
    try:
        backup = take_backup(repo)
    finally:
        repo.state_directory.chmod(0o700)
    assert "going on without a lock" in backup.result.err


def interrupted_backup(pg, repo, end):
    """Starts a backup, ends it by ``end`` while it copies; its exit status and words."""
    pg.pgbench("-i", "-s", "20", "-q")
    with started(repo, "--jobs", "1") as backup:
        directory = wait_begun(repo)
        wait_until(
            lambda: any(".1/backup/" in path for path in open_files(backup.pid)),
            "a pack to be written",
        )
        end(backup)
        _, err = backup.communicate(timeout=60)
    assert published(repo) == []
    # What is not finished has no name; there may be whole packs.
    assert (directory / "begin").exists()
    for path in directory.iterdir():
        assert path.name == "begin" or unlz4(path)
    return backup.returncode, err


def open_files(pid):
    found = []
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(descriptor))
    return found


def test_interrupted_by_a_signal_it_ends_at_once_and_leaves_no_backup():
    for number in (signal.SIGINT, signal.SIGTERM):
        pg, repo = archived_cluster()
        begin = time.monotonic()
        status, err = interrupted_backup(pg, repo, lambda p, n=number: p.send_signal(n))
        assert status == 1 and f"signal {int(number)}" in err, err
        assert time.monotonic() - begin < 60
        take_backup(repo)
        pg.destroy()


def test_interrupted_while_the_server_makes_its_checkpoint_it_ends_at_once():
    pg, repo = archived_cluster(checkpoint_timeout="1h", checkpoint_completion_target="1.0")
    pg.pgbench("-i", "-s", "20", "-q")
    words = [program("basebackup"), "--config", repo.config, "--conninfo", pg.conninfo()]
    backup = subprocess.Popen(
        [str(word) for word in words], stderr=subprocess.PIPE, env=clean_environment()
    )
    wait_begun(repo)
    time.sleep(0.5)
    begin = time.monotonic()
    backup.send_signal(signal.SIGINT)
    backup.communicate(timeout=30)
    assert backup.returncode == 1
    assert time.monotonic() - begin < 5
    assert published(repo) == []


def test_interrupted_in_a_spread_checkpoint_it_ends_the_servers_session():
    pg, repo = archived_cluster(checkpoint_timeout="1h", checkpoint_completion_target="1.0")
    pg.pgbench("-i", "-s", "20", "-q")
    asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_backup_start(%'"
    words = [program("basebackup"), "--config", repo.config, "--conninfo", pg.conninfo()]
    backup = subprocess.Popen(
        [str(word) for word in words], stderr=subprocess.PIPE, encoding="utf-8", env=clean_environment()
    )
    wait_until(lambda: pg.value(asked) == 1, "the server to make its checkpoint")
    [directory] = backup_directories(repo)
    backup.send_signal(signal.SIGINT)
    _, err = backup.communicate(timeout=30)
    assert backup.returncode == 1
    assert f"{directory.name}: walvault expire --broken" in err.splitlines()[-1], err
    wait_until(lambda: pg.value(asked) == 0, "the server's session to end", 10)


def test_killed_it_leaves_no_backup():
    pg, repo = archived_cluster()
    status, _ = interrupted_backup(pg, repo, lambda process: process.kill())
    assert status == -signal.SIGKILL
    take_backup(repo)


def test_a_lost_connection_ends_the_backup():
    pg, repo = archived_cluster()
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    status, err = interrupted_backup(pg, repo, lambda _: pg.sql(query))
    assert status == 1, err
    take_backup(repo)


def test_a_server_that_stops_ends_the_backup():
    pg, repo = archived_cluster()
    status, _ = interrupted_backup(pg, repo, lambda _: pg.stop("immediate"))
    assert status == 1
    pg.start()
    take_backup(repo)


@time_limit(600)
def test_two_hundred_thousand_files_need_little_memory():
    pg, repo = archived_cluster()
    for number in range(200):
        directory = pg.data / f"many{number:03}"
        directory.mkdir()
        for name in range(1000):
            os.close(os.open(directory / f"file{name:04}", os.O_CREAT | os.O_WRONLY, 0o600))
    words = ("--config", repo.config, "--fast", "--conninfo", pg.conninfo())
    # A child's largest resident set counts what its parent had: GNU time is small.
    result = run_program(
        *("/usr/bin/time", "-f", "%M", program("basebackup"), *words), timeout=300
    ).expect()
    assert int(result.err.split()[-1]) < 200 * 1024, result.err
    assert published(repo) == [result.out.strip()]


# -- refusals --


def test_wrong_options_are_usage_errors():
    pg, repo = archived_cluster()
    for words in (
        ("--annotate", "novalue"),
        ("--annotate", "=x"),
        ("--label", "two\nlines"),
        ("--label", "x" * 300),
        ("--jobs", "0"),
        ("argument",),
        ("--nonsense",),
    ):
        refused_backup(repo, *words, status=3)
    words = ("--annotate", "a=" + "x" * 500, "--annotate", "b=" + "y" * 520)
    assert "1023 bytes they may have together" in refused_backup(repo, *words, status=3).err
    assert f"file://{repo.store}" in refused_backup(repo, "--store", repo.store, status=3).err
    repo.configure(pgdata=None)
    assert "pgdata" in refused_backup(repo, status=3).err


def test_another_clusters_server_or_directory_is_refused():
    pg, repo = archived_cluster()
    other = Postgres.create(15, own_sysid=True, archive_mode="on", archive_command="/bin/true").start()
    result = repo.run("basebackup", "--fast", "--conninfo", other.conninfo()).expect(1)
    assert "system identifier" in result.err
    clone = Postgres.create(15, archive_mode="on", archive_command="/bin/true").start()
    result = repo.run("basebackup", "--fast", "--conninfo", clone.conninfo()).expect(1)
    assert "the server's data directory is" in result.err
    assert backup_directories(repo) == []


def test_a_user_without_rights_is_told_what_to_grant(major):
    pg, repo = archived_cluster(major)
    pg.sql("CREATE USER weak")
    conninfo = pg.conninfo().replace("user=postgres", "user=weak")
    result = repo.run("basebackup", "--fast", "--conninfo", conninfo).expect(1)
    assert "GRANT EXECUTE ON FUNCTION" in result.err or "pg_monitor" in result.err, result
    function = "pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean)"
    if major >= 15:
        function = "pg_backup_start, pg_backup_stop"
    pg.sql(f"GRANT EXECUTE ON FUNCTION {function} TO weak")
    pg.sql("GRANT pg_monitor, pg_read_all_settings TO weak")
    repo.run("basebackup", "--fast", "--conninfo", conninfo).expect(0)


def test_no_repository_and_no_identity_are_told_apart():
    pg = Postgres.create(15, archive_mode="on", archive_command="/bin/true")
    repo = Repository(pg)
    pg.start()
    result = repo.run("basebackup", "--fast", "--conninfo", pg.conninfo()).expect(3)
    assert "walvault init" in result.err


def test_a_server_that_is_down_is_told():
    pg, repo = archived_cluster()
    pg.stop()
    result = repo.run("basebackup", "--fast").expect(1)
    assert "not running" in result.err
    assert "hint: start it" in result.err
