# SPDX-License-Identifier: PostgreSQL
"""Runs unit test programs and end-to-end tests, and says what became of them.

Unit tests are libcheck programs ``check_*``; each is run once and each test in it
counts. End-to-end tests are functions; each is a process of its own (see
child.py), by an unprivileged user when root runs this (who then still serves
the few tests that ask for it, see asroot.py), and is ended with all that it
started when its time is up.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from . import processes
from .asroot import user_variable
from .cases import DEFAULT_TIME_LIMIT, Skip, in_ci
from .sandbox import Sandbox
from .services import NAMES as SERVICES, Services, place
from .waiting import POLL_SECONDS

ROOT = Path(__file__).resolve().parents[3]
# "not ok 2 - check_lsn.c:case:test_name: message"
TAP_RESULT = re.compile(r"(?P<ok>ok|not ok) \d+ - [^:]*:[^:]*:(?P<what>.*)")
ASAN = "exitcode=200:detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1"
SLOWEST = 20
UBSAN = "halt_on_error=1:exitcode=200:print_stacktrace=1"


class Took(NamedTuple):
    """Seconds that a test took by the clock, and of a processor."""

    seconds: float = 0
    busy: float = 0


class Report:
    """Counts outcomes and prints each as it comes; used by several threads."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skips = []
        self.times = {}
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def add_passed(self, name, took, count=1):
        tests = f" ({count} tests)" if count != 1 else ""
        with self._lock:
            self.passed += count
            self.times[name] = took
            self._line("ok", took, name + tests)

    def add_failed(self, name, took, output=""):
        with self._lock:
            self.failed += 1
            self._line("FAIL", took, name)
            for line in output.rstrip().splitlines():
                print(f"    | {line}")
            sys.stdout.flush()

    def add_skipped(self, name, took, reason, install):
        with self._lock:
            self.skips.append((name, reason, install))
            self._line("skip", took, f"{name}: {reason}")

    def _line(self, word, took, text):
        print(f"{word:4} {took.seconds:7.2f} s  {text}", flush=True)

    def _tell_where_the_time_went(self):
        if len(self.times) <= SLOWEST:
            return
        longest = sorted(self.times.items(), key=lambda each: each[1], reverse=True)
        print("the slowest, and how long they kept a processor busy:")
        for name, took in longest[:SLOWEST]:
            print(f"  {took.seconds:7.2f} s {took.busy:7.2f} s  {name}")
        seconds, busy = map(sum, zip(*self.times.values()))
        spent = time.monotonic() - self._started
        print(f"  {seconds:7.2f} s {busy:7.2f} s  all of them, in {spent:.0f} s")

    def conclude(self):
        """Prints where the time went, the skips and the totals; the run's exit status."""
        self._tell_where_the_time_went()
        for name, reason, install in self.skips:
            print(f"skipped {name}: {reason}; to install it: {install}")
        skips_fail = in_ci() and self.skips
        if skips_fail:
            print("this is CI, where a skipped test is a failure")
        print(f"{self.passed} passed, {self.failed} failed, {len(self.skips)} skipped", flush=True)
        return 1 if self.failed or skips_fail else 0


class Interrupted(Exception):
    """The run is being abandoned; nothing more is to be started or reported."""


class Running:
    """The processes that run now, so that an interrupt can end them."""

    def __init__(self):
        self._processes = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, command, time_limit, log, **options):
        """Runs one process to its end, its output going to the file ``log``; how it ended."""
        with self._lock:
            if self._stopped:
                raise Interrupted
            with open(log, "wb") as output:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    **options,
                )
            self._processes.add(process)
        started = time.monotonic()
        busy = _wait(process, started + time_limit)
        complaint = _death(process.returncode) if busy is not None else None
        if busy is None:
            processes.end(process)
            complaint = f"still running after {time_limit} s, and ended"
        with self._lock:
            self._processes.discard(process)
            if self._stopped:
                raise Interrupted
        output = Path(log).read_text(encoding="utf-8", errors="replace")
        took = Took(time.monotonic() - started, busy or 0)
        return Ended(process.returncode, complaint, output, took)

    def stop(self):
        with self._lock:
            self._stopped = True
            running = list(self._processes)
        for process in running:
            processes.end(process)


def _wait(process, deadline):
    """How long it and all below it kept a processor busy; None if it has not ended by then."""
    while time.monotonic() < deadline:
        try:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
        except ChildProcessError:
            return None  # an interrupt has ended it
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return used.ru_utime + used.ru_stime
        time.sleep(POLL_SECONDS)
    return None


def _death(status):
    return f"killed by {signal.Signals(-status).name}" if status < 0 else None


@dataclass(frozen=True)
class Ended:
    """How a process ended: status, what is wrong with that if anything, output, time."""

    status: int
    complaint: str
    output: str
    took: Took


@dataclass
class Context:
    """What every test needs to run."""

    sandbox: Sandbox
    report: Report
    running: Running = field(default_factory=Running)

    def environment_of(self, service):
        """What the suite of stores is told of a place in this service."""
        url, options = {
            "sshd": self._in_sshd,
            "exec-directory": self._by_directory,
            "exec-rclone": self._by_rclone,
        }.get(service, lambda: self._in_bucket(service))()
        return {
            "WALVAULT_TEST_STORE": url,
            "CK_TIMEOUT_MULTIPLIER": "20" if url.startswith("exec:") else "4",
            **{f"WALVAULT_TEST_STORE_{name}": value for name, value in options.items() if value},
        }

    @staticmethod
    def _in_bucket(service):
        at = place(service)
        if service == "gcs":
            options = {"ENDPOINT": at["endpoint"], "CA_FILE": at["ca"]}
            options |= {"CREDENTIALS_FILE": at["keys"]["admin"], "PART_SIZE": "5MiB"}
            return "gs://vault/suite", options
        url = "azure://vault/suite" if service == "azurite" else "s3://vault/suite"
        return url, {
            **{"ENDPOINT": at["endpoint"], "CA_FILE": at.get("ca")},
            **{"ACCESS_KEY_ID": at.get("access_key"), "ACCOUNT": at.get("account")},
            "SECRET_KEY": at["secret_key"],
            "SINGLE_WRITER": "yes" if service == "swift" else None,
            # Swift deletes a thousand keys one by one before it answers.
            "ANSWER_TIMEOUT": "5min" if service == "swift" else None,
            "PART_SIZE": "5MiB",
        }

    @staticmethod
    def _in_sshd():
        at = place("sshd")
        url = f"sftp://{at['user']}@127.0.0.1:{at['port']}{at['data']}"
        return url, {"IDENTITY_FILE": at["key"], "KNOWN_HOSTS": at["known_hosts"]}

    def _by_directory(self):
        directory = self.sandbox.path / "by-directory"
        directory.mkdir()
        return f"exec:{ROOT}/contrib/exec-directory {directory}", {}

    def _by_rclone(self):
        if not shutil.which("rclone"):
            raise Skip("rclone is not installed")
        directory = self.sandbox.path / "by-rclone"
        directory.mkdir()
        command = f"exec:{ROOT}/contrib/exec-rclone {directory}"
        return command, {"SINGLE_WRITER": "yes", "SLOW": "yes"}


@dataclass
class UnitProgram:
    """One libcheck program; its tests are counted from the TAP log it writes."""

    path: Path
    time_limit: int = DEFAULT_TIME_LIMIT
    service: str = ""

    @property
    def name(self):
        return f"{self.path.name} on {self.service}" if self.service else self.path.name

    @property
    def services(self):
        return [self.service] if self.service in SERVICES else []

    def run(self, context):
        extra = {}
        if self.service:
            try:
                extra = context.environment_of(self.service)
            except Skip as skip:
                context.report.add_skipped(self.name, Took(), skip.reason, skip.install)
                return
        scratch = context.sandbox.path / f"unit-{self.name.replace(' ', '-')}"
        scratch.mkdir()
        tap = scratch / "tap"
        environment = {**os.environ, "CK_TAP_LOG_FILE_NAME": str(tap), "TMPDIR": str(scratch)}
        environment.update(extra)
        ended = context.running.run(
            [self.path], self.time_limit, scratch / "output", cwd=ROOT, env=environment
        )
        passed, failures, complete = self._results(tap)
        if passed:
            context.report.add_passed(self.name, ended.took, passed)
        for failure in failures:
            context.report.add_failed(f"{self.name}: {failure}", ended.took)
        complaint = ended.complaint
        if not complaint and not complete:
            complaint = "ended before its last test"
        if not complaint and ended.status != 0 and not failures:
            complaint = f"no test failed, but the exit status is {ended.status}"
        if complaint:
            context.report.add_failed(f"{self.name}: {complaint}", ended.took, ended.output)

    def _results(self, tap):
        """How many passed, what failed, and whether the program came to its end."""
        passed, failures, complete = 0, [], False
        for line in tap.read_text(encoding="utf-8").splitlines() if tap.exists() else []:
            match = TAP_RESULT.fullmatch(line)
            if match and match["ok"] == "ok":
                passed += 1
            elif match:
                failures.append(match["what"])
            complete = complete or line.startswith("1..")
        return passed, failures, complete


@dataclass
class EndToEndTest:
    """One test function, for one PostgreSQL major if it takes one."""

    module: str
    function: str = ""
    major: int = None
    time_limit: int = DEFAULT_TIME_LIMIT
    error: str = ""
    skip: str = ""
    services: tuple = ()
    with_root: bool = False

    @property
    def name(self):
        name = Path(self.module).stem
        if self.function:
            name += f".{self.function}"
        return f"{name}/{self.major}" if self.major else name

    def run(self, context):
        if self.error:
            context.report.add_failed(f"{self.name}: cannot be loaded", Took(), self.error)
        elif self.skip:
            context.report.add_skipped(self.name, Took(), self.skip, "tests/deps test")
        else:
            self._run_process(context)

    def _run_process(self, context):
        directory = context.sandbox.new_work_directory()
        words = ["run", self.module, self.function]
        if self.major:
            words.append(str(self.major))
        environment = {**context.sandbox.environment(), "WALVAULT_TEST_DIR": str(directory)}
        options = context.sandbox.options
        if self.with_root and options:
            environment |= user_variable(options)
            options = {}
        ended = context.running.run(
            child_command(*words),
            self.time_limit,
            context.sandbox.path / f"{directory.name}.output",
            cwd=directory,
            env=environment,
            **options,
        )
        self._report(context.report, directory, ended)
        shutil.rmtree(directory, ignore_errors=True)

    def _report(self, report, directory, ended):
        outcome = {"outcome": "failed"}
        if (directory / "outcome").exists() and not ended.complaint:
            outcome = json.loads((directory / "outcome").read_text(encoding="utf-8"))
        if outcome["outcome"] == "passed":
            report.add_passed(self.name, ended.took)
        elif outcome["outcome"] == "skipped":
            report.add_skipped(self.name, ended.took, outcome["reason"], outcome["install"])
        else:
            complaint = f": {ended.complaint}" if ended.complaint else ""
            report.add_failed(self.name + complaint, ended.took, ended.output)


def child_command(*words):
    return [sys.executable, "-m", "walvault_test.child", *words]


def find_unit_programs(directory):
    found = sorted(Path(directory).glob("check_*"))
    return [UnitProgram(path) for path in found if path.is_file() and os.access(path, os.X_OK)]


def suites_of_stores(directory):
    """The suite that every store keeps to, on each real service."""
    path = Path(directory) / "check_store"
    if not path.exists():
        return []
    places = ["azurite", "ceph", "gcs", "sshd", "exec-directory"]
    # What else they show is of the services, not of our memory.
    if not os.environ.get("WALVAULT_ASAN"):
        places += ["swift", "exec-rclone"]
    return [UnitProgram(path, 900, service) for service in places]


def find_end_to_end_tests(sandbox, names):
    """Lists the tests of the modules in the sandbox, all or only those named."""
    modules = sorted((sandbox.source / "tests/e2e").glob("test_*.py"))
    if names:
        modules = [module for module in modules if module.name in names]
    listing = subprocess.run(
        child_command("list", *modules),
        stdout=subprocess.PIPE,
        env=sandbox.environment(),
        cwd=sandbox.work,
        check=True,
        **sandbox.options,
    )
    return [EndToEndTest(**json.loads(line)) for line in listing.stdout.splitlines()]


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("files", nargs="*", type=Path, help="only these programs and test modules")
    parser.add_argument("--only", metavar="TEXT", default="", help="only tests so named")
    parser.add_argument("--unit-dir", metavar="DIR", help="where check_* are (BUILD/tests)")
    # Most tests wait as long as they compute: for disks, servers, time-outs.
    jobs = (os.cpu_count() or 2) + 2
    parser.add_argument("--jobs", type=int, default=jobs, help=f"how many tests at once ({jobs})")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    return parser.parse_args(arguments)


def select(sandbox, unit_directory, options):
    """The tests to run: unit tests first, then those that may take longest."""
    names = {path.name for path in options.files}
    units = find_unit_programs(unit_directory) + suites_of_stores(unit_directory)
    if names:
        units = [unit for unit in units if unit.path.name in names]
    tests = sorted(
        find_end_to_end_tests(sandbox, names), key=lambda test: test.time_limit, reverse=True
    )
    missing = names - {unit.path.name for unit in units} - {Path(test.module).name for test in tests}
    if missing:
        raise SystemExit(f"tests/run: no such test: {' '.join(sorted(missing))}")
    selected = [test for test in [*units, *tests] if options.only in test.name]
    if not selected:
        raise SystemExit(f"tests/run: no test has {options.only!r} in its name")
    return selected


def require_programs(sandbox, directory):
    for name in ("walpush", "walfetch", "walvault"):
        if not (sandbox.bin / name).exists():
            raise SystemExit(f"tests/run: there is no {name} in {directory}; run make first")


def run_all(tests, context, jobs):
    """Runs them all, ``jobs`` at a time; an interrupt ends those that run."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(test.run, context) for test in tests]
        try:
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            context.running.stop()
            raise


def main(arguments):
    options = parse_arguments(arguments)
    asan = os.environ.get("WALVAULT_ASAN") == "1"
    if asan:
        os.environ.update(ASAN_OPTIONS=ASAN, UBSAN_OPTIONS=UBSAN)
    build = ROOT / os.environ.get("BUILD", "build/asan" if asan else "build")
    programs = os.environ.get("WALVAULT_BIN", build / "bin")
    unit_directory = options.unit_dir or build / "tests"
    processes.raise_on_signals()
    processes.become_subreaper()
    try:
        with Sandbox(ROOT, programs, build / "tests") as sandbox:
            tests = select(sandbox, unit_directory, options)
            if options.list:
                print(*(test.name for test in tests), sep="\n")
                return 0
            if any(isinstance(test, EndToEndTest) for test in tests):
                require_programs(sandbox, programs)
            report = Report()
            services = Services(sandbox)
            os.environ["WALVAULT_TEST_SERVICES"] = str(services.path)
            try:
                services.start(
                    [sys.executable, "-m", "walvault_test.services"],
                    sorted({name for test in tests for name in test.services}),
                )
                run_all(tests, Context(sandbox, report), options.jobs)
            finally:
                processes.end_own_descendants()
                services.remove()
            return report.conclude()
    except KeyboardInterrupt:
        print("tests/run: interrupted", file=sys.stderr)
        return 130
