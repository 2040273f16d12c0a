# SPDX-License-Identifier: PostgreSQL
"""Several stores are copies of one repository, each in a place of its own, or it is said."""

import shutil
import subprocess
from pathlib import Path

from walvault_test.cases import new_directory
from walvault_test.fetching import Asker
from walvault_test.programs import clean_environment, program
from walvault_test.several import SeveralStores, last_line, push, several, sync
from walvault_test.stopped import stopped_cluster


def identifiers(repo):
    """What the marker of each store that has one says."""
    found = {}
    for name in repo.names:
        marker = repo.only(name).store / "main/repository"
        if marker.exists():
            lines = marker.read_text(encoding="ascii").splitlines()
            found[name] = next(line for line in lines if line.startswith("id = "))
    return found


def identities(repo, name):
    return sorted(path.parent.name for path in repo.only(name).store.glob("main/*/identity"))


def uninitialised(names=("local", "offsite"), **options):
    pg, wal = stopped_cluster()
    return SeveralStores(pg, names, **{"timeout": "20s", **options}), wal


# -- init --


def test_a_store_that_is_added_becomes_a_copy_of_the_one_that_is_there():
    repo, wal = uninitialised()
    repo.init("--store", "local")
    assert set(identifiers(repo)) == {"local"}
    repo.init("--store", "local", "--new-generation")
    repo.init("--store", "offsite")
    assert len(set(identifiers(repo).values())) == 1 == len(identifiers(repo)) - 1
    assert identities(repo, "local") == identities(repo, "offsite")
    assert len(identities(repo, "offsite")) == 2
    push(repo, wal[0]).expect(0)
    repo.walvault("check", "--no-server").expect((0, 1))
    # By its URL it is the same one.
    shutil.rmtree(repo.place("offsite") / "main")
    repo.init("--store", f"file://{repo.place('offsite')}/")
    assert len(set(identifiers(repo).values())) == 1, identifiers(repo)


def test_no_other_repository_is_made_while_a_store_cannot_be_asked():
    repo, _ = uninitialised()
    repo.init("--store", "local")
    back = repo.take_down("local")
    result = repo.walvault("init", "--store", "offsite").expect(3)
    for words in ("local", "cannot be asked which repository this is", "take it out of store ="):
        assert words in last_line(result), result
    assert not identifiers(repo)
    back()
    repo.init("--store", "offsite")
    assert len(set(identifiers(repo).values())) == 1 == len(identifiers(repo)) - 1


def test_sync_into_a_store_that_was_never_made_says_how_it_is_made():
    repo, wal = uninitialised()
    repo.init("--store", "local")
    push(repo, wal[0], "--store", "local").expect(0)
    result = sync(repo, status=1)
    assert "walvault init --store offsite" in result.err, result
    repo.init("--store", "offsite")
    sync(repo)
    assert repo.holders(wal[0]) == ["local", "offsite"]


CONTRIB = Path(__file__).resolve().parents[2] / "contrib"


def init_beside_another(store):
    """init, and as it makes the first store's marker another one makes that of ``store``.

    The result of the first, and the repository.
    """
    repo, wal = uninitialised()
    script = new_directory("command") / "command"
    script.write_text(
        "#!/bin/sh\n"
        f'if [ "$1 $2" = "put main/repository" ] && mkdir {script.parent}/once 2>/dev/null; then\n'
        f"    {program('walvault')} init --config {repo.config} --store {store} >&2 || exit 1\n"
        "fi\n"
        f'exec {CONTRIB}/exec-directory {repo.place("local")} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    repo.sections["local"] = {"url": f"exec:{script}"}
    repo.configure()
    result = repo.walvault("init")
    assert (script.parent / "once").exists(), result
    return result, repo, wal


def test_another_init_that_was_faster_in_the_first_store_is_followed_in_all():
    result, repo, wal = init_beside_another("local")
    result.expect(0)
    assert len(identifiers(repo)) == 2 and len(set(identifiers(repo).values())) == 1
    push(repo, wal[0]).expect(0)
    assert repo.holders(wal[0]) == ["local", "offsite"]


def test_another_init_that_made_another_repository_is_told():
    result, repo, _ = init_beside_another("offsite")
    result.expect(3)
    for words in ("another walvault init", "offsite holds another repository", "Move away"):
        assert words in last_line(result), result
    assert not identities(repo, "local")
    # What the hint says is the way out.
    (repo.place("offsite") / "main").rename(repo.place("offsite") / "moved")
    repo.init()
    assert len(identifiers(repo)) == 2 and len(set(identifiers(repo).values())) == 1


# -- two repositories --


def two_repositories(**options):
    """Each store was made without the other."""
    repo, wal = uninitialised(**options)
    repo.init()
    shutil.rmtree(repo.place("offsite") / "main")
    repo.configure(store="offsite")
    repo.init()
    repo.configure(store="local, offsite")
    assert len(set(identifiers(repo).values())) == 2
    return repo, wal


def test_walpush_does_not_count_a_store_of_another_repository():
    repo, wal = two_repositories()
    result = push(repo, wal[0]).expect(3)
    assert "safe in local, not in offsite" in last_line(result), result
    for words in ("store offsite holds another repository", "store local (file://", "walvault init"):
        assert words in result.err, result
    repo.configure(required="any")
    result = push(repo, wal[1]).expect(0)
    assert "archived without store offsite" in last_line(result), result
    assert "holds another repository" in last_line(result) and "safe in local" in last_line(result)
    result = sync(repo, status=1)
    assert "holds another repository" in result.err and "walvault init" in result.err, result
    # What the hint says is the way out.
    (repo.place("offsite") / "main").rename(repo.place("offsite") / "moved")
    repo.init("--store", "offsite")
    sync(repo)
    repo.configure(required="all")
    push(repo, wal[2]).expect(0)
    assert repo.holders(wal[0]) == repo.holders(wal[2]) == ["local", "offsite"]


def test_walfetch_takes_nothing_from_a_second_repository():
    repo, wal = two_repositories()
    push(repo, wal[0], "--store", "local").expect(0)
    push(repo, wal[1], "--store", "offsite").expect(0)
    asker = Asker(repo, "recovery")
    asker.fetch(wal[0]).expect(0)
    asker.destination.unlink()
    for missing in wal[1:3]:
        result = asker.fetch(missing).expect(200)
        assert "holds another repository" in result.err, result
        assert not asker.destination.exists()
    asker.fetch(wal[1], "--store", "offsite").expect(0)
    asker.fetch(wal[2], "--store", "local").expect(1)


def test_a_history_of_a_second_repository_is_not_served_from_memory_either():
    repo, _ = two_repositories()
    history = repo.pg.data / "pg_wal/00000002.history"
    history.write_text("1\t0/5000000\tof the other\n", encoding="ascii")
    push(repo, history.name, "--store", "offsite").expect(0)
    asker = Asker(repo, "recovery")
    for _ in range(2):
        result = asker.fetch_fails(history.name, 200)
        assert "holds another repository" in result.err, result
    # Who says which one is meant is served, and what is remembered of that is the other's.
    asker.fetch(history.name, "--store", "offsite").expect(0)
    asker.destination.unlink()
    asker.fetch_fails(history.name, 200)
    for name in repo.names:
        repo.take_down(name)
    asker.fetch(history.name, "--store", "offsite").expect(0)
    asker.destination.unlink()
    asker.fetch_fails(history.name, 200)


def test_a_history_of_several_stores_is_remembered():
    _, repo, _ = several()
    history = repo.pg.data / "pg_wal/00000002.history"
    history.write_text("1\t0/5000000\tone\n", encoding="ascii")
    push(repo, history.name).expect(0)
    asker = Asker(repo, "recovery")
    asker.fetch(history.name).expect(0)
    asker.destination.unlink()
    for name in repo.names:
        repo.take_down(name)
    assert "from memory" in asker.fetch(history.name).expect(0).err
    assert asker.destination.read_bytes() == history.read_bytes()


def test_a_store_of_another_repository_is_told_by_memory_while_the_first_is_down():
    repo, wal = two_repositories(required="any")
    push(repo, wal[0]).expect(0)
    push(repo, wal[1], "--store", "offsite").expect(0)
    repo.take_down("local")
    result = push(repo, wal[2]).expect(3)
    assert "safe in no store" in last_line(result), result
    words = ("store offsite holds another repository", "store local (file://", "has not answered")
    for word in words:
        assert word in result.err, result
    asker = Asker(repo, "recovery")
    result = asker.fetch_fails(wal[1], 200)
    for word in words:
        assert word in result.err, result
    asker.fetch(wal[1], "--store", "offsite").expect(0)
    # Nothing is remembered: whoever answers is believed.
    shutil.rmtree(repo.state_directory)
    repo.state_directory.mkdir()
    push(repo, wal[2]).expect(0)


def test_memory_is_no_obstacle_to_copies_of_one_repository():
    _, repo, wal = several(("local", "offsite", "third"), required="any")
    push(repo, wal[0]).expect(0)
    back = repo.take_down("local")
    push(repo, wal[1]).expect(0)
    assert repo.holders(wal[1]) == ["offsite", "third"]
    back()
    # A stranger that is down says nothing of those behind it.
    for down in repo.state_directory.glob("*/behind"):
        down.unlink()
    shutil.rmtree(repo.place("offsite") / "main")
    repo.configure(store="offsite")
    repo.init()
    repo.configure(store="local, offsite, third")
    repo.take_down("offsite")
    push(repo, wal[2]).expect(0)
    assert repo.holders(wal[2]) == ["local", "third"]


# -- one place under two names --


def test_one_url_under_two_names_is_no_second_copy():
    _, repo, wal = several()
    shutil.rmtree(repo.place("offsite"))
    repo.sections["offsite"] = {"url": f"file://{repo.place('local')}//./"}
    repo.configure()
    for words in (("walpush", f"pg_wal/{wal[0]}"), ("walvault", "sync"), ("walvault", "init")):
        result = repo.run(*words, cwd=repo.pg.data).expect(3)
        assert "'local' and 'offsite' are one place" in last_line(result), result


def test_a_link_to_the_other_directory_is_no_second_copy():
    _, repo, wal = several()
    shutil.rmtree(repo.place("offsite"))
    repo.place("offsite").symlink_to(repo.place("local"))
    result = push(repo, wal[0]).expect(3)
    assert "safe in local, not in offsite" in last_line(result), result
    assert "is the same directory as store local" in result.err, result
    for words in (("sync",), ("init",)):
        result = repo.walvault(*words).expect((1, 3))
        assert "is the same directory as store local" in result.err, result
    result = repo.run("basebackup", "--fast")
    assert result.status != 0 and "is the same directory as store local" in result.err, result
    repo.configure(required="any")
    push(repo, wal[0]).expect(0)


def test_a_directory_that_is_mounted_twice_is_no_second_copy():
    """In a name space of its own, where anybody may mount."""
    _, repo, wal = several()
    script = (
        f"mount --bind '{repo.place('local')}' '{repo.place('offsite')}' && "
        f"cd '{repo.pg.data}' && exec \"$0\" --config '{repo.config}' 'pg_wal/{wal[0]}'"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, program("walpush")],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "is the same directory as store local" in done.stderr, done


BACKUP_ID = "20260101T000000Z-full-00000000"


def test_what_writes_refuses_a_link_to_the_other_directory_before_it_does():
    """The laxer rules of one name would delete what the other's keep."""
    _, repo, wal = several()
    push(repo, wal[0]).expect(0)
    repo.sections = {"local": {"keep_days": "35"}, "offsite": {"keep_full": "1"}}
    repo.configure()
    shutil.rmtree(repo.place("offsite"))
    repo.place("offsite").symlink_to(repo.place("local"))
    before = sorted(repo.place("local").rglob("*"))
    for words in (("expire", "--broken"), ("hold", BACKUP_ID), ("release", BACKUP_ID), ("repair",)):
        result = repo.walvault(*words).expect(3)
        assert not result.out, result
        assert "is the same directory as store local" in last_line(result), result
    assert sorted(repo.place("local").rglob("*")) == before
    # Those that only read may go on, and so may who says which one is meant.
    repo.walvault("info").expect(0)
    repo.walvault("ls").expect(0)
    repo.walvault("expire", "--store", "local").expect(0)


def test_a_way_around_to_the_same_directory_is_the_same_directory():
    _, repo, _ = several()
    around = repo.place("local") / ".." / repo.place("local").name
    repo.sections["offsite"] = {"url": f"file://{around}"}
    repo.configure()
    result = repo.walvault("expire", "--keep-full", "1").expect(3)
    assert "is the same directory as store local" in last_line(result), result


# -- a store that is made, or is not there --


def test_init_makes_no_directory_that_another_store_has_the_repository_of():
    """It may be a disk that is not mounted; who means it names it."""
    repo, wal = uninitialised()
    repo.init("--store", "local")
    push(repo, wal[0], "--store", "local").expect(0)
    repo.place("offsite").rmdir()
    result = repo.walvault("init").expect(3)
    for words in ("store offsite", "is it mounted?", "walvault init --store offsite"):
        assert words in last_line(result), result
    assert not repo.place("offsite").exists()
    result = repo.init("--store", "offsite")
    assert result.out.splitlines()[-1] == "now: walvault sync --to offsite", result
    assert "now:" not in repo.init().out
    repo.walvault("sync", "--to", "offsite").expect(0)
    assert repo.holders(wal[0]) == ["local", "offsite"]


def test_the_first_init_makes_every_directory():
    repo, _ = uninitialised()
    for name in repo.names:
        repo.place(name).rmdir()
    assert "now:" not in repo.init().out
    assert len(set(identifiers(repo).values())) == 1 == len(identifiers(repo)) - 1


# -- how many are required --


def test_more_stores_required_than_there_are_is_said_by_config():
    repo, _ = uninitialised()
    repo.configure(required="3")
    result = repo.walvault("config").expect(3)
    assert "required = 3, but the stores are 2" in last_line(result), result


def test_store_leads_check_around_a_store_whatever_is_required():
    _, repo, wal = several()
    push(repo, wal[0]).expect(0)
    repo.configure(required="2")
    back = repo.take_down("offsite")
    result = repo.walvault("check", "--no-server", "--store", "local").expect((0, 1))
    assert "required = 2, but --store names 1" in result.err, result
    # Not what says that a file may be recycled, and not what was asked for here.
    result = push(repo, wal[1], "--store", "local").expect(3)
    assert "--required 1" in last_line(result), result
    result = repo.walvault("check", "--store", "local", "--required", "2").expect(3)
    assert "but the stores are 1" in result.err, result
    push(repo, wal[1], "--store", "local", "--required", "1").expect(0)
    back()
