# SPDX-License-Identifier: PostgreSQL
"""pitr-restore against an oracle that saw everything happen.

The history of test_oracle, with base backups where that has base copies: random
transactions under a mad clock on four timelines. For random targets the plan must name
the transactions on both sides of the stop point, or say that there is no way; and what
is restored must have exactly the rows that were there.
"""

from datetime import datetime

from test_oracle import Questioner, World
from walvault_test import Postgres, majors, parse_lsn, seeded_random, time_limit
from walvault_test.restoring import Started, new_data_directory, plan, restore, take_backup

QUESTIONS = 60
RECOVERIES = 5


class Backup:
    """A base backup, in the place that a BaseCopy has in the history."""

    def __init__(self, repo, pg):
        self.pg = pg
        self.repo = repo
        self.id = take_backup(repo, "--conninfo", pg.conninfo(), "--pgdata", pg.data)
        found = plan(repo, "--immediate", "--backup", self.id)["backup"]
        self.start_lsn = parse_lsn(found["start_lsn"])
        self.stop_lsn = parse_lsn(found["stop_lsn"])
        self.stop_time = datetime.fromisoformat(found["stop_time"])

    def restore(self, repo, **settings):
        """A new server that goes on archiving, as the history needs one."""
        destination = new_data_directory()
        lsn = settings.pop("recovery_target_lsn")
        words = ("--to-lsn", lsn, "--exclusive", "--timeline", "1", "--backup", self.id)
        repo.run(
            "pitr-restore", *words, "--rejoin-archive", "--action", "promote", destination
        ).expect(0)
        kept = {
            name: value
            for name, value in self.pg.settings.items()
            if name not in ("restore_command",) and not name.startswith("recovery_target")
        }
        return Postgres(self.pg.major, destination, self.pg.segsize, **kept)


class RestoreWorld(World):
    def _base(self, pg):
        return Backup(self.repo, pg)

    def _promote(self, pg, workload):
        """The settings of a restore would hold for a standby, too, while they are there."""
        conf = pg.data / "postgresql.auto.conf"
        lines = conf.read_text(encoding="utf-8").splitlines(keepends=True)
        stale = ("recovery_target", "restore_command", "hot_standby")
        conf.write_text("".join(line for line in lines if not line.startswith(stale)))
        return super()._promote(pg, workload)


def questioners(world):
    first, second = world.bases
    return [Questioner(world, number, first) for number in (1, 2, 3, 4)] + [
        Questioner(world, 2, second)
    ]


def words_for(question, base):
    """The question's words, as pitr-restore takes them."""
    words = [
        f"--to-{word[2:]}" if word in ("--time", "--lsn", "--xid", "--name") else word
        for word in question.words
    ]
    start = words.index("--from")
    del words[start : start + 2]
    return (*words, "--backup", base.id)


def kind_of(question):
    return question.words[0].removeprefix("--")


def is_reachable(question, base):
    """By the rules: the backup ends before the target, by its LSN and by its time."""
    value, answer = question.words[1], question.answer
    if kind_of(question) == "time" and datetime.fromisoformat(value) < base.stop_time:
        return False
    if kind_of(question) == "lsn" and parse_lsn(value) < base.stop_lsn:
        return False
    return answer is not None and answer.lsn >= base.stop_lsn


def is_settled(question, base):
    """Leaves out what the oracle has no opinion on: the very last record and the backup's own."""
    if question.answer is None:
        return kind_of(question) != "lsn"
    return question.answer.lsn >= base.stop_lsn or not question.answer.inclusive


def assert_plan_agrees(world, question, base):
    words = words_for(question, base)
    if not is_reachable(question, base):
        found = plan(world.repo, *words, status=2)
        assert found["reachable"] is False, (words, found)
        return
    found = plan(world.repo, *words)
    for side, name in (("before", "last"), ("after", "first_not")):
        expected = question.answer.facts()[side]
        assert found[name] == expected, (words, name, found[name], expected)


def assert_restore_agrees(world, question, base):
    words = words_for(question, base)
    result, destination = restore(
        world.repo, "--start", "--json", "--bindir", world.repo.pg.bin, *words, "--action", "promote"
    )
    started = Started(destination, result.expect(0).json())
    rows = dict(started.sql("SELECT id, value FROM rows"))
    differing = rows.items() ^ question.answer.rows.items()
    assert not differing, (words, sorted(row for row, _ in differing))
    started.stop()


def assert_default_backup_serves(world, asker, question):
    """Without --backup some backup is chosen; the answer seen from that one is the same."""
    words = words_for(question, asker.base)[:-2]
    found = plan(world.repo, *words)
    chosen = next(base for base in world.bases if base.id == found["backup"]["id"])
    if chosen is asker.base or kind_of(question) != "time":
        expected = question.answer.facts()["before"]
        assert found["last"] == expected, (words, found["last"], expected)


@majors(15, 16, 17, 18)
@time_limit(600)
def test_plans_and_restores_agree_with_the_oracle_on_every_timeline(major):
    rng = seeded_random()
    world = RestoreWorld(major, rng)
    askers = questioners(world)
    asked = 0
    while asked < QUESTIONS:
        asker = rng.choice(askers)
        question = asker.ask()
        if is_settled(question, asker.base):
            assert_plan_agrees(world, question, asker.base)
            asked += 1
            if is_reachable(question, asker.base):
                assert_default_backup_serves(world, asker, question)
    restored = 0
    while restored < RECOVERIES:
        asker = rng.choice(askers)
        question = asker.ask()
        if is_settled(question, asker.base) and is_reachable(question, asker.base):
            assert_restore_agrees(world, question, asker.base)
            restored += 1
