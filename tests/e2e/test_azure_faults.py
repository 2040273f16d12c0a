# SPDX-License-Identifier: PostgreSQL
"""What walpush and walfetch do when Azure, or what stands before it, fails."""

import base64
import json
import re
import time
import urllib.parse

from walvault_test import BaseCopy, Postgres, Repository, time_limit
from walvault_test.azureclient import moment
from walvault_test.cases import new_directory
from walvault_test.fetching import Asker
from walvault_test.restoring import take_backup
from walvault_test.scripted import (
    ALWAYS,
    Answer,
    ScriptedS3,
    breaks_off,
    changes_a_byte,
    does_it_and_hangs_up,
    hangs,
    html,
    resets,
    says,
)
from walvault_test.scripted_azure import ScriptedAzure, azure_error
from walvault_test.stopped import stopped_cluster

KEY = base64.b64encode(b"a secret of an account".ljust(64, b".")).decode()
SIGNATURE = "averysecretsignature"


def secret_file(text):
    path = new_directory("secret") / "secret"
    path.write_text(f"{text}\n", encoding="ascii")
    return path


def sas(se=None, sp="rcwl"):
    end = urllib.parse.quote(se or moment(3600))
    return f"sv=2021-12-02&sr=c&sp={sp}&se={end}&sig={SIGNATURE}%3D"


class Scripted:
    """A stopped cluster, its repository on a scripted service, and both in one place."""

    def __init__(self, server=None, init=True, cluster=None, env=None, **section):
        self.server = server or ScriptedAzure()
        self.pg, self.names = cluster or stopped_cluster()
        self.env = env or {}
        given = {
            **{"url": "azure://vault/some/prefix", "endpoint": self.server.endpoint},
            **{"account": "acc", "secret_key_file": secret_file(KEY)},
            **section,
        }
        section = {name: value for name, value in given.items() if value is not None}
        self.repo = Repository(self.pg, timeout="20s", section=section)
        if init:
            self.repo.walvault("init", env=self.env).expect(0)
            self.server.calm()

    def push(self, n=0, status=0):
        result = self.repo.walpush(f"pg_wal/{self.names[n]}", env=self.env)
        assert KEY not in result.err and SIGNATURE not in result.err, result
        return result.expect(status)

    def fetch(self, n=0, status=0):
        """As a server in recovery asks."""
        asker = Asker(self.repo, "recovery")
        result = asker.fetch(self.names[n])
        assert KEY not in result.err and SIGNATURE not in result.err, result
        result.expect(status)
        if status == 0:
            there = asker.destination.read_bytes()
            assert there == (self.pg.data / "pg_wal" / self.names[n]).read_bytes()
        return result

    def wal(self, method):
        return self.server.asked(f"^{method}.*/wal/")

    def forget_wal(self):
        self.server.objects = {k: v for k, v in self.server.objects.items() if "/wal/" not in k}


def test_a_push_is_one_put_and_a_fetch_is_one_get():
    s = Scripted()
    s.push()
    assert len(s.wal("PUT")) == 1 and len(s.wal("")) == 1, s.server.asked()
    assert len(s.server.asked()) == 3, s.server.asked()
    assert all(line.startswith("GET ") for line in s.server.asked()[:2]), s.server.asked()
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


# -- shared access signatures --


def test_a_signature_is_in_the_url_and_nowhere_else():
    file = secret_file("?" + sas())
    s = Scripted(secret_key_file=None, sas_token_file=file)
    s.repo.configure(log_level="debug")
    result = s.push()
    assert "status=201" in result.err and SIGNATURE not in result.err + result.out, result
    for request in s.server.requests:
        assert request.query["sig"] == f"{SIGNATURE}=", request.query
        assert "authorization" not in request.headers, request
    env = {"WALVAULT_STORE_LOCAL_SAS_TOKEN": sas()}
    s = Scripted(secret_key_file=None, env=env)
    s.push()
    shown = s.repo.walvault("config", env=env).expect(0)
    assert "sas_token" in shown.out and SIGNATURE not in shown.out, shown
    s.repo.section["url"] += "?" + sas()
    s.repo.configure()
    result = s.repo.walpush(f"pg_wal/{s.names[1]}", env=env).expect(3)
    assert "not the address of a container" in result.err and SIGNATURE not in result.err, result


def test_a_signature_that_has_ended_is_told_and_its_file_read_again():
    refused = azure_error(403, "AuthenticationFailed", "Signature not valid in the time frame")
    file = secret_file(sas())
    s = Scripted(secret_key_file=None, sas_token_file=file)
    file.write_text(sas(se="2020-01-01T00:00:00Z"), encoding="ascii")
    s.server.on("/wal/", says(refused), times=ALWAYS)
    result = s.push(status=1)
    assert "has ended at 2020-01-01T00:00:00Z" in result.err and str(file) in result.err, result
    assert len(s.wal("PUT")) == 1, s.server.asked()
    s.server.calm()

    def renews(server, request):
        file.write_text(sas(sp="acdlrw"), encoding="ascii")
        return refused

    file.write_text(sas(), encoding="ascii")
    s.server.on("PUT .*/wal/", renews)
    s.push()
    seen = [r.query["sp"] for r in s.server.requests if "/wal/" in r.path]
    assert seen == ["rcwl", "acdlrw"], seen


def test_a_signature_that_permits_too_little_is_told():
    s = Scripted(secret_key_file=None, sas_token_file=secret_file(sas(sp="rl")))
    answer = azure_error(403, "AuthorizationPermissionMismatch", "not authorized")
    s.server.on("PUT .*/wal/", says(answer), times=ALWAYS)
    result = s.push(status=1)
    assert "permits 'rl', it needs 'cw'" in result.err, result


def test_what_is_no_signature_or_key_is_told_before_anything_is_asked():
    s = Scripted(init=False)
    cases = {
        "it holds no shared access signature": {"sas_token_file": secret_file("nothing")},
        "it holds no account key": {"secret_key_file": secret_file("not base64!")},
        "not both": {"sas_token_file": secret_file(sas()), "secret_key_file": secret_file(KEY)},
        "a shared access signature is not sent over http": {
            **{"sas_token_file": secret_file(sas()), "endpoint": "http://example.invalid"},
        },
        "the storage account is not known": {"account": None, "endpoint": None},
        "that is no storage account's name": {"account": "No Account"},
    }
    for words, section in cases.items():
        given = {"secret_key_file": None, **section}
        result = Scripted(s.server, init=False, cluster=(s.pg, s.names), **given)
        result = result.repo.walvault("init").expect(3)
        assert words in result.err and SIGNATURE not in result.err, (words, result)
    assert not s.server.requests


# -- tokens: Microsoft's services, scripted after its documentation --


class Giver:
    """A service that gives tokens, and what it was asked."""

    def __init__(self, azure, seconds=3600):
        self.server = ScriptedS3()
        self.azure = azure
        self.seconds = seconds
        self.server.answer = self.answer
        self.endpoint = self.server.endpoint

    def answer(self, request):
        wanted = "https://storage.azure.com/"
        if request.path == "/metadata/identity/oauth2/token":
            assert request.headers["metadata"] == "true", request
            assert request.query["api-version"] == "2018-02-01", request.query
            assert request.query["resource"] == wanted, request.query
            if request.query.get("client_id") == "nobody":
                body = {"error": "invalid_request", "error_description": "Identity not found"}
                return Answer(400, json.dumps(body).encode())
        elif request.path == "/msi/token":
            assert request.query["api-version"] == "2019-08-01", request.query
            assert request.query["resource"] == wanted, request.query
            if request.headers.get("x-identity-header") != "the header":
                return Answer(401)
        elif request.path == "/arc/token":
            challenge = {"WWW-Authenticate": "Basic realm=/etc/passwd"}
            return Answer(401, b"", challenge)
        else:
            refused = self._workload(request)
            if refused:
                return refused
        return self._give()

    def _workload(self, request):
        form = urllib.parse.parse_qs(request.body.decode())
        assert request.path == "/a-tenant/oauth2/v2.0/token", request
        assert form["scope"] == ["https://storage.azure.com/.default"], form
        assert form["client_id"] == ["a-client"], form
        if form.get("client_assertion") == ["a.b.c"] or form.get("client_secret") == ["s"]:
            return None
        body = {"error": "invalid_client", "error_description": "AADSTS700024: out\r\nTrace: 1"}
        return Answer(401, json.dumps(body).encode())

    def _give(self):
        self.last = f"token{len(self.server.requests)}"
        self.azure.tokens.add(self.last)
        body = {"access_token": self.last, "expires_in": str(self.seconds)}
        return Answer(200, json.dumps(body).encode())


def with_token(giver, env, **section):
    """Pushes with a token that only the environment leads to."""
    s = Scripted(giver.azure, env=env, secret_key_file=None, **section)
    s.push()
    assert s.server.requests[-1].headers["authorization"] == f"Bearer {giver.last}"
    return s


def test_the_machine_gives_tokens():
    giver = Giver(ScriptedAzure())
    env = {
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": giver.endpoint,
        # Whoever is of this host is not asked through a proxy.
        **{"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"},
    }
    s = with_token(giver, env, client_id="an-identity")
    assert giver.server.requests[-1].query["client_id"] == "an-identity"
    giver.server.on("", says(html(429)))
    s.push(n=1)
    s.repo.section["client_id"] = "nobody"
    s.repo.configure()
    result = s.push(n=2, status=1)
    assert "Identity not found" in result.err, result


def test_a_token_is_not_asked_for_through_a_proxy():
    giver = Giver(ScriptedAzure())
    s = Scripted(giver.azure, init=False, secret_key_file=None)
    proxy = ScriptedAzure()
    env = {
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": giver.endpoint,
        **{"http_proxy": proxy.endpoint, "no_proxy": ""},
    }
    s.repo.walvault("init", env=env).expect(0)
    assert giver.server.requests and proxy.requests and not s.server.requests
    assert not proxy.asked("metadata"), proxy.asked()


def test_the_host_gives_tokens():
    giver = Giver(ScriptedAzure())
    env = {"IDENTITY_ENDPOINT": f"{giver.endpoint}/msi/token", "IDENTITY_HEADER": "the header"}
    s = with_token(giver, env)
    s.env = {**env, "IDENTITY_HEADER": "another"}
    result = s.push(n=1, status=1)
    assert "the host's identity: answered 401" in result.err, result
    s.env = {**env, "IDENTITY_ENDPOINT": "http://example.com/msi/token"}
    result = s.push(n=1, status=3)
    assert "neither https nor of this host" in result.err, result


def test_arc_is_shown_no_file_but_its_own():
    giver = Giver(ScriptedAzure())
    env = {"IDENTITY_ENDPOINT": f"{giver.endpoint}/arc/token"}
    s = Scripted(giver.azure, init=False, secret_key_file=None)
    result = s.repo.walvault("init", env=env).expect(1)
    assert "it asks for a file that is not in /var/opt/azcmagent/tokens/" in result.err, result
    assert len(giver.server.requests) == 1, giver.server.asked()


def test_a_workload_changes_its_token_for_one():
    giver = Giver(ScriptedAzure())
    file = secret_file("a.b.c")
    env = {
        **{"AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_TENANT_ID": "a-tenant"},
        **{"AZURE_CLIENT_ID": "a-client", "AZURE_AUTHORITY_HOST": f"{giver.endpoint}/"},
    }
    s = with_token(giver, env)
    file.write_text("another.b.c", encoding="ascii")
    result = s.push(n=1, status=1)
    assert "invalid_client: AADSTS700024: out" in result.err, result
    assert "another" not in result.err, result
    del env["AZURE_FEDERATED_TOKEN_FILE"]
    s.env = {**env, "AZURE_CLIENT_SECRET": "s"}
    s.push(n=1)


def test_a_token_that_has_ended_is_asked_for_once_more():
    giver = Giver(ScriptedAzure())
    s = with_token(giver, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": giver.endpoint})

    def ends(server, request):
        server.tokens = {"another"}

    s.server.calm()
    giver.server.calm()
    s.server.on("PUT .*/wal/", ends)
    s.push(n=1)
    assert len(s.wal("PUT")) == 2 and len(giver.server.requests) == 2, s.server.asked()
    refused = azure_error(401, "InvalidAuthenticationInfo")
    s.server.on("PUT .*/wal/", says(refused), times=ALWAYS)
    s.server.calm()
    s.server.on("PUT .*/wal/", says(refused), times=ALWAYS)
    result = s.push(n=2, status=1)
    assert len(s.wal("PUT")) == 2 and "is not taken" in result.err, result


def test_tokens_end_in_the_middle_of_a_backup():
    # They are asked for again five minutes before they end: after a second.
    giver = Giver(ScriptedAzure(), seconds=301)
    question = f"{giver.endpoint}/metadata/identity/oauth2/token?api-version=2018-02-01"
    command = new_directory("command") / "command"
    command.write_text(
        "#!/usr/bin/python3\nimport urllib.request as u\n"
        f"ask = u.Request('{question}&resource=https://storage.azure.com/')\n"
        "ask.add_header('Metadata', 'true')\nprint(u.urlopen(ask).read().decode())\n",
        encoding="ascii",
    )
    command.chmod(0o755)
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    section = {"url": "azure://vault", "endpoint": giver.azure.endpoint, "account": "acc"}
    repo = Repository(pg, section={**section, "credential_command": command})
    repo.enable_archiving()
    pg.start()
    repo.init()
    giver.azure.calm()

    def takes_long(server, request):
        time.sleep(1.5)

    giver.azure.on("PUT .*/backup/.*/pack", takes_long, times=2)
    take_backup(repo)
    packs = [r for r in giver.azure.requests if "/backup/" in r.path and r.method == "PUT"]
    assert len({r.headers["authorization"] for r in packs}) > 1, packs


def test_a_command_prints_a_token():
    server = ScriptedAzure()
    server.tokens = {"printed.token"}
    s = Scripted(server, secret_key_file=None, credential_command="echo printed.token")
    s.push()
    s.repo.section["credential_command"] = "echo something; exit 3"
    s.repo.configure()
    result = s.push(n=1, status=1)
    assert "credential_command" in result.err and "status 3" in result.err, result
    assert "something" not in result.err, result


def test_without_credentials_the_way_to_them_is_told():
    s = Scripted(init=False, secret_key_file=None)
    # Nobody listens there.
    env = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}
    result = s.repo.walvault("init", env=env).expect(3)
    assert "no credentials are found" in result.err and "sas_token_file" in result.err, result
    assert not s.server.requests


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
