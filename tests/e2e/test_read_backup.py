# SPDX-License-Identifier: PostgreSQL
"""contrib/read-object.py restores whole base backups from the format page alone."""

import os
import shutil
import subprocess
import sys

from walvault_test import Postgres, Repository, run_program
from walvault_test.backups import take_backup, unlz4
from walvault_test.cases import new_directory, seeded_random
from walvault_test.documents import need, source
from walvault_test.programs import clean_environment, program


def read_backup(directory, dest, *options):
    """The program's CompletedProcess."""
    for command in ("lz4", "xxhsum"):
        need(command)
    return subprocess.run(
        [sys.executable, source("contrib/read-object.py"), "restore", *options, directory, dest],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
        check=False,
    )


def cluster(major, rows):
    """A running cluster that archives, with a table of so many rows."""
    pg = Postgres.create(major, initdb=("-k",), segsize_mib=1, autovacuum="off")
    repo = Repository(pg)
    repo.enable_archiving(archive_timeout=0)
    pg.start()
    repo.init()
    pg.sql(f"CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, {rows}) i")
    return pg, repo


def digest(pg):
    return pg.value("SELECT md5(string_agg(md5, '' ORDER BY i)) FROM t")


def recover(repo, data):
    """A server on restored files, at the end of the archive."""
    (data / "recovery.signal").touch()
    pg = repo.pg
    settings = {
        **pg.settings,
        "restore_command": repo.restore_command(),
        "recovery_target_action": "promote",
        "archive_mode": "off",
    }
    return Postgres(pg.major, data, pg.segsize, **settings).start().wait_promoted()


def test_a_backup_read_without_walvault_is_a_cluster(major):
    pg, repo = cluster(major, 100000)
    space = new_directory("space")
    pg.sql(f"CREATE TABLESPACE other LOCATION '{space}'")
    pg.sql("CREATE TABLE there TABLESPACE other AS SELECT generate_series(1, 1000) AS i")
    backup = take_backup(repo)
    pg.sql("INSERT INTO t VALUES (0, 'later')")
    pg.archive_all()
    pg.destroy()
    shutil.rmtree(space)
    data = new_directory("read") / "data"
    moved = new_directory("moved")
    done = read_backup(backup.directory, data, "--tablespace-dir", moved)
    assert done.returncode == 0, done.stderr
    assert str(space).encode() in done.stderr, "where tablespaces were is told"
    for path in backup.paths():
        if path != "tablespace_map":
            entry = backup.entries()[path]
            found = (data / path).stat()
            assert found.st_size == entry["s"], path
            assert found.st_mode & 0o7777 == int(entry["m"], 8), path
    assert [x.name for x in data.iterdir() if x.name.startswith(".")] == []
    copy = recover(repo, data)
    assert copy.value("SELECT count(*) FROM t") == 100001
    assert copy.value("SELECT sum(i) FROM there") == 500500


def test_a_file_in_parts_is_put_together():
    pg, repo = cluster(15, 1200000)  # 80 MB
    backup = take_backup(repo)
    parts = [e for e in backup.entries().values() if e.get("s", 0) > 64 << 20]
    assert parts and len(parts[0]["x"]) > 8
    before = digest(pg)
    pg.archive_all()
    pg.destroy()
    data = new_directory("read") / "data"
    assert read_backup(backup.directory, data).returncode == 0
    assert digest(recover(repo, data)) == before


def test_a_damaged_backup_is_refused_and_leaves_nothing_that_could_start():
    pg, repo = cluster(15, 1000)
    backup = take_backup(repo)
    pg.stop()
    rng = seeded_random()
    copy = new_directory("damaged") / repo.system_directory().name / "backup" / backup.id
    copy.parent.mkdir(parents=True)

    def read(change):
        """Copies the backup, changes a file of the copy, reads it."""
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(backup.directory, copy)
        change()
        data = new_directory("read") / "data"
        done = read_backup(copy, data)
        assert not (data / "global/pg_control").exists() or done.returncode == 0
        return done

    def flip(name):
        stored = bytearray((copy / name).read_bytes())
        stored[rng.randrange(len(stored))] ^= 1 << rng.randrange(8)
        (copy / name).write_bytes(stored)

    assert read(lambda: None).returncode == 0
    for _ in range(3):
        for name in ("manifest", backup.packs()[0].name):
            done = read(lambda: flip(name))
            assert done.returncode in (1, 2) and b"read-object.py" in done.stderr, done
            assert b"Traceback" not in done.stderr, done
    pack = backup.packs()[0].name
    assert read(lambda: os.truncate(copy / pack, 5000)).returncode == 1
    assert read((copy / pack).unlink).returncode == 2
    assert read((copy / "begin").unlink).returncode == 2
    assert read((copy / "tombstone").touch).returncode == 2
    full = new_directory("full")
    (full / "x").touch()
    assert read_backup(backup.directory, full).returncode == 2
    assert os.listdir(full) == ["x"]


def test_cat_gives_manifests_packs_and_notes_by_the_backups_id():
    pg, repo = cluster(15, 1000)
    backup = take_backup(repo)
    pack = backup.packs()[0]

    def cat(name, status=0):
        """The bytes that walvault cat writes."""
        plain = new_directory("cat") / "plain"
        words = f'"{program("walvault")}" cat {name} > {plain}'
        run_program("/bin/sh", "-c", words, env={"WALVAULT_CONFIG": str(repo.config)}).expect(status)
        return plain.read_bytes()

    assert cat(backup.id) == unlz4(backup.directory / "manifest")
    assert cat(f"{backup.id}/{pack.name}") == unlz4(pack)
    system = repo.system_directory().name
    assert cat(f"{system}/backup/{backup.id}/{pack.name}") == unlz4(pack)
    assert cat(f"{backup.id}/begin") == (backup.directory / "begin").read_bytes()
    assert cat(f"{system}/identity") == (repo.system_directory() / "identity").read_bytes()
    listed = repo.walvault("ls", f"{system}/backup/").expect(0).out
    assert [line.rpartition("/")[2] for line in listed.splitlines()] == [
        *("begin", "manifest"),
        *(path.name for path in backup.packs()),
    ]
    with open(pack, "r+b") as file:
        file.seek(pack.stat().st_size - 200)
        file.write(b"\0\1\2\3")
    assert cat(f"{backup.id}/{pack.name}", status=1) == b"", "nothing of a damaged pack"
