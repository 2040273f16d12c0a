# SPDX-License-Identifier: PostgreSQL
"""Random transactions of every shape, whose effects are written down outside the database.

Several sessions are driven one step at a time, so that what happens follows from
the seed: savepoints, aborts, prepared transactions, transactions with more
subtransactions than fit a commit record's cache, records larger than a segment,
and commit records placed across the end of a segment on purpose.
"""

import itertools
from dataclasses import dataclass, field

SESSIONS = 4
MANY_SAVEPOINTS = 80  # more than the 64 that a backend keeps in shared memory
PAGE = 8192
EMPTY_MESSAGE = 24 + 5 + 24 + 1  # record header, data header, message header, empty prefix


@dataclass
class Transaction:
    """An open transaction: its changes so far and where its savepoints stand in them."""

    xid: int = None
    changes: list = field(default_factory=list)
    savepoints: list = field(default_factory=list)


class Session:
    """One connection and the transaction that is open in it, if one is."""

    def __init__(self, connection):
        self._connection = connection
        self._cursor = connection.cursor()
        self.open = None

    def execute(self, statement, *arguments):
        self._cursor.execute(statement, arguments or None)

    def value(self, statement):
        self.execute(statement)
        return self._cursor.fetchone()[0]

    def close(self):
        self._connection.close()


class Workload:
    """Drives one server; ``timeline`` (of the oracle) takes the effects.

    ``rows`` are the rows that are committed now, ``reserved`` those that an open or
    prepared transaction has touched: no two may wait for each other.
    """

    def __init__(self, pg, rng, timeline, rows, first_id):
        self.pg = pg
        self.rng = rng
        self.timeline = timeline
        self.rows = dict(rows)
        self.next_id = first_id
        self.reserved = set()
        self.prepared = {}
        self.sessions = [Session(pg.connect()) for _ in range(SESSIONS)]
        self._numbers = itertools.count()
        self._adopt_prepared()

    def _adopt_prepared(self):
        """Takes over the prepared transactions that the server came up with."""
        for gid, xid in self.pg.sql("SELECT gid, transaction::text::int FROM pg_prepared_xacts"):
            self.prepared[gid] = self.timeline.prepared_effect(xid)
            self.reserved.update(row for row, _ in self.prepared[gid])

    def close(self):
        """Leaves open transactions open: the server aborts them."""
        for session in self.sessions:
            session.close()

    def run(self, steps):
        for _ in range(steps):
            self.step()

    def step(self):
        session = self.rng.choice(self.sessions)
        if session.open is None:
            self._begin(session)
            return
        actions = {
            self._write: 40,
            self._savepoint: 10,
            self._rollback_to: 6,
            self._release: 4,
            self._commit: 20,
            self._abort: 6,
            self._prepare: 5,
            self._finish_prepared: 4,
            self._commit_across_segments: 4,
            self._many_savepoints: 1,
        }
        [action] = self.rng.choices(list(actions), list(actions.values()))
        action(session)

    def commit_one(self):
        """One small transaction, committed at once."""
        session = Session(self.pg.connect())
        self._begin(session)
        self._write(session)
        self._commit(session)
        session.close()

    # -- inside a transaction --

    def _begin(self, session):
        session.execute("BEGIN")
        session.open = Transaction()

    def _write(self, session):
        free = sorted(self.rows.keys() - self.reserved)
        kind = self.rng.choice(["insert", "update", "delete"]) if free else "insert"
        value = None if kind == "delete" else self.rng.randbytes(self.rng.randint(1, 600)).hex()
        if kind == "insert":
            row = self.next_id
            self.next_id += 1
            session.execute("INSERT INTO rows VALUES (%s, %s)", row, value)
        else:
            row = self.rng.choice(free)
            if kind == "update":
                session.execute("UPDATE rows SET value = %s WHERE id = %s", value, row)
            else:
                session.execute("DELETE FROM rows WHERE id = %s", row)
        self.reserved.add(row)
        session.open.changes.append((row, value))
        self._assign_xid(session)

    def _assign_xid(self, session):
        if session.open.xid is None:
            session.open.xid = session.value("SELECT pg_current_xact_id()::text::int")

    def _savepoint(self, session):
        name = f"s{len(session.open.savepoints)}"
        session.execute(f"SAVEPOINT {name}")
        session.open.savepoints.append(len(session.open.changes))

    def _rollback_to(self, session):
        if session.open.savepoints:
            number = self.rng.randrange(len(session.open.savepoints))
            session.execute(f"ROLLBACK TO SAVEPOINT s{number}")
            del session.open.changes[session.open.savepoints[number] :]
            del session.open.savepoints[number + 1 :]

    def _release(self, session):
        if session.open.savepoints:
            number = self.rng.randrange(len(session.open.savepoints))
            session.execute(f"RELEASE SAVEPOINT s{number}")
            del session.open.savepoints[number:]

    def _many_savepoints(self, session):
        for _ in range(MANY_SAVEPOINTS):
            self._savepoint(session)
            self._write(session)
            if self.rng.random() < 0.05:
                self._rollback_to(session)

    # -- ends --

    def _take_effect(self, changes):
        for row, value in changes:
            if value is None:
                del self.rows[row]
            else:
                self.rows[row] = value

    def _record_effect(self, session):
        """The changes become what this transaction's commit will do."""
        transaction, session.open = session.open, None
        if transaction.xid is not None:
            self.timeline.effects[transaction.xid] = transaction.changes
        return transaction.changes

    def _commit(self, session):
        session.execute("COMMIT")
        self._take_effect(self._record_effect(session))

    def _abort(self, session):
        session.execute("ROLLBACK")
        session.open = None

    def _prepare(self, session):
        self._assign_xid(session)  # PREPARE would, even for one that has changed nothing
        gid = f"prepared {next(self._numbers)} on {self.timeline.number}"
        session.execute("PREPARE TRANSACTION %s", gid)
        self.prepared[gid] = self._record_effect(session)

    def _finish_prepared(self, _session):
        """In a session of its own: this cannot be done inside a transaction."""
        if not self.prepared:
            return
        gid = self.rng.choice(sorted(self.prepared))
        changes = self.prepared.pop(gid)
        if self.rng.random() < 0.6:
            self.pg.sql("COMMIT PREPARED %s", gid)
            self._take_effect(changes)
        else:
            self.pg.sql("ROLLBACK PREPARED %s", gid)

    # -- odd places in the WAL --

    def _message(self, size):
        self.pg.sql("SELECT pg_logical_emit_message(false, '', repeat('x', %s))", size)

    def write_record_larger_than_a_segment(self):
        self._message(int(self.pg.segsize * 2.4))

    def _commit_across_segments(self, session):
        """Fills the segment up to a few bytes, in which no commit record fits."""
        self._write(session)
        left_over = self.rng.choice([8, 16, 24, 32])
        for _ in range(2):
            # The first message ends in the last page, where no page header is to come.
            left = -self.pg.current_lsn() % self.pg.segsize
            if left > PAGE:
                pages = left // PAGE
                self._message(left - PAGE // 2 - 24 * pages - EMPTY_MESSAGE)
            elif left > left_over + EMPTY_MESSAGE + 256:
                self._message(left - left_over - EMPTY_MESSAGE)
        self._commit(session)
