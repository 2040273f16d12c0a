# SPDX-License-Identifier: PostgreSQL
"""What walpush accepts, refuses and puts off, by hand and without a server."""

import os
import re
import shutil
import signal
import subprocess
import time

from walvault_test import Postgres, Repository, work_directory
from walvault_test.fetching import Asker
from walvault_test.hung import HungStore
from walvault_test.programs import clean_environment, program
from walvault_test.stopped import stopped_cluster, stopped_repository
from walvault_test.stored import files_below, stored_bytes
from walvault_test.tracer import Hold, Tracer, trace
from walvault_test.wal import MIB

PAGE = 8192
HISTORY = "1\t0/5000000\tno recovery target specified\n"
BACKUP = (
    "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n"
    "STOP WAL LOCATION: 0/2000100 (file 000000010000000000000002)\n"
    "CHECKPOINT LOCATION: 0/2000060\n"
    "BACKUP METHOD: streamed\n"
    "BACKUP FROM: primary\n"
    "START TIME: 2026-11-20 02:00:00 UTC\n"
    "LABEL: nightly\n"
    "START TIMELINE: 1\n"
    "STOP TIME: 2026-11-20 02:00:05 UTC\n"
    "STOP TIMELINE: 1\n"
)


def wal_file(pg, name):
    return pg.data / "pg_wal" / name


def push(repo, name, *options, **settings):
    return repo.walpush(*options, f"pg_wal/{name}", **settings)


def patch(path, offset, new):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(new)


def with_texts(pg, names):
    """One WAL file of each kind; their names."""
    wal_file(pg, "00000002.history").write_text(HISTORY, encoding="ascii")
    backup = f"{names[1]}.00000028.backup"
    wal_file(pg, backup).write_text(BACKUP, encoding="ascii")
    return [names[0], "00000002.history", backup]


# -- the same name --


def test_the_same_file_again_is_a_success_and_changes_nothing():
    pg, repo, names = stopped_repository()
    shutil.copy(wal_file(pg, names[2]), wal_file(pg, f"{names[2]}.partial"))
    for name in [*with_texts(pg, names), f"{names[2]}.partial"]:
        push(repo, name).expect(0)
        before = {key: (repo.store / key).read_bytes() for key in repo.objects()}
        push(repo, name).expect(0)
        assert before == {key: (repo.store / key).read_bytes() for key in repo.objects()}, name


def test_every_kind_of_file_comes_back_as_it_was():
    pg, repo, names = stopped_repository()
    for name in with_texts(pg, names):
        push(repo, name).expect(0)
        assert stored_bytes(repo, name) == wal_file(pg, name).read_bytes(), name


def other_history_of_the_same_cluster():
    """A server rolled back to its first day: same sysid, same names, other WAL."""
    pg = Postgres.create(15, segsize_mib=1, autovacuum="off", wal_keep_size="64MB")
    pg.start()
    for n in range(4):
        pg.sql("SELECT pg_logical_emit_message(true, 'other', %s)", f"history {n}")
        pg.switch_wal()
    pg.stop()
    return pg


def test_other_content_under_a_stored_name_is_refused_and_the_stored_one_untouched():
    pg, repo, names = stopped_repository()
    other = other_history_of_the_same_cluster()
    assert other.sysid == pg.sysid
    for name in with_texts(pg, names):
        push(repo, name).expect(0)
        before = repo.object_path(name).read_bytes()
        if name == names[0]:
            assert wal_file(other, name).read_bytes() != wal_file(pg, name).read_bytes()
        else:
            text = wal_file(pg, name).read_text(encoding="ascii")
            wal_file(other, name).write_text(
                text.replace("no recovery", "another").replace("nightly", "weekly"), "ascii"
            )
        result = push(repo, name, cwd=other.data)
        assert result.status == 2, (name, result)
        assert "other content" in result.err and name in result.err, result
        assert repo.object_path(name).read_bytes() == before, name
        push(repo, name).expect(0)


def test_a_partial_segment_with_other_content_goes_beside_the_first():
    pg, repo, names = stopped_repository()
    other = other_history_of_the_same_cluster()
    name = f"{names[1]}.partial"
    shutil.copy(wal_file(pg, names[1]), wal_file(pg, name))
    shutil.copy(wal_file(other, names[1]), wal_file(other, name))
    push(repo, name).expect(0)
    push(repo, name, cwd=other.data).expect(0)
    partials = [key for key in repo.objects() if f"/{name}/" in key]
    assert len(partials) == 2, repo.objects()
    assert not repo.object_path(names[1]).exists()
    push(repo, names[1]).expect(0)


# -- several at once --


def push_at_once(repo, name, count):
    """Starts so many walpush at one moment; their exit statuses."""
    start, release = os.pipe()
    script = 'read x <&3; exec 3<&-; exec "$@"'
    running = [
        subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", program("walpush"), f"pg_wal/{name}"],
            cwd=repo.pg.data,
            env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: os.dup2(start, 3),
            pass_fds=(start, 3),
        )
        for _ in range(count)
    ]
    os.close(start)
    os.close(release)
    ended = [(process.communicate()[1], process.returncode) for process in running]
    return [(status, err.decode()) for err, status in ended]


def test_two_pushes_of_one_file_at_once_both_succeed_and_leave_one_object():
    pg, repo, names = stopped_repository()
    before = repo.objects()
    for n in range(40):
        name = names[n % len(names)]
        ended = push_at_once(repo, name, 2)
        assert [status for status, _ in ended] == [0, 0], ended
        key = str(repo.object_path(name).relative_to(repo.store))
        assert repo.objects() == sorted([*before, key])
        assert stored_bytes(repo, name) == wal_file(pg, name).read_bytes()
        shutil.rmtree(repo.system_directory() / "wal")


def test_sixteen_pushes_of_one_file_at_once_all_succeed_and_leave_one_object():
    pg, repo, names = stopped_repository()
    before = repo.objects()
    for name in names:
        ended = push_at_once(repo, name, 16)
        assert {status for status, _ in ended} == {0}, ended
        key = str(repo.object_path(name).relative_to(repo.store))
        assert repo.objects() == sorted([*before, key])
        assert stored_bytes(repo, name) == wal_file(pg, name).read_bytes()
        shutil.rmtree(repo.system_directory() / "wal")


def test_different_files_pushed_at_once_all_arrive():
    pg, repo, names = stopped_repository()
    running = [
        subprocess.Popen(
            [program("walpush"), f"pg_wal/{name}"],
            cwd=pg.data,
            env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
        )
        for name in names
    ]
    assert [process.wait() for process in running] == [0] * len(names)
    for name in names:
        assert stored_bytes(repo, name) == wal_file(pg, name).read_bytes()


# -- refused --


def assert_refused(repo, name, *words, **settings):
    """Exit 2, a message with the words, and nothing stored."""
    before = files_below(repo.store)
    result = push(repo, name, **settings)
    assert result.status == 2, (name, result)
    for word in words:
        assert word in result.err, (word, result)
    assert files_below(repo.store) == before, name


def test_a_segment_of_another_cluster_is_refused():
    pg, repo, names = stopped_repository()
    patch(wal_file(pg, names[0]), 24, (int(pg.sysid) + 1).to_bytes(8, "little"))
    assert_refused(repo, names[0], "another cluster")
    foreign, foreign_names = stopped_cluster(14)
    shutil.copy(wal_file(foreign, foreign_names[1]), wal_file(pg, foreign_names[1]))
    assert_refused(repo, foreign_names[1], "another cluster")


def test_a_cluster_without_identity_is_refused_and_told_to_init():
    pg, repo, names = stopped_repository()
    foreign, foreign_names = stopped_cluster(14)
    assert_refused(repo, foreign_names[0], "walvault init", cwd=foreign.data)
    wal_file(foreign, "00000002.history").write_text(HISTORY, encoding="ascii")
    assert_refused(repo, "00000002.history", "walvault init", cwd=foreign.data)
    (repo.system_directory() / "identity").unlink()
    assert_refused(repo, names[0], "walvault init")


def test_a_misnamed_segment_is_refused():
    pg, repo, names = stopped_repository()
    shutil.copy(wal_file(pg, names[0]), wal_file(pg, names[1]))
    assert_refused(repo, names[1], names[1])
    far = "0000000100000001" + names[2][16:]
    shutil.copy(wal_file(pg, names[2]), wal_file(pg, far))
    assert_refused(repo, far, far)


def test_a_segment_of_a_later_timeline_than_its_name_is_refused():
    pg, repo, names = stopped_repository()
    patch(wal_file(pg, names[0]), 4, (2).to_bytes(4, "little"))
    assert_refused(repo, names[0], "timeline")


def test_a_segment_that_begins_with_an_earlier_timeline_is_accepted():
    """As the first segment after a promotion, which begins with copied pages."""
    pg, repo, names = stopped_repository()
    name = "00000002" + names[0][8:]
    shutil.copy(wal_file(pg, names[0]), wal_file(pg, name))
    push(repo, name).expect(0)


def test_a_segment_of_the_wrong_size_is_refused():
    pg, repo, names = stopped_repository()
    whole = wal_file(pg, names[0]).read_bytes()
    for wrong in (
        whole[:-1],
        whole[: MIB // 2],
        whole + b"\0",
        whole + bytes(MIB),
        whole[:PAGE],
        whole[:10],
        b"",
    ):
        wal_file(pg, names[0]).write_bytes(wrong)
        assert_refused(repo, names[0], names[0])


def test_a_file_of_zeros_is_refused():
    pg, repo, names = stopped_repository()
    wal_file(pg, names[0]).write_bytes(bytes(MIB))
    assert_refused(repo, names[0], names[0])


def test_an_empty_or_broken_history_file_is_refused():
    pg, repo, _ = stopped_repository()
    for text in ("", "<html>502 Bad Gateway</html>\n", "2\t0/5000000\tnot below\n", "1\tx\ty\n"):
        wal_file(pg, "00000002.history").write_text(text, encoding="ascii")
        assert_refused(repo, "00000002.history", "00000002.history")


def test_an_empty_or_broken_backup_history_file_is_refused():
    pg, repo, names = stopped_repository()
    name = f"{names[1]}.00000028.backup"
    for text in ("", "nonsense\n"):
        wal_file(pg, name).write_text(text, encoding="ascii")
        assert_refused(repo, name, name)


# -- not now: the store --


def assert_not_archived(repo, name, *options):
    """1 or 3, said why, and no file appears anywhere near the store."""
    before = files_below(repo.directory)
    result = push(repo, name, *options)
    assert result.status in (1, 3), result
    assert result.err.strip(), result
    assert files_below(repo.directory) == before, result
    return result


def test_without_the_marker_nothing_is_written():
    _, repo, names = stopped_repository(timeout="1s")
    (repo.store / "main/repository").unlink()
    assert "walvault init" in assert_not_archived(repo, names[0]).err


def test_into_an_unmounted_store_nothing_is_written():
    _, repo, names = stopped_repository(timeout="1s")
    repo.store.rename(repo.directory / "away")
    assert str(repo.store) in assert_not_archived(repo, names[0]).err
    assert not repo.store.exists()
    repo.store.mkdir()
    assert_not_archived(repo, names[0])


def test_under_another_clusters_name_nothing_is_written():
    _, repo, names = stopped_repository(timeout="1s")
    assert "nosuch" in assert_not_archived(repo, names[0], "--cluster", "nosuch").err


def test_a_store_that_denies_access_is_a_failure_worth_repeating():
    _, repo, names = stopped_repository(timeout="1s")
    for path in (repo.store, repo.store / "main", repo.system_directory()):
        path.chmod(0)
        try:
            result = push(repo, names[0])
        finally:
            path.chmod(0o700)
        assert result.status == 1, result
        assert "ermission denied" in result.err, result
    repo.system_directory().chmod(0o500)
    push(repo, names[0]).expect(1)
    repo.system_directory().chmod(0o700)
    push(repo, names[0]).expect(0)


def test_a_file_that_is_not_there_is_a_failure_worth_repeating():
    pg, repo, names = stopped_repository()
    wal_file(pg, names[0]).unlink()
    result = push(repo, names[0])
    assert result.status == 1 and names[0] in result.err, result


# -- usage and configuration --


def test_a_typing_error_in_the_configuration_is_named_with_file_and_line():
    _, repo, names = stopped_repository()
    good = repo.config.read_text(encoding="utf-8")
    for bad in (
        "tiemout = 5s",
        "timeout = soon",
        "timeout = 0s",
        "compress_level = high",
        "on_damage = ignore",
        "generation = -1",
        "store",
        "[clutser other]",
        "[cluster]",
        "[store local",
    ):
        repo.config.write_text(good + bad + "\n", encoding="utf-8")
        line = len(good.splitlines()) + 1
        if "[" not in bad:
            repo.config.write_text(
                good.replace("store = local\n", f"store = local\n{bad}\n", 1), encoding="utf-8"
            )
            line = good.splitlines().index("store = local") + 2
        result = push(repo, names[0])
        assert result.status == 3, (bad, result)
        assert f"{repo.config}:{line}" in result.err, (bad, result)
    assert not repo.object_path(names[0]).exists()


def test_an_error_about_a_choice_names_the_accepted_words():
    _, repo, names = stopped_repository()
    repo.configure(on_damage="ignore")
    result = push(repo, names[0]).expect(3)
    assert "archive" in result.err and "refuse" in result.err, result


def test_wrong_usage_is_exit_3():
    _, repo, names = stopped_repository()
    name = f"pg_wal/{names[0]}"
    for words in (
        [],
        [name, name],
        ["--no-such-option", name],
        ["--timeout", "soon", name],
        ["--timeout"],
        ["--cluster=", name],
        ["pg_wal/postgresql.conf"],
        ["pg_wal/"],
        [""],
    ):
        result = repo.walpush(*words)
        assert result.status == 3, (words, result)
        assert result.err.strip(), words
    assert not repo.object_path(names[0]).exists()


def test_a_missing_configuration_file_is_exit_3():
    _, repo, names = stopped_repository()
    repo.config.unlink()
    result = push(repo, names[0]).expect(3)
    assert str(repo.config) in result.err, result


def test_an_unknown_variable_of_the_environment_is_a_warning():
    _, repo, names = stopped_repository()
    result = push(repo, names[0], env={"WALVAULT_TIEMOUT": "5s"}).expect(0)
    assert "WALVAULT_TIEMOUT" in result.err, result


def test_a_bad_value_in_the_environment_is_exit_3():
    _, repo, names = stopped_repository()
    result = push(repo, names[0], env={"WALVAULT_TIMEOUT": "soon"}).expect(3)
    assert "WALVAULT_TIMEOUT" in result.err, result


def test_the_command_line_wins_over_the_environment_and_that_over_the_file():
    _, repo, names = stopped_repository()
    repo.configure(timeout="soon")
    push(repo, names[0]).expect(3)
    repo.configure(timeout="5s", store="nowhere")
    push(repo, names[0]).expect(3)
    push(repo, names[0], env={"WALVAULT_STORE": repo.url}).expect(0)
    push(repo, names[1], "--store", "local", env={"WALVAULT_STORE": "nowhere"}).expect(0)


# -- time, signals, descriptors --


class HoldIn:
    """One process stands still at the first call of a name on the store; then ``then``."""

    def __init__(self, store, name, then=lambda: None):
        self.store, self.name, self.then = store, name, then
        self.held = None

    def __call__(self, call):
        if self.held is None and call.result is None and call.name == self.name:
            if call.concerns(self.store):
                self.held = str(call)
                self.then()
                return Hold
        return None


def push_command(repo, name):
    return [program("walpush"), "--config", repo.config, f"pg_wal/{name}"]


def test_a_hung_store_is_given_up_when_the_time_is_up():
    _, repo, names = stopped_repository(timeout="1s")
    for call in ("openat", "pwrite64", "fsync", "linkat"):
        hold = HoldIn(repo.store, call)
        result = trace(hold, *push_command(repo, names[0]), cwd=repo.pg.data, timeout=20)
        assert hold.held, f"{call}: no such call on the store"
        assert result.status == 1, (hold.held, result)
        assert 0.8 < result.seconds < 4, (hold.held, result.seconds)
        assert result.err.strip(), hold.held
        assert not repo.object_path(names[0]).exists(), hold.held
    push(repo, names[0]).expect(0)


def test_a_hung_store_does_not_keep_those_before_it_from_having_the_file():
    _, repo, names = stopped_repository(timeout="1s")
    second = repo.store.with_name("second")
    both = ("--store", f"{repo.url},file://{second}")
    repo.init(*both)
    for call in ("openat", "pwrite64", "fsync", "linkat"):
        hold = HoldIn(second, call)
        command = [*push_command(repo, names[0]), *both]
        result = trace(hold, *command, cwd=repo.pg.data, timeout=20)
        assert hold.held, f"{call}: no such call on the store"
        assert result.status == 1, (hold.held, result)
        assert stored_bytes(repo, names[0]) == wal_file(repo.pg, names[0]).read_bytes(), hold.held
        repo.object_path(names[0]).unlink()
    push(repo, names[0], *both).expect(0)
    assert list(second.glob(f"main/*/wal/*/*/{names[0]}"))


def test_a_terminated_push_ends_at_once_and_leaves_nothing():
    _, repo, names = stopped_repository(timeout="60s")
    for call in ("openat", "pwrite64", "fsync", "linkat"):
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
            hold = HoldIn(repo.store, call)
            tracer = Tracer(hold, 20)
            hold.then = lambda tracer=tracer, number=number: os.kill(tracer.first, number)
            result = tracer.run(*push_command(repo, names[0]), cwd=repo.pg.data)
            assert hold.held, f"{call}: no such call on the store"
            if number == signal.SIGTERM:
                assert result.status == 1, (hold.held, result)
            assert result.status != 0
            assert result.seconds < 3, (hold.held, result.seconds)
            assert not repo.object_path(names[0]).exists(), hold.held
    push(repo, names[0]).expect(0)


def like_the_archiver():
    """What a program inherits from PostgreSQL's archiver, and somewhat more."""
    for number in (
        *(signal.SIGINT, signal.SIGPIPE, signal.SIGALRM, signal.SIGTTIN),
        *(signal.SIGTTOU, signal.SIGXFSZ, signal.SIGCHLD),
    ):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM})


def test_inherited_signal_settings_change_nothing():
    _, repo, names = stopped_repository(timeout="1s")
    push(repo, names[0], preexec_fn=like_the_archiver).expect(0)
    hung = HungStore().hang()
    started = time.monotonic()
    result = push(
        repo, names[1], preexec_fn=like_the_archiver, timeout=20, env=hung.environment
    )
    assert result.status == 1, result
    assert time.monotonic() - started < 4, "the deadline was missed"


def test_a_terminated_push_heeds_sigterm_though_it_was_inherited_blocked():
    _, repo, names = stopped_repository(timeout="60s")
    hung = HungStore().hang()
    process = subprocess.Popen(
        push_command(repo, names[0]),
        cwd=repo.pg.data,
        env=clean_environment(**hung.environment),
        preexec_fn=like_the_archiver,
        stderr=subprocess.DEVNULL,
    )
    hung.wait_reached()
    process.terminate()
    assert process.wait(5) == 1


def test_leaked_descriptors_are_closed_and_not_handed_on():
    """A process left behind must not keep the server's pipes open."""
    _, repo, names = stopped_repository(timeout="1s")
    hung = HungStore().hang()
    reader, writer = os.pipe()
    process = subprocess.Popen(
        push_command(repo, names[0]),
        cwd=repo.pg.data,
        env=clean_environment(**hung.environment),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(writer,),
    )
    os.close(writer)
    hung.wait_reached()
    assert os.read(reader, 1) == b"", "something was written to the server's pipe"
    assert process.poll() is None, "the pipe was closed only by the program's end"
    assert process.wait(10) == 1
    os.close(reader)


def test_a_closed_standard_error_changes_no_answer():
    _, repo, names = stopped_repository()
    for name, status in ((names[0], 0), ("00000001.history", 1), ("bad", 3)):
        done = subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program("walpush"), name],
            cwd=repo.pg.data / "pg_wal",
            env=clean_environment(WALVAULT_CONFIG=str(repo.config)),
            check=False,
        )
        assert done.returncode == status, (name, done.returncode)
    assert stored_bytes(repo, names[0]) == wal_file(repo.pg, names[0]).read_bytes()


# -- damage --


def damaged_segment(pg, name):
    """Flips one bit in a record's body, in the middle of the segment's records."""
    content = bytearray(wal_file(pg, name).read_bytes())
    used = len(content.rstrip(b"\0"))
    content[used // 2] ^= 0x04
    wal_file(pg, name).write_bytes(content)
    return bytes(content)


def test_a_segment_with_a_damaged_record_is_archived_with_a_mark():
    pg, repo, names = stopped_repository(timeout="1s")
    content = damaged_segment(pg, names[1])
    for name in names:
        result = push(repo, name).expect(0)
        assert ("damaged" in result.err) == (name == names[1]), result
    assert stored_bytes(repo, names[1]) == content
    [system] = repo.json("info")["systems"]
    [timeline] = system["timelines"]
    assert names[1] in str(timeline["damaged"]), timeline
    assert names[0] not in str(timeline["damaged"]), timeline


def test_a_segment_archived_as_damaged_is_not_handed_out_unless_allowed():
    pg, repo, names = stopped_repository(timeout="1s", standby_timeout="500ms")
    content = damaged_segment(pg, names[1])
    push(repo, names[1]).expect(0)
    for mode, status in (("recovery", 200), ("standby", 1), ("promoted", 200), ("person", 200)):
        asker = Asker(repo, mode)
        assert "damaged" in asker.fetch_fails(names[1], status).err
        asker.fetch(names[1], "--allow-damaged", "yes").expect(0)
        assert asker.destination.read_bytes() == content
    repo.configure(allow_damaged="yes")
    Asker(repo, "recovery").fetch(names[1]).expect(0)


def test_a_damaged_segment_is_refused_where_the_configuration_says_so():
    pg, repo, names = stopped_repository(on_damage="refuse")
    damaged_segment(pg, names[1])
    assert_refused(repo, names[1], names[1], "on_damage")
    push(repo, names[0]).expect(0)


def test_segments_of_an_unknown_version_are_archived_with_a_warning():
    pg, repo, names = stopped_repository()
    content = bytearray(wal_file(pg, names[0]).read_bytes())
    for page in range(0, MIB, PAGE):
        if content[page : page + 2] != b"\0\0":
            content[page : page + 2] = (0xD121).to_bytes(2, "little")
    wal_file(pg, names[0]).write_bytes(content)
    result = push(repo, names[0]).expect(0)
    assert "D121" in result.err and "warning" in result.err, result
    asker = Asker(repo, "recovery")
    asker.fetch(names[0]).expect(0)
    assert asker.destination.read_bytes() == content


def test_an_object_found_damaged_is_set_aside_and_replaced():
    pg, repo, names = stopped_repository()
    push(repo, names[0]).expect(0)
    path = repo.object_path(names[0])
    path.chmod(0o600)
    whole = path.read_bytes()
    for n, bad in enumerate((b"", whole[:-1], whole[:100], bytes(len(whole)), whole + b"x"), 1):
        path.write_bytes(bad)
        result = push(repo, names[0])
        assert result.status == 0, (len(bad), result)
        assert "set aside" in result.err, result
        assert stored_bytes(repo, names[0]) == wal_file(pg, names[0]).read_bytes()
        aside = list(path.parent.glob(f"{names[0]}.damaged-*"))
        assert len(aside) == n, aside
        assert bad in [each.read_bytes() for each in aside]


# -- where it runs --


def test_a_data_directory_that_cannot_be_written_is_enough():
    pg, repo, names = stopped_repository(state_dir="/nowhere")
    locked = [pg.data, pg.data / "pg_wal", pg.data / "global"]
    for path in locked:
        path.chmod(0o500)
    try:
        push(repo, names[0]).expect(0)
    finally:
        for path in locked:
            path.chmod(0o700)


def test_relative_and_absolute_paths_and_links_lead_to_the_same_file():
    pg, repo, names = stopped_repository()
    linked = work_directory() / "linked"
    linked.symlink_to(pg.data)
    elsewhere = work_directory() / "elsewhere"
    elsewhere.mkdir()
    repo.configure(pgdata=None)
    repo.walpush(f"pg_wal/{names[0]}", cwd=linked).expect(0)
    repo.walpush(f"./pg_wal/{names[1]}", cwd=linked).expect(0)
    repo.walpush(linked / "pg_wal" / names[2], cwd=elsewhere).expect(0)
    repo.walpush(f"../linked/pg_wal/{names[3]}", cwd=elsewhere).expect(0)
    outside = work_directory() / "outside"
    shutil.move(pg.data / "pg_wal", outside)
    (pg.data / "pg_wal").symlink_to(outside)
    repo.walpush(f"pg_wal/{names[4]}", cwd=pg.data).expect(0)
    for name in names:
        assert stored_bytes(repo, name, "--pgdata", pg.data) == wal_file(pg, name).read_bytes()


def test_the_store_is_closed_to_other_users():
    _, repo, names = stopped_repository(push=1)
    for path in (repo.store / "main").rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))
    assert repo.object_path(names[0]).exists()


def test_every_compression_level_stores_the_same_bytes():
    pg, repo, names = stopped_repository()
    for name, level in zip(names, (1, 2, 9, 12)):
        push(repo, name, "--compress-level", str(level)).expect(0)
        assert stored_bytes(repo, name) == wal_file(pg, name).read_bytes(), level
        push(repo, name, "--compress-level", "3").expect(0)
    push(repo, names[4], "--compress-level", "13").expect(3)


def test_every_record_of_the_log_is_one_line_with_its_facts():
    _, repo, names = stopped_repository()
    result = push(repo, names[0]).expect(0)
    [line] = result.err.splitlines()
    assert names[0] in line and re.search(r"stored=\d+", line), line
    other = push(repo, names[1], "--log-format", "json").expect(0)
    [line] = other.err.splitlines()
    assert line.startswith("{") and names[1] in line, line
    assert push(repo, names[2], "--log-level", "error").expect(0).err == ""


def test_two_clusters_share_a_store_without_meeting():
    pg, repo, names = stopped_repository()
    other = Repository(pg, cluster="other")
    other.store.rmdir()
    other.store.symlink_to(repo.store)
    other.init()
    push(repo, names[0]).expect(0)
    other_pg = other_history_of_the_same_cluster()
    other.walpush(f"pg_wal/{names[0]}", cwd=other_pg.data).expect(0)
    assert stored_bytes(repo, names[0]) == wal_file(pg, names[0]).read_bytes()
    assert stored_bytes(other, names[0]) == wal_file(other_pg, names[0]).read_bytes()
