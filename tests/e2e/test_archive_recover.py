# SPDX-License-Identifier: PostgreSQL
"""The main road: archive under load, lose the cluster, recover it exactly."""

from dataclasses import dataclass

from walvault_test import (
    BaseCopy,
    Postgres,
    Repository,
    format_lsn,
    majors,
    seeded_random,
    wait_until,
)
from walvault_test.load import Load
from walvault_test.wal import MIB

WAL_BETWEEN_MOMENTS = 6 * MIB
FREE_ID = 1_000  # of no writer


@dataclass
class Moment:
    """A point of the past, as each kind of recovery target names it, and its rows."""

    time: str
    lsn: int
    xid: int
    name: str
    rows: dict

    def targets(self):
        yield {"recovery_target_time": self.time}
        yield {"recovery_target_lsn": format_lsn(self.lsn), "recovery_target_inclusive": "off"}
        yield {"recovery_target_xid": self.xid}
        yield {"recovery_target_name": self.name}


def archiving_server(major, **options):
    """A running server that archives into an initialised repository."""
    pg = Postgres.create(major, autovacuum="off", **options)
    repo = Repository(pg)
    repo.enable_archiving()
    pg.start()
    repo.init()
    return pg, repo


def commit_a_marker(pg, load):
    """Commits one more row; the transaction's id."""
    marker = -1 - len(load.committed)
    [(xid,)] = pg.sql(
        "INSERT INTO rows VALUES (%s, 'marker') RETURNING pg_current_xact_id()::text::int", marker
    )
    load.committed[marker] = "marker"
    return xid


def remember_moment(pg, load, name):
    """Stops the writers for as long as it takes to write the present down."""
    with load.paused():
        xid = commit_a_marker(pg, load)
        time = pg.value("SELECT clock_timestamp()::text")
        pg.sql("SELECT pg_create_restore_point(%s)", name)
        return Moment(time, pg.current_lsn(), xid, name, dict(load.committed))


def wait_for_wal(pg, amount):
    """Waits until the load has written that much more WAL."""
    goal = pg.current_lsn() + amount
    wait_until(lambda: pg.current_lsn() >= goal, f"{amount} bytes of WAL to be written")


def rows_of(pg):
    return dict(pg.sql("SELECT id, payload FROM rows"))


def assert_recovers_exactly(base, repo, rows, **target):
    """Recovery to the target has these rows, no other, and takes writes again."""
    recovered = base.recover(repo, **target)
    found = rows_of(recovered)
    missing, extra = rows.keys() - found.keys(), found.keys() - rows.keys()
    assert not missing and not extra, f"{target}: missing {len(missing)}, extra {len(extra)} rows"
    assert found == rows, f"{target}: rows differ in content"
    recovered.sql("INSERT INTO rows VALUES (%s, 'after recovery')", FREE_ID)
    recovered.destroy()


def assert_archive_is_whole(repo):
    """``info`` knows one system, and no gap on any of its timelines."""
    [system] = repo.json("info")["systems"]
    for timeline in system["timelines"]:
        assert timeline["gaps"] == [], timeline


def archive_moments_and_recover(pg, repo, moments=2):
    """Archives under load, destroys the server, and recovers it to each moment."""
    with Load(pg, seeded_random()) as load:
        wait_for_wal(pg, MIB)
        base = BaseCopy(pg)
        remembered = []
        for number in range(moments):
            wait_for_wal(pg, WAL_BETWEEN_MOMENTS)
            remembered.append(remember_moment(pg, load, f"moment {number}"))
        wait_for_wal(pg, WAL_BETWEEN_MOMENTS)
    pg.archive_all()
    pg.destroy()
    assert_archive_is_whole(repo)
    for moment in remembered:
        for target in moment.targets():
            assert_recovers_exactly(base, repo, moment.rows, **target)
    assert_recovers_exactly(base, repo, load.committed)


def test_a_destroyed_cluster_comes_back_exactly_at_time_lsn_xid_name_and_end(major):
    pg, repo = archiving_server(major)
    archive_moments_and_recover(pg, repo)


@majors(13, 18)
def test_segments_of_1_mib_are_archived_and_recovered(major):
    pg, repo = archiving_server(major, segsize_mib=1)
    archive_moments_and_recover(pg, repo, moments=1)


@majors(14, 16)
def test_segments_of_64_mib_are_archived_and_recovered(major):
    pg, repo = archiving_server(major, segsize_mib=64)
    archive_moments_and_recover(pg, repo, moments=1)


@majors(17)
def test_segments_of_1_gib_are_archived_and_recovered(major):
    # Not from the template, which would be one more copy of a gibibyte; and without
    # filling each new segment with zeros on the disk, which nothing here depends on.
    pg, repo = archiving_server(major, segsize_mib=1024, own_sysid=True, wal_init_zero="off")
    with Load(pg, seeded_random()) as load:
        base = BaseCopy(pg)
        wait_for_wal(pg, WAL_BETWEEN_MOMENTS)
        moment = remember_moment(pg, load, "moment")
    pg.archive_all()
    # Four such segments fill a log: the next number is carried into the middle part.
    pg.sql("INSERT INTO rows VALUES (0, 'after the carry')")
    load.committed[0] = "after the carry"
    assert pg.archive_all() == "000000010000000100000000"
    pg.destroy()
    assert_recovers_exactly(base, repo, moment.rows, recovery_target_xid=moment.xid)
    assert_recovers_exactly(base, repo, load.committed)


@majors(13, 15, 18)
def test_a_transaction_is_left_out_when_its_xid_is_an_exclusive_target(major):
    pg, repo = archiving_server(major, segsize_mib=1)
    with Load(pg, seeded_random(), writers=1) as load:
        base = BaseCopy(pg)
        with load.paused():
            before = dict(load.committed)
            xid = commit_a_marker(pg, load)
    pg.archive_all()
    pg.destroy()
    assert_recovers_exactly(
        base, repo, before, recovery_target_xid=xid, recovery_target_inclusive="off"
    )


@majors(13, 15, 18)
def test_timelines_beyond_nine_are_recovered_by_their_decimal_number(major):
    pg, repo = archiving_server(major, segsize_mib=1)
    pg.sql("CREATE TABLE rows (id int PRIMARY KEY, payload text)")
    base = BaseCopy(pg)
    for timeline in range(1, 13):
        assert pg.timeline() == timeline
        pg.sql("INSERT INTO rows VALUES (%s, 'written on this timeline')", timeline)
        pg.archive_all()
        pg.promote_in_place(restore_command=repo.restore_command())
    pg.archive_all()
    pg.destroy()
    assert repo.object_path("0000000C.history").exists()
    written = {timeline: "written on this timeline" for timeline in range(1, 13)}
    assert_recovers_exactly(base, repo, written, recovery_target_timeline="latest")
    until_ten = {timeline: written[timeline] for timeline in range(1, 11)}
    assert_recovers_exactly(base, repo, until_ten, recovery_target_timeline="10")
