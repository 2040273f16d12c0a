# SPDX-License-Identifier: PostgreSQL
"""Running a program one system call at a time, with all the processes it starts.

At every boundary of a system call, in whatever process, the test is asked what is
to happen: nothing, the death of one or of all, an error in place of the call, or
that this process stands still for ever (as one does in a hung file system: it
dies of SIGKILL and of nothing else). strace can inject faults too, but it counts
calls in each process by itself and cannot tell a store's files from others.

Linux on x86-64. A process that uses this must have no other children while it does.
"""

import ctypes
import errno
import os
import shlex
import signal
import struct
import tempfile
import time
from dataclasses import dataclass, field

from .programs import Result, clean_environment, sanitizer_complaint

_TRACEME, _PEEK, _GETREGS, _SETREGS, _SYSCALL = 0, 2, 12, 13, 24
_SETOPTIONS, _GET_SYSCALL_INFO = 0x4200, 0x420E
# TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, EXITKILL
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000
_WALL = 0x40000000
_ENTRY, _EXIT = 1, 2
_AT_FDCWD = -100
_RAX, _ORIG_RAX = 10, 15  # places in struct user_regs_struct
_REGISTERS = 27

# The calls that tests ask for by name, and where their paths and descriptors are:
# f a descriptor, p a path, d a descriptor that the next path is relative to.
CALLS = {
    0: ("read", "f"),
    1: ("write", "f"),
    2: ("open", "p"),
    3: ("close", "f"),
    4: ("stat", "p"),
    5: ("fstat", "f"),
    6: ("lstat", "p"),
    8: ("lseek", "f"),
    16: ("ioctl", "f"),
    17: ("pread64", "f"),
    18: ("pwrite64", "f"),
    20: ("writev", "f"),
    21: ("access", "p"),
    44: ("sendto", "f"),
    45: ("recvfrom", "f"),
    73: ("flock", "f"),
    74: ("fsync", "f"),
    75: ("fdatasync", "f"),
    76: ("truncate", "p"),
    77: ("ftruncate", "f"),
    80: ("chdir", "p"),
    82: ("rename", "pp"),
    83: ("mkdir", "p"),
    84: ("rmdir", "p"),
    86: ("link", "pp"),
    87: ("unlink", "p"),
    89: ("readlink", "p"),
    90: ("chmod", "p"),
    91: ("fchmod", "f"),
    92: ("chown", "p"),
    93: ("fchown", "f"),
    137: ("statfs", "p"),
    138: ("fstatfs", "f"),
    217: ("getdents64", "f"),
    221: ("fadvise64", "f"),
    257: ("openat", "dp"),
    258: ("mkdirat", "dp"),
    260: ("fchownat", "dp"),
    262: ("newfstatat", "dp"),
    263: ("unlinkat", "dp"),
    264: ("renameat", "dpdp"),
    265: ("linkat", "dpdp"),
    266: ("symlinkat", "-dp"),
    267: ("readlinkat", "dp"),
    268: ("fchmodat", "dp"),
    269: ("faccessat", "dp"),
    277: ("sync_file_range", "f"),
    280: ("utimensat", "dp"),
    285: ("fallocate", "f"),
    306: ("syncfs", "f"),
    316: ("renameat2", "dpdp"),
    326: ("copy_file_range", "f-f"),
    332: ("statx", "dp"),
    437: ("openat2", "dp"),
    439: ("faccessat2", "dp"),
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request, pid, address=None, data=None):
    if _libc.ptrace(request, pid, address, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"ptrace {request}")


class Hold:
    """The process stands still from here on."""


class KillThis:
    """SIGKILL for this process alone."""


class KillAll:
    """SIGKILL for the program and all its children, at once."""


@dataclass(frozen=True)
class Fail:
    """The system call is not made; it returns this error."""

    errno: int


@dataclass
class Call:
    """A system call, as it is entered (``result`` is None) or has returned."""

    pid: int
    is_first: bool  # of the program itself, not of a child
    number: int
    arguments: tuple
    result: int = None

    @property
    def name(self):
        return CALLS.get(self.number, (f"call {self.number}",))[0]

    def __str__(self):
        return f"{self.name}({', '.join(self.paths())}) in {'parent' if self.is_first else 'child'}"

    def _descriptor(self, number):
        try:
            return os.readlink(f"/proc/{self.pid}/fd/{number}").removesuffix(" (deleted)")
        except OSError:
            return ""

    def _text(self, address):
        """The string at an address of the traced process; nothing at NULL."""
        if address == 0:
            return ""
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            room = 4096 - address % 4096
            found = memory.read(room)
            if b"\0" not in found:
                found += memory.read(4096)
        return os.fsdecode(found.split(b"\0", 1)[0])

    def paths(self):
        """The absolute paths that the call is about, while it is being entered."""
        found = []
        base = None
        for shape, argument in zip(CALLS.get(self.number, ("", ""))[1], self.arguments):
            if shape == "f":
                found.append(self._descriptor(argument & 0xFFFFFFFF))
            elif shape == "d":
                base = ctypes.c_int(argument & 0xFFFFFFFF).value
            elif shape == "p":
                path = self._text(argument)
                start = f"/proc/{self.pid}/cwd"
                if base is not None and base != _AT_FDCWD:
                    start = f"/proc/{self.pid}/fd/{base}"
                if not path.startswith("/"):
                    try:
                        path = os.path.normpath(os.path.join(os.readlink(start), path))
                    except OSError:
                        path = ""
                found.append(path)
        return found

    def concerns(self, directory):
        """Is one of its paths in that directory, or is it the directory itself?"""
        directory = str(directory)
        return any((path + "/").startswith(directory + "/") for path in self.paths())

    def open_file(self, number):
        """A path that leads to what the process has open as that descriptor."""
        return f"/proc/{self.pid}/fd/{number & 0xFFFFFFFF}"


@dataclass(frozen=True)
class Traced(Result):
    """A finished run; ``killed`` if the test killed the program itself."""

    seconds: float = 0.0  # until the program itself ended
    killed: bool = False


@dataclass
class _Process:
    call: Call = None
    failing: int = None
    held: bool = False


@dataclass
class Tracer:
    """One run. ``on_call(call)`` says what happens; see the classes above."""

    on_call: object
    timeout: float = 60
    first: int = 0
    status: int = None
    ended_at: float = None
    killed: bool = False
    processes: dict = field(default_factory=dict)

    def run(self, *command, cwd=None, env=None):
        words = [os.fspath(word) for word in command]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            started = time.monotonic()
            environment = clean_environment(**env or {})
            if "ASAN_OPTIONS" in environment:
                # The leak checker is a tracer itself: there can be only one.
                environment["ASAN_OPTIONS"] += ":detect_leaks=0"
            self._spawn(words, cwd, environment, out, err)
            try:
                self._follow(started + self.timeout)
            finally:
                self.kill_all()
                self._reap()
            out.seek(0)
            err.seek(0)
            result = Traced(
                shlex.join(words),
                self.status,
                out.read().decode("utf-8", "surrogateescape"),
                err.read().decode("utf-8", "surrogateescape"),
                (self.ended_at or time.monotonic()) - started,
                self.killed,
            )
        assert not sanitizer_complaint(result.err), result
        return result

    def _spawn(self, words, cwd, environment, out, err):
        nothing = os.open(os.devnull, os.O_RDONLY)
        self.first = os.fork()
        if self.first == 0:
            try:
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
                    signal.signal(number, signal.SIG_DFL)
                os.dup2(nothing, 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                if cwd is not None:
                    os.chdir(cwd)
                _ptrace(_TRACEME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
                os.execve(words[0], words, environment)
            finally:
                os._exit(99)
        os.close(nothing)
        os.waitpid(self.first, 0)
        _ptrace(_SETOPTIONS, self.first, None, _OPTIONS)
        self.processes[self.first] = _Process()
        self._resume(self.first)

    def kill_all(self):
        for pid in self.processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _reap(self):
        while self.processes:
            try:
                self._wait(0)
            except ChildProcessError:
                break

    def _resume(self, pid, number=0):
        try:
            _ptrace(_SYSCALL, pid, None, number)
        except OSError as error:
            if error.errno != errno.ESRCH:  # killed meanwhile
                raise

    def _moving(self):
        return any(not process.held for process in self.processes.values())

    def _follow(self, deadline):
        """Until nothing moves any more: all have ended, or the rest is held."""
        while self.processes and self._moving():
            if self.first not in self.processes and self.status is None:
                raise AssertionError("lost the traced program")
            if not self._wait(os.WNOHANG):
                if time.monotonic() > deadline:
                    raise AssertionError(f"still running after {self.timeout} s")
                # Most stops come within microseconds; a blocked program costs no CPU.
                self._sleep_until_stop(deadline)

    def _sleep_until_stop(self, deadline):
        signal.setitimer(signal.ITIMER_REAL, max(0.01, deadline - time.monotonic()))
        before = signal.signal(signal.SIGALRM, _raise_timeout)
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WSTOPPED | os.WNOWAIT | _WALL)
        except TimeoutError:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _wait(self, flags):
        """Deals with one event; False if there is none."""
        pid, status = os.waitpid(-1, _WALL | flags)
        if pid == 0:
            return False
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            self.processes.pop(pid, None)
            if pid == self.first:
                self.ended_at = time.monotonic()
                self.status = os.waitstatus_to_exitcode(status)
            return True
        known = pid in self.processes
        process = self.processes.setdefault(pid, _Process())
        number = os.WSTOPSIG(status)
        if number == signal.SIGTRAP | 0x80:
            self._boundary(pid, process)
        elif status >> 16 != 0 or (number == signal.SIGSTOP and not known):
            self._resume(pid)  # fork, exec, or a child's first stop
        else:
            self._resume(pid, number)
        return True

    def _boundary(self, pid, process):
        info = ctypes.create_string_buffer(96)
        try:
            _ptrace(_GET_SYSCALL_INFO, pid, len(info), ctypes.addressof(info))
        except OSError:
            return  # killed meanwhile
        if info.raw[0] == _ENTRY:
            number, *arguments = struct.unpack_from("<7Q", info.raw, 24)
            process.call = Call(pid, pid == self.first, number, tuple(arguments))
        elif process.call is not None:
            if process.failing is not None:
                self._set_register(pid, _RAX, -process.failing)
                process.call.result = -process.failing
                process.failing = None
            else:
                process.call.result = struct.unpack_from("<q", info.raw, 24)[0]
        self._act(pid, process, self.on_call(process.call) if process.call else None)

    def _act(self, pid, process, action):
        if action is Hold:
            process.held = True
            return
        if action is KillAll:
            self.killed = True
            self.kill_all()
            return
        if action is KillThis:
            self.killed = self.killed or pid == self.first
            os.kill(pid, signal.SIGKILL)
            return
        if isinstance(action, Fail):
            self._set_register(pid, _ORIG_RAX, -1)
            process.failing = action.errno
        self._resume(pid)

    def _set_register(self, pid, place, value):
        registers = (ctypes.c_ulonglong * _REGISTERS)()
        _ptrace(_GETREGS, pid, None, ctypes.addressof(registers))
        registers[place] = value & 0xFFFFFFFFFFFFFFFF
        _ptrace(_SETREGS, pid, None, ctypes.addressof(registers))


def _raise_timeout(_number, _frame):
    raise TimeoutError


def trace(on_call, *command, timeout=60, **options):
    """Runs a program to its end under ``on_call``; a Traced result."""
    return Tracer(on_call, timeout).run(*command, **options)
