# SPDX-License-Identifier: PostgreSQL
"""basebackup into several stores of which one stops answering and fails nothing, it hangs."""

import signal
import subprocess
import time

from walvault_test import Postgres, at_end, time_limit, wait_until
from walvault_test.backups import published
from walvault_test.cases import new_directory
from walvault_test.hung import HungStore
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import restore_and_start
from walvault_test.scripted import ALWAYS, ScriptedS3, hangs
from walvault_test.several import SeveralStores, end_background_syncs, remembered_as_down
from walvault_test.sshd import Sshd

SEGMENT = "?" * 24  # what no other object's name is as long as

# Where a directory hangs: at its marker, a note, the WAL before the backup, a pack, the
# backup's own WAL, and the manifest.
MOMENTS = (
    ("repository", None),
    ("begin", None),
    (SEGMENT, "fstatat"),
    ("pack-*", None),
    (SEGMENT, "openat"),
    ("manifest", None),
)

# Much less than it takes to wait for what hangs, much more than it takes without.
BOUND = 60


def archiving(names=("local", "second"), archive_to=None, sections=None, **options):
    """A running cluster that archives into these stores, or only some of them."""
    made = []
    # When the server has ended, so that there is nobody to start more of them.
    at_end(lambda: [end_background_syncs(repo) for repo in made])
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = SeveralStores(pg, names, sections, **{"archive_wait": "20s", "grace": "1s", **options})
    made.append(repo)
    words = ("--store", archive_to, "--required", "1") if archive_to else ()
    pg.configure(archive_mode="on", archive_command=repo.archive_command(*words))
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i")
    return pg, repo


def back_up(repo, *options, **settings):
    words = ("--fast", "--json", "--conninfo", repo.pg.conninfo(), *options)
    return repo.run("basebackup", *words, **{"timeout": BOUND, **settings})


def background(repo, *options, env=None):
    """The same, to be waited for; its records go to the file ``log``."""
    log = new_directory("log") / "err"
    words = ["--fast", "--conninfo", repo.pg.conninfo(), *options]
    with open(log, "wb") as err:
        backup = subprocess.Popen(
            [program("basebackup"), *words],
            env=clean_environment(WALVAULT_CONFIG=str(repo.config), **env or {}),
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    at_end(backup.kill)
    return backup, log


def assert_without(result, repo, name="second"):
    """It is complete, and whole, in the store local alone; its id."""
    stores = {store["store"]: store["complete"] for store in result.expect(0).json()["stores"]}
    assert stores == {"local": True, name: False}, result
    assert f"it goes on without store {name}" in result.err, result
    assert f"walvault check --store {name}" in result.err, result
    backup_id = result.json()["id"]
    assert backup_id in published(repo.only("local"))
    repo.walvault("verify", "--store", "local", backup_id).expect(0)
    return backup_id


def assert_left_out(repo, moments):
    """A backup for each of them; the last one's id."""
    for moment in moments:
        hung = HungStore(repo.place("second"), *moment).hang()
        result = back_up(repo, env=hung.environment)
        backup_id = assert_without(result, repo)
        hung.wait_reached()
        assert "max_lag" in result.err, result
        assert published(repo.only("second")) == [], moment
    return backup_id


def test_a_directory_that_hangs_is_left_out_before_anything_is_copied():
    _, repo = archiving(required="any", max_lag="5s")
    assert_left_out(repo, MOMENTS[:3])


@time_limit(300)
def test_a_directory_that_hangs_is_left_out_of_what_is_copied():
    pg, repo = archiving(required="any", max_lag="5s")
    backup_id = assert_left_out(repo, MOMENTS[3:])
    pg.archive_all()
    restored = restore_and_start(repo, "--store", "local", "--backup", backup_id)
    assert restored.value("SELECT count(*) FROM t") == 1000
    restored.stop()


def test_where_it_is_required_the_backup_fails_and_says_whose_fault_it_is():
    _, repo = archiving(max_lag="5s")
    for moment in (("repository", None), ("pack-*", None), (SEGMENT, "openat")):
        hung = HungStore(repo.place("second"), *moment).hang()
        result = back_up(repo, env=hung.environment).expect(1)
        for words in ("store second has", "max_lag", "walvault check --store second", "--required"):
            assert words in result.err, result
        hung.wait_reached()
        assert all(published(repo.only(name)) == [] for name in repo.names), moment


def test_a_required_store_that_hangs_at_the_manifest_fails_and_says_where_it_is():
    _, repo = archiving(max_lag="5s")
    hung = HungStore(repo.place("second"), "manifest").hang()
    result = back_up(repo, env=hung.environment).expect(1)
    assert "store second has taken nothing" in result.err, result
    (backup_id,) = published(repo.only("local"))
    assert published(repo.only("second")) == []
    last = result.err.splitlines()[-1]
    assert f"{backup_id}: it may be there in: local, second (hint: walvault info" in last, result
    assert "no backup" not in result.err, result
    repo.walvault("verify", "--store", "local", backup_id).expect(0)
    hung.heal()
    assert backup_id in repo.walvault("info").expect(0).out


def test_a_published_backup_is_one_whoever_is_silent_then():
    _, repo = archiving(max_lag="5s")
    hung = HungStore(repo.place("second"), "tombstone").hang()
    result = back_up(repo, env=hung.environment).expect(0)
    assert "store second has not answered" in result.err, result
    assert all(store["complete"] for store in result.json()["stores"]), result
    assert [published(repo.only(name)) for name in repo.names] == [[result.json()["id"]]] * 2


def test_a_published_backup_is_one_whenever_it_is_stopped_then():
    _, repo = archiving(max_lag="10min")
    hung = HungStore(repo.place("second"), "tombstone").hang()
    backup, log = background(repo, env=hung.environment)
    hung.wait_reached()
    backup.send_signal(signal.SIGTERM)
    assert backup.wait(BOUND) == 0, log.read_text()
    (backup_id,) = published(repo.only("local"))
    assert published(repo.only("second")) == [backup_id]
    assert f"backup complete: {backup_id}" in log.read_text(), log.read_text()


def archiving_to_a_bucket():
    """The bucket's server, and the repository that has it as its second store."""
    server = ScriptedS3()
    secret = new_directory("secret") / "key"
    secret.write_text("averysecretsecretkey", encoding="ascii")
    section = {
        **{"url": "s3://bucket/some/prefix", "endpoint": server.endpoint},
        **{"access_key_id": "AKIDSCRIPTED", "secret_key_file": secret},
    }
    _, repo = archiving(sections={"second": section}, required="any", max_lag="5s")
    return server, repo


def assert_bucket_left_out(server, repo, moments):
    for moment in moments:
        server.calm()
        server.on(moment, hangs, ALWAYS)
        assert_without(back_up(repo), repo)
        assert not any(key.endswith("/manifest") for key in server.objects), moment
    server.calm()


def test_a_bucket_that_accepts_and_says_nothing_is_left_out():
    server, repo = archiving_to_a_bucket()
    assert_bucket_left_out(server, repo, ("PUT .*/begin", "GET .*/wal/", "PUT .*/manifest"))


def test_a_bucket_that_never_says_anything_is_left_out_where_it_is_not_required():
    server, repo = archiving_to_a_bucket()
    assert_bucket_left_out(server, repo, (".",))
    server.on(".", hangs, ALWAYS)
    result = back_up(repo, "--required", "all").expect(1)
    assert "store second has not answered" in result.err and "--required" in result.err, result


def test_a_stopped_ssh_server_is_left_out():
    server = Sshd(new_directory("sshd"))
    at_end(server.stop)
    pg, repo = archiving(
        sections={"second": server.section("/store")}, required="any", max_lag="5s"
    )
    pg.archive_all()
    server.process.send_signal(signal.SIGSTOP)
    assert_without(back_up(repo), repo)


def test_the_manifest_is_published_while_another_store_hangs_at_it():
    _, repo = archiving(required="any", max_lag="10min")
    hung = HungStore(repo.place("second"), "manifest").hang()
    backup, _ = background(repo, env=hung.environment)
    hung.wait_reached()
    wait_until(lambda: published(repo.only("local")), "the manifest in the other store")
    assert backup.poll() is None
    backup.kill()
    backup.wait()


def test_a_store_that_was_down_a_moment_ago_is_not_waited_for():
    _, repo = archiving(archive_to="local", required="any", max_lag="10min")
    wal = repo.pg.switch_wal()
    repo.pg.wait_archived(wal)
    hung = HungStore(repo.place("second")).hang()
    for _ in range(3):
        # It is asked each time because it is required, and remembered for longer.
        repo.walpush(
            *("--required", "all", "--timeout", "3s", f"pg_wal/{wal}"), env=hung.environment
        ).expect(1)
    remembered_as_down(repo)
    result = back_up(repo, env=hung.environment)
    assert_without(result, repo)
    assert "not waited for if the others are enough" in result.err, result
    # Where it answers it is in.
    hung.heal()
    result = back_up(repo, "--archive-wait", "5s", env=hung.environment).expect(0)
    assert "it was not archived within 5s" in result.err, result
    assert "has not answered" not in result.err, result


def test_a_lost_session_is_noticed_while_a_store_hangs():
    pg, repo = archiving(required="any", max_lag="10min")
    pg.archive_all()  # so that there is a directory to look into for the next segment
    hung = HungStore(repo.place("second"), SEGMENT, "fstatat").hang()
    backup, log = background(repo, env=hung.environment)
    hung.wait_reached()
    sessions = "pg_stat_activity WHERE application_name = 'walvault'"
    assert pg.value(f"SELECT count(pg_terminate_backend(pid)) FROM {sessions}") == 1
    assert backup.wait(BOUND) == 1, log.read_text()
    assert published(repo.only("local")) == []


def test_a_signal_ends_the_wait_for_a_store_that_hangs():
    _, repo = archiving(required="any", max_lag="10min")
    hung = HungStore(repo.place("second"), "begin").hang()
    backup, log = background(repo, env=hung.environment)
    hung.wait_reached()
    backup.send_signal(signal.SIGTERM)
    assert backup.wait(BOUND) == 1, log.read_text()
    assert "no backup: backup: stopped" in log.read_text(), log.read_text()


def test_stores_that_lack_the_wal_are_waited_for_together():
    _, repo = archiving(
        ("local", "second", "third"), archive_to="local", required="any", archive_wait="10s"
    )
    begin = time.monotonic()
    result = back_up(repo).expect(0)
    assert time.monotonic() - begin < 2 * 10, result
    lines = [line for line in result.err.splitlines() if "store left out" in line]
    assert len(lines) == 2, result
    assert all("was not archived within 10s" in line for line in lines), result
    assert "walvault sync completes it" in result.err, result
