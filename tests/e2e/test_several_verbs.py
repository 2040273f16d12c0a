# SPDX-License-Identifier: PostgreSQL
"""What walvault's verbs say of several stores: the truth, of which store, and how bad it is."""

import os
import shutil
import time

from walvault_test import Postgres
from walvault_test.hung import HungStore
from walvault_test.keeping import backed_up
from walvault_test.several import SeveralStores, flip
from walvault_test.silent import SilentServer
from walvault_test.smalldisk import SmallDisk
from walvault_test.stopped import stopped_cluster

OK, WARNING, CRITICAL = 0, 1, 2
THREE = ("local", "offsite", "third")


def several(names=("local", "offsite"), push=0, sections=None, **options):
    """A stopped cluster whose first segments are in all of these stores."""
    pg, wal = stopped_cluster()
    repo = SeveralStores(pg, names, sections, **{"timeout": "20s", "archive_age_warning": "1d", **options})
    repo.init()
    for name in wal[:push]:
        repo.walpush(f"pg_wal/{name}").expect(0)
    return repo, wal


def check(repo, status, subject=None, **settings):
    result = repo.walvault("check", "--no-server", "--json", **settings).expect(status)
    found = result.json()["findings"]
    return [x for x in found if subject is None or x["subject"] == subject]


def lose(repo, store, *names):
    for name in names:
        repo.only(store).object_path(name).unlink()


# -- check: what one store lacks --


def test_a_gap_in_one_store_is_a_warning_and_in_all_critical():
    repo, wal = several(THREE, push=5)
    lose(repo, "offsite", wal[1], wal[2])
    (gap,) = check(repo, WARNING, "gap")
    assert gap["store"] == "offsite" and gap["level"] == "WARNING", gap
    assert "walvault sync" in gap["text"] and "base backup" not in gap["text"], gap
    text = repo.walvault("check", "--no-server").expect(WARNING).out
    assert "WARNING: gap: offsite: 2 segments are missing" in text, text
    for name in ("local", "third"):
        lose(repo, name, wal[1])
    gap, rest = check(repo, CRITICAL, "gap")
    assert gap["level"] == "CRITICAL" and gap["store"] is None, gap
    assert "no store" in gap["text"] and "take a base backup" in gap["text"], gap
    assert rest["store"] == "offsite" and "1 segment" in rest["text"], rest
    repo.take_down("third")
    gap = check(repo, CRITICAL, "gap")[0]
    assert "third" in gap["text"] and "does not answer" in gap["text"], gap


def test_sync_closes_what_check_called_a_gap():
    repo, wal = several(push=5)
    lose(repo, "offsite", wal[1])
    assert check(repo, WARNING, "gap")
    repo.walvault("sync").expect(0)
    assert not check(repo, WARNING, "gap")  # the warning left: there is no backup


def test_damage_in_one_store_is_a_warning_that_names_repair():
    repo, wal = several(push=4)
    repo.damage("offsite", wal[1])
    (damage,) = check(repo, WARNING, "damage")
    assert damage["store"] == "offsite" and damage["level"] == "WARNING", damage
    assert f"walvault repair {wal[1]}" in damage["text"], damage
    repo.damage("local", wal[1])
    (damage,) = check(repo, CRITICAL, "damage")
    assert damage["level"] == "CRITICAL" and "take a base backup" in damage["text"], damage


def test_what_a_history_says_may_come_from_another_store():
    repo, _ = several(push=3)
    history = repo.pg.data / "pg_wal/00000002.history"
    history.write_text("1\t0/750000\tno recovery target specified\n", encoding="ascii")
    repo.walpush("pg_wal/00000002.history").expect(0)
    lose(repo, "offsite", history.name)
    found = check(repo, WARNING)
    assert not [x for x in found if x["level"] == "CRITICAL"], found


def test_other_content_in_two_stores_is_critical_and_tells_how_to_decide():
    repo, _ = several(push=3)
    history = repo.pg.data / "pg_wal/00000002.history"
    for name, text in (("local", "one"), ("offsite", "two")):
        history.write_text(f"1\t0/5000000\t{text}\n", encoding="ascii")
        repo.walpush(f"pg_wal/{history.name}", "--store", name, "--required", "1").expect(0)
    (other,) = check(repo, CRITICAL, "other content")
    assert other["level"] == "CRITICAL" and history.name in other["text"], other
    assert "local" in other["text"] and "offsite" in other["text"], other
    assert f"walvault cat --store local {history.name}" in other["text"], other


def test_segments_of_one_name_are_compared():
    repo, wal = several(push=2)
    name = wal[2]
    path = repo.pg.data / "pg_wal" / name
    repo.walpush(f"pg_wal/{name}", "--store", "local", "--required", "1").expect(0)
    # The same records, and other bytes behind them.
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    shutil.rmtree(repo.state_directory)
    repo.state_directory.mkdir()
    repo.walpush(f"pg_wal/{name}", "--store", "offsite", "--required", "1").expect(0)
    (other,) = check(repo, CRITICAL, "other content")
    assert name in other["text"], other


# -- check: stores that fail --


def test_a_store_that_cannot_be_written_is_graded_by_what_is_required():
    disk = SmallDisk(4 << 20, files=40)
    for required, status, words in (("any", WARNING, "enough"), ("all", CRITICAL, "archiving stops")):
        sections = {"offsite": {"url": f"file://{disk.path}"}}
        repo, _ = several(push=1, sections=sections, required=required)
        inodes = []
        while True:
            try:
                inodes.append(disk.path / f"f{len(inodes)}")
                inodes[-1].touch()
            except OSError:
                break
        (store,) = [x for x in check(repo, status, "store") if x["level"] != "OK"]
        assert store["store"] == "offsite" and words in store["text"], store
        for path in inodes:
            path.unlink(missing_ok=True)
        shutil.rmtree(disk.path / "main")


def test_a_full_store_is_graded_by_what_is_required():
    disk = SmallDisk(4 << 20)
    sections = {"offsite": {"url": f"file://{disk.path}"}}
    repo, wal = several(push=1, sections=sections, required="any")
    disk.fill()
    repo.walpush(f"pg_wal/{wal[1]}").expect(0)
    full = [x for x in check(repo, WARNING, "store") if x["level"] != "OK"]
    assert full and all(x["store"] == "offsite" for x in full), full
    assert any("No space left" in x["text"] for x in full), full
    assert any("asked again after 20" in x["text"] for x in full), full
    repo.configure(required="all")
    full = [x for x in check(repo, CRITICAL, "store") if x["level"] == "CRITICAL"]
    assert any("No space left" in x["text"] and "archiving stops" in x["text"] for x in full), full


def test_a_store_that_hangs_is_graded_by_what_is_required():
    repo, wal = several(push=2, required="any")
    for name, status in (("local", WARNING), ("offsite", WARNING)):
        hung = HungStore(repo.place(name)).hang()
        result = repo.walvault("check", "--no-server", "--timeout", "10s", env=hung.environment)
        result.expect(status)
        assert f"WARNING: store: {name}: " in result.out and "did not answer" in result.out, result
        assert "2 segments" in result.out and wal[1] in result.out, result
    repo.configure(required="all")
    result = repo.walvault("check", "--no-server", "--timeout", "2s", env=hung.environment)
    assert "archiving stops" in result.expect(CRITICAL).out, result


def test_with_one_store_nothing_is_said_of_its_name():
    repo, wal = several(("local",), push=4)
    lose(repo, "local", wal[1])
    text = repo.walvault("check", "--no-server").expect(CRITICAL).out
    assert "CRITICAL: gap: 1 segments are missing" in text, text


# -- backups --


def archiving(**options):
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off")
    repo = SeveralStores(pg, **{"archive_wait": "20s", **options})
    repo.enable_archiving()
    pg.start()
    repo.init()
    repo.run("basebackup", "--fast", "--conninfo", pg.conninfo()).expect(0)
    (path,) = [x for x in (repo.system_directory() / "backup").iterdir()]
    return pg, repo, path.name


def backup_object(repo, store, made, name):
    return repo.only(store).system_directory() / "backup" / made / name


def test_what_is_damaged_of_a_backup_in_one_store_is_no_loss():
    pg, repo, made = archiving()
    pg.archive_all()
    pg.stop()
    assert not [x for x in check(repo, OK) if x["level"] != "OK"]
    # A pack that one store lacks.
    pack = backup_object(repo, "offsite", made, "pack-000001")
    kept = pack.read_bytes()
    pack.unlink()
    (found,) = check(repo, WARNING, "backup")
    assert found["store"] == "offsite" and "walvault repair" in found["text"], found
    assert "pack-000001" in found["text"] and "base backup" not in found["text"], found
    pack.write_bytes(kept)
    # No store alone has all, but both together have.
    manifest = backup_object(repo, "offsite", made, "manifest")
    flip(manifest, 30)
    cut = backup_object(repo, "local", made, "pack-000001")
    whole = cut.read_bytes()
    cut.chmod(0o600)
    cut.write_bytes(whole[:-1])
    found = [x for x in check(repo, WARNING) if x["level"] == "WARNING"]
    assert [(x["store"], x["subject"]) for x in found] == [
        ("local", "backup"),
        ("offsite", "damaged backup"),
    ], found
    cut.write_bytes(whole)
    flip(manifest, 30)
    # A manifest that cannot be read there: in its header, and behind it.
    for offset in (30, -20):
        flip(manifest, offset)
        found = [x for x in check(repo, WARNING) if x["level"] == "WARNING"]
        assert found and all(x["store"] == "offsite" for x in found), found
        assert "walvault repair" in found[0]["text"] and made in found[0]["text"], found
        if offset == -20:
            flip(backup_object(repo, "local", made, "manifest"), offset)
            assert "take a base backup" in check(repo, CRITICAL, "backup")[0]["text"]
            flip(backup_object(repo, "local", made, "manifest"), offset)
        flip(manifest, offset)

    # Missing WAL is no damage: another verb brings it, which repair says.
    name = sorted(x.name for x in repo.system_directory().glob("wal/0*/*/*") if len(x.name) == 24)[-2]
    lose(repo, "offsite", name)
    result = repo.walvault("repair").expect(1)
    assert "store offsite" in result.err and "walvault sync" in result.err, result
    repo.walvault("sync").expect(0)
    repo.walvault("repair").expect(0)

    # Held in both; one is not there when it is released.
    repo.walvault("hold", made, "--reason", "audit").expect(0)
    back = repo.take_down("offsite")
    result = repo.walvault("release", made)
    assert result.status != 0 and "offsite" in result.err and f"walvault release {made}" in result.err, result
    assert f"local: {made} is released" in result.out, result
    back()
    systems = {x["name"]: x["systems"][0] for x in repo.json("info")["stores"]}
    assert systems["local"]["backups"][0]["hold"] is None
    assert systems["offsite"]["backups"][0]["hold"]["reason"] == "audit"
    assert repo.walvault("release", made).expect(0).out == f"offsite: {made} is released\n"
    repo.walvault("release", made).expect(1)

    back = repo.take_down("local")
    result = repo.walvault("hold", made)
    assert result.status != 0 and "local" in result.err and f"walvault hold {made}" in result.err, result
    assert f"offsite: {made} is held" in result.out, result
    back()
    (merged,) = repo.json("info")["systems"]
    assert merged["backups"][0]["hold"] is not None  # what any store holds
    repo.walvault("release", made).expect(0)

    # Without a store, what the others have is shown, and that it is not all.
    repo.take_down("offsite")
    result = repo.walvault("info", "--json")
    assert result.status == 3, result
    answer = result.json()
    assert [x["name"] for x in answer["stores"] if x["error"]] == ["offsite"]
    assert answer["systems"][0]["backups"][0]["id"] == made and not answer["complete"]
    text = repo.walvault("info").expect(3).out
    assert "offsite" in text and "not known" in text and made in text, text


# -- info, find, ls, verify, expire --


def test_info_is_of_all_stores_and_of_each():
    repo, wal = several()
    for n, name in enumerate(wal):
        repo.walpush(f"pg_wal/{name}", "--store", repo.names[n % 2], "--required", "1").expect(0)
    answer = repo.json("info")
    (merged,) = answer["systems"]
    (line,) = merged["timelines"]
    assert [(x["first"], x["last"]) for x in line["ranges"]] == [(wal[0], wal[4])] and not line["gaps"]
    assert answer["complete"] and [x["name"] for x in answer["stores"]] == ["local", "offsite"]
    for n, store in enumerate(answer["stores"]):
        (line,) = store["systems"][0]["timelines"]
        assert [x["first"] for x in line["ranges"]] == wal[n::2] and len(line["gaps"]) == 2 - n
    text = repo.walvault("info").expect(0).out
    for words in ("all stores as one", f"{wal[0]} - {wal[4]}", str(repo.place("offsite")), "GAP"):
        assert words in text, text
    found = repo.json("find", "--latest")
    assert found["stores"] == ["local", "offsite"]
    assert found["stop"]["segment"] == wal[4]


def test_find_without_a_store_says_how_to_go_on():
    repo, _ = several(push=2)
    repo.take_down("offsite")
    result = repo.walvault("find", "--latest").expect((1, 3))
    assert "offsite" in result.err and "--store local" in result.err, result
    assert repo.walvault("find", "--latest", "--store", "local", "--json").json()["stores"] == ["local"]


def test_ls_verify_and_expire_go_on_behind_a_store_that_fails_and_name_each():
    repo, wal = several(push=2)
    repo.damage("offsite", wal[1], -20)
    for verb in (("verify", "--wal"), ("expire", "--dry-run", "--keep-full", "1")):
        for line in repo.walvault(*verb).expect((0, 1)).out.splitlines():
            assert line.startswith(("local: ", "offsite: ")), (verb, line)
        stores = repo.json(*verb, status=1 if verb[0] == "verify" else 0)["stores"]
        assert [x["name"] for x in stores] == ["local", "offsite"], stores
    repo.take_down("local")
    for verb in (("ls",), ("verify", "--wal"), ("expire", "--dry-run", "--keep-full", "1")):
        result = repo.walvault(*verb)
        assert result.status != 0 and "offsite" in result.out, result
        assert str(repo.place("local")) in result.err, result
        stores = repo.walvault(*verb, "--json").json()["stores"]
        assert [(x["name"], bool(x["error"])) for x in stores] == [("local", True), ("offsite", False)]


def test_a_store_that_accepts_and_says_nothing_ends_no_verb():
    with SilentServer() as silent:
        sections = {
            "offsite": {
                "url": "s3://bucket/prefix",
                "endpoint": silent.url,
                "region": "us-east-1",
                "access_key_id": "id",
                "secret_key_file": silent.secret,
                "answer_timeout": "200ms",
                "retry_for": "1s",
            }
        }
        pg, wal = stopped_cluster()
        plain = SeveralStores(pg, ("local",))
        plain.init()
        plain.walpush(f"pg_wal/{wal[0]}").expect(0)
        repo = SeveralStores(pg, ("local", "offsite"), sections)
        shutil.rmtree(repo.place("local"))
        plain.store.rename(repo.place("local"))
        for verb in (("info",), ("ls",), ("verify",), ("expire", "--keep-full", "1")):
            result = repo.walvault(*verb).expect(1)
            assert "store offsite" in result.err and "local" in result.out, result
        result = repo.walvault("find", "--latest").expect(1)
        assert "store offsite" in result.err, result
    assert silent.accepted > 5


# -- check: what a sync would bring --


def lag(repo, store, status, **settings):
    return [x for x in check(repo, status, "lag", **settings) if x["store"] == store]


def test_a_store_that_lacks_backups_or_old_wal_has_not_what_the_others_have():
    pg, repo, made = archiving()
    pg.archive_all()
    pg.stop()
    system = repo.only("offsite").system_directory()
    # A directory of backups, or all WAL, is gone: both with nothing left that could tell.
    for lost, words in (("backup", (made, "1 backup")), ("wal", ("WAL files", "its backups"))):
        (system / lost).rename(system.parent / lost)
        for required in ("all", "any"):
            repo.configure(required=required)
            found = lag(repo, "offsite", WARNING)
            assert [x["level"] for x in found].count("WARNING") == 1, found
            text = " ".join(x["text"] for x in found)
            for word in (*words, "walvault sync"):
                assert word in text, found
            assert "has what the other" not in text, found
        (rest,) = lag(repo, "local", WARNING)
        assert rest["level"] == "OK" and "has what the other" in rest["text"], rest
        repo.walvault("sync").expect(0)
        assert [x["level"] for x in check(repo, OK, "lag")] == ["OK", "OK"]


def test_a_backup_that_may_come_by_itself_is_no_lag_for_so_long():
    pg, repo, made = archiving()
    pg.archive_all()
    pg.stop()
    backup_object(repo, "offsite", made, "manifest").unlink()
    (found,) = lag(repo, "offsite", OK)
    assert found["level"] == "OK" and "may come by themselves" in found["text"], found
    for store in repo.names:
        for path in backup_object(repo, store, made, "begin").parent.iterdir():
            os.utime(path, (time.time() - 3600,) * 2)
    (found,) = lag(repo, "offsite", WARNING)
    assert made in found["text"] and "walvault sync" in found["text"], found


def test_what_two_others_have_is_lacking_once():
    repo, wal = several(THREE, push=5)
    lose(repo, "third", wal[1], wal[4])
    (found,) = lag(repo, "third", WARNING)
    assert "lacks 2 segments" in found["text"] and "(1 of them before" in found["text"], found
    lose(repo, "local", wal[1], wal[3])
    (found,) = lag(repo, "third", WARNING)
    assert "lacks 2 segments" in found["text"], found
    (found,) = lag(repo, "local", WARNING)
    assert "lacks 2 segments" in found["text"] and wal[1] in found["text"], found


def test_a_store_that_was_added_has_not_what_the_first_one_has():
    pg, wal = stopped_cluster()
    repo = SeveralStores(pg, timeout="20s", archive_age_warning="1d")
    repo.init("--store", "local")
    for name in wal[:4]:
        repo.walpush(f"pg_wal/{name}", "--store", "local", "--required", "1").expect(0)
    repo.init("--store", "offsite")
    repo.walpush(f"pg_wal/{wal[4]}").expect(0)
    (found,) = lag(repo, "offsite", WARNING)
    assert found["level"] == "WARNING" and "4 segments" in found["text"] and wal[0] in found["text"], found
    assert "walvault sync" in found["text"], found
    repo.walvault("sync").expect(0)
    assert {x["level"] for x in check(repo, WARNING, "lag")} == {"OK"}  # there is no backup


def test_what_the_rules_of_a_store_do_not_keep_is_no_lag():
    pg, repo, made = archiving(sections={"offsite": {"keep_full": 1}}, keep_full=3)
    pg.archive_all()
    repo.run("basebackup", "--fast", "--conninfo", pg.conninfo()).expect(0)
    pg.archive_all()
    pg.stop()
    repo.walvault("expire").expect(0)
    assert not backup_object(repo, "offsite", made, "manifest").exists()
    assert [(x["level"], "has what the other" in x["text"]) for x in check(repo, OK, "lag")] == [("OK", True)] * 2
    repo.configure(keep_full=1)  # expire has not run since: what goes next is brought nowhere
    assert {x["level"] for x in check(repo, OK, "lag")} == {"OK"}
    repo.sections["offsite"] = {"keep_full": 2}
    repo.configure(keep_full=3)
    assert made in " ".join(x["text"] for x in lag(repo, "offsite", WARNING))


def test_one_directory_with_two_names_is_critical():
    repo, _ = several(push=2)
    shutil.rmtree(repo.place("offsite"))
    repo.place("offsite").symlink_to(repo.place("local"))
    (found,) = check(repo, CRITICAL, "repositories")
    assert found["level"] == "CRITICAL" and "is the same directory as store local" in found["text"], found
    assert not check(repo, CRITICAL, "lag")


def test_what_is_in_as_many_stores_as_required_is_archived():
    pg, repo, _ = archiving(required="any", timeout="5s")
    back = repo.take_down("offsite")
    pg.archive_all()
    back()
    for required, level in (("any", "OK"), ("all", "CRITICAL")):
        repo.configure(required=required)
        result = repo.walvault("check", "--json", "--conninfo", pg.conninfo())
        found = [x for x in result.json()["findings"] if x["subject"] == "archived WAL"]
        (last,) = [x for x in found if "1 of 2 stores" in x["text"]]
        assert last["level"] == level, found
    pg.stop()


def test_what_was_set_aside_and_is_whole_again_is_no_warning():
    repo, wal = several(push=3)
    repo.damage("offsite", wal[1])
    assert check(repo, WARNING, "damage")
    repo.walvault("repair", wal[1]).expect(0)
    (aside,) = check(repo, WARNING, "set aside")  # the warning left: there is no backup
    assert aside["level"] == "OK" and aside["store"] == "offsite", aside
    assert "walvault expire" in aside["text"] and ".damaged-" in aside["text"], aside
    lose(repo, "offsite", wal[1])
    assert any(x["level"] == "WARNING" for x in check(repo, WARNING, "set aside"))


def test_a_segment_that_was_archived_damaged_is_not_repaired():
    repo, wal = several(push=2)
    path = repo.pg.data / "pg_wal" / wal[2]
    whole = path.read_bytes()
    repo.walpush(f"pg_wal/{wal[2]}", "--store", "local", "--required", "1").expect(0)
    # Damaged on the server, and archived like that.
    flip(path, 3 * 8192 + 100)
    shutil.rmtree(repo.state_directory)
    repo.state_directory.mkdir()
    repo.walpush(f"pg_wal/{wal[2]}", "--store", "offsite", "--required", "1").expect(0)
    path.write_bytes(whole)
    (damage,) = check(repo, CRITICAL, "damage")
    assert damage["store"] == "offsite" and "repair" not in damage["text"], damage
    assert "OTHER CONTENT" in damage["text"], damage
    assert check(repo, CRITICAL, "other content")
    repo.walvault("repair", wal[2])
    assert check(repo, CRITICAL, "damage")


def test_expire_says_which_wal_it_could_not_delete():
    """In a directory that nobody may write to."""
    _, repo, _ = backed_up(2)
    places = [x for x in repo.system_directory().glob("wal/**/*") if x.is_dir()]
    for place in places:
        place.chmod(0o500)
    try:
        result = repo.walvault("expire", "--keep-full", "1")
        answer = repo.walvault("expire", "--keep-full", "1", "--json").json()["stores"][0]
    finally:
        for place in places:
            place.chmod(0o700)
    assert result.status != 0, result
    lines = [x for x in result.out.splitlines() if " WAL " in x and not x.startswith("keep")]
    assert lines and all(x.startswith("FAILED") and "could not be deleted" in x for x in lines), result
    gone = [x for x in answer["wal"] if not x["keep"]]
    assert gone and all(x["failed"] and "could not be deleted" in x["reason"] for x in gone), answer
    assert not any(x["failed"] for x in answer["wal"] if x["keep"])
    answer = repo.json("expire", "--keep-full", "1")["stores"][0]
    assert [x["failed"] for x in answer["wal"] if not x["keep"]], answer
    assert not any(x["failed"] for x in answer["wal"]), answer


# -- rescue --


def rescue(repo, status, *options):
    return repo.walvault("rescue", *options, repo.pg.data).expect(status)


def test_rescue_puts_wal_into_the_stores_that_are_there():
    repo, wal = several()
    back = repo.take_down("offsite")
    result = rescue(repo, 3)
    assert "to go on without store offsite" in result.err and "--store local" in result.err, result
    assert not repo.holders(wal[0])
    repo.configure(required="any")
    result = rescue(repo, 0)
    assert "walvault sync --to offsite" in result.err, result
    assert repo.holders(wal[0]) == ["local"]
    back()
    repo.walvault("sync").expect(0)
    assert repo.holders(wal[0]) == ["local", "offsite"]


def test_rescue_goes_around_a_store_that_is_left_out():
    repo, wal = several(required="2")
    repo.take_down("offsite")
    rescue(repo, 0, "--store", "local")
    assert repo.only("local").object_path(wal[0]).exists()


def test_a_hold_that_was_not_made_everywhere_is_repeated_as_it_was_given():
    repo, _ = several(push=1)
    for name in repo.names:
        repo.take_down(name)
    words = ("--until", "2099-01-02 03:04", "--utc", "--reason", "the auditor's")
    result = repo.walvault("hold", "20260101T000000Z-full-00000000", *words)
    assert result.status != 0, result
    assert (
        "walvault hold --until '2099-01-02 03:04' --utc --reason 'the auditor'\\''s' "
        "20260101T000000Z-full-00000000" in result.err
    ), result
