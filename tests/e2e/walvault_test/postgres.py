# SPDX-License-Identifier: PostgreSQL
"""A PostgreSQL cluster of any supported major, on a unix socket of its own."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg2

from . import processes
from .cases import at_end, new_directory
from .installed import client_program, server_programs
from .programs import clean_environment, run_program, sanitizer_complaint
from .waiting import wait_until
from .wal import MIB, SEGMENT_NAME, parse_lsn, segment_name

PORT = 5432  # names the socket file only; nothing listens on a network
STOP_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

# Durability of the *server* against a crash of the machine is nothing these tests
# look at, and without fsync a cluster starts and stops in a fraction of the time.
# Dynamic shared memory lies in the data directory: a killed server leaves it behind.
BASE_SETTINGS = {
    "port": PORT,
    "listen_addresses": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
    "max_connections": 30,
    "max_wal_senders": 5,
    "wal_level": "replica",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}


class ServerDied(AssertionError):
    """The server ended when it should have come up; the message has its log."""


def _run_initdb(major, directory, segsize_mib, options):
    run_program(
        server_programs(major) / "initdb",
        *("-D", directory, "-U", "postgres", "-A", "trust", "-N"),
        *("--locale=C", "-E", "UTF8", f"--wal-segsize={segsize_mib}"),
        *options,
    ).expect()


def made_once(name, make):
    """The directory that ``make(directory)`` made when it was first asked for by this name.

    It lasts for the whole run of the tests, whichever test asks first.
    """
    home = Path(os.environ.get("WALVAULT_TEST_TEMPLATES") or new_directory("templates"))
    template = home / name
    with open(home / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            unfinished = template.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(template)
    return template


def _template(major, segsize_mib, options):
    """A cluster as initdb leaves it, made once per run of the tests."""
    variant = hashlib.md5(repr(options).encode()).hexdigest()[:8]
    return made_once(
        f"{major}-{segsize_mib}-{variant}",
        lambda directory: _run_initdb(major, directory, segsize_mib, options),
    )


def _quoted(value):
    return "'" + str(value).replace("'", "''") + "'"


def connect(socket_directory, **options):
    """A psycopg2 connection to the server with that socket, in autocommit mode."""
    options = {"dbname": "postgres", "user": "postgres", **options}
    connection = psycopg2.connect(host=str(socket_directory), port=PORT, **options)
    connection.autocommit = True
    return connection


def ask(socket_directory, statement, arguments):
    """Runs one statement in a connection of its own; its rows, if it has any."""
    connection = connect(socket_directory)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


class Postgres:
    """One data directory and, while it runs, its server.

    Made by ``Postgres.create`` or by restoring a BaseCopy. Settings are given as
    keyword arguments anywhere; they are written to a file of their own that
    postgresql.conf includes last. ``environment`` is added to the server's, and
    ``launcher`` is a command that executes the one given after it. Servers still
    running when the test ends are stopped then.
    """

    def __init__(self, major, data, segsize, **settings):
        self.major = major
        self.data = Path(data)
        self.segsize = segsize
        self.bin = server_programs(major)
        self.log_path = self.data.with_name(self.data.name + ".log")
        self.socket_directory = self.data.parent
        self.environment = {}
        self.launcher = ()
        self.settings = dict(BASE_SETTINGS)
        self.sysid = self._read_sysid()
        self._server = None
        self.configure(**{**settings, "unix_socket_directories": self.socket_directory})
        at_end(self._end)

    @classmethod
    def create(cls, major, segsize_mib=16, initdb=(), own_sysid=False, **settings):
        """A new cluster, not started.

        Clusters of one major are copies of one template and therefore share
        their system identifier; ``own_sysid`` runs initdb for this one alone.
        """
        data = new_directory(f"pg{major}") / "data"
        if own_sysid:
            _run_initdb(major, data, segsize_mib, tuple(initdb))
        else:
            template = _template(major, segsize_mib, tuple(initdb))
            shutil.copytree(template, data, symlinks=True)
        with open(data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write("include_if_exists = 'test.conf'\n")
        return cls(major, data, segsize_mib * MIB, **settings)

    def __repr__(self):
        return f"<Postgres {self.major} {self.data}>"

    def _read_sysid(self):
        """The system identifier, as decimal text."""
        with open(self.data / "global/pg_control", "rb") as control:
            return str(int.from_bytes(control.read(8), "little"))

    # -- configuration --

    def configure(self, **settings):
        """Changes settings in the file (None removes one); see also reload()."""
        self.settings.update(settings)
        lines = [
            f"{name} = {_quoted(value)}\n"
            for name, value in self.settings.items()
            if value is not None
        ]
        (self.data / "test.conf").write_text("".join(lines), encoding="utf-8")

    def reload(self, **settings):
        """Makes the running server read its changed settings."""
        self.configure(**settings)
        self.sql("SELECT pg_reload_conf()")

    # -- the server's life --

    @property
    def pid(self):
        """The postmaster's pid, or None when it does not run."""
        if self._server is None or self._server.poll() is not None:
            return None
        return self._server.pid

    def start(self, wait=True, timeout=120):
        """Starts the server; waits until it takes connections.

        Raises ServerDied if it ends instead. With ``wait=False`` returns at once.
        """
        assert self.pid is None, f"{self} is running already"
        with open(self.log_path, "ab") as log:
            self._server = subprocess.Popen(
                [*self.launcher, self.bin / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=clean_environment(**self.environment),
            )
        if wait:
            self.wait_ready(timeout)
        return self

    def _pid_file(self):
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _status(self):
        """What the postmaster says of itself: starting, standby, ready, stopping; or None.

        A hot standby is "ready"; "standby" is one that takes no connections.
        """
        if self.pid is None:
            raise ServerDied(f"{self} ended:\n{self.log_tail()}")
        lines = self._pid_file()
        if len(lines) < 8 or lines[0] != str(self.pid):
            return None  # not yet written, or a killed predecessor's
        return lines[7].strip()

    def wait_ready(self, timeout=120):
        """Waits until connections are taken, in recovery or not."""
        wait_until(
            lambda: self._status() == "ready",
            lambda: f"{self} to start:\n{self.log_tail()}",
            timeout,
        )

    def wait_exit(self, timeout=120):
        """Waits until the server ends by itself; its exit status."""
        try:
            return self._server.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} still runs:\n{self.log_tail()}") from None

    def stop(self, mode="fast", timeout=120):
        """Stops the server and waits for its end; fine when it does not run."""
        if self.pid is not None:
            self._server.send_signal(STOP_SIGNALS[mode])
            self.wait_exit(timeout)

    def kill(self):
        """SIGKILL for the postmaster and everything below it, as in a crash."""
        pid = self.pid
        if pid is not None:
            family = [pid, *processes.descendants(pid)]
            processes.kill_all(family)
            self._server.wait()
            wait_until(
                lambda: not processes.any_alive(family), f"the killed processes of {self} to end"
            )

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def destroy(self):
        """Ends the server as a lost machine would, and deletes its data directory."""
        self.kill()
        self._remove_shared_memory()
        shutil.rmtree(self.data)

    def _remove_shared_memory(self):
        """Frees the System V segment that a killed postmaster leaves for its successor."""
        lines = self._pid_file()
        if len(lines) >= 7:
            run_program("ipcrm", "-m", lines[6].split()[1])

    def promote(self):
        """Promotes a standby and waits until it takes writes."""
        self.sql("SELECT pg_promote(false)")
        self.wait_promoted()
        return self

    def promote_in_place(self, mode="fast", **settings):
        """Stops the server and lets it go on, as a standby that is promoted at once.

        After mode "immediate" the new timeline forks in the segment being written.
        """
        self.stop(mode)
        (self.data / "standby.signal").touch()
        self.configure(**settings)
        self.start()
        self.promote()

    def wait_promoted(self, timeout=120):
        """Waits until recovery has ended and writes are taken."""
        wait_until(
            self._takes_writes, lambda: f"{self} to end recovery:\n{self.log_tail()}", timeout
        )
        return self

    def _takes_writes(self):
        if self._status() != "ready":
            return False
        try:
            return not self.value("SELECT pg_is_in_recovery()")
        except psycopg2.OperationalError:
            return False  # it is ending, as the next look at its status will tell

    def _end(self):
        """At the test's end: stop quickly, and fail for what a sanitizer logged."""
        self.kill()
        self._remove_shared_memory()
        complaint = sanitizer_complaint(self.log())
        assert complaint is None, f"in the log of {self}: {complaint}"

    # -- talking to it --

    def connect(self, **options):
        """A psycopg2 connection, in autocommit mode."""
        return connect(self.socket_directory, **options)

    def sql(self, statement, *arguments):
        """Runs one statement in a connection of its own; its rows, if it has any."""
        return ask(self.socket_directory, statement, arguments)

    def value(self, statement, *arguments):
        """The first column of the first row."""
        return self.sql(statement, *arguments)[0][0]

    def conninfo(self):
        return f"host={self.socket_directory} port={PORT} user=postgres dbname=postgres"

    def pgbench(self, *options):
        """Runs Debian's pgbench against this server to its end."""
        return run_program(client_program("pgbench"), *options, self.conninfo()).expect()

    # -- its log --

    def log(self):
        """All that the server and the programs it ran have written."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def log_tail(self, lines=60):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, text, timeout=60):
        """Waits until ``text`` stands in the log."""
        wait_until(
            lambda: text in self.log(),
            lambda: f"{text!r} in the log of {self}:\n{self.log_tail()}",
            timeout,
        )

    # -- its WAL --

    def timeline(self):
        """The timeline that is being written."""
        return int(self.value("SELECT pg_walfile_name(pg_current_wal_lsn())")[:8], 16)

    def current_lsn(self):
        return parse_lsn(self.value("SELECT pg_current_wal_insert_lsn()"))

    def write_wal(self):
        """Adds one record that belongs to no transaction."""
        self.sql("SELECT pg_logical_emit_message(false, 'walvault', '')")

    def switch_wal(self):
        """Closes the segment being written, which is never empty; its name."""
        self.write_wal()
        timeline = self.timeline()
        end = parse_lsn(self.value("SELECT pg_switch_wal()"))
        return segment_name(timeline, end - 1, self.segsize)

    def archiver(self):
        """pg_stat_archiver's only row, as a dictionary."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM pg_stat_archiver")
                columns = [column.name for column in cursor.description]
                return dict(zip(columns, cursor.fetchone()))
        finally:
            connection.close()

    def wait_archived(self, segment, timeout=120):
        """Waits until the archiver has reported ``segment`` as archived.

        Segments of one timeline are archived in order, so a later one will do.
        """

        done = self.data / "pg_wal/archive_status" / f"{segment}.done"

        def archived():
            last = self.archiver()["last_archived_wal"] or ""
            reached = last[:24] if not last.endswith(".partial") else ""
            return done.exists() or (SEGMENT_NAME.fullmatch(reached) and reached >= segment)

        wait_until(
            archived,
            lambda: f"{segment} to be archived: {self.archiver()}\n{self.log_tail()}",
            timeout,
        )

    def archive_all(self):
        """Closes the current segment and waits until it is archived; its name."""
        segment = self.switch_wal()
        self.wait_archived(segment)
        return segment
