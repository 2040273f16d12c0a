# SPDX-License-Identifier: PostgreSQL
"""One store of several whose set-up is wrong: what the others are good for meanwhile."""

from walvault_test import Postgres
from walvault_test.fetching import Asker
from walvault_test.several import SeveralStores
from walvault_test.stopped import stopped_cluster

# Each cannot even be opened, or has no repository.
WRONG = {
    "a key that is not there": (
        {"url": "s3://bucket/x", "sse": "customer", "sse_key_file": "/nonexistent"},
        "s3://bucket/x: /nonexistent: no such file",
    ),
    "an address that is none": (
        {"url": "s3://bucket/x", "endpoint": "somewhere"},
        "endpoint: not an address of a service",
    ),
    "a directory that is not mounted": ({"url": "file:///nonexistent/walvault"}, "/nonexistent"),
}


def test_one_store_that_is_set_up_wrong_does_not_keep_wal_from_the_others():
    for section, words in WRONG.values():
        pg, names = stopped_cluster()
        repo = SeveralStores(pg, required="any", grace="1s", timeout="20s")
        repo.walvault("init").expect(0)
        repo.sections["offsite"] = section
        repo.configure()
        for name in names[:2]:
            result = repo.walpush(f"pg_wal/{name}").expect(0)
            assert words in result.err and "(hint: " in result.err, result
        # With all required a person is needed; the server keeps the file and asks again.
        repo.configure(required="all")
        result = repo.walpush(f"pg_wal/{names[2]}").expect(3)
        assert words in result.err and "safe in local, not in offsite" in result.err, result
        # What one of them has is handed out; only all of them can say what there is not.
        asker = Asker(repo, "recovery")
        asker.fetch(names[1]).expect(0)
        result = asker.fetch(names[3]).expect(200)
        assert words in result.err, result
        asker.fetch(names[3], "--store", "local").expect(1)
        # A look at the configuration alone tells it.
        result = repo.walvault("check", "--no-server").expect((2, 3))
        assert words in result.out + result.err, result


def test_what_all_that_fail_have_in_common_is_the_exit_status():
    pg, names = stopped_cluster()
    repo = SeveralStores(pg, names=("local", "offsite", "third"), required="all", timeout="20s")
    repo.walvault("init").expect(0)
    wrong, down = WRONG["an address that is none"][0], {
        **{"url": "s3://bucket/x", "endpoint": "http://127.0.0.1:1", "retry_for": "1s"},
        **{"access_key_id": "AKID", "region": "here"},
    }
    env = {"WALVAULT_STORE_OFFSITE_SECRET_KEY": "x", "WALVAULT_STORE_THIRD_SECRET_KEY": "x"}
    for offsite, third, status in ((wrong, wrong, 3), (wrong, down, 1), (down, down, 1)):
        repo.sections.update(offsite=offsite, third={**third, "url": "s3://bucket/y"})
        repo.configure()
        result = repo.walpush(f"pg_wal/{names[0]}", env=env).expect(status)
        assert "safe in local, not in offsite, third" in result.err, result
    # Those of whom none can be used at all are an error of the configuration.
    repo.sections = {name: {**wrong, "url": f"s3://bucket/{name}"} for name in repo.names}
    repo.configure()
    repo.walpush(f"pg_wal/{names[0]}").expect(3)
    result = repo.walvault("config").expect(3)
    assert "not an address of a service" in result.err, result


def test_a_backup_goes_on_without_it_and_a_restore_by_a_person_alone():
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = SeveralStores(pg, required="any", grace="1s", timeout="20s")
    repo.enable_archiving()
    pg.start()
    repo.walvault("init").expect(0)
    section, words = WRONG["an address that is none"]
    repo.sections["offsite"] = section
    repo.configure()
    words_of = ("--fast", "--conninfo", pg.conninfo())
    result = repo.run("basebackup", *words_of).expect(0)
    assert words in result.err, result
    result = repo.run("pitr-restore", "--plan").expect((1, 3))
    assert words in result.err and "--store local" in result.err, result
    repo.run("pitr-restore", "--plan", "--store", "local").expect(0)
    repo.run("basebackup", *words_of, "--required", "all").expect((1, 3))
