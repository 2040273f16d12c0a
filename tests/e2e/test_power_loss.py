# SPDX-License-Identifier: PostgreSQL
"""The power fails: what walpush called archived is still there, and whole."""

import errno
import shutil
import subprocess

from walvault_test import Repository, work_directory
from walvault_test.powercut import Disk, build
from walvault_test.programs import clean_environment, program
from walvault_test.stopped import stopped_cluster, stopped_repository
from walvault_test.tracer import Fail, KillAll, trace

O_TMPFILE = 0o20000000


class Pushes:
    """One WAL file, pushed to a store whose disk is watched."""

    def __init__(self, text=None, push=0, **disk):
        self.pg, self.repo, names = stopped_repository(push=push, timeout="5s")
        self.name = names[push]
        if text is not None:
            self.name = "00000002.history"
            (self.pg.data / "pg_wal" / self.name).write_text(text, encoding="ascii")
        self.plain = (self.pg.data / "pg_wal" / self.name).read_bytes()
        self.key = str(self.repo.object_path(self.name).relative_to(self.repo.store))
        self.disk_options = disk
        self.new_disk()

    def new_disk(self):
        self.disk = Disk(self.repo.store, **self.disk_options)

    def reset(self):
        shutil.rmtree(self.repo.system_directory() / "wal", ignore_errors=True)
        shutil.rmtree(self.repo.state_directory)
        self.repo.state_directory.mkdir()
        self.new_disk()

    def run(self, on_call=lambda call: None):
        """One walpush; ``on_call`` acts after the disk has taken note."""

        def both(call):
            self.disk.on_call(call)
            return on_call(call)

        result = trace(
            both,
            *(program("walpush"), "--config", self.repo.config, f"pg_wal/{self.name}"),
            cwd=self.pg.data,
        )
        self.disk.processes_ended()
        return result

    def reads_back(self, world):
        """The plain bytes of the object in that world, verified; None if they cannot be had."""
        store = work_directory() / "after"
        build(world, store)
        done = subprocess.run(
            [program("walvault"), "cat", "--cluster", "main", "--store", f"file://{store}"]
            + ["--pgdata", self.pg.data, self.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=work_directory(),
            env=clean_environment(WALVAULT_CONFIG=str(self.repo.config)),
            check=False,
        )
        return done.stdout if done.returncode == 0 else None

    def survives(self):
        """Is the object there and whole, whichever way the power failed?"""
        worlds = (self.disk.forgetful(), self.disk.names_first())
        return all(self.reads_back(world) == self.plain for world in worlds)

    def whole_or_absent(self, world):
        if self.key not in world:
            return True
        return self.reads_back(world) == self.plain


def history():
    return "1\t0/5000000\tno recovery target specified\n"


def test_what_was_archived_survives_a_power_cut():
    pushes = Pushes()
    pushes.run().expect(0)
    assert pushes.survives()


def test_what_was_archived_beside_others_survives_a_power_cut():
    pushes = Pushes(push=2)
    pushes.run().expect(0)
    assert pushes.survives()


def test_an_archived_history_file_survives_a_power_cut():
    pushes = Pushes(history())
    pushes.run().expect(0)
    assert pushes.survives()


def test_what_was_archived_without_nameless_files_survives_a_power_cut():
    pushes = Pushes()

    def no_nameless_files(call):
        if call.result is None and call.name == "openat":
            if call.arguments[2] & O_TMPFILE == O_TMPFILE:
                return Fail(errno.EOPNOTSUPP)
        return None

    pushes.run(no_nameless_files).expect(0)
    assert pushes.survives()


def test_a_second_push_of_the_same_file_promises_no_less_than_the_first():
    pushes = Pushes()
    pushes.run().expect(0)
    pushes.run().expect(0)
    assert pushes.survives()


def test_at_every_moment_of_a_push_a_power_cut_leaves_the_object_whole_or_absent():
    pushes = Pushes()
    seen = set()
    wrong = []

    def look(call):
        if call.result is None:
            return
        for world in (pushes.disk.forgetful(), pushes.disk.names_first()):
            state = frozenset((path, content) for path, content in world.items())
            if state not in seen:
                seen.add(state)
                if not pushes.whole_or_absent(world):
                    wrong.append(f"after {call.name}: {sorted(world)}")

    pushes.run(look).expect(0)
    assert not wrong, wrong
    assert len(seen) > 3, "the disk was seen in too few states to prove anything"


class KillAfter:
    """Kills when a number of calls that change the disk have returned."""

    def __init__(self, place):
        self.place = place
        self.seen = 0
        self.victim = None

    CHANGING = ("fsync", "openat", "mkdirat", "linkat", "renameat2", "unlinkat")

    def __call__(self, call):
        if call.result is None or call.result < 0 or call.name not in self.CHANGING:
            return None
        if self.victim is None and self.seen == self.place:
            self.victim = call.name
            return KillAll
        self.seen += 1
        return None


def test_a_push_after_a_killed_one_survives_a_power_cut_wherever_the_first_was_killed():
    pushes = Pushes()
    place = 0
    while True:
        pushes.reset()
        kill = KillAfter(place)
        pushes.run(kill)
        if kill.victim is None:
            break
        pushes.run().expect(0)
        assert pushes.survives(), f"the first push was killed after call {place}, {kill.victim}"
        place += 1
    assert place > 8


def test_a_push_that_finds_another_ones_link_before_its_directory_is_forced():
    pushes = Pushes()
    linked = []

    def kill_when_linked(call):
        if call.result == 0 and call.name in ("linkat", "renameat2"):
            linked.append(call.name)
            return KillAll
        return None

    pushes.run(kill_when_linked)
    assert linked and (pushes.repo.store / pushes.key).exists()
    assert pushes.key not in pushes.disk.forgetful(), "the link was durable already"
    pushes.run().expect(0)
    assert pushes.survives()


def test_directories_made_by_a_killed_push_are_forced_by_the_next():
    pushes = Pushes()
    made = []
    for wanted in range(20):
        pushes.reset()
        made.clear()

        def kill_when_made(call, wanted=wanted):
            if call.result == 0 and call.name in ("mkdir", "mkdirat"):
                made.append(call.name)
                if len(made) > wanted:
                    return KillAll
            return None

        pushes.run(kill_when_made)
        if len(made) <= wanted:
            break
        pushes.run().expect(0)
        assert pushes.survives(), f"killed after mkdir number {wanted + 1}"
    assert wanted >= 2, "no directory was made"


def test_a_damaged_object_that_was_replaced_survives_a_power_cut():
    pushes = Pushes()
    pushes.run().expect(0)
    path = pushes.repo.store / pushes.key
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    pushes.new_disk()
    wrong = []

    def look(call):
        if call.result == 0 and call.name in ("fsync", "linkat", "renameat2", "unlinkat"):
            for world in (pushes.disk.forgetful(), pushes.disk.names_first()):
                if pushes.key not in world:
                    wrong.append(f"after {call.name} there was no object at all")

    pushes.run(look).expect(0)
    assert not wrong, wrong
    assert pushes.survives()


def test_a_new_repository_survives_a_power_cut():
    pg, names = stopped_cluster()
    repo = Repository(pg)
    disk = Disk(repo.store)
    trace(
        disk.on_call,
        *(program("walvault"), "init", "--config", repo.config),
        cwd=work_directory(),
    ).expect(0)
    store = work_directory() / "after"
    for world in (disk.forgetful(), disk.names_first()):
        build(world, store)
        assert {key: text for key, text in world.items() if text is not None} == {
            key: (repo.store / key).read_bytes() for key in repo.objects()
        }
    shutil.rmtree(repo.store)
    store.rename(repo.store)
    repo.walpush(f"pg_wal/{names[0]}").expect(0)


# -- these tests can fail --


def test_a_disk_that_ignores_fsync_of_directories_is_noticed():
    pushes = Pushes(directory_fsync_works=False)
    pushes.run().expect(0)
    assert not pushes.survives(), "nothing depends on the fsync of directories?"


def test_a_disk_that_ignores_fsync_of_files_is_noticed():
    pushes = Pushes(file_fsync_works=False)
    pushes.run().expect(0)
    assert not pushes.survives(), "nothing depends on the fsync of files?"
