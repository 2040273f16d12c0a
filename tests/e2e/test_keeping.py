# SPDX-License-Identifier: PostgreSQL
"""expire, hold, release and verify on real backups of real clusters."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from datetime import datetime, timezone

from walvault_test import (
    Postgres,
    Repository,
    at_end,
    majors,
    parse_lsn,
    seeded_random,
    segment_name,
    time_limit,
    wait_until,
)
from walvault_test.cases import new_directory
from walvault_test.fakeclock import FakeClock, program_clock
from walvault_test.keeping import backed_up, backup, expire, ids, server, verify, write
from walvault_test.programs import clean_environment, program
from walvault_test.restoring import as_postgres, plan, restore, restore_and_start


def segments(repo):
    return sorted(path.name for path in repo.system_directory().glob("wal/0*/*/*") if len(path.name) == 24)


def summary(repo, backup_id):
    """Start and stop of a backup, from its manifest's first line."""
    done = repo.walvault("cat", f"{repo.pg.sysid}.1/backup/{backup_id}/manifest").expect(0)
    head = done.out.split("\n", 1)[0]
    return json.loads(head)


def start_segment(repo, backup_id):
    head = summary(repo, backup_id)
    high, low = head["start_lsn"].split("/")
    number = ((int(high, 16) << 32) + int(low, 16)) // repo.pg.segsize
    per_log = (1 << 32) // repo.pg.segsize
    return f"{head['start_tli']:08X}{number // per_log:08X}{number % per_log:08X}"


# -- expire --


def test_without_a_rule_nothing_is_deleted_and_it_says_so():
    _, repo, _ = backed_up(2)
    before = repo.objects()
    result = repo.walvault("expire").expect(0)
    assert "no rule is set" in result.err, result
    assert repo.objects() == before


def test_keep_full_deletes_the_oldest_and_the_wal_before_the_rest():
    _, repo, made = backed_up(4)
    before = repo.objects()
    planned = expire(repo, "--keep-full", "2", "--dry-run")
    assert repo.objects() == before, "a dry run deleted something"
    done = expire(repo, "--keep-full", "2")
    for report in (planned, done):
        report.pop("dry_run")
        report.pop("now")
    assert planned == done
    assert {b["id"] for b in done["backups"] if b["keep"]} == set(made[2:])
    assert ids(repo) == made[2:]
    assert done["deleted"]["objects"] == len(before) - len(repo.objects())
    assert segments(repo)[0] == start_segment(repo, made[2])
    assert verify(repo, "--wal") == []
    again = expire(repo, "--keep-full", "2")
    assert again["deleted"]["objects"] == 0
    for backup_id in made[:2]:
        assert not any(backup_id in key for key in repo.objects()), backup_id


def test_every_backup_and_every_range_has_its_reason():
    _, repo, made = backed_up(3)
    text = repo.walvault("expire", "--dry-run", "--keep-full", "1", "--keep-daily", "1").expect(0).out
    for backup_id in made:
        line = next(line for line in text.splitlines() if f"backup {backup_id}" in line)
        assert ": " in line and line.split(": ", 1)[1], line
    assert "no rule keeps it" in text and "keep_full" in text and "keep_daily" in text, text
    assert f"it lies behind {made[0]}" in text, text  # the day's first


def test_keep_wal_leaves_old_backups_what_makes_them_consistent():
    _, repo, made = backed_up(3)
    before = segments(repo)
    expire(repo, "--keep-full", "3", "--keep-wal", "1")
    assert ids(repo) == made
    assert len(segments(repo)) < len(before)
    repo.configure(keep_full=3, keep_wal=1)
    assert verify(repo, "--wal") == []
    # Without the rule the same holes are findings, with their cost.
    repo.configure(keep_wal=None)
    found = verify(repo, status=1)
    assert any("no recovery between" in finding["cost"] for finding in found), found


def test_a_held_backup_stays_until_it_is_released():
    _, repo, made = backed_up(3)
    repo.walvault("hold", made[0], "--reason", "audit").expect(0)
    report = expire(repo, "--keep-full", "1")
    assert ids(repo) == [made[0], made[2]]
    assert any(b["id"] == made[0] and "held" in b["reasons"] for b in report["backups"]), report
    repo.walvault("release", made[0]).expect(0)
    expire(repo, "--keep-full", "1")
    assert ids(repo) == [made[2]]
    assert repo.walvault("release", made[2]).expect(1).err
    assert repo.walvault("hold", made[0]).expect(1).err
    assert repo.walvault("hold", "nonsense").expect(3).err


def test_a_hold_that_is_over_does_not_count():
    pg, repo, made = backed_up(2)
    until = pg.value("SELECT (now() + interval '2 seconds')::timestamptz(0)::text")
    pg.sql("SET timezone = 'UTC'")
    repo.walvault("hold", made[0], "--until", until).expect(0)
    expire(repo, "--keep-full", "1")
    assert ids(repo) == made
    time.sleep(3)
    write(pg)
    expire(repo, "--keep-full", "1")
    assert ids(repo) == made[1:]
    repo.walvault("hold", made[1], "--until", "2001-01-01 00:00+00").expect(3)
    repo.walvault("hold", made[1], "--until", "2040-01-01 00:00").expect(3)


def test_a_clock_in_2038_deletes_nothing():
    pg, repo, made = backed_up(3)
    expire(repo, "--keep-days", "3")
    running = stopped_backup(pg, repo)
    before = set(repo.objects())
    clock = program_clock("@2038-01-19 03:14:00")
    result = repo.walvault(
        "expire", "--keep-days", "3", "--broken", "--broken-age", "1min", env=clock
    ).expect(0)
    assert "this host's clock says 2038" in result.err, result
    assert before <= set(repo.objects()), before - set(repo.objects())
    assert ids(repo) == made
    running.send_signal(signal.SIGCONT)
    assert running.wait(120) == 0


def count(server):
    return server.sql("SELECT count(*) FROM t")[0][0]


@majors(13, 16, 18)
@time_limit(600)
def test_what_was_kept_restores_to_all_that_it_promises(major):
    pg, repo = server(major)
    rows = {}
    for _ in range(4):
        write(pg)
        before = count(pg)
        rows[backup(pg, repo)] = before
        write(pg)
    moment = pg.value("SELECT clock_timestamp()::text")
    write(pg)
    total = count(pg)
    made = list(rows)
    repo.walvault("hold", made[0]).expect(0)
    repo.configure(keep_full=2, keep_wal=1)
    expire(repo)
    assert ids(repo) == [made[0], made[2], made[3]]
    pg.archive_all()
    pg.stop()
    for kept in ids(repo):
        restored = restore_and_start(repo, "--backup", kept, "--immediate")
        assert count(restored) == rows[kept], kept
        restored.stop()
    restored = restore_and_start(repo, "--to-latest")
    assert count(restored) == total
    restored.stop()
    restored = restore_and_start(repo, "--to-time", moment)
    assert rows[made[3]] < count(restored) < total
    restored.stop()
    # Behind a backup whose WAL was given up there is no way, and it says so.
    refused = plan(repo, "--backup", made[2], "--to-latest", status=2)
    assert not refused["reachable"], refused


@time_limit(900)
def test_random_histories_leave_nothing_to_find_and_every_backup_restores():
    rng = seeded_random()
    rules = {"keep_full": rng.randint(1, 3), "keep_wal": rng.choice((None, 1, 2))}
    pg, repo = server(**rules)
    rows, held, told = {}, set(), [rules]
    write(pg)
    operations = ["write"] * 4 + ["backup"] * 4 + ["expire"] * 4 + ["hold", "release", "promote"]
    for operation in ["backup"] + rng.choices(operations, k=25):
        told.append(operation)
        if operation == "write":
            write(pg, rng.randint(1, 3))
        elif operation == "backup":
            before = count(pg)
            rows[backup(pg, repo)] = before
        elif operation == "hold":
            held.add(rng.choice(ids(repo)))
            for backup_id in held:
                repo.walvault("hold", backup_id).expect(0)
        elif operation == "release" and held:
            repo.walvault("release", held.pop()).expect(0)
        elif operation == "promote" and told.count("promote") <= 3:
            pg.promote_in_place(restore_command=repo.restore_command())
        elif operation == "expire":
            newest = ids(repo)[-1]
            expire(repo)
            assert newest in ids(repo) and held <= set(ids(repo)), told
            found = verify(repo, "--wal")
            assert found == [], (told, found)
    pg.archive_all()
    expire(repo)
    total = count(pg)
    pg.stop()
    for kept in ids(repo):
        restored = restore_and_start(repo, "--backup", kept, "--immediate", "--timeline", "current")
        assert count(restored) == rows[kept], (told, kept)
        restored.stop()
    restored = restore_and_start(repo, "--to-latest")
    assert count(restored) == total, told
    restored.stop()


def test_a_new_timeline_keeps_the_backup_that_it_came_from_until_it_has_its_own():
    pg, repo, made = backed_up(2)
    pg.promote_in_place(restore_command=repo.restore_command())
    write(pg)
    total = count(pg)
    expire(repo, "--keep-full", "1")
    assert ids(repo) == made[1:]
    found = verify(repo, "--wal")
    assert found == [], found
    restored = restore_and_start(repo, "--to-latest")
    assert count(restored) == total
    restored.stop()
    own = backup(pg, repo)
    write(pg)
    expire(repo, "--keep-full", "1")
    assert ids(repo) == [own]
    assert all(name.startswith("00000002") for name in segments(repo)), segments(repo)
    assert repo.object_path("00000002.history").exists()
    found = verify(repo, "--wal")
    assert found == [], found
    restored = restore_and_start(repo, "--to-latest")
    assert count(restored) == count(pg)
    restored.stop()


def test_a_backup_with_bad_pages_is_told_and_does_not_replace_the_good_one():
    pg = Postgres.create(15, segsize_mib=1, initdb=("-k",), autovacuum="off")
    repo = Repository(pg)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t AS SELECT g AS v FROM generate_series(1, 5000) g")
    good = backup(pg, repo)
    pg.sql("CHECKPOINT")
    path = pg.data / pg.value("SELECT pg_relation_filepath('t')")
    with open(path, "r+b") as relation:
        relation.seek(8192 + 5000)
        relation.write(b"damaged by the test")
    repo.run("basebackup", "--fast", "--conninfo", pg.conninfo()).expect(2)
    (bad,) = set(ids(repo)) - {good}
    found = check(repo, status=1)
    assert bad in found["bad pages"]["text"], found
    assert good in found["base backup"]["text"], found
    assert "BAD PAGES" in repo.walvault("info").expect(0).out
    expire(repo, "--keep-full", "1")
    assert ids(repo) == [good, bad]
    restored = restore_and_start(repo, "--backup", good, "--to-latest")
    assert count(restored) == 5000
    restored.stop()


# -- beside others --


def stopped_backup(pg, repo):
    """A basebackup that stands still behind its first pack's beginning."""
    log = new_directory("log") / "basebackup"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [program("basebackup"), "--fast", "--config", repo.config, "--conninfo", pg.conninfo()],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    at_end(process.wait)
    at_end(process.kill)
    complete = set(ids(repo))

    def begun():
        assert process.poll() is None, log.read_text()
        new = {path.parent.name for path in repo.system_directory().glob("backup/*/begin")}
        return new - complete

    wait_until(begun, "a backup has begun")
    process.send_signal(signal.SIGSTOP)
    return process


def test_a_running_backup_keeps_its_wal_and_comes_to_its_end():
    pg, repo, _ = backed_up(2)
    running = stopped_backup(pg, repo)
    write(pg, 3)
    report = expire(repo, "--keep-full", "1", "--broken", "--broken-age", "1min")
    assert sum("not finished" in b["reasons"] for b in report["backups"]) == 1, report
    running.send_signal(signal.SIGCONT)
    assert running.wait(120) == 0
    assert len(ids(repo)) == 2
    assert verify(repo, "--wal") == []


def lagging_standby(pg, repo):
    """A hot standby that has stopped replaying behind its last restartpoint."""
    result, destination = restore(repo, "--standby")
    result.expect(0)
    for lease in repo.system_directory().glob("backup/*/restore-*"):
        lease.unlink()  # as if it were a day old: it has no part in this
    standby = as_postgres(repo, destination, hot_standby="on", archive_mode="off")
    standby.start()
    lsn = pg.value("SELECT pg_current_wal_lsn()")
    pg.sql("CHECKPOINT")
    write(pg)
    wait_until(
        lambda: standby.value(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'"), "the standby to follow"
    )
    standby.sql("CHECKPOINT")
    standby.sql("SELECT pg_wal_replay_pause()")
    return standby


def begun_at(repo, running):
    """The id of a backup that runs, and the segment from which it needs WAL."""
    (begin,) = [
        path
        for path in repo.system_directory().glob("backup/*/begin")
        if f"pid = {running.pid}\n" in path.read_text()
    ]
    lsn = re.search(r"(?m)^from_lsn = (.*)$", begin.read_text())[1]
    return begin.parent.name, segment_name(1, parse_lsn(lsn), repo.pg.segsize)


def test_a_running_backup_of_a_standby_keeps_its_wal_though_newer_backups_are_there():
    pg, repo, made = backed_up(1)
    standby = lagging_standby(pg, repo)
    write(pg, 3)
    newest = backup(pg, repo)
    write(pg)
    repo.pg = standby
    repo.configure(pgdata=standby.data)
    running = stopped_backup(standby, repo)
    _, first = begun_at(repo, running)
    behind = start_segment(repo, newest)
    assert first < behind, "the standby's last restartpoint is not old"
    needed = {name for name in segments(repo) if name >= first}
    for rules in (("--keep-full", "1"), ("--keep-full", "1", "--keep-wal", "1")):
        expire(repo, *rules, "--broken", "--broken-age", "1min")
        assert needed <= set(segments(repo)), needed - set(segments(repo))
    assert made[0] not in ids(repo) and segments(repo)[0] == first, segments(repo)
    running.send_signal(signal.SIGCONT)
    assert running.wait(120) == 0
    (taken,) = set(ids(repo)) - {newest}
    assert summary(repo, taken)["from_standby"] and start_segment(repo, taken) >= first
    found = verify(repo, "--wal")
    assert found == [], found
    standby.stop()
    total = count(pg)
    pg.archive_all()
    restored = restore_and_start(repo, "--backup", taken, "--to-latest")
    assert count(restored) == total
    restored.stop()


def test_several_expires_beside_pushes_and_backups():
    pg, repo, _ = backed_up(4)
    rules = ("expire", "--keep-full", "2", "--broken", "--broken-age", "1min")
    for _ in range(3):
        load = [
            subprocess.Popen(
                [program("walvault"), *rules, "--config", repo.config],
                env=clean_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for _ in range(3)
        ]
        backup(pg, repo)
        write(pg, 3)
        for process in load:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err.decode()
    expire(repo, *rules[1:])
    assert len(ids(repo)) == 2
    found = verify(repo, "--wal")
    assert found == [], found


def test_what_a_killed_backup_left_goes_by_its_age():
    pg, repo, made = backed_up(2)
    killed = stopped_backup(pg, repo)
    killed.kill()
    killed.wait()
    (remains,) = {path.name for path in (repo.system_directory() / "backup").iterdir()} - set(made)
    expire(repo, "--keep-full", "2")
    expire(repo, "--keep-full", "2", "--broken")
    assert (repo.system_directory() / "backup" / remains / "begin").exists()
    write(pg)
    for path in (repo.system_directory() / "backup" / remains).iterdir():
        os.utime(path, (time.time() - 90000,) * 2)
    expire(repo, "--keep-full", "2")
    assert (repo.system_directory() / "backup" / remains / "begin").exists()
    expire(repo, "--keep-full", "2", "--broken")
    assert not any(remains in key for key in repo.objects())
    assert ids(repo) == made and verify(repo) == []


# -- verify --


def flip(path, place=None):
    """Changes one byte in the middle of an object."""
    data = bytearray(path.read_bytes())
    data[place if place is not None else len(data) // 2] ^= 0x40
    path.unlink()  # it may be a link
    path.write_bytes(data)


def test_verify_finds_nothing_in_a_good_repository():
    _, repo, made = backed_up(2)
    result = repo.walvault("verify", "--wal").expect(0)
    assert "0 findings" in result.out, result
    assert "2 backups" in result.out, result
    assert verify(repo, made[0]) == []


def test_a_damaged_pack_names_the_files_that_it_costs():
    _, repo, made = backed_up(2)
    pack = sorted(repo.system_directory().glob(f"backup/{made[0]}/pack-*"))[0]
    flip(pack)
    (finding,) = verify(repo, status=1)
    assert finding["object"].endswith(f"{made[0]}/{pack.name}"), finding
    assert f"backup {made[0]} cannot be restored: file" in finding["cost"], finding
    assert verify(repo, made[1]) == []
    assert verify(repo, made[0], status=1) != []


def test_a_missing_or_shorter_pack_is_found_also_where_only_a_sample_is_read():
    _, repo, made = backed_up(2)
    packs = sorted(repo.system_directory().glob("backup/*/pack-*"))
    packs[0].unlink()
    data = packs[-1].read_bytes()
    packs[-1].unlink()
    packs[-1].write_bytes(data[:-1])
    found = verify(repo, "--sample", "1%", status=1)
    assert {f["object"].rsplit("/", 2)[1] for f in found} >= set(made), found


def test_a_damaged_manifest_does_not_hide_another_backups_missing_pack():
    _, repo, made = backed_up(3)
    flip(repo.system_directory() / "backup" / made[0] / "manifest")
    pack = sorted(repo.system_directory().glob(f"backup/{made[2]}/pack-*"))[0]
    pack.unlink()
    found = verify(repo, "--wal", status=1)
    assert any(made[0] in f["object"] and "cannot be restored" in f["cost"] for f in found), found
    assert any(f["object"].endswith(f"{made[2]}/{pack.name}") for f in found), found


def test_a_backup_whose_manifest_is_damaged_does_not_count():
    _, repo, made = backed_up(3)
    manifest = repo.system_directory() / "backup" / made[2] / "manifest"
    flip(manifest)
    found = verify(repo, status=1)
    assert any(made[2] in f["object"] and "cannot be restored" in f["cost"] for f in found), found
    # One good backup is left beside it, and somebody has to know.
    result = repo.walvault("expire", "--keep-full", "1").expect(1)
    assert f"{made[2]}: it is damaged" in result.err, result
    assert f"backup {made[0]}: no rule keeps it" in result.out, result
    assert ids(repo) == [made[1], made[2]]
    assert verify(repo, made[1], "--wal") == []


def test_a_backup_that_lacks_a_pack_is_not_one_of_those_that_keep_full_counts():
    pg, repo, made = backed_up(4)
    packs = sorted(repo.system_directory().glob(f"backup/{made[3]}/pack-*"))
    shutil.move(packs[0], repo.directory / "lost")
    report = expire(repo, "--keep-full", "2", status=1)
    kept = {b["id"]: b["reasons"] for b in report["backups"] if b["keep"]}
    assert set(kept) == set(made[1:]), report
    assert set(ids(repo)) == set(made[1:])
    total = count(pg)
    pg.archive_all()
    pg.stop()
    restored = restore_and_start(repo, "--backup", made[1], "--to-latest")
    assert count(restored) == total
    restored.stop()
    # Brought back, it counts again, and the exit status is that of a good run.
    shutil.move(repo.directory / "lost", packs[0])
    expire(repo, "--keep-full", "2")
    assert set(ids(repo)) == set(made[2:])


def test_a_backup_whose_manifest_cannot_be_read_goes_when_a_better_one_is_there():
    _, repo, made = backed_up(3)
    manifest = repo.system_directory() / "backup" / made[1] / "manifest"
    flip(manifest, 20)
    expire(repo, "--keep-full", "1")
    assert set(ids(repo)) == {made[1], made[2]}
    for path in manifest.parent.iterdir():
        os.utime(path, (time.time() - 90000,) * 2)
    expire(repo, "--keep-full", "1", "--broken")
    assert ids(repo) == [made[2]]
    found = verify(repo)
    assert found == [], found


def test_damaged_wal_says_between_which_moments_there_is_no_recovery():
    pg, repo, made = backed_up(2)
    behind = write(pg, 2)
    names = segments(repo)
    between = names[names.index(start_segment(repo, made[0])) + 2]
    assert start_segment(repo, made[0]) < between < start_segment(repo, made[1])
    flip(repo.object_path(between), -20000 if repo.object_path(between).stat().st_size > 40000 else None)
    (finding,) = verify(repo, "--wal", status=1)
    assert between in finding["object"], finding
    assert "no recovery between" in finding["cost"] and made[1] in finding["cost"], finding
    flip(repo.object_path(behind[0]))
    found = verify(repo, "--wal", status=1)
    assert any("no recovery behind" in f["cost"] for f in found), found


def test_missing_wal_is_found_without_reading_it_back():
    _, repo, made = backed_up(2)
    repo.object_path(start_segment(repo, made[0])).unlink()
    (finding,) = verify(repo, status=1)
    assert finding["cost"].startswith(f"backup {made[0]} cannot be restored"), finding
    assert start_segment(repo, made[0]) in finding["object"], finding


def test_damaged_wal_can_be_set_aside_and_archived_again():
    pg, repo, _ = backed_up(1)
    pg.configure(wal_keep_size="64MB")
    pg.reload()
    name = write(pg, 2)[0]
    saved = pg.data / "pg_wal" / name
    assert saved.exists()
    flip(repo.object_path(name))
    repo.walvault("verify", "--set-aside").expect(3)
    (finding,) = verify(repo, "--wal", "--set-aside", status=1)
    assert finding["set_aside"], finding
    assert not repo.object_path(name).exists()
    assert any(f"{name}.damaged-" in key for key in repo.objects())
    result = repo.walvault("check", "--no-server").expect(2)
    assert f"{name} was damaged and is not archived again" in result.out, result
    assert "walpush it from some server's pg_wal" in result.out, result
    repo.walpush(f"pg_wal/{name}").expect(0)
    assert verify(repo, "--wal") == []
    assert "is not archived again" not in repo.walvault("check", "--no-server").expect(0).out


def test_the_last_segment_set_aside_is_critical_and_behind_a_backup_it_is_not():
    pg, repo, _ = backed_up(1)
    name = write(pg, 2)[-1]
    flip(repo.object_path(name))
    verify(repo, "--wal", "--set-aside", status=1)
    # There is no gap to see yet: nothing lies behind it.
    result = repo.walvault("check", "--no-server").expect(2)
    assert f"{name} was damaged and is not archived again" in result.out, result
    write(pg)
    backup(pg, repo)
    result = repo.walvault("check", "--no-server").expect(1)
    assert f"{name} was damaged and is not archived again" in result.out, result


def test_what_was_verified_is_remembered_and_can_be_left_out():
    _, repo, _ = backed_up(2)
    first = repo.walvault("verify", "--wal", "--json").expect(0).json()["stores"][0]
    assert first["objects"] > 10 and first["left_out"] == 0, first
    again = repo.walvault("verify", "--wal", "--json", "--since", "2020-01-01 00:00Z").expect(0)
    assert again.json()["stores"][0]["objects"] == 0, again
    part = repo.walvault("verify", "--wal", "--json", "--sample", "1").expect(0).json()["stores"][0]
    assert 1 <= part["objects"] < first["objects"] and part["never_verified"] == 0, part
    later = repo.walvault("verify", "--wal", "--json", "--since", "2100-01-01 00:00Z").expect(0)
    assert later.json()["stores"][0]["objects"] == first["objects"], later
    # Memory is a cache: it may vanish.
    shutil.rmtree(repo.state_directory)
    full = repo.walvault("verify", "--wal", "--json", "--since", "2020-01-01 00:00Z").expect(0)
    assert full.json()["stores"][0]["objects"] == first["objects"], full
    # An object that is bad is not remembered as good.
    flip(repo.object_path(segments(repo)[-1]))
    verify(repo, "--wal", status=1)
    verify(repo, "--wal", "--since", "2020-01-01 00:00Z", status=1)


# -- info and check --


def check(repo, *options, status):
    result = repo.walvault("check", "--json", "--conninfo", repo.pg.conninfo(), *options).expect(status)
    return {finding["subject"]: finding for finding in result.json()["findings"]}


def test_info_shows_backups_holds_and_remains():
    pg, repo = server()
    write(pg)
    made = backup(pg, repo, "--label", "first", "--annotate", "ticket=OPS 7")
    repo.walvault("hold", made, "--until", "2090-01-01 00:00+00", "--reason", "audit").expect(0)
    killed = stopped_backup(pg, repo)
    killed.kill()
    killed.wait()
    (system,) = repo.json("info")["systems"]
    done, remains = sorted(system["backups"], key=lambda b: b["state"])
    assert done["id"] == made and done["state"] == "complete", done
    assert done["label"] == "first" and done["annotations"] == {"ticket": "OPS 7"}, done
    assert done["hold"]["reason"] == "audit" and done["hold"]["until"].startswith("2090-01-01 00:00:00"), done
    assert done["bad_pages"] == 0 and done["stored"] > 1000 and done["files"] > 100, done
    assert remains["state"] == "unfinished" and remains["begun"]["pid"] == killed.pid, remains
    text = repo.walvault("info").expect(0).out
    assert made in text and "audit" in text and "is not finished" in text and '"first"' in text, text


def test_check_asks_for_a_backup_and_for_a_new_one():
    pg, repo = server()
    write(pg)
    assert "base backup" in check(repo, status=1)
    made = backup(pg, repo)
    assert made in check(repo, status=0)["base backup"]["text"]
    assert check(repo, "--backup-age-warning", "1h", status=0)
    command = ("check", "--no-server", "--backup-age-warning", "1h", "--backup-age-critical", "2h")
    result = repo.walvault(*command, env=program_clock("+3h")).expect(2)
    assert "base backup" in result.out, result


def test_check_is_critical_when_the_newest_backup_is_not_whole():
    _, repo, made = backed_up(2)
    assert "backup" not in check(repo, status=0)
    newest = repo.system_directory() / "backup" / made[1]
    pack = sorted(newest.glob("pack-*"))[0]
    wal = repo.object_path(start_segment(repo, made[1]))
    for lost in (pack, wal):
        kept = lost.read_bytes()
        lost.unlink()
        found = check(repo, status=2)["backup"]["text"]
        assert made[1] in found and lost.name in found, found
        lost.write_bytes(kept)
    flip(newest / "manifest")
    assert made[1] in check(repo, status=2)["backup"]["text"]


def test_check_is_not_deceived_by_a_backup_that_a_wrong_clock_dated():
    pg, repo = server()
    clock = FakeClock()
    clock.govern(pg)
    pg.restart()
    write(pg)
    clock.jump_to(datetime(2038, 1, 19, 3, 14, 7, tzinfo=timezone.utc))
    wrong = backup(pg, repo)
    found = check(repo, status=1)
    assert wrong in found["backup clock"]["text"], found
    clock.shift(0)
    write(pg)
    right = backup(pg, repo)
    assert right in check(repo, status=0)["base backup"]["text"]
    command = ("check", "--no-server", "--backup-age-critical", "2h")
    result = repo.walvault(*command, env=program_clock("+3h")).expect(2)
    assert right in result.out, result


def test_a_gap_is_critical_until_a_backup_lies_behind_it():
    pg, repo, made = backed_up(1)
    command = pg.value("SHOW archive_command")
    pg.reload(archive_command="/bin/true")
    lost = write_unarchived(pg)
    pg.reload(archive_command=command)
    write(pg)
    found = check(repo, status=2)
    assert "take a base backup" in found["gap"]["text"], found
    (finding,) = verify(repo, status=1)
    assert lost in finding["object"] and "no recovery behind" in finding["cost"], finding
    newer = backup(pg, repo)
    assert check(repo, status=1)["gap"]["level"] == "WARNING"
    (finding,) = verify(repo, status=1)
    assert "no recovery between" in finding["cost"] and newer in finding["cost"], finding
    expire(repo, "--keep-full", "1")
    assert "gap" not in check(repo, status=0)
    found = verify(repo, "--wal")
    assert found == [] and made[0] not in ids(repo), found


def write_unarchived(pg):
    """A segment that the server believes to be archived; its name."""
    pg.sql("INSERT INTO t VALUES (7)")
    name = pg.switch_wal()
    pg.wait_archived(name)
    return name


def test_check_names_a_backup_that_broke_off():
    pg, repo, _ = backed_up(1)
    killed = stopped_backup(pg, repo)
    killed.kill()
    killed.wait()
    write(pg)
    assert "broken backup" not in check(repo, status=0)
    assert killed.returncode != 0
    for begin in repo.system_directory().glob("backup/*/begin"):
        if not (begin.parent / "manifest").exists():
            for path in begin.parent.iterdir():
                os.utime(path, (time.time() - 90000,) * 2)
    found = check(repo, status=1)
    assert "expire --broken" in found["broken backup"]["text"], found
