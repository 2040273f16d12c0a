# SPDX-License-Identifier: PostgreSQL
"""A real S3 gateway is killed and started again in the middle of everything."""

import subprocess
import time

from walvault_test import BaseCopy, Postgres, Repository, time_limit, wait_until
from walvault_test.bucket import Bucket
from walvault_test.fetching import Asker
from walvault_test.gateway import Gateway
from walvault_test.postgres import ServerDied
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import new_data_directory, restore, restore_and_start, take_backup
from walvault_test.stopped import stopped_cluster

SERVICES = ("ceph",)


def archiving_server(gateway, bucket, mib=0, **options):
    """A server that archives through the gateway, with so much that does not compress."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, section=gateway.section(bucket, part_size="5MiB"), **options)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (n int, b bytea)")
    pg.sql("ALTER TABLE t ALTER b SET STORAGE EXTERNAL")
    if mib:
        pg.sql("CREATE EXTENSION pgcrypto")
        pg.sql(
            "INSERT INTO t SELECT g, gen_random_bytes(1024) FROM generate_series(1, %s) g",
            mib * 1000,
        )
    return pg, repo


def impatient(repo):
    repo.section["retry_for"] = "2s"
    repo.configure()


def within_five(attempt):
    """What it gives when the outage came in time: a program may have been faster."""
    for _ in range(5):
        if given := attempt():
            return given
    raise AssertionError("the outage came too late five times")


def start_program(repo, name, *words):
    return subprocess.Popen(
        [program(name), *words],
        env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@time_limit(300)
def test_pushes_fail_within_their_budget_or_are_durable():
    gateway, bucket = Gateway(), Bucket()
    pg, names = stopped_cluster()
    repo = Repository(pg, timeout="3s", section=gateway.section(bucket))
    repo.init()
    gateway.kill()
    begin = time.monotonic()
    result = repo.walpush(f"pg_wal/{names[0]}").expect(1)
    assert time.monotonic() - begin < 6, result
    assert not [key for key in bucket.keys() if "/wal/" in key]
    gateway.start()
    gateway.storm(up=0.4, down=0.3)
    done = set()
    while len(done) < len(names) or gateway.outages < 6:
        for name in names:
            if repo.walpush(f"pg_wal/{name}").expect((0, 1)).status == 0:
                done.add(name)
                # Through another gateway it is there at once, and whole.
                (key,) = [key for key in bucket.keys() if key.endswith(name)]
                assert bucket.own.get("vault", key)[-8:], key
    gateway.calm()
    repo.walvault("verify", "--wal").expect((0, 1))
    for name in names:
        Asker(repo, "recovery").fetch(name).expect(0)


@time_limit(300)
def test_a_backup_goes_on_behind_an_outage_or_publishes_nothing():
    gateway, bucket = Gateway(), Bucket()
    pg, repo = archiving_server(gateway, bucket, mib=48)

    def packs():
        keys = [*bucket.keys(), *bucket.own.uploads("vault")]
        return [key for key in keys if bucket.prefix in key and "/pack-" in key]

    def begun():
        """A backup that has begun to write packs."""
        before = len(packs())
        running = start_program(repo, "basebackup", "--fast", "--jobs", "1", "--conninfo", pg.conninfo())
        wait_until(lambda: len(packs()) > before or running.poll() is not None, "its first pack")
        return running

    def hit():
        """One that was still at it when the gateway went away for a while."""
        running = begun()
        gateway.kill()
        time.sleep(0.5)
        gateway.start()
        out, err = running.communicate(timeout=120)
        assert running.returncode == 0, err
        return out.split()[0] if "trying again" in err else None

    backup_id = within_five(hit)
    repo.walvault("verify", backup_id).expect(0)
    # An outage that does not end in time.
    impatient(repo)

    def broken():
        running = begun()
        gateway.kill()
        begin = time.monotonic()
        out, err = running.communicate(timeout=120)
        gateway.start()
        if running.returncode == 0:
            return None
        assert running.returncode == 1 and not out.strip(), (running.returncode, out, err)
        assert time.monotonic() - begin < 30, err
        return err

    complete = within_five(broken) and len([key for key in bucket.keys() if key.endswith("/manifest")])
    states = [b["state"] for b in repo.json("info")["systems"][0]["backups"]]
    assert states.count("complete") == complete and len(states) == complete + 1, states
    take_backup(repo)


@time_limit(300)
def test_a_restore_goes_on_behind_an_outage_or_leaves_nothing_that_starts():
    gateway, bucket = Gateway(), Bucket()
    pg, repo = archiving_server(gateway, bucket, mib=48)
    take_backup(repo)
    pg.archive_all()
    pg.destroy()

    def begun():
        destination = new_data_directory()
        running = start_program(repo, "pitr-restore", "--bindir", pg.bin, destination)

        def has_begun():
            return destination.exists() and any(destination.rglob("PG_VERSION*"))

        wait_until(lambda: has_begun() or running.poll() is not None, "the first files")
        return running, destination

    def hit():
        """Was it still at it when the gateway went away for a while?"""
        running, _ = begun()
        gateway.kill()
        time.sleep(0.5)
        gateway.start()
        _, err = running.communicate(timeout=120)
        assert running.returncode == 0, err
        return "trying again" in err

    within_five(hit)
    # An outage that does not end in time.
    impatient(repo)

    def broken():
        running, destination = begun()
        gateway.kill()
        _, err = running.communicate(timeout=120)
        gateway.start()
        if running.returncode == 0:
            return False
        assert running.returncode == 1, err
        assert not (destination / "global/pg_control").exists(), err
        return True

    within_five(broken)
    restored = restore_and_start(repo)
    assert restored.value("SELECT count(*) FROM t") == 48000


def promotes(pg):
    """Waits for the end of the recovery, or of the server."""
    try:
        pg.wait_promoted()
    except ServerDied:
        return False
    return True


@time_limit(300)
def test_a_recovery_waits_for_the_end_of_an_outage_and_never_promotes_in_it():
    gateway, bucket = Gateway(), Bucket()
    pg, repo = archiving_server(gateway, bucket, timeout="2s")
    base = BaseCopy(pg)
    for n in range(12):
        pg.sql("INSERT INTO t VALUES (%s, NULL)", n)
        pg.archive_all()
    pg.destroy()
    restored = base.restore(repo)
    gateway.kill()
    restored.start(wait=False)
    assert restored.wait_exit(60) != 0, restored.log_tail()
    gateway.start()
    # Never up for as long as all of it takes, and down for longer than a fetch waits.
    gateway.storm(up=0.1, down=2.5)
    restored.start(wait=False)
    while not promotes(restored):
        assert (restored.data / "recovery.signal").exists(), restored.log_tail()
        assert "selected new timeline" not in restored.log(), restored.log_tail()
        if gateway.outages > 4:
            gateway.calm()
        restored.start(wait=False)
    gateway.calm()
    assert [n for (n,) in restored.sql("SELECT n FROM t ORDER BY n")] == list(range(12))
    assert gateway.outages > 1
