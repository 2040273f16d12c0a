# SPDX-License-Identifier: PostgreSQL
"""Accounts that README sets up: they can do what walvault needs, and no more."""

import getpass
import os
import shlex
import subprocess

from walvault_test import Repository, at_end
from walvault_test.asroot import run_as_root, with_root
from walvault_test.cases import new_directory
from walvault_test.documents import readme_blocks
from walvault_test.fetching import Asker
from walvault_test.ports import free_ports, is_open
from walvault_test.programs import program
from walvault_test.sshd import make_key
from walvault_test.stopped import stopped_cluster
from walvault_test.waiting import wait_until

STORES = "Other stores"


def blocks(language, words):
    """The one block of README's that has these words."""
    [found] = [text for known, text in readme_blocks(STORES) if known == language and words in text]
    return found


def as_root(*words):
    return run_as_root(*words).expect(0).out


def roots_directory():
    """One that is root's, with all above it: sshd wants that, and /tmp is everybody's."""
    path = as_root("mktemp", "-d", "/run/walvault-test-XXXXXX").strip()
    at_end(run_as_root, "rm", "-rf", path)
    as_root("chmod", "755", path)
    return path


class RestrictedHost:
    """sshd as root, with the account that README makes."""

    def __init__(self):
        self.root, self.user = roots_directory(), getpass.getuser()
        (self.port,) = free_ports(1)
        home = new_directory("restricted")
        self.key = make_key(home / "id_ed25519")
        host = make_key(home / "host")
        self.known_hosts = home / "known_hosts"
        public = host.with_name("host.pub").read_text(encoding="ascii").split()[:2]
        self.known_hosts.write_text(
            f"[127.0.0.1]:{self.port} {' '.join(public)}\n", encoding="ascii"
        )
        # The user is the test's own.
        for line in blocks("sh", "useradd").splitlines()[1:]:
            sudo, *words = [self._ours(word) for word in shlex.split(line)]
            assert sudo == "sudo", line
            as_root(*[str(home / word) if word.startswith("id_") else word for word in words])
        text = (
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {host}\nUsePAM yes\n"
            f"PidFile {self.root}/pid\nSubsystem sftp internal-sftp\n"
        )
        config = home / "sshd_config"
        config.write_text(text + self._ours(blocks("conf", "ChrootDirectory")), encoding="ascii")
        as_root("mkdir", "-p", "/run/sshd")
        as_root("/usr/sbin/sshd", "-f", config, "-E", f"{self.root}/log")
        at_end(self._stop)
        wait_until(lambda: is_open(self.port), "sshd to be up")

    def _ours(self, text):
        for theirs, ours in (
            ("/srv/walvault", f"{self.root}/srv"),
            ("/etc/ssh/authorized_keys.d", f"{self.root}/keys"),
            ("User walvault", f"User {self.user}"),
            ("/keys/walvault", f"/keys/{self.user}"),
        ):
            text = text.replace(theirs, ours)
        return self.user if text == "walvault" else text

    def _stop(self):
        as_root("sh", "-c", f"kill $(cat {self.root}/pid)")

    def section(self):
        return {
            "url": f"sftp://{self.user}@127.0.0.1:{self.port}/orders",
            **{"identity_file": self.key, "known_hosts": self.known_hosts},
        }

    def stock(self, name, *words, **options):
        """ssh or sftp as that user."""
        given = [f"UserKnownHostsFile={self.known_hosts}", f"IdentityFile={self.key}", "BatchMode=yes"]
        port = "-P" if name == "sftp" else "-p"
        return subprocess.run(
            [name, *[x for o in given for x in ("-o", o)], port, str(self.port), *words],
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
            **options,
        )


@with_root
def test_the_account_behind_ssh_archives_and_can_do_nothing_else():
    host = RestrictedHost()
    pg, names = stopped_cluster()
    repo = Repository(pg, section=host.section(), keep_full=1)
    repo.init()
    for name in names[:2]:
        repo.walpush(f"pg_wal/{name}").expect(0)
    asker = Asker(repo, "recovery")
    asker.fetch(names[0]).expect(0)
    asker.fetch(names[2]).expect(1)
    repo.walvault("check", "--no-server").expect((0, 1, 2))
    [kept] = [line for line in repo.walvault("ls").expect(0).out.split() if names[0] in line]
    there = f"{host.user}@127.0.0.1"
    assert "root" not in host.stock("ssh", there, "id").stdout
    listed = host.stock("sftp", "-b", "-", there, input="ls -1 /\n")
    assert listed.stdout.split()[-1] == "/orders" and "etc" not in listed.stdout, listed
    for words in (f"rm orders/{kept}", f"rename orders/{kept} orders/x", f"chmod 0 orders/{kept}"):
        refused = host.stock("sftp", "-b", "-", there, input=f"{words}\n")
        assert refused.returncode != 0 and "denied" in refused.stderr.lower(), refused
    asker.fetch(names[0]).expect(0)
    # What deletes runs there, on the directory itself, and has no data directory.
    own = Repository(pg, section={"url": f"file://{host.root}/srv/orders"}, keep_full=1, pgdata=None)
    own.walvault("expire", "--broken").expect(0)
    assert names[1] in own.walvault("ls").expect(0).out


@with_root
def test_a_group_may_read_a_directory_and_change_nothing():
    root = roots_directory()
    user = getpass.getuser()
    [line] = blocks("sh", "-g backup").splitlines()
    words = shlex.split(line.replace("/srv/backup/walvault", f"{root}/store"))[1:]
    words[words.index("postgres")] = user
    words[words.index("backup")] = "daemon"
    as_root(*words)
    pg, names = stopped_cluster()
    options = {"url": f"file://{root}/store", "dir_mode": "0750", "file_mode": "0640"}
    assert {f"{key} = {options[key]}" for key in ("dir_mode", "file_mode")} <= set(
        blocks("ini", "dir_mode").splitlines()
    )
    repo = Repository(pg, section=options)
    repo.init()
    repo.walpush(f"pg_wal/{names[0]}").expect(0)
    reader = ["setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups", "--reset-env"]
    store = ["--store", options["url"]]
    run_as_root(*reader, program("walvault"), "ls", *store).expect(0)
    verified = run_as_root(*reader, program("walvault"), "verify", "--wal", *store)
    assert "1 objects" in verified.expect(0).out, verified
    for attempt in ("touch {0}/x", "find {0} -type f -delete", "sh -c 'echo x >> {0}/main'"):
        run_as_root(*reader, *shlex.split(attempt.format(f"{root}/store"))).expect((1, 2))
    assert names[0] in repo.walvault("ls").expect(0).out
    nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--reset-env"]
    run_as_root(*nobody, "ls", f"{root}/store").expect((1, 2))
    assert os.geteuid() != 0
