# SPDX-License-Identifier: PostgreSQL
"""A store that lags gets what it lacks by itself, and what is said of it is true."""

from walvault_test import wait_until
from walvault_test.several import background_syncs, last_line, push, several
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
    assert not background_syncs(repo)
    # Once a minute is enough; it is never taken for one that is down.
    for name in wal[1:3]:
        push(repo, name).expect(0)
    assert not background_syncs(repo)
    (note,) = remembered(repo)
    assert (note["failures"], note["slow"], note["missed"]) == ("0", "2", "2"), note
