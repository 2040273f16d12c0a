# SPDX-License-Identifier: PostgreSQL
"""How many requests the programs make of an S3 service, and what index objects spare."""

import json
import tempfile
from pathlib import Path

from walvault_test import run_program, time_limit
from walvault_test.cases import new_directory
from walvault_test.documents import facts_of, need
from walvault_test.programs import helpers, program
from walvault_test.scripted import ALWAYS, ScriptedS3, does_it_and_hangs_up, error, says


class Many:
    """A repository of many small segments and one backup, on a scripted service."""

    def __init__(self, segments, first=1):
        self.server = ScriptedS3()
        # Ten thousand objects are durable at once where nothing waits for a disk.
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        with tempfile.TemporaryDirectory(prefix="walvault-many-", dir=memory) as directory:
            words = (directory, str(segments), str(first))
            run_program(helpers() / "manysegments", *words, timeout=300).expect()
            store = Path(directory) / "store"
            for path in store.rglob("*"):
                if path.is_file():
                    key = path.relative_to(store)
                    self.server.objects[f"/bucket/some/prefix/{key}"] = path.read_bytes()
        self.environment = {
            "AWS_ACCESS_KEY_ID": "AKIDSCRIPTED",
            "AWS_SECRET_ACCESS_KEY": "averysecretsecretkey",
            "AWS_ENDPOINT_URL": self.server.endpoint,
            "WALVAULT_CONFIG": "/dev/null",
            "WALVAULT_STATE_DIR": str(new_directory("state")),
        }

    def run(self, name, *words, status=0):
        """The program's output, and what it asked of the service."""
        self.server.calm()
        where = ("--store", "s3://bucket/some/prefix", "--cluster", "main")
        result = run_program(program(name), *words, *where, env=self.environment, timeout=300)
        return result.expect(status).out, self.server.asked()

    def index(self):
        return sorted(path for path in self.server.objects if "/index/" in path)

    def ask_everything(self):
        """What is to be the same with and without an index."""
        return [
            json.loads(self.run("walvault", "info", "--json")[0]),
            self.run("walvault", "find", "--lsn", "0/1000000")[0],
            self.run("walvault", "find", "--latest")[0],
            self.run("pitr-restore", "--plan")[0],
            self.run("walvault", "verify")[0],
        ]


def is_as_the_manual_says(index, objects):
    """An independent reader finds in it what it finds in the objects themselves."""
    need("xxhsum")
    need("lz4")
    files = new_directory("objects")

    def facts(path):
        (files / "object").write_bytes(objects[path])
        return facts_of(files / "object")

    found = facts(index)
    assert found["kind"] == "index" and not found["replaced"], found
    # 80 segments, the identity, and the backup's begin and manifest.
    assert len(found["entries"]) == 83
    for entry in found["entries"][:10] + found["entries"][-2:]:
        path = f"/bucket/some/prefix/main/{entry['key']}"
        assert entry["size"] == len(objects[path]), entry
        assert entry["time"].startswith("2026-11-20 02:00:00"), entry
        if "whole" in entry:
            assert entry["whole"].encode() == objects[path], entry
            continue
        own = facts(path)
        for name in {*entry["header"]} - {"kind", "codec", "repository", "created", "writer"}:
            assert own[name] == entry["header"][name], (name, entry, own)


@time_limit(300)
def test_info_of_ten_thousand_segments_is_less_than_fifteen_requests():
    many = Many(10000)
    many.run("walvault", "expire")
    (index,) = many.index()
    entries = len(many.server.objects[index]) / 10000
    assert entries < 300, f"{entries} bytes a segment"
    out, asked = many.run("walvault", "info", "--json")
    assert json.loads(out)["systems"][0]["timelines"][0]["ranges"][0]["segments"] == 10000, out
    assert len(asked) < 15, asked
    assert len([line for line in asked if "list-type" in line]) == 11, asked
    for words in (("find", "--latest"), ("find", "--lsn", "1/0")):
        _, asked = many.run("walvault", *words)
        assert len(asked) < 25, asked
    _, asked = many.run("walvault", "check", "--no-server")
    assert len(asked) < 40, asked
    _, asked = many.run("pitr-restore", "--plan")
    assert len(asked) < 40, asked


def test_an_index_changes_no_answer():
    many = Many(80)
    plain = many.ask_everything()
    objects = dict(many.server.objects)
    many.run("walvault", "expire")
    (index,) = many.index()
    assert many.ask_everything() == plain
    is_as_the_manual_says(index, many.server.objects)
    # It is believed only as far as it agrees with the listing.
    segment = sorted(path for path in objects if "/wal/" in path)[40]
    many.server.objects[segment] = b"quite another thing"
    _, asked = many.run("walvault", "info", "--json")
    assert any(f"GET {segment}" in line for line in asked), asked
    damaged = many.run("walvault", "info", "--json")[0]
    del many.server.objects[index]
    assert many.run("walvault", "info", "--json")[0] == damaged
    assert segment.rsplit("/", 1)[1] in damaged


def test_an_index_that_is_damaged_or_cannot_be_read_is_passed_over():
    many = Many(80)
    plain = many.ask_everything()
    many.run("walvault", "expire")
    (index,) = many.index()
    whole = many.server.objects[index]
    for bad in (b"", whole[:-1], whole[:2000] + b"x" + whole[2001:], whole + b"x"):
        many.server.objects[index] = bad
        assert many.ask_everything()[:4] == plain[:4]
    many.server.objects[index] = whole
    many.server.calm()
    many.server.on("GET .*/index/", says(error(403, "AccessDenied")), times=ALWAYS)
    where = ("--store", "s3://bucket/some/prefix", "--cluster", "main")
    result = run_program(
        program("walvault"), "info", "--json", *where, env=many.environment
    ).expect(0)
    assert json.loads(result.out) == plain[0]


def test_whoever_may_not_delete_adds_and_expire_tidies_up():
    many = Many(80)
    keep = {path: body for path, body in many.server.objects.items() if "/wal/" in path}
    some = sorted(keep)
    for path in some[20:]:
        del many.server.objects[path]
    many.run("walvault", "verify")
    assert len(many.index()) == 1
    for n in (40, 60, 80):
        many.server.objects.update((path, keep[path]) for path in some[:n])
        many.run("walvault", "verify")
    assert len(many.index()) == 4
    _, asked = many.run("walvault", "info")
    assert len([line for line in asked if "/index/" in line]) == 1, asked
    assert not [line for line in asked if "/wal/" in line], asked
    # For less than what it is worth nothing is written.
    del many.server.objects[some[-1]]
    many.run("walvault", "verify")
    assert len(many.index()) == 4
    many.run("walvault", "expire")
    assert len(many.index()) == 1


def test_expire_deletes_a_thousand_by_one_request_and_tells_what_it_could_not():
    many = Many(1300, first=1251)
    wal = sorted(path for path in many.server.objects if "/wal/" in path)
    locked = wal[700]
    many.server.undeletable.add(locked)
    # The first answer is lost on the way.
    many.server.on("POST /bucket.* delete", does_it_and_hangs_up)
    many.server.on("POST /bucket.* delete", says(error(503, "SlowDown")))
    rules = ("expire", "--keep-full", "1")
    where = ("--store", "s3://bucket/some/prefix", "--cluster", "main")
    result = run_program(program("walvault"), *rules, *where, env=many.environment).expect(1)
    assert locked in result.err and "s3:DeleteObject" in result.err, result
    left = sorted(path for path in many.server.objects if "/wal/" in path)
    assert left == [locked, *wal[1250:]], len(left)
    assert len(many.server.asked("^POST .* delete")) == 4, many.server.asked("^POST")
    assert not many.server.asked("^DELETE .*/wal/"), many.server.asked("^DELETE")
    assert not many.server.asked("^HEAD .*/wal/"), many.server.asked("^HEAD")
    many.server.undeletable.clear()
    many.run("walvault", *rules)
    assert sorted(path for path in many.server.objects if "/wal/" in path) == wal[1250:]


def test_expire_manages_without_the_request_for_many():
    many = Many(60, first=31)
    many.server.on("POST /bucket.* delete", says(error(501, "NotImplemented")), times=ALWAYS)
    many.server.objects = dict(many.server.objects)
    where = ("--store", "s3://bucket/some/prefix", "--cluster", "main")
    rules = ("expire", "--keep-full", "1")
    run_program(program("walvault"), *rules, *where, env=many.environment).expect(0)
    assert len([path for path in many.server.objects if "/wal/" in path]) == 30
