# SPDX-License-Identifier: PostgreSQL
"""What walvault's verbs tell: init, info, check, find, ls, cat and config on real archives."""

import shutil

from walvault_test import BaseCopy, Postgres, Repository, format_lsn, parse_lsn, segment_name, wait_until, work_directory
from walvault_test.hung import HungStore
from walvault_test.programs import run_program, program

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3


def archiving_server(**settings):
    """A running server of small segments that archives into a repository."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off", **settings)
    repo = Repository(pg)
    repo.enable_archiving()
    pg.start()
    repo.init()
    pg.sql("CREATE TABLE t (v int)")
    return pg, repo


def archive_segments(pg, count):
    """Lets the server archive that many more segments; their names."""
    names = []
    for number in range(count):
        pg.sql("INSERT INTO t VALUES (%s)", number)
        names.append(pg.switch_wal())
    pg.wait_archived(names[-1])
    return names


def take_backup(repo):
    repo.run("basebackup", "--fast", "--conninfo", repo.pg.conninfo()).expect(0)


def check(repo, *options, status):
    result = repo.walvault("check", "--conninfo", repo.pg.conninfo(), *options).expect(status)
    return result.out


# -- init --


def test_init_is_safe_to_repeat():
    pg, repo = archiving_server()
    before = repo.objects()
    again = repo.init()
    assert "is there" in again.out, again
    assert repo.objects() == before


def test_init_of_a_new_generation_prints_the_line_to_set():
    pg, repo = archiving_server()
    first = repo.init("--new-generation")
    assert "generation = 2" in first.out, first
    second = repo.init("--new-generation")
    assert "generation = 3" in second.out, second


def test_init_gives_several_stores_one_repository_id():
    pg = Postgres.create(15, segsize_mib=1)
    repo = Repository(pg)
    directory = work_directory()
    urls = [f"file://{directory}/one", f"file://{directory}/two"]
    run = lambda *words: run_program(program("walvault"), *words, "--pgdata", pg.data, env={})  # noqa: E731
    run("init", "--store", ",".join(urls)).expect(0)
    ids = {(directory / name / "main/repository").read_text().split("id = ")[1].split()[0] for name in ("one", "two")}
    assert len(ids) == 1, ids
    shutil.rmtree(directory / "two")
    run("init", "--store", urls[1]).expect(0)
    refused = run("init", "--store", ",".join(urls))
    assert refused.status == 3 and "another repository" in refused.err, refused
    assert repo.objects() == []


def test_init_needs_a_data_directory_and_says_so():
    directory = work_directory()
    (directory / "empty").mkdir()
    result = run_program(program("walvault"), "init", "--store", f"file://{directory}/s", "--pgdata", directory / "empty")
    assert result.status == 3 and "not a data directory" in result.err, result


# -- info --


def test_info_shows_ranges_and_times_of_every_timeline():
    pg, repo = archiving_server()
    names = archive_segments(pg, 5)
    [system] = repo.json("info")["systems"]
    [timeline] = system["timelines"]
    [only] = timeline["ranges"]
    assert only["last"] == names[-1] and only["segments"] >= 5, only
    assert only["bytes"] == only["segments"] * (1 << 20)
    assert only["first_commit"] <= only["last_commit"]
    assert timeline["gaps"] == [] and timeline["damaged"] == []
    text = repo.walvault("info").expect(0).out
    assert names[-1] in text and "timeline 1" in text


def test_a_period_without_archiving_is_a_gap_that_info_and_check_name():
    pg, repo = archiving_server()
    before = archive_segments(pg, 3)
    command = pg.value("SHOW archive_command")
    pg.reload(archive_command="/bin/true")
    lost = archive_segments(pg, 2)
    pg.reload(archive_command=command)
    after = archive_segments(pg, 3)
    [system] = repo.json("info")["systems"]
    [gap] = system["timelines"][0]["gaps"]
    assert gap["after"] >= before[-1] and gap["before"] <= after[-1], gap
    assert gap["missing"] >= 1 and gap["after"] < lost[-1] < gap["before"], gap
    out = check(repo, status=CRITICAL)
    assert "gap" in out and gap["before"] in out, out


def test_a_reset_wal_begins_a_range_of_its_own():
    pg, repo = archiving_server(fsync="on")
    last = archive_segments(pg, 3)[-1]
    pg.stop("fast")
    position = parse_segment(last) + 4
    fresh = segment_name(1, position * pg.segsize, pg.segsize)
    run_program("/usr/lib/postgresql/15/bin/pg_resetwal", "-f", "-l", fresh, "-D", pg.data).expect(0)
    pg.start()
    archive_segments(pg, 3)
    [system] = repo.json("info")["systems"]
    assert len(system["timelines"][0]["ranges"]) == 2, system
    check(repo, status=CRITICAL)


def parse_segment(name):
    """A 1 MiB segment's number."""
    return int(name[8:16], 16) * 4096 + int(name[16:], 16)


# -- check --


def test_check_is_fine_when_archiving_works():
    pg, repo = archiving_server()
    take_backup(repo)
    names = archive_segments(pg, 3)
    out = check(repo, status=OK)
    assert out.startswith("WALVAULT OK"), out
    assert names[-1] in out and "without a gap" in out, out


def test_check_finds_the_server_by_its_data_directory():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    take_backup(repo)
    result = repo.walvault("check", env={"PGUSER": "postgres"}).expect(OK)
    assert "last archived" in result.out, result


def test_check_is_critical_when_archiving_fails():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    moved = repo.store.with_name("elsewhere")
    repo.store.rename(moved)
    pg.sql("INSERT INTO t VALUES (1)")
    pg.switch_wal()
    wait_until(lambda: pg.value("SELECT failed_count FROM pg_stat_archiver") > 0, "a failed archive command")
    moved.rename(repo.store)
    out = check(repo, "--ready-warning", "1", status=CRITICAL)
    assert "archiving: fails" in out, out


def test_check_counts_the_files_that_wait():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    pg.reload(archive_command="/bin/false")
    for _ in range(4):
        pg.sql("INSERT INTO t VALUES (1)")
        pg.switch_wal()
    wait_until(lambda: pg.value("SELECT failed_count FROM pg_stat_archiver") > 0, "a failed archive command")
    out = repo.walvault("check", "--no-server", "--ready-warning", "3").expect(WARNING).out
    assert "WAL files wait" in out, out
    repo.walvault("check", "--no-server", "--ready-warning", "2", "--ready-critical", "3").expect(CRITICAL)


def test_check_warns_when_the_server_is_down_and_can_be_told_not_to_ask():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    take_backup(repo)
    pg.stop()
    assert "server not asked" in check(repo, status=WARNING)
    repo.walvault("check", "--no-server").expect(OK)


def test_check_is_critical_when_archive_mode_is_off():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    pg.configure(archive_mode="off")
    pg.restart()
    assert "archive_mode" in check(repo, status=CRITICAL)


def test_check_is_critical_without_a_store():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    shutil.rmtree(repo.store)
    out = check(repo, status=CRITICAL)
    assert "store" in out and "walvault init" in out, out


def test_check_notices_a_damaged_header():
    pg, repo = archiving_server()
    names = archive_segments(pg, 4)
    path = repo.object_path(names[1])
    content = bytearray(path.read_bytes())
    content[30] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    out = check(repo, status=CRITICAL)
    assert names[1] in out and "damage" in out, out


def test_check_notices_that_another_server_is_ahead_on_this_timeline():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    pg.stop()
    saved = work_directory() / "saved"
    shutil.copytree(pg.data, saved, symlinks=True)
    pg.start()
    archive_segments(pg, 5)
    pg.stop()
    shutil.rmtree(pg.data)
    saved.rename(pg.data)
    pg.configure(archive_command="/bin/true")
    pg.start()
    out = check(repo, status=CRITICAL)
    assert "two writers" in out, out


def test_check_speaks_json():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    take_backup(repo)
    result = repo.walvault("check", "--json", "--conninfo", pg.conninfo()).expect(OK).json()
    assert result["status"] == "OK" and result["findings"], result


# -- find --


def test_find_stops_exactly_at_a_restore_point():
    pg, repo = archiving_server()
    archive_segments(pg, 1)
    lsn = parse_lsn(pg.value("SELECT pg_create_restore_point('here')::text"))
    archive_segments(pg, 2)
    found = repo.json("find", "--name", "here")
    assert found["reachable"] and parse_lsn(found["stop"]["lsn"]) < lsn, found
    assert found["before"] and found["after"]
    text = repo.walvault("find", "--name", "here").expect(0).out
    assert f"recovery_target_lsn = '{found['stop']['lsn']}'" in text, text


def test_a_restore_point_used_twice_is_ambiguous():
    pg, repo = archiving_server()
    for _ in range(2):
        pg.sql("SELECT pg_create_restore_point('twice')")
        archive_segments(pg, 1)
    result = repo.walvault("find", "--name", "twice").expect(1)
    assert "2 restore points" in result.err, result


def test_a_moment_behind_the_archive_is_out_of_reach_and_the_next_segment_is_named():
    pg, repo = archiving_server()
    last = archive_segments(pg, 2)[-1]
    result = repo.walvault("find", "--time", "2040-01-01 00:00:00+00").expect(1)
    assert segment_name(1, (parse_segment(last) + 1) * pg.segsize, pg.segsize) in result.err, result
    assert repo.walvault("find", "--lsn", "7/0").expect(1).err
    assert repo.walvault("find", "--xid", "4000000").expect(1).err
    assert repo.walvault("find", "--name", "nowhere").expect(1).err


def test_a_time_without_a_zone_needs_utc_to_be_said():
    pg, repo = archiving_server()
    archive_segments(pg, 1)
    now = pg.value("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')")
    result = repo.walvault("find", "--time", now).expect(3)
    assert "zone" in result.err and "--utc" in result.err, result
    assert repo.walvault("find", "--time", now, "--utc").status in (0, 1)


def test_find_wants_exactly_one_target():
    pg, repo = archiving_server()
    for words in ((), ("--lsn", "0/1", "--xid", "3"), ("--lsn", "nonsense"), ("--xid", "-1"), ("--time", "yesterday")):
        assert repo.walvault("find", *words).status == 3, words


def test_a_time_inside_a_gap_is_not_answered_with_a_guess():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    command = pg.value("SHOW archive_command")
    pg.reload(archive_command="/bin/true")
    archive_segments(pg, 1)
    inside = pg.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
    archive_segments(pg, 1)
    pg.reload(archive_command=command)
    archive_segments(pg, 3)
    result = repo.walvault("find", "--time", inside).expect(1)
    assert "broken" in result.err, result


def test_two_leaves_that_differ_need_a_timeline_to_be_named():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    shared = pg.value("SELECT txid_current()")
    pg.stop()
    twin = work_directory() / "twin"
    shutil.copytree(pg.data, twin, symlinks=True)
    pg.promote_in_place(restore_command="/bin/false")
    archive_segments(pg, 2)
    pg.stop()
    shutil.rmtree(pg.data)
    twin.rename(pg.data)
    # The twin sees that timeline 2 is taken, and forks timeline 3 from 1.
    pg.promote_in_place(restore_command=repo.restore_command(), recovery_target_timeline="current")
    archive_segments(pg, 2)
    moment = pg.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
    pg.sql("INSERT INTO t VALUES (1)")
    pg.archive_all()
    timelines = [t["timeline"] for t in repo.json("info")["systems"][0]["timelines"]]
    assert timelines == [1, 2, 3], timelines
    assert repo.json("find", "--time", moment)["timeline"] == 3
    own = {tli: first_own_commit(repo, tli) for tli in (2, 3)}
    ambiguous = repo.walvault("find", "--xid", str(min(own.values()))).expect((0, 1))
    if own[2] == own[3]:
        assert ambiguous.status == 1 and "--timeline" in ambiguous.err, ambiguous
    for tli in (2, 3):
        found = repo.json("find", "--xid", str(own[tli]), "--timeline", str(tli))
        assert found["stop"]["timeline"] == tli, found
    assert repo.json("find", "--xid", str(shared - 1))["stop"]["timeline"] == 1


def first_own_commit(repo, tli):
    """The xid of the first transaction that ends on a timeline behind its fork."""
    [timeline] = [t for t in repo.json("info")["systems"][0]["timelines"] if t["timeline"] == tli]
    return repo.json("find", "--lsn", timeline["switch_lsn"], "--exclusive", "--timeline", str(tli))["after"]["xid"]


# -- ls, cat, config --


def test_ls_lists_what_cat_brings_back_byte_for_byte():
    pg, repo = archiving_server()
    names = archive_segments(pg, 3)
    keys = [line.split()[-1] for line in repo.walvault("ls").expect(0).out.splitlines()]
    assert any(key.endswith(names[0]) for key in keys), keys
    listed = repo.walvault("ls", "--json").expect(0).json()["stores"][0]["objects"]
    assert [entry["key"] for entry in listed] == keys
    segments = [key for key in keys if key.endswith(tuple(names))]
    assert len(segments) == 3
    for key in segments:
        plain = work_directory() / "plain"
        run_program("/bin/sh", "-c", f'"{program("walvault")}" cat {key} > {plain}', env={"WALVAULT_CONFIG": str(repo.config)}).expect(0)
        assert plain.read_bytes() == (pg.data / "pg_wal" / key[-24:]).read_bytes()


def test_cat_writes_nothing_of_a_damaged_object():
    pg, repo = archiving_server()
    name = archive_segments(pg, 1)[0]
    path = repo.object_path(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.chmod(0o600)
    path.write_bytes(content)
    result = repo.walvault("cat", name).expect(1)
    assert result.out == "" and "damaged" in result.err, result
    assert repo.walvault("cat", "no/such/object").expect(1).err


def test_config_names_the_place_every_value_comes_from():
    pg, repo = archiving_server()
    repo.configure(timeout="45s")
    options = {
        entry["option"]: entry
        for entry in repo.walvault("config", "--json", "--log-level", "debug", env={"WALVAULT_STANDBY_TIMEOUT": "7s"}).expect(0).json()["options"]
    }
    assert options["timeout"]["value"] == "45s" and str(repo.config) in options["timeout"]["origin"]
    assert options["standby_timeout"] == {**options["standby_timeout"], "value": "7s", "origin": "WALVAULT_STANDBY_TIMEOUT"}
    assert options["log_level"]["value"] == "debug" and options["log_level"]["origin"] == "--log-level"
    assert options["on_damage"]["origin"] == "default"


def test_an_unknown_verb_is_a_usage_error_that_lists_the_verbs():
    result = run_program(program("walvault"), "frobnicate")
    assert result.status == 3 and "no such verb" in result.err and "check" in result.err, result
    for verb in ("init", "info", "check", "find", "ls", "cat", "config"):
        assert run_program(program("walvault"), verb, "--help").expect(0).out.startswith("usage: walvault")


# -- what a review of the programs by hand found --


def test_find_latest_is_the_last_whole_record_and_recovery_reaches_it():
    pg, repo = archiving_server()
    base = BaseCopy(pg)
    archive_segments(pg, 3)
    rows = pg.value("SELECT count(*) FROM t")
    pg.archive_all()
    found = repo.json("find", "--latest")
    assert found["reachable"] and found["after"] is None, found
    pg.destroy()
    new = base.recover(repo, recovery_target_lsn=found["stop"]["lsn"], recovery_target_inclusive="on")
    assert new.value("SELECT count(*) FROM t") == rows


def test_a_position_in_a_gap_or_before_the_archive_is_out_of_reach():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    command = pg.value("SHOW archive_command")
    pg.reload(archive_command="/bin/true")
    lost = archive_segments(pg, 3)[1]
    pg.reload(archive_command=command)
    archive_segments(pg, 2)
    inside = format_lsn(parse_segment(lost) * pg.segsize + 5000)
    assert "broken" in repo.walvault("find", "--lsn", inside).expect(1).err
    assert "before the first" in repo.walvault("find", "--lsn", "0/28").expect(1).err


def test_check_notices_that_the_tail_of_the_archive_is_missing():
    pg, repo = archiving_server()
    last = archive_segments(pg, 4)[-1]
    repo.object_path(last).unlink()
    out = check(repo, status=CRITICAL)
    assert last in out and "not in" in out, out


def test_check_looks_behind_the_fork_of_a_timeline_that_goes_on():
    pg, repo = archiving_server()
    archive_segments(pg, 2)
    pg.stop()
    saved = work_directory() / "saved"
    shutil.copytree(pg.data, saved, symlinks=True)
    pg.promote_in_place(restore_command="/bin/false")
    archive_segments(pg, 2)
    pg.stop()
    shutil.rmtree(pg.data)
    saved.rename(pg.data)
    pg.start()
    names = archive_segments(pg, 6)
    repo.object_path(names[3]).unlink()
    assert names[4] in check(repo, status=CRITICAL)
    result = repo.walvault("find", "--latest").expect(1)
    assert "--timeline" in result.err, result


def test_a_damaged_segment_is_no_way_for_find():
    pg, repo = archiving_server()
    pg.reload(archive_command="/bin/false")
    names = [pg.switch_wal() for _ in range(4)]
    pg.stop("immediate")
    path = pg.data / "pg_wal" / names[1]
    content = bytearray(path.read_bytes())
    content[50] ^= 1  # in the first record's header
    path.write_bytes(content)
    for name in names:
        repo.walpush(f"pg_wal/{name}").expect(0)
    found = repo.json("find", "--latest")
    assert found["reachable"], found
    assert found["stop"]["segment"] > names[1], found
    inside = format_lsn(parse_segment(names[1]) * pg.segsize + 40)
    repo.walvault("find", "--lsn", inside).expect(1)


def test_init_keeps_the_id_of_a_store_that_has_one_whatever_the_order():
    pg = Postgres.create(15, segsize_mib=1)
    directory = work_directory()
    old, new = f"file://{directory}/old", f"file://{directory}/new"
    for stores in (old, f"{new},{old}", f"{old},{new}"):
        run_program(program("walvault"), "init", "--store", stores, "--pgdata", pg.data).expect(0)
    ids = {(directory / name / "main/repository").read_text().split("id = ")[1].split()[0] for name in ("old", "new")}
    assert len(ids) == 1, ids


def test_a_store_that_fails_does_not_keep_the_others_from_having_the_file():
    pg, repo = archiving_server()
    archive_segments(pg, 1)
    pg.stop()
    good = repo.store.with_name("good")
    stores = ",".join((f"file://{repo.store}", f"file://{good}"))
    run_program(program("walvault"), "init", "--store", stores, "--pgdata", pg.data).expect(0)
    name = sorted(path.name for path in (pg.data / "pg_wal").iterdir() if len(path.name) == 24)[0]
    marker = repo.store / "main/repository"
    marker.rename(marker.with_name("gone"))
    failed = run_program(program("walpush"), "--store", stores, f"pg_wal/{name}", cwd=pg.data)
    assert failed.status == 3 and str(repo.store) in failed.err, failed
    assert list(good.glob(f"main/*/wal/*/*/{name}")), "the good store has nothing"
    marker.with_name("gone").rename(marker)
    run_program(program("walpush"), "--store", stores, f"pg_wal/{name}", cwd=pg.data).expect(0)


def test_an_identity_of_another_repository_is_refused():
    pg, repo = archiving_server()
    archive_segments(pg, 1)
    pg.stop()
    other = repo.store.with_name("other")
    run_program(program("walvault"), "init", "--store", f"file://{other}", "--pgdata", pg.data).expect(0)
    identity = next(other.glob("main/*/identity"))
    target = next(repo.store.glob("main/*/identity"))
    target.chmod(0o600)
    target.write_bytes(identity.read_bytes())
    result = repo.walvault("info")
    assert result.status == 1 and "belongs to repository" in result.err, result


def test_a_newer_generation_that_nobody_asked_for_stops_walfetch():
    pg, repo = archiving_server()
    name = archive_segments(pg, 1)[0]
    repo.init("--new-generation")
    destination = work_directory() / "fetched"
    refused = repo.walfetch(name, destination).expect(200)
    assert "--generation" in refused.err, refused
    repo.walfetch("--generation", "1", name, destination).expect(0)


def test_check_of_a_store_that_hangs_is_critical_and_ends():
    pg, repo = archiving_server()
    archive_segments(pg, 1)
    hung = HungStore().hang()
    result = repo.walvault("check", "--no-server", "--timeout", "1s", env=hung.environment).expect(CRITICAL)
    assert "deadline" in result.out and result.out.startswith("WALVAULT CRITICAL"), result
