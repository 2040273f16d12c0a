# SPDX-License-Identifier: PostgreSQL
"""What the manuals say of base backups is true of a real one."""

import json
import re
import subprocess

from walvault_test import Postgres, Repository, time_limit
from walvault_test.cases import new_directory
from walvault_test.documents import (
    assert_names,
    assert_same,
    described_json,
    items,
    load_program,
    names_in,
    need,
    sections,
    stock_lz4,
)
from walvault_test.restoring import Started


class Cluster:
    """A cluster with a tablespace and a large table, and one backup of it."""

    def __init__(self):
        self.pg = Postgres.create(15, initdb=("-k",), segsize_mib=1, autovacuum="off")
        self.repo = Repository(self.pg)
        self.repo.enable_archiving(archive_timeout=0)
        self.pg.start()
        self.repo.init()
        self.space = new_directory("space")
        self.pg.sql(f"CREATE TABLESPACE other LOCATION '{self.space}'")
        self.pg.sql("CREATE TABLE there (i int) TABLESPACE other")
        self.pg.sql("INSERT INTO there SELECT generate_series(1, 1000)")

    def back_up(self, *options):
        done = self.repo.run(
            "basebackup", "--fast", "--json", *options, "--conninfo", self.pg.conninfo()
        )
        self.answer = done.expect(0).json()
        return self.answer

    @property
    def directory(self):
        return self.repo.system_directory() / "backup" / self.answer["id"]

    def manifest(self):
        need("lz4")
        return [json.loads(line) for line in stock_lz4(self.directory / "manifest").splitlines()]


# -- the manifest --


def described_lists():
    """For each tagged list of "The manifest": name -> is it in the summary, too?"""
    lists = []
    for line in sections("walvault-format.7")["BASE BACKUPS", "The manifest"]:
        if line.startswith(".Bl "):
            lists.append({})
        elif line.startswith(".It Li "):
            names = line[len(".It Li ") :].removesuffix(" *").split(" , ")
            lists[-1].update(dict.fromkeys(names, line.endswith(" *")))
    return [names for names in lists if names]


def plain_names(objects):
    """The names of JSON objects, without the mark of hexadecimal ones."""
    return set().union(*({name.removesuffix("x") for name in x if name != "x"} for x in objects))


def test_the_format_names_every_field_of_a_manifest_and_no_other():
    cluster = Cluster()
    cluster.back_up("--label", "of a test", "--annotate", "ticket=4711")
    head, *lines = cluster.manifest()
    entries = [line for line in lines if "t" in line]
    packs = [line for line in lines if "pack" in line]
    [end] = [line for line in lines if "end" in line]
    assert lines == entries + packs + [end], "in this order"
    said_head, said_entry, said_pack, said_end = described_lists()
    assert_same(dict.fromkeys(head, 0), dict.fromkeys(said_head, 0), "head")
    text = "\n".join(sections("walvault-format.7")["BASE BACKUPS", "The manifest"])
    for name in head["settings"]:
        assert re.search(rf"\b{name}\b", text), name
    # These come only with a damaged page and with files outside the data directory.
    found = plain_names(entries) | {"bad", "outside", "x"}
    assert_same(dict.fromkeys(found, 0), dict.fromkeys(said_entry, 0), "entries")
    assert_same(dict.fromkeys(plain_names(packs), 0), dict.fromkeys(said_pack, 0), "packs")
    assert_same(dict.fromkeys(end, 0), dict.fromkeys(said_end, 0), "end")
    assert {len(piece) for entry in entries for piece in entry.get("x", [])} == {9}

    summary = json.loads(header_fields(cluster.directory / "manifest")[12])
    starred = {name for name, is_starred in said_head.items() if is_starred}
    assert_same(summary, {name: head[name] for name in starred}, "summary")


def test_the_formats_example_of_a_manifest_has_the_fields_that_it_describes():
    text = "\n".join(sections("walvault-format.7")["BASE BACKUPS", "The manifest"])
    [example] = re.findall(r"(?s)\.Bd -literal\n(.*?)\n\.Ed", text)
    lines, end = [], 0
    while end < len(example):
        line, end = json.JSONDecoder().raw_decode(example, end)
        lines.append(line)
        end += 1
    _, said_entry, said_pack, said_end = described_lists()
    *entries, pack, last = lines
    assert [entry["p"] for entry in entries] == sorted(entry["p"] for entry in entries)
    assert plain_names(entries) | {"bad", "outside", "x"} == said_entry.keys()
    assert (pack.keys(), last.keys()) == (said_pack.keys(), said_end.keys())
    for count, kind in (("files", "f"), ("dirs", "d"), ("links", "l")):
        assert last[count] == sum(entry["t"] == kind for entry in entries), count
    for entry in entries:
        for _, number, offset, stored, _, _, length, _, crc in entry.get("x", []):
            assert (number, length, crc) == (pack["pack"], entry["s"], entry["c"])
            assert pack["head"] + offset + stored < pack["stored"]


def header_fields(path):
    """number -> value of the fields of an object's header."""
    reader = load_program("contrib/read-object.py")
    with open(path, "rb") as file:
        fields, _ = reader.read_frame(file, 0, reader.HEADER_MAGIC, reader.HEADER_MAX)
    return {number: value for number, _, value in fields}


def restore_aside(cluster):
    """A restore whose recovery somebody may yet start."""
    place = new_directory("restored")
    words = ("--tablespace-dir", place / "tablespaces", place / "data")
    cluster.repo.run("pitr-restore", *words).expect(0)


def test_the_format_names_every_line_of_a_backups_notes():
    cluster = Cluster()
    backup = cluster.back_up()["id"]
    cluster.repo.walvault("hold", backup, "--until", "2099-01-01 00:00:00Z").expect(0)
    restore_aside(cluster)
    notes = [cluster.directory / "begin"]
    for kind in ("hold", "restore"):
        notes += cluster.directory.glob(f"{kind}-*")
    assert len(notes) == 3
    lines = sections("walvault-format.7")["BASE BACKUPS", "Notes of a backup"]
    described = {
        name
        for match, _ in items(lines, r"\.It ([a-z_ ,]+)")
        for name in match[1].split(" , ")
    }
    found = set()
    for note in notes:
        text = note.read_text(encoding="utf-8")
        assert re.fullmatch(r"(\w+ = .*\n)+sum = [0-9a-f]{32}\n", text), text
        found |= set(re.findall(r"(?m)^(\w+) = ", text)) - {"sum"}
    assert_same(
        dict.fromkeys(found | {"unfinished"}, 0), dict.fromkeys(described, 0), "lines of notes"
    )


# -- JSON --


def test_the_manuals_name_the_fields_of_every_json_answer_about_backups():
    cluster = Cluster()
    first = cluster.back_up("--label", "x", "--annotate", "ticket=4711")
    described = described_json("basebackup.1")["basebackup"]
    del first["annotations"]["ticket"]
    assert_names(first, described, {"path", "block"})
    cluster.repo.walvault("hold", first["id"], "--reason", "a test").expect(0)
    cluster.pg.archive_all()
    second = cluster.back_up()["id"]
    cluster.pg.archive_all()
    restore_aside(cluster)
    verbs = described_json("walvault.1")
    expire = cluster.repo.json("expire", "--keep-full", "1", "--dry-run")
    assert_names(expire, verbs["expire"])
    verify = cluster.repo.json("verify", "--wal", second)
    assert_names(verify, verbs["verify"], {"object", "text", "cost", "set_aside"})
    damage(cluster.directory / "pack-000001")
    verify = cluster.repo.json("verify", status=1)
    assert_names(verify, verbs["verify"])
    (cluster.directory / "manifest").unlink()  # as if it had not been finished
    info = cluster.repo.json("info")
    for backup in info["systems"][0]["backups"]:
        backup.get("annotations", {}).clear()
    # These come only with gaps and damaged segments, and with several stores.
    rare = {"after", "before", "missing", "segment"} | {"stores", "name", "error"}
    assert_names(info, verbs["info"], rare)


def test_the_manual_names_the_fields_of_a_plan_and_of_what_became_of_it():
    cluster = Cluster()
    cluster.back_up()
    cluster.pg.sql("CREATE TABLE t (i int)")
    target = cluster.pg.value("SELECT txid_current()")
    cluster.pg.sql("CREATE TABLE u (i int)")
    cluster.pg.archive_all()
    described = described_json("pitr-restore.1")["pitr-restore"]
    destination = new_directory("restored") / "data"
    reached = ("--to-xid", target, "--exclusive", "--tablespace-dir", destination.with_name("t"))
    bindir = ("--bindir", cluster.pg.bin)
    names = {"left_at"}  # on a line with ancestors
    for words, status in (
        ((*reached, "--plan", destination), 0),
        (("--to-xid", target + 1000, "--plan"), 2),
        ((*reached, "--start", *bindir, destination), 0),
    ):
        done = cluster.repo.run("pitr-restore", "--json", *map(str, words))
        answer = done.expect(status).json()
        assert answer["format"] == 1
        assert answer["reachable"] == (status == 0)
        names |= names_in(answer) - {"format"}
        if answer.get("server"):
            Started(destination, answer)  # stops it when the test ends
    assert_same(dict.fromkeys(names, 0), dict.fromkeys(described, 0), "pitr-restore")


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


# -- without walvault --


def stock_recipes():
    """The shell scripts of STOCK TOOLS."""
    lines = "\n".join(sections("walvault-format.7")["STOCK TOOLS", ""])
    return [
        part.replace("\\e", "\\")
        for part in re.findall(r"(?s)\.Bd -literal[^\n]*\n(.*?)\n\.Ed", lines)
    ]


@time_limit(600)
def test_stock_tools_bring_a_backup_back_as_the_format_says():
    need("lz4")
    cluster = Cluster()
    pg = cluster.pg
    pg.sql("CREATE TABLE big AS SELECT generate_series(1, 2200000) AS i")  # 76 MiB
    cluster.back_up()
    pg.sql("CREATE TABLE after AS SELECT generate_series(1, 100) AS i")
    pg.archive_all()
    pg.stop()
    segment, _, unpack, join, spaces, restore_command, _ = stock_recipes()
    assert "lz4 -dc" in segment

    work = new_directory("by-hand")
    for pack in cluster.directory.glob("pack-*"):
        (work / pack.name).symlink_to(pack)
    for script in (unpack, join, spaces):
        subprocess.run(["sh", "-ec", script], cwd=work, check=True)
    assert not list(work.rglob("*walvault-part*"))
    data = work / "main"
    (data / "recovery.signal").touch()
    again = Postgres(15, data, pg.segsize)
    name, value = restore_command.split(" = ", 1)
    assert name == "restore_command"
    value = value.strip("'").replace("/mnt/wal", str(cluster.repo.system_directory() / "wal"))
    again.configure(restore_command=value, archive_mode="off")
    again.start().wait_promoted()
    assert again.value("SELECT sum(i) FROM big") == 2200000 * 2200001 // 2
    assert again.value("SELECT count(*) FROM there") == 1000
    assert again.value("SELECT count(*) FROM after") == 100
