# SPDX-License-Identifier: PostgreSQL
"""A base copy of a running cluster, by PostgreSQL's low-level backup API.

pg_basebackup 15 serves no server newer than itself, and the majors from npm come
without one; copying the files between pg_backup_start and pg_backup_stop works
everywhere. The copy has no WAL: recovery must fetch all of it.
"""

import shutil
from pathlib import Path

from .cases import new_directory
from .postgres import Postgres
from .wal import parse_lsn, segment_name

# PostgreSQL's documentation, "Making a Base Backup Using the Low Level API":
# these are rebuilt at start or belong to the running server alone.
EMPTIED_DIRECTORIES = {
    "pg_dynshmem",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_wal",
}
EXCLUDED_FILES = {"postmaster.pid", "postmaster.opts", "pg_control"}


def _start_backup(cursor, major, label):
    function = "pg_backup_start(%s, true)"
    if major < 15:
        function = "pg_start_backup(%s, true, false)"
    cursor.execute(f"SELECT {function}", (label,))
    return parse_lsn(cursor.fetchone()[0])


def _stop_backup(cursor, major):
    """The stop LSN and the bytes of backup_label; the archive is not waited for."""
    function = "pg_backup_stop(false)" if major >= 15 else "pg_stop_backup(false, false)"
    cursor.execute(f"SELECT lsn, labelfile FROM {function}")
    lsn, label = cursor.fetchone()
    return parse_lsn(lsn), label


def _copy_file(source, destination):
    try:
        shutil.copy2(source, destination)
    except FileNotFoundError:
        pass  # dropped since the directory was read; its WAL tells


def _copy_data_directory(source, destination):
    def ignore(directory, names):
        if Path(directory).parent == source and Path(directory).name in EMPTIED_DIRECTORIES:
            return names
        return EXCLUDED_FILES.intersection(names)

    shutil.copytree(source, destination, ignore=ignore, copy_function=_copy_file)
    (destination / "pg_wal/archive_status").mkdir()
    # Last: its checkpoint must not be newer than what the other files hold.
    _copy_file(source / "global/pg_control", destination / "global/pg_control")


class BaseCopy:
    """A finished base copy; any number of clusters can be restored from it."""

    def __init__(self, pg, label="walvault test"):
        self.major = pg.major
        self.segsize = pg.segsize
        self.timeline = pg.timeline()
        self.settings = {
            name: value
            for name, value in pg.settings.items()
            if not name.startswith("recovery_target")
        }
        self.directory = new_directory("base") / "data"
        connection = pg.connect()  # one session must last from start to stop
        try:
            with connection.cursor() as cursor:
                self.start_lsn = _start_backup(cursor, pg.major, label)
                _copy_data_directory(pg.data, self.directory)
                self.stop_lsn, backup_label = _stop_backup(cursor, pg.major)
        finally:
            connection.close()
        (self.directory / "backup_label").write_text(backup_label, encoding="utf-8")

    @property
    def last_segment(self):
        """The segment without which the copy is not consistent."""
        return segment_name(self.timeline, self.stop_lsn - 1, self.segsize)

    def restore(self, repo, signal="recovery.signal", **settings):
        """A cluster on a copy of the files, not started, that recovers from ``repo``.

        It has the settings of the cluster that was copied, but recovery ends by
        promotion and it does not archive, unless the settings given say otherwise.
        """
        data = new_directory("restored") / "data"
        shutil.copytree(self.directory, data, symlinks=True)
        data.chmod(0o700)
        (data / signal).touch()
        settings = {
            **self.settings,
            "restore_command": repo.restore_command(),
            "recovery_target_action": "promote",
            "archive_mode": "off",
            **settings,
        }
        return Postgres(self.major, data, self.segsize, **settings)

    def bring_fork_segments(self, repo, data, timeline):
        """The parents' copies of the segments with a fork, as walfetch(1) tells to."""
        if timeline == 1:
            return
        history = data.parent / "history"
        repo.walfetch(f"{timeline:08X}.history", history, cwd=data).expect(0)
        lines = [line.split() for line in history.read_text().splitlines() if line.strip()]
        ancestors = [(int(line[0]), parse_lsn(line[1])) for line in lines]
        for parent, switch in ancestors:
            start = switch - switch % self.segsize
            if switch == start or start + self.segsize <= self.start_lsn:
                continue
            later = [tli for tli, end in ancestors if end >= start + self.segsize]
            child = segment_name(min([*later, timeline]), start, self.segsize)
            path = f"pg_wal/{segment_name(parent, start, self.segsize)}"
            repo.walfetch(child, path, cwd=data).expect(0)

    def recover(self, repo, **settings):
        """Restores, starts, and waits until recovery has ended by promotion."""
        return self.restore(repo, **settings).start().wait_promoted()
