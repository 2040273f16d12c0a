# SPDX-License-Identifier: PostgreSQL
"""What walpush and walfetch do when Azure, or what stands before it, fails."""

import re
import time

from walvault_test import BaseCopy, Postgres, Repository, time_limit
from walvault_test.azurevault import KEY, Scripted, secret_file
from walvault_test.restoring import take_backup
from walvault_test.scripted import (
    ALWAYS,
    breaks_off,
    changes_a_byte,
    does_it_and_hangs_up,
    hangs,
    html,
    resets,
    says,
)
from walvault_test.scripted_azure import ScriptedAzure, azure_error


def test_a_push_is_one_put_and_a_fetch_is_one_get():
    s = Scripted()
    s.push()
    assert len(s.wal("PUT")) == 1 and len(s.wal("")) == 1, s.server.asked()
    # Before it, at most marker and identity are read.
    before = s.server.asked()[:-1]
    assert len(before) <= 2 and all(line.startswith("GET ") for line in before), before
    put = s.server.requests[-1].headers
    assert put["if-none-match"] == "*" and put["x-ms-blob-type"] == "BlockBlob", put
    assert re.fullmatch(r"SharedKey acc:[0-9A-Za-z+/]{43}=", put["authorization"]), put
    assert s.server.requests[-1].path.startswith("/acc/vault/some/prefix/"), s.server.asked()
    s.server.calm()
    s.fetch()
    assert len(s.wal("GET")) == 1 and len(s.wal("")) == 1, s.server.asked()
    assert not s.server.asked("comp|^HEAD"), s.server.asked()


def test_what_may_heal_is_tried_again():
    healing = {
        "503": says(azure_error(503, "ServerBusy", "The server is busy.")),
        "500": says(azure_error(500, "InternalError")),
        "time-out": says(azure_error(500, "OperationTimedOut")),
        "502": says(html(502)),
        "429": says(html(429)),
        "408": says(html(408)),
        "sum": says(azure_error(400, "Md5Mismatch")),
        "409": says(azure_error(409, "ContainerBeingDeleted")),
        "reset": resets,
        "login": says(html(200)),
        "error with 200": says(azure_error(200, "InternalError")),
        "proxy": says(html(404)),
    }
    s = Scripted()
    for name, fault in healing.items():
        s.server.calm()
        s.forget_wal()
        s.server.on("PUT .*/wal/", fault, times=2)
        result = s.push()
        assert len(s.wal("PUT")) == 3, (name, s.server.asked())
        assert "trying again" in result.err, result
        s.server.on("GET .*/wal/", fault, times=2)
        s.fetch()
        assert len(s.wal("GET")) == 3, (name, s.server.asked())


def test_what_cannot_heal_is_not_tried_again():
    final = {
        "AuthenticationFailed": (403, "is not one of account 'acc'"),
        "AuthorizationPermissionMismatch": (403, "data action Microsoft.Storage/"),
        "KeyBasedAuthenticationNotPermitted": (403, "use an identity"),
        "AuthorizationSourceIPMismatch": (403, "network rules"),
        "ContainerNotFound": (404, "there is no container 'vault'"),
        "BlobImmutableDueToPolicy": (409, "its retention has not ended"),
        "InvalidHeaderValue": (400, ""),
        "LeaseIdMissing": (412, "holds a lease"),
    }
    s = Scripted()
    for code, (status, hint) in final.items():
        s.server.calm()
        s.server.on("PUT .*/wal/", says(azure_error(status, code, "no")), times=ALWAYS)
        result = s.push(status=(1, 3))
        assert len(s.wal("PUT")) == 1, (code, s.server.asked())
        assert code in result.err and hint in result.err, result
        assert "RequestId" not in result.err, result


def test_a_service_that_stays_away_is_given_up_within_the_deadline():
    s = Scripted()
    s.repo.configure(timeout="3s")
    busy = azure_error(503, "ServerBusy")
    for fault in (says(busy), hangs, says(html(503, "", **{"Retry-After": "999"}))):
        s.server.calm()
        s.server.on("/wal/", fault, times=ALWAYS)
        began = time.monotonic()
        s.push(status=1)
        s.fetch(status=200)
        assert time.monotonic() - began < 12
    s.server.calm()
    s.push()


def test_a_put_whose_answer_was_lost_is_recognised_as_our_own():
    s = Scripted()
    s.server.on("PUT .*/wal/", does_it_and_hangs_up)
    result = s.push()
    assert "was there already" not in result.err, result
    assert len(s.wal("PUT")) == 2 and len(s.wal("HEAD")) == 1, s.server.asked()
    s.fetch()


def test_an_answer_that_breaks_off_is_taken_up_where_it_did():
    s = Scripted()
    s.push()
    size = len(next(v for k, v in s.server.objects.items() if "/wal/" in k))
    for after in (1, 100, size // 2, size - 1):
        for reset in (False, True):
            s.server.calm()
            s.server.on("GET .*/wal/", breaks_off(after, reset))
            s.fetch()
            ranges = [r.headers.get("range") for r in s.server.requests if "/wal/" in r.path]
            assert ranges[0] is None and len(ranges) == 2, ranges
            # A reset may throw away what was sent before it.
            assert ranges[1] is None or int(re.search(r"\d+", ranges[1])[0]) <= after, ranges


def test_damaged_bytes_are_not_handed_out():
    s = Scripted()
    s.push()
    s.server.on("GET .*/wal/", changes_a_byte(20000), times=ALWAYS)
    s.fetch(status=200)


def test_only_the_service_itself_proves_an_absence():
    s = Scripted()
    s.fetch(n=1, status=1)
    s.repo.configure(timeout="3s")
    liars = {
        "this was not answered by Azure": says(html(404)),
        "it is not Azure's": says(html(200)),
        "ContainerNotFound": says(azure_error(404, "ContainerNotFound")),
        "blobs/read": says(azure_error(403, "AuthorizationPermissionMismatch")),
        "ResourceNotFound": says(azure_error(404, "ResourceNotFound")),
        "answered 302": says(html(302, "", Location="http://127.0.0.1:1/login")),
        "answered 511": says(html(511)),
        "": resets,
    }
    for words, liar in liars.items():
        s.server.calm()
        s.server.on("GET .*/wal/", liar, times=ALWAYS)
        result = s.fetch(n=1, status=200)
        assert words in result.err, (words, result)


def test_a_wrong_clock_is_told_with_its_difference():
    s = Scripted()
    late = {"Date": "Fri, 20 Nov 2015 02:00:00 GMT"}
    answer = azure_error(403, "AuthenticationFailed", "Server failed", headers=late)
    s.server.on("PUT .*/wal/", says(answer), times=ALWAYS)
    result = s.push(status=1)
    assert "ahead of the service's: set it" in result.err, result


def test_check_finds_out_that_nothing_can_be_written():
    s = Scripted()
    result = s.repo.walvault("check", "--no-server").expect((0, 1))
    assert "writable" in result.out, result
    denied = azure_error(403, "AuthorizationPermissionMismatch")
    s.server.on("PUT ", says(denied), times=ALWAYS)
    result = s.repo.walvault("check", "--no-server").expect(2)
    assert "blobs/write" in result.out and "writable" not in result.out, result
    s.server.calm()
    s.server.conditional = False
    result = s.repo.walvault("check", "--no-server").expect(2)
    assert "ignores If-None-Match" in result.out, result


def test_who_may_not_overwrite_is_told_that_it_exists():
    # So Azure answers whoever may create and not write.
    s = Scripted()
    s.push()
    s.server.calm()
    s.server.on("PUT .*/wal/", says(azure_error(403, "UnauthorizedBlobOverwrite")), times=ALWAYS)
    result = s.push()
    assert "was there already" in result.err and len(s.wal("PUT")) == 1, result


def test_a_listing_in_another_order_is_refused():
    s = Scripted()
    for n in range(3):
        s.push(n)

    def turns(server, request):
        answer = server.answer(request)
        blobs = re.findall(rb"<Blob>.*?</Blob>", answer.body)
        answer.body = answer.body.replace(b"".join(blobs), b"".join(reversed(blobs)))
        return answer

    s.server.on("^GET .*comp&prefix", turns, times=ALWAYS)
    result = s.repo.walvault("info").expect((1, 3))
    assert "does not list in the order of the names" in result.err, result


def test_a_lock_is_asked_back():
    s = Scripted(ScriptedAzure(locks=True), lock_mode="COMPLIANCE", lock_for="1d")
    s.push()
    put = next(r for r in s.server.requests if r.method == "PUT" and "/wal/" in r.path)
    assert put.headers["x-ms-immutability-policy-mode"] == "Locked", put
    until = put.headers["x-ms-immutability-policy-until-date"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", until), until
    assert len(s.wal("HEAD")) == 1, s.server.asked()
    s.server.locks = False
    result = s.push(n=1, status=3)
    assert "did not lock it (lock_mode = COMPLIANCE)" in result.err, result


# -- blocks --


def test_a_backup_is_staged_and_its_lost_commit_recognised():
    server = ScriptedAzure()
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    section = {
        **{"url": "azure://vault/counted", "endpoint": server.endpoint, "account": "acc"},
        **{"secret_key_file": secret_file(KEY), "part_size": "5MiB", "storage_class": "Cool"},
    }
    repo = Repository(pg, section=section)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE EXTENSION pgcrypto")
    pg.sql("CREATE TABLE t (b bytea)")
    pg.sql("ALTER TABLE t ALTER b SET STORAGE EXTERNAL")
    pg.sql("INSERT INTO t SELECT gen_random_bytes(1000) FROM generate_series(1, 15000)")
    server.calm()
    server.on("PUT .* comp$", does_it_and_hangs_up)
    server.on("PUT .*blockid", says(azure_error(503, "ServerBusy")))
    take_backup(repo)
    assert len(server.asked("^PUT .* blockid&comp")) >= 4, server.asked()
    commits = [r for r in server.requests if r.query.get("comp") == "blocklist"]
    assert len(commits) >= 2, server.asked()
    for commit in commits:
        assert commit.headers["if-none-match"] == "*", commit.headers
        assert commit.headers["x-ms-access-tier"] == "Cool", commit.headers
    assert not server.blocks
    repo.walvault("verify").expect(0)


# -- a real server in recovery --


@time_limit(600)
def test_a_recovery_stops_at_whatever_the_service_does_and_goes_on_later():
    server = ScriptedAzure()
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    section = {
        **{"url": "azure://vault/recovery", "endpoint": server.endpoint, "account": "acc"},
        "secret_key_file": secret_file(KEY),
    }
    repo = Repository(pg, timeout="2s", section=section)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (n int)")
    base = BaseCopy(pg)
    segments = []
    for n in range(5):
        pg.sql("INSERT INTO t VALUES (%s)", n)
        segments.append(pg.archive_all())
    pg.destroy()
    asked = f"GET .*/{segments[2]}"
    restored = base.restore(repo)
    for fault in (
        says(html(200)),
        says(html(404)),
        says(azure_error(403, "AuthenticationFailed")),
        says(azure_error(404, "ContainerNotFound")),
        says(azure_error(503, "ServerBusy")),
        says(azure_error(200, "InternalError")),
        changes_a_byte(5000),
        hangs,
    ):
        server.calm()
        server.on(asked, fault, times=ALWAYS)
        restored.start(wait=False)
        assert restored.wait_exit(60) != 0, restored.log_tail()
        assert server.asked(asked), restored.log_tail()
        assert "selected new timeline" not in restored.log(), restored.log_tail()
        assert (restored.data / "recovery.signal").exists(), restored.log_tail()
    server.calm()
    restored.start().wait_promoted()
    assert [n for (n,) in restored.sql("SELECT n FROM t ORDER BY n")] == [0, 1, 2, 3, 4]
