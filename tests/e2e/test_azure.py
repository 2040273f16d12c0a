# SPDX-License-Identifier: PostgreSQL
"""The whole way on Azurite: archive, back up, destroy, restore to a time."""

import base64
import os
import re
import shutil
import signal
import subprocess

from walvault_test import Postgres, Repository, majors, time_limit, wait_until
from walvault_test.azureclient import Container, moment, sas, token
from walvault_test.cases import new_directory
from walvault_test.fetching import Asker
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import restore_and_start, take_backup
from walvault_test.services import place
from walvault_test.stopped import stopped_cluster

SERVICES = ("azurite",)


def secret(text):
    path = new_directory("secret") / "secret"
    path.write_text(text, encoding="ascii")
    return path


class Vault:
    """A prefix of its own in Azurite's container."""

    def __init__(self, endpoint="endpoint"):
        self.at = place("azurite")
        self.prefix = f"e2e/{os.urandom(6).hex()}"
        self.endpoint = self.at[endpoint]
        self.own = Container(
            *(self.endpoint, self.at["account"], self.at["secret_key"]),
            *("vault", self.at["ca"]),
        )

    def section(self, **options):
        given = {
            **{"url": f"azure://vault/{self.prefix}", "endpoint": self.endpoint},
            **{"ca_file": self.at["ca"], "secret_key_file": secret(self.at["secret_key"])},
            **options,
        }
        return {name: value for name, value in given.items() if value is not None}

    def sas(self, permissions, **fields):
        return sas(self.at["account"], self.at["secret_key"], "vault", permissions, **fields)

    def keys(self, **options):
        return self.own.keys(f"{self.prefix}/", **options)


def pushed(vault, init=True, pg=None, **section):
    """A stopped cluster and its repository in the container."""
    pg, names = pg or stopped_cluster()
    repo = Repository(pg, timeout="30s", section=vault.section(**section))
    if init:
        repo.init()
    return pg, repo, names


def circle(vault, **section):
    """Archive, back up, lose everything, restore to a time; the proof is the data."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, section=vault.section(**section))
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (what text, filler text)")
    pg.sql("INSERT INTO t SELECT 'before', md5(g::text) FROM generate_series(1, 20000) g")
    backup = take_backup(repo)
    pg.sql("INSERT INTO t VALUES ('behind the backup')")
    target = pg.value("SELECT clock_timestamp()::text")
    pg.sql("INSERT INTO t VALUES ('too late')")
    pg.archive_all()
    pg.destroy()
    shutil.rmtree(repo.state_directory)
    found = repo.json("info")
    assert backup in str(found), found
    repo.walvault("verify", "--wal").expect(0)
    restored = restore_and_start(repo, "--to-time", target)
    counts = dict(restored.sql("SELECT what, count(*) FROM t GROUP BY 1"))
    assert counts == {"before": 20000, "behind the backup": 1}, counts
    assert vault.keys() and not repo.objects()


@time_limit(600)
def test_the_full_circle_over_tls_with_an_authority_of_our_own():
    circle(Vault())


@time_limit(600)
def test_the_full_circle_with_a_signature_that_permits_no_deletion():
    vault = Vault()
    only = {"secret_key_file": None, "sas_token_file": secret(vault.sas("rcwl"))}
    circle(vault, part_size="5MiB", **only)


def test_what_the_environment_says_is_enough():
    vault = Vault()
    _, repo, names = pushed(vault)
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    base = {
        "AZURE_STORAGE_ACCOUNT": vault.at["account"],
        "AZURE_STORAGE_SERVICE_ENDPOINT": vault.at["plain_endpoint"],
        "WALVAULT_CONFIG": "/dev/null",
    }
    plain = Vault("plain_endpoint")
    _, other, _ = pushed(plain, pg=(repo.pg, names))
    for found in (
        {"AZURE_STORAGE_KEY": vault.at["secret_key"]},
        {"AZURE_STORAGE_SAS_TOKEN": plain.sas("rl")},
    ):
        result = other.walvault("info", "--store", other.url, env={**base, **found}).expect(0)
        assert str(repo.pg.sysid) in result.out, result


def test_a_name_of_the_account_in_the_host_or_the_path_leads_to_it():
    vault = Vault("plain_endpoint")
    account = vault.at["account"]
    port = re.search(r":(\d+)/", vault.endpoint)[1]
    cluster = stopped_cluster()
    for n, endpoint in enumerate(
        (
            f"http://{account}.blob.localhost:{port}",
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{port}/{account}/",
        )
    ):
        name = None if endpoint.count("/") > 2 or "blob" in endpoint else account
        _, repo, names = pushed(vault, init=n == 0, pg=cluster, endpoint=endpoint, account=name)
        repo.walpush(f"pg_wal/{names[n]}").expect(0)
    assert sum("/wal/" in key for key in vault.keys()) == 3, vault.keys()


def test_each_thing_that_is_wrong_has_its_own_message():
    vault = Vault()
    pg, repo, names = pushed(vault)
    wrong = base64.b64encode(os.urandom(64)).decode()
    none = {"secret_key_file": None}
    ended = vault.sas("rcwl", se=moment(-60))
    unreadable = new_directory("secret") / "unreadable"
    unreadable.touch(0)
    cases = {
        "there is no container 'nosuch'": {"url": "azure://nosuch/x"},
        "is not one of account 'walvault' now": {"secret_key_file": secret(wrong)},
        "has ended at": {**none, "sas_token_file": secret(ended)},
        "permits 'l', it needs": {**none, "sas_token_file": secret(vault.sas("l"))},
        "is the shared access signature whole": {
            **none,
            "sas_token_file": secret(vault.sas("rcwl").replace("sp=rcwl", "sp=rcwdl")),
        },
        "certificate": {"ca_file": None},
        "is the service up": {"endpoint": "https://127.0.0.1:1/walvault"},
        "that is no storage account's name": {"endpoint": None, "account": "no.such"},
        # No resolver is asked for what can be no host's name.
        f"is '{'a' * 63}' the storage account's name": {
            **{"endpoint": f"https://{'a' * 70}.blob.example", "account": "a" * 63},
        },
        "not an address of a service": {"endpoint": "127.0.0.1"},
        "no such file": {"secret_key_file": "/nonexistent"},
        "speaks TLS, and was asked in plain HTTP": {
            "endpoint": vault.at["endpoint"].replace("https:", "http:")
        },
        "does not speak TLS": {
            "endpoint": vault.at["plain_endpoint"].replace("http:", "https:")
        },
        "who runs this, must be able to read it": {"secret_key_file": unreadable},
    }
    asker = Asker(repo, "recovery")
    for message, options in cases.items():
        repo.section = vault.section(**options)
        repo.configure(timeout="3s")
        result = repo.walpush(f"pg_wal/{names[0]}").expect((1, 3))
        assert message in result.err, (message, result)
        assert not result.without_hint(), result
        assert "sig=" not in result.err, result
        result = asker.fetch(names[0]).expect(200)
        assert message in result.err, (message, result)
    assert not [key for key in vault.keys() if "/wal/" in key]


def test_a_signature_without_delete_cannot_expire():
    vault = Vault()
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    signature = secret(vault.sas("rcwl"))
    given = vault.section(secret_key_file=None, sas_token_file=signature)
    repo = Repository(pg, section=given, keep_full="1")
    repo.enable_archiving()
    pg.start()
    repo.init()
    first = take_backup(repo)
    second = take_backup(repo)
    result = repo.walvault("expire").expect(1)
    assert "permits 'rcwl', it needs 'd'" in result.err, result
    signature.write_text(vault.sas("rcwdl"), encoding="ascii")
    repo.walvault("expire").expect(0)
    keys = " ".join(vault.keys())
    assert first not in keys and second in keys, keys


def test_tokens_are_taken_while_they_are_good():
    vault = Vault()
    command = new_directory("token") / "command"
    text = token()
    command.write_text(f"#!/bin/sh\necho {text}\n", encoding="ascii")
    command.chmod(0o755)
    only = {"secret_key_file": None, "credential_command": command}
    _, repo, names = pushed(vault, **only)
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    Asker(repo, "recovery").fetch(names[0]).expect(0)
    for claims in ({"seconds": -600}, {"aud": "https://example.com"}):
        bad = token(**claims)
        command.write_text(f"#!/bin/sh\necho {bad}\n", encoding="ascii")
        result = repo.walpush(f"pg_wal/{names[1]}").expect(1)
        assert "is not taken" in result.err and bad not in result.err, result


def test_that_nothing_was_locked_is_found_out():
    # Azurite takes the words and locks nothing.
    vault = Vault()
    _, repo, _ = pushed(vault, init=False, lock_mode="COMPLIANCE")
    result = repo.walvault("init").expect(3)
    assert "did not lock it" in result.err, result


def test_objects_have_the_tier_asked_for():
    vault = Vault()
    _, repo, names = pushed(vault, wal_storage_class="Cool")
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    key = next(key for key in vault.keys() if key.endswith(names[0]))
    headers = vault.own.head(key)
    assert headers["x-ms-access-tier"] == "Cool", headers
    repo.section = vault.section(wal_storage_class="Archive")
    repo.configure()
    repo.walpush(f"pg_wal/{names[1]}").expect(0)
    result = Asker(repo, "recovery").fetch(names[1]).expect(200)
    assert "have it rehydrated first" in result.err, result
    repo.section = vault.section(wal_storage_class="Lukewarm")
    repo.configure()
    result = repo.walpush(f"pg_wal/{names[2]}").expect((1, 3))
    assert "answered 400" in result.err, result


@majors(15)
def test_a_push_of_16_mib_needs_less_than_64_mib(major):
    vault = Vault()
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
    _, repo, _ = pushed(vault, pg=(pg, []))
    log = new_directory("time") / "log"
    command = ["/usr/bin/time", "-f", "%M", "-o", log, program("walpush"), f"pg_wal/{previous}"]
    subprocess.run(
        command,
        cwd=pg.data,
        env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        check=True,
        timeout=120,
    )
    kib = int(log.read_text(encoding="ascii").split()[-1])
    key = next(key for key in vault.keys() if key.endswith(previous))
    stored = int(vault.own.head(key)["content-length"])
    assert stored > 12 << 20, "it compresses too well for this test"
    assert kib < 64 * 1024, f"{kib} KiB for {stored} bytes"


def test_what_a_killed_backup_had_staged_is_seen_by_nobody():
    vault = Vault()
    pg = Postgres.create(15, autovacuum="off")
    repo = Repository(pg, section=vault.section(part_size="5MiB"))
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (b bytea)")
    pg.sql("ALTER TABLE t ALTER b SET STORAGE EXTERNAL")
    pg.sql("CREATE EXTENSION pgcrypto")
    pg.sql("INSERT INTO t SELECT gen_random_bytes(1000) FROM generate_series(1, 60000)")

    def staged():
        return set(vault.keys(uncommitted=True)) - set(vault.keys())

    words = [program("basebackup"), "--fast", "--jobs", "1", "--conninfo", pg.conninfo()]
    running = subprocess.Popen(
        words,
        env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_until(staged, "a block to be staged")
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert staged()
    assert not [key for key in vault.keys() if "manifest" in key], vault.keys()
    repo.walvault("expire", "--broken").expect(0)
    take_backup(repo)
    repo.walvault("verify").expect(0)
