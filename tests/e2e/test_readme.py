# SPDX-License-Identifier: PostgreSQL
"""Whoever follows README arrives where it says."""

import os
import re
import shutil
from pathlib import Path

from walvault_test import Postgres, Skip, run_program
from walvault_test.cases import at_end, new_directory
from walvault_test.documents import readme_blocks, source, text_of
from walvault_test.programs import program

SET_UP = "A set-up in five minutes"
RECOVERY = "Recovery, at three in the morning"


class Administrator:
    """Follows README on this machine: with other paths, and without sudo."""

    def __init__(self, pg):
        self.pg = pg
        self.root = new_directory("root")
        self.outputs = {}  # by the command's line, as README has it
        self.replaced = {
            "/etc/walvault": str(self.root / "etc"),
            "/srv/drill": str(self.root / "drill"),
            "/var/backups/walvault": str(self.root / "store"),
            "/var/lib/walvault": str(self.root / "state"),
            "/var/lib/postgresql/15/main": str(pg.data),
            "/usr/local/bin/": f"{program('walpush').parent}/",
            "-o postgres ": "",
        }
        self.environment = {
            "PATH": f"{program('walpush').parent}:{pg.bin}:/usr/bin:/bin",
            "WALVAULT_CONFIG": str(self.root / "etc/walvault.conf"),
            "PGHOST": str(pg.socket_directory),
            "PGPORT": "5432",
            "PGUSER": "postgres",
        }
        pg.environment = {"WALVAULT_CONFIG": self.environment["WALVAULT_CONFIG"]}

    def translate(self, text):
        for ours, theirs in self.replaced.items():
            text = text.replace(ours, theirs)
        return text

    def follow(self, blocks):
        for language, text in blocks:
            if language == "ini":
                conf = self.root / "etc/walvault.conf"
                conf.write_text(self.translate(text), encoding="utf-8")
                with open(conf, "a", encoding="utf-8") as file:
                    # The state directory is a default, so README does not name it.
                    file.write(f"[defaults]\nstate_dir = {self.root / 'state'}\n")
            elif language == "conf":
                with open(self.pg.data / "postgresql.conf", "a", encoding="utf-8") as conf:
                    conf.write(self.translate(text))
            elif language == "cron":
                when, command = re.fullmatch(r"(.*?)  postgres  (.*)\n", text).groups()
                assert len(when.split()) == 5
                self.run(command)
            elif language == "sh":
                for line in text.splitlines():
                    self.run(line)
            else:
                assert language == "text", language

    def run(self, line):
        service = re.fullmatch(r"sudo systemctl (\w+) postgresql@15-main", line)
        timer = re.fullmatch(r"sudo systemctl enable --now (\S+)\.timer", line)
        if service:
            {"start": self.pg.start, "stop": self.pg.stop, "restart": self.pg.restart}[service[1]]()
        elif timer:
            self.run_unit(timer[1])
        else:
            self.execute(line)

    def execute(self, line, **environment):
        command = re.sub(r"^sudo (-u postgres )?", "", self.translate(line))
        result = run_program("bash", "-c", command, env={**self.environment, **environment})
        self.outputs[line] = result.expect(0).out
        if "pg_wal_replay_resume" in line:
            self.pg.wait_promoted()

    def run_unit(self, name):
        """What a timer's service does, when its time has come."""
        assert source(f"contrib/systemd/{name}.timer").exists()
        unit = text_of(f"contrib/systemd/{name}.service")
        assert "\nUser=postgres\n" in unit
        for command in re.findall(r"(?m)^ExecStart=(.*)$", unit):
            self.execute(command)

    def output(self, beginning):
        """What the last command printed that README writes so."""
        [found] = [line for line in self.outputs if beginning in line][-1:]
        return self.outputs[found]

    def backups(self):
        return list((self.root / "store").glob("main/*/backup/*/manifest"))


def rows_of(pg):
    return [row[0] for row in pg.sql("SELECT i FROM t ORDER BY i")]


def stop_server(pg, data):
    """Ends the server that pitr-restore has started in a directory, if there is one."""
    pid_file = data / "postmaster.pid"
    if pid_file.exists():
        socket = Path(pid_file.read_text(encoding="utf-8").splitlines()[4])
        run_program(pg.bin / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop").expect(0)
        socket.rmdir()


def now(pg):
    return pg.value("SELECT to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')")


def set_up(pg):
    """Follows the set-up; the person who did."""
    you = Administrator(pg)
    drill = you.root / "drill/main"
    at_end(stop_server, pg, drill)
    first, *blocks = readme_blocks(SET_UP)
    assert first == ("sh", "sudo make deps\nmake\nsudo make install\n")
    you.follow(blocks)
    assert "archived WAL" in you.output("check") and "CRITICAL" not in you.output("check")
    assert "segments of 16 MiB" in you.output("info")
    assert "gaps" not in you.output("info")
    assert len(you.backups()) == 3, "by hand, by the timer, by cron"
    assert "walvault.plan" in os.listdir(drill)
    stop_server(pg, drill)
    return you


def follow_the_sheet(you):
    """On another host: no configuration, nothing but the sheet."""
    [sheet] = [text for language, text in readme_blocks(RECOVERY) if language == "text"]
    commands = re.findall(r"(?m)^  ((?:walvault|pitr-restore) .*)$", sheet)
    assert [command.split()[0] for command in commands] == ["walvault", *["pitr-restore"] * 2]
    (you.root / "empty.conf").touch()
    destination = you.root / "elsewhere"
    at_end(stop_server, you.pg, destination)
    moment = now(you.pg)
    you.pg.sql("CREATE TABLE later (i int)")
    you.pg.archive_all()
    for command in commands:
        command = re.sub(" DEST$", f" {destination}", command) + f" --sysid {you.pg.sysid}"
        if command.startswith("pitr-restore"):
            command += f" --to-time '{moment}'"
        you.execute(command, WALVAULT_CONFIG=str(you.root / "empty.conf"))
    stop_server(you.pg, destination)
    shutil.rmtree(destination)


def test_the_set_up_and_the_recovery_of_the_readme_work_as_written():
    pg = Postgres.create(15, autovacuum="off", archive_timeout="0")
    pg.start()
    you = set_up(pg)
    follow_the_sheet(you)

    pg.sql("CREATE TABLE t (i int)")
    pg.sql("INSERT INTO t SELECT generate_series(1, 10)")
    moment = now(pg)
    pg.sql("INSERT INTO t VALUES (11)")  # in a segment that is not archived yet
    you.follow(
        (language, re.sub(r"--to-time '[^']*'", f"--to-time '{moment}'", text))
        for language, text in readme_blocks(RECOVERY)
    )
    assert you.output("pg_is_wal_replay_paused").split()[4] == "t"
    assert rows_of(pg) == list(range(1, 11))
    assert pg.timeline() == 2
    assert "recovery_target" not in (pg.data / "postgresql.auto.conf").read_text()
    assert os.path.isdir(f"{pg.data}.lost")
    assert list((you.root / "store").rglob("00000002.history")), "the new history"
    assert len(you.backups()) == 4


def test_the_units_of_systemd_are_right():
    if shutil.which("systemd-analyze") is None:
        raise Skip("systemd-analyze is not installed")
    directory = new_directory("units")
    names = [f"walvault-{what}.{kind}" for what in ("backup", "sync") for kind in ("service", "timer")]
    for name in names:
        text = text_of("contrib/systemd", name)
        text = text.replace("/usr/local/bin/", f"{program('walpush').parent}/")
        (directory / name).write_text(text, encoding="utf-8")
    result = run_program("systemd-analyze", "verify", "--man=no", *sorted(directory.iterdir()))
    complaints = [line for line in result.err.splitlines() if "walvault" in line]
    assert not complaints, result


def test_the_readme_names_only_what_is_in_the_tree():
    text = text_of("README.md")
    for path in re.findall(r"`((?:man|conf\.d|contrib|tests)/[a-z\d_./-]+)`", text):
        assert source(path).exists(), path
    for page, section in re.findall(r"`([\w.-]+)\((\d)\)`", text):
        assert source("man", f"{page}.{section}").exists(), page
