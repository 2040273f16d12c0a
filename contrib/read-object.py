#!/usr/bin/python3
# SPDX-License-Identifier: PostgreSQL
"""Reads objects of a walvault store without walvault.

Written from walvault-format(7) alone; it shares no code with the programs. It
needs Python 3, the commands lz4 (or zstd, by the object's codec) and xxhsum.

    read-object.py OBJECT > PLAIN           verify, then write the plain bytes
    read-object.py --output PLAIN OBJECT    the same, into a file
    read-object.py --facts OBJECT           verify, then print what the object says

Nothing is written before everything is verified. Exit status: 0 all is right;
1 the object is damaged; 2 it cannot be read here (usage, a missing command, a
newer format).
"""

import argparse
import datetime
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

KINDS = {1: "segment", 2: "partial", 3: "history", 4: "backup"}
CODECS = {1: ("lz4", ["lz4", "-dc"]), 2: ("zstd", ["zstd", "-dcq"])}
FLAGS = {
    1: "switched",
    2: "overwrite",
    4: "overwrite_first",
    8: "more_restore_points",
    16: "complete",
    32: "tail_zero",
    64: "unread",
}


class Damaged(Exception):
    """The object is not what it was when it was written."""


class Unreadable(Exception):
    """The object may be right, but it cannot be read by this program here."""


# -- checksums and compression, by the stock commands --


def run(command, file, length):
    """Feeds the next ``length`` bytes of ``file`` to a command; its output, a file."""
    if shutil.which(command[0]) is None:
        raise Unreadable(f"the command {command[0]} is not installed")
    output = tempfile.TemporaryFile()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE
    )
    try:
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
    return {"format": 1, **header, **names, **trailer, "object_len": size}, plain


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


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("object", help="a file of a store, or a copy of one")
    parser.add_argument("--facts", action="store_true", help="print what it says, as JSON")
    parser.add_argument("--output", metavar="FILE", help="write the plain bytes into FILE")
    parser.add_argument("--key", help="refuse an object that says another key of itself")
    return parser.parse_args()


def main():
    options = parse_arguments()
    try:
        with open(options.object, "rb") as file:
            said, plain = read_object(file)
        if options.key is not None and options.key != said["key"]:
            raise Damaged(f"it is another object: it says its key is {said['key']}")
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


if __name__ == "__main__":
    sys.exit(main())
