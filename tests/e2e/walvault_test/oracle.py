# SPDX-License-Identifier: PostgreSQL
"""What really happened, told by the server: the answer to every recovery target.

The records of the WAL come from the pg_walinspect extension (PostgreSQL 15 and
later), the rows from the workload that wrote them. Nothing here knows walvault;
the rules are those of PostgreSQL's own recovery (xlogrecovery.c,
recoveryStopsBefore and recoveryStopsAfter).
"""

import re
from dataclasses import dataclass, field
from datetime import datetime

from .wal import format_lsn, parse_lsn

RECORDS = """
    SELECT start_lsn, end_lsn, xid::text::int, resource_manager, record_type, description
    FROM pg_get_wal_records_info(%s, pg_current_wal_flush_lsn())
    ORDER BY start_lsn
"""
# "1234: 2026-11-20 12:00:00.5+00; subxacts: …", the number only for prepared ones
END_DESCRIPTION = re.compile(r"(?:(\d+): )?(\S+ [\d:.]+\+00)")
END_KINDS = {
    "COMMIT": "commit",
    "ABORT": "abort",
    "COMMIT_PREPARED": "commit prepared",
    "ABORT_PREPARED": "abort prepared",
}


@dataclass(frozen=True)
class Record:
    """One WAL record; ``kind`` is set for the ends of transactions, ``name`` for restore points."""

    timeline: int
    lsn: int
    end_lsn: int
    kind: str = None
    xid: int = None
    time: datetime = None
    name: str = None

    @property
    def is_commit(self):
        return self.kind in ("commit", "commit prepared")

    def facts(self):
        """As ``walvault find --json`` shows the end of a transaction."""
        return {
            "lsn": format_lsn(self.lsn),
            "end_lsn": format_lsn(self.end_lsn),
            "xid": self.xid,
            "time": format_time(self.time),
            "kind": self.kind,
        }


def format_time(time):
    return time.strftime("%Y-%m-%d %H:%M:%S.%f+00")


def _record(timeline, start, end, xid, manager, record_type, description):
    start, end = parse_lsn(start), parse_lsn(end)
    if manager == "Transaction" and record_type in END_KINDS:
        prepared_xid, time = END_DESCRIPTION.match(description).groups()
        return Record(
            timeline,
            start,
            end,
            kind=END_KINDS[record_type],
            xid=int(prepared_xid or xid),
            time=datetime.fromisoformat(time),
        )
    if manager == "XLOG" and record_type == "RESTORE_POINT":
        return Record(timeline, start, end, name=description)
    return Record(timeline, start, end)


@dataclass
class Timeline:
    """One timeline: where it left its parent, what was written, and what that did.

    ``effects`` maps a transaction's id to its changes, [(row id, value or None)],
    from the moment that they could become visible: its commit or its PREPARE.
    """

    number: int
    parent: "Timeline" = None
    switch_lsn: int = 0
    records: list = field(default_factory=list)
    effects: dict = field(default_factory=dict)

    def ends(self):
        """The ends of transactions that were written on this timeline."""
        return [record for record in self.records if record.kind]

    def path(self):
        """All records that recovery along this timeline replays, in order."""
        if self.parent is None:
            return self.records
        inherited = (record for record in self.parent.path() if record.lsn < self.switch_lsn)
        return [*inherited, *self.records]

    def lineage(self):
        """This timeline, its parent, and so on."""
        yield self
        if self.parent:
            yield from self.parent.lineage()

    def effect_of(self, commit):
        """What a commit on the path did; nothing for those that are not the workload's.

        Transaction numbers are used again after a fork, so only a prepared
        transaction is looked for on earlier timelines than its commit's.
        """
        own = next(each for each in self.lineage() if each.number == commit.timeline)
        if commit.kind == "commit":
            return own.effects.get(commit.xid, [])
        return own.prepared_effect(commit.xid)

    def prepared_effect(self, xid):
        """What the prepared transaction of that number does when it is committed."""
        for timeline in self.lineage():
            if xid in timeline.effects:
                return timeline.effects[xid]
        return []


@dataclass(frozen=True)
class Answer:
    """Where recovery to a target stops: before or after the record at ``lsn``."""

    lsn: int
    inclusive: bool
    before: Record
    after: Record
    rows: dict

    def facts(self):
        return {
            "before": self.before.facts() if self.before else None,
            "after": self.after.facts() if self.after else None,
        }


class Oracle:
    """Follows a server through its life and answers for every timeline it saw."""

    def __init__(self, begin):
        self.begin = begin
        self.timelines = {1: Timeline(1)}

    def fork(self, pg):
        """The server given has just come up on a new timeline; that timeline."""
        number = pg.timeline()
        history = (pg.data / "pg_wal" / f"{number:08X}.history").read_text(encoding="utf-8")
        parent, switch = history.strip().splitlines()[-1].split("\t")[:2]
        timeline = Timeline(number, self.timelines[int(parent)], parse_lsn(switch))
        self.timelines[number] = timeline
        return timeline

    def read(self, pg, timeline):
        """Takes in what the server has written since it was last read.

        On a new timeline that includes the end of its parent, which the server
        wrote while it was being stopped.
        """
        for row in pg.sql(RECORDS, format_lsn(self._read_to(timeline))):
            of = timeline if parse_lsn(row[0]) >= timeline.switch_lsn else timeline.parent
            of.records.append(_record(of.number, *row))

    def _read_to(self, timeline):
        if timeline.records:
            return timeline.records[-1].end_lsn
        if timeline.parent is None:
            return self.begin
        return min(self._read_to(timeline.parent), timeline.switch_lsn)

    # -- answers; each None when recovery would not find its target --

    def _answer(self, number, path, lsn, inclusive):
        """Recovery stops at the record at ``lsn``: which rows are there then?"""
        timeline = self.timelines[number]
        before, after, rows = None, None, {}
        for record in path:
            if record.lsn > lsn or (record.lsn == lsn and not inclusive):
                if record.kind:
                    after = record
                    break
                continue
            if record.kind:
                before = record
            if record.is_commit:
                _apply(timeline.effect_of(record), rows)
        return Answer(lsn, inclusive, before, after, rows)

    def at_time(self, number, time, inclusive=True, since=0):
        """Before the first end of a transaction later than ``time``.

        ``since`` is the start of the base copy: earlier records are not looked at.
        """
        path = self.timelines[number].path()
        for record in path:
            if record.kind and record.lsn >= since:
                if record.time > time or (record.time == time and not inclusive):
                    return self._answer(number, path, record.lsn, False)
        return None

    def at_lsn(self, number, lsn, inclusive=True):
        """After, or before, the first record that starts at ``lsn`` or later."""
        return self._first(number, lambda record: record.lsn >= lsn, inclusive)

    def at_xid(self, number, xid, inclusive=True):
        """After, or before, the end of that transaction."""
        return self._first(number, lambda record: record.kind and record.xid == xid, inclusive)

    def at_name(self, number, name):
        """After the first restore point of that name."""
        return self._first(number, lambda record: record.name == name, True)

    def _first(self, number, matches, inclusive):
        path = self.timelines[number].path()
        for record in path:
            if matches(record):
                return self._answer(number, path, record.lsn, inclusive)
        return None


def _apply(changes, rows):
    for row, value in changes:
        if value is None:
            del rows[row]
        else:
            rows[row] = value
