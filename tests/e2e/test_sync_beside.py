# SPDX-License-Identifier: PostgreSQL
"""A sync beside others that bring the same, and what it leaves for a later one."""

import os
import time
from pathlib import Path

from walvault_test import Postgres
from walvault_test.cases import new_directory
from walvault_test.several import SeveralStores, push, several, sync

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"

SCRIPT = """#!/bin/sh
case "$1 $2" in "put "*/{name})
	[ -e "{directory}/$2" ] || {{ mkdir -p "{directory}/${{2%/*}}"; cp "{source}" "{directory}/$2"; }}
esac
exec {contrib}/exec-directory {directory} "$@"
"""


class Overtaken:
    """A store into which someone else brings an object whenever it is asked to take one of its name.

    ``section`` is for the configuration; kept in ``directory``.
    """

    def __init__(self):
        home = new_directory("overtaken")
        self.directory = home / "store"
        self._script = home / "command"
        self.section = {"url": f"exec:{self._script}"}
        self.by("nothing", "/dev/null")

    def by(self, name, source):
        text = SCRIPT.format(name=name, directory=self.directory, source=source, contrib=CONTRIB)
        new = self._script.with_name("new")
        new.write_text(text, encoding="utf-8")
        new.chmod(0o755)
        new.rename(self._script)

    def find(self, name):
        return next(self.directory.rglob(name), None)


def missed(repo):
    """How many files the stores are remembered to lack."""
    found = 0
    for path in repo.state_directory.rglob("behind"):
        lines = path.read_text(encoding="ascii").splitlines()
        found += sum(int(line.split(" = ")[1]) for line in lines if line.startswith("missed = "))
    return found


# -- someone was faster --


def test_wal_that_someone_else_brought_is_compared_and_not_counted():
    offsite = Overtaken()
    pg, repo, wal = several(sections={"offsite": offsite.section})
    push(repo, wal[0], "--store", "local", "--required", "1").expect(0)
    offsite.by(wal[0], repo.only("local").object_path(wal[0]))
    result = sync(repo)
    assert "brought 0 WAL files" in result.out and "brought: " not in result.err, result
    assert offsite.find(wal[0])
    # Other content that comes so is told as if it had been there before.
    history = pg.data / "pg_wal/00000002.history"
    for store, text in (("offsite", "two"), ("local", "one")):
        history.write_text(f"1\t0/5000000\t{text}\n", encoding="ascii")
        push(repo, history.name, "--store", store, "--required", "1").expect(0)
        if store == "offsite":
            other = offsite.find(history.name).rename(offsite.directory.with_name("other"))
    offsite.by(history.name, other)
    result = sync(repo, status=1)
    assert "other content" in result.err and "brought 0 WAL files" in result.out, result
    assert "brought: " not in result.err, result


def cluster_with_backup(sections=None):
    """Two stores, of which one has a backup and WAL, the other none; the cluster is stopped."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off", wal_keep_size="256MB")
    repo = SeveralStores(pg, sections=sections, timeout="20s", archive_wait="20s", required="any")
    pg.configure(archive_mode="on", archive_command=repo.archive_command("--store", "local"))
    pg.start()
    repo.init()
    repo.run("basebackup", "--fast", "--store", "local", "--required", "1").expect(0)
    pg.archive_all()
    pg.stop()
    (directory,) = (repo.system_directory() / "backup").iterdir()
    # It is not as new as what a sync brings: the exec store's times are whole seconds.
    for path in directory.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)
    return repo, directory


def test_a_backup_that_someone_else_brings_is_looked_at_and_not_counted():
    offsite = Overtaken()
    repo, local = cluster_with_backup({"offsite": offsite.section})
    cut = repo.directory / "cut"
    cut.write_bytes((local / "pack-000001").read_bytes()[:-1])
    offsite.by("pack-000001", cut)
    result = sync(repo, status=1)
    assert "another one of this name" in result.err and not offsite.find("manifest"), result
    offsite.find("pack-000001").unlink()
    offsite.by("manifest", local / "manifest")
    result = sync(repo)
    assert " and 0 backups" in result.out and "brought: backup" not in result.err, result
    assert offsite.find("manifest").read_bytes() == (local / "manifest").read_bytes()


# -- what is left for later --


def test_a_backup_finished_since_the_sync_began_is_left_alone_and_the_lag_remembered():
    repo, local = cluster_with_backup()
    back = repo.take_down("offsite")
    name = max(path.name for path in local.parents[1].glob("wal/0*/*/*") if len(path.name) == 24)
    push(repo, name).expect(0)
    back()
    assert missed(repo) == 1
    # As if basebackup were at it there, and had just finished here.
    offsite = repo.only("offsite").system_directory() / "backup" / local.name
    offsite.mkdir(parents=True)
    (offsite / "begin").write_bytes((local / "begin").read_bytes())
    os.utime(local / "manifest", (time.time() + 60,) * 2)
    result = sync(repo)
    assert "left 1 backups that may come by themselves" in result.out, result
    assert [path.name for path in offsite.iterdir()] == ["begin"]
    assert missed(repo) == 1
    # Nobody finishes it; the lag is over when it is there.
    result = sync(repo, "--max-lag", "1s")
    assert (offsite / "manifest").exists() and missed(repo) == 0, result


def test_a_sync_of_a_part_of_the_stores_does_not_end_the_lag():
    _, repo, wal = several(("local", "offsite", "third"), required="any")
    back = repo.take_down("offsite")
    push(repo, wal[0]).expect(0)
    push(repo, wal[1], "--store", "local", "--required", "1").expect(0)
    back()
    assert missed(repo) == 1
    sync(repo, "--from", "third", "--to", "offsite")
    assert repo.holders(wal[0]) == ["local", "offsite", "third"] and missed(repo) == 1
    sync(repo, "--store", "offsite,third")
    assert repo.holders(wal[1]) == ["local"] and missed(repo) == 1
    sync(repo)
    assert repo.holders(wal[1]) == ["local", "offsite", "third"] and missed(repo) == 0
