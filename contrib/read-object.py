#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""Reads objects of a walvault store without walvault.

Written from walvault-format(7) alone; it shares no code with the programs. It
needs Python 3, the commands lz4 (or zstd, by the object's codec) and xxhsum.

    read-object.py OBJECT > PLAIN           verify, then write the plain bytes
    read-object.py --output PLAIN OBJECT    the same, into a file
    read-object.py --facts OBJECT           verify, then print what the object says
    read-object.py restore BACKUP DEST      the files of a base backup

Nothing is written before everything is verified. BACKUP is a directory
STORE/CLUSTER/SYSID.GEN/backup/ID, DEST a new or an empty one; every file is
verified, and global/pg_control is the last that gets its name. Directories
that were tablespaces are then in DEST/pg_tblspc, or, with --tablespace-dir
DIR, in DIR with links to there. $TMPDIR needs room for the plain bytes of the
largest pack. It writes nothing into the store, so no lease either: hold the
backup, or let no expire run until its recovery has ended. Exit status: 0 all
is right; 1 the object is damaged; 2 it cannot be read here (usage, a missing
command, a newer format).
"""

import argparse
import datetime
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HEADER_MAGIC = 0x184D2A57
TRAILER_MAGIC = 0x184D2A58
SIGNATURE = b"walvault"
VERSION = 1
FRAME_HEAD = 18  # magic, length, signature, version
HEADER_MAX = 64 * 1024
TRAILER_MAX = 4096
CRITICAL = 0x8000
CHUNK = 1 << 20

KINDS = {1: "segment", 2: "partial", 3: "history", 4: "backup", 5: "pack", 6: "manifest", 7: "index"}
CODECS = {1: ("lz4", ["lz4", "-dc"]), 2: ("zstd", ["zstd", "-dcq"])}
FLAGS = {
    1: "switched",
    2: "overwrite",
    4: "overwrite_first",
    8: "more_restore_points",
    16: "complete",
    32: "tail_zero",
    64: "unread",
    128: "tablespace",
}


class Damaged(Exception):
    """The object is not what it was when it was written."""


class Unreadable(Exception):
    """The object may be right, but it cannot be read by this program here."""


# -- checksums and compression, by the stock commands --


def run(command, file, length):
    """Feeds the next ``length`` bytes of ``file`` to a command; its output, a file."""
    return run_on_ranges(command, file, [(file.tell(), length)])


def run_on_ranges(command, file, ranges):
    """The same with several (offset, length) of the file, one behind the other."""
    if shutil.which(command[0]) is None:
        raise Unreadable(f"the command {command[0]} is not installed")
    output = tempfile.TemporaryFile()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE
    )
    try:
        for offset, length in ranges:
            file.seek(offset)
            while length > 0:
                chunk = file.read(min(length, CHUNK))
                if not chunk:
                    break
                process.stdin.write(chunk)
                length -= len(chunk)
        process.stdin.close()
    except BrokenPipeError:
        pass  # its exit status tells
    message = process.stderr.read().decode(errors="replace").strip()
    if process.wait() != 0:
        raise Damaged(f"{command[0]}: {message}")
    output.seek(0)
    return output


def xxh3(bits, file, offset, length):
    """The hash of a part of a file, as xxhsum prints it: hexadecimal, lower case."""
    file.seek(offset)
    text = run(["xxhsum", "-H2" if bits == 128 else "-H3", "-"], file, length).read().decode()
    found = re.search(r"(?<![0-9a-f])[0-9a-f]{%d}(?![0-9a-f])" % (bits // 4), text)
    if found is None:
        raise Unreadable(f"xxhsum printed {text!r}")
    return found[0]


# -- frames and fields --


def read_frame(file, offset, magic, longest):
    """The fields of the frame at ``offset`` and the offset behind it, its sum checked."""
    file.seek(offset)
    head = file.read(FRAME_HEAD)
    if len(head) < FRAME_HEAD:
        raise Damaged("it is cut off")
    found_magic, length, signature, version = struct.unpack("<II8sH", head)
    if found_magic != magic or signature != SIGNATURE:
        raise Damaged("not an object of walvault")
    size = length + 8
    if size < FRAME_HEAD + 8 or size > longest:
        raise Damaged("wrong length of a frame")
    rest = file.read(size - FRAME_HEAD)
    if len(rest) < size - FRAME_HEAD:
        raise Damaged("it is cut off")
    (stored,) = struct.unpack("<Q", rest[-8:])
    if f"{stored:016x}" != xxh3(64, file, offset, size - 8):
        raise Damaged("wrong checksum of a frame")
    if version != VERSION:
        raise Unreadable(f"format version {version}")
    return list(split_fields(rest[:-8])), offset + size


def split_fields(data):
    """(number, critical, value) of each field."""
    while data:
        if len(data) < 6:
            raise Damaged("wrong length of a field")
        kind, length = struct.unpack_from("<HI", data)
        if length > len(data) - 6:
            raise Damaged("wrong length of a field")
        yield kind & ~CRITICAL, bool(kind & CRITICAL), data[6 : 6 + length]
        data = data[6 + length :]


def find_trailer(file, size):
    """Where the trailer begins: a frame that ends where the object ends."""
    start = max(0, size - TRAILER_MAX)
    file.seek(start)
    data = file.read()
    at = data.rfind(struct.pack("<I", TRAILER_MAGIC))
    while at >= 0:
        if len(data) - at >= 8:
            (length,) = struct.unpack_from("<I", data, at + 4)
            if start + at + length + 8 == size:
                return start + at
        at = data.rfind(struct.pack("<I", TRAILER_MAGIC), 0, at)
    raise Damaged("no trailer at its end: cut off, or something was appended")


# -- the values of fields --


def number(layout, value):
    """One integer of exactly this layout."""
    return numbers(layout, value)[0]


def numbers(layout, value):
    """Integers of exactly this layout."""
    if len(value) != struct.calcsize("<" + layout):
        raise Damaged("wrong length of a field")
    return struct.unpack("<" + layout, value)


def text(value):
    if b"\0" in value:
        raise Damaged("a text with a NUL")
    return value.decode("utf-8", "replace")


def checksum(value):
    if len(value) != 16:
        raise Damaged("wrong length of a field")
    return value.hex()


def lsn(value):
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"


def time(value):
    try:
        when = datetime.datetime(2000, 1, 1) + datetime.timedelta(microseconds=value)
    except OverflowError:
        return str(value)
    return when.strftime("%Y-%m-%d %H:%M:%S.%f+00")


def named(names, value):
    """Values under names; names that end in _lsn and _time are written as such."""
    writers = {"lsn": lsn, "time": time}
    return {
        name: writers.get(name.rsplit("_", 1)[-1], lambda x: x)(one)
        for name, one in zip(names, value)
    }


def is_power_of_two(value, lowest, highest):
    return lowest <= value <= highest and value & (value - 1) == 0


def pages(value):
    names = ("sysid", "segsize", "blcksz", "magic", "first_tli", "last_tli", "start_lsn")
    found = named(names, numbers("QIIHIIQ", value))
    if not is_power_of_two(found["segsize"], 1 << 20, 1 << 30):
        raise Damaged("an unlawful segment size")
    if not is_power_of_two(found["blcksz"], 1024, 65536):
        raise Damaged("an unlawful page size")
    return {**found, "sysid": str(found["sysid"]), "magic": f"{found['magic']:04X}"}


def flags(value):
    found = number("I", value)
    return [name for bit, name in FLAGS.items() if found & bit]


def transaction_ends(value):
    names = ("count", "min_time", "max_time", "last_time", "xid_min", "xid_max")
    return named(names, numbers("IqqqII", value))


def restore_point(value):
    found = named(("lsn", "time"), numbers("Qq", value[:16]))
    return {**found, "name": text(value[16:])}


def damage(value):
    return {"lsn": lsn(number("Q", value[:8])), "why": text(value[8:])}


def cut(value):
    if len(value) > 64:
        raise Damaged("wrong length of a field")
    return value.hex()


HEADER_FIELDS = {
    1: ("kind", lambda v: number("B", v)),
    2: ("codec", lambda v: number("B", v)),
    3: ("key", text),
    4: ("plain_len", lambda v: number("Q", v)),
    5: ("plain_sum", checksum),
    6: ("repository", text),
    7: ("created", lambda v: time(number("q", v))),
    8: ("writer", text),
    11: ("padding", len),
    12: ("summary", lambda v: parse_json(v)),
    16: ("name", lambda v: named(("tli", "segno"), numbers("IQ", v))),
    17: ("pages", pages),
    18: ("flags", flags),
    19: ("continuation", lambda v: number("I", v)),
    20: ("first_record", lambda v: named(("lsn", "prev_lsn"), numbers("QQ", v))),
    21: ("last_record", lambda v: named(("lsn", "length"), numbers("QI", v))),
    22: ("unfinished", lambda v: named(("lsn", "length", "here"), numbers("QII", v))),
    23: ("tail", cut),
    24: ("head", cut),
    25: ("transaction_ends", transaction_ends),
    26: ("latest_time", lambda v: time(number("q", v))),
    27: ("restore_points", restore_point),
    28: ("end", lambda v: lsn(number("Q", v))),
    29: ("damaged", damage),
}
TRAILER_FIELDS = {
    4: ("plain_len", lambda v: number("Q", v)),
    5: ("plain_sum", checksum),
    9: ("stored_len", lambda v: number("Q", v)),
    10: ("stored_sum", checksum),
}


def decode(fields, known):
    """A dictionary of all known fields; a critical one that is unknown is refused."""
    found = {}
    for kind, critical, value in fields:
        if kind not in known and critical:
            raise Unreadable(f"critical field {kind} is unknown")
        if kind not in known:
            found.setdefault("unknown_fields", []).append(kind)
            continue
        name, reader = known[kind]
        if name == "restore_points":
            found.setdefault(name, []).append(reader(value))
        else:
            found[name] = reader(value)
    return found


def unique(pairs):
    """A JSON object; no member comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Damaged("a member of a JSON object comes twice")
    return found


def parse_json(value):
    try:
        found = json.loads(value, object_pairs_hook=unique)
    except ValueError as why:
        raise Damaged(f"not JSON: {why}") from None
    if not isinstance(found, dict):
        raise Damaged("not a JSON object")
    return found


# -- the whole object --


def read_header(file):
    fields, behind = read_frame(file, 0, HEADER_MAGIC, HEADER_MAX)
    header = decode(fields, HEADER_FIELDS)
    if not {"kind", "codec", "key"} <= header.keys():
        raise Damaged("its header says too little")
    if header["codec"] not in CODECS:
        raise Unreadable(f"codec {header['codec']}")
    return header, behind


def read_object(file):
    """What the object says, and a file with its plain bytes; everything verified."""
    size = os.fstat(file.fileno()).st_size
    header, payload = read_header(file)
    end = find_trailer(file, size)
    if end < payload:
        raise Damaged("its header and trailer overlap")
    fields, _ = read_frame(file, end, TRAILER_MAGIC, TRAILER_MAX)
    trailer = decode(fields, TRAILER_FIELDS)
    if not {"plain_len", "plain_sum", "stored_len", "stored_sum"} <= trailer.keys():
        raise Damaged("its trailer says too little")
    if trailer["stored_len"] != end or trailer["stored_sum"] != xxh3(128, file, 0, end):
        raise Damaged("wrong checksum of the stored bytes")
    codec, command = CODECS[header["codec"]]
    file.seek(payload)
    plain = run(command, file, end - payload)
    plain_len = os.fstat(plain.fileno()).st_size
    if trailer["plain_len"] != plain_len or trailer["plain_sum"] != xxh3(128, plain, 0, plain_len):
        raise Damaged("wrong checksum of the plain bytes")
    for name in ("plain_len", "plain_sum"):
        if header.get(name, trailer[name]) != trailer[name]:
            raise Damaged("its header and trailer differ")
    plain.seek(0)
    names = {"kind": KINDS.get(header["kind"], header["kind"]), "codec": codec}
    said = {"format": 1, **header, **names, **trailer, "object_len": size, "head_len": payload}
    return said, plain


INDEX_ENTRY_FIELDS = {
    1: ("key", text),
    2: ("size", lambda v: number("Q", v)),
    3: ("time", lambda v: time(number("q", v))),
    4: ("header", bytes),
    5: ("whole", bytes),
}


def index_entry(value):
    """One entry of an index; a header's frame, or the object's own bytes as text."""
    found = decode(split_fields(value), INDEX_ENTRY_FIELDS)
    if "header" in found:
        with tempfile.TemporaryFile() as file:
            file.write(found["header"])
            found["header"], behind = read_header(file)
            if behind != file.seek(0, os.SEEK_END):
                raise Damaged("bytes behind a header")
    if "whole" in found:
        if len(found["whole"]) != found.get("size"):
            raise Damaged("an entry of another size")
        found["whole"] = found["whole"].decode("utf-8", "replace")
    return found


def read_index(data):
    """What the plain bytes of an index object say."""
    found = {"replaced": [], "entries": []}
    for kind, critical, value in split_fields(data):
        if kind == 1:
            found["replaced"].append(text(value))
        elif kind == 2:
            found["entries"].append(index_entry(value))
        elif critical:
            raise Unreadable(f"critical field {kind} is unknown")
    return found


def write_plain(plain, path):
    """Into a file that appears whole, or to standard output."""
    if path is None:
        shutil.copyfileobj(plain, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    directory = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as unfinished:
        try:
            shutil.copyfileobj(plain, unfinished)
            unfinished.flush()
            os.fsync(unfinished.fileno())
            os.rename(unfinished.name, path)
        except BaseException:
            os.unlink(unfinished.name)
            raise


# -- CRC-32C, and that of two texts one behind the other --

POLYNOMIAL = 0x82F63B78


def crc_table():
    """For two bytes at a time."""
    table = []
    for number in range(1 << 16):
        for _ in range(16):
            number = (number >> 1) ^ (POLYNOMIAL & -(number & 1))
        table.append(number)
    return table


CRC_TABLE = []


def crc32c(data, crc=0):
    if not CRC_TABLE:
        CRC_TABLE.extend(crc_table())
    table, crc = CRC_TABLE, crc ^ 0xFFFFFFFF
    even = len(data) & ~1
    for (two,) in struct.iter_unpack("<H", data[:even]):
        crc = (crc >> 16) ^ table[(crc ^ two) & 0xFFFF]
    for byte in data[even:]:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def multiply(a, b):
    """Of two polynomials modulo that of CRC-32C; the highest bit is x^0."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = (b >> 1) ^ (POLYNOMIAL & -(b & 1))
    return product


def join_crc(first, second, second_len):
    power, square = 1 << 31, 1 << 23  # x^0, x^8
    while second_len:
        if second_len & 1:
            power = multiply(square, power)
        square = multiply(square, square)
        second_len >>= 1
    return multiply(power, first) ^ second


# -- base backups --


class Manifest:
    """A manifest's lines, verified."""

    def __init__(self, plain):
        self.entries, self.packs, last = [], {}, None
        digest = hashlib.sha256()
        for line in plain:
            if last is not None:
                digest.update(last)
                self.add(parse_json(last))
            last = line
        if last is None or not last.endswith(b"\n"):
            raise Damaged("the manifest is cut off")
        self.check_end(parse_json(last), digest.hexdigest())

    def add(self, line):
        if not hasattr(self, "head"):
            self.head = line
            if line.get("walvault") != "manifest":
                raise Damaged("not a manifest")
            if line.get("format") != 1:
                raise Unreadable(f"format {line.get('format')} of a manifest")
        elif "t" in line and not self.packs:
            entry = Entry(line)
            if self.entries and self.entries[-1].path >= entry.path:
                raise Damaged("paths that do not rise")
            self.entries.append(entry)
        elif "pack" in line:
            self.packs[line["backup"], line["pack"]] = line
        else:
            raise Damaged("a line in the wrong place")

    def check_end(self, end, digest):
        if end.get("end") is not True or end["sha256"] != digest:
            raise Damaged("wrong SHA-256 of the manifest")
        found = [sum(e.type == t for e in self.entries) for t in "fdl"] + [len(self.packs)]
        if found != [end[name] for name in ("files", "dirs", "links", "packs")]:
            raise Damaged("wrong counts in the manifest")
        size = sum(entry.size for entry in self.entries)
        if self.head["files"] != found[0] or self.head["bytes"] != size:
            raise Damaged("wrong counts in the manifest's head")


def bytes_of(line, name):
    """A text, or the hexadecimal digits of what is none."""
    if name in line:
        return line[name].encode()
    return bytes.fromhex(line[name + "x"]) if name + "x" in line else None


class Entry:
    """A file, a directory or a link of the manifest."""

    def __init__(self, line):
        self.line = line
        self.type = line["t"]
        self.path = bytes_of(line, "p")
        self.size = line["s"] if self.type == "f" else 0
        if self.type not in ("f", "d", "l"):
            raise Unreadable(f"type {self.type!r} in a manifest")
        parts = self.path.split(b"/")
        if b"\0" in self.path or any(part in (b"", b".", b"..") for part in parts):
            raise Damaged(f"the path {self.path!r} in a manifest")
        self.pieces = [Piece(self, *piece) for piece in line.get("x", ())]
        self.check_pieces()

    def check_pieces(self):
        at = crc = 0
        for piece in self.pieces:
            if piece.plain_offset != at or piece.length <= 0:
                raise Damaged(f"the pieces of {self.path!r}")
            at += piece.length
            crc = join_crc(crc, piece.crc, piece.length)
        if self.type == "f" and (at != self.size or crc != int(self.line["c"], 16)):
            raise Damaged(f"the pieces of {self.path!r}")


class Piece:
    """A part of a file."""

    def __init__(self, entry, backup, pack, offset, stored, skip, plain_offset, length, xxh, crc):
        self.entry = entry
        self.pack = (backup, pack)
        self.offset, self.stored, self.skip = offset, stored, skip
        self.plain_offset, self.length = plain_offset, length
        self.xxh, self.crc = xxh, int(crc, 16)

    def unpacked(self):
        """What its frames hold: tar header, bytes, padding."""
        return (self.skip + self.length + 511) // 512 * 512

    def damaged(self, why):
        return Damaged(f"{self.entry.path!r}: {why} in the piece at {self.plain_offset}")


def check_sums(files):
    """{path: XXH3-128} must be true; all paths are harmless ones."""
    names = list(files)
    for first in range(0, len(names), 500):
        some = names[first : first + 500]
        done = subprocess.run(
            ["xxhsum", "-H2", *some], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False
        )
        found = re.findall(r"(?m)^([0-9a-f]{32})  (.*)$", done.stdout.decode())
        if done.returncode != 0 or [name for _, name in found] != some:
            raise Unreadable(f"xxhsum: {done.stderr.decode(errors='replace').strip()}")
        for digest, name in found:
            if digest != files[name].xxh:
                raise files[name].damaged("wrong XXH3-128")


class Restore:
    """A base backup's way into a directory."""

    def __init__(self, backup, dest, tablespace_dir):
        self.backup = os.path.abspath(backup)
        self.dest = os.path.abspath(dest)
        self.tablespace_dir = tablespace_dir
        self.system = os.path.basename(os.path.dirname(os.path.dirname(self.backup)))

    def place(self, entry):
        return os.path.join(os.fsencode(self.dest), entry.path)

    def read(self, backup, name):
        """An object of a backup, verified: what it says, its plain bytes, itself."""
        path = os.path.join(os.path.dirname(self.backup), backup, name)
        file = open(path, "rb")
        try:
            said, plain = read_object(file)
        except Damaged as why:
            raise Damaged(f"{path}: {why}") from None
        if said["key"] != f"{self.system}/backup/{backup}/{name}":
            raise Damaged(f"{path} is another object: {said['key']}")
        return said, plain, file

    def read_manifest(self):
        backup = os.path.basename(self.backup)
        if os.path.exists(os.path.join(self.backup, "tombstone")):
            raise Unreadable("the backup is being deleted")
        for name in ("begin", "manifest"):
            if not os.path.exists(os.path.join(self.backup, name)):
                raise Unreadable(f"there is no backup: it has no {name}")
        said, plain, file = self.read(backup, "manifest")
        file.close()
        manifest = Manifest(plain)
        head = manifest.head
        if head["id"] != backup or f"{head['sysid']}.{head['generation']}" != self.system:
            raise Damaged("it is the manifest of another backup")
        if any(head.get(name) != value for name, value in said["summary"].items()):
            raise Damaged("the manifest's head is not its summary")
        return manifest

    def make_directories(self):
        os.makedirs(self.dest, mode=0o700, exist_ok=True)
        if os.listdir(self.dest):
            raise Unreadable(f"{self.dest} is not empty")
        for entry in self.manifest.entries:
            if entry.type != "f":
                os.makedirs(self.place(entry), mode=0o700, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(self.place(entry)), mode=0o700, exist_ok=True)
                with open(self.place(entry) + self.suffix(entry), "xb") as file:
                    file.truncate(entry.size)  # pieces of zeros are there now

    @staticmethod
    def suffix(entry):
        """Nobody starts a server on what has no pg_control."""
        return b".unverified" if entry.path == b"global/pg_control" else b""

    def unpack(self, pack, pieces):
        """Verifies a pack, and brings pieces of it to their places."""
        line = self.manifest.packs.get(pack)
        if line is None:
            raise Damaged(f"pack {pack} is not in the manifest")
        backup, name = self.manifest.head["backups"][pack[0]], f"pack-{pack[1]:06d}"
        said, plain, file = self.read(backup, name)
        plain.close()
        found = {"head": said["head_len"], "stored": said["object_len"], "sum": said["stored_sum"]}
        if any(line[key] != value for key, value in found.items()):
            raise Damaged(f"{backup}/{name} is not the one in the manifest")
        pieces.sort(key=lambda piece: piece.offset)
        ranges = [(line["head"] + piece.offset, piece.stored) for piece in pieces]
        command = next(command for codec, command in CODECS.values() if codec == said["codec"])
        with file, run_on_ranges(command, file, ranges) as plain:
            if os.fstat(plain.fileno()).st_size != sum(piece.unpacked() for piece in pieces):
                raise Damaged(f"{backup}/{name}: pieces that are not as long as they should be")
            with tempfile.TemporaryDirectory(dir=self.dest, prefix=".pieces-") as directory:
                self.copy_pieces(plain, pieces, directory)

    def copy_pieces(self, plain, pieces, directory):
        files = {os.path.join(directory, f"{i:08d}"): piece for i, piece in enumerate(pieces)}
        for name, piece in files.items():
            plain.seek(piece.skip, os.SEEK_CUR)
            crc, left = 0, piece.length
            with open(name, "xb") as out:
                while left > 0:
                    chunk = plain.read(min(left, CHUNK))
                    crc = crc32c(chunk, crc)
                    out.write(chunk)
                    left -= len(chunk)
            if crc != piece.crc:
                raise piece.damaged("wrong CRC-32C")
            padding = plain.read(piece.unpacked() - piece.skip - piece.length)
            if padding.strip(b"\0"):
                raise piece.damaged("a padding that is not zeros")
        check_sums(files)
        for name, piece in files.items():
            place = self.place(piece.entry) + self.suffix(piece.entry)
            with open(name, "rb") as data, open(place, "r+b") as out:
                out.seek(piece.plain_offset)
                shutil.copyfileobj(data, out, CHUNK)
            os.unlink(name)

    def check_zeros(self, piece):
        """They are there already; the sums must be those of zeros."""
        with tempfile.TemporaryFile() as zeros:
            zeros.truncate(piece.length)
            if xxh3(128, zeros, 0, piece.length) != piece.xxh:
                raise piece.damaged("wrong XXH3-128")
            zeros.seek(0)
            crc = 0
            while chunk := zeros.read(CHUNK):
                crc = crc32c(chunk, crc)
        if crc != piece.crc:
            raise piece.damaged("wrong CRC-32C")

    def unpack_all(self):
        packs = {}
        for entry in self.manifest.entries:
            for piece in entry.pieces:
                if piece.pack[1] == 0:
                    self.check_zeros(piece)
                else:
                    packs.setdefault(piece.pack, []).append(piece)
        for pack in sorted(packs):
            self.unpack(pack, packs[pack])

    def set_attributes(self):
        """Mode and time, the owner if we may; directories behind what is in them."""
        for entry in reversed(self.manifest.entries):
            place, line = self.place(entry) + self.suffix(entry), entry.line
            if os.geteuid() == 0:
                os.chown(place, line["u"], line["gi"])
            os.chmod(place, int(line["m"], 8) if entry.type != "l" else 0o700)
            when = datetime.datetime.fromisoformat(line["mt"].removesuffix("+00"))
            seconds = when.replace(tzinfo=datetime.timezone.utc).timestamp()
            os.utime(place, (seconds, seconds))
            if entry.type == "f":
                with open(place, "r+b") as file:
                    os.fsync(file.fileno())

    def place_tablespaces(self):
        """The map of where they were must not be followed."""
        spaces = [e for e in self.manifest.entries if e.type == "l" and is_tablespace(e.path)]
        if not spaces:
            return
        os.unlink(os.path.join(self.dest, "tablespace_map"))
        for entry in spaces:
            was = bytes_of(entry.line, "to")
            if self.tablespace_dir is not None:
                os.makedirs(self.tablespace_dir, mode=0o700, exist_ok=True)
                oid = os.path.basename(entry.path)
                place = os.path.join(os.fsencode(os.path.abspath(self.tablespace_dir)), oid)
                if os.path.lexists(place):
                    raise Unreadable(f"{os.fsdecode(place)} exists")
                shutil.move(self.place(entry), place)
                os.symlink(place, self.place(entry))
            print(f"{os.fsdecode(entry.path)} was {os.fsdecode(was)}", file=sys.stderr)

    def run(self):
        self.manifest = self.read_manifest()
        self.make_directories()
        self.unpack_all()
        self.set_attributes()
        self.place_tablespaces()
        control = os.path.join(self.dest, "global", "pg_control")
        os.sync()
        os.rename(control + ".unverified", control)
        os.sync()


def is_tablespace(path):
    return re.fullmatch(rb"pg_tblspc/[0-9]+", path) is not None


def restore(arguments):
    parser = argparse.ArgumentParser(prog="read-object.py restore")
    parser.add_argument("backup", help="STORE/CLUSTER/SYSID.GEN/backup/ID")
    parser.add_argument("dest", help="a new or an empty directory")
    parser.add_argument("--tablespace-dir", metavar="DIR", help="put tablespaces there")
    options = parser.parse_args(arguments)
    try:
        Restore(options.backup, options.dest, options.tablespace_dir).run()
    except (KeyError, TypeError, ValueError) as why:
        raise Damaged(f"a field of the manifest: {why!r}") from None


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("object", help="a file of a store, or a copy of one")
    parser.add_argument("--facts", action="store_true", help="print what it says, as JSON")
    parser.add_argument("--output", metavar="FILE", help="write the plain bytes into FILE")
    parser.add_argument("--key", help="refuse an object that says another key of itself")
    return parser.parse_args()


def read_one():
    options = parse_arguments()
    try:
        with open(options.object, "rb") as file:
            said, plain = read_object(file)
        if options.key is not None and options.key != said["key"]:
            raise Damaged(f"it is another object: it says its key is {said['key']}")
        if options.facts and said["kind"] == "index":
            said.update(read_index(plain.read()))
            plain.seek(0)
        if options.facts:
            print(json.dumps(said, indent=2, ensure_ascii=False))
        if options.output is not None or not options.facts:
            write_plain(plain, options.output)
    except Damaged as why:
        print(f"read-object.py: {options.object}: damaged: {why}", file=sys.stderr)
        return 1
    except (Unreadable, OSError) as why:
        print(f"read-object.py: {options.object}: cannot be read: {why}", file=sys.stderr)
        return 2
    return 0


def main():
    if sys.argv[1:2] != ["restore"]:
        return read_one()
    try:
        restore(sys.argv[2:])
    except Damaged as why:
        print(f"read-object.py: damaged: {why}", file=sys.stderr)
        return 1
    except (Unreadable, OSError) as why:
        print(f"read-object.py: cannot be read: {why}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
