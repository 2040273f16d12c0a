# SPDX-License-Identifier: PostgreSQL
"""A store that lags gets what it lacks by itself, and what is said of it is true."""

import os
import shutil
import subprocess

from walvault_test import wait_until
from walvault_test.cases import at_end
from walvault_test.hung import HungStore
from walvault_test.programs import clean_environment, program
from walvault_test.several import background_syncs, damage, last_line, push, several, sync
from walvault_test.slow import SlowStore


def remembered(repo):
    """What is remembered of the stores that missed something."""
    found = []
    for path in repo.state_directory.rglob("behind"):
        lines = path.read_text(encoding="ascii").splitlines()
        found.append(dict(line.split(" = ", 1) for line in lines if " = " in line))
    return found


def test_a_store_that_is_only_slower_than_grace_gets_what_it_lacks_by_itself():
    offsite = SlowStore()
    _, repo, wal = several(
        required="any", grace="200ms", sections={"offsite": offsite.section}
    )
    offsite.slow()
    result = push(repo, wal[0]).expect(0)
    assert "archived without store offsite" in last_line(result), result
    for words in ("safe in local", "offsite lacks 1 files", "walvault sync --to offsite"):
        assert words in last_line(result), result
    wait_until(lambda: offsite.holds(wal[0]), "the background's sync")
    wait_until(lambda: remembered(repo)[0]["missed"] == "0", "the hint to be gone")
    wait_until(lambda: not background_syncs(repo), "it to end")
    # Once a minute is enough; it is never taken for one that is down.
    for name in wal[1:3]:
        push(repo, name).expect(0)
    assert not background_syncs(repo)
    (note,) = remembered(repo)
    assert (note["failures"], note["slow"], note["missed"]) == ("0", "2", "2"), note


# -- what sync says --


def begin_sync(repo, *options, **environment):
    """A sync that is left running; it ends with the test at the latest."""
    process = subprocess.Popen(
        [program("walvault"), "sync", *options],
        env=clean_environment(WALVAULT_CONFIG=str(repo.config), **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    at_end(process.wait)
    at_end(process.kill)
    return process


def test_a_sync_says_that_another_one_is_running():
    _, repo, wal = several()
    push(repo, wal[0], "--store", "local", "--required", "1").expect(0)
    hung = HungStore(repo.place("local")).hang()
    first = begin_sync(repo, **hung.environment)
    hung.wait_reached()
    result = sync(repo, status=2)
    assert "another sync is running" in result.err and not result.out, result
    result = sync(repo, "--to", "offsite", status=2)
    assert "store offsite: another sync is running" in last_line(result), result
    first.kill()
    first.wait()
    # The lock goes with its last holder.
    wait_until(lambda: repo.walvault("sync").status == 0, "the lock to be free")
    assert repo.holders(wal[0]) == ["local", "offsite"]


def test_a_sync_that_gets_no_further_is_given_up():
    _, repo, wal = several()
    push(repo, wal[0], "--store", "offsite", "--required", "1").expect(0)
    hung = HungStore(repo.place("offsite")).hang()
    result = sync(repo, "--max-lag", "3s", status=1, env=hung.environment)
    for words in ("nothing has moved for 3s", "store offsite (file://", "max_lag"):
        assert words in last_line(result), result
    hung.heal()
    sync(repo)
    assert repo.holders(wal[0]) == ["local", "offsite"]


def test_a_sync_that_is_slow_but_moves_is_not_given_up():
    _, repo, wal = several()
    for name in wal[:2]:
        push(repo, name, "--store", "local", "--required", "1").expect(0)
    size = repo.only("local").object_path(wal[0]).stat().st_size
    sync(repo, "--max-lag", "3s", "--max-rate", str(max(size // 6, 1024)))
    assert repo.holders(wal[1]) == ["local", "offsite"]


def test_a_sync_with_nothing_to_do_says_so():
    _, repo, _ = several()
    result = sync(repo, "--store", "local")
    assert result.out == "there is only one store, local: nothing to bring\n", result
    for both in (("local", "local"), ("offsite", f"file://{repo.place('offsite')}")):
        result = sync(repo, "--from", both[0], "--to", both[1], status=3)
        assert "nothing is brought from a store to itself" in last_line(result), result


def same_size_histories(repo):
    """Both stores have a history of the same name and size, which says another thing."""
    history = repo.pg.data / "pg_wal/00000002.history"
    for name, text in (("local", "one"), ("offsite", "two")):
        history.write_text(f"1\t0/5000000\t{text}\n", encoding="ascii")
        push(repo, history.name, "--store", name, "--required", "1").expect(0)
    paths = [repo.only(name).object_path(history.name) for name in repo.names]
    assert paths[0].stat().st_size == paths[1].stat().st_size
    return paths


def test_other_content_of_the_same_size_is_told_once_and_left_as_it_is():
    _, repo, _ = several()
    paths = same_size_histories(repo)
    before = [path.read_bytes() for path in paths]
    result = sync(repo, status=1)
    told = [line for line in result.err.splitlines() if "other content" in line]
    assert len(told) == 1 and "offsite and local" in told[0], result
    assert "walvault verify" in told[0] and ": 1 failures" in result.out, result
    assert [path.read_bytes() for path in paths] == before


def test_an_object_whose_header_is_damaged_is_told():
    _, repo, wal = several()
    push(repo, wal[0]).expect(0)
    path = repo.only("offsite").object_path(wal[0])
    content = bytearray(path.read_bytes())
    content[20] ^= 8
    path.chmod(0o600)
    path.write_bytes(content)
    result = sync(repo, status=1)
    assert "walvault repair" in result.err and wal[0] in result.err, result
    repo.walvault("repair", wal[0]).expect(0)
    sync(repo)


def test_what_sync_pushes_from_pg_wal_is_the_same_in_every_store():
    pg, repo, wal = several(("local", "offsite", "third"))
    status = pg.data / "pg_wal/archive_status"
    for name in wal[:3]:
        (status / f"{name}.ready").touch()
    sync(repo)
    for name in wal[:3]:
        assert repo.holders(name) == list(repo.names)
        objects = {repo.only(place).object_path(name).read_bytes() for place in repo.names}
        assert len(objects) == 1, name
