# SPDX-License-Identifier: PostgreSQL
"""LSNs and segment names, with the arithmetic of every segment size."""

import re

MIB = 1 << 20
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")


def parse_lsn(text):
    """The number behind ``16/B374D848``."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def format_lsn(lsn):
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def segment_name(timeline, lsn, segsize):
    """The segment that holds the byte at ``lsn``."""
    per_log = (1 << 32) // segsize
    log, segment = divmod(lsn // segsize, per_log)
    return f"{timeline:08X}{log:08X}{segment:08X}"


def segment_start(name, segsize):
    """The LSN of the first byte of the segment called ``name``."""
    return (int(name[8:16], 16) << 32) + int(name[16:24], 16) * segsize


def segment_timeline(name):
    return int(name[:8], 16)
