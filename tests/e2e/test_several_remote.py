# SPDX-License-Identifier: PostgreSQL
"""A directory and a bucket at a time, and the bucket's service dies and comes back."""

import os
import shutil
from urllib.parse import urlsplit

from walvault_test import Postgres, time_limit
from walvault_test.cases import new_directory
from walvault_test.fetching import Asker
from walvault_test.relay import Relay
from walvault_test.restoring import restore_and_start
from walvault_test.s3client import Place
from walvault_test.scripted import ScriptedS3
from walvault_test.services import place
from walvault_test.several import SeveralStores, sync_at_last
from walvault_test.stopped import stopped_cluster

SERVICES = ("ceph",)


class Offsite:
    """A prefix of its own in a bucket, by a way that can be cut."""

    def __init__(self):
        at = place("ceph")
        address = urlsplit(at["endpoint"])
        self.relay = Relay((address.hostname, address.port))
        self.prefix = f"several/{os.urandom(6).hex()}"
        secret = new_directory("secret") / "key"
        secret.write_text(at["secret_key"], encoding="ascii")
        self.section = {
            "url": f"s3://vault/{self.prefix}",
            "endpoint": f"{address.scheme}://127.0.0.1:{self.relay.port}",
            "ca_file": at["ca"],
            "access_key_id": at["access_key"],
            "secret_key_file": secret,
        }
        self.own = Place(at["endpoint"], at["access_key"], at["secret_key"], at["ca"])

    def wal(self):
        keys = self.own.keys("vault", f"{self.prefix}/")
        return {key.rsplit("/", 1)[1] for key in keys if "/wal/" in key}


def test_an_outage_of_the_bucket_costs_no_push_and_is_healed_by_sync():
    pg, wal = stopped_cluster()
    offsite = Offsite()
    sections = {"offsite": offsite.section}
    repo = SeveralStores(pg, sections=sections, required="any", timeout="30s", grace="5s")
    repo.init()
    repo.walpush(f"pg_wal/{wal[0]}").expect(0)
    assert offsite.wal() == {wal[0]}
    offsite.relay.cut()
    repo.configure(grace="500ms")
    for name in wal[1:3]:
        result = repo.walpush(f"pg_wal/{name}").expect(0)
        assert "archived without store offsite" in result.err, result
    repo.configure(required="all", timeout="3s")
    result = repo.walpush(f"pg_wal/{wal[3]}").expect(1)
    assert "safe in local, not in offsite" in result.err.splitlines()[-1], result
    offsite.relay.up()
    repo.configure(required="any", timeout="30s")
    sync_at_last(repo)
    assert offsite.wal() == set(wal[:4])
    shutil.rmtree(repo.place("local"))
    asker = Asker(repo, "recovery")
    for name in wal[:4]:
        asker.fetch(name).expect(0)
        assert asker.destination.read_bytes() == (pg.data / "pg_wal" / name).read_bytes()
    asker.destination.unlink()
    asker.fetch_fails(wal[4], 200)
    asker.fetch(wal[4], "--store", "offsite").expect(1)


@time_limit(300)
def test_a_cluster_comes_back_from_the_bucket_when_the_directory_is_lost():
    """The bucket is away while half of the WAL is archived; backup and WAL come by sync."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    offsite = Offsite()
    repo = SeveralStores(
        pg, sections={"offsite": offsite.section}, required="any", timeout="30s", grace="300ms"
    )
    repo.enable_archiving()
    pg.start()
    repo.init()
    repo.run("basebackup", "--fast", "--store", "local", "--required", "1").expect(0)
    pg.sql("CREATE TABLE t AS SELECT 1 AS n")
    pg.archive_all()
    offsite.relay.cut()
    pg.sql("INSERT INTO t VALUES (2)")
    pg.archive_all()
    offsite.relay.up()
    pg.sql("INSERT INTO t VALUES (3)")
    pg.archive_all()
    sync_at_last(repo)
    pg.stop()
    shutil.rmtree(repo.place("local"))
    restored = restore_and_start(repo, "--store", "offsite")
    assert restored.value("SELECT sum(n) FROM t") == 6


def test_a_bucket_beside_a_directory_costs_one_put_and_no_get():
    pg, wal = stopped_cluster()
    server = ScriptedS3()
    secret = new_directory("secret") / "key"
    secret.write_text("averysecretsecretkey", encoding="ascii")
    section = {
        **{"url": "s3://bucket/some/prefix", "endpoint": server.endpoint},
        **{"access_key_id": "AKIDSCRIPTED", "secret_key_file": secret},
    }
    repo = SeveralStores(pg, sections={"offsite": section}, timeout="20s", grace="10s")
    repo.init()
    repo.walpush(f"pg_wal/{wal[0]}").expect(0)
    server.calm()
    repo.walpush(f"pg_wal/{wal[1]}").expect(0)
    assert len(server.asked("^PUT")) == 1 and not server.asked("^GET.*/wal/")
    assert not server.asked("^HEAD") and not server.asked("list-type")
    server.calm()
    Asker(repo, "recovery").fetch(wal[1]).expect(0)
    assert not server.asked()
