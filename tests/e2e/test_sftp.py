# SPDX-License-Identifier: PostgreSQL
"""The whole way on OpenSSH's server, and what happens when it, or the way to it, fails."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from walvault_test import BaseCopy, Postgres, Repository, at_end, run_program, time_limit, wait_until
from walvault_test.cases import new_directory
from walvault_test.cutter import Cutter
from walvault_test.fetching import Asker
from walvault_test.programs import helpers, program
from walvault_test.restoring import restore_and_start, take_backup
from walvault_test.services import place
from walvault_test.smalldisk import SmallDisk
from walvault_test.sshd import Sshd, make_key
from walvault_test.stopped import stopped_cluster

SERVICES = ("sshd",)


def shared_section(**options):
    """A directory of its own on the server that all share."""
    at = place("sshd")
    return {
        "url": f"sftp://{at['user']}@127.0.0.1:{at['port']}{at['data']}/{os.urandom(6).hex()}",
        **{"identity_file": at["key"], "known_hosts": at["known_hosts"]},
        **options,
    }


def own_server(**options):
    server = Sshd(new_directory("sshd"), **options)
    at_end(server.stop)
    return server


class Served:
    """A stopped cluster, and its repository on a server of the test's own."""

    def __init__(self, init=True, server=None, **section):
        self.server = server or own_server()
        self.way = Cutter(self.server.port)
        self.pg, self.names = stopped_cluster()
        self.repo = Repository(
            self.pg, timeout="20s", section=self.server.section("/store", **section)
        )
        # Whoever comes through the cutter knows the host by its other port.
        known = self.server.known_hosts.read_text(encoding="ascii")
        self.server.known_hosts.write_text(
            known + known.replace(str(self.server.port), str(self.way.port)), encoding="ascii"
        )
        if init:
            self.repo.init()

    def through_the_cutter(self, **options):
        url = self.repo.section["url"].replace(f":{self.server.port}/", f":{self.way.port}/")
        self.repo.section = {**self.repo.section, "url": url, **options}
        self.repo.configure()

    def push(self, n=0, status=0, **options):
        return self.repo.walpush(f"pg_wal/{self.names[n]}", **options).expect(status)

    def fetch(self, n=0, status=0, **options):
        asker = Asker(self.repo, "recovery")
        result = asker.fetch(self.names[n], **options).expect(status)
        if status == 0:
            there = asker.destination.read_bytes()
            assert there == (self.pg.data / "pg_wal" / self.names[n]).read_bytes()
        return result

    def files(self, pattern="*"):
        found = (self.server.data / "store").rglob(pattern)
        return [path for path in found if path.is_file()]

    def object(self, n=0):
        (found,) = [path for path in self.files() if path.name == self.names[n]]
        return found


# -- the whole way --


@time_limit(600)
def test_the_full_circle():
    section = shared_section()
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, section=section)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (what text, filler text)")
    pg.sql("INSERT INTO t SELECT 'before', md5(g::text) FROM generate_series(1, 20000) g")
    backup = take_backup(repo)
    pg.sql("INSERT INTO t VALUES ('behind the backup')")
    moment = pg.value("SELECT clock_timestamp()::text")
    pg.sql("INSERT INTO t VALUES ('too late')")
    pg.archive_all()
    pg.destroy()
    shutil.rmtree(repo.state_directory)
    assert backup in str(repo.json("info"))
    repo.walvault("verify", "--wal").expect(0)
    restored = restore_and_start(repo, "--to-time", moment)
    counts = dict(restored.sql("SELECT what, count(*) FROM t GROUP BY 1"))
    assert counts == {"before": 20000, "behind the backup": 1}, counts
    assert not repo.objects()
    repo.walvault("expire", "--broken").expect(0)


def test_modes_are_as_asked_for_and_nothing_else_is_left():
    s = Served(dir_mode="0750", file_mode="0640")
    s.push()
    assert s.object().stat().st_mode & 0o777 == 0o640
    assert s.object().parent.stat().st_mode & 0o777 == 0o750
    assert s.object().stat().st_nlink == 1
    assert not s.files(".*")


def test_what_is_put_is_synced_with_its_directory_before_it_is_called_done():
    s = Served()
    log = new_directory("strace") / "log"
    calls = "trace=openat,fsync,link,unlink"
    words = ["strace", "-f", "-qq", "-e", calls, "-o", log, "-p", str(s.server.process.pid)]
    tracer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    traced = re.compile(r"TracerPid:\s*[1-9]")

    def attached():
        status = f"/proc/{s.server.process.pid}/status"
        with open(status, encoding="ascii") as file:
            return traced.search(file.read())

    wait_until(attached, "strace to be attached")
    s.push()
    tracer.send_signal(signal.SIGTERM)
    tracer.wait()
    # Its process hides its memory, paths among it: what is left is the order.
    text = log.read_text(encoding="utf-8", errors="replace")
    linked = re.search(r"\blink\(.* = 0\n", text)
    before, behind = text[: linked.start()], text[linked.end() :]
    assert re.search(r"O_EXCL.*fsync\(\d+\) += 0.*", before, re.DOTALL), text
    # The file, and the directories, which were new, up to the store's own.
    directories = len(s.object().relative_to(s.server.data / "store").parents)
    assert len(re.findall(r"fsync\(\d+\) += 0", before)) == 1 + directories, text
    assert re.search(r"fsync\(\d+\) += 0.*unlink\(", behind, re.DOTALL), text


# -- who logs in where --


def test_keys_of_each_kind_with_and_without_a_passphrase():
    s = Served()
    home = new_directory("keys")
    secret = home / "passphrase"
    secret.write_text("open sesame\n", encoding="ascii")
    wrong = home / "wrong"
    wrong.write_text("open barley\n", encoding="ascii")
    for kind in ("rsa", "ecdsa", "ed25519"):
        for passphrase in ("", "open sesame"):
            key = make_key(home / f"{kind}-{len(passphrase)}", kind, passphrase)
            s.server.authorize(key)
            options = {"identity_file": key}
            if passphrase:
                for given, cause in (
                    ({}, "the key has a passphrase"),
                    ({"passphrase_file": wrong}, "the passphrase does not open the key"),
                ):
                    s.repo.section = s.server.section("/store", **options, **given)
                    s.repo.configure()
                    result = s.repo.walvault("info").expect(3)
                    assert cause in result.err and "passphrase_file" in result.err, result
                options["passphrase_file"] = secret
            s.repo.section = s.server.section("/store", **options)
            s.repo.configure()
            result = s.repo.walvault("info").expect(0)
            assert "sesame" not in result.err + result.out
            s.push()


def test_a_key_in_the_old_format_never_asks_on_the_terminal():
    s = Served()
    key = new_directory("keys") / "pem"
    words = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "sesame", "-f", key]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    s.server.authorize(key)
    s.repo.section = s.server.section("/store", identity_file=key)
    s.repo.configure()
    # script(1) gives it a terminal that it could ask on.
    command = f"{program('walvault')} info --config {s.repo.config}"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3 and b"the key has a passphrase" in done.stdout, done
    secret = key.with_name("passphrase")
    secret.write_text("sesame", encoding="ascii")
    s.repo.section["passphrase_file"] = secret
    s.repo.configure()
    s.push()


def test_an_agent_has_the_key():
    s = Served()
    path = new_directory("agent") / "socket"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    at_end(agent.kill)
    wait_until(path.exists, "the agent to be up")
    agents = {"SSH_AUTH_SOCK": str(path)}
    s.repo.section = s.server.section("/store", identity_file=None)
    s.repo.configure()
    result = s.push(status=1, env=agents)
    assert "does not take any key of the agent" in result.err, result
    result = s.push(status=1, env={"SSH_AUTH_SOCK": ""})
    assert "authorized_keys" in result.err, result
    words = ["ssh-add", "-q", s.server.key]
    subprocess.run(words, check=True, env={**os.environ, **agents}, stderr=subprocess.DEVNULL)
    s.push(env=agents)


class HungAgent:
    """An agent that takes connections, or not, and never says what it is asked for."""

    def __init__(self, real=None, backlog=8):
        self.path = new_directory("agent") / "hung"
        self._real = real
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(backlog)
        if backlog:
            threading.Thread(target=self._accept, daemon=True).start()
        else:
            self._waiting = socket.socket(socket.AF_UNIX)
            self._waiting.connect(str(self.path))

    def _accept(self):
        self._kept = []
        while True:
            here, _ = self._listener.accept()
            self._kept.append(here)
            if self._real:
                threading.Thread(target=self._pass, args=(here,), daemon=True).start()

    def _pass(self, here):
        """Everything is answered but the request to sign (13)."""
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(str(self._real))
            while message := self._message(here):
                if message[4] == 13:
                    return
                there.sendall(message)
                here.sendall(self._message(there))

    @staticmethod
    def _message(peer):
        head = peer.recv(4, socket.MSG_WAITALL)
        return head and head + peer.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)


def test_an_agent_or_a_resolver_that_hangs_ends_with_connect_timeout():
    s = Served()
    real = new_directory("agent") / "socket"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", real], stdout=subprocess.DEVNULL)
    at_end(agent.kill)
    wait_until(real.exists, "the agent to be up")
    subprocess.run(
        ["ssh-add", "-q", s.server.key],
        check=True,
        env={**os.environ, "SSH_AUTH_SOCK": str(real)},
        stderr=subprocess.DEVNULL,
    )
    names = {"identity_file": None, "connect_timeout": "1s", "retry_for": "2s"}
    s.repo.section = s.server.section("/store", **names)
    s.repo.configure()
    s.push(env={"SSH_AUTH_SOCK": str(real)})
    for hung, words in (
        (HungAgent(), "did not answer in time"),
        (HungAgent(real), "did not answer in time"),
        (HungAgent(backlog=0), "takes no connection"),
    ):
        begin = time.monotonic()
        # There is no deadline for the whole of this program.
        result = s.repo.walvault("info", env={"SSH_AUTH_SOCK": str(hung.path)}).expect(1)
        assert f"{hung.path}: the SSH agent {words}" in result.err, result
        assert "identity_file" in result.err and time.monotonic() - begin < 30, result
    url = s.server.section("/store")["url"].replace("127.0.0.1", "hung.example")
    s.repo.section = s.server.section("/store", url=url, connect_timeout="1s", retry_for="2s")
    s.repo.configure()
    preload = helpers() / "hungdns.so"
    assert preload.exists(), f"there is no {preload}: run make tests"
    hung = {"LD_PRELOAD": str(preload), "HUNG_NAME": "hung.example"}
    if "ASAN_OPTIONS" in os.environ:
        hung["ASAN_OPTIONS"] = f"{os.environ['ASAN_OPTIONS']}:verify_asan_link_order=0"
    begin = time.monotonic()
    result = s.repo.walvault("info", env=hung).expect(1)
    assert "hung.example" in result.err and "the resolver did not answer" in result.err, result
    assert "getent hosts hung.example" in result.err and time.monotonic() - begin < 30, result


def test_a_host_that_is_not_known_or_has_changed_is_refused():
    s = Served()
    s.push()
    known = s.server.known_hosts
    words = ["ssh-keygen", "-lf", s.server.home / "host.pub"]
    fingerprint = subprocess.run(words, check=True, capture_output=True).stdout.split()[1].decode()
    known.write_text("", encoding="ascii")
    for file in (known, known.with_name("nosuchfile")):
        s.repo.section["known_hosts"] = file
        s.repo.configure()
        result = s.push(status=3)
        assert "the host is not known" in result.err and fingerprint in result.err, result
        assert f"ssh-keyscan -p {s.server.port} 127.0.0.1 >> {file}" in result.err, result
        s.fetch(status=200)
        s.fetch(n=1, status=200)
    s.repo.section["known_hosts"] = known
    s.repo.configure()
    for kind in ("ed25519", "rsa"):
        other = make_key(new_directory("other") / "key", kind).with_name("key.pub")
        public = " ".join(other.read_text(encoding="ascii").split()[:2])
        known.write_text(f"[127.0.0.1]:{s.server.port} {public}\n", encoding="ascii")
        result = s.push(status=3)
        assert "the host's key is not the one known" in result.err, result
        assert fingerprint in result.err and "ssh-keygen -f" in result.err, result
        s.fetch(n=1, status=200)
    # What the message says to type is what helps.
    command = re.search(r"ssh-keygen -f \S+ -R '\S+'", result.err)[0]
    subprocess.run(command, shell=True, check=True, capture_output=True)
    command = re.search(r"ssh-keyscan -p \d+ 127.0.0.1 >> [^\s)]+", result.err)[0]
    subprocess.run(command, shell=True, check=True, capture_output=True)
    s.push()


def test_each_thing_that_is_wrong_has_its_own_message():
    s = Served()
    stranger = make_key(new_directory("key") / "stranger")
    empty = new_directory("key") / "empty"
    empty.touch()
    unreadable = new_directory("key") / "unreadable"
    unreadable.touch(0)
    url = s.repo.section["url"]
    cases = {
        "the server does not take the key": {"identity_file": stranger},
        "no such file": {"identity_file": "/nonexistent"},
        "it is no private key": {"identity_file": empty},
        "it is the public half": {"identity_file": f"{stranger}.pub"},
        "who runs this, must be able to read it": {"identity_file": unreadable},
        "passphrase_file names it: is the path right?": {"passphrase_file": "/nonexistent"},
        "the store's directory is not there": {"url": url + "-nosuch"},
        "is the server up": {"url": url.replace(f":{s.server.port}/", ":1/")},
        "its address is not known": {"url": url.replace("127.0.0.1", "no.such.host.invalid")},
        "there is a password in it": {"url": url.replace("@", ":secret@")},
        "not the address of a server": {"url": "sftp:///x"},
        "there is no directory in it": {"url": "sftp://host"},
    }
    asker = Asker(s.repo, "recovery")
    for message, options in cases.items():
        s.repo.section = s.server.section("/store", **options)
        s.repo.configure(timeout="3s")
        result = s.push(status=(1, 3))
        assert message in result.err and not result.without_hint(), (message, result)
        result = asker.fetch(s.names[0]).expect(200)
        assert message in result.err, (message, result)
    assert not s.files(s.names[0])


def test_what_may_not_be_written_or_read_is_told():
    s = Served()
    store = s.server.data / "store"
    wal = next(path for path in store.iterdir())
    for path in (wal, *wal.rglob("*")):
        if path.is_dir():
            path.chmod(0o500)
    result = s.push(status=1)
    assert "Permission denied" in result.err and "must belong to the user" in result.err, result
    for path in (wal, *wal.rglob("*")):
        if path.is_dir():
            path.chmod(0o700)
    s.push()
    s.object().chmod(0)
    result = s.fetch(status=200)
    assert "Permission denied" in result.err, result
    s.object().parent.chmod(0)
    s.fetch(n=1, status=200)
    (store / "main").rename(store / "elsewhere")
    s.fetch(n=1, status=200)


# -- servers that can do less --


def test_without_hard_links_a_store_has_to_have_a_single_writer():
    server = own_server(words="-P hardlink")
    s = Served(init=False, server=server)
    result = s.repo.walvault("init").expect(3)
    assert "hardlink@openssh.com" in result.err and "single_writer = yes" in result.err, result
    assert not s.files(), s.files()
    s.repo.section["single_writer"] = "yes"
    s.repo.configure()
    result = s.repo.walvault("init").expect(0)
    assert "no hard links" in result.err, result
    s.push()
    s.push()
    s.fetch()
    s.object().write_bytes(s.object().read_bytes()[::-1])
    damaged = s.object().read_bytes()
    s.push()
    s.fetch()
    assert damaged in [path.read_bytes() for path in s.object().parent.iterdir()]
    assert not s.files(".*")


def test_without_fsync_a_warning_says_what_that_means():
    s = Served(init=False, server=own_server(words="-P fsync"))
    result = s.repo.walvault("init").expect(0)
    assert "fsync@openssh.com" in result.err and "power cut" in result.err, result
    result = s.push()
    assert "power cut" not in result.err, result
    s.fetch()


def test_an_account_that_may_not_delete_can_archive():
    s = Served(init=False, server=own_server(words="-P remove,rmdir,rename,posix-rename,setstat"))
    s.repo.init()
    s.push()
    s.push()
    s.fetch()
    s.repo.walvault("check", "--no-server")
    before = sorted(s.files())
    s.repo.walvault("check", "--no-server")
    assert sorted(s.files()) == before, "each check leaves something"
    # Each object keeps its temporary name, of the same file.
    assert s.object().stat().st_nlink == 2
    inode = s.object().stat().st_ino
    assert inode in [path.stat().st_ino for path in s.object().parent.glob(".walvault-*")]
    repeated = [path for path in s.object().parent.iterdir() if not path.name.startswith(".")]
    assert repeated == [s.object()]
    # On the server itself those are nothing but leftovers.
    for path in s.files(".walvault-*"):
        os.utime(path, (time.time() - 3 * 86400,) * 2)
    local = Repository(s.pg, section={"url": f"file://{s.server.data}/store"})
    s.push(1)
    result = local.walvault("expire").expect(0)
    assert s.object().stat().st_nlink == 1, (result, s.files())
    assert s.object(1).stat().st_nlink == 2, "its writer may still be at it"
    s.fetch()


def test_a_full_disk_is_told_and_leaves_nothing():
    disk = SmallDisk(16 << 20)
    server = own_server()
    server.data = disk.path
    s = Served(server=server)
    ballast = disk.fill(leave=8192)
    result = s.push(status=1)
    assert "the disk is full" in result.err, result
    assert not s.files(s.names[0]) and not s.files(".walvault-*")
    ballast.unlink()
    s.push()
    s.fetch()


# -- the way breaks --


def test_a_push_that_is_cut_goes_on_where_it_was():
    s = Served()
    s.through_the_cutter()
    for n, up in enumerate((300, 2500, 20000, 60000)):
        s.way.cut(up=up)
        connections = s.way.connections
        result = s.push()
        assert s.way.cuts == n + 1, "it was not cut"
        assert s.way.connections == connections + 2, result
        assert "trying again" in result.err, (up, result, s.server.log())
        s.fetch()
        assert len(s.files(".walvault-*")) == 0
        s.object().unlink()


def test_the_servers_own_process_killed_in_a_push_and_in_a_fetch():
    s = Served()
    s.through_the_cutter()
    s.way.cut(up=20000, keep=True, then=lambda: s.server.signal_children(signal.SIGKILL))
    result = s.push()
    assert s.way.cuts == 1 and "trying again" in result.err, result
    s.way.cut(down=20000, keep=True, then=lambda: s.server.signal_children(signal.SIGKILL))
    result = s.fetch()
    assert s.way.cuts == 2 and "trying again" in result.err, result


def test_what_the_server_took_and_lost_is_found_out():
    server = own_server()
    way = Cutter(server.port)
    pg = Postgres.create(15, autovacuum="off")
    section = server.section("/store")
    section["url"] = section["url"].replace(f":{server.port}/", f":{way.port}/")
    known = server.known_hosts.read_text(encoding="ascii")
    server.known_hosts.write_text(
        known.replace(str(server.port), str(way.port)), encoding="ascii"
    )
    repo = Repository(pg, section=section)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE EXTENSION pgcrypto")
    pg.sql("CREATE TABLE t (b bytea)")
    pg.sql("ALTER TABLE t ALTER b SET STORAGE EXTERNAL")
    pg.sql("INSERT INTO t SELECT gen_random_bytes(1000) FROM generate_series(1, 8000)")

    def lose():
        """As a host that was switched off and on again."""
        server.signal_children(signal.SIGKILL)
        for path in server.data.rglob(".walvault-*"):
            size = path.stat().st_size
            os.truncate(path, 0)
            os.truncate(path, size)

    # More than can be under way without an answer.
    way.cut(up=5 << 20, then=lose)
    segment = pg.archive_all()
    assert way.cuts == 1
    assert "has lost bytes" in pg.log(), pg.log_tail()
    way.cut(up=5 << 20)
    result = repo.run("basebackup", "--fast", "--jobs", "1", "--conninfo", pg.conninfo())
    assert way.cuts == 2 and "trying again" in result.expect(0).err, result
    repo.walvault("verify", "--wal").expect(0)
    Asker(repo, "recovery").fetch(segment).expect(0)


def test_a_server_that_hangs_is_given_up_within_the_deadline():
    s = Served()
    s.push()
    s.through_the_cutter(stall_timeout="1s", answer_timeout="1s", connect_timeout="1s")
    at_end(lambda: s.server.signal_children(signal.SIGCONT))
    for up in (1000, 3500, 20000):
        s.way.cut(up=up, keep=True, then=lambda: s.server.signal_children(signal.SIGSTOP))
        s.repo.configure(timeout="5s")
        cuts = s.way.cuts
        began = time.monotonic()
        # Whoever is told to stop stays stopped; the next connection is a new process.
        s.push(n=1, status=(0, 1))
        assert time.monotonic() - began < 8
        assert s.way.cuts == cuts + 1
        s.server.signal_children(signal.SIGKILL)
    os.kill(s.server.process.pid, signal.SIGSTOP)
    at_end(os.kill, s.server.process.pid, signal.SIGCONT)
    for status, run in ((1, lambda: s.push(n=2, status=1)), (200, lambda: s.fetch(status=200))):
        began = time.monotonic()
        result = run()
        assert time.monotonic() - began < 8, status
        assert "no answer" in result.err and "tried" in result.err, result


def test_what_killed_writers_left_is_swept():
    s = Served()
    s.push()
    old = s.object().with_name(".walvault-0123456789abcdef")
    new = s.object().with_name(".walvault-fedcba9876543210")
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3 * 86400,) * 2)
    s.repo.walvault("expire").expect(0)
    assert not old.exists() and new.exists()


@time_limit(600)
def test_a_recovery_stops_while_the_server_is_away_and_goes_on_later():
    server = own_server()
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = Repository(pg, timeout="3s", section=server.section("/store"))
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (n int)")
    base = BaseCopy(pg)
    for n in range(3):
        pg.sql("INSERT INTO t VALUES (%s)", n)
        pg.archive_all()
    pg.destroy()
    restored = base.restore(repo)
    known = server.known_hosts.read_text(encoding="ascii")
    store = server.data / "store"
    away = store.with_name("away")

    def empty_mount_point():
        store.rename(away)
        store.mkdir()

    def back():
        store.rmdir()
        away.rename(store)

    faults = (
        (server.stop, server.start),
        (lambda: os.kill(server.process.pid, signal.SIGSTOP),
         lambda: os.kill(server.process.pid, signal.SIGCONT)),
        (lambda: server.known_hosts.write_text("", encoding="ascii"),
         lambda: server.known_hosts.write_text(known, encoding="ascii")),
        (lambda: store.rename(away), lambda: away.rename(store)),
        (empty_mount_point, back),
        (lambda: (store / "main").chmod(0), lambda: (store / "main").chmod(0o700)),
    )
    for begin, end in faults:
        begin()
        restored.start(wait=False)
        assert restored.wait_exit(60) != 0, restored.log_tail()
        assert "selected new timeline" not in restored.log(), restored.log_tail()
        assert (restored.data / "recovery.signal").exists(), restored.log_tail()
        end()
    restored.start().wait_promoted()
    assert [n for (n,) in restored.sql("SELECT n FROM t ORDER BY n")] == [0, 1, 2]


# -- the module --


def test_it_needs_only_libraries_of_its_own():
    s = Served()
    log = new_directory("strace") / "log"
    run_program(
        *("strace", "-f", "-qq", "-e", "trace=openat", "-o", log),
        *(program("walpush"), f"pg_wal/{s.names[0]}"),
        env={
            "WALVAULT_CONFIG": str(s.repo.config),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0",
        },
        cwd=s.pg.data,
    ).expect(0)
    opened = log.read_text(encoding="utf-8", errors="replace")
    assert "store-sftp" in opened and "libssh.so" in opened
    assert not re.search("libcurl|libpq|libexpat|jansson|store-http", opened), opened
