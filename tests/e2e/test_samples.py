# SPDX-License-Identifier: PostgreSQL
"""The configurations to start from, used, and README's short way beside the manuals' long one."""

import json
import os
import re

from walvault_test import Repository, run_program
from walvault_test.azureclient import sas
from walvault_test.bucket import Bucket
from walvault_test.cases import new_directory
from walvault_test.documents import readme_blocks, source, text_of
from walvault_test.fetching import Asker
from walvault_test.programs import program
from walvault_test.services import place
from walvault_test.stopped import stopped_cluster

SERVICES = ("azurite", "ceph", "gcs", "sshd")
STORES = "Other stores"
SAMPLES = ("local", "s3", "azure", "gcs", "sftp", "exec", "two-stores")


def sample(name):
    return text_of("conf.d", f"{name}.conf")


def settings(text):
    """section -> its lines, of a configuration file."""
    found, here = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            here = found.setdefault(line, [])
        elif line and line[0] != "#":
            here.append(line)
    return found


# -- README, the manuals, the samples --


def of_the_manual(page, heading, number=0):
    """A literal block of a manual, the first below a heading or a later one."""
    text = text_of("man", page).split(heading)[1]
    blocks = re.findall(r"(?ms)^\.Bd -literal[^\n]*\n(.*?)\n\.Ed$", text)
    return blocks[number].replace("\\e", "\\") + "\n"


def of_the_readme(language):
    return [text for known, text in readme_blocks(STORES) if known == language]


def test_what_the_readme_says_of_rights_is_what_the_manuals_say():
    rights = ".Ss Least privilege"
    policy, role = of_the_readme("json")
    assert policy == of_the_manual("walvault-s3.7", rights) and json.loads(policy)
    assert role == of_the_manual("walvault-azure.7", rights) and json.loads(role)
    commands = of_the_readme("sh")
    server = ".Sh SETTING A SERVER UP"
    for page, heading, number in (
        ("walvault-azure.7", rights, 1),
        ("walvault-gcs.7", rights, 0),
        *(("walvault-sftp.7", server, number) for number in (0, 1, 3, 4)),
    ):
        assert of_the_manual(page, heading, number) in commands, page
    [sshd] = of_the_readme("conf")
    forced = of_the_manual("walvault-sftp.7", server, 5).strip()
    assert "-P remove" in forced
    assert sshd == of_the_manual("walvault-sftp.7", server, 2).replace(
        "ForceCommand internal-sftp", forced
    )


def test_what_the_readme_configures_is_in_the_samples():
    samples = [settings(sample(name)) for name in SAMPLES]
    used = set()
    for text in of_the_readme("ini"):
        [(section, lines)] = settings(text).items()
        matching = [
            name
            for name, known in zip(SAMPLES, samples)
            if known.get(section, [])[: len(lines)] == lines
        ]
        assert matching, text
        used.update(matching)
    assert used == set(SAMPLES), used


def test_every_sample_loads_without_a_word():
    here = {path.stem for path in source("conf.d").glob("*.conf")}
    assert here == {*SAMPLES, "minimal", "reference"}
    for name in here:
        path = source("conf.d", f"{name}.conf")
        result = run_program(program("walvault"), "config", "--config", path).expect(0)
        assert not result.err, result


# -- used --


class Sample:
    """A sample on a stopped cluster, with only what differs here replaced."""

    def __init__(self, name, stores):
        self.pg, self.names = stopped_cluster()
        self.repo = Repository(self.pg)
        text = self._replace(sample(name), "[cluster main]", {"pgdata": self.pg.data})
        for store, values in stores.items():
            text = self._replace(text, f"[store {store}]", values)
        text += f"\n[defaults]\nstate_dir = {self.repo.state_directory}\n"
        self.repo.config.write_text(text, encoding="utf-8")

    @staticmethod
    def _replace(text, section, values):
        """Changes these lines of a section, which has them, if only as a comment."""
        before, whole = text.split(f"{section}\n")
        own, bracket, behind = whole.partition("\n[")
        for key, value in values.items():
            own, n = re.subn(rf"(?m)^#?{key} = .*$", lambda _, v=value, k=key: f"{k} = {v}", own)
            assert n == 1, f"{section} has no {key}"
        return f"{before}{section}\n{own}{bracket}{behind}"

    def use(self):
        self.repo.init()
        for name in self.names[:2]:
            self.repo.walpush(f"pg_wal/{name}").expect(0)
        asker = Asker(self.repo, "recovery")
        asker.fetch(self.names[0]).expect(0)
        pushed = self.pg.data / "pg_wal" / self.names[0]
        assert asker.destination.read_bytes() == pushed.read_bytes()
        asker.fetch(self.names[2]).expect(1)
        assert self.names[1] in self.repo.walvault("ls").expect(0).out
        return self


def secret_file(text):
    path = new_directory("secret") / "secret"
    path.touch(0o600)
    path.write_text(text, encoding="ascii")
    return path


def s3_values(bucket):
    return {
        **{"url": f"s3://{bucket.bucket}/{bucket.prefix}", "endpoint": bucket.at["endpoint"]},
        **{"ca_file": bucket.at["ca"], "access_key_id": bucket.at["access_key"]},
        "secret_key_file": secret_file(bucket.at["secret_key"]),
    }


def test_the_sample_of_a_directory_gives_a_group_what_it_says():
    directory = new_directory("kept") / "walvault"
    directory.mkdir()
    directory.chmod(0o2750)
    s = Sample("local", {"local": {"url": f"file://{directory}"}}).use()
    for path in directory.rglob("*"):
        wanted = 0o2750 if path.is_dir() else 0o640
        assert path.stat().st_mode & 0o7777 == wanted, path
    assert s.repo.walvault("info").expect(0)


def test_the_sample_of_a_bucket_works_on_ceph():
    bucket = Bucket()
    Sample("s3", {"offsite": s3_values(bucket)}).use()
    assert bucket.keys()


def test_the_sample_of_a_container_works_on_azurite_without_the_right_to_delete():
    at = place("azurite")
    signature = sas(at["account"], at["secret_key"], "vault", "rcwl")
    values = {
        **{"url": f"azure://vault/e2e/{os.urandom(6).hex()}", "account": at["account"]},
        **{"sas_token_file": secret_file(signature), "endpoint": at["endpoint"]},
    }
    s = Sample("azure", {"offsite": values})
    _trust(s, at["ca"])
    s.use()


def test_the_sample_of_googles_bucket_works_without_the_right_to_delete():
    at = place("gcs")
    values = {
        "url": f"gs://vault/e2e/{os.urandom(6).hex()}",
        "credentials_file": secret_file(open(at["keys"]["host"], encoding="ascii").read()),
    }
    s = Sample("gcs", {"offsite": values})
    _trust(s, at["ca"], endpoint=at["endpoint"])
    s.use()


def _trust(used, ca, **more):
    """The service of the tests' own has another address and authority."""
    text = used.repo.config.read_text(encoding="utf-8")
    lines = "".join(f"{key} = {value}\n" for key, value in {"ca_file": ca, **more}.items())
    used.repo.config.write_text(f"{text}[store offsite]\n{lines}", encoding="utf-8")


def test_the_sample_of_a_host_with_ssh_works():
    at = place("sshd")
    directory = f"{at['data']}/{os.urandom(6).hex()}"
    values = {
        "url": f"sftp://{at['user']}@127.0.0.1:{at['port']}{directory}",
        **{"identity_file": at["key"], "known_hosts": at["known_hosts"]},
    }
    Sample("sftp", {"offsite": values}).use()


def test_the_sample_of_a_program_works():
    kept = new_directory("kept") / "store"
    url = f"exec:{source('contrib/exec-directory')} '{kept}'"
    Sample("exec", {"offsite": {"url": url}}).use()
    assert any(kept.rglob("*"))


def test_the_sample_of_two_stores_fills_both():
    directory, bucket = new_directory("kept") / "store", Bucket()
    directory.mkdir()
    text = sample("two-stores")
    assert "required = all" in text
    plain = s3_values(bucket)
    more = {key: plain.pop(key) for key in ("endpoint", "ca_file")}
    s = Sample("two-stores", {"local": {"url": f"file://{directory}"}, "offsite": plain})
    _trust(s, more["ca_file"], endpoint=more["endpoint"])
    s.use()
    assert any(key.endswith(s.names[0]) for key in bucket.keys())
    assert list(directory.rglob(s.names[0]))
