# SPDX-License-Identifier: PostgreSQL
"""What the manuals and samples say is true, and stays true."""

import datetime
import os
import re
import shutil

from walvault_test import (
    BaseCopy,
    Postgres,
    Repository,
    majors,
    run_program,
    seeded_random,
)
from walvault_test.cases import new_directory
from walvault_test.documents import (
    assert_names,
    assert_same,
    described_json,
    facts_of,
    items,
    load_program,
    need,
    read_object,
    sections,
    source,
    stock_lz4,
    text_of,
    xxhsum128,
)
from walvault_test.installed import client_program
from walvault_test.programs import program
from walvault_test.stored import stored_bytes

VERBS = (
    *("init", "info", "check", "find", "ls", "cat"),
    *("expire", "hold", "release", "verify", "rescue", "sync", "repair", "config"),
)
PROGRAMS = ("walpush", "walfetch", "basebackup", "pitr-restore")


# -- the manuals' form --


def manuals():
    return sorted(source("man").glob("*.[1-9]"))


def test_the_manuals_pass_lint():
    need("mandoc")
    assert len(manuals()) == 12, manuals()
    for page in manuals():
        result = run_program("mandoc", "-T", "lint", "-W", "warning", page)
        assert result.status == 0 and result.out == "", result


# -- options: --help, the table, the manuals, the samples --

HELP_LINE = re.compile(r"  --(?P<name>[a-z-]+)(?: (?P<arg>[A-Z=]+))? +(?P<text>.*)")


def help_options(*command):
    """name -> (argument, default) of every option in a program's --help."""
    found = {}
    for line in run_program(*command, "--help").expect(0).out.splitlines():
        match = HELP_LINE.fullmatch(line)
        if match:
            default = re.search(r" \[([^]]*)\]$", match["text"])
            found[match["name"]] = (match["arg"], default[1] if default else None)
    return found


def said_default(words):
    """(default or None, lowest, highest) as the manual gives them."""
    match = re.search(
        r"^Default: (?P<default>[^;\n]+?)"
        r"(?:; (?:from (?P<low>\S+) to (?P<high>\S+)|[a-z ]+))?\.$",
        words,
        re.MULTILINE,
    )
    if match is None:
        return None, None, None
    default = match["default"]
    return (None if default == "none" else default), match["low"], match["high"]


def manual_options(lines):
    """name -> (argument, default) of the options a manual's section describes."""
    return {
        match["name"]: (match["arg"], said_default(words)[0])
        for match, words in items(lines, r"\.It Fl -(?P<name>[a-z-]+)(?: Ar (?P<arg>[A-Z=]+))?")
    }


def test_every_option_of_help_is_in_the_manual_with_its_default_and_no_other():
    for name in PROGRAMS:
        described = manual_options(sections(f"{name}.1")["OPTIONS", ""])
        assert_same(described, help_options(program(name)), name)
    manual = sections("walvault.1")
    common = manual_options(manual["OPTIONS", ""])
    for verb in VERBS:
        own = manual_options(manual["DESCRIPTION", verb])
        assert_same({**common, **own}, help_options(program("walvault"), verb), verb)
        assert not own.keys() & common.keys(), verb


def test_the_manual_has_every_verb_and_no_other():
    printed = run_program(program("walvault"), "--help").expect(0).out
    assert set(re.findall(r"^  ([a-z]+) ", printed, re.MULTILINE)) == set(VERBS)
    described = {verb for part, verb in sections("walvault.1") if part == "DESCRIPTION"} - {""}
    assert described == set(VERBS)
    synopsis = "\n".join(sections("walvault.1")["SYNOPSIS", ""])
    assert re.findall(r"^\.Cm ([a-z]+)$", synopsis, re.MULTILINE) == list(VERBS)


def said_ranges():
    """(option's variable, lowest, highest) wherever a manual gives a range."""
    pattern = r"\.It (?:Fl -|Li )(?P<name>[a-z_-]+)(?: Ar [A-Z]+)?"
    for page in (*(f"{name}.1" for name in PROGRAMS), "walvault.1", "walvault.conf.5"):
        for (part, sub), lines in sections(page).items():
            for match, words in items(lines, pattern):
                _, low, high = said_default(words)
                if low is not None:
                    name = match["name"].upper().replace("-", "_")
                    store = "STORE_LOCAL_" if sub == "[store NAME]" else ""
                    yield f"WALVAULT_{store}{name}", low, high


# An option is taken in a store of its kind alone.
KINDS = {
    "COMMAND_TIMEOUT": "exec:command",
    **dict.fromkeys(("DIR_MODE", "FILE_MODE"), "file:///store"),
}


def test_the_ranges_in_the_manuals_are_those_that_programs_enforce():
    sample = source("conf.d/minimal.conf")
    seen = set()
    for variable, low, high in said_ranges():
        seen.add(variable)
        kind = KINDS.get(variable.removeprefix("WALVAULT_STORE_LOCAL_"), "s3://bucket/prefix")
        words = [program("walvault"), "config", "--config", sample]
        given = {"WALVAULT_STORE_LOCAL_URL": kind}
        result = run_program(*words, env={**given, variable: "0"}).expect(3)
        assert f" from {low} to {high}" in result.err, result
        for value in (low, high):
            run_program(*words, env={**given, variable: value}).expect(0)
    assert len(seen) >= 23, seen


URLS = {
    **{"file": "file:///store", "s3": "s3://bucket/x", "azure": "azure://bucket/x"},
    **{"gs": "gs://bucket/x", "sftp": "sftp://user@host/x", "exec": "exec:command"},
}


def test_the_manual_says_which_options_each_kind_of_store_takes():
    [lines] = [
        lines
        for (_, sub), lines in sections("walvault.conf.5").items()
        if sub == "[store NAME]"
    ]
    described = {
        match[1]: {word for line in words.splitlines() for word in line.split()[1:]} - {","}
        for match, words in items(lines[: lines.index(".It Li url")], r"\.It of Li (\w+)")
    }
    assert described.keys() == URLS.keys()
    written = re.sub(r"(?m)^url = .*\n", "", text_of("conf.d/reference.conf"))
    stores = written[written.index("[store ") :]
    samples = dict(re.findall(r"(?m)^#?(\w+) = (.*)$", stores))
    config = new_directory("kind") / "walvault.conf"
    words = [program("walvault"), "config", "--config", config]
    for kind, url in URLS.items():
        section = f"[cluster main]\nstore = one\n[store one]\nurl = {url}\n"
        for option, sample in samples.items():
            config.write_text(f"{section}{option} = {sample}\n", encoding="ascii")
            result = run_program(*words)
            refused = f"{config}:5: {option.replace('_', '-')} is an option of other stores"
            assert (refused in result.err) == (option not in described[kind]), (kind, result)


def table(config):
    """(kind of section, option) -> (value, origin), as ``walvault config`` has it.

    Of several stores the one that says something of the option counts.
    """
    result = run_program(program("walvault"), "config", "--json", "--config", config).expect(0)
    found = {}
    for line in result.json()["options"]:
        key = line["section"].strip("[]").split()[0], line["option"]
        if key not in found or line["origin"] != "default":
            found[key] = line["value"], line["origin"]
    return found


def test_the_manual_of_the_configuration_file_has_every_option_with_its_default():
    described = {}
    for sub, kind in (("[defaults] and [cluster NAME]", "cluster"), ("[store NAME]", "store")):
        for match, words in items(sections("walvault.conf.5")["OPTIONS", sub], r"\.It Li (\w+)"):
            described[kind, match[1]] = said_default(words)[0]
    defaults = {
        key: value if origin == "default" else None
        for key, (value, origin) in table(source("conf.d/minimal.conf")).items()
    }
    assert_same(described, defaults, "walvault.conf(5)")


def test_the_minimal_sample_loads_and_sets_only_what_must_be_set():
    named = {
        key
        for key, (_, origin) in table(source("conf.d/minimal.conf")).items()
        if origin != "default"
    }
    assert named == {("cluster", "pgdata"), ("cluster", "store"), ("store", "url")}


def test_the_reference_sample_loads_and_shows_exactly_the_option_table():
    written = text_of("conf.d/reference.conf")
    directory = new_directory("conf")
    everything = directory / "everything.conf"
    # "#key = value" is a setting with its default; "# Words" is a comment.
    stores = re.findall(r"(?m)^\[store (\w+)\]$", written)
    all_said = re.sub(r"(?m)^#(\w+ = )", r"\1", written)
    all_said = re.sub(r"(?m)^store = .*$", f"store = {', '.join(stores)}", all_said)
    everything.write_text(all_said, encoding="utf-8")
    # Each store has its own url.
    assert len(re.findall(r"(?m)^url = ", written)) == len(stores)
    keys = re.findall(r"(?m)^#?(\w+) = ", re.sub(r"(?m)^url = (?!file).*\n", "", written))
    as_written = table(source("conf.d/reference.conf"))
    defaults = table(source("conf.d/minimal.conf"))
    shown = table(everything)
    assert len(keys) == len(set(keys)), "an option is shown twice"
    assert sorted(keys) == sorted(option for _, option in shown)
    for key, (value, origin) in shown.items():
        assert origin.startswith(str(everything)), f"{key} is not in the sample"
        default, whence = defaults[key]
        if whence == "default" and default is not None:
            assert value == default, f"{key}: the sample says {value}, the default is {default}"
    changed = {key for key, (_, origin) in as_written.items() if origin != "default"}
    assert changed == {("cluster", "pgdata"), ("cluster", "store"), ("store", "url")}


# -- the test vectors of walvault-format(7) --

SYSTEM = "7710399568822349430.1"
SEGMENT = "000000010000000000000007"
VECTORS = {
    "history": f"{SYSTEM}/wal/history/00000002.history",
    "segment": f"{SYSTEM}/wal/00000001/00000000/{SEGMENT}",
}


def vector(kind):
    return source("tests/vectors/store/main", VECTORS[kind])


def displays():
    """The literal displays of the format's examples, in order."""
    lines = sections("walvault-format.7")["EXAMPLES", ""]
    return [
        part.replace("\\&", "").replace("\\e", "\\")
        for part in re.findall(r"(?s)\.Bd -literal[^\n]*\n(.*?)\n\.Ed", "\n".join(lines))
    ]


def parse_dump(dump):
    """(offset, bytes, meaning) of each line of an explained hex dump; "*" is more of the same."""
    behind, piece, repeated = 0, b"", False
    for line in dump.splitlines():
        if line == "*":
            repeated = True
            assert len(set(piece)) == 1, "more of what?"
            continue
        match = re.fullmatch(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+?) *(?:  (\S.*))?", line)
        assert match, line
        offset = int(match[1], 16)
        if repeated:
            yield behind, piece[:1] * (offset - behind), None
        piece, repeated = bytes.fromhex(match[2]), False
        behind = offset + len(piece)
        yield offset, piece, match[3]


def dumped(dump):
    """Where a dump begins and its bytes, which must follow one another."""
    lines = list(parse_dump(dump))
    data = b""
    for offset, piece, _ in lines:
        assert offset == lines[0][0] + len(data), hex(offset)
        data += piece
    return lines[0][0], data


def test_the_manual_shows_the_vectors_as_they_are():
    marker, identity, history, header, trailer, index = displays()
    store = source("tests/vectors/store/main")
    assert marker + "\n" == (store / "repository").read_text(encoding="ascii")
    assert identity + "\n" == (store / SYSTEM / "identity").read_text(encoding="ascii")
    assert dumped(history) == (0, vector("history").read_bytes())
    whole = vector("segment").read_bytes()
    start, data = dumped(header)
    assert start == 0 and whole.startswith(data)
    assert len(data) == int.from_bytes(data[4:8], "little") + 8, "the whole header is shown"
    start, data = dumped(trailer)
    assert whole[start:] == data
    assert dumped(index) == (0, source("tests/vectors/index").read_bytes())


def test_the_independent_reader_reads_the_vector_of_an_index():
    reader = load_program("contrib/read-object.py")
    found = reader.read_index(source("tests/vectors/index").read_bytes())
    (entry,) = found["entries"]
    assert found["replaced"] == ["20261119T020003Z-000000-4f2a9c1e"], found
    assert entry["key"] == f"{SYSTEM}/identity" and entry["time"].startswith("2026-11-20 02:00:03")
    whole = source("tests/vectors/store/main", entry["key"]).read_text(encoding="ascii")
    assert entry["whole"] == whole and entry["size"] == len(whole), entry


def explained_bytes(meaning):
    """The bytes that an explanation in a dump stands for; None for none in particular."""
    text = re.fullmatch(r'(?:signature )?"(.*)"', meaning)
    if text:
        return text[1].replace("\\t", "\t").replace("\\n", "\n").encode()
    field = re.match(r"field (\d+)( critical)?, length (\d+)", meaning)
    if field:
        kind = int(field[1]) | (0x8000 if field[2] else 0)
        return kind.to_bytes(2, "little") + int(field[3]).to_bytes(4, "little")
    lsn = re.search(r" ([0-9A-F]+)/([0-9A-F]+)$", meaning)
    if lsn:
        return ((int(lsn[1], 16) << 32) + int(lsn[2], 16)).to_bytes(8, "little")
    time = re.search(r"(\d{4}-\d\d-\d\d )?(\d\d:\d\d:\d\d\.\d{6})$", meaning)
    if time:
        when = datetime.datetime.fromisoformat((time[1] or "2026-11-20 ") + time[2])
        passed = when - datetime.datetime(2000, 1, 1)
        return (passed // datetime.timedelta(microseconds=1)).to_bytes(8, "little")
    number = re.fullmatch(r"(?:[a-z_ ]+ )?(\d+)(?: bytes(?: follow)?| transaction ends)?", meaning)
    return int(number[1]).to_bytes(8, "little") if number else None


def test_the_manual_explains_every_text_and_number_of_the_vectors_truly():
    checked = 0
    for dump in displays()[2:]:
        for offset, piece, meaning in parse_dump(dump):
            said = explained_bytes(meaning or "")
            if said is not None:
                checked += 1
                assert said.rstrip(b"\0") == piece.rstrip(b"\0"), f"{offset:04x}: {meaning}"
    assert checked > 100, checked


# Their answers have all their fields only with a real backup.
NEEDS_A_BACKUP = {"info", "expire", "verify"}


def test_the_manual_names_the_fields_of_every_json_answer():
    _, options = vector_store()
    options += ("--json",)
    questions = {
        "info": ("info",),
        "check": ("check", "--no-server"),
        "find": ("find", "--lsn", "0/700100"),
        "ls": ("ls",),
        "config": ("config",),
    }
    # These come only with what the vectors have not.
    absent = {"find": {"why"}}
    for verb, words in questions.items():
        # "check" warns: the vectors have no backup.
        answer = run_program(program("walvault"), *words, *options).expect((0, 1)).json()
        if verb not in NEEDS_A_BACKUP:
            assert_names(answer, described_json("walvault.1")[verb], absent.get(verb, set()))
    assert described_json("walvault.1").keys() == questions.keys() | NEEDS_A_BACKUP


def test_marker_and_identity_of_the_vectors_carry_their_own_sum():
    for path in ("repository", f"{SYSTEM}/identity"):
        data = source("tests/vectors/store/main", path).read_bytes()
        body, last = data[: data.rindex(b"sum = ")], data[data.rindex(b"sum = ") :]
        assert last.decode() == f"sum = {xxhsum128(body)}\n", path


def vector_store():
    """A copy of the vectors' store and the options that lead to it."""
    store = new_directory("vectors") / "store"
    shutil.copytree(source("tests/vectors/store"), store)
    return store, ("--store", f"file://{store}", "--cluster", "main")


def test_the_programs_read_the_vectors():
    need("lz4")
    _, options = vector_store()
    cat = run_program(program("walvault"), "cat", "00000002.history", *options).expect(0)
    plain = source("tests/vectors/00000002.history").read_bytes()
    assert cat.out.encode() == plain
    for name, expected in (("00000002.history", plain), (SEGMENT, stock_lz4(vector("segment")))):
        work = new_directory("fetched")
        run_program(program("walfetch"), name, work / name, *options, cwd=work).expect(0)
        assert (work / name).read_bytes() == expected
    found = run_program(
        program("walvault"), "find", "--name", "before the release", "--json", *options
    ).expect(0)
    assert found.json()["stop"]["lsn"] == "0/700090"
    assert found.json()["before"]["xid"] == 725 and found.json()["after"]["xid"] == 726


CHANCE = (
    *("created", "writer", "padding"),
    *("stored_len", "stored_sum", "object_len", "head_len"),
)


def without_chance(kind, facts):
    """The facts without those that differ from run to run."""
    assert facts.pop("kind") == kind
    return {
        name: value
        for name, value in facts.items()
        if name not in CHANCE
    }


def test_todays_walpush_writes_what_the_vectors_say():
    store, options = vector_store()
    maker = load_program("tests/vectors/make")
    data = new_directory("cluster") / "data"
    maker.make_cluster(data, stock_lz4(vector("segment")))
    for kind, name in (("history", "00000002.history"), ("segment", SEGMENT)):
        written = store / "main" / VECTORS[kind]
        written.unlink()
        run_program(program("walpush"), f"pg_wal/{name}", *options, cwd=data).expect(0)
        now, then = facts_of(written), facts_of(vector(kind))
        assert_same(without_chance(kind, now), without_chance(kind, then), kind)


# -- reading objects without walvault --


def test_the_independent_reader_finds_every_flipped_byte_and_every_cut():
    need("lz4")
    need("xxhsum")
    reader = load_program("contrib/read-object.py")
    rng = seeded_random()
    whole = vector("history").read_bytes()
    path = new_directory("damaged") / "object"

    def is_refused(data):
        path.write_bytes(data)
        try:
            with open(path, "rb") as file:
                reader.read_object(file)
        except (reader.Damaged, reader.Unreadable):
            return True
        return False

    assert not is_refused(whole)
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.randrange(8)
        assert is_refused(damaged), f"a flipped bit in byte {at} was not found"
    for length in range(0, len(whole), 7):
        assert is_refused(whole[:length]), f"cut to {length} bytes, and not found"
    assert is_refused(whole + b"\0") and is_refused(whole + whole)


def test_the_independent_reader_writes_nothing_of_a_damaged_object():
    directory = new_directory("damaged")
    data = bytearray(vector("segment").read_bytes())
    data[len(data) // 2] ^= 1
    (directory / "object").write_bytes(data)
    done = read_object(directory / "object")
    assert (done.returncode, done.stdout) == (1, b""), done
    assert b"damaged" in done.stderr
    done = read_object("--output", directory / "plain", directory / "object")
    assert done.returncode == 1 and os.listdir(directory) == ["object"]
    done = read_object("--key", "another", "--output", directory / "plain", vector("segment"))
    assert done.returncode == 1 and os.listdir(directory) == ["object"]


def kind_of(key):
    if ".partial/" in key:
        return "partial"
    return {"history": "history", "backup": "backup"}.get(key.rsplit(".", 1)[-1], "segment")


@majors(13, 15, 18)
def test_the_independent_reader_agrees_with_walvault_on_objects_of_every_kind(major):
    pg = Postgres.create(major, segsize_mib=1, autovacuum="off")
    repo = Repository(pg)
    repo.enable_archiving(archive_timeout=0)
    pg.start()
    repo.init()
    BaseCopy(pg)  # leaves a backup history file
    pg.sql("CREATE TABLE t AS SELECT generate_series(1, 20000) AS i")
    pg.archive_all()
    pg.write_wal()
    pg.promote_in_place(restore_command=repo.restore_command())
    pg.archive_all()
    kinds = {}
    for stored in repo.objects():
        key = stored.split("/", 1)[1]
        if "/wal/" not in key:
            continue
        done = read_object("--key", key, repo.store / stored)
        assert done.returncode == 0, (key, done.stderr)
        assert done.stdout == stored_bytes(repo, key), key
        facts = facts_of(repo.store / stored)
        assert facts["kind"] == kind_of(key) and facts["key"] == key
        assert "unknown_fields" not in facts
        if "pages" in facts:
            assert facts["pages"]["sysid"] == pg.sysid
            assert facts["pages"]["segsize"] == pg.segsize == facts["plain_len"]
        kinds.setdefault(facts["kind"], []).append(key)
    assert kinds.keys() == {"segment", "partial", "history", "backup"}, kinds


WALDUMP = re.compile(
    r"rmgr: (?P<rmgr>\S+) .*len \(rec/tot\): +\d+/ *(?P<len>\d+), tx: +(?P<xid>\d+), "
    r"lsn: (?P<lsn>\S+), prev (?P<prev>[^,]+), desc: (?P<desc>.*)"
)


def short_lsn(text):
    high, low = text.split("/")
    return f"{int(high, 16):X}/{int(low, 16):X}"


def test_the_facts_of_a_real_segment_are_those_that_pg_waldump_sees():
    pg = Postgres.create(15, autovacuum="off")
    repo = Repository(pg)
    repo.enable_archiving(archive_timeout=0)
    pg.start()
    repo.init()
    pg.archive_all()
    pg.sql("CREATE TABLE t (i int)")
    for i in range(20):
        pg.sql("INSERT INTO t VALUES (%s)", i)
    pg.sql("SELECT pg_create_restore_point('the point')")
    pg.sql("DO $$ BEGIN INSERT INTO t VALUES (1); ROLLBACK; END $$")
    segment = pg.archive_all()
    stored = repo.object_path(segment)
    plain = stock_lz4(stored)
    assert plain == (pg.data / "pg_wal" / segment).read_bytes(), "lz4 -dc gives the file"
    dump = run_program(client_program("pg_waldump"), pg.data / "pg_wal" / segment).expect(0)
    records = [match for match in map(WALDUMP.match, dump.out.splitlines()) if match]
    ends = [r for r in records if re.match(r"(COMMIT|ABORT) ", r["desc"])]
    times = [r["desc"].split(" ", 1)[1][:26] for r in ends]
    facts = facts_of(stored)
    assert facts["flags"] == ["switched", "complete"]
    first, last = records[0], records[-1]
    assert facts["first_record"] == {
        "lsn": short_lsn(first["lsn"]),
        "prev_lsn": short_lsn(first["prev"]),
    }
    assert facts["last_record"] == {"lsn": short_lsn(last["lsn"]), "length": int(last["len"])}
    found = facts["transaction_ends"]
    assert found == {
        "count": len(ends),
        "min_time": min(times) + "+00",
        "max_time": max(times) + "+00",
        "last_time": times[-1] + "+00",
        "xid_min": min(int(r["xid"]) for r in ends),
        "xid_max": max(int(r["xid"]) for r in ends),
    }
    [point] = facts["restore_points"]
    assert point["name"] == "the point"
    assert point["lsn"] in [short_lsn(r["lsn"]) for r in records if "RESTORE_POINT" in r["desc"]]
