# SPDX-License-Identifier: PostgreSQL
"""Stores and destinations on file systems that are really full, or too small."""

import os
import time

from walvault_test import run_program
from walvault_test.backups import backup_directories, published
from walvault_test.installed import client_program
from walvault_test.programs import program
from walvault_test.restoring import (
    as_postgres,
    new_data_directory,
    plan,
    restore,
    restore_and_start,
    small_cluster,
    take_backup,
)
from walvault_test.smalldisk import SmallDisk
from walvault_test.tracer import trace

MIB = 1 << 20
NO_SPACE = "No space left on device"
ROWS = "SELECT count(*), max(i) FROM t"


def store_on(disk, noise=8 * MIB):
    """A cluster, with a file that cannot be compressed, whose store is on the disk."""
    pg, repo = small_cluster()
    pg.stop()
    repo.store.rename(repo.directory / "first")
    repo.store = disk.path / "store"
    repo.store.mkdir()
    repo.configure()
    repo.init()
    (pg.data / "noise").write_bytes(os.urandom(noise))
    pg.start()
    pg.archive_all()
    return pg, repo


def failed_backup(repo):
    words = ("--fast", "--conninfo", repo.pg.conninfo(), "--archive-wait", "20s")
    return repo.run("basebackup", *words).expect(1)


def make_old(repo):
    """What is there was left more than a day ago."""
    for directory in backup_directories(repo):
        for file in directory.iterdir():
            os.utime(file, (time.time() - 90000,) * 2)


def test_a_backup_into_a_store_that_fills_up_fails_and_the_next_one_has_room():
    disk = SmallDisk(8 * MIB)
    pg, repo = store_on(disk)
    result = failed_backup(repo)
    assert NO_SPACE in result.err and "free or add space" in result.err, result
    assert "expire --broken" in result.err, result
    assert published(repo) == []
    [system] = repo.json("info")["systems"]
    [remains] = system["backups"]
    assert remains["state"] == "unfinished", remains
    # The cluster goes on archiving once there is room: here, by more of it.
    disk.resize(32 * MIB)
    pg.sql("INSERT INTO t VALUES (1000)")
    pg.archive_all()
    make_old(repo)
    repo.walvault("expire", "--broken").expect(0)
    assert backup_directories(repo) == [] or not any(
        any(path.iterdir()) for path in backup_directories(repo)
    )
    backup = take_backup(repo)
    assert published(repo) == [backup]
    pg.archive_all()
    pg.destroy()
    started = restore_and_start(repo)
    assert started.sql(ROWS) == [(101, 1000)]


def test_a_backup_that_will_not_fit_is_told_before_anything_is_copied():
    disk = SmallDisk(32 * MIB)
    pg, repo = store_on(disk)
    first = take_backup(repo)
    ballast = disk.fill(leave=4 * MIB)
    result = failed_backup(repo)
    assert "are free, this backup needs about" in result.err, result
    assert "walvault expire" in result.err, result
    assert published(repo) == [first]
    [remains] = [path for path in backup_directories(repo) if path.name != first]
    assert [path.name for path in remains.iterdir()] == ["begin"]
    ballast.unlink()
    take_backup(repo)


def lost_cluster():
    pg, repo = small_cluster()
    take_backup(repo)
    pg.sql("INSERT INTO t VALUES (1000)")
    pg.archive_all()
    pg.destroy()
    return repo


def test_a_destination_that_fills_up_is_a_failure_and_leaves_nothing_startable():
    repo = lost_cluster()
    disk = SmallDisk(64 * MIB)
    destination = disk.path / "data"
    for place in (1, 40, 200):
        seen = []

        def fill_up(call, seen=seen, place=place):
            if call.result is None and call.name == "pwrite64" and call.concerns(destination):
                seen.append(call)
                if len(seen) == place:
                    disk.fill()

        words = ("--config", repo.config, destination)
        result = trace(fill_up, program("pitr-restore"), *words, timeout=120).expect(1)
        assert NO_SPACE in result.err and "make room there" in result.err, result
        assert f"{destination} is not complete and cannot be started" in result.err, result
        assert not (destination / "global/pg_control").exists()
        (disk.path / "ballast").unlink()
        result, _ = restore(repo, destination=destination)
        result.expect(3)  # it does not go on where another one ended
        for path in sorted(destination.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    restore(repo, destination=destination)[0].expect(0)
    run_program(client_program("pg_verifybackup"), "-n", destination).expect(0)
    server = as_postgres(repo, destination).start().wait_promoted()
    assert server.sql(ROWS) == [(101, 1000)]


def test_a_destination_that_is_too_small_is_told_before_it_is_touched():
    repo = lost_cluster()
    disk = SmallDisk(6 * MIB)
    destination = disk.path / "data"
    result, _ = restore(repo, destination=destination)
    result.expect(1)
    assert "are free there" in result.err and "are needed" in result.err, result
    assert "make room" in result.err, result
    assert not destination.exists()
    found = plan(repo, destination)
    assert any("are needed" in text for text in found["warnings"]), found
    assert found["places"][0]["needed"] > found["places"][0]["free"], found
    disk.resize(found["places"][0]["needed"] + MIB)
    restore(repo, destination=destination)[0].expect(0)


def test_a_destination_with_too_few_inodes_is_told_before_it_is_touched():
    repo = lost_cluster()
    disk = SmallDisk(64 * MIB, files=200)
    result, destination = restore(repo, destination=disk.path / "data")
    result.expect(1)
    assert "(inodes)" in result.err and "make room" in result.err, result
    assert not destination.exists()


def test_two_places_on_one_file_system_need_the_room_of_both():
    pg, repo = small_cluster()
    pg.sql(f"CREATE TABLESPACE space LOCATION '{new_data_directory().parent}'")
    pg.sql("CREATE TABLE big TABLESPACE space AS SELECT repeat('x', 1000) FROM generate_series(1, 8000)")
    pg.sql("CHECKPOINT")
    take_backup(repo)
    pg.archive_all()
    pg.destroy()
    disk = SmallDisk(64 * MIB)
    options = ("--tablespace-dir", disk.path / "spaces")
    needed = [place["needed"] for place in plan(repo, *options, disk.path / "data")["places"]]
    assert len(needed) == 2 and min(needed) > MIB, needed
    disk.resize(max(needed) + MIB)
    result, destination = restore(repo, *options, destination=disk.path / "data")
    result.expect(1)
    assert "are needed" in result.err and not destination.exists(), result
    # The data directory alone has room there.
    restore(repo, "--tablespace-dir", new_data_directory(), destination=destination)[0].expect(0)
