# SPDX-License-Identifier: PostgreSQL
"""pitr-restore where a pack or a manifest is missing or damaged.

It fails before anything could be started; it names what is damaged and the backup
that leads to the same moment; and it takes that one by itself where it can be seen
beforehand.
"""

import shutil

from walvault_test import run_program
from walvault_test.installed import client_program
from walvault_test.restoring import (
    archived_cluster,
    new_data_directory,
    plan,
    restore,
    restore_and_start,
    take_backup,
)

ROWS = "SELECT count(*), max(i) FROM t"


class TwoBackups:
    """A lost cluster; from either backup all rows come back."""

    def __init__(self):
        self.pg, self.repo = archived_cluster(15)
        self.pg.sql("CREATE TABLE t AS SELECT i FROM generate_series(1, 100) i")
        self.older = take_backup(self.repo)
        self.pg.sql("INSERT INTO t VALUES (1000)")
        self.newer = take_backup(self.repo)
        self.pg.sql("INSERT INTO t VALUES (2000)")
        self.pg.archive_all()
        self.pg.destroy()
        self.rows = (102, 2000)

    def objects(self, backup, pattern="pack-*"):
        found = sorted((self.repo.system_directory() / "backup" / backup).glob(pattern))
        assert found
        return found

    def assert_restores(self, *options):
        started = restore_and_start(self.repo, *options)
        assert started.sql(ROWS) == [self.rows]
        started.stop()
        return started.report


def change(path, part, flip=0x10):
    """Flips a bit at this part of a file."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * part)] ^= flip
    path.chmod(0o600)
    path.write_bytes(content)


def scratch(path):
    """Destroys the middle half of a file: a byte alone may lie between two pieces."""
    content = bytearray(path.read_bytes())
    begin, end = len(content) // 4, 3 * len(content) // 4
    content[begin:end] = bytes(end - begin)
    path.chmod(0o600)
    path.write_bytes(content)


def cut(path):
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])


def assert_untouched(destination):
    assert not destination.exists(), sorted(destination.iterdir())


def test_a_backup_that_lacks_a_pack_is_passed_over_with_a_warning():
    for harm in (lambda path: path.unlink(), cut):
        world = TwoBackups()
        pack = world.objects(world.newer)[-1]
        harm(pack)
        found = plan(world.repo)
        assert found["backup"]["id"] == world.older
        [warning] = [text for text in found["warnings"] if world.newer in text]
        assert pack.name in warning, warning
        report = world.assert_restores()
        assert report["backup"]["id"] == world.older


def test_a_backup_whose_manifest_is_damaged_is_passed_over_with_a_warning():
    for part in (0.0005, 0.3, 0.6, 0.9, 0.9999):
        world = TwoBackups()
        change(world.objects(world.newer, "manifest")[0], part)
        found = plan(world.repo)
        assert found["backup"]["id"] == world.older, part
        assert any(world.newer in text for text in found["warnings"]), found["warnings"]
        if part == 0.6:
            world.assert_restores()


def test_a_backup_that_was_asked_for_and_lacks_a_pack_is_exit_2_and_another_is_named():
    world = TwoBackups()
    pack = world.objects(world.newer)[0]
    pack.unlink()
    result, destination = restore(world.repo, "--backup", world.newer, "--json")
    found = result.expect(2).json()
    assert_untouched(destination)
    assert found["missing"] == f"backup/{world.newer}/{pack.name}", found
    assert pack.name in found["why"] and "not there" in found["why"], found
    assert f"--backup {world.older}" in found["why"], found
    assert f"pitr-restore --backup {world.older}" in result.err, result
    world.assert_restores("--backup", world.older)


def test_the_end_of_a_backup_that_lacks_a_pack_is_not_taken_for_that_of_another():
    world = TwoBackups()
    pack = world.objects(world.newer)[0]
    pack.unlink()
    result, destination = restore(world.repo, "--immediate", "--json")
    found = result.expect(2).json()
    assert_untouched(destination)
    assert found["missing"] == f"backup/{world.newer}/{pack.name}", found
    options = found["nearest_before"]["options"]
    assert options == f"--immediate --backup {world.older}", found
    assert plan(world.repo, *options.split())["reachable"] is True


def test_where_no_backup_is_whole_the_missing_pack_is_named():
    world = TwoBackups()
    pack = world.objects(world.newer)[0]
    pack.unlink()
    world.objects(world.older)[0].unlink()
    result, destination = restore(world.repo, "--json")
    found = result.expect(2).json()
    assert_untouched(destination)
    assert found["missing"] == f"backup/{world.newer}/{pack.name}", found
    assert world.newer in found["why"], found
    for backup in (world.older, world.newer):
        assert f"backup {backup} is damaged and is not used" in result.err, result


def test_a_pack_that_turns_out_to_be_damaged_names_the_backup_to_take_instead():
    world = TwoBackups()
    pack = world.objects(world.newer)[0]
    scratch(pack)
    assert plan(world.repo)["backup"]["id"] == world.newer, "size and name are right"
    result, destination = restore(world.repo)
    result.expect(1)
    assert f"{world.newer}/{pack.name}" in result.err, result
    assert f"pitr-restore --backup {world.older}" in result.err, result
    assert str(destination) in result.err, result
    assert not (destination / "global/pg_control").exists()
    world.assert_restores("--backup", world.older)


def test_a_damaged_pack_of_the_only_backup_is_named_and_that_there_is_no_other():
    world = TwoBackups()
    shutil.rmtree(world.repo.system_directory() / "backup" / world.older)
    pack = world.objects(world.newer)[0]
    scratch(pack)
    result, destination = restore(world.repo)
    result.expect(1)
    assert f"{world.newer}/{pack.name}" in result.err, result
    assert f"walvault verify {world.newer}" in result.err, result
    assert "no other backup" in result.err, result
    assert not (destination / "global/pg_control").exists()


def test_no_flipped_bit_of_a_pack_is_restored():
    world = TwoBackups()
    shutil.rmtree(world.repo.system_directory() / "backup" / world.older)
    for pack in world.objects(world.newer):
        content = pack.read_bytes()
        for part in (0.2, 0.5, 0.8):
            change(pack, part)
            result, destination = restore(world.repo, destination=new_data_directory())
            if result.status == 0:
                # A byte between the pieces: nothing that is restored has changed.
                run_program(client_program("pg_verifybackup"), "-n", destination).expect(0)
            else:
                result.expect(1)
                assert "/pack-" in result.err, result
                assert not (destination / "global/pg_control").exists()
            shutil.rmtree(destination)
            pack.write_bytes(content)
