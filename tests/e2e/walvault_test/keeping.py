# SPDX-License-Identifier: PostgreSQL
"""Clusters with several backups and WAL between them, for expire and its like."""

import os
import shutil

from .postgres import Postgres
from .repository import Repository


def server(major=15, **options):
    """A running server of small segments that archives; its repository."""
    pg = Postgres.create(major, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, archive_wait="60s", **options)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (v int)")
    return pg, repo


def write(pg, segments=2):
    """Some archived segments; their names."""
    names = []
    for _ in range(segments):
        pg.sql("INSERT INTO t SELECT g FROM generate_series(1, 100) g")
        names.append(pg.switch_wal())
    pg.wait_archived(names[-1])
    return names


def backup(pg, repo, *options):
    before = set(ids(repo))
    repo.run("basebackup", "--fast", "--conninfo", pg.conninfo(), *options, timeout=200).expect(0)
    (new,) = set(ids(repo)) - before
    return new


def ids(repo):
    """The complete backups, oldest first."""
    found = repo.system_directory().glob("backup/*/manifest")
    return [path.parent.name for path in sorted(found, key=lambda path: path.stat().st_mtime)]


def backed_up(count=4, **options):
    """A server, its repository, its backups with WAL between them."""
    pg, repo = server(**options)
    found = []
    for _ in range(count):
        write(pg)
        found.append(backup(pg, repo))
    write(pg)
    return pg, repo, found


def expire(repo, *options, status=0, **more):
    result = repo.walvault("expire", "--json", *options, **more).expect(status)
    return result.json()["stores"][0]


def verify(repo, *options, status=0):
    result = repo.walvault("verify", "--json", *options).expect(status)
    return result.json()["stores"][0]["findings"]


def copy_of(repo):
    """The same repository again, to be harmed; the objects are links."""
    copy = Repository(repo.pg)
    shutil.rmtree(copy.store)
    shutil.copytree(repo.store, copy.store, copy_function=os.link)
    return copy
