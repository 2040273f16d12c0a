# SPDX-License-Identifier: PostgreSQL
"""The whole way on a Google Cloud Storage: archive, back up, destroy, restore to a time."""

import datetime
import json
import os
import shutil

from walvault_test import Postgres, Repository, time_limit
from walvault_test.cases import new_directory
from walvault_test.fetching import Asker
from walvault_test.google_client import GooglePlace
from walvault_test.restoring import restore_and_start, take_backup
from walvault_test.services import place
from walvault_test.stopped import stopped_cluster

SERVICES = ("gcs",)


class Bucket:
    """A prefix of its own in the service's bucket, as the database host sees it."""

    def __init__(self, bucket="vault", account="host"):
        self.at = place("gcs")
        self.bucket = bucket
        self.account = account
        self.prefix = f"e2e/{os.urandom(6).hex()}"
        self.own = GooglePlace(self.at["endpoint"], self.at["token"], self.at["ca"])

    def section(self, **options):
        given = {
            "url": f"gs://{self.bucket}/{self.prefix}",
            "endpoint": self.at["endpoint"],
            "ca_file": self.at["ca"],
            "credentials_file": self.at["keys"][self.account],
            **options,
        }
        return {name: value for name, value in given.items() if value is not None}

    def keys(self):
        return self.own.keys(self.bucket, f"{self.prefix}/")

    def key_of(self, name):
        return next(key for key in self.keys() if key.endswith(name))

    def changed_key(self, **members):
        """The account's key file with other members; its path."""
        with open(self.at["keys"][self.account], encoding="ascii") as file:
            key = {**json.load(file), **members}
        path = new_directory("secret") / "key.json"
        path.write_text(json.dumps(key), encoding="ascii")
        return path


def pushed(bucket, init=True, **section):
    """A stopped cluster and its repository in the bucket."""
    pg, names = stopped_cluster()
    repo = Repository(pg, timeout="30s", section=bucket.section(**section))
    if init:
        repo.init()
    return pg, repo, names


@time_limit(600)
def test_the_full_circle_over_tls_without_the_right_to_delete():
    bucket = Bucket()
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, section=bucket.section(part_size="5MiB"))
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE EXTENSION pgcrypto")
    pg.sql("CREATE TABLE t (what text, filler bytea)")
    pg.sql("ALTER TABLE t ALTER filler SET STORAGE EXTERNAL")
    # What does not compress makes packs of several parts.
    pg.sql("INSERT INTO t SELECT 'before', gen_random_bytes(1000) FROM generate_series(1, 20000)")
    backup = take_backup(repo)
    pg.sql("INSERT INTO t VALUES ('behind the backup')")
    moment = pg.value("SELECT clock_timestamp()::text")
    pg.sql("INSERT INTO t VALUES ('too late')")
    pg.archive_all()
    sum_before = pg.value("SELECT md5(string_agg(filler, '' ORDER BY filler)) FROM t")
    pg.destroy()
    shutil.rmtree(repo.state_directory)
    assert backup in str(repo.json("info"))
    repo.walvault("verify", "--wal").expect(0)
    restored = restore_and_start(repo, "--to-time", moment)
    counts = dict(restored.sql("SELECT what, count(*) FROM t GROUP BY 1"))
    assert counts == {"before": 20000, "behind the backup": 1}, counts
    there = restored.value("SELECT md5(string_agg(filler, '' ORDER BY filler)) FROM t")
    assert there == sum_before
    sizes = [int(bucket.own.resource("vault", key)["size"]) for key in bucket.keys()]
    assert max(sizes) > 10 << 20 and not repo.objects()
    # What is to be deleted needs another account.
    result = repo.walvault("expire", "--keep-full", "1", "--dry-run").expect(0)
    repo.section = bucket.section(credentials_file=bucket.at["keys"]["admin"])
    repo.configure()
    result = repo.walvault("expire", "--keep-full", "1").expect(0)
    assert backup in str(repo.json("info")), result


def test_the_environment_leads_to_the_credentials():
    bucket = Bucket()
    _, repo, names = pushed(bucket)
    repo.section = bucket.section(credentials_file=None)
    repo.configure()
    home = new_directory("home")
    env = {"HOME": str(home), "GCE_METADATA_HOST": "127.0.0.1:1"}
    result = repo.walpush(f"pg_wal/{names[0]}", env=env).expect(3)
    assert "no credentials are found" in result.err and "credentials_file" in result.err, result
    key = bucket.at["keys"]["host"]
    repo.walpush(f"pg_wal/{names[0]}", env={**env, "GOOGLE_APPLICATION_CREDENTIALS": key}).expect(0)
    left = home / ".config/gcloud/application_default_credentials.json"
    left.parent.mkdir(parents=True)
    shutil.copy(key, left)
    repo.walpush(f"pg_wal/{names[1]}", env=env).expect(0)


def test_each_thing_that_is_wrong_has_its_own_message():
    bucket = Bucket()
    pg, repo, names = pushed(bucket)
    other = json.loads(bucket.changed_key().read_text(encoding="ascii"))
    admin = Bucket(account="admin").changed_key().read_text(encoding="ascii")
    text = new_directory("secret") / "text"
    text.write_text("notakey-butasecret\n", encoding="ascii")
    unreadable = new_directory("secret") / "unreadable"
    unreadable.touch(0)
    account = {"client_email": "gone@tests.iam.gserviceaccount.com"}
    cases = {
        "there is no bucket 'nosuchbucket'": {"url": "gs://nosuchbucket/x"},
        "the key of this file was deleted": {
            "credentials_file": bucket.changed_key(private_key=json.loads(admin)["private_key"])
        },
        "the service account was deleted": {"credentials_file": bucket.changed_key(**account)},
        "it has no client_email": {"credentials_file": bucket.changed_key(client_email="")},
        "who runs this, must be able to read it": {"credentials_file": unreadable},
        "its private_key is no RSA key": {
            "credentials_file": bucket.changed_key(private_key="-----BEGIN PRIVATE KEY-----\nx\n")
        },
        "it is of type gdch_service_account": {
            "credentials_file": bucket.changed_key(type="gdch_service_account")
        },
        "not of https": {
            "credentials_file": bucket.changed_key(token_uri="http://192.0.2.1/token")
        },
        "it is no credentials file": {"credentials_file": text},
        "no such file": {"credentials_file": "/nonexistent"},
        "speaks TLS, and was asked in plain HTTP": {
            "endpoint": bucket.at["endpoint"].replace("https:", "http:")
        },
        "certificate": {"ca_file": None},
        "is the service up": {"endpoint": "https://127.0.0.1:1"},
        "not an address of a service": {"endpoint": "127.0.0.1"},
        "write gs://BUCKET": {"url": "gs:///x"},
        "Google and Azure encrypt everything": {"sse": "AES256"},
        "tags is an option of other stores (s3)": {"tags": "team=dba"},
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
        for secret in ("notakey-butasecret", other["private_key"][40:80]):
            assert secret not in result.err, result
    assert not [key for key in bucket.keys() if "/wal/" in key]


def test_objects_are_locked_and_the_service_is_asked_whether_they_are():
    bucket = Bucket("locked", "admin")
    _, repo, names = pushed(bucket, lock_mode="GOVERNANCE", lock_for="1d")
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    retention = bucket.own.resource("locked", bucket.key_of(names[0]))["retention"]
    assert retention["mode"] == "Unlocked", retention
    until = datetime.datetime.fromisoformat(retention["retainUntilTime"][:19])
    left = until - datetime.datetime.utcnow()
    assert datetime.timedelta(hours=23) < left <= datetime.timedelta(hours=24, minutes=1), until
    _, repo, names = pushed(Bucket(account="admin"), init=False, lock_mode="COMPLIANCE")
    result = repo.walvault("init").expect(3)
    assert "object retention" in result.err, result
    _, repo, names = pushed(Bucket("locked"), init=False, lock_mode="COMPLIANCE")
    result = repo.walvault("init").expect(1)
    assert "storage.objects.setRetention" in result.err, result


def test_objects_have_the_class_asked_for():
    bucket = Bucket()
    _, repo, names = pushed(bucket, storage_class="NEARLINE", wal_storage_class="COLDLINE")
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    assert bucket.own.resource("vault", bucket.key_of(names[0]))["storageClass"] == "COLDLINE"
    marker = next(key for key in bucket.keys() if "/wal/" not in key)
    assert bucket.own.resource("vault", marker)["storageClass"] == "STANDARD"


def test_a_damaged_object_needs_the_right_to_delete_to_be_set_aside():
    bucket = Bucket()
    _, repo, names = pushed(bucket)
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    key = bucket.key_of(names[0])
    good = bucket.own.get("vault", key)
    bucket.own.put("vault", key, good[:-100])
    result = repo.walpush(f"pg_wal/{names[0]}").expect(1)
    assert "storage.objects.delete" in result.err, result
    assert bucket.own.get("vault", key) == good[:-100], "it is still there"
    repo.section = bucket.section(credentials_file=bucket.at["keys"]["admin"])
    repo.configure()
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    aside = [name for name in bucket.keys() if name != key and names[0] in name]
    assert aside and bucket.own.get("vault", aside[0]) == good[:-100], bucket.keys()
    Asker(repo, "recovery").fetch(names[0]).expect(0)
