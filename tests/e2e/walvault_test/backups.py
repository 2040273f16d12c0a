# SPDX-License-Identifier: PostgreSQL
"""Base backups, seen with stock tools: lz4 and tar read packs, json the manifest."""

import json
import shutil
import subprocess

from .cases import new_directory
from .postgres import Postgres
from .wal import parse_lsn

PART_SUFFIX = ".walvault-part-"


def take_backup(repo, *options, status=0, **arguments):
    """Runs basebackup to its end; the Backup it made."""
    words = ("--fast", "--json", "--conninfo", repo.pg.conninfo(), *options)
    result = repo.run("basebackup", *words, **arguments).expect(status)
    return Backup(repo, result.json(), result)


def refused_backup(repo, *options, status=1, **arguments):
    """Runs basebackup, which must fail and publish nothing; its Result."""
    words = ("--fast", "--conninfo", repo.pg.conninfo(), *options)
    result = repo.run("basebackup", *words, **arguments).expect(status)
    assert result.out == "", result
    assert published(repo) == [], "a failed backup left a manifest"
    return result


def backup_directories(repo):
    """Where backups, or what is left of them, are."""
    return sorted((repo.system_directory() / "backup").glob("*"))


def published(repo):
    """The ids of backups that have a manifest."""
    return [path.name for path in backup_directories(repo) if (path / "manifest").exists()]


def unlz4(path):
    """What stock lz4 makes of an object."""
    done = subprocess.run(["lz4", "-dc", path], stdout=subprocess.PIPE, check=True)
    return done.stdout


def _join_parts(directory):
    """Members of large files become the files: cat in the order of their names."""
    for first in sorted(directory.rglob(f"*{PART_SUFFIX}000001")):
        whole = first.with_name(first.name.split(PART_SUFFIX)[0])
        with open(whole, "wb") as out:
            for part in sorted(first.parent.glob(f"{whole.name}{PART_SUFFIX}*")):
                with open(part, "rb") as data:
                    shutil.copyfileobj(data, out)
                part.unlink()


class Backup:
    """A finished backup; ``facts`` are what basebackup --json told of it."""

    def __init__(self, repo, facts, result):
        self.repo = repo
        self.facts = facts
        self.result = result
        self.id = facts["id"]
        self.start_lsn = parse_lsn(facts["start_lsn"])
        self.stop_lsn = parse_lsn(facts["stop_lsn"])
        self.directory = repo.system_directory() / "backup" / self.id
        lines = unlz4(self.directory / "manifest").decode().splitlines()
        self.lines = [json.loads(line) for line in lines]
        self.head, self.end = self.lines[0], self.lines[-1]

    def packs(self):
        return sorted(self.directory.glob("pack-*"))

    def entries(self):
        """{path: entry of the manifest}"""
        return {line["p"]: line for line in self.lines if "p" in line}

    def paths(self, kind="f"):
        """Paths of files (or "d", "l"), in the order of the manifest."""
        return [line["p"] for line in self.lines if line.get("t") == kind]

    def unpack(self, directory=None):
        """All packs through ``lz4 -dc | tar x``; the directory."""
        directory = directory or new_directory("unpacked") / "data"
        directory.mkdir(mode=0o700)
        for pack in self.packs():
            with subprocess.Popen(["lz4", "-dc", pack], stdout=subprocess.PIPE) as lz4:
                subprocess.run(["tar", "x", "-C", directory], stdin=lz4.stdout, check=True)
            assert lz4.returncode == 0
        _join_parts(directory)
        return directory

    def _move_tablespaces(self, data):
        """What tar made directories of become links again, to new places."""
        (data / "tablespace_map").unlink(missing_ok=True)
        for path in self.paths("l"):
            if path.startswith("pg_tblspc/"):
                place = new_directory("tablespace") / "moved"
                shutil.move(data / path, place)
                (data / path).symlink_to(place)

    def restore(self, **settings):
        """A cluster on the unpacked files, not started, that recovers from the repository.

        Tablespaces are moved beside it; recovery ends by promotion.
        """
        pg = self.repo.pg
        data = self.unpack()
        self._move_tablespaces(data)
        (data / "recovery.signal").touch()
        settings = {
            **pg.settings,
            "restore_command": self.repo.restore_command(),
            "recovery_target_timeline": "latest",
            "recovery_target_action": "promote",
            "archive_mode": "off",
            **settings,
        }
        return Postgres(pg.major, data, pg.segsize, **settings)

    def recover(self, **settings):
        """Restores, starts, and waits until recovery has ended."""
        return self.restore(**settings).start().wait_promoted()


def check_relations(pg):
    """amcheck over all heaps (from 14 on) and btree indexes of one database."""
    pg.sql("CREATE EXTENSION IF NOT EXISTS amcheck")
    pg.sql(
        "SELECT bt_index_check(c.oid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relpersistence = 'p'"
        " AND i.indisready AND i.indisvalid"
    )
    if pg.major >= 14:
        found = pg.sql(
            "SELECT c.relname, v.* FROM pg_class c, LATERAL verify_heapam(c.oid) v"
            " WHERE c.relkind IN ('r', 't', 'm') AND c.relpersistence = 'p'"
        )
        assert found == [], found


def check_pgbench(pg):
    """The balances of pgbench's tables agree."""
    sums = pg.sql(
        "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),"
        " (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)"
    )[0]
    assert len(set(sums)) == 1, sums
