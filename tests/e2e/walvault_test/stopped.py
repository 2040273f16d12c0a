# SPDX-License-Identifier: PostgreSQL
"""Real WAL without a running server, for tests that push and fetch by hand."""

import os
import shutil
import time

from .cases import new_directory
from .postgres import Postgres, made_once
from .repository import Repository
from .wal import MIB

SEGMENTS = 5


def _make(major, directory):
    """Writes a cluster with some closed segments into ``directory``."""
    pg = Postgres.create(major, segsize_mib=1, autovacuum="off", wal_keep_size="256MB")
    pg.start()
    pg.sql("CREATE TABLE filler (n int, t text)")
    names = []
    for n in range(SEGMENTS):
        pg.sql("INSERT INTO filler SELECT %s, md5(g::text) FROM generate_series(1, 500) g", n)
        names.append(pg.switch_wal())
    pg.stop()
    # Whoever writes to WAL has just done so: the last segment is not to look like that.
    for segment in (pg.data / "pg_wal").glob("0*"):
        os.utime(segment, (time.time() - 3600,) * 2)
    shutil.copytree(pg.data, directory, symlinks=True)
    (directory / "segments").write_text("\n".join(names), encoding="ascii")


def stopped_cluster(major=15):
    """A cluster that is not running, and the names of its closed 1 MiB segments.

    Made once per run of the tests; each caller gets a copy of its own. They all
    share one system identifier and hold the same WAL.
    """
    template = made_once(f"stopped-{major}", lambda directory: _make(major, directory))
    data = new_directory(f"pg{major}") / "data"
    shutil.copytree(template, data, symlinks=True)
    names = (data / "segments").read_text(encoding="ascii").split()
    (data / "segments").unlink()
    return Postgres(major, data, MIB, wal_keep_size="256MB", autovacuum="off"), names


def stopped_repository(major=15, push=0, **options):
    """Such a cluster with an initialised repository, holding its first segments."""
    pg, names = stopped_cluster(major)
    repo = Repository(pg, **options)
    repo.init()
    for name in names[:push]:
        repo.walpush(f"pg_wal/{name}").expect(0)
    return pg, repo, names
