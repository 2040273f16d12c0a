# SPDX-License-Identifier: PostgreSQL
"""A backup that one store has lost a part of: what sync and check say, and what repair makes of it."""

import shutil

from walvault_test import Postgres
from walvault_test.several import SeveralStores, flip, sync


def directory_of(repo, store, backup_id):
    return repo.only(store).system_directory() / "backup" / backup_id


def objects(directory):
    """All but what was set aside."""
    found = directory.iterdir() if directory.exists() else []
    return {path.name: path.read_bytes() for path in found if ".damaged-" not in path.name}


def with_backup():
    """Two stores with one backup, the cluster stopped: the repository, the id, its directory in offsite."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = SeveralStores(pg, archive_wait="20s", archive_age_warning="1d")
    repo.enable_archiving()
    pg.start()
    repo.init()
    repo.run("basebackup", "--fast", "--conninfo", pg.conninfo()).expect(0)
    pg.archive_all()
    pg.stop()
    (path,) = (repo.system_directory() / "backup").iterdir()
    return repo, path.name, directory_of(repo, "offsite", path.name)


def warnings(repo, status=1):
    result = repo.walvault("check", "--no-server", "--json").expect(status)
    return [x["text"] for x in result.json()["findings"] if x["level"] != "OK"]


def test_repair_makes_a_backup_whole_or_leaves_it_as_it_is():
    repo, backup_id, offsite = with_backup()
    whole = objects(offsite)
    local = directory_of(repo, "local", backup_id)
    hint = f"walvault repair {backup_id}"

    # What is not there is no damage: sync brings it, with all that belongs to it.
    shutil.rmtree(offsite)
    for name in (backup_id, f"{backup_id}/pack-000001"):
        result = repo.walvault("repair", name, "--to", "offsite").expect(1)
        assert not objects(offsite), result
    result = repo.walvault("repair", backup_id).expect(1)
    assert "walvault sync" in result.err and "store offsite" in result.err, result
    sync(repo)
    whole["begin"] = (local / "begin").read_bytes()
    assert objects(offsite) == whole

    # The manifest is damaged, and a pack is missing.
    flip(offsite / "manifest", 30)
    (offsite / "pack-000001").unlink()
    before = objects(offsite)
    assert any(hint in text for text in warnings(repo))
    result = sync(repo, status=1)
    assert hint in result.err and objects(offsite) == before, result
    result = repo.walvault("repair", backup_id, "--dry-run").expect(0)
    assert "pack-000001: can be repaired" in result.out and "manifest: can be repaired" in result.out, result
    assert objects(offsite) == before
    # Without a good pack anywhere the good manifest stays where it is.
    away = (local / "pack-000001").rename(repo.directory / "away")
    result = repo.walvault("repair", backup_id, "--to", "offsite").expect(1)
    assert "no other store has a good copy" in result.err, result
    assert objects(offsite) == before
    away.rename(local / "pack-000001")
    result = repo.walvault("repair", backup_id).expect(0)
    assert objects(offsite) == whole and f"local: main/{local.relative_to(repo.store / 'main')}" in result.out

    # A pack of the right size, and damaged: all are read back.
    flip(offsite / "manifest", 30)
    flip(offsite / "pack-000001", -20)
    repo.walvault("repair", backup_id).expect(0)
    assert objects(offsite) == whole

    # Deleted as an unfinished one while it was finished: the manifest came last.
    for path in offsite.iterdir():
        if path.name != "manifest":
            path.unlink()
    assert any(hint in text and "its begin is missing" in text for text in warnings(repo))
    assert hint in sync(repo, status=1).err
    repo.walvault("repair").expect(0)
    assert objects(offsite) == whole
    assert not warnings(repo, 0)
    sync(repo)
    repo.walvault("verify", "--wal").expect(0)

    # What is being deleted stays so.
    flip(offsite / "manifest", 30)
    (offsite / "tombstone").write_bytes(b"")
    before = objects(offsite)
    result = repo.walvault("repair", backup_id, "--to", "offsite").expect(1)
    assert "being deleted" in result.err and objects(offsite) == before, result


def test_what_no_store_can_repair_is_removed_as_check_says():
    repo, _, offsite = with_backup()
    repo.configure(store="offsite")
    (offsite / "begin").unlink()
    assert any("walvault expire --broken" in text for text in warnings(repo, 2))
