# SPDX-License-Identifier: PostgreSQL
"""What walvault knows of servers and their files, beside what PostgreSQL says.

pgprobe (tests/tools) calls the functions that base backups and restores are made of:
the control file, the session that a backup runs in, labels, maps and page checksums.
"""

import os
import shutil
import subprocess
import time

import psycopg2.extensions

from walvault_test import Postgres, ServerDied, majors, parse_lsn, run_program, wait_until
from walvault_test.basecopy import _copy_data_directory
from walvault_test.cases import at_end, new_directory
from walvault_test.programs import clean_environment, helpers

PROBE = "pgprobe"
PG_EPOCH = 946684800


def probe(*arguments, status=0):
    return run_program(helpers() / PROBE, *arguments).expect(status)


def facts(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def asked(*arguments):
    return facts(probe(*arguments).out)


def assert_now(microseconds):
    seconds = int(microseconds) / 1e6 + PG_EPOCH
    assert abs(seconds - time.time()) < 60, f"{seconds} is not now"


class Session:
    """A backup between its start and its stop."""

    def __init__(self, conninfo, label="probe", mode="fast"):
        self.directory = new_directory("label")
        self._process = subprocess.Popen(
            [helpers() / PROBE, "backup", conninfo, self.directory, label, mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=clean_environment(),
        )
        at_end(self._process.kill)
        self.first = self._process.stdout.readline()

    def end(self):
        out, self.err = self._process.communicate("\n", timeout=60)
        self.facts = facts(self.first + out)
        return self._process.returncode

    def stop(self):
        assert self.end() == 0, self.err
        return self.facts


def backed_up(pg, label="probe"):
    """A copy of the cluster's files and the session that they were copied in."""
    session = Session(pg.conninfo(), label)
    data = new_directory("copy") / "data"
    _copy_data_directory(pg.data, data)
    session.stop()
    return data, session


# -- pg_control --


def control_of(pg):
    """What pg_controldata would print, by SQL."""
    columns = {
        "sysid": "system_identifier",
        "control_version": "pg_control_version",
        "catalog_version": "catalog_version_no",
        "redo": "redo_lsn",
        "checkpoint": "checkpoint_lsn",
        "tli": "timeline_id",
        "min_recovery": "min_recovery_end_lsn",
        "min_recovery_tli": "min_recovery_end_timeline",
        "blcksz": "database_block_size",
        "relseg_size": "blocks_per_segment",
        "xlog_blcksz": "wal_block_size",
        "segsize": "bytes_per_wal_segment",
        "checksum_version": "data_page_checksum_version",
    }
    row = pg.sql(
        f"SELECT {', '.join(columns.values())} FROM pg_control_system(), "
        "pg_control_checkpoint(), pg_control_recovery(), pg_control_init()"
    )[0]
    return dict(zip(columns, map(str, row)))


def test_pg_control_says_what_the_server_says(major):
    settings = {
        "max_connections": 33,
        "max_worker_processes": 11,
        "max_wal_senders": 7,
        "max_prepared_transactions": 3,
        "max_locks_per_transaction": 77,
    }
    pg = Postgres.create(major, segsize_mib=1, **settings).start()
    pg.sql("CHECKPOINT")
    found = asked("control", pg.data)
    expected = control_of(pg)
    assert {name: found[name] for name in expected} == expected
    assert found["state"] == "6", "in production"
    stored = ("max_connections", "max_worker_processes", "max_wal_senders")
    assert {name: found[name] for name in stored} == {name: str(settings[name]) for name in stored}
    assert (found["max_prepared_xacts"], found["max_locks_per_xact"]) == ("3", "77")


def test_a_control_file_is_read_whole_while_the_server_writes_it(major):
    pg = Postgres.create(major).start()
    pg.sql("SELECT pg_switch_wal()")
    with pg.connect() as connection, connection.cursor() as cursor:
        for _ in range(20):
            cursor.execute("CHECKPOINT")
            assert asked("control", pg.data)["sysid"] == pg.sysid


def test_an_invalidated_control_file_starts_only_with_its_label(major):
    pg = Postgres.create(major).start()
    pg.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
    data, session = backed_up(pg)
    for segment in (pg.data / "pg_wal").glob("0*"):
        shutil.copy2(segment, data / "pg_wal")
    pg.stop()
    probe("invalidate", data / "global/pg_control")
    assert asked("control", data)["checkpoint"] == "0/DEAD"
    copy = Postgres(major, data, pg.segsize, **pg.settings)
    data.chmod(0o700)
    for signal in (None, "recovery.signal"):
        if signal:
            (data / signal).touch()
            copy.configure(restore_command="false")
        try:
            copy.start()
        except ServerDied as died:
            wanted = "invalid checkpoint record", "could not locate a valid checkpoint record"
            wanted += ("could not locate required checkpoint record",)
            assert any(text in str(died) for text in wanted), died
        else:
            raise AssertionError(f"{copy} started without a label, signal {signal}")
    shutil.copy2(session.directory / "backup_label", data)
    copy.start().wait_promoted()
    assert copy.value("SELECT count(*) FROM t") == 1000


# -- the server --


def test_the_facts_of_a_server(major):
    pg = Postgres.create(
        major,
        archive_mode="on",
        archive_command="exit 0",
        shared_preload_libraries="auto_explain",
    ).start()
    found = asked("server", pg.conninfo())
    version = pg.value("SHOW server_version_num")
    names = ("data_directory", "config_file", "hba_file", "ident_file")
    expected = {name: pg.value(f"SHOW {name}") for name in names}
    expected |= {
        "sysid": pg.sysid,
        "version_num": version,
        "in_recovery": "0",
        "may_backup": "1",
        "wal_level_ok": "1",
        "full_page_writes": "1",
        "archive_mode": "on",
        "archive_command": "exit 0",
        "preload": "auto_explain",
        "locale": "C/C/libc",
        "checkpoint_redo": pg.value("SELECT redo_lsn FROM pg_control_checkpoint()"),
        "checkpoint_tli": "1",
    }
    assert {name: found[name] for name in expected} == expected
    assert parse_lsn(found["current_lsn"]) <= pg.current_lsn()
    assert parse_lsn(found["current_lsn"]) > parse_lsn(found["checkpoint_redo"])
    assert_now(found["now"])
    has_icu = pg.value("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'")
    assert bool(found["icu"]) == bool(has_icu), found["icu"]
    # The same server by its data directory.
    assert asked("server", pg.data)["sysid"] == pg.sysid


def test_a_server_without_the_wal_for_backups_says_so(major):
    pg = Postgres.create(
        major, wal_level="minimal", max_wal_senders=0, full_page_writes="off"
    ).start()
    found = asked("server", pg.conninfo())
    assert (found["wal_level_ok"], found["full_page_writes"]) == ("0", "0")
    session = Session(pg.conninfo())
    assert session.end() == 1
    assert "WAL level not sufficient" in session.err and "config" in session.err, session.err


def test_files_outside_the_data_directory_are_named(major):
    """As Debian has it: the configuration in a directory of its own, with conf.d."""
    pg = Postgres.create(major)
    etc = new_directory("etc")
    (etc / "conf.d").mkdir()
    (etc / "conf.d/odd ' name.conf").write_text("work_mem = '5MB'\n", encoding="utf-8")
    (etc / "conf.d/overridden.conf").write_text("port = 1\n", encoding="utf-8")
    for name in ("pg_hba.conf", "pg_ident.conf"):
        shutil.move(pg.data / name, etc / name)
    if major >= 16:
        (etc / "more_hba.conf").write_text("local all all trust\n", encoding="utf-8")
        with open(etc / "pg_hba.conf", "a", encoding="utf-8") as hba:
            hba.write("include more_hba.conf\n")
    (etc / "postgresql.conf").write_text(
        f"data_directory = '{pg.data}'\nhba_file = '{etc}/pg_hba.conf'\n"
        f"ident_file = '{etc}/pg_ident.conf'\ninclude_dir = 'conf.d'\n"
        f"include '{pg.data}/test.conf'\n",
        encoding="utf-8",
    )
    wrapper = f'exec "$@" -c config_file={etc}/postgresql.conf'
    pg.launcher = ("/bin/sh", "-c", wrapper, "sh")
    pg.start()
    out = probe("server", pg.conninfo()).out
    found = facts(out)
    assert found["config_file"] == f"{etc}/postgresql.conf"
    assert found["hba_file"] == f"{etc}/pg_hba.conf"
    assert found["ident_file"] == f"{etc}/pg_ident.conf"
    included = out.split("included=", 1)[1].splitlines()[1:]
    expected = {
        f"{etc}/postgresql.conf",
        f"{etc}/conf.d/odd ' name.conf",
        f"{etc}/conf.d/overridden.conf",
        f"{pg.data}/test.conf",
    }
    if major >= 16:
        expected |= {f"{etc}/more_hba.conf"}
    assert expected <= set(included), included
    assert len(included) == len(set(included)), included


def test_rights_are_looked_at_before_they_are_missed(major):
    pg = Postgres.create(major).start()
    start, stop = "pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"
    if major < 15:
        start, stop = "pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"
    pg.sql("CREATE ROLE b LOGIN")
    conninfo = pg.conninfo().replace("user=postgres", "user=b")

    denied = probe("server", conninfo, status=1)
    assert "denied" in denied.err and "pg_monitor" in denied.err, denied
    pg.sql("GRANT pg_monitor TO b")
    assert asked("server", conninfo)["may_backup"] == "0"
    session = Session(conninfo)
    assert session.end() == 1 and "permission denied" in session.err, session.err
    pg.sql(f"GRANT EXECUTE ON FUNCTION {start} TO b")
    assert asked("server", conninfo)["may_backup"] == "0"
    pg.sql(f"GRANT EXECUTE ON FUNCTION {stop} TO b")
    found = asked("server", conninfo)
    assert found["may_backup"] == "1"
    assert found["config_file"] == str(pg.data / "postgresql.conf")
    Session(conninfo).stop()


# -- a backup's session --


def test_a_backup_outlives_every_time_out(major):
    pg = Postgres.create(major).start()
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]
    names += ["idle_session_timeout"] if major >= 14 else []
    names += ["transaction_timeout"] if major >= 17 else []
    for name in names:
        pg.sql(f"ALTER ROLE postgres SET {name} = '300ms'")
    # Nor do the role's other settings change what is asked or understood.
    pg.sql("CREATE SCHEMA evil")
    for name in ("pg_is_in_recovery()", "clock_timestamp()"):
        pg.sql(f"CREATE FUNCTION evil.{name} RETURNS int LANGUAGE sql AS 'SELECT 1/0'")
    pg.sql("ALTER ROLE postgres SET search_path = evil, pg_catalog")
    pg.sql("ALTER ROLE postgres SET DateStyle = 'German, DMY'")
    pg.sql("ALTER ROLE postgres SET TimeZone = 'Asia/Kathmandu'")
    session = Session(pg.conninfo(), "it's \\ Größe", "spread")
    time.sleep(1)
    found = session.stop()
    assert found["start_lsn"] == found["label_start_lsn"]
    assert parse_lsn(found["label_checkpoint_lsn"]) >= parse_lsn(found["start_lsn"])
    assert parse_lsn(found["stop_lsn"]) > parse_lsn(found["start_lsn"])
    assert (found["label_start_tli"], found["label_from_standby"]) == ("1", "0")
    assert found["in_recovery"] == "0"
    assert_now(found["now"])
    assert_now(asked("server", pg.conninfo())["now"])
    label = (session.directory / "backup_label").read_text(encoding="utf-8")
    assert "LABEL: it's \\ Größe\n" in label, label
    assert not (session.directory / "tablespace_map").exists()


def test_a_label_with_line_ends_does_not_deceive(major):
    pg = Postgres.create(major).start()
    found = Session(pg.conninfo(), "x\nSTART TIMELINE: 7\nBACKUP FROM: standby").stop()
    assert (found["label_start_tli"], found["label_from_standby"]) == ("1", "0")


def test_what_the_server_refuses_is_told(major):
    pg = Postgres.create(major).start()
    session = Session(pg.conninfo(), "x" * 2000)
    assert session.end() == 1 and "too long" in session.err, session.err
    session = Session(pg.conninfo())
    pg.kill()
    assert session.end() == 1 and "transient" in session.err, session.err
    gone = probe("server", pg.conninfo(), status=1)
    assert "transient" in gone.err, gone
    switched = probe("switch", "host=/nonexistent", status=1)
    assert "transient" in switched.err, switched


def test_a_wal_switch_begins_a_new_segment(major):
    pg = Postgres.create(major, segsize_mib=1).start()
    pg.write_wal()
    before = pg.current_lsn() // pg.segsize
    probe("switch", pg.conninfo())
    pg.write_wal()
    assert pg.current_lsn() // pg.segsize == before + 1


def test_tablespace_maps_are_read_and_written_as_the_server_does(major):
    pg = Postgres.create(major).start()
    top = new_directory("spaces")
    names = ["plain", "with space", "new\nline", "re\rturn", "back\\slash", "\\\\two", "a\\nb", "ä"]
    if major >= 14:  # 13 takes it for an escaped line end
        names += ["last\\"]
    pg.sql("CREATE TABLE nothing ()")
    for number, name in enumerate(names):
        (top / name).mkdir()
        pg.sql(f"CREATE TABLESPACE s{number} LOCATION %s", str(top / name))
        pg.sql(f"CREATE TABLE t{number} TABLESPACE s{number} AS SELECT {number} AS n")
    data, session = backed_up(pg)
    found = asked("map", str(major), session.directory / "tablespace_map")
    expected = {os.fsencode(top / name).hex() for name in names}
    assert set(found.values()) == expected
    oids = {str(oid) for (oid,) in pg.sql("SELECT oid FROM pg_tablespace WHERE spcname LIKE 's%%'")}
    assert set(found) == oids
    # Moved elsewhere, a server of that version finds all of them.
    suffix = " moved\\to\n"
    for name in names:
        (top / name).rename(f"{top / name}{suffix}")
    for oid in oids:
        shutil.rmtree(data / "pg_tblspc" / oid)
    probe("map", str(major), session.directory / "tablespace_map", data, suffix)
    shutil.copy2(session.directory / "backup_label", data)
    for segment in (pg.data / "pg_wal").glob("0*"):
        shutil.copy2(segment, data / "pg_wal")
    pg.kill()
    (data / "recovery.signal").touch()
    data.chmod(0o700)
    copy = Postgres(major, data, pg.segsize, **pg.settings, restore_command="false")
    copy.start().wait_promoted()
    links = {link.readlink() for link in (data / "pg_tblspc").iterdir()}
    assert links == {type(top)(f"{top / name}{suffix}") for name in names}
    for number in range(len(names)):
        assert copy.value(f"SELECT n FROM t{number}") == number


# -- standbys --


def standby_of(pg):
    """A streaming standby."""
    data, session = backed_up(pg)
    for name in ("backup_label", "tablespace_map"):
        if (session.directory / name).exists():
            shutil.copy2(session.directory / name, data)
    (data / "standby.signal").touch()
    data.chmod(0o700)
    connect = psycopg2.extensions.make_dsn(
        host=str(pg.socket_directory), port=5432, user="postgres"
    )
    return Postgres(
        pg.major, data, pg.segsize, **{**pg.settings, "primary_conninfo": connect, "hot_standby": "on"}
    ).start()


def replayed(standby, pg):
    target = pg.current_lsn()
    wait_until(
        lambda: parse_lsn(standby.value("SELECT pg_last_wal_replay_lsn()")) >= target,
        "the standby to follow",
    )


def test_recovery_is_followed_to_its_end(major):
    pg = Postgres.create(major).start()
    primary = asked("recovery", pg.conninfo())
    assert primary["in_recovery"] == "0" and primary["tli"] == "1"
    assert primary["replayed"] == "0/0", primary
    assert int(primary["last_xact"]) == -(2**63)
    standby = standby_of(pg)
    pg.sql("CREATE TABLE t AS SELECT 1 AS i")
    replayed(standby, pg)
    found = asked("recovery", standby.conninfo())
    assert (found["in_recovery"], found["paused"], found["tli"]) == ("1", "0", "1")
    assert parse_lsn(found["replayed"]) >= pg.current_lsn() - 1024
    assert_now(found["last_xact"])
    standby.sql("SELECT pg_wal_replay_pause()")
    wait_until(
        lambda: asked("recovery", standby.conninfo())["paused"] == "1", "replay to be paused"
    )
    standby.sql("SELECT pg_wal_replay_resume()")
    standby.promote()
    found = asked("recovery", standby.conninfo())
    assert (found["in_recovery"], found["paused"], found["tli"]) == ("0", "0", "2")
    assert parse_lsn(found["replayed"]) > 0


def test_a_standby_can_be_backed_up(major):
    pg = Postgres.create(major).start()
    standby = standby_of(pg)
    pg.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
    pg.sql("CHECKPOINT")
    replayed(standby, pg)
    server = asked("server", standby.conninfo())
    assert (server["in_recovery"], server["may_backup"]) == ("1", "1")
    assert parse_lsn(server["current_lsn"]) <= pg.current_lsn()
    found = Session(standby.conninfo()).stop()
    assert (found["label_from_standby"], found["in_recovery"]) == ("1", "1")
    control = asked("control", standby.data)
    assert parse_lsn(found["stop_lsn"]) <= parse_lsn(control["min_recovery"])
    assert control["min_recovery_tli"] == "1"
    # Promoted in between, it is no backup.
    session = Session(standby.conninfo())
    standby.promote()
    assert session.end() == 1 and "promoted" in session.err, session.err


# -- pages --

CHECKSUMS = {15: ("-k",), 17: ("-k",), 18: ()}


def loaded(major):
    pg = Postgres.create(major, initdb=CHECKSUMS[major], autovacuum="off").start()
    pg.sql("CREATE TABLE t (i int PRIMARY KEY, filler text)")
    pg.sql("INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 30000) i")
    pg.sql("CREATE UNLOGGED TABLE u AS SELECT * FROM t LIMIT 1000")
    pg.sql("CREATE INDEX h ON t USING hash (i)")
    pg.sql("CREATE INDEX b ON t USING brin (i)")
    pg.sql("CREATE SEQUENCE s")
    pg.sql("DELETE FROM t WHERE i % 3 = 0")
    pg.sql("VACUUM t")
    return pg


@majors(15, 17, 18)
def test_every_page_of_a_cluster_is_found_right(major):
    pg = loaded(major)
    pg.stop()
    found = asked("pages", pg.data)
    assert found["bad"] == "0" and int(found["pages"]) > 3000, found
    # By count: every whole page of every file that looks like a relation's.
    relation = [
        path
        for path in pg.data.glob("base/*/*")
        if path.name[0].isdigit() and path.is_file()
    ] + [path for path in pg.data.glob("global/*") if path.name[0].isdigit()]
    assert int(found["files"]) == len(relation)
    assert int(found["pages"]) == sum(path.stat().st_size // 8192 for path in relation)


def flipped(pg, path, offset, mask):
    """What is said of the pages with one byte changed; it is changed back."""
    with open(pg.data / path, "r+b") as file:
        file.seek(offset)
        old = file.read(1)
        file.seek(offset)
        file.write(bytes([old[0] ^ mask]))
        file.flush()
        out = probe("pages", pg.data).out
        file.seek(offset)
        file.write(old)
    return out


@majors(15, 18)
def test_a_flipped_byte_is_found_where_it_is(major):
    pg = loaded(major)
    path = pg.value("SELECT pg_relation_filepath('t')")
    pg.stop()
    block = 37
    for offset in (0, 8, 12, 18, 100, 8191):
        # A sum of 16 bits misses one change in 65535, but not two of them.
        found = [flipped(pg, path, block * 8192 + offset, mask) for mask in (0x10, 0x20)]
        wanted = f"bad {path} {block}\n"
        assert any(wanted in out and "\nbad=1\n" in out for out in found), (offset, found)
    assert asked("pages", pg.data)["bad"] == "0"
    # A page of zeros is a new one; a header without its page is not.
    with open(pg.data / path, "r+b") as file:
        file.seek(37 * 8192)
        whole = file.read(8192)
        file.seek(37 * 8192)
        file.write(bytes(8192))
    assert asked("pages", pg.data)["bad"] == "0"
    with open(pg.data / path, "r+b") as file:
        file.seek(37 * 8192)
        file.write(bytes(4096) + whole[4096:])
    assert asked("pages", pg.data)["bad"] == "1"


@majors(15, 18)
def test_pages_younger_than_the_backup_are_not_judged(major):
    pg = loaded(major)
    pg.sql("CHECKPOINT")
    start = pg.value("SELECT pg_current_wal_insert_lsn()")
    pg.sql("UPDATE t SET filler = 'new' WHERE i = 1")
    path = pg.value("SELECT pg_relation_filepath('t')")
    block = pg.value("SELECT (split_part(trim(ctid::text, '()'), ',', 1))::int FROM t WHERE i = 1")
    pg.stop()
    with open(pg.data / path, "r+b") as file:
        file.seek(block * 8192 + 8)
        file.write(b"\0\0")
    assert asked("pages", pg.data)["bad"] == "1"
    assert asked("pages", pg.data, start)["bad"] == "0"
