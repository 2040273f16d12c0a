# SPDX-License-Identifier: PostgreSQL
"""What walpush and walfetch do when an S3 service, or what stands before it, fails."""

import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import threading
import time
import urllib.parse

from walvault_test import BaseCopy, Postgres, Repository, run_program, time_limit
from walvault_test.certificates import Authority
from walvault_test.cases import new_directory
from walvault_test.fakeclock import program_clock
from walvault_test.fetching import Asker
from walvault_test.programs import program
from walvault_test.relay import Relay
from walvault_test.restoring import take_backup
from walvault_test.scripted import (
    ALWAYS,
    Answer,
    ScriptedS3,
    breaks_off,
    changes_a_byte,
    does_it_and_hangs_up,
    error,
    hangs,
    html,
    resets,
    says,
)
from walvault_test.stopped import stopped_cluster

SECRET = "averysecretsecretkey"


class Scripted:
    """A stopped cluster, its repository on a scripted service, and both in one place."""

    def __init__(self, server=None, init=True, **section):
        self.server = server or ScriptedS3()
        self.pg, self.names = stopped_cluster()
        secret = new_directory("secret") / "key"
        secret.write_text(f"{SECRET}\n", encoding="ascii")
        self.repo = Repository(
            self.pg,
            timeout="20s",
            section={
                **{"url": "s3://bucket/some/prefix", "endpoint": self.server.endpoint},
                **{"access_key_id": "AKIDSCRIPTED", "secret_key_file": secret},
                **section,
            },
        )
        if init:
            self.repo.init()
            self.server.calm()

    def push(self, n=0, status=0, **options):
        result = self.repo.walpush(f"pg_wal/{self.names[n]}", **options)
        assert SECRET not in result.err, result
        return result.expect(status)

    def fetch(self, n=0, status=0):
        """As a server in recovery asks."""
        asker = Asker(self.repo, "recovery")
        result = asker.fetch(self.names[n])
        assert SECRET not in result.err, result
        result.expect(status)
        if status == 0:
            there = asker.destination.read_bytes()
            assert there == (self.pg.data / "pg_wal" / self.names[n]).read_bytes()
        return result

    def wal(self, method):
        return self.server.asked(f"^{method}.*/wal/")


def test_a_push_is_one_put_and_a_fetch_is_one_get():
    s = Scripted()
    s.push()
    assert len(s.wal("PUT")) == 1 and len(s.wal("")) == 1, s.server.asked()
    assert len(s.server.asked()) == 3, s.server.asked()
    assert all(line.startswith("GET ") for line in s.server.asked()[:2]), s.server.asked()
    # Marker and identity are remembered; what is left is what moves the file.
    s.server.calm()
    s.push(1)
    assert s.server.asked() == s.wal("PUT") and len(s.wal("PUT")) == 1, s.server.asked()
    s.server.calm()
    s.fetch()
    assert len(s.wal("GET")) == 1 and not s.server.asked("list-type|^HEAD"), s.server.asked()
    s.server.calm()
    s.fetch(1)
    assert s.server.asked() == s.wal("GET") and len(s.wal("GET")) == 1, s.server.asked()
    # No memory: two questions more, nothing else.
    s.server.calm()
    s.push(2, env={"WALVAULT_STATE_DIR": "/nonexistent/state"})
    assert len(s.server.asked()) == 3, s.server.asked()
    # What an hour old is, is asked again.
    s.server.calm()
    s.push(3, env=program_clock("+2h"))
    assert len(s.server.asked()) == 3, s.server.asked()


def test_what_is_remembered_proves_nothing_absent():
    s = Scripted()
    s.push()
    s.push(1)
    s.fetch(1)
    asker = Asker(s.repo, "recovery")
    s.server.calm()
    asker.fetch(s.names[2]).expect(1)
    assert len(s.server.asked("/repository$")) == 1, s.server.asked()
    assert len(s.server.asked("/identity$")) == 2, s.server.asked()  # and no newer generation
    whole = dict(s.server.objects)
    for what in ("/repository", "/identity"):
        s.server.objects = {k: v for k, v in whole.items() if not k.endswith(what)}
        asker.fetch(s.names[2]).expect(200)
    s.server.objects = whole
    s.repo.walvault("init", "--new-generation").expect(0)
    result = asker.fetch(s.names[2]).expect(200)
    assert "newer generation" in result.err, result


def test_what_is_made_anew_is_not_remembered_as_it_was():
    s = Scripted()
    s.push()
    first = next(body for path, body in s.server.objects.items() if path.endswith("/repository"))
    s.server.objects.clear()
    s.repo.init()
    second = next(body for path, body in s.server.objects.items() if path.endswith("/repository"))
    assert first != second
    s.server.calm()
    s.push(1)
    assert len(s.server.asked()) == 3, s.server.asked()
    own = re.search(rb"id = ([0-9a-f]{32})", second)[1]
    assert any("/wal/" in path and own in body for path, body in s.server.objects.items())


def test_a_push_on_a_later_timeline_is_one_put_too():
    s = Scripted()
    wal = s.pg.data / "pg_wal"
    at = f"0/{int(s.names[0][16:], 16) << 20:X}"
    (wal / "00000002.history").write_text(f"1\t{at}\tno reason\n", encoding="ascii")
    names = [f"00000002{name[8:]}" for name in s.names]
    for old, new in zip(s.names, names):
        shutil.copy(wal / old, wal / new)
    for n in (1, 2):
        s.repo.walpush(f"pg_wal/{names[n]}").expect(0)
    s.server.calm()
    s.repo.walpush(f"pg_wal/{names[3]}").expect(0)
    assert len(s.server.asked()) == 1 and len(s.wal("PUT")) == 1, s.server.asked()
    assert any(key.endswith("00000002.history") for key in s.server.objects)


def test_what_may_heal_is_tried_again():
    healing = {
        "503": says(error(503, "SlowDown", "please reduce your request rate")),
        "500": says(error(500, "InternalError")),
        "502": says(html(502)),
        "429": says(error(429, "TooManyRequests")),
        "408": says(error(408, "RequestTimeout")),
        "400": says(error(400, "RequestTimeout")),
        "409": says(error(409, "ConditionalRequestConflict")),
        "reset": resets,
        "login": says(html(200)),
        "error with 200": says(error(200, "InternalError")),
    }
    s = Scripted()
    for n, (name, fault) in enumerate(healing.items()):
        s.server.calm()
        s.server.objects = {k: v for k, v in s.server.objects.items() if "/wal/" not in k}
        s.server.on("PUT .*/wal/", fault, times=2)
        result = s.push()
        assert len(s.wal("PUT")) == 3, (name, s.server.asked())
        assert "trying again" in result.err, result
        s.server.on("GET .*/wal/", fault, times=2)
        s.fetch()
        assert len(s.wal("GET")) == 3, (name, s.server.asked())


def test_what_cannot_heal_is_not_tried_again():
    final = {
        "SignatureDoesNotMatch": (403, "the secret key does not belong"),
        "InvalidAccessKeyId": (403, "does not know this access key"),
        "AccessDenied": (403, "s3:PutObject"),
        "NoSuchBucket": (404, "there is no bucket 'bucket'"),
        "InvalidArgument": (400, ""),
    }
    s = Scripted()
    for code, (status, hint) in final.items():
        s.server.calm()
        s.server.on("PUT .*/wal/", says(error(status, code, "no")), times=ALWAYS)
        result = s.push(status=(1, 3))
        assert len(s.wal("PUT")) == 1, (code, s.server.asked())
        assert code in result.err and hint in result.err, result


def test_a_service_that_stays_away_is_given_up_within_the_deadline():
    s = Scripted()
    s.repo.configure(timeout="3s")
    for fault in (says(error(503, "SlowDown")), hangs, says(html(503, "", **{"Retry-After": "999"}))):
        s.server.calm()
        s.server.on("/wal/", fault, times=ALWAYS)
        began = time.monotonic()
        s.push(status=1)
        s.fetch(status=200)
        assert time.monotonic() - began < 12
    s.server.calm()
    s.push()


def test_check_finds_out_that_nothing_can_be_written():
    s = Scripted()
    result = s.repo.walvault("check", "--no-server").expect((0, 1))
    assert "writable" in result.out, result
    for fault, words in (
        (error(403, "AccessDenied"), "s3:PutObject"),
        (error(501, "NotImplemented"), "single_writer"),
    ):
        s.server.calm()
        s.server.on("PUT ", says(fault), times=ALWAYS)
        result = s.repo.walvault("check", "--no-server").expect(2)
        assert words in result.out and "writable" not in result.out, result
    s.server.conditional = False
    s.server.calm()
    result = s.repo.walvault("check", "--no-server").expect(2)
    assert "ignores If-None-Match" in result.out, result


def test_retry_after_is_obeyed():
    s = Scripted()
    s.server.on("PUT .*/wal/", says(html(503, "", **{"Retry-After": "2"})))
    began = time.monotonic()
    s.push()
    assert 2 <= time.monotonic() - began < 15


def test_a_put_whose_answer_was_lost_is_recognised_as_our_own():
    s = Scripted()
    s.server.on("PUT .*/wal/", does_it_and_hangs_up)
    result = s.push()
    assert "was there already" not in result.err, result
    assert len(s.wal("PUT")) == 2 and len(s.wal("GET")) == 1, s.server.asked()
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


def test_a_slow_drip_is_a_stall():
    s = Scripted(stall_timeout="1s")
    s.push()
    s.server.on("GET .*/wal/", breaks_off(10**6, drip=0.05))
    result = s.fetch()
    assert "stall_timeout" in result.err, result


def test_an_answer_that_does_not_begin_is_not_waited_for():
    s = Scripted(answer_timeout="1s")
    s.push()
    s.server.on("GET .*/wal/", hangs)
    result = s.fetch()
    assert "answer_timeout" in result.err, result


def test_damaged_bytes_are_not_handed_out():
    s = Scripted()
    s.push()
    s.server.on("GET .*/wal/", changes_a_byte(20000), times=ALWAYS)
    s.fetch(status=200)


def test_only_the_service_itself_proves_an_absence():
    s = Scripted()
    s.fetch(n=1, status=1)
    s.repo.configure(timeout="3s")
    liars = (
        says(html(404)),
        says(html(200)),
        says(error(404, "NoSuchBucket")),
        says(error(403, "AccessDenied")),
        says(error(404, "SomethingElse")),
        says(html(302, "", Location="http://127.0.0.1:1/login")),
        says(html(511)),
        resets,
    )
    for liar in liars:
        s.server.calm()
        s.server.on("GET .*/wal/", liar, times=ALWAYS)
        s.fetch(n=1, status=200)


def test_another_regions_bucket_is_named():
    s = Scripted(region="eu-central-1")
    for answer in (
        error(400, "AuthorizationHeaderMalformed", "wrong", Region="us-west-2"),
        error(301, "PermanentRedirect", headers={"x-amz-bucket-region": "us-west-2"}),
    ):
        s.server.calm()
        s.server.on("PUT .*/wal/", says(answer), times=ALWAYS)
        result = s.push(status=3)
        assert "set region = us-west-2" in result.err, result
        assert len(s.wal("PUT")) == 1


def test_a_wrong_clock_is_told_with_its_difference():
    s = Scripted()
    late = {"Date": "Fri, 20 Nov 2015 02:00:00 GMT"}
    answer = error(403, "RequestTimeTooSkewed", "too large", headers=late)
    s.server.on("PUT .*/wal/", says(answer), times=ALWAYS)
    result = s.push(status=1)
    assert "clock" in result.err, result


def test_a_service_that_cannot_create_conditionally_is_refused_unless_told():
    server = ScriptedS3()
    server.on("PUT", says(error(501, "NotImplemented")), times=ALWAYS)
    s = Scripted(server, init=False)
    result = s.repo.walvault("init").expect(3)
    assert "single_writer" in result.err, result
    ignoring = Scripted(ScriptedS3(conditional=False), init=False)
    result = ignoring.repo.walvault("init").expect(3)
    assert "ignores If-None-Match" in result.err and "single_writer" in result.err, result
    alone = Scripted(ScriptedS3(conditional=False), single_writer="yes")
    alone.push()
    alone.fetch()
    alone.push()
    other = alone.repo.object_path(alone.names[0])
    path = f"/bucket/some/prefix/{other.relative_to(alone.repo.store)}"
    alone.server.objects[path] = alone.server.objects[path][::-1]
    before = alone.server.objects[path]
    assert before, "the same name with other bytes is set aside, not overwritten"


def test_tls_is_verified():
    authority = Authority(new_directory("tls"))
    stranger = Authority(new_directory("tls"))
    good, wrong = authority.issue(), authority.issue("wrong", ["DNS:other.example"])
    s = Scripted(ScriptedS3(good), ca_file=authority.ca)
    s.push()
    s.fetch()
    s.repo.section["ca_file"] = stranger.ca
    s.repo.configure()
    result = s.push(n=1, status=3)
    assert "certificate" in result.err, result
    s.repo.section.update(ca_file=authority.ca, endpoint=ScriptedS3(wrong).endpoint)
    s.repo.configure()
    s.push(n=1, status=3)
    s.repo.section.update(verify_tls="off", endpoint=s.server.endpoint, ca_file=stranger.ca)
    s.repo.configure()
    result = s.push(n=1)
    assert "verify_tls = off" in result.err, result


def test_a_port_that_speaks_the_other_protocol_is_told_at_once():
    authority = Authority(new_directory("tls"))
    secure, plain = ScriptedS3(authority.issue()), ScriptedS3()
    s = Scripted(plain)
    for server, scheme, words in (
        (plain, "https", "does not speak TLS"),
        (secure, "http", "speaks TLS, and was asked in plain HTTP"),
    ):
        address = server.endpoint.partition("://")[2]
        right = server.endpoint.partition("://")[0]
        s.repo.section["endpoint"] = f"{scheme}://{address}"
        s.repo.configure()
        begin = time.monotonic()
        result = s.push(status=3)
        assert f"{address} {words}" in result.err, result
        assert f"endpoint = {right}://{address})" in result.err, result
        assert "trying again" not in result.err, result
        assert time.monotonic() - begin < 30
        # No absence, in recovery.
        assert f"endpoint = {right}://{address})" in s.fetch(status=200).err


class Falters(Relay):
    """The way to a service of TLS, but for the second connection: that is answered without."""

    def __init__(self, endpoint):
        self.begun = 0
        super().__init__(("127.0.0.1", int(endpoint.rpartition(":")[2])))
        self.endpoint = f"https://127.0.0.1:{self.port}"

    def _pass_on(self, near, far):
        self.begun += 1
        if self.begun == 2:
            with near, far, contextlib.suppress(OSError):
                near.recv(65536)
                near.sendall(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")
            return
        super()._pass_on(near, far)


def test_a_port_that_spoke_tls_before_and_does_not_for_once_is_tried_again():
    authority = Authority(new_directory("tls"))
    server = ScriptedS3(authority.issue())
    s = Scripted(server, ca_file=authority.ca)
    relay = Falters(server.endpoint)
    s.repo.section["endpoint"] = relay.endpoint
    s.repo.configure()
    server.on(".", resets)
    result = s.push()
    assert "does not speak TLS" not in result.err and relay.begun > 2, result


class Tells:
    """A port of TLS that answers plain HTTP, too, and says so in ``words``."""

    def __init__(self, certificate, words, tls=True):
        self._words, self._tls = words, tls
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            here, _ = listener.accept()
            with contextlib.suppress(OSError), here:
                self._answer(here)

    def _answer(self, here):
        if here.recv(1, socket.MSG_PEEK) == b"\x16":
            if self._tls:
                self._context.wrap_socket(here, server_side=True).recv(1)
            return
        here.recv(65536)
        length = len(self._words)
        here.sendall(f"HTTP/1.0 400 Bad Request\r\nContent-Length: {length}\r\n\r\n{self._words}".encode())


def test_a_port_of_tls_that_says_so_in_plain_http_is_asked_whether_it_is_one():
    certificate = Authority(new_directory("tls")).issue()
    s = Scripted()
    for words in ("The plain HTTP request was sent to HTTPS port", "client sent an http request to an https server"):
        for tls in (True, False):
            s.repo.section["endpoint"] = Tells(certificate, words, tls).endpoint
            s.repo.configure()
            result = s.push(status=3)
            assert ("speaks TLS, and was asked in plain HTTP" in result.err) == tls, result


def test_credentials_that_end_are_asked_for_again():
    directory = new_directory("credentials")
    count = directory / "count"
    command = directory / "command"
    command.write_text(
        f"""#!/bin/sh
echo x >> {count}
n=$(wc -l < {count})
printf '{{"Version": 1, "AccessKeyId": "AKID%s", "SecretAccessKey": "{SECRET}",' $n
printf '"SessionToken": "token%s", "Expiration": "2999-01-01T00:00:00Z"}}' $n
""",
        encoding="ascii",
    )
    command.chmod(0o755)
    s = Scripted()
    del s.repo.section["access_key_id"], s.repo.section["secret_key_file"]
    s.repo.section["credential_command"] = command
    s.repo.configure()
    s.server.on("PUT .*/wal/", says(error(400, "ExpiredToken", "it has ended")))
    s.push()
    tokens = [r.headers["x-amz-security-token"] for r in s.server.requests]
    assert tokens[-2:] == ["token1", "token2"], tokens
    command.write_text("#!/bin/sh\necho something\nexit 3\n", encoding="ascii")
    result = s.push(n=1, status=1)
    assert "credential_command" in result.err and "status 3" in result.err, result


def test_a_proxy_of_the_environment_is_used():
    proxy = ScriptedS3()
    s = Scripted(proxy, init=False, endpoint="http://s3.example.invalid")
    via = {"http_proxy": proxy.endpoint, "no_proxy": ""}
    s.repo.walvault("init", env=via).expect(0)
    s.push(env=via)
    assert proxy.requests[-1].headers["host"] == "s3.example.invalid"


def test_secrets_are_neither_shown_nor_taken_from_files():
    s = Scripted(init=False)
    shown = s.repo.walvault("config", env={"WALVAULT_STORE_LOCAL_SECRET_KEY": SECRET}).expect(0)
    assert "secret_key" in shown.out and SECRET not in shown.out, shown
    s.repo.section["secret_key"] = SECRET
    s.repo.configure()
    result = s.repo.walvault("config").expect(3)
    assert SECRET not in result.err and "secret_key_file" in result.err, result


# -- credentials that are asked for over the network --


class Giver:
    """A service that gives credentials: AWS's own are scripted after its documentation."""

    def __init__(self):
        self.server = ScriptedS3()
        self.given = 0
        self.server.answer = self.answer
        self.endpoint = self.server.endpoint

    def _next(self, expiration="2999-01-01T00:00:00Z"):
        self.given += 1
        return {
            "AccessKeyId": f"AKIDGIVEN{self.given}",
            "SecretAccessKey": SECRET,
            "SessionToken": f"token{self.given}",
            "Token": f"token{self.given}",
            "Expiration": expiration,
        }

    def answer(self, request):
        if request.path == "/latest/api/token":
            assert request.method == "PUT", request
            assert request.headers["x-aws-ec2-metadata-token-ttl-seconds"], request
            return Answer(200, b"session==")
        if request.path.startswith("/latest/meta-data/"):
            if request.headers.get("x-aws-ec2-metadata-token") != "session==":
                return Answer(401)
            if request.path.endswith("/"):
                return Answer(200, b"backup-role")
            assert request.path.endswith("/backup-role"), request
            return Answer(200, json.dumps(self._next()).encode())
        if request.path == "/container":
            if request.headers.get("authorization") != "container token":
                return Answer(403, b'{"message": "no"}')
            return Answer(200, json.dumps(self._next()).encode())
        return self._sts(urllib.parse.parse_qs(request.body.decode()), request)

    def _sts(self, form, request):
        action = form["Action"][0]
        assert form["RoleArn"] == ["arn:aws:iam::1:role/x"] and form["RoleSessionName"], form
        if action == "AssumeRole":
            assert "Credential=AKIDSCRIPTED/" in request.headers["authorization"], request
            assert "/sts/aws4_request" in request.headers["authorization"], request
        elif form["WebIdentityToken"] != ["a.b.c"] or "authorization" in request.headers:
            return Answer(
                400,
                b"<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                b"<Message>it is not one</Message></Error></ErrorResponse>",
            )
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in self._next().items())
        body = f"<{action}Response><{action}Result><Credentials>{fields}</Credentials>"
        body += f"</{action}Result></{action}Response>"
        return Answer(200, body.encode())


def given_by(giver, env, keep=(), **section):
    """Pushes with credentials that only the environment leads to; the request it made."""
    s = Scripted(init=False, **section)
    for name in {"access_key_id", "secret_key_file"} - set(keep):
        del s.repo.section[name]
    s.repo.configure()
    home = {"HOME": str(new_directory("home"))}
    s.repo.walvault("init", env={**home, **env}).expect(0)
    s.push(env={**home, **env})
    last = s.server.requests[-1]
    assert f"Credential=AKIDGIVEN{giver.given}/" in last.headers["authorization"], last
    assert last.headers["x-amz-security-token"] == f"token{giver.given}", last
    return s


def test_the_machine_gives_credentials():
    giver = Giver()
    given_by(giver, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": giver.endpoint})


def test_the_container_gives_credentials():
    giver = Giver()
    token = new_directory("token") / "token"
    token.write_text("container token\n", encoding="ascii")
    uri = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{giver.endpoint}/container"}
    given_by(giver, {**uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "container token"})
    s = given_by(giver, {**uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)})
    result = s.push(n=1, status=1, env={**uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong"})
    assert "the container's credentials: answered 403" in result.err, result
    away = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/container"}
    result = s.push(n=1, status=3, env=away)
    assert "neither https nor" in result.err, result


def test_a_web_identity_is_changed_for_credentials():
    giver = Giver()
    token = new_directory("token") / "token"
    token.write_text("a.b.c\n", encoding="ascii")
    env = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
        "AWS_ENDPOINT_URL_STS": giver.endpoint,
    }
    s = given_by(giver, env)
    token.write_text("another\n", encoding="ascii")
    result = s.push(n=1, status=1, env=env)
    assert "InvalidIdentityToken: it is not one" in result.err and "another" not in result.err


def test_a_role_is_assumed():
    giver = Giver()
    env = {"AWS_ENDPOINT_URL_STS": giver.endpoint}
    both = ("access_key_id", "secret_key_file")
    given_by(giver, env, keep=both, role_arn="arn:aws:iam::1:role/x")


def test_profiles_are_read():
    giver = Giver()
    home = new_directory("home")
    (home / "credentials").write_text(
        f"# a comment\n[other]\naws_access_key_id = NO\n\n[backup]\n"
        f"aws_access_key_id = AKIDSCRIPTED\naws_secret_access_key={SECRET}\n",
        encoding="ascii",
    )
    (home / "config").write_text(
        "[default]\nregion = nowhere\n[profile backup]\nregion = eu-north-1\n"
        "[profile through]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = backup\n"
        "[profile printed]\ncredential_process = echo '{\"Version\": 1, "
        '"AccessKeyId": "AKIDPRINTED", "SecretAccessKey": "x"}\'\n',
        encoding="ascii",
    )
    env = {
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_ENDPOINT_URL_STS": giver.endpoint,
    }
    expected = {
        "backup": "Credential=AKIDSCRIPTED/",
        "through": "Credential=AKIDGIVEN1/",
        "printed": "Credential=AKIDPRINTED/",
    }
    for profile, credential in expected.items():
        s = Scripted(init=False, profile=profile)
        del s.repo.section["access_key_id"], s.repo.section["secret_key_file"]
        s.repo.configure()
        s.repo.walvault("init", env=env).expect(0)
        authorization = s.server.requests[0].headers["authorization"]
        assert credential in authorization, authorization
        region = "eu-north-1" if profile == "backup" else "us-east-1"
        assert f"/{region}/s3/" in authorization, authorization
        giver.given = 0


def test_without_credentials_the_way_to_them_is_told():
    s = Scripted(init=False)
    del s.repo.section["access_key_id"], s.repo.section["secret_key_file"]
    s.repo.configure()
    env = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(new_directory("home"))}
    result = s.repo.walvault("init", env=env).expect(3)
    assert "no credentials are found" in result.err and "secret_key_file" in result.err, result
    assert not s.server.requests


# -- a real server in recovery --


@time_limit(600)
def test_a_recovery_stops_at_whatever_the_service_does_and_goes_on_later():
    server = ScriptedS3()
    secret = new_directory("secret") / "key"
    secret.write_text(SECRET, encoding="ascii")
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(
        pg,
        timeout="2s",
        section={
            **{"url": "s3://bucket/recovery", "endpoint": server.endpoint},
            **{"access_key_id": "AKIDSCRIPTED", "secret_key_file": secret},
        },
    )
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
        says(error(403, "AccessDenied")),
        says(error(404, "NoSuchBucket")),
        says(error(503, "SlowDown")),
        says(error(200, "InternalError")),
        changes_a_byte(5000),
        hangs,
        resets,
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


def test_a_backup_asks_by_its_bytes_and_not_by_its_files():
    server = ScriptedS3()
    secret = new_directory("secret") / "key"
    secret.write_text(SECRET, encoding="ascii")
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    section = {
        **{"url": "s3://bucket/counted", "endpoint": server.endpoint},
        **{"access_key_id": "AKIDSCRIPTED", "secret_key_file": secret},
    }
    repo = Repository(pg, section=section)
    repo.enable_archiving()
    pg.start()
    repo.init()
    server.calm()
    take_backup(repo)
    files = sum(1 for path in pg.data.rglob("*") if path.is_file())
    puts = server.asked("^PUT .*/backup/")
    # The lease, packs of the workers and of pg_control, the manifest.
    assert files > 500 and len(puts) <= 6, puts
    assert len(server.asked()) < 60, server.asked()
    server.calm()
    repo.walvault("info").expect(0)
    assert len(server.asked()) < 15, server.asked()


# -- the module --


def test_programs_without_their_module_say_what_to_install():
    s = Scripted(init=False)
    directory = new_directory("alone") / "bin"
    directory.mkdir()
    alone = directory / "walvault"
    shutil.copy2(program("walvault"), alone)
    environment = {"WALVAULT_CONFIG": str(s.repo.config)}
    result = run_program(alone, "info", env=environment).expect(3)
    assert "store-http.so" in result.err and "install walvault again" in result.err, result
    modules = directory.parent / "lib/walvault"
    modules.mkdir(parents=True)
    (modules / "store-http.so").write_bytes(b"\x7fELF but not really")
    result = run_program(alone, "info", env=environment).expect(3)
    assert "apt-get install libcurl4" in result.err, result


def test_a_push_to_a_directory_loads_no_module():
    pg, names = stopped_cluster()
    repo = Repository(pg)
    repo.init()
    log = new_directory("strace") / "log"
    run_program(
        *("strace", "-f", "-qq", "-e", "trace=openat", "-o", log),
        *(program("walpush"), f"pg_wal/{names[0]}"),
        env={
            "WALVAULT_CONFIG": str(repo.config),
            # The address sanitizer cannot look for leaks while it is traced.
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0",
        },
        cwd=pg.data,
    ).expect(0)
    opened = log.read_text(encoding="utf-8", errors="replace")
    assert "liblz4" in opened
    assert not re.search("libcurl|libcrypto|libpq|libexpat|jansson|store-http", opened), opened
