# SPDX-License-Identifier: PostgreSQL
"""Files of another user in a cluster, and programs that are run as one."""

import os
import pwd

from walvault_test import Postgres, Repository
from walvault_test.asroot import run_as_root, with_root
from walvault_test.backups import backup_directories, published, refused_backup, take_backup
from walvault_test.programs import program


def archived_cluster():
    """A running cluster that archives into a new repository."""
    pg = Postgres.create(15)
    repo = Repository(pg)
    repo.enable_archiving()
    repo.init()
    pg.start()
    return pg, repo


def give_to_root(path, mode):
    run_as_root("chown", "root", path).expect()
    run_as_root("chmod", mode, path).expect()


def give_back(path):
    run_as_root("chown", str(os.geteuid()), path).expect()


# -- what a backup cannot read --


@with_root
def test_what_the_server_needs_but_only_root_may_read_fails_the_backup():
    pg, repo = archived_cluster()
    pg.sql("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
    pg.sql("CREATE DATABASE other")
    pg.sql("CHECKPOINT")
    user = pwd.getpwuid(os.geteuid()).pw_name
    database = pg.value("SELECT oid FROM pg_database WHERE datname = 'other'")
    for path, mode in (
        (pg.value("SELECT pg_relation_filepath('t')"), "0600"),
        (f"base/{database}", "0700"),
        ("pg_xact/0000", "0600"),
        ("postgresql.auto.conf", "0600"),
    ):
        give_to_root(pg.data / path, mode)
        try:
            result = refused_backup(repo)
        finally:
            give_back(pg.data / path)
        last = result.err.splitlines()[-2]
        assert f"{pg.data / path}: " in last and "user root" in last, result
        assert f"chown {user} {pg.data / path}" in last, result
        for directory in backup_directories(repo):
            assert [entry.name for entry in directory.iterdir()] == ["begin"]
    assert take_backup(repo).result.err.count("not in the backup") == 0


@with_root
def test_what_cannot_be_the_servers_is_left_out_with_a_warning():
    pg, repo = archived_cluster()
    foreign = ("lost+found", "base/lost+found", "notes", "some.key")
    for path, mode in zip(foreign, ("0700", "0700", "0700", "0600")):
        (pg.data / path).mkdir() if mode == "0700" else (pg.data / path).touch()
        give_to_root(pg.data / path, mode)
    backup = take_backup(repo)
    for path in foreign:
        assert f"not in the backup: {pg.data / path}: " in backup.result.err, backup.result
    assert not set(foreign) & set(backup.paths())


# -- what root leaves to the cluster's user --


def as_root(repo, name, *words):
    environment = {"WALVAULT_CONFIG": str(repo.config)}
    return run_as_root(program(name), *words, env=environment, cwd=repo.pg.data).expect(0)


def assert_all_is_the_users(repo):
    """Store and state_dir hold nothing that the cluster's user does not own."""
    me = (os.geteuid(), os.getegid())
    for top in (repo.store, repo.state_directory):
        for path in (top, *top.rglob("*")):
            found = path.lstat()
            assert (found.st_uid, found.st_gid) == me, f"{path}: of {found.st_uid}:{found.st_gid}"


@with_root
def test_what_root_stores_belongs_to_the_owner_of_the_store():
    pg = Postgres.create(15)
    repo = Repository(pg)
    as_root(repo, "walvault", "init")
    assert_all_is_the_users(repo)
    pg.configure(archive_mode="on", archive_command="/bin/false")
    pg.start()
    first = pg.switch_wal()
    as_root(repo, "walpush", f"pg_wal/{first}")
    assert_all_is_the_users(repo)
    pg.reload(archive_command=repo.archive_command())
    pg.wait_archived(pg.switch_wal())
    as_root(repo, "basebackup", "--fast", "--conninfo", pg.conninfo())
    [backup] = published(repo)
    as_root(repo, "walvault", "hold", backup)
    as_root(repo, "walvault", "verify")
    as_root(repo, "walvault", "info")
    assert_all_is_the_users(repo)
    # And the user goes on in what root began.
    repo.walvault("release", backup).expect(0)
    take_backup(repo)
    repo.walvault("expire", "--keep-full", "1").expect(0)
    assert published(repo) != [backup]
    take_backup(repo).recover()


@with_root
def test_root_makes_no_state_directory_that_shuts_the_user_out():
    pg, repo = archived_cluster()
    there = repo.state_directory / "made" / "later"
    repo.configure(state_dir=there)
    pg.archive_all()
    (pg.data / "fetched").mkdir()
    as_root(repo, "walvault", "info")
    as_root(repo, "basebackup", "--fast", "--conninfo", pg.conninfo())
    there.parent.mkdir()
    as_root(repo, "walvault", "verify")
    as_root(repo, "basebackup", "--fast", "--conninfo", pg.conninfo())
    assert "going on without" not in take_backup(repo).result.err
    assert_all_is_the_users(repo)
