# SPDX-License-Identifier: PostgreSQL
"""Several stores at a time: how many must have a file, and what one that fails may cost."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from walvault_test import BaseCopy, Postgres, time_limit, wait_until
from walvault_test.fetching import Asker
from walvault_test.hung import HungStore
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import restore_and_start
from walvault_test.several import (
    SeveralStores,
    background_sync,
    background_syncs,
    damage,
    end_background_syncs,
    last_line,
    push,
    remembered_as_down,
    several,
    sync,
)
from walvault_test.smalldisk import SmallDisk
from walvault_test.stored import stored_bytes
from walvault_test.torture import At, changing, each_place
from walvault_test.tracer import KillAll, trace
from walvault_test.wal import MIB

THREE = ("local", "offsite", "third")


# -- walpush --


def test_all_stores_have_the_file_before_it_counts_as_archived():
    pg, repo, wal = several(THREE)
    push(repo, wal[0]).expect(0)
    assert repo.holders(wal[0]) == list(THREE)
    for name in THREE:
        own = repo.only(name)
        options = ("--store", f"file://{own.store}")
        assert stored_bytes(own, wal[0], *options) == (pg.data / "pg_wal" / wal[0]).read_bytes()


def test_without_a_store_that_is_required_the_last_line_says_what_is_safe_where():
    _, repo, wal = several()
    back = repo.take_down("offsite")
    result = push(repo, wal[0]).expect((1, 3))
    assert repo.holders(wal[0]) == ["local"]
    for words in ("safe in local", "not in offsite", "1 of 2", "required = 1"):
        assert words in last_line(result), result
    back()
    push(repo, wal[0]).expect(0)
    assert repo.holders(wal[0]) == ["local", "offsite"]


def test_as_many_as_required_are_enough():
    _, repo, wal = several(THREE, required=2)
    back = repo.take_down("local")
    result = push(repo, wal[0]).expect(0)
    assert repo.holders(wal[0]) == ["offsite", "third"]
    assert "archived without store local" in result.err, result
    repo.take_down("third")
    result = push(repo, wal[1])
    assert result.status != 0, result
    assert "safe in offsite, not in local, third" in last_line(result), result
    back()
    push(repo, wal[1]).expect(0)
    assert repo.holders(wal[1]) == ["local", "offsite"]


def test_a_store_that_hangs_costs_a_few_graces_and_then_nothing():
    _, repo, wal = several(required="any", grace="2s", timeout="60s")
    hung = HungStore(repo.place("local")).hang()
    try:
        for n in range(3):
            begin = time.monotonic()
            result = push(repo, wal[n], env=hung.environment).expect(0)
            assert time.monotonic() - begin >= 2, result
            assert "did not answer within 2s" in result.err, result
            assert f"local lacks {n + 1} files" in result.err, result
        assert "is asked again after" in result.err, result
        remembered_as_down(repo)
        hung.forget_reached()
        push(repo, wal[3], env=hung.environment).expect(0)
        assert not hung.reached(), "it was asked once more"
        assert repo.holders(wal[3]) == ["offsite"]
    finally:
        end_background_syncs(repo)


def test_a_required_store_that_hangs_is_a_failure_that_says_so():
    _, repo, wal = several(timeout="2s")
    hung = HungStore(repo.place("local")).hang()
    result = push(repo, wal[0], env=hung.environment).expect(1)
    assert "safe in offsite, not in local" in last_line(result), result
    assert repo.holders(wal[0]) == ["offsite"]


def test_a_store_remembered_as_down_is_asked_when_the_others_do_not_suffice():
    _, repo, wal = several(required="any")
    back = repo.take_down("offsite")
    push(repo, wal[0]).expect(0)
    back()
    repo.take_down("local")
    push(repo, wal[1]).expect(0)
    assert repo.holders(wal[1]) == ["offsite"]


def test_a_store_that_is_full_or_not_writable_fails_alone():
    disk = SmallDisk(2 * MIB)
    _, repo, wal = several(required="any", sections={"offsite": {"url": f"file://{disk.path}"}})
    disk.fill()
    result = push(repo, wal[0]).expect(0)
    assert repo.holders(wal[0]) == ["local"]
    assert "No space left" in result.err and "without store offsite" in result.err, result
    sync(repo, status=1)
    directory = repo.object_path(wal[1]).parent
    directory.chmod(0o500)
    result = push(repo, wal[1])
    directory.chmod(0o700)
    assert result.status == 1, result
    assert "safe in no store, not in local, offsite" in last_line(result), result


def test_what_is_remembered_is_only_a_hint():
    """Deleted, damaged, unwritable, from a clock that was ahead: each push succeeds."""
    _, repo, wal = several(required="any")
    back = repo.take_down("offsite")
    push(repo, wal[0]).expect(0)
    (note,) = repo.state_directory.rglob("behind")
    text = note.read_bytes()
    assert not (repo.state_directory / "sync.log").exists(), "a sync for a store that is down"
    push(repo, wal[1]).expect(0)
    back()
    for content in (None, b"", b"nonsense", text[:-3]):
        note.unlink(missing_ok=True)
        if content is not None:
            note.write_bytes(content)
        for name in ("local", "offsite"):
            shutil.rmtree(repo.only(name).system_directory() / "wal", ignore_errors=True)
        push(repo, wal[2]).expect(0)
        assert repo.holders(wal[2]) == ["local", "offsite"], content
    shutil.rmtree(repo.state_directory)
    repo.state_directory.write_text("", encoding="ascii")
    repo.take_down("offsite")
    push(repo, wal[2]).expect(0)


def test_other_content_in_one_store_is_refused_however_few_are_required():
    pg, repo, wal = several(required="any")
    history = pg.data / "pg_wal" / "00000002.history"
    history.write_text("1\t0/5000000\tone\n", encoding="ascii")
    push(repo, history.name, "--store", "offsite").expect(0)
    before = repo.only("offsite").object_path(history.name).read_bytes()
    history.write_text("1\t0/5000000\tother\n", encoding="ascii")
    result = push(repo, history.name).expect(2)
    assert "other content" in last_line(result) and "offsite" in last_line(result), result
    assert repo.only("offsite").object_path(history.name).read_bytes() == before
    push(repo, history.name).expect(2)


def test_a_store_that_knows_another_cluster_only_fails_for_itself():
    _, repo, wal = several(required="any")
    (repo.only("offsite").system_directory() / "identity").unlink()
    result = push(repo, wal[0]).expect(0)
    assert repo.holders(wal[0]) == ["local"]
    assert "walvault init" in result.err, result
    repo.configure(required="all")
    push(repo, wal[0]).expect(2)


def test_pushes_at_once_leave_one_object_in_each_store():
    pg, repo, wal = several(THREE)
    for name in wal:
        running = [
            subprocess.Popen(
                [program("walpush"), f"pg_wal/{name}"],
                cwd=pg.data,
                env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
                stderr=subprocess.DEVNULL,
            )
            for _ in range(8)
        ]
        assert [process.wait() for process in running] == [0] * 8
        assert repo.holders(name) == list(THREE)
    for place in THREE:
        own = repo.only(place)
        assert len([key for key in own.objects() if "/wal/" in key]) == len(wal), own.objects()


def test_what_a_timeline_needs_goes_along_into_every_store_that_is_there():
    pg, repo, wal = several(required="any")
    directory = pg.data / "pg_wal"
    fork = f"0/{int(wal[2][16:], 16) * (1 << 20) + 4096:X}"
    (directory / "00000002.history").write_text(f"1\t{fork}\tnone\n", encoding="ascii")
    back = repo.take_down("offsite")
    push(repo, "00000002.history").expect(0)
    assert repo.holders(wal[0]) == repo.holders(wal[1]) == ["local"]
    back()
    shutil.rmtree(repo.state_directory)
    repo.state_directory.mkdir()
    push(repo, "00000002.history").expect(0)
    for name in ("00000002.history", wal[0], wal[1]):
        assert repo.holders(name) == ["local", "offsite"], name


# -- check --


def findings(repo, status, subject, *options, **settings):
    result = repo.walvault("check", "--no-server", "--json", *options, **settings).expect(status)
    return [x for x in result.json()["findings"] if x["subject"] == subject]


def test_check_tells_how_far_a_store_lags_and_that_it_fails():
    _, repo, wal = several(
        required="any", ready_warning=2, ready_critical=3, archive_age_warning="1d"
    )
    push(repo, wal[0]).expect(0)
    assert {x["level"] for x in findings(repo, 1, "lag")} == {"OK"}
    back = repo.take_down("offsite")
    push(repo, wal[1]).expect(0)
    (down,) = [x for x in findings(repo, 1, "store") if x["level"] != "OK" and "walpush fails there" in x["text"]]
    assert "offsite" in down["text"], down
    back()
    (lag,) = [x for x in findings(repo, 1, "lag") if "lacks" in x["text"]]
    assert lag["level"] == "OK" and "lacks 1 segments" in lag["text"] and wal[1] in lag["text"]
    for name, status, level in ((wal[2], 1, "WARNING"), (wal[3], 2, "CRITICAL")):
        push(repo, name, "--store", "local", "--required", "1").expect(0)
        (lag,) = [x for x in findings(repo, status, "lag") if "lacks" in x["text"]]
        assert lag["level"] == level, lag


def test_check_is_critical_only_without_a_store_that_is_required():
    _, repo, wal = several()
    push(repo, wal[0]).expect(0)
    repo.take_down("offsite")
    assert "CRITICAL" in {x["level"] for x in findings(repo, 2, "store")}
    repo.configure(required="any")
    assert "CRITICAL" not in {x["level"] for x in findings(repo, 1, "store")}


# -- walfetch --


def fetched(asker, name):
    return asker.destination.read_bytes() == (asker.repo.pg.data / "pg_wal" / name).read_bytes()


def test_what_one_store_lacks_or_has_damaged_comes_from_another():
    _, repo, wal = several(timeout="3s")
    for name in wal[:3]:
        push(repo, name).expect(0)
    local = repo.only("local")
    local.object_path(wal[0]).unlink()
    damage(local.object_path(wal[1]))
    asker = Asker(repo, "recovery")
    result = asker.fetch(wal[0]).expect(0)
    assert fetched(asker, wal[0]) and "warning" not in result.err, result
    result = asker.fetch(wal[1]).expect(0)
    assert fetched(asker, wal[1])
    assert "walvault repair" in result.err and str(local.store) in result.err, result
    damage(repo.only("offsite").object_path(wal[1]))
    asker.destination.unlink()
    asker.fetch_fails(wal[1], 200)
    repo.take_down("local")
    asker.fetch(wal[2]).expect(0)
    assert fetched(asker, wal[2])


def test_absence_needs_the_word_of_every_store_that_is_asked():
    _, repo, wal = several(timeout="1500ms", standby_timeout="1500ms")
    push(repo, wal[0]).expect(0)
    asker, standby = Asker(repo, "recovery"), Asker(repo, "standby")
    missing = wal[1]
    asker.fetch(missing).expect(1)
    for name in repo.names:
        other = next(x for x in repo.names if x != name)
        back = repo.take_down(name)
        asker.fetch_fails(missing, 200)
        standby.fetch(missing).expect(1)
        asker.fetch_fails(missing, 200, "--store", name)
        asker.fetch(missing, "--store", other).expect(1)
        back()
        hung = HungStore(repo.place(name)).hang()
        asker.fetch_fails(missing, 200, env=hung.environment)
        asker.fetch(missing, "--store", other, env=hung.environment).expect(1)
        hung.heal()
        marker = repo.only(name).store / "main/repository"
        marker.rename(marker.with_name("gone"))
        asker.fetch_fails(missing, 200)
        marker.with_name("gone").rename(marker)
    asker.fetch(missing).expect(1)


def test_a_store_that_hangs_keeps_no_file_back_and_is_asked_last():
    _, repo, wal = several(timeout="30s")
    for name in wal[:2]:
        push(repo, name).expect(0)
    hung = HungStore(repo.place("local")).hang()
    asker = Asker(repo, "recovery")
    result = asker.fetch(wal[0], env=hung.environment).expect(0)
    assert fetched(asker, wal[0]) and "did not answer" in result.err, result
    asker.destination.unlink()
    result = asker.fetch(wal[1], env=hung.environment).expect(0)
    assert fetched(asker, wal[1]) and "did not answer" not in result.err, result
    hung.heal()
    for path in repo.state_directory.rglob("behind"):
        path.unlink()
    result = asker.fetch(wal[1]).expect(0)


@time_limit(240)
def test_a_recovery_finishes_from_the_store_that_is_left():
    """With a dead store in the list it stops where the WAL ends; without, it promotes."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = SeveralStores(pg, timeout="20s")
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (n int)")
    copied = BaseCopy(pg)
    for n in range(6):
        pg.sql("INSERT INTO t VALUES (%s)", n)
        pg.switch_wal()
    pg.archive_all()
    pg.stop()
    shutil.rmtree(repo.place("local"))
    restored = copied.restore(repo)
    restored.start(wait=False)
    restored.wait_exit()
    assert "not fetched" in restored.log() and not (restored.data / "recovery.done").exists()
    restored.configure(restore_command=repo.restore_command("--store", "offsite"))
    restored.start().wait_promoted()
    assert restored.value("SELECT count(*) FROM t") == 6


# -- sync --


def wal_keys(repo, name):
    return [key for key in repo.only(name).objects() if "/wal/" in key]


def test_sync_brings_what_a_store_has_missed_and_is_done_then():
    _, repo, wal = several(THREE, required="any")
    push(repo, wal[0]).expect(0)
    for n, name in enumerate(("offsite", "third")):
        push(repo, wal[1 + n], "--store", f"local,{name}").expect(0)
    result = sync(repo, "--dry-run")
    assert repo.holders(wal[1]) == ["local", "offsite"], result
    assert "would bring" in result.err, result
    sync(repo)
    for name in wal[:3]:
        assert repo.holders(name) == list(THREE)
        for place in THREE:
            own = repo.only(place)
            options = ("--store", f"file://{own.store}")
            assert stored_bytes(own, name, *options) == (repo.pg.data / "pg_wal" / name).read_bytes()
    again = sync(repo)
    assert "brought 0 WAL files and 0 backups" in again.out, again


def test_sync_goes_from_and_to_the_stores_named():
    _, repo, wal = several(THREE)
    push(repo, wal[0], "--store", "local", "--required", "1").expect(0)
    push(repo, wal[1], "--store", "offsite", "--required", "1").expect(0)
    sync(repo, "--from", "local", "--to", "third")
    assert repo.holders(wal[0]) == ["local", "third"]
    assert repo.holders(wal[1]) == ["offsite"]
    result = sync(repo, "--to", "nosuch", status=3)
    assert "nosuch" in result.err and "local" in result.err, result


def test_sync_keeps_the_pace_it_was_told():
    _, repo, wal = several()
    push(repo, wal[0], "--store", "local", "--required", "1").expect(0)
    size = repo.only("local").object_path(wal[0]).stat().st_size
    begin = time.monotonic()
    sync(repo, "--max-rate", str(max(size // 2, 1024)))
    assert time.monotonic() - begin > 1
    assert repo.holders(wal[0]) == ["local", "offsite"]


def test_sync_brings_nothing_that_is_damaged():
    _, repo, wal = several(THREE)
    push(repo, wal[0], "--store", "local,offsite").expect(0)
    damage(repo.only("local").object_path(wal[0]))
    result = sync(repo, status=1)
    assert "not brought" in result.err, result
    good = repo.only("offsite").object_path(wal[0]).read_bytes()
    assert repo.only("third").object_path(wal[0]).read_bytes() == good


def test_sync_tells_that_two_stores_hold_other_content():
    pg, repo, _ = several()
    history = pg.data / "pg_wal" / "00000002.history"
    for name, text in (("local", "one"), ("offsite", "another")):
        history.write_text(f"1\t0/5000000\t{text}\n", encoding="ascii")
        push(repo, history.name, "--store", name).expect(0)
    result = sync(repo, status=1)
    assert "other content" in result.err and history.name in result.err, result


def test_sync_pushes_what_only_pg_wal_has():
    pg, repo, wal = several()
    status = pg.data / "pg_wal/archive_status"
    for name, suffix in ((wal[0], "done"), (wal[1], "ready")):
        (status / f"{name}.ready").unlink(missing_ok=True)
        (status / f"{name}.{suffix}").touch()
    take_down_one = repo.take_down("offsite")
    sync(repo, status=1)
    assert repo.holders(wal[0]) == []
    take_down_one()
    sync(repo)
    assert repo.holders(wal[0]) == repo.holders(wal[1]) == ["local", "offsite"]


def test_a_push_starts_a_sync_for_a_store_that_answers_again():
    _, repo, wal = several(required="any")
    back = repo.take_down("offsite")
    push(repo, wal[0]).expect(0)
    back()
    (note,) = repo.state_directory.rglob("behind")
    text = note.read_text(encoding="ascii")
    push(repo, wal[1], "--store", "local,offsite", "--required", "all").expect(0)
    wait_until(lambda: repo.holders(wal[0]) == ["local", "offsite"], "the background's sync")
    wait_until(lambda: "missed = 0" in note.read_text(encoding="ascii"), "the hint to be gone")
    assert "missed = 1" in text, text


def test_a_store_that_was_down_is_asked_when_another_says_nothing():
    _, repo, wal = several(required="any", grace="500ms")
    back = repo.take_down("offsite")
    push(repo, wal[0]).expect(0)
    back()
    hung = HungStore(repo.place("local")).hang()
    push(repo, wal[1], env=hung.environment).expect(0)
    assert repo.holders(wal[1]) == ["offsite"]
    os.kill(background_sync(repo), signal.SIGKILL)


def test_a_sync_that_hangs_holds_nothing_of_the_server_and_delays_no_push():
    _, repo, wal = several(required="any", grace="500ms")
    back = repo.take_down("offsite")
    push(repo, wal[0]).expect(0)
    back()
    hung = HungStore(repo.place("local")).hang()
    begin = time.monotonic()
    push(repo, wal[1], env=hung.environment).expect(0)
    # Its output is at its end, or it would have been waited for.
    assert time.monotonic() - begin < 10
    pid = background_sync(repo)
    try:
        wait_until(lambda: os.getsid(pid) != os.getsid(0), "a session of its own")
        wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) >= 3, "its descriptors")
        ends = {os.readlink(f"/proc/{pid}/fd/{n}").split(":")[0] for n in (0, 1, 2)}
        assert "pipe" not in ends and "socket" not in ends, ends
        assert pid in background_syncs(repo)
    finally:
        os.kill(pid, signal.SIGKILL)


def cluster_with_backup(names=("local", "offsite"), **options):
    """A running cluster whose first store has a backup; the others have had no WAL."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = SeveralStores(pg, names, **{"timeout": "20s", "required": "any", **options})
    pg.configure(archive_mode="on", archive_command=repo.archive_command("--store", "local"))
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (n int)")
    return pg, repo


def backup(repo):
    before = set(backups_in(repo, "local"))
    repo.run("basebackup", "--fast", "--store", "local", "--required", "1").expect(0)
    (made,) = set(backups_in(repo, "local")) - before
    return made


def backups_in(repo, name):
    directory = repo.only(name).system_directory() / "backup"
    found = directory.iterdir() if directory.exists() else []
    return sorted(path.name for path in found if (path / "manifest").exists())


@time_limit(240)
def test_a_backup_that_sync_brought_is_restored_when_the_first_store_is_lost():
    pg, repo = cluster_with_backup()
    first = backup(repo)
    pg.sql("INSERT INTO t VALUES (1)")
    pg.archive_all()
    sync(repo)
    assert backups_in(repo, "offsite") == [first]
    assert wal_keys(repo, "offsite") == wal_keys(repo, "local")
    repo.walvault("verify", "--wal", "--store", "offsite").expect(0)
    pg.stop()
    shutil.rmtree(repo.place("local"))
    restored = restore_and_start(repo, "--store", "offsite")
    assert restored.value("SELECT n FROM t") == 1


@time_limit(240)
def test_each_store_has_its_own_retention_and_sync_goes_by_it():
    pg, repo = cluster_with_backup(sections={"offsite": {"keep_full": 1}}, keep_full=3)
    ids = []
    for n in range(3):
        ids.append(backup(repo))
        pg.sql("INSERT INTO t VALUES (%s)", n)
        pg.archive_all()
    sync(repo)
    assert backups_in(repo, "local") == sorted(ids)
    assert backups_in(repo, "offsite") == ids[-1:]
    assert set(wal_keys(repo, "offsite")) < set(wal_keys(repo, "local"))
    before = wal_keys(repo, "offsite")
    repo.walvault("expire").expect(0)
    assert wal_keys(repo, "offsite") == before
    assert backups_in(repo, "local") == sorted(ids)
    again = sync(repo)
    assert "brought 0 WAL files and 0 backups" in again.out, again
    sync(repo, "--all")
    assert backups_in(repo, "offsite") == sorted(ids)
    repo.walvault("expire").expect(0)
    assert backups_in(repo, "offsite") == ids[-1:] and backups_in(repo, "local") == sorted(ids)


def contents(store):
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.parts[-2] != "main" and path.name != "identity"
    }


@time_limit(300)
def test_a_sync_killed_anywhere_leaves_nothing_half_visible_and_is_finished_later():
    pg, repo = cluster_with_backup()
    backup(repo)
    pg.archive_all()
    pg.stop()
    whole = contents(repo.place("local"))
    offsite = repo.place("offsite")
    empty = offsite.with_name("empty")
    shutil.copytree(offsite, empty)
    words = [program("walvault"), "sync", "--config", repo.config]

    def run(at):
        shutil.rmtree(offsite)
        shutil.copytree(empty, offsite)
        trace(at, *words, env={})
        what = f"{at}"
        found = contents(offsite)
        assert all(whole.get(key) == value for key, value in found.items()), what
        if any(key.endswith("/manifest") for key in found):
            assert found.keys() == whole.keys(), what
        sync(repo)
        assert contents(offsite) == whole, what

    total = each_place(lambda n: At(changing, n, KillAll), run, 12, ends=2)
    assert total > 20, total


# -- repair --


@time_limit(240)
def test_repair_puts_good_copies_in_the_place_of_damaged_objects():
    pg, repo = cluster_with_backup(THREE)
    first = backup(repo)
    pg.archive_all()
    pg.stop()
    sync(repo)
    offsite = repo.place("offsite")
    good = contents(offsite)
    (manifest,) = [key for key in good if key.endswith("/manifest")]
    packs = [key for key in good if "/pack-" in key]
    wal = sorted(key for key in good if "/wal/" in key and len(Path(key).name) == 24)
    victims = [manifest, packs[0], wal[0]]
    for key in victims:
        damage(offsite / key)
    (offsite / packs[-1]).unlink() if len(packs) > 1 else None
    bad = contents(offsite)
    damage(repo.place("local") / wal[0])
    result = repo.walvault("repair", "--wal", "--dry-run", "--to", "offsite").expect((0, 1))
    assert contents(offsite) == bad, result
    result = repo.walvault("repair", "--wal").expect(0)
    found = contents(offsite)
    assert all(found[key] == content for key, content in good.items()), result
    aside = {key for key in found if ".damaged-" in key}
    assert {key.split(".damaged-")[0] for key in aside} == set(victims), aside
    assert contents(repo.place("local"))[wal[0]] == good[wal[0]]
    repo.walvault("verify", "--wal").expect(0)
    assert backups_in(repo, "offsite") == [first]
    sync(repo)
    assert not [key for key in contents(repo.place("third")) if ".damaged-" in key]


def test_repair_never_takes_the_only_copy():
    _, repo, wal = several()
    push(repo, wal[0]).expect(0)
    for name in repo.names:
        damage(repo.only(name).object_path(wal[0]))
    before = {name: contents(repo.place(name)) for name in repo.names}
    result = repo.walvault("repair", wal[0]).expect(1)
    assert "no other store has a good copy" in result.err, result
    assert before == {name: contents(repo.place(name)) for name in repo.names}
    repo.take_down("offsite")
    repo.walvault("repair", wal[0]).expect(1)
    assert before["local"] == contents(repo.place("local"))


def test_repair_takes_no_other_content_for_a_copy():
    pg, repo, _ = several()
    history = pg.data / "pg_wal" / "00000002.history"
    for name, text in (("local", "one"), ("offsite", "another")):
        history.write_text(f"1\t0/5000000\t{text}\n", encoding="ascii")
        push(repo, history.name, "--store", name).expect(0)
    path = repo.only("local").object_path(history.name)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1  # in the trailer: the header is still whole
    path.write_bytes(content)
    result = repo.walvault("repair", history.name, "--to", "local").expect(1)
    assert "other content" in result.err, result
    assert path.read_bytes() == bytes(content)


def test_a_single_store_has_nothing_to_be_repaired_from():
    _, repo, wal = several()
    result = repo.walvault("repair", wal[0], "--store", "local").expect(3)
    assert "only one" in result.err, result


# -- the other verbs --


def test_find_looks_into_all_stores():
    _, repo, wal = several()
    for n, name in enumerate(wal):
        push(repo, name, "--store", repo.names[(n + 1) % 2], "--required", "1").expect(0)
    both = repo.json("find", "--latest")
    assert both["reachable"], both
    alone = repo.walvault("find", "--latest", "--store", "local", "--json").json()
    assert alone != both
    repo.take_down("offsite")
    repo.walvault("find", "--latest").expect((1, 3))


def test_info_shows_the_stores_that_are_there():
    _, repo, wal = several()
    push(repo, wal[0]).expect(0)
    repo.take_down("local")
    result = repo.walvault("info")
    assert result.status != 0 and str(repo.place("offsite")) in result.out, result
