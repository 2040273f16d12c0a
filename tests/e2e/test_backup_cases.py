# SPDX-License-Identifier: PostgreSQL
"""basebackup while the server changes what is being read, and while it falls away."""

import errno
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from walvault_test import Postgres, Repository, majors, wait_until
from walvault_test.backups import backup_directories, check_relations, published
from walvault_test.backups import take_backup as whole_backup
from walvault_test.cases import new_directory
from walvault_test.postgres import PORT
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import archived_cluster, restore_and_start, take_backup
from walvault_test.tracer import trace

PAGE = 8192


def traced_backup(repo, on_call, *options):
    """basebackup under the tracer; ``on_call`` may change the cluster between two calls."""
    words = ("--config", repo.config, "--fast", "--conninfo", repo.pg.conninfo())
    words += ("--archive-wait", "20s", *options)
    return trace(on_call, program("basebackup"), *words, timeout=120)


def once(condition, action):
    """A callback for the tracer: acts at the first call that fulfils the condition."""
    done = []

    def on_call(call):
        if not done and condition(call):
            done.append(str(call))
            action()

    on_call.done = done
    return on_call


# -- files that change while they are read --


def damaged(path, block):
    """Damages one page; where, and what was there."""
    with open(path, "r+b") as file:
        file.seek(block * PAGE + 4000)
        good = file.read(8)
        file.seek(block * PAGE + 4000)
        file.write(b"damage!!")
    return block * PAGE + 4000, good


def cluster_with_checksums():
    pg = Postgres.create(15, initdb=("-k",), segsize_mib=1, autovacuum="off")
    repo = Repository(pg)
    repo.enable_archiving()
    repo.init()
    pg.start()
    pg.sql("CREATE TABLE t AS SELECT g, repeat('x', 500) FROM generate_series(1, 2000) g")
    pg.sql("CHECKPOINT")
    return pg, repo, pg.data / pg.value("SELECT pg_relation_filepath('t')")


def torn(path, block):
    """Damages a page until the relation has been read once."""
    offset, good = damaged(path, block)

    def write_the_rest():
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(good)

    return once(
        lambda call: call.result is not None and call.name == "pread64" and call.concerns(path),
        write_the_rest,
    )


def test_a_page_that_is_torn_when_first_read_is_read_again_and_accepted():
    pg, repo, path = cluster_with_checksums()
    before = path.read_bytes()
    on_call = torn(path, 5)
    facts = traced_backup(repo, on_call, "--json").expect(0).json()
    assert on_call.done, "the relation was not read"
    assert facts["bad_pages"] == 0, facts
    started = restore_and_start(repo, "--immediate")
    relation = started.destination / path.relative_to(pg.data)
    assert relation.read_bytes() == before


def test_beside_a_torn_page_the_really_bad_one_is_told():
    pg, repo, path = cluster_with_checksums()
    damaged(path, 9)
    facts = traced_backup(repo, torn(path, 5), "--json").expect(2).json()
    name = str(path.relative_to(pg.data))
    assert facts["bad"] == [{"path": name, "block": 9}], facts
    assert published(repo) == [facts["id"]]


def first_read_of(path):
    """The moment between the opening of a file and its first bytes."""
    return lambda call: call.result is None and call.name == "pread64" and call.concerns(path)


@majors(13, 18)
def test_a_relation_that_is_cut_short_extended_or_dropped_while_it_is_read_does_no_harm(major):
    pg, repo = archived_cluster(major)
    series = "generate_series(1, 3000) g"
    for name in ("cut", "emptied", "dropped", "extended"):
        pg.sql(f"CREATE TABLE {name} AS SELECT g, repeat('x', 500) AS t FROM {series}")
        pg.sql(f"CREATE INDEX ON {name} (g)")
    pg.sql("CHECKPOINT")
    paths = {
        name: pg.data / pg.value("SELECT pg_relation_filepath(%s)", name)
        for name in ("cut", "emptied", "dropped", "extended")
    }
    waiting = {
        "cut": ("DELETE FROM cut WHERE g > 100", "VACUUM cut"),
        "emptied": ("TRUNCATE emptied", "CHECKPOINT"),
        "dropped": ("DROP TABLE dropped", "CHECKPOINT"),
        "extended": (f"INSERT INTO extended SELECT g, 'more' FROM {series}", "CHECKPOINT"),
    }

    def on_call(call):
        for name in [name for name in waiting if first_read_of(paths[name])(call)]:
            for statement in waiting.pop(name):
                pg.sql(statement)

    traced_backup(repo, on_call).expect(0)
    assert waiting == {}, "not all relations were read"
    pg.archive_all()
    expected = pg.sql("SELECT count(*), sum(g) FROM extended")
    pg.destroy()
    started = restore_and_start(repo)
    assert started.sql("SELECT count(*), max(g) FROM cut") == [(100, 100)]
    assert started.sql("SELECT count(*) FROM emptied") == [(0,)]
    assert started.sql("SELECT to_regclass('dropped')") == [(None,)]
    assert started.sql("SELECT count(*), sum(g) FROM extended") == expected
    check_relations(started)


@majors(13, 18)
def test_unlogged_relations_that_come_and_go_during_the_walk_are_no_harm(major):
    pg, repo = archived_cluster(major)
    for number in range(40):
        pg.sql(f"CREATE UNLOGGED TABLE gone{number} (i int PRIMARY KEY)")
    pg.sql("CREATE UNLOGGED TABLE stays AS SELECT 1 AS i")
    database = (pg.data / pg.value("SELECT pg_relation_filepath('stays')")).parent

    def change():
        for number in range(40):
            pg.sql(f"DROP TABLE gone{number}")
            pg.sql(f"CREATE UNLOGGED TABLE new{number} (i int PRIMARY KEY)")
            pg.sql(f"INSERT INTO new{number} VALUES (1)")
        pg.sql("CHECKPOINT")

    on_call = once(
        lambda call: call.result and call.name == "getdents64" and call.concerns(database), change
    )
    traced_backup(repo, on_call).expect(0)
    assert on_call.done
    pg.archive_all()
    pg.destroy()
    started = restore_and_start(repo)
    for name in ("stays", "new0", "new39"):
        assert started.sql(f"SELECT count(*) FROM {name}") == [(0,)], name
        started.sql(f"INSERT INTO {name} VALUES (7)")
    assert started.sql("SELECT to_regclass('gone0')") == [(None,)]
    assert started.sql("SELECT i FROM new0 WHERE i = 7") == [(7,)]


@majors(13, 18)
def test_an_unlogged_index_whose_init_fork_comes_after_the_backup_does_no_harm(major):
    """It is made when the index has been built, which may take hours."""
    pg, repo = archived_cluster(major)
    pg.sql("CREATE UNLOGGED TABLE u AS SELECT g AS i FROM generate_series(1, 1000) g")
    pg.sql(
        "CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN i; END'"
    )
    gate = pg.connect()
    cursor = gate.cursor()
    cursor.execute("SELECT pg_advisory_lock(1)")
    thread = threading.Thread(target=pg.sql, args=("CREATE INDEX late ON u (slow(i))",))
    thread.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    wait_until(lambda: pg.value(waiting) == 1, "the index to be begun")
    take_backup(repo)
    gate.close()
    thread.join()
    pg.archive_all()
    pg.destroy()
    started = restore_and_start(repo)
    assert started.sql("SELECT count(*) FROM u") == [(0,)]
    started.sql("INSERT INTO u VALUES (7)")
    assert started.sql("SELECT i FROM u WHERE slow(i) = 7") == [(7,)]
    check_relations(started)


def test_a_relation_of_two_segments_that_grows_over_the_boundary_comes_back():
    pg, repo = archived_cluster(15)
    pg.sql("CREATE TABLE large (i int, t text)")
    pg.sql("INSERT INTO large SELECT g, repeat('x', 500) FROM generate_series(1, 100) g")
    pg.sql("CHECKPOINT")
    path = pg.data / pg.value("SELECT pg_relation_filepath('large')")
    pg.stop()
    os.truncate(path, (1 << 30) - 4 * PAGE)  # new pages, which take no room on the disk
    pg.start()
    take_backup(repo)
    pg.sql("INSERT INTO large SELECT g, repeat('y', 500) FROM generate_series(1, 1000) g")
    pg.sql("CHECKPOINT")
    second = path.with_name(path.name + ".1")
    assert second.exists() and path.stat().st_size == 1 << 30
    take_backup(repo)
    pg.sql("INSERT INTO large VALUES (0, 'last')")
    pg.archive_all()
    expected = pg.sql("SELECT count(*), sum(i) FROM large")
    pg.destroy()
    started = restore_and_start(repo)
    restored = started.destination / path.relative_to(pg.data)
    assert restored.stat().st_size == 1 << 30
    assert restored.with_name(second.name).stat().st_size >= PAGE
    assert started.sql("SELECT count(*), sum(i) FROM large") == expected


# -- a server that falls away --


def packs_of(repo):
    return [path for path in backup_directories(repo) if any(path.glob("pack-*"))]


@majors(14, 18)
def test_a_session_lost_between_the_last_byte_and_the_stop_is_no_backup(major):
    pg, repo = archived_cluster(major)
    pg.archive_all()
    control = pg.data / "global/pg_control"
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'walvault'"
    )
    ended = []
    on_call = once(
        lambda call: call.result is None
        and call.name == "openat"
        and bool(packs_of(repo))
        and call.concerns(control),
        lambda: ended.append(pg.value(query)),
    )
    result = traced_backup(repo, on_call).expect(1)
    assert ended == [1], "there was no session to end"
    assert "terminat" in result.err or "connection" in result.err, result.err
    assert published(repo) == []
    assert not (pg.data / "backup_label").exists()
    take_backup(repo)


def follower(pg, backup):
    """A hot standby of the cluster, made of one of its backups."""
    standby = backup.restore(recovery_target_action=None, hot_standby="on")
    (standby.data / "recovery.signal").rename(standby.data / "standby.signal")
    standby.configure(primary_conninfo=pg.conninfo())
    return standby.start()


def test_a_standby_that_is_promoted_while_it_is_copied_gives_no_backup():
    pg, repo = archived_cluster(15)
    first = whole_backup(repo)
    standby = follower(pg, first)
    pg.archive_all()
    repo.pg = standby
    repo.configure(pgdata=standby.data)
    on_call = once(
        lambda call: call.name == "pread64" and call.concerns(standby.data / "base"),
        standby.promote,
    )
    result = traced_backup(repo, on_call).expect(1)
    assert on_call.done
    assert "promoted" in result.err, result.err
    assert published(repo) == [first.id]


def test_without_the_segment_of_its_end_a_backup_is_not_published():
    """All that came before has been archived; the last one never comes."""
    pg, repo = archived_cluster(15)
    last = pg.archive_all()

    def stop_archiving():
        pg.configure(archive_command="/bin/false")
        pg.sql("SELECT pg_reload_conf()")
        wait_until(lambda: pg.value("SHOW archive_command") == "/bin/false", "the new command")

    on_call = once(
        lambda call: call.name == "pread64" and call.concerns(pg.data / "base"), stop_archiving
    )
    result = traced_backup(repo, on_call, "--archive-wait", "2s").expect(1)
    assert on_call.done
    assert "was not archived within 2s" in result.err, result.err
    assert published(repo) == []
    missing = re.search(r"no backup: ([0-9A-F]{24}): ", result.err)
    assert missing and missing[1] > last, result.err
    pg.reload(archive_command=repo.archive_command())
    take_backup(repo)


# -- what a person sees --

PROGRESS = re.compile(
    r"(copying|restoring): \d+%, [\d.]+ \S+ of [\d.]+ \S+, [\d.]+ \S+/s, \S+ left"
)


def read_terminal(master):
    """All that is written until the terminal is closed."""
    found = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError as error:
            assert error.errno == errno.EIO, error  # how Linux says that nobody has it open
            return found.decode()
        if not more:
            return found.decode()
        found += more


def writes_a_pack(process):
    """It is in the middle of one: what begins a backup is in the same place, and small."""
    for link in Path(f"/proc/{process.pid}/fd").glob("*"):
        try:
            if ".1/backup/" in os.readlink(link) and link.stat().st_size > 1 << 20:
                return True
        except OSError:
            pass
    return False


def on_terminal(words, has_begun):
    """Runs a program with a terminal as its stderr, held up for a second once it has begun."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env=clean_environment(),
    )
    os.close(slave)
    wait_until(lambda: has_begun(process) or process.poll() is not None, "the program to begin")
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.8)  # twice a second it says how far it is
    process.send_signal(signal.SIGCONT)
    text = read_terminal(master)
    os.close(master)
    assert process.wait() == 0, text
    return text


def test_rate_and_time_left_are_shown_on_a_terminal_and_not_in_a_pipe():
    pg, repo = archived_cluster(15)
    for number in range(8):
        (pg.data / f"bulk{number}").write_bytes(os.urandom(32 << 20))
    words = [program("basebackup"), "--config", repo.config, "--fast", "--jobs", "1"]
    words += ["--conninfo", pg.conninfo()]
    text = on_terminal(words, writes_a_pack)
    assert PROGRESS.search(text), text
    destination = new_directory("restored") / "data"
    words = [program("pitr-restore"), "--config", repo.config, "--jobs", "1", destination]
    text = on_terminal(words, lambda _: (destination / "bulk0").exists())
    assert PROGRESS.search(text), text
    piped = repo.run("basebackup", "--fast", "--conninfo", pg.conninfo()).expect(0)
    assert not PROGRESS.search(piped.err) and "\r" not in piped.err, piped


# -- the server's own manifest --


class Replication:
    """As much of the protocol as it takes to have the server make a base backup."""

    def __init__(self, pg):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{pg.socket_directory}/.s.PGSQL.{PORT}")
        words = b"user\0postgres\0replication\0true\0\0"
        self.socket.sendall(struct.pack("!II", 8 + len(words), 3 << 16) + words)
        self.stream = self.socket.makefile("rb")
        assert self._until(b"Z") == b""

    def _message(self):
        kind, length = struct.unpack("!cI", self.stream.read(5))
        body = self.stream.read(length - 4)
        assert kind != b"E", body
        return kind, body

    def _until(self, end):
        """What copies say of the manifest, until a message of that kind."""
        found, of_manifest = b"", False
        while True:
            kind, body = self._message()
            if kind == end:
                return found
            if kind == b"d" and body[:1] in b"nm":
                of_manifest = body[:1] == b"m"
            elif kind == b"d" and body[:1] == b"d" and of_manifest:
                found += body[1:]

    def manifest(self):
        command = b"BASE_BACKUP (CHECKPOINT 'fast', WAIT 0, MANIFEST 'yes')\0"
        self.socket.sendall(struct.pack("!cI", b"Q", 4 + len(command)) + command)
        return self._until(b"Z")

    def close(self):
        self.stream.close()
        self.socket.close()


def path_of(file):
    return file["Path"].encode() if "Path" in file else bytes.fromhex(file["Encoded-Path"])


@majors(15, 17, 18)
def test_the_manifest_says_of_every_file_what_the_servers_own_says(major):
    pg, repo = archived_cluster(major)
    pg.sql("CREATE TABLE t AS SELECT g, repeat('x', 500) FROM generate_series(1, 5000) g")
    pg.sql("CREATE UNLOGGED TABLE u (i int PRIMARY KEY)")
    with open(os.fsencode(pg.data) + b"/not utf-8 \xff", "wb") as file:
        file.write(b"content")
    pg.sql("VACUUM FREEZE")
    pg.sql("CHECKPOINT")
    connection = Replication(pg)
    theirs = json.loads(connection.manifest())
    connection.close()
    ours = json.loads((whole_backup(repo).unpack() / "backup_manifest").read_bytes())
    assert ours.keys() == theirs.keys()
    for name in ("PostgreSQL-Backup-Manifest-Version", "System-Identifier"):
        assert ours.get(name) == theirs.get(name)
    assert [wal.keys() for wal in ours["WAL-Ranges"]] == [wal.keys() for wal in theirs["WAL-Ranges"]]
    ours, theirs = (
        {path_of(file): file for file in manifest["Files"]} for manifest in (ours, theirs)
    )
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    for name in ours:
        assert ours[name].keys() == theirs[name].keys(), name
        if not name.startswith(b"base/"):  # each checkpoint writes some anew
            del ours[name]["Last-Modified"], theirs[name]["Last-Modified"]
        if name not in (b"backup_label", b"global/pg_control"):
            assert ours[name] == theirs[name], name
