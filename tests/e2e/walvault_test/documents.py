# SPDX-License-Identifier: PostgreSQL
"""The documents of the source tree, taken apart, and the tools that they name."""

import importlib.machinery
import importlib.util
import json
import re
import shutil
import subprocess
import sys

from .cases import Skip
from .programs import clean_environment, source_tree


def need(command):
    if shutil.which(command) is None:
        raise Skip(f"{command} is not installed")


def xxhsum128(data):
    need("xxhsum")
    done = subprocess.run(
        ["xxhsum", "-H2", "-"], input=data, stdout=subprocess.PIPE, check=True
    )
    return done.stdout.decode().split()[0]


def source(*parts):
    return source_tree().joinpath(*parts)


def text_of(*parts):
    return source(*parts).read_text(encoding="utf-8")


def assert_same(found, expected, what):
    """Two dictionaries are equal; the message names only what differs."""
    different = {
        key: (found.get(key, "nothing"), expected.get(key, "nothing"))
        for key in found.keys() | expected.keys()
        if found.get(key, "nothing") != expected.get(key, "nothing")
    }
    assert not different, f"{what}: {different}"


def sections(page):
    """(.Sh heading, .Ss heading or "") -> lines, of a manual's source."""
    found, where = {}, ("", "")
    for line in text_of("man", page).splitlines():
        if line.startswith(".Sh "):
            where = (line[4:], "")
        elif line.startswith(".Ss "):
            where = (where[0], line[4:])
        found.setdefault(where, []).append(line)
    return found


def items(lines, pattern):
    """The .It lines that match the pattern, each with the words below it."""
    found, match = [], None
    for line in lines:
        if line.startswith(".It "):
            match = re.fullmatch(pattern, line)
            if match:
                found.append((match, []))
        elif match:
            found[-1][1].append(line)
    return [(match, "\n".join(words)) for match, words in found]


def described_json(page):
    """verb (or the program's own name) -> the names that a manual's JSON section gives."""
    found = {}
    for match, words in items(sections(page)["JSON", ""], r"\.It (?:Cm (\w+)|Nm)"):
        found[match[1] or page[:-2]] = set(re.findall(r"[a-z_]+", re.split(r"\n\.", words)[0]))
    return found


def assert_names(answer, described, absent=frozenset()):
    """An answer has the fields that the manual names; those ``absent`` may be missing."""
    assert answer["format"] == 1
    found = names_in(answer) - {"format"}
    assert not found - described, f"not in the manual: {found - described}"
    assert not described - found - absent, f"not in the answer: {described - found - absent}"


def names_in(value):
    """All names in a JSON value."""
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if isinstance(value, dict):
        return value.keys() | names_in(list(value.values()))
    return set()


def readme_blocks(heading):
    """(language, text) of the code blocks below a heading."""
    part = re.search(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text_of("README.md"))
    assert part, heading
    return re.findall(r"(?ms)^```(\w+)\n(.*?)^```", part[1])


def stock_lz4(path):
    """What the lz4 command makes of a stored object."""
    need("lz4")
    with open(path, "rb") as stored:
        return subprocess.run(
            ["lz4", "-dc"], stdin=stored, stdout=subprocess.PIPE, check=True
        ).stdout


def load_program(path):
    """A Python program of the source tree, as a module."""
    loader = importlib.machinery.SourceFileLoader("loaded", str(source(path)))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("loaded", loader))
    loader.exec_module(module)
    return module


def read_object(*words):
    for command in ("lz4", "xxhsum"):
        need(command)
    return subprocess.run(
        [sys.executable, source("contrib/read-object.py"), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
        check=False,
    )


def facts_of(path):
    done = read_object("--facts", path)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
