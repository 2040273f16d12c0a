# SPDX-License-Identifier: PostgreSQL
"""basebackup into several stores at once, and pitr-restore from them."""

import os
import shutil

from walvault_test import Postgres
from walvault_test.backups import published
from walvault_test.restoring import Started, new_data_directory, plan, restore_and_start
from walvault_test.smalldisk import SmallDisk
from walvault_test.twostores import TwoStores

MIB = 1 << 20


def archiving(archive_to=None, noise=2 * MIB, **options):
    """A running cluster of some incompressible MB that archives into two stores."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = TwoStores(pg, **{"archive_wait": "20s", **options})
    command = repo.archive_command(*(("--store", archive_to) if archive_to else ()))
    pg.configure(archive_mode="on", archive_command=command)
    (pg.data / "noise").write_bytes(os.urandom(noise))
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i")
    return pg, repo


def back_up(repo, *options):
    return repo.run("basebackup", "--fast", "--json", "--conninfo", repo.pg.conninfo(), *options)


def complete(result):
    return {store["store"]: store["complete"] for store in result.json()["stores"]}


def objects_of(repo, backup_id):
    return {
        path.name: path.read_bytes() for path in (repo.system_directory() / "backup" / backup_id).iterdir()
    }


def test_each_store_has_the_same_backup_and_each_alone_brings_it_back():
    pg, repo = archiving()
    result = back_up(repo).expect(0)
    assert complete(result) == {"local": True, "second": True}
    backup_id = result.json()["id"]
    first, second = (objects_of(store, backup_id) for store in repo.stores())
    assert first.keys() == second.keys() and "manifest" in first
    for name in first.keys() - {"begin"}:
        assert first[name] == second[name], name
    pg.archive_all()
    pg.stop()
    shutil.rmtree(repo.store)
    restored = restore_and_start(repo, "--store", "second")
    assert restored.value("SELECT count(*) FROM t") == 1000
    restored.stop()


def test_the_backup_goes_on_without_a_store_that_fills_up_if_any_is_enough():
    disk = SmallDisk(4 * MIB)
    pg, repo = archiving(second=disk.path, required="any", noise=8 * MIB)
    result = back_up(repo).expect(0)
    assert complete(result) == {"local": True, "second": False}
    assert "No space left on device" in result.err, result
    assert "goes on without store second" in result.err, result
    assert "walvault sync completes it" in result.err, result
    backup_id = result.json()["id"]
    local, second = repo.stores()
    assert published(local) == [backup_id] and published(second) == []
    pg.archive_all()
    restored = restore_and_start(repo, "--store", "local")
    assert restored.value("SELECT count(*) FROM t") == 1000
    restored.stop()


def test_sync_begins_no_backup_that_will_not_fit():
    disk = SmallDisk(4 * MIB)
    pg, repo = archiving(second=disk.path, required="any", noise=8 * MIB)
    repo.run("basebackup", "--fast", "--store", "local", "--conninfo", pg.conninfo()).expect(0)
    pg.archive_all()
    pg.stop()
    result = repo.walvault("sync").expect(1)
    (backup_id,) = published(repo.stores()[0])
    assert f"are free, backup {backup_id} needs" in result.err, result
    assert "walvault expire" in result.err, result
    assert not [name for name in objects_of(repo.stores()[1], backup_id) if name.startswith("pack-")]


def test_where_all_are_required_a_store_that_fills_up_fails_the_backup():
    disk = SmallDisk(4 * MIB)
    _, repo = archiving(second=disk.path, noise=8 * MIB)
    result = back_up(repo).expect(1)
    assert "No space left on device" in result.err, result
    assert "expire --broken" in result.err, result
    assert all(published(store) == [] for store in repo.stores())


def test_a_store_that_lacks_the_wal_gets_no_manifest():
    pg, repo = archiving(archive_to="local", required="any", archive_wait="2s")
    result = back_up(repo).expect(0)
    assert complete(result) == {"local": True, "second": False}
    assert "was not archived within 2s" in result.err, result
    local, second = repo.stores()
    assert published(local) == [result.json()["id"]] and published(second) == []
    # In all stores, or there is none.
    failed = back_up(repo, "--required", "all").expect(1)
    assert "archiving is not proven" in failed.err, failed
    assert len(published(local)) == 1


def test_a_store_that_is_not_there_is_left_out_only_if_the_others_are_enough():
    pg, repo = archiving()
    away = repo.second.rename(repo.directory / "away")
    repo.second.mkdir()
    failed = back_up(repo).expect(3)
    assert "walvault init" in failed.err and str(repo.second) in failed.err, failed
    pg.configure(archive_command=repo.archive_command("--store", "local"))
    pg.reload()
    result = back_up(repo, "--required", "1").expect(0)
    assert complete(result) == {"local": True, "second": False}
    assert list(repo.second.iterdir()) == []
    repo.second.rmdir()
    away.rename(repo.second)


def test_two_stores_that_are_different_repositories_are_told_apart():
    _, repo = archiving()
    shutil.rmtree(repo.second)
    repo.second.mkdir()
    repo.configure(store="second")
    repo.init()
    repo.configure(store="local, second")
    failed = back_up(repo).expect(3)
    assert "store second holds another repository" in failed.err, failed
    assert all(published(store) == [] for store in repo.stores())
    found = repo.walvault("check").expect(2)
    assert "are different repositories" in found.out, found
    # One that is down is known by what is remembered of it.
    repo.store.rename(repo.directory / "away")
    repo.store.mkdir()
    failed = back_up(repo, "--required", "1").expect(3)
    assert "store second holds another repository" in failed.err, failed
    assert not list(repo.second.rglob("manifest"))


def remove_from(repo, *names):
    """Loses WAL in one store."""
    for name in names:
        repo.object_path(name).unlink()


def segments_of(repo):
    return sorted(path.name for path in repo.system_directory().glob("wal/0*/*/*") if len(path.name) == 24)


def flip(path, at=-200):
    with open(path, "r+b") as file:
        file.seek(at, os.SEEK_END)
        byte = file.read(1)
        file.seek(at, os.SEEK_END)
        file.write(bytes((byte[0] ^ 1,)))


def with_wal_behind(repo, segments=4):
    """A backup, and WAL behind it in both stores; its id."""
    backup_id = back_up(repo).expect(0).json()["id"]
    for _ in range(segments):
        repo.pg.sql("INSERT INTO t SELECT i FROM generate_series(1, 1000) i")
        repo.pg.wait_archived(repo.pg.switch_wal())
    repo.pg.archive_all()
    return backup_id


def test_what_one_store_lacks_the_restore_takes_from_the_other():
    pg, repo = archiving()
    backup_id = with_wal_behind(repo)
    pg.stop()
    local, second = repo.stores()
    names = segments_of(local)
    remove_from(local, names[-1], names[-3])
    remove_from(second, names[-2])
    packs = sorted((local.system_directory() / "backup" / backup_id).glob("pack-*"))
    packs[0].unlink()
    os.truncate(packs[-1], packs[-1].stat().st_size - 1)
    restored = restore_and_start(repo)
    assert restored.value("SELECT count(*) FROM t") == 5000
    restored.stop()


def test_what_is_damaged_in_one_store_is_read_from_the_other_and_told():
    pg, repo = archiving()
    backup_id = with_wal_behind(repo)
    pg.stop()
    local, _ = repo.stores()
    directory = local.system_directory() / "backup" / backup_id
    for path in [*directory.glob("pack-*"), directory / "manifest"]:
        flip(path)
        flip(path, at=-path.stat().st_size // 2)
    names = segments_of(local)
    for name in names[-3:]:
        path = local.object_path(name)
        flip(path, at=-path.stat().st_size + 20)
    destination = new_data_directory()
    words = ("--start", "--json", "--bindir", pg.bin, destination)
    result = repo.run("pitr-restore", *words).expect(0)
    restored = Started(destination, result.json())
    assert restored.value("SELECT count(*) FROM t") == 5000
    for path in (directory / "manifest", directory / "pack-000001"):
        key = path.relative_to(repo.store)
        assert f"store local: {key} is no good there" in result.err, result
    restored.stop()
    # From that store alone there is no way.
    assert not plan(repo, "--store", "local", status=2)["reachable"]


def test_a_store_that_does_not_answer_is_left_out_by_a_person_alone():
    pg, repo = archiving()
    with_wal_behind(repo)
    pg.stop()
    shutil.rmtree(repo.second)
    result = repo.run("pitr-restore", "--plan").expect(3)
    assert "without store second" in result.err and "--store local" in result.err, result
    warnings = plan(repo, "--store", "local")["warnings"]
    assert any("left out: second" in text for text in warnings), warnings
    restored = restore_and_start(repo, "--store", "local")
    assert restored.value("SELECT count(*) FROM t") == 5000
    command = restored.value("SELECT setting FROM pg_settings WHERE name = 'restore_command'")
    assert str(repo.store) in command and str(repo.second) not in command, command
    restored.stop()


def test_a_backup_that_one_store_deletes_is_restored_from_the_other():
    pg, repo = archiving()
    backup_id = with_wal_behind(repo)
    pg.stop()
    local, _ = repo.stores()
    directory = local.system_directory() / "backup" / backup_id
    (directory / "manifest").rename(directory / "tombstone")
    restored = restore_and_start(repo)
    assert restored.value("SELECT count(*) FROM t") == 5000
    restored.stop()


def test_expire_of_either_store_sees_the_lease_of_a_restore():
    pg, repo = archiving()
    backup_id = with_wal_behind(repo)
    pg.stop()
    repo.run("pitr-restore", "--lease", "1h", new_data_directory()).expect(0)
    for store in repo.stores():
        directory = store.system_directory() / "backup" / backup_id
        assert len(list(directory.glob("restore-*"))) == 1, directory


# -- sync --


def lose_second(repo):
    """The second store's disk is replaced by an empty one, which is made ready."""
    shutil.rmtree(repo.second)
    repo.second.mkdir()
    repo.walvault("init").expect(0)


def test_sync_publishes_no_backup_of_which_a_pack_is_missing():
    pg, repo = archiving()
    backup_id = with_wal_behind(repo)
    lose_second(repo)
    local, second = repo.stores()
    pack = local.system_directory() / "backup" / backup_id / "pack-000001"
    away = pack.rename(repo.directory / "away")
    result = repo.walvault("sync").expect(1)
    assert "pack-000001" in result.err and "walvault repair" in result.err, result
    assert published(second) == []
    away.rename(pack)
    repo.walvault("sync").expect(0)
    assert published(second) == [backup_id]
    pg.stop()
    restored = restore_and_start(repo, "--store", "second")
    assert restored.value("SELECT count(*) FROM t") == 5000
    restored.stop()


def test_sync_does_not_bring_back_what_expire_has_deleted():
    pg, repo = archiving(keep_full=1)
    pg.sql("ALTER SYSTEM SET wal_keep_size = '256MB'")
    pg.reload()
    with_wal_behind(repo)
    backup_id = with_wal_behind(repo)
    repo.walvault("expire").expect(0)
    before = [store.objects() for store in repo.stores()]
    local, _ = repo.stores()
    kept = segments_of(local)
    status = pg.data / "pg_wal/archive_status"
    gone = [path.stem for path in status.glob("*.done") if len(path.stem) == 24 and path.stem < kept[0]]
    assert gone and published(local) == [backup_id], (gone, kept)
    repo.walvault("sync").expect(0)
    assert [store.objects() for store in repo.stores()] == before
    # But what should be there comes from pg_wal again, oldest first.
    for store in repo.stores():
        remove_from(store, *kept[-3:-1])
    result = repo.walvault("sync").expect(0)
    assert [store.objects() for store in repo.stores()] == before, result
