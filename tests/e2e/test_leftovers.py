# SPDX-License-Identifier: PostgreSQL
"""Temporary files of killed writers, on stores that have no nameless ones."""

import errno
import os
import subprocess
import time

from walvault_test import Postgres, Repository
from walvault_test.backups import backup_directories, take_backup
from walvault_test.programs import program
from walvault_test.tracer import Fail, KillAll, trace

O_TMPFILE = 0o20000000
HOUR = 3600


def archived_cluster():
    pg = Postgres.create(15)
    repo = Repository(pg)
    repo.enable_archiving()
    repo.init()
    pg.start()
    return pg, repo


def leftovers(directory):
    return sorted(directory.rglob(".walvault-*"))


def make_older(path, seconds):
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def killed_while_copying(repo):
    """A backup killed when its first pack is about to get its name, as on NFS."""
    def on_call(call):
        if call.result is not None or not call.concerns(repo.store):
            return None
        if call.name == "openat" and call.arguments[2] & O_TMPFILE == O_TMPFILE:
            return Fail(errno.EOPNOTSUPP)
        return KillAll if call.name == "renameat2" and "pack-" in str(call) else None

    words = ("--config", repo.config, "--fast", "--conninfo", repo.pg.conninfo())
    trace(on_call, program("basebackup"), *words, timeout=120)
    [directory] = [path for path in backup_directories(repo) if not (path / "manifest").exists()]
    return directory


def dead_process():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def leave(directory, pid, age):
    """What a process with that pid left in a directory so many seconds ago."""
    path = directory / f".walvault-{pid}-0123abcd"
    path.write_bytes(b"half an object")
    make_older(path, age)
    return path


def test_what_a_killed_backup_leaves_goes_with_it():
    pg, repo = archived_cluster()
    directory = killed_while_copying(repo)
    assert leftovers(directory), sorted(directory.iterdir())
    for path in directory.iterdir():
        make_older(path, HOUR)
    take_backup(repo)
    repo.walvault("expire", "--broken", "--broken-age", "1min").expect(0)
    assert [*directory.iterdir()] == []


def test_what_a_killed_push_leaves_goes_when_it_is_a_day_old():
    pg, repo = archived_cluster()
    wal = repo.object_path(pg.archive_all()).parent
    backup = take_backup(repo)
    old = leave(wal, dead_process(), 25 * HOUR)
    kept = [
        leave(wal, dead_process(), 23 * HOUR),
        leave(wal, os.getppid(), 25 * HOUR),  # of one who lives
        wal / ".hidden",
    ]
    kept[-1].write_text("not walvault's")
    make_older(kept[-1], 25 * HOUR)
    repo.walvault("expire", "--keep-full", "1", "--dry-run").expect(0)
    assert old.exists()
    result = repo.walvault("expire", "--keep-full", "1").expect(0)
    assert not old.exists(), result
    assert all(path.exists() for path in kept), result
    assert "1 of writers that died" in result.err, result
    in_backup = leave(backup.directory, dead_process(), 25 * HOUR)
    repo.walvault("expire", "--keep-full", "1").expect(0)
    assert not in_backup.exists()
    repo.walvault("verify").expect(0)
