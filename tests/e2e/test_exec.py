# SPDX-License-Identifier: PostgreSQL
"""Stores that a program keeps: the examples, and programs that do it wrong."""

import os
import re
import shutil
import time
from pathlib import Path

from walvault_test import Postgres, Repository, Skip, time_limit, wait_until
from walvault_test.cases import new_directory
from walvault_test.fetching import Asker
from walvault_test.processes import any_alive
from walvault_test.restoring import restore_and_start, take_backup
from walvault_test.services import place
from walvault_test.stopped import stopped_cluster

SERVICES = ("sshd",)
CONTRIB = Path(__file__).resolve().parents[2] / "contrib"


@time_limit(600)
def test_the_full_circle_by_the_example_in_the_shell():
    directory = new_directory("kept") / "store"
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    section = {"url": f"exec:{CONTRIB}/exec-directory '{directory}'"}
    repo = Repository(pg, section=section)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (what text, filler text)")
    pg.sql("INSERT INTO t SELECT 'before', md5(g::text) FROM generate_series(1, 5000) g")
    backup = take_backup(repo)
    pg.sql("INSERT INTO t VALUES ('behind the backup')")
    moment = pg.value("SELECT clock_timestamp()::text")
    pg.sql("INSERT INTO t VALUES ('too late')")
    pg.archive_all()
    pg.destroy()
    shutil.rmtree(repo.state_directory)
    assert backup in str(repo.json("info"))
    repo.walvault("verify", "--wal").expect(0)
    restored = restore_and_start(repo, "--to-time", moment)
    counts = dict(restored.sql("SELECT what, count(*) FROM t GROUP BY 1"))
    assert counts == {"before": 5000, "behind the backup": 1}, counts
    assert not list(directory.rglob(".*"))


def test_rclone_keeps_a_store_on_another_host():
    if not shutil.which("rclone"):
        raise Skip("rclone is not installed")
    at = place("sshd")
    directory = Path(at["data"]) / os.urandom(6).hex()
    remote = (
        f":sftp,host=127.0.0.1,port={at['port']},user={at['user']},key_file={at['key']},"
        f"known_hosts_file={at['known_hosts']},shell_type=none,disable_hashcheck=true:{directory}"
    )
    pg, names = stopped_cluster()
    section = {"url": f"exec:{CONTRIB}/exec-rclone '{remote}'"}
    repo = Repository(pg, section=section)
    result = repo.walvault("init").expect(3)
    assert "overwrites an object" in result.err and "single_writer = yes" in result.err, result
    shutil.rmtree(directory)
    asker = Asker(repo, "recovery")
    repo.section["single_writer"] = "yes"
    repo.configure(timeout="5s")
    # Where there is no store nothing is absent.
    asker.fetch(names[0]).expect(200)
    repo.configure(timeout="2min")
    repo.init()
    asker.fetch(names[0]).expect(1)
    for _ in range(2):
        repo.walpush(f"pg_wal/{names[0]}").expect(0)
    asker.fetch(names[0]).expect(0)
    assert asker.destination.read_bytes() == (pg.data / "pg_wal" / names[0]).read_bytes()
    assert any(key.endswith(names[0]) for key in repo.walvault("ls").expect(0).out.split())
    assert not list(directory.rglob(".walvault-*"))


class Kept:
    """A store kept by the shell example, behind a script that may do otherwise."""

    def __init__(self):
        home = new_directory("command")
        self.directory = home / "store"
        self._script = home / "command"
        self.behave("")
        self.pg, self.names = stopped_cluster()
        self.repo = Repository(self.pg, timeout="20s", section={"url": f"exec:{self._script}"})
        self.repo.init()
        self.asker = Asker(self.repo, "recovery")

    def behave(self, text):
        """``text`` runs first; $1 is the verb and $2 the key."""
        example = f"{CONTRIB}/exec-directory {self.directory}"
        new = self._script.with_name("new")
        new.write_text(f'#!/bin/sh\n{text}\nexec {example} "$@"\n', encoding="utf-8")
        new.chmod(0o755)
        new.rename(self._script)

    def push(self, n=0, status=0):
        return self.repo.walpush(f"pg_wal/{self.names[n]}").expect(status)

    def on(self, verb, then):
        """On the verb with a key of WAL."""
        self.behave(f'case "$1 $2" in "{verb} "*/wal/*)\n{then}\n;; esac')


def test_only_one_status_is_an_absence():
    k = Kept()
    k.push()
    k.asker.fetch(k.names[1]).expect(1)
    k.repo.configure(timeout="2s")
    for status in (1, 2, 3, 64, 77, 111, 127, 255):
        k.on("get", f"echo 'what went wrong' >&2; exit {status}")
        result = k.asker.fetch(k.names[0]).expect(200)
        assert f"status {status}: what went wrong" in result.err, result
    k.on("get", "kill -9 $$")
    k.asker.fetch(k.names[0]).expect(200)
    k.on("get", "exit 110")
    k.asker.fetch(k.names[0]).expect(1)
    # The store itself is not there: an unmounted disk, for one.
    k.behave("")
    k.directory.rename(k.directory.with_name("away"))
    result = k.asker.fetch(k.names[0]).expect(200)
    assert "exec-directory" in result.err, result


def test_what_a_command_breaks_is_not_handed_out():
    k = Kept()
    k.push()
    k.repo.configure(timeout="3s")
    for then in ("head -c 0 /dev/null; exit 0", "echo nonsense; exit 0", "yes | head -c 9000; exit 0"):
        k.on("get", then)
        k.asker.fetch(k.names[0]).expect(200)
    k.behave("")
    k.asker.fetch(k.names[0]).expect(0)


def test_a_put_that_fails_is_no_success_and_existence_is_compared():
    k = Kept()
    for status, expected in ((1, 1), (110, 1), (75, 1), (77, 1), (78, 3), (127, 3)):
        k.on("put", f"cat >/dev/null; echo 'no, said the moon' >&2; exit {status}")
        result = k.push(status=expected)
        assert "no, said the moon" in result.err, result
    k.on("put", "exit 111")
    k.push(status=1)
    k.behave("")
    k.push()
    k.push()
    k.asker.fetch(k.names[0]).expect(0)


def test_a_damaged_object_stays_an_error_when_its_replacement_fails():
    k = Kept()
    k.push()
    (path,) = (path for path in k.directory.rglob(k.names[0]) if path.is_file())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(damaged)
    # That of the new object fails, when the old one is out of the way.
    failed = k.directory.with_name("failed")
    k.behave(
        f'case "$1 $2" in "put "*/{k.names[0]})\n'
        f"[ -e {path} ] || [ -e {failed} ] || {{ touch {failed}; exit 1; }}\n;; esac"
    )
    k.push(status=1)
    assert failed.exists() and path.read_bytes() == bytes(damaged)
    k.asker.fetch(k.names[0]).expect(200)
    k.push()
    k.asker.fetch(k.names[0]).expect(0)


def test_a_listing_without_its_end_is_none():
    k = Kept()
    k.push()
    example = f"{CONTRIB}/exec-directory {k.directory}"
    for then in (
        f'{example} "$@" | grep -vx "[.]"; exit 0',
        f'{example} "$@" | head -c -1; exit 0',
        "echo some words; echo .; exit 0",
        "exit 0",
    ):
        k.behave(f'case $1 in list)\n{then}\n;; esac')
        result = k.repo.walvault("info").expect(1)
        assert "no whole listing" in result.err, (then, result)
    # In any order, and with more than was asked for.
    k.behave(f'case $1 in list) {example} list "" tree | sort -r | grep -v "^[.]"; echo .; exit 0;; esac')
    found = k.repo.walvault("ls").expect(0).out.split()
    k.behave("")
    assert found == k.repo.walvault("ls").expect(0).out.split() and found


def test_a_command_that_hangs_is_killed_with_all_it_started():
    k = Kept()
    pids = k.directory.with_name("pids")
    k.repo.configure(timeout="3s")
    k.on("put", f"sleep 1000 & echo $! $$ > {pids}; echo waiting >&2; wait")
    began = time.monotonic()
    result = k.push(status=1)
    assert time.monotonic() - began < 6
    assert "its time was over" in result.err and "waiting" in result.err, result
    started = [int(pid) for pid in pids.read_text(encoding="ascii").split()]
    wait_until(lambda: not any_alive(started), "what it started to be gone")
    k.repo.section["command_timeout"] = "1s"
    k.repo.configure(timeout="1min")
    began = time.monotonic()
    result = k.push(status=1)
    assert time.monotonic() - began < 10 and "command_timeout" in result.err, result


def test_what_a_command_leaves_running_does_not_hold_it():
    k = Kept()
    pids = k.directory.with_name("pids")
    k.behave(f"sleep 1000 & echo $! >> {pids}")
    began = time.monotonic()
    k.push()
    for pid in pids.read_text(encoding="ascii").split():
        os.kill(int(pid), 9)
    assert time.monotonic() - began < 15


def test_a_command_is_told_what_it_is_given():
    k = Kept()
    told = k.directory.with_name("told")
    k.behave(f'echo "$1 $STORE_PROTOCOL $STORE_NAME $STORE_KIND $STORE_SIZE $STORE_SECONDS" >> {told}')
    k.push()
    size = next(k.directory.rglob(k.names[0])).stat().st_size
    lines = told.read_text(encoding="ascii").splitlines()
    assert any(re.fullmatch(rf"put 1 local wal {size} 1\d", line) for line in lines), lines
    assert any(re.fullmatch(r"get 1 local  0 1\d", line) for line in lines), lines
