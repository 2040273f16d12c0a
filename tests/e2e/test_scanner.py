# SPDX-License-Identifier: PostgreSQL
"""The scanner beside PostgreSQL's own eyes: every transaction end, its place, number and time.

pg_waldump (15), pg_walinspect (15 to 18) and the servers' commit time stamps (13, 14)
are asked about the same WAL. The load makes what is hard to read: commits of many
subtransactions and relations, records that cross pages and segments, prepared ones.
"""

import re
import threading

from walvault_test import Postgres, format_lsn, majors, parse_lsn, run_program, seeded_random
from walvault_test.installed import client_program
from walvault_test.programs import helpers

SETTINGS = {
    "segsize_mib": 1,
    "autovacuum": "off",
    "track_commit_timestamp": "on",
    "max_prepared_transactions": 10,
    "wal_keep_size": "2GB",
    "max_wal_size": "4GB",
}


def write_load(pg, rng, rounds=120):
    """Transactions of every kind, small and very large."""
    pg.sql("CREATE TABLE t (v int, filler text)")
    conn = pg.connect()
    conn.autocommit = True
    cursor = conn.cursor()
    for number in range(rounds):
        kind = rng.choice(("plain", "abort", "savepoints", "prepared", "rolled back", "large", "relations"))
        if kind == "plain":
            cursor.execute("INSERT INTO t VALUES (%s, repeat('x', %s))", (number, rng.randrange(3000)))
        elif kind == "abort":
            cursor.execute("BEGIN; INSERT INTO t VALUES (%s); ROLLBACK", (number,))
        elif kind == "savepoints":
            lines = "".join(f"SAVEPOINT s{i}; INSERT INTO t VALUES ({i});" for i in range(rng.randrange(1, 120)))
            cursor.execute(f"BEGIN; {lines} COMMIT")
        elif kind in ("prepared", "rolled back"):
            lines = "".join(f"SAVEPOINT s{i}; INSERT INTO t VALUES ({i});" for i in range(rng.randrange(0, 90)))
            cursor.execute(f"BEGIN; INSERT INTO t VALUES ({number}); {lines} PREPARE TRANSACTION 'p{number}'")
            cursor.execute(("COMMIT" if kind == "prepared" else "ROLLBACK") + f" PREPARED 'p{number}'")
        elif kind == "large":
            cursor.execute("SELECT pg_logical_emit_message(true, 'large', repeat('y', %s))", (rng.randrange(3_000_000),))
        else:
            tables = "".join(f"CREATE TABLE r{number}_{i} (v text);" for i in range(rng.randrange(1, 25)))
            cursor.execute(f"BEGIN; {tables} COMMIT")
        if number % 30 == 7:
            cursor.execute("SELECT pg_create_restore_point(%s)", (f"point {number}",))
    conn.close()


def concurrent_load(pg, writers=3, rounds=300):
    """Small commits from several sessions, so that many fall on the cuts."""

    def write(who):
        conn = pg.connect()
        conn.autocommit = True
        cursor = conn.cursor()
        for number in range(rounds):
            cursor.execute("INSERT INTO t VALUES (%s, repeat('z', %s))", (number, (number * 37 + who * 11) % 900))
        conn.close()

    threads = [threading.Thread(target=write, args=(who,)) for who in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def scanned(pg, first, last):
    """What our scanner says of the segments from first to last: {lsn: (end, xid, kind, time)}."""
    files = sorted(path for path in (pg.data / "pg_wal").iterdir() if len(path.name) == 24)
    files = [path for path in files if first <= path.name <= last]
    result = run_program(helpers() / "walxacts", *files, timeout=120).expect()
    assert not result.err.strip(), result
    rows = [line.split("\t") for line in result.out.splitlines()]
    return {parse_lsn(lsn): (parse_lsn(end), int(xid), kind, time) for lsn, end, xid, kind, time in rows}


def only_transactions(rows):
    return {lsn: row for lsn, row in rows.items() if not row[2].startswith("restore point")}


def loaded_server(major):
    """A server whose WAL from the first segment returned to the last one is full of ends."""
    rng = seeded_random()
    pg = Postgres.create(major, **SETTINGS)
    pg.start()
    first = pg.switch_wal()
    write_load(pg, rng)
    concurrent_load(pg)
    last = pg.switch_wal()
    return pg, first, last


def segment_bounds(pg, first, last):
    """LSN of the first segment's start and behind the last one."""
    numbers = [int(name[8:16], 16) * (1 << 32) // pg.segsize + int(name[16:], 16) for name in (first, last)]
    return numbers[0] * pg.segsize, (numbers[1] + 1) * pg.segsize


def assert_same_ends(ours, theirs):
    """Both are {lsn: …}; what differs is shown, not the whole."""
    missing = sorted(set(theirs) - set(ours))
    extra = sorted(set(ours) - set(theirs))
    assert not missing and not extra, (
        f"missing {[(format_lsn(lsn), theirs[lsn]) for lsn in missing[:5]]}, "
        f"too many {[(format_lsn(lsn), ours[lsn]) for lsn in extra[:5]]}"
    )
    different = [(format_lsn(lsn), ours[lsn], theirs[lsn]) for lsn in ours if ours[lsn] != theirs[lsn]]
    assert not different, different[:5]


WALDUMP_LINE = re.compile(
    r"rmgr: Transaction .* tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .* desc: "
    r"(COMMIT|ABORT|COMMIT_PREPARED|ABORT_PREPARED)(?: (\d+):)? (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) (?:UTC|GMT)"
)


def by_pg_waldump(pg, first, last):
    """{lsn: (xid, kind, time)} as pg_waldump prints it, in UTC."""
    result = run_program(
        client_program("pg_waldump"), "-r", "Transaction", "-p", pg.data / "pg_wal", first, last, env={"TZ": "UTC"}
    ).expect((0, 1))
    found = {}
    for line in result.out.splitlines():
        match = WALDUMP_LINE.search(line)
        if match:
            xid, lsn, kind, prepared, time = match.groups()
            found[parse_lsn(lsn)] = (int(prepared or xid), kind.lower().replace("_", " "), f"{time}+00")
    return found


@majors(15)
def test_every_transaction_end_is_where_pg_waldump_sees_it(major):
    pg, first, last = loaded_server(major)
    theirs = by_pg_waldump(pg, first, last)
    ours = {lsn: row[1:] for lsn, row in only_transactions(scanned(pg, first, last)).items()}
    assert len(theirs) > 900, len(theirs)
    assert_same_ends(ours, theirs)


DESCRIBED = re.compile(r"^(?:(\d+): )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?\+00")


@majors(15, 16, 17, 18)
def test_every_transaction_end_is_where_pg_walinspect_sees_it(major):
    pg, first, last = loaded_server(major)
    pg.sql("CREATE EXTENSION pg_walinspect")
    start, end = segment_bounds(pg, first, last)
    rows = pg.sql(
        "SELECT start_lsn::text, end_lsn::text, xid::text, record_type, description "
        "FROM pg_get_wal_records_info(%s, %s) WHERE resource_manager = 'Transaction' "
        "AND record_type IN ('COMMIT', 'ABORT', 'COMMIT_PREPARED', 'ABORT_PREPARED')",
        format_lsn(start + 40),
        format_lsn(end),
    )
    theirs = {}
    for lsn, record_end, xid, kind, description in rows:
        prepared, second, fraction = DESCRIBED.search(description).groups()
        time = f"{second}{(fraction or '.'):0<7}+00"
        theirs[parse_lsn(lsn)] = (parse_lsn(record_end), int(prepared or xid), kind.lower().replace("_", " "), time)
    ours = only_transactions(scanned(pg, first, last))
    assert len(theirs) > 900, len(theirs)
    assert_same_ends(ours, theirs)


@majors(13, 14)
def test_every_commit_has_the_time_that_the_server_remembers(major):
    pg, first, last = loaded_server(major)
    ours = only_transactions(scanned(pg, first, last))
    commits = {row[1]: row[3] for row in ours.values() if row[2] in ("commit", "commit prepared") and row[1]}
    assert len(commits) > 900, len(commits)
    rows = pg.sql(
        "SELECT x::text, to_char(pg_xact_commit_timestamp(x::text::xid) AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD HH24:MI:SS.US') || '+00' FROM unnest(%s::int[]) x",
        list(commits),
    )
    # The server remembers none of the first: it began to after its first start.
    theirs = {int(xid): time for xid, time in rows if time is not None}
    assert len(theirs) > 900, len(theirs)
    remembered = min(theirs)
    assert_same_ends({xid: time for xid, time in commits.items() if xid >= remembered}, theirs)


@majors(13, 15, 18)
def test_every_restore_point_is_found_with_its_name_and_time(major):
    pg = Postgres.create(major, **SETTINGS)
    pg.start()
    first = pg.switch_wal()
    wanted = {}
    for number in range(40):
        pg.sql("SELECT pg_logical_emit_message(false, 'x', repeat('y', %s))", number * 9001 % 70000)
        name = f"point {number} " + "n" * (number % 50)
        wanted[name] = parse_lsn(pg.value("SELECT pg_create_restore_point(%s)::text", name))
    last = pg.switch_wal()
    rows = scanned(pg, first, last)
    found = {row[2].removeprefix("restore point "): row[0] for row in rows.values() if row[2].startswith("restore point ")}
    assert found == wanted
