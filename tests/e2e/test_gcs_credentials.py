# SPDX-License-Identifier: PostgreSQL
"""Where Google's tokens come from, and that they are replaced in time."""

import json
import re

from walvault_test.cases import new_directory
from walvault_test.certificates import Authority
from walvault_test.google_accounts import CREATE, GET, LIST, READ_WRITE
from walvault_test.google_repository import NOWHERE, OnGoogle
from walvault_test.scripted import ALWAYS, Answer, html, says

UPLOAD = "^POST /upload/.*uploadType"


def written(document):
    path = new_directory("secret") / "credentials.json"
    path.write_text(json.dumps(document), encoding="ascii")
    return path


def with_file(s, path):
    s.repo.section["credentials_file"] = path
    s.repo.configure()


def test_a_service_account_proves_itself_by_its_signature():
    s = OnGoogle()
    s.push()
    assert s.server.accounts.given == 2, "init, push"
    token = list(s.server.accounts.tokens.values())[-1]
    assert token.account is s.account and token.scopes == {READ_WRITE}, token


def test_a_wrong_clock_is_told_with_its_difference():
    s = OnGoogle()
    for ahead, words in ((-7200, r"7(19|20)\d s ahead of"), (7200, r"7(19|20)\d s behind")):
        s.server.ahead = ahead
        result = s.push(status=1)
        assert re.search(f"this host's clock is {words}", result.err), result
    s.server.ahead = 60
    s.push()


def test_a_users_token_is_refreshed():
    s = OnGoogle()
    s.server.accounts.users["1//refresh"] = s.account
    document = {
        **{"type": "authorized_user", "client_id": "user-id", "client_secret": "user-secret"},
        **{"refresh_token": "1//refresh", "token_uri": f"{s.server.endpoint}/token"},
    }
    with_file(s, written(document))
    s.push()
    with_file(s, written({**document, "refresh_token": "1//over"}))
    result = s.push(n=1, status=1)
    assert "have ended or were revoked" in result.err and "1//over" not in result.err, result


def test_the_machine_gives_a_token():
    s = OnGoogle()
    s.server.accounts.machine = s.account
    del s.repo.section["credentials_file"]
    s.repo.configure()
    here = {
        "GCE_METADATA_HOST": s.server.endpoint.removeprefix("http://"),
        "HOME": str(new_directory("home")),
    }
    s.push(env=here)
    assert s.server.asked("^GET /computeMetadata/v1/instance/service-accounts/default/token")
    s.account.permissions = frozenset({GET, LIST})
    result = s.push(n=1, status=1, env=here)
    assert f"{s.account.email} needs storage.objects.create in bucket 'bucket'" in result.err
    s.account.permissions = frozenset({GET, LIST, CREATE})
    # Whatever else may answer there.
    s.server.on("^GET /computeMetadata", says(html(200)), times=ALWAYS)
    result = s.push(n=1, status=3, env=here)
    assert "no credentials are found" in result.err, result


def external(s, source, **more):
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p"
        "/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{s.server.endpoint}/v1/token",
        "credential_source": source,
        **more,
    }


def test_a_workload_identity_is_exchanged():
    s = OnGoogle()
    s.server.accounts.federated["subject.of.file"] = s.account
    token = new_directory("token") / "token"
    token.write_text("subject.of.file\n", encoding="ascii")
    with_file(s, written(external(s, {"file": str(token)})))
    s.push()
    token.write_text(json.dumps({"id_token": "subject.of.file"}), encoding="ascii")
    form = {"type": "json", "subject_token_field_name": "id_token"}
    with_file(s, written(external(s, {"file": str(token), "format": form})))
    s.push(n=1)
    s.server.accounts.federated["subject.of.url"] = s.account
    s.server.accounts.subjects["/subject"] = (
        {"x-who": "walvault"},
        Answer(200, b'{"id_token": "subject.of.url"}'),
    )
    source = {"url": f"{s.server.endpoint}/subject", "headers": {"X-Who": "walvault"}}
    with_file(s, written(external(s, {**source, "format": form})))
    s.push(n=2)
    with_file(s, written(external(s, {**source, "headers": {}, "format": form})))
    result = s.push(n=3, status=1)
    assert "the workload's own token: answered 403" in result.err, result
    token.write_text("another.subject", encoding="ascii")
    with_file(s, written(external(s, {"file": str(token)})))
    result = s.push(n=3, status=1)
    assert "The given credential is rejected" in result.err, result
    assert "another.subject" not in result.err, result
    with_file(s, written(external(s, {"environment_id": "aws1"})))
    result = s.push(n=3, status=3)
    assert "credential_command" in result.err, result


def test_a_workload_identity_acts_for_a_service_account():
    authority = Authority(new_directory("tls"))
    s = OnGoogle(certificate=authority.issue(), ca_file=authority.ca)
    s.server.accounts.federated["subject"] = workload = s.server.accounts.add("workload", ())
    token = new_directory("token") / "token"
    token.write_text("subject", encoding="ascii")
    url = f"/v1/projects/-/serviceAccounts/{s.account.email}:generateAccessToken"
    acts = {"service_account_impersonation_url": s.server.endpoint + url}
    with_file(s, written(external(s, {"file": str(token)}, **acts)))
    result = s.push(status=1)
    assert "iam.workloadIdentityUser" in result.err, result
    workload.permissions = frozenset({f"impersonate {s.account.email}"})
    s.push()
    used = s.server.requests[-1].headers["authorization"].split()[1]
    assert s.server.accounts.tokens[used].account is s.account


def test_a_command_prints_a_token():
    s = OnGoogle()
    del s.repo.section["credentials_file"]
    count = new_directory("count") / "count"
    tokens = new_directory("tokens") / "tokens"
    good = s.server.accounts.new_token(s.account, [READ_WRITE])
    tokens.write_text(f"ya29.notgood\n{good}\n", encoding="ascii")
    # The first that it prints the service does not take.
    command = f'echo x >> {count}; sed -n "$(wc -l < {count})p" {tokens}'
    s.repo.section["credential_command"] = command
    s.repo.configure()
    s.push()
    assert len(count.read_text(encoding="ascii")) == 4, "it was asked twice"
    document = json.dumps({"access_token": good, "expires_in": 3600})
    s.repo.section["credential_command"] = f"echo '{document}'"
    s.repo.configure()
    s.push(n=1)
    for command, why in (("exit 3", "status 3"), ("true", "no token")):
        s.repo.section["credential_command"] = command
        s.repo.configure()
        result = s.push(n=2, status=1)
        assert "credential_command" in result.err and why in result.err, result


def test_tokens_are_replaced_before_they_end_and_when_they_are_refused():
    s = OnGoogle()
    before = s.server.accounts.given
    s.push()
    assert s.server.accounts.given == before + 1, "one is enough for a run"
    # Five minutes before its end a token is not used for a further request.
    s.server.accounts.lifetime = 299
    s.server.calm()
    s.push(n=1)
    others = [line for line in s.server.asked() if line != "POST /token"]
    assert s.server.accounts.given == before + 1 + len(others), s.server.asked()
    s.server.accounts.lifetime = 3600

    def ends(server, request):
        server.accounts.revoke_all()

    s.server.calm()
    s.server.on(UPLOAD, ends)
    s.push(n=2)
    assert len(s.uploads()) == 2 and len(s.server.asked("^POST /token")) == 2, s.server.asked()
    s.server.on(UPLOAD, ends, times=ALWAYS)
    s.server.calm()
    s.server.on(UPLOAD, ends, times=ALWAYS)
    result = s.push(n=3, status=1)
    assert "Invalid Credentials" in result.err and s.account.email in result.err, result
    assert len(s.uploads()) == 2, "it is not asked for a token again and again"


def test_what_can_still_be_used_is_used_when_there_is_nothing_new():
    s = OnGoogle()
    s.server.accounts.lifetime = 200
    down = says(html(503))

    def first_only(server, request):
        server.on("^POST /token", down, times=ALWAYS)

    s.server.on("^POST /token", first_only)
    s.repo.configure(timeout="60s")
    s.repo.section["retry_for"] = "1s"
    s.repo.configure()
    s.push()


def test_the_log_of_everything_has_no_secrets():
    s = OnGoogle()
    env = {"WALVAULT_LOG_LEVEL": "debug"}
    result = s.push(env=env)
    assert "a token of" in result.err, result
    shown = s.repo.walvault("config", env=NOWHERE).expect(0)
    assert "credentials_file" in shown.out, shown
    assert not re.search(r"PRIVATE KEY|eyJ", result.err + shown.out), result
