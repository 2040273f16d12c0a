# SPDX-License-Identifier: PostgreSQL
"""Backups taken, clusters destroyed and brought back by pitr-restore."""

import shutil
from pathlib import Path

from . import processes
from .cases import at_end, new_directory
from .postgres import Postgres, ask
from .repository import Repository
from .waiting import wait_until


def archived_cluster(major, **settings):
    """A running, archiving cluster and its repository."""
    pg = Postgres.create(major, **{"segsize_mib": 1, "autovacuum": "off", **settings})
    repo = Repository(pg)
    repo.enable_archiving()
    pg.start()
    repo.init()
    return pg, repo


def small_cluster(**settings):
    """The same with one database instead of three: few files, few system calls."""
    pg, repo = archived_cluster(15, **settings)
    pg.sql("UPDATE pg_database SET datistemplate = false WHERE datname LIKE 'template%'")
    for name in ("template0", "template1"):
        pg.sql(f"DROP DATABASE {name}")
    pg.sql("CREATE TABLE t AS SELECT i FROM generate_series(1, 100) i")
    pg.sql("CHECKPOINT")
    pg.archive_all()
    return pg, repo


def take_backup(repo, *options):
    """A base backup of the repository's cluster; its id."""
    result = repo.run("basebackup", "--fast", "--conninfo", repo.pg.conninfo(), *options)
    return result.expect(0).out.split()[0]


def new_data_directory():
    """A path for a data directory that does not exist yet."""
    return new_directory("restored") / "data"


class Started:
    """A server that ``pitr-restore --start`` left running, or stopped."""

    def __init__(self, destination, report):
        self.destination = Path(destination)
        self.report = report
        self.server = report["server"]
        self.major = report["backup"]["major"]
        if self.server["running"]:
            at_end(self.stop)

    @property
    def socket_directory(self):
        return self.server["socket_directory"]

    def sql(self, statement, *arguments):
        return ask(self.socket_directory, statement, arguments)

    def value(self, statement, *arguments):
        return self.sql(statement, *arguments)[0][0]

    def log(self):
        return Path(self.server["log"]).read_text(encoding="utf-8", errors="replace")

    def stop(self):
        """Ends the server and everything below it at once."""
        if self.server["running"]:
            pid = self.server["pid"]
            family = [pid, *processes.descendants(pid)]
            processes.kill_all(family)
            wait_until(lambda: not processes.any_alive(family), "the restored server to end")
            self.server["running"] = False
            shutil.rmtree(self.socket_directory, ignore_errors=True)


def restore(repo, *options, destination=None, **run_options):
    """Runs ``pitr-restore``; its Result and the data directory."""
    destination = destination or new_data_directory()
    return repo.run("pitr-restore", *options, destination, **run_options), destination


def restore_and_start(repo, *options, destination=None, **run_options):
    """``pitr-restore --start`` that must succeed; a Started."""
    result, destination = restore(
        repo,
        *("--start", "--json", "--bindir", repo.pg.bin),
        *options,
        destination=destination,
        **run_options,
    )
    return Started(destination, result.expect(0).json())


def plan(repo, *options, status=0):
    """What ``pitr-restore --plan --json`` says."""
    return repo.run("pitr-restore", "--plan", "--json", *options).expect(status).json()


def as_postgres(repo, destination, **settings):
    """A restored data directory as a Postgres that the test starts itself."""
    return Postgres(repo.pg.major, destination, repo.pg.segsize, **settings)
