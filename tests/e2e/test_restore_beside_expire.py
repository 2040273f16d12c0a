# SPDX-License-Identifier: PostgreSQL
"""pitr-restore and expire at the same time: nothing goes that the restore needs."""

import os
import subprocess
import time

from walvault_test import Postgres, Repository, seeded_random, time_limit
from walvault_test.fakeclock import program_clock
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import (
    as_postgres,
    new_data_directory,
    restore,
    restore_and_start,
    take_backup,
)
from walvault_test.tracer import KillAll, trace


class World:
    """A server with some backups; known moments and counts between them."""

    def __init__(self, backups=3, **options):
        self.pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
        self.repo = Repository(self.pg, **options)
        self.repo.enable_archiving()
        self.pg.start()
        self.repo.init()
        self.pg.sql("CREATE TABLE t (v int)")
        self.backups, self.moments, self.counts = [], [], []
        for _ in range(backups):
            self.write()
            self.backups.append(take_backup(self.repo))
            self.write()
            self.moments.append(self.pg.value("SELECT clock_timestamp()::text"))
            self.counts.append(self.count(self.pg))
            self.write()

    def write(self):
        for _ in range(2):
            self.pg.sql("INSERT INTO t SELECT g FROM generate_series(1, 100) g")
            name = self.pg.switch_wal()
        self.pg.wait_archived(name)

    def expire(self, *options, **more):
        result = self.repo.walvault("expire", "--json", *options, **more).expect(0)
        return result.json()["stores"][0]

    def directory(self, number):
        return self.repo.system_directory() / "backup" / self.backups[number]

    def leases(self):
        return sorted(self.repo.system_directory().glob("backup/*/restore-*"))

    def is_there(self, number):
        return (self.directory(number) / "manifest").exists()

    def segments(self):
        found = self.repo.system_directory().glob("wal/0*/*/*")
        return {path.name for path in found if len(path.name) == 24}

    def age(self, path, hours):
        """As if the store had kept the object so long already."""
        then = time.time() - hours * 3600
        os.utime(path, (then, then))

    @staticmethod
    def count(server):
        return server.value("SELECT count(*) FROM t")

    def recovered(self, destination, **settings):
        """The restored server, at the end of its recovery."""
        server = as_postgres(self.repo, destination, **settings)
        return server.start().wait_promoted()


class AtFirst:
    """Does something when a call that concerns a key is first made."""

    def __init__(self, names, part, do):
        self.names, self.part, self.do, self.done = names, part, do, False

    def __call__(self, call):
        if self.done or call.result is not None or call.name not in self.names:
            return None
        if not any(self.part in path for path in call.paths()):
            return None
        self.done = True
        return self.do()


OPENS = ("open", "openat")
PUBLISHES = ("link", "linkat", "rename", "renameat", "renameat2")


def traced_restore(world, at_first, *options, env=None):
    """pitr-restore, in the middle of which something happens."""
    destination = new_data_directory()
    words = ("--config", world.repo.config, *options, destination)
    result = trace(at_first, program("pitr-restore"), *words, timeout=120, env=env)
    assert at_first.done, result
    return result, destination


OLDEST = ("--keep-full", "1")
CUT_WAL = ("--keep-full", "3", "--keep-wal", "1")


def to_moment(world, number, action="promote"):
    return (
        *("--backup", world.backups[number], "--to-time", world.moments[number]),
        *("--action", action),
    )


def test_an_expire_between_plan_and_unpacking_leaves_the_backup_and_its_wal():
    world = World()
    told = []
    at_pack = AtFirst(OPENS, "/pack-", lambda: told.append(world.expire(*OLDEST)))
    result, destination = traced_restore(world, at_pack, *to_moment(world, 0))
    result.expect(0)
    (kept,) = [b for b in told[0]["backups"] if b["id"] == world.backups[0]]
    assert kept["keep"] and kept["reasons"] == ["a restore needs it"], kept
    assert [world.is_there(i) for i in range(3)] == [True, False, True]
    # Recovery goes on fetching, whatever expires run.
    world.expire(*OLDEST)
    server = world.recovered(destination)
    assert world.count(server) == world.counts[0]


def test_an_expire_behind_a_restore_leaves_the_wal_to_the_plans_end():
    world = World()
    result, destination = restore(world.repo, *to_moment(world, 0))
    until = next(line for line in result.expect(0).out.splitlines() if line.startswith("kept "))
    before = world.segments()
    report = world.expire(*CUT_WAL)
    reasons = {wal["reason"] for wal in report["wal"] if wal["keep"]}
    assert f"a restore needs it, from {world.backups[0]}" in reasons, report
    # Behind its end keep_wal holds as ever.
    assert world.segments() < before and report["deleted"]["objects"] > 0, report
    (lease,) = world.leases()
    (system,) = world.repo.json("info")["systems"]
    (shown,) = [b["restores"] for b in system["backups"] if b["id"] == world.backups[0]]
    assert [r["host"] for r in shown] == [os.uname().nodename], shown
    assert shown[0]["to_lsn"] and shown[0]["timeline"] == 1, shown
    text = world.repo.walvault("info").expect(0).out
    assert f"kept until {shown[0]['until'][:13]}" in text and "for a restore on" in text, text
    text = world.repo.walvault("expire", "--dry-run", *OLDEST).expect(0).out
    assert f"a restore on {os.uname().nodename} needs it until" in text, text
    assert f"a restore needs it, from {world.backups[0]}" in text or "it lies behind" in text, text
    assert world.repo.walvault("cat", str(lease.relative_to(world.repo.store / "main"))).expect(0).out
    assert until.split("until ")[1][:10] == shown[0]["until"][:10], (until, shown)
    server = world.recovered(destination)
    assert world.count(server) == world.counts[0]


def test_a_lease_ends_by_the_stores_clock_and_is_swept():
    world = World()
    restore(world.repo, *to_moment(world, 0))[0].expect(0)
    restore(world.repo, *to_moment(world, 2))[0].expect(0)
    first, last = (next(world.directory(i).glob("restore-*")) for i in (0, 2))
    world.age(first, 23)
    world.age(last, 25)
    world.expire(*OLDEST, env=program_clock("@2038-01-19 03:14:00"))
    assert world.is_there(0) and first.exists() and not last.exists()
    world.age(first, 25)
    world.expire()  # no rule: nothing is deleted
    assert first.exists()
    planned = world.expire(*OLDEST, "--dry-run")
    assert world.is_there(0) and first.exists()
    done = world.expire(*OLDEST)
    assert not world.is_there(0) and world.leases() == []
    assert planned["deleted"] == done["deleted"], (planned, done)


def test_a_longer_or_shorter_lease_can_be_asked_for():
    world = World(lease="2d")
    restore(world.repo, *to_moment(world, 0))[0].expect(0)
    restore(world.repo, "--lease", "1h", *to_moment(world, 1))[0].expect(0)
    for number in (0, 1):
        world.age(next(world.directory(number).glob("restore-*")), 3)
    world.expire(*OLDEST)
    assert [world.is_there(i) for i in range(3)] == [True, False, True]
    result, _ = restore(world.repo, "--lease", "1s")
    result.expect(3)


def test_a_backup_that_expire_took_first_is_not_restored():
    world = World()
    at_lease = AtFirst(PUBLISHES, "/restore-", lambda: world.expire(*OLDEST) and None)
    result, destination = traced_restore(world, at_lease, *to_moment(world, 0))
    result.expect(1)
    assert world.backups[0] in result.err and "it is being deleted" in result.err, result
    assert not destination.exists()
    assert not any(world.backups[0] in key for key in world.repo.objects())


def test_wal_that_expire_took_first_stops_the_restore():
    world = World()
    at_lease = AtFirst(PUBLISHES, "/restore-", lambda: world.expire(*CUT_WAL) and None)
    result, destination = traced_restore(world, at_lease, *to_moment(world, 0))
    result.expect(1)
    assert "is gone: an expire ran meanwhile" in result.err, result
    assert not destination.exists()
    assert world.leases() == [] and world.is_there(0)


def test_a_store_that_cannot_be_written_stops_no_restore_and_one_line_says_so():
    world = World()
    paths = [world.repo.store, *world.repo.store.rglob("*")]
    modes = [(path, path.stat().st_mode & 0o7777) for path in paths if path.is_dir()]
    for path, mode in modes:
        path.chmod(mode & ~0o222)
    try:
        result, destination = restore(world.repo, *to_moment(world, 1))
    finally:
        for path, mode in modes:
            path.chmod(mode)
    result.expect(0)
    lines = [line for line in result.err.splitlines() if "nothing protects backup" in line]
    assert len(lines) == 1 and world.backups[1] in lines[0], result
    assert not any(line.startswith("kept ") for line in result.out.splitlines()), result
    assert world.leases() == []
    server = world.recovered(destination)
    assert world.count(server) == world.counts[1]


def test_an_unprotected_restore_still_finds_that_its_wal_went():
    world = World()

    def write_again():
        world.directory(0).chmod(0o700)
        world.expire(*CUT_WAL)

    world.directory(0).chmod(0o500)
    at_pack = AtFirst(OPENS, "/pack-", write_again)
    result, _ = traced_restore(world, at_pack, *to_moment(world, 0))
    result.expect(1)
    assert "nothing protects backup" in result.err, result
    assert "is gone: an expire ran meanwhile" in result.err, result


def test_a_started_server_that_has_recovered_needs_no_lease():
    world = World()
    started = restore_and_start(world.repo, *to_moment(world, 0))
    assert started.value("SELECT count(*) FROM t") == world.counts[0]
    assert world.leases() == []
    assert started.report["kept_until"] is None, started.report
    started.stop()
    # A standby goes on fetching, without an end.
    started = restore_and_start(world.repo, "--standby", "--backup", world.backups[0])
    (lease,) = world.leases()
    assert "to_lsn = 0/0\n" in lease.read_text(), lease.read_text()
    assert started.report["kept_until"], started.report
    before = world.segments()
    world.expire(*OLDEST)
    first = min(world.segments())
    assert world.segments() == {name for name in before if name >= first}
    assert world.is_there(0)
    started.stop()


def test_a_killed_restore_keeps_what_it_needed_for_its_time():
    world = World()
    at_pack = AtFirst(OPENS, "/pack-", lambda: KillAll)
    result, _ = traced_restore(world, at_pack, *to_moment(world, 0))
    assert result.killed
    (lease,) = world.leases()
    world.expire(*OLDEST)
    assert world.is_there(0)
    world.age(lease, 25)
    world.expire(*OLDEST)
    assert not world.is_there(0) and world.leases() == []


def test_a_lease_that_another_user_wrote_stops_nobody():
    world = World()
    restore(world.repo, *to_moment(world, 0))[0].expect(0)
    (lease,) = world.leases()
    lease.chmod(0)  # as one of root is to others
    assert "whose note cannot be read" in world.repo.walvault("info").expect(0).out
    world.expire(*OLDEST)
    assert world.is_there(0) and not world.is_there(1)
    world.age(lease, 31 * 24)
    world.expire(*OLDEST)
    assert not world.is_there(0) and world.leases() == []


def test_a_restore_that_failed_keeps_nothing():
    world = World()
    destination = new_data_directory()
    limited = ["sh", "-c", 'ulimit -f 16; exec "$@"', "sh", program("pitr-restore")]
    done = subprocess.run(
        [*limited, "--config", world.repo.config, destination],
        env=clean_environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done
    assert world.leases() == []


def test_a_long_restore_writes_its_lease_anew():
    world = World()
    written = []

    def see(call):
        if call.result == 0 and call.name in PUBLISHES:
            written.extend(path for path in call.paths() if "/restore-" in path)

    # An hour passes in a second.
    fast = program_clock("+0 x3600")
    del fast["FAKETIME_DONT_FAKE_MONOTONIC"]
    destination = new_data_directory()
    words = ("--config", world.repo.config, "--lease", "1min", destination)
    trace(see, program("pitr-restore"), *words, timeout=120, env=fast).expect(0)
    names = {path.rsplit("/", 1)[1] for path in written}
    names = {name for name in names if name.startswith("restore-")}
    assert len(names) > 3, written
    assert len(world.leases()) == 1


@time_limit(600)
def test_restores_beside_expires_come_back_or_say_why_not():
    world = World(4)
    rng = seeded_random()
    destinations = {}
    running = []

    def start(name, *words):
        return subprocess.Popen(
            [program(name), *words, "--config", world.repo.config],
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    rules = (*OLDEST, "--keep-wal", "1")
    jobs = [("restore", number) for number in (0, 1, 2, 3)] + [("expire", None)] * 4
    rng.shuffle(jobs)
    for job, number in jobs:
        if job == "expire":
            running.append((None, start("walvault", "expire", *rules)))
            continue
        destinations[number] = new_data_directory()
        words = (*to_moment(world, number), destinations[number])
        running.append((number, start("pitr-restore", *words)))
    for number, process in running:
        _, err = process.communicate(timeout=300)
        if number is None:
            assert process.returncode == 0, err.decode()
        elif process.returncode != 0:
            assert process.returncode in (1, 2), err.decode()
            assert err and number != 3, err.decode()
            del destinations[number]
    world.expire(*rules)
    for number, destination in destinations.items():
        server = world.recovered(destination)
        assert world.count(server) == world.counts[number], number
        server.stop()
