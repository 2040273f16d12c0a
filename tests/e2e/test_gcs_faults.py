# SPDX-License-Identifier: PostgreSQL
"""What the programs do when Google Cloud Storage, or what stands before it, fails."""

import re
import signal
import subprocess
import time

from walvault_test import BaseCopy, Postgres, time_limit, wait_until
from walvault_test.google_accounts import CREATE, GET
from walvault_test.google_errors import error
from walvault_test.google_repository import OnGoogle
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import take_backup
from walvault_test.scripted import (
    ALWAYS,
    Answer,
    breaks_off,
    changes_a_byte,
    does_it_and_hangs_up,
    hangs,
    html,
    resets,
    says,
)

UPLOAD = "^POST /upload/.*uploadType"
WAL = "^GET /storage/.*/wal/"
PART = "^PUT /upload/"
busy = says(error(503, "backendError", "Backend Error"))


def passes(server, request):
    """Nothing goes wrong."""


def in_turn(*faults):
    """One after the other, and then none."""
    left = list(faults)
    return lambda server, request: left.pop(0)(server, request) if left else None


def test_a_push_is_one_upload_and_a_fetch_is_one_get():
    s = OnGoogle()
    s.push()
    asked = s.server.asked()
    assert len(s.uploads()) == 1 and len(s.server.asked("^POST /upload/")) == 1, asked
    # Besides the token, marker and identity at most, and nothing that looks for the file.
    assert len(s.server.asked("^POST /token")) == 1 and len(asked) <= 4, asked
    assert len(s.server.asked("/repository|/identity")) == len(asked) - 2, asked
    s.server.calm()
    s.fetch()
    assert len(s.wal("GET")) == 1 and len(s.wal("")) == 1, s.server.asked()
    assert not s.server.asked("fields|maxResults"), s.server.asked()


def test_what_may_heal_is_tried_again():
    healing = {
        "503": busy,
        "500": says(error(500, "internalError", "Internal Error")),
        "502": says(html(502)),
        "429": says(error(429, "rateLimitExceeded", "too many requests")),
        "403": says(error(403, "rateLimitExceeded", "Rate Limit Exceeded")),
        "408": says(error(408, "uploadBrokenConnection", "Request Timeout")),
        "reset": resets,
        "login": says(html(200)),
        "error with 200": says(Answer(200, b'{"error": {"code": 500, "message": "no"}}')),
        "nothing with 200": says(Answer(200)),
    }
    s = OnGoogle()
    for name, fault in healing.items():
        s.server.calm()
        s.forget(s.names[0])
        s.server.on(UPLOAD, fault, times=2)
        result = s.push()
        assert len(s.uploads()) == 3, (name, s.server.asked())
        assert "trying again" in result.err, result
        s.server.on(WAL, fault, times=2)
        s.fetch()
        assert len(s.wal("GET")) == 3, (name, s.server.asked())


def test_what_cannot_heal_is_not_tried_again():
    final = {
        "forbidden": (403, "storage.objects.create"),
        "accessNotConfigured": (403, "of the right project"),
        "insufficientPermissions": (403, "devstorage.read_write"),
        "retentionPolicyNotMet": (403, "until its lock ends"),
        "invalid": (400, ""),
    }
    s = OnGoogle()
    for reason, (status, hint) in final.items():
        s.server.calm()
        s.server.on(UPLOAD, says(error(status, reason, "no")), times=ALWAYS)
        result = s.push(status=(1, 3))
        assert len(s.uploads()) == 1, (reason, s.server.asked())
        assert reason in result.err and hint in result.err, result


def test_a_service_that_stays_away_is_given_up_within_the_deadline():
    s = OnGoogle()
    s.repo.configure(timeout="2s")
    late = says(error(503, "backendError", "later"))
    after = says(html(503, "", **{"Retry-After": "999"}))
    for match, fault in (("/wal/|uploadType", late), ("/wal/|uploadType", hangs), ("/", after)):
        s.server.calm()
        s.server.on(match, fault, times=ALWAYS)
        began = time.monotonic()
        s.push(status=1)
        s.fetch(status=200)
        assert time.monotonic() - began < 12
    s.server.calm()
    s.push()


def test_retry_after_is_obeyed():
    s = OnGoogle()
    s.server.on(UPLOAD, says(html(429, "", **{"Retry-After": "2"})))
    began = time.monotonic()
    s.push()
    assert 2 <= time.monotonic() - began < 15


def test_an_upload_whose_answer_was_lost_is_recognised_as_our_own():
    s = OnGoogle()
    for denied in (False, True):
        s.server.calm()
        s.forget(s.names[0])
        s.server.permissions_first = denied
        s.server.on(UPLOAD, does_it_and_hangs_up)
        result = s.push()
        assert "was there already" not in result.err, result
        assert len(s.uploads()) == 2 and len(s.wal("GET")) == 1, s.server.asked()
        s.fetch()


def test_an_object_that_is_there_is_found_whichever_refusal_comes():
    s = OnGoogle()
    s.push()
    for denied in (False, True):
        s.server.permissions_first = denied
        result = s.push()
        assert "was there already" in result.err or "exists" in result.err, result
    # And another's, with the answer lost, is not taken for ours.
    s.server.calm()
    stored = s.stored(s.names[0])
    s.server.on(UPLOAD, in_turn(resets))
    s.push()
    assert s.stored(s.names[0]) is stored


def test_bytes_that_were_damaged_on_the_way_are_sent_again():
    s = OnGoogle()

    def damaged(server, request):
        body = bytearray(request.body)
        body[-100] ^= 1
        request.body = bytes(body)
        return server.answer(request)

    s.server.on(UPLOAD, damaged)
    result = s.push()
    assert "doesn't match calculated CRC32C" in result.err, result
    assert len(s.uploads()) == 2
    s.fetch()


def test_an_answer_of_other_bytes_is_doubted_and_looked_into():
    s = OnGoogle()

    def other(server, request):
        answer = server.answer(request)
        answer.body = answer.body.replace(b'"crc32c": "', b'"crc32c": "x')
        return answer

    s.server.on(UPLOAD, other)
    result = s.push()
    assert "is not what was sent" in result.err, result
    assert len(s.uploads()) == 2 and len(s.wal("GET")) == 1, s.server.asked()
    s.forget(s.names[0])

    def keeps_other_bytes(server, request):
        request.body = re.sub(rb'"crc32c":"[^"]*",', b"", request.body)
        at = request.body.index(b"octet-stream\r\n\r\n", 300) + 200
        request.body = request.body[:at] + b"x" + request.body[at:]
        return server.answer(request)

    s.repo.configure(timeout="3s")
    s.server.on(UPLOAD, keeps_other_bytes, times=ALWAYS)
    result = s.push(status=(1, 2))
    assert "is not what was sent" in result.err, result


def test_an_answer_that_breaks_off_is_taken_up_where_it_did():
    s = OnGoogle()
    s.push()
    size = len(s.stored(s.names[0]).data)
    for after in (1, 100, size // 2, size - 1):
        for reset in (False, True):
            s.server.calm()
            s.server.on(WAL, breaks_off(after, reset))
            s.fetch()
            asked = [r for r in s.server.requests if "/wal/" in r.path]
            ranges = [r.headers.get("range") for r in asked]
            assert ranges[0] is None and len(ranges) == 2, ranges
            # A reset may throw away what was sent before it.
            if ranges[1] is not None:
                assert int(re.search(r"\d+", ranges[1])[0]) <= after, ranges
                generation = s.stored(s.names[0]).resource["generation"]
                assert asked[1].query["ifGenerationMatch"] == generation, asked[1]


def test_an_object_that_was_replaced_in_the_middle_is_not_pieced_together():
    s = OnGoogle()
    s.push()
    stored = s.stored(s.names[0])

    def replaced(server, request):
        answer = server.answer(request)
        answer.cut = 100
        server.store("bucket", {"name": stored.resource["name"]}, stored.data)
        return answer

    s.server.on(WAL, replaced)
    # The whole is asked for anew.
    result = s.fetch()
    assert "replaced while it was read" in result.err, result


def test_damaged_bytes_are_not_handed_out():
    s = OnGoogle()
    s.push()
    s.server.on(WAL, changes_a_byte(20000), times=ALWAYS)
    s.fetch(status=200)


def test_a_wrong_checksum_of_right_bytes_is_a_failure():
    s = OnGoogle(timeout="2s")
    s.push()

    def lies(server, request):
        answer = server.answer(request)
        answer.headers["X-Goog-Hash"] = "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg=="
        return answer

    s.server.on(WAL, lies, times=ALWAYS)
    result = s.fetch(status=200)
    assert "CRC-32C" in result.err, result


def test_slowness_is_not_waited_for():
    s = OnGoogle(stall_timeout="1s", answer_timeout="1s")
    s.push()
    s.server.on(WAL, breaks_off(10**6, drip=0.05))
    assert "stall_timeout" in s.fetch().err
    s.server.on(WAL, hangs)
    assert "answer_timeout" in s.fetch().err


def test_only_the_service_itself_proves_an_absence():
    s = OnGoogle()
    s.fetch(n=1, status=1)
    s.repo.configure(timeout="1500ms")
    liars = (
        says(html(404)),
        says(html(200)),
        says(Answer(404)),
        says(error(404, "notFound", "The specified bucket does not exist.")),
        says(error(403, "forbidden", "no")),
        says(html(302, "", Location="http://127.0.0.1:1/login")),
        says(html(511)),
        says(error(412, "conditionNotMet", "no")),
        resets,
    )
    for liar in liars:
        s.server.calm()
        s.server.on(WAL, liar, times=ALWAYS)
        s.fetch(n=1, status=200)


def test_an_absence_in_unknown_words_is_proven_by_a_listing():
    s = OnGoogle(timeout="3s")
    s.push()
    unknown = says(error(404, "notFound", "Nicht gefunden"))
    s.server.on(WAL, unknown, times=ALWAYS)
    s.fetch(n=1, status=1)
    assert len(s.server.asked("maxResults")) == 1, s.server.asked()
    s.fetch(n=0, status=200)


def test_without_the_right_to_list_an_absence_is_denied_with_a_hint():
    s = OnGoogle()
    s.push()
    s.account.permissions = frozenset({GET, CREATE})
    s.push(n=1)
    for n in (1, 2):
        result = s.fetch(n, status=200)
        assert "without storage.objects.list" in result.err, result


def test_check_finds_out_that_nothing_can_be_written():
    s = OnGoogle()
    result = s.repo.walvault("check", "--no-server").expect((0, 1))
    assert "writable" in result.out, result
    denied = says(error(403, "forbidden", "no"))
    s.server.on(UPLOAD, denied, times=ALWAYS)
    result = s.repo.walvault("check", "--no-server").expect(2)
    assert "storage.objects.create" in result.out and "writable" not in result.out, result

    def ignores_the_condition(server, request):
        request.query.pop("ifGenerationMatch", None)
        return server.answer(request)

    s = OnGoogle(permissions={GET, CREATE, "storage.objects.list", "storage.objects.delete"})
    s.server.on(UPLOAD, ignores_the_condition, times=ALWAYS)
    result = s.repo.walvault("check", "--no-server").expect(2)
    assert "ignores ifGenerationMatch" in result.out, result


def test_a_lock_that_the_service_forgets_is_found_out():
    s = OnGoogle(
        init=False,
        permissions={GET, CREATE, "storage.objects.list", "storage.objects.setRetention"},
        lock_mode="COMPLIANCE",
    )
    s.server.ignore_retention = True
    result = s.repo.walvault("init").expect(3)
    assert "did not lock it" in result.err, result


# -- uploads in parts --


class InParts(OnGoogle):
    """A running cluster whose backup is three parts and a bit."""

    def __init__(self):
        pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
        super().__init__(pg=pg, init=False, part_size="5MiB", timeout="60s")
        self.repo.enable_archiving()
        pg.start()
        self.repo.init()
        pg.sql("CREATE EXTENSION pgcrypto")
        pg.sql("CREATE TABLE t (b bytea)")
        pg.sql("ALTER TABLE t ALTER b SET STORAGE EXTERNAL")
        pg.sql("INSERT INTO t SELECT gen_random_bytes(1000) FROM generate_series(1, 14000)")
        pg.sql("CHECKPOINT")
        self.server.calm()

    def backup(self, status=0):
        words = ("basebackup", "--fast", "--jobs", "1", "--conninfo", self.pg.conninfo())
        result = self.repo.run(*words)
        self.check_silence(result)
        result.expect(status)
        if status == 0:
            self.repo.walvault("verify").expect(0)
        return result

    def parts(self):
        return [
            request.headers["content-range"]
            for request in self.server.requests
            if request.method == "PUT"
        ]


def takes_some(count, answer=Answer(200, cut=0, reset=True)):
    """So much of a part arrives, and then there is no good answer."""

    def fault(server, request):
        session = server.uploads.sessions[request.query["upload_id"]]
        session.data += request.body[:count]
        return answer

    return fault


@time_limit(600)
def test_an_upload_in_parts_goes_on_where_the_service_has_got_to():
    s = InParts()
    s.backup()
    usual = s.parts()
    assert len(usual) >= 3 and all("bytes */" not in part for part in usual), usual
    assert all(part.endswith("/*") for part in usual[:-1]), usual
    unit = 256 * 1024
    broken = error(503, "backendError", "Backend Error")
    faults = {
        "nothing of it": [busy],
        "some of it": [takes_some(7 * unit, broken)],
        "all of it": [takes_some(10**9, broken)],
        "no answer to the question": [takes_some(unit, broken), resets, busy],
        # A connection that was kept and breaks: libcurl sends it once more by itself.
        "broken": [resets],
        "broken in the middle": [takes_some(5 * unit + 1)],
        "broken behind the end": [takes_some(10**9)],
    }
    for name, in_order in faults.items():
        s.server.calm()
        s.server.on(PART, in_turn(*in_order), times=len(in_order))
        s.backup()
        asked = [part for part in s.parts() if part.startswith("bytes */")]
        assert asked or "broken" in name, (name, s.parts())
        assert len(s.parts()) > len(usual), (name, s.parts())
        assert not s.server.uploads.open_sessions(), name
    # The last part, whose answer is lost, and then a session that is forgotten.
    s.server.calm()
    s.server.on(PART, lost_last, times=ALWAYS)
    s.backup()


def lost_last(server, request):
    """The answer to the last part is lost, and what had begun it forgotten."""
    said = request.headers["content-range"]
    if said.endswith("/*") or said.startswith("bytes */"):
        return None
    if request.query["upload_id"] not in server.uploads.sessions:
        return None
    server.answer(request)
    del server.uploads.sessions[request.query["upload_id"]]
    return Answer(200, cut=0, reset=True)


def test_an_upload_that_cannot_go_on_is_cancelled():
    s = InParts()
    wrong = says(error(400, "invalid", "no"))
    s.server.on(PART, in_turn(passes, wrong), times=2)
    result = s.backup(status=(1, 3))
    assert "invalid" in result.err, result
    assert s.server.asked("^DELETE /upload/") and not s.server.uploads.open_sessions()
    s.server.calm()
    gone = says(Answer(410, b"Gone"))
    s.server.on(PART, gone, times=ALWAYS)
    result = s.backup(status=1)
    assert "its upload is gone" in result.err, result
    s.server.calm()
    backwards = says(Answer(308))
    s.server.on(PART, in_turn(passes, backwards), times=2)
    result = s.backup(status=1)
    assert "had told of" in result.err, result
    s.server.calm()
    s.backup()


def test_a_killed_backup_leaves_nothing_that_is_seen():
    s = InParts()
    s.server.on(PART, in_turn(passes, hangs), times=2)
    words = [program("basebackup"), "--fast", "--jobs", "1", "--conninfo", s.pg.conninfo()]
    running = subprocess.Popen(
        words,
        env=clean_environment(WALVAULT_CONFIG=str(s.repo.config)),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: len(s.parts()) == 2, "the second part to be on its way")
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert s.server.uploads.open_sessions()
    assert not [key for key in s.objects if "/pack-" in key or "manifest" in key]
    s.repo.walvault("expire", "--broken").expect(0)
    s.backup()


def test_a_backup_asks_by_its_bytes_and_not_by_its_files():
    s = OnGoogle(init=False, pg=Postgres.create(15, segsize_mib=1, autovacuum="off"))
    s.repo.enable_archiving()
    s.pg.start()
    s.repo.init()
    s.server.calm()
    take_backup(s.repo)
    files = sum(1 for path in s.pg.data.rglob("*") if path.is_file())
    puts = [r for r in s.server.requests if b"/backup/" in r.body[:2000]]
    # The lease, packs of the workers and of pg_control, the manifest.
    assert files > 500 and len(puts) <= 6, s.server.asked()
    assert len(s.server.asked()) < 60, s.server.asked()
    s.server.calm()
    s.repo.walvault("info").expect(0)
    assert len(s.server.asked()) < 15, s.server.asked()


# -- a real server in recovery --


@time_limit(600)
def test_a_recovery_stops_at_whatever_the_service_does_and_goes_on_later():
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    s = OnGoogle(init=False, pg=pg, timeout="2s")
    s.repo.enable_archiving()
    pg.start()
    s.repo.init()
    pg.sql("CREATE TABLE t (n int)")
    base = BaseCopy(pg)
    segments = []
    for n in range(5):
        pg.sql("INSERT INTO t VALUES (%s)", n)
        segments.append(pg.archive_all())
    pg.destroy()
    asked = f"^GET /storage/.*{segments[2]}"
    unauthorized = says(error(401, "authError", "Invalid Credentials"))
    restored = base.restore(s.repo)
    for match, fault in (
        (asked, says(html(200))),
        (asked, says(html(404))),
        (asked, says(error(403, "forbidden", "no"))),
        (asked, says(error(404, "notFound", "The specified bucket does not exist."))),
        (asked, unauthorized),
        (asked, busy),
        (asked, changes_a_byte(5000)),
        (asked, hangs),
        (asked, resets),
        ("^POST /token", says(error(400, "invalid_grant", "no"))),
    ):
        s.server.calm()
        s.server.on(match, fault, times=ALWAYS)
        restored.start(wait=False)
        assert restored.wait_exit(60) != 0, restored.log_tail()
        assert s.server.asked(match), restored.log_tail()
        assert "selected new timeline" not in restored.log(), restored.log_tail()
        assert (restored.data / "recovery.signal").exists(), restored.log_tail()
    s.server.calm()
    restored.start().wait_promoted()
    assert [n for (n,) in restored.sql("SELECT n FROM t ORDER BY n")] == [0, 1, 2, 3, 4]
