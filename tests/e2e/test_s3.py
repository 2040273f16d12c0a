# SPDX-License-Identifier: PostgreSQL
"""The whole way on real S3 services: archive, back up, destroy, restore to a time."""

import datetime
import json
import os
import re
import shutil
import signal
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from walvault_test import Postgres, Repository, majors, run_program, time_limit, wait_until
from walvault_test.bucket import Bucket, pushed
from walvault_test.cases import new_directory
from walvault_test.documents import load_program, source
from walvault_test.fetching import Asker
from walvault_test.programs import clean_environment, helpers, program
from walvault_test.restoring import restore_and_start, take_backup

SERVICES = ("ceph", "swift")


def circle(bucket, **section):
    """Archive, back up, lose everything, restore to a time; the requests' proof is the data."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, section=bucket.section(**section))
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (what text, filler text)")
    pg.sql("INSERT INTO t SELECT 'before', md5(g::text) FROM generate_series(1, 20000) g")
    backup = take_backup(repo)
    pg.sql("INSERT INTO t VALUES ('behind the backup')")
    moment = pg.value("SELECT clock_timestamp()::text")
    pg.sql("INSERT INTO t VALUES ('too late')")
    pg.archive_all()
    pg.destroy()
    shutil.rmtree(repo.state_directory)
    found = repo.json("info")
    assert backup in str(found), found
    repo.walvault("verify", "--wal").expect(0)
    restored = restore_and_start(repo, "--to-time", moment)
    counts = dict(restored.sql("SELECT what, count(*) FROM t GROUP BY 1"))
    assert counts == {"before": 20000, "behind the backup": 1}, counts
    assert bucket.keys() and not repo.objects()


@time_limit(600)
def test_the_full_circle_over_tls_with_an_authority_of_our_own():
    circle(Bucket("ceph"))


@time_limit(600)
def test_the_full_circle_where_nothing_is_conditional():
    circle(Bucket("swift"), single_writer="yes", part_size="5MiB")


def test_the_url_and_the_environment_are_enough():
    bucket = Bucket()
    _, repo, names = pushed(bucket)
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    environment = {
        "AWS_ACCESS_KEY_ID": bucket.at["access_key"],
        "AWS_SECRET_ACCESS_KEY": bucket.at["secret_key"],
        "AWS_ENDPOINT_URL": bucket.at["endpoint"],
        "AWS_CA_BUNDLE": bucket.at["ca"],
        "WALVAULT_CONFIG": "/dev/null",
    }
    result = repo.walvault("info", "--store", repo.url, env=environment).expect(0)
    assert str(repo.pg.sysid) in result.out, result


def test_each_thing_that_is_wrong_has_its_own_message():
    bucket = Bucket()
    pg, repo, names = pushed(bucket)
    wrong = new_directory("secret") / "key"
    wrong.write_text("notthesecretkey", encoding="ascii")
    unreadable = new_directory("secret") / "unreadable"
    unreadable.touch(0)
    cases = {
        "there is no bucket 'nosuchbucket'": {"url": "s3://nosuchbucket/x"},
        "does not know this access key": {"access_key_id": "NOSUCHKEY"},
        "the secret key does not belong": {"secret_key_file": wrong},
        "certificate": {"ca_file": None},
        "is the service up": {"endpoint": "https://127.0.0.1:1"},
        "not an address of a service": {"endpoint": "127.0.0.1"},
        "no such file": {"secret_key_file": "/nonexistent"},
        "speaks TLS, and was asked in plain HTTP": {
            "endpoint": bucket.at["endpoint"].replace("https:", "http:")
        },
        "who runs this, must be able to read it": {"secret_key_file": unreadable},
    }
    asker = Asker(repo, "recovery")
    for message, options in cases.items():
        repo.section = {**bucket.section(**options)}
        repo.configure(timeout="3s")
        result = repo.walpush(f"pg_wal/{names[0]}").expect((1, 3))
        assert message in result.err, (message, result)
        assert not result.without_hint(), result
        result = asker.fetch(names[0]).expect(200)
        assert message in result.err, (message, result)
    assert not [key for key in bucket.keys() if "/wal/" in key]


def test_swift_tells_the_right_region_and_refuses_conditions():
    bucket = Bucket("swift")
    pg, repo, names = pushed(bucket, init=False, region="eu-central-1")
    result = repo.walvault("init").expect(3)
    assert "set region = us-east-1" in result.err, result
    repo.section = bucket.section()
    repo.configure()
    result = repo.walvault("init").expect(3)
    assert "501" in result.err and "single_writer = yes" in result.err, result


def test_a_wrong_clock_is_told():
    bucket = Bucket()
    _, repo, names = pushed(bucket)
    command = ["faketime", "-f", "+2h", program("walvault"), "info"]
    done = subprocess.run(
        command,
        env=clean_environment(WALVAULT_CONFIG=str(repo.config), FAKETIME_DONT_FAKE_MONOTONIC="1"),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done
    assert re.search(r"clock is 7[12]\d\d s ahead of the service's", done.stderr), done


def test_objects_are_locked_and_the_service_is_asked_whether_they_are():
    bucket = Bucket("ceph", "locked")
    # In a bucket of versions, as it must be, this Ceph creates unconditionally.
    result = pushed(bucket, init=False, lock_mode="GOVERNANCE")[1].walvault("init").expect(3)
    assert "ignores If-None-Match" in result.err, result
    bucket = Bucket("ceph", "locked")
    options = {"lock_mode": "GOVERNANCE", "lock_for": "1d", "single_writer": "yes"}
    _, repo, names = pushed(bucket, **options)
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    key = next(key for key in bucket.keys() if key.endswith(names[0]))
    headers = bucket.own.head("locked", key)
    assert headers["x-amz-object-lock-mode"] == "GOVERNANCE", headers
    until = headers["x-amz-object-lock-retain-until-date"][:19]
    left = datetime.datetime.fromisoformat(until) - datetime.datetime.utcnow()
    assert datetime.timedelta(hours=23) < left <= datetime.timedelta(hours=24, minutes=1), until
    bucket = Bucket("swift")
    _, repo, names = pushed(bucket, init=False, single_writer="yes", lock_mode="COMPLIANCE")
    result = repo.walvault("init").expect(3)
    assert "did not lock it" in result.err, result


def test_objects_have_the_attributes_asked_for():
    bucket = Bucket()
    key_file = new_directory("secret") / "sse"
    key_file.write_bytes(bytes(range(32)))
    _, repo, names = pushed(bucket, sse="customer", sse_key_file=key_file)
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    Asker(repo, "recovery").fetch(names[0]).expect(0)
    key = next(key for key in bucket.keys() if key.endswith(names[0]))
    status, _, _ = bucket.own.request("GET", f"/vault/{key}")
    assert status == 400, "it can be read without the key"
    bucket = Bucket()
    _, repo, names = pushed(
        bucket, sse="aws:kms", sse_key_id="testkey-1", tags="team=dba&what=wal",
        storage_class="STANDARD", wal_storage_class="STANDARD",
    )
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    key = next(key for key in bucket.keys() if key.endswith(names[0]))
    assert bucket.own.head("vault", key)["x-amz-server-side-encryption"] == "aws:kms"
    _, _, tags = bucket.own.request("GET", f"/vault/{key}", "tagging=")
    assert b"<Key>team</Key><Value>dba</Value>" in tags, tags


@majors(15)
def test_a_push_of_16_mib_needs_less_than_64_mib(major):
    bucket = Bucket()
    pg = Postgres.create(major, autovacuum="off", wal_keep_size="256MB")
    pg.start()
    # What does not compress is the most that can be held.
    pg.sql("CREATE TABLE t (b bytea)")
    pg.sql("ALTER TABLE t ALTER b SET STORAGE EXTERNAL")
    pg.sql("CREATE EXTENSION pgcrypto")
    for _ in range(16):
        pg.sql("INSERT INTO t SELECT gen_random_bytes(1024) FROM generate_series(1, 1024)")
    name = pg.switch_wal()
    pg.stop()
    previous = f"{name[:8]}{int(name[8:], 16) - 1:016X}"
    _, repo, _ = pushed(bucket, pg=(pg, []))
    assert_small_push(bucket, repo, previous, 12 << 20, 64)


@dataclass
class Made:
    """A data directory of which there is no more than a push looks at."""

    data: Path
    sysid: int


@time_limit(300)
def test_a_push_of_1_gib_needs_less_than_128_mib():
    bucket = Bucket()
    name = "000000010000000000000001"
    maker = load_program("tests/vectors/make")
    data = new_directory("gib") / "data"
    maker.make_cluster(data, b"")
    control = bytearray(maker.control_file())
    pg = Made(data, 7431000000000000123)
    struct.pack_into("<Q", control, 0, pg.sysid)
    struct.pack_into("<I", control, 228, 1 << 30)
    struct.pack_into("<I", control, 288, maker.crc32c(control[:288]))
    (data / "global/pg_control").write_bytes(control)
    (data / "pg_wal/00000002.history").unlink()
    run_program(helpers() / "onesegment", data / "pg_wal", "1024", timeout=120).expect()
    section = {"endpoint": bucket.at["plain_endpoint"], "ca_file": None}
    _, repo, _ = pushed(bucket, pg=(pg, []), **section)
    repo.configure(timeout="4min")
    assert_small_push(bucket, repo, name, 900 << 20, 128)
    key = next(key for key in bucket.keys() if key.endswith(name))
    bucket.own.request("DELETE", f"/vault/{key}")


def assert_small_push(bucket, repo, name, least, most_mib):
    """A push by one PUT of at least so many bytes, in at most so much memory."""
    log = new_directory("time") / "log"
    command = ["/usr/bin/time", "-f", "%M", "-o", log, program("walpush"), f"pg_wal/{name}"]
    subprocess.run(
        command,
        cwd=repo.pg.data,
        env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        check=True,
        timeout=240,
    )
    kib = int(log.read_text(encoding="ascii").split()[-1])
    key = next(key for key in bucket.keys() if key.endswith(name))
    headers = bucket.own.head("vault", key)
    stored = int(headers["content-length"])
    assert stored > least, "it compresses too well for this test"
    assert "-" not in headers["etag"], "it was put in parts"
    assert kib < most_mib * 1024, f"{kib} KiB for {stored} bytes"


def test_what_a_killed_backup_had_uploaded_is_not_taken_from_one_that_may_run():
    bucket = Bucket()
    pg = Postgres.create(15, autovacuum="off")
    repo = Repository(pg, section=bucket.section(part_size="5MiB"))
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (b bytea)")
    pg.sql("ALTER TABLE t ALTER b SET STORAGE EXTERNAL")
    pg.sql("CREATE EXTENSION pgcrypto")
    pg.sql("INSERT INTO t SELECT gen_random_bytes(1000) FROM generate_series(1, 60000)")

    def uploads():
        return [key for key in bucket.own.uploads("vault") if key.startswith(bucket.prefix)]

    words = [program("basebackup"), "--fast", "--jobs", "1", "--conninfo", pg.conninfo()]
    running = subprocess.Popen(
        words,
        env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_until(uploads, "an upload to be begun")
    running.send_signal(signal.SIGKILL)
    running.wait()
    repo.walvault("expire", "--broken").expect(0)
    assert uploads(), "its writer may still be at it"


# -- rights --


def policy_of_the_manual():
    """The policy in walvault-s3(7), as it stands there."""
    page = source("man/walvault-s3.7").read_text(encoding="utf-8")
    text = page.split(".Ss Least privilege")[1].split(".Bd -literal\n")[1].split("\n.Ed")[0]
    return json.loads(text)


class LeastPrivilege(Bucket):
    """A bucket with that policy for a user who owns nothing."""

    def __init__(self, without=()):
        super().__init__("ceph", f"least-{os.urandom(6).hex()}")
        self.own.make_bucket(self.bucket)
        self.allow(without=without)

    def allow(self, *more, without=()):
        policy = policy_of_the_manual()
        # This Ceph does not know the conditions on single requests.
        assert sum("Condition" in one for one in policy["Statement"]) == 2
        policy["Statement"] = [
            one for one in policy["Statement"] if "ObjectCreationOperation" not in str(one)
        ]
        for one in policy["Statement"]:
            one.pop("Condition", None)
            one["Principal"] = {"AWS": ["arn:aws:iam:::user/host"]}
            one["Action"] = [a for a in self._list(one["Action"]) if a not in without]
        policy["Statement"][0]["Action"] += more
        text = json.dumps(policy).replace("example-wal/orders", f"{self.bucket}/{self.prefix}")
        text = text.replace("example-wal", self.bucket)
        status, _, body = self.own.request(
            "PUT", f"/{self.bucket}", "policy=", text.encode()
        )
        assert status in (200, 204), (status, body)

    @staticmethod
    def _list(value):
        return value if isinstance(value, list) else [value]

    def section(self, **options):
        secret = new_directory("secret") / "key"
        secret.write_text(self.at["host_secret_key"], encoding="ascii")
        own = {"access_key_id": self.at["host_access_key"], "secret_key_file": secret}
        return super().section(**{**own, **options})


@time_limit(300)
def test_the_rights_in_the_manual_are_enough_and_no_more():
    bucket = LeastPrivilege()
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, section=bucket.section(part_size="5MiB"), keep_full=1)
    repo.enable_archiving()
    pg.start()
    repo.init()
    for _ in range(2):
        pg.sql("CREATE TABLE IF NOT EXISTS t (b bytea)")
        pg.sql("INSERT INTO t SELECT sha512(g::text::bytea) FROM generate_series(1, 9000) g")
        take_backup(repo)
    pg.archive_all()
    name = pg.switch_wal()
    pg.archive_all()
    repo.walvault("check", "--no-server").expect(0)
    repo.walvault("verify", "--wal").expect(0)
    Asker(repo, "recovery").fetch(name).expect(0)
    before = bucket.keys()
    result = repo.walvault("expire").expect(1)
    assert "s3:DeleteObject" in result.err and "403 AccessDenied" in result.err, result
    left = [key for key in before if key not in bucket.keys()]
    assert not left, left
    bucket.allow("s3:DeleteObject")
    repo.walvault("expire").expect(0)
    assert len([key for key in bucket.keys() if key.endswith("/manifest")]) == 1


def test_without_the_right_to_list_nothing_is_absent_and_the_right_is_named():
    bucket = LeastPrivilege(without=("s3:ListBucket",))
    owner = Bucket.section(bucket)
    pg, repo, names = pushed(bucket, init=False)
    repo.section = owner
    repo.configure()
    repo.init()
    repo.section = bucket.section()
    repo.configure()
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    asker = Asker(repo, "recovery")
    asker.fetch(names[0], "--generation", "1").expect(0)
    result = asker.fetch(names[1], "--generation", "1").expect(200)
    assert "403" in result.err and "s3:ListBucket" in result.err, result
    result = repo.walvault("info").expect(1)
    assert "s3:ListBucket" in result.err, result


def test_without_the_right_to_write_the_right_is_named():
    bucket = LeastPrivilege(without=("s3:PutObject",))
    pg, repo, names = pushed(bucket, init=False)
    repo.section = Bucket.section(bucket)
    repo.configure()
    repo.init()
    repo.section = bucket.section()
    repo.configure()
    result = repo.walpush(f"pg_wal/{names[0]}").expect(1)
    assert "s3:PutObject" in result.err, result
