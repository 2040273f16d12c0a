# SPDX-License-Identifier: PostgreSQL
"""``walvault find`` and real recoveries against an oracle that saw everything happen.

One history for each major: random transactions under a clock that jumps ahead and
back, stands still, and is in 2038 for one transaction; promotions, and a fork from
the middle of the past:

    1 ──B1───┬──────────── 2 ──B2────────
             └── 3 ── 4

For random targets on every timeline ``find`` must say which transactions recovery
replays last and leaves out first, and servers recovered from the base copies B1 and
B2 must have exactly the oracle's rows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from walvault_test import BaseCopy, Postgres, Repository, format_lsn, majors, seeded_random
from walvault_test.fakeclock import FakeClock
from walvault_test.oracle import Answer, Oracle, format_time
from walvault_test.workload import Workload

STEPS = 120  # of the workload between two events
QUESTIONS = 150
RECOVERIES = 6
NEW_LINE_IDS = 1_000_000  # row ids from timeline 3 on: lines cannot be mistaken
IN_2038 = datetime(2038, 1, 19, 3, 14, 7, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)


class World:
    """The history in the figure above, its archive, and its oracle."""

    def __init__(self, major, rng):
        self.rng = rng
        self.clock = FakeClock()
        pg = Postgres.create(
            major,
            segsize_mib=1,
            autovacuum="off",
            max_prepared_transactions=100,
            wal_keep_size="1GB",  # for the oracle, which reads it after a promotion
            max_wal_size="1GB",
            checkpoint_timeout="1d",
        )
        self.repo = Repository(pg)
        self.repo.enable_archiving()
        self.clock.govern(pg)
        pg.start()
        self.repo.init()
        pg.sql("CREATE EXTENSION pg_walinspect")
        pg.sql("CREATE TABLE rows (id int PRIMARY KEY, value text)")
        self.oracle = Oracle(pg.current_lsn())
        self.bases = []
        self._live_on_timelines_1_and_2(pg)
        self._live_on_timelines_3_and_4()

    def _live_on_timelines_1_and_2(self, pg):
        workload = Workload(pg, self.rng, self.oracle.timelines[1], {}, first_id=1)
        workload.run(STEPS)
        self.bases.append(self._base(pg))
        workload.run(STEPS)
        self._restore_point(pg, "before the clock went mad")
        workload.write_record_larger_than_a_segment()
        workload.run(STEPS)
        self.fork_lsn = pg.current_lsn()
        self._disturb_clock(workload, with_2038=True)
        self._restore_point(pg, "given twice")
        workload = self._promote(pg, workload)
        workload.run(STEPS)
        self.bases.append(self._base(pg))
        self._disturb_clock(workload, with_2038=False)
        self._restore_point(pg, "given twice")
        self._end_line(pg, workload)

    def _live_on_timelines_3_and_4(self):
        pg = self.bases[0].restore(
            self.repo,
            archive_mode="on",
            recovery_target_lsn=format_lsn(self.fork_lsn),
            recovery_target_inclusive="off",
            recovery_target_timeline="1",
        )
        self.clock.govern(pg)
        pg.start().wait_promoted()
        timeline = self.oracle.fork(pg)
        rows = dict(pg.sql("SELECT id, value FROM rows"))
        workload = Workload(pg, self.rng, timeline, rows, NEW_LINE_IDS)
        workload.run(STEPS)
        workload.write_record_larger_than_a_segment()
        workload = self._promote(pg, workload)
        self._restore_point(pg, "on timeline 4")
        self._disturb_clock(workload, with_2038=False)
        self._end_line(pg, workload)

    def _base(self, pg):
        return BaseCopy(pg)

    def _restore_point(self, pg, name):
        pg.sql("SELECT pg_create_restore_point(%s)", name)

    def _disturb_clock(self, workload, with_2038):
        """Runs the workload while the clock misbehaves."""
        workload.run(STEPS)
        self.clock.shift(-3600)
        workload.run(STEPS)
        self.clock.shift(1800)
        workload.run(STEPS)
        if with_2038:
            self.clock.jump_to(IN_2038)
            workload.commit_one()
        self.clock.freeze(datetime.now(timezone.utc) + 5 * MINUTE)
        workload.run(STEPS)
        self.clock.shift(0)
        workload.run(STEPS)

    def _promote(self, pg, workload):
        """Lets the server go on as a standby that is promoted at once; its new workload."""
        self.oracle.read(pg, workload.timeline)
        workload.close()
        pg.promote_in_place(
            restore_command=self.repo.restore_command(),
            recovery_target_lsn=None,
            recovery_target_inclusive=None,
            recovery_target_timeline=None,
        )
        timeline = self.oracle.fork(pg)
        return Workload(pg, self.rng, timeline, workload.rows, workload.next_id)

    def _end_line(self, pg, workload):
        """Archives all there is, lets the oracle read it, and deletes the server."""
        workload.close()
        pg.archive_all()
        self.oracle.read(pg, workload.timeline)
        pg.stop()
        pg.destroy()


@dataclass(frozen=True)
class Question:
    """A recovery target, in the words of ``find`` and of PostgreSQL, and the oracle's answer."""

    words: tuple
    settings: dict
    timeline: int
    answer: Answer


class Questioner:
    """Thinks of random targets for one timeline, seen from one base copy."""

    def __init__(self, world, timeline, base):
        self.rng = world.rng
        self.oracle = world.oracle
        self.timeline = timeline
        self.base = base
        path = world.oracle.timelines[timeline].path()
        self.records = [record for record in path if record.lsn >= base.start_lsn]
        self.ends = [record for record in self.records if record.kind]

    def ask(self):
        kind = self.rng.choice([self._time, self._time, self._lsn, self._xid])
        return kind(self.rng.random() < 0.6)

    def _question(self, answer, kind, value, inclusive=True):
        settings = {
            f"recovery_target_{kind}": value,
            "recovery_target_inclusive": "on" if inclusive else "off",
            "recovery_target_timeline": str(self.timeline),
        }
        words = [f"--{kind}", value, "--timeline", str(self.timeline)]
        words += ["--from", format_lsn(self.base.start_lsn)]
        words += [] if inclusive else ["--exclusive"]
        return Question(tuple(words), settings, self.timeline, answer)

    def _time(self, inclusive):
        time = self.rng.choice(self.ends).time
        time += self.rng.choice([timedelta(0), MICROSECOND, -MICROSECOND, MINUTE, -MINUTE])
        answer = self.oracle.at_time(self.timeline, time, inclusive, self.base.start_lsn)
        return self._question(answer, "time", format_time(time), inclusive)

    def _lsn(self, inclusive):
        lsn = self.rng.choice(self.rng.choice([self.records, self.ends])).lsn
        lsn += self.rng.choice([0, 0, 8, -8])
        answer = self.oracle.at_lsn(self.timeline, lsn, inclusive)
        return self._question(answer, "lsn", format_lsn(lsn), inclusive)

    def _xid(self, inclusive):
        xid = self.rng.choice(self.ends).xid
        answer = self.oracle.at_xid(self.timeline, xid, inclusive)
        return self._question(answer, "xid", str(xid), inclusive)

    def name(self, name):
        return self._question(self.oracle.at_name(self.timeline, name), "name", name)


def questioners(world):
    """Every pair of a timeline and a base copy from which it can be reached."""
    first, second = world.bases
    return [Questioner(world, number, first) for number in (1, 2, 3, 4)] + [
        Questioner(world, 2, second)
    ]


def assert_find_agrees(world, question):
    """``find`` names the transactions on both sides of the target, or says it cannot."""
    command = ("find", *question.words)
    if question.answer is None:
        world.repo.walvault(*command).expect(1)
        return
    found = world.repo.json(*command)
    assert found["reachable"] is True, (command, found)
    for side, expected in question.answer.facts().items():
        assert found[side] == expected, (command, side, found[side], expected)


def assert_recovery_agrees(world, base, question):
    """PostgreSQL's target, and the stop point that ``find`` names, both lead to these rows."""
    stop = world.repo.json("find", *question.words)["stop"]
    same_by_lsn = {
        "recovery_target_lsn": stop["lsn"],
        "recovery_target_inclusive": "on" if stop["inclusive"] else "off",
        "recovery_target_timeline": str(question.timeline),
    }
    for settings in (question.settings, same_by_lsn):
        recovered = base.restore(world.repo, **settings)
        base.bring_fork_segments(world.repo, recovered.data, question.timeline)
        recovered.start().wait_promoted()
        rows = dict(recovered.sql("SELECT id, value FROM rows"))
        differing = rows.items() ^ question.answer.rows.items()
        assert not differing, (settings, question.words, sorted(row for row, _ in differing))
        recovered.destroy()


def can_recover(question, base):
    return question.answer is not None and question.answer.lsn > base.stop_lsn


def assert_find_refuses_to_guess(world):
    """What is ambiguous, or later than all that is known, is no answer."""
    since = format_lsn(world.bases[0].start_lsn)
    late_on_4 = format_time(world.oracle.timelines[4].ends()[-1].time)
    for words in (
        ("--name", "given twice", "--timeline", "2"),
        ("--time", "2040-01-01 00:00:00+00", "--timeline", "2"),
        ("--time", late_on_4, "--from", since),  # timeline 2 has such a moment too
    ):
        refused = world.repo.walvault("find", *words).expect(1)
        assert refused.err, refused


@majors(15, 16, 17, 18)
def test_find_and_recovery_agree_with_the_oracle_on_every_timeline(major):
    rng = seeded_random()
    world = World(major, rng)
    askers = questioners(world)
    for _ in range(QUESTIONS):
        assert_find_agrees(world, rng.choice(askers).ask())
    on_1, on_4 = askers[0], askers[3]
    assert_find_agrees(world, on_1.name("before the clock went mad"))
    assert_find_agrees(world, on_4.name("on timeline 4"))
    assert_find_refuses_to_guess(world)
    recovered = 0
    while recovered < RECOVERIES:
        asker = rng.choice(askers)
        question = asker.ask()
        if can_recover(question, asker.base):
            assert_recovery_agrees(world, asker.base, question)
            recovered += 1
