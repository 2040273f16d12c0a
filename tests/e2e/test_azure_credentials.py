# SPDX-License-Identifier: PostgreSQL
"""What Azure is asked with: signatures, and tokens of machines, hosts and workloads."""

import json
import time
import urllib.parse

from walvault_test import Postgres, Repository
from walvault_test.azurevault import KEY, SIGNATURE, Scripted, sas, secret_file
from walvault_test.cases import new_directory
from walvault_test.restoring import take_backup
from walvault_test.scripted import ALWAYS, Answer, ScriptedS3, html, says
from walvault_test.scripted_azure import ScriptedAzure, azure_error

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
        "there are quotes or blanks in it": {"sas_token_file": secret_file(f'"{sas()}"\n')},
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
        assert not result.without_hint(), result
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
