# SPDX-License-Identifier: PostgreSQL
"""OpenStack Swift, which speaks S3 in its own way: nothing is conditional."""

import getpass
import subprocess

from .ports import free_ports, is_open
from .s3client import Place
from .services import wait_for

ACCESS_KEY = "test:tester"
SECRET_KEY = "testing"

COMMON = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 2
user = {user}
swift_dir = {home}/conf
devices = {home}/devices
mount_check = false
disable_fallocate = true
log_name = {name}
log_udp_host =
"""

FILTERS = (
    *("catch_errors", "gatekeeper", "healthcheck", "proxy-logging", "cache", "listing_formats"),
    *("bulk", "s3api", "tempauth", "copy", "slo", "dlo", "versioned_writes", "symlink"),
)
OPTIONS = {
    "cache": "memcache_servers = 127.0.0.1:{memcached}",
    "s3api": "s3_acl = false\nlocation = us-east-1\nallow_multipart_uploads = true\n"
    "max_multi_delete_objects = 1000\nmin_segment_size = 5242880\ncheck_bucket_owner = false",
    "tempauth": "user_test_tester = testing .admin\nuser_test_reader = reading",
    "versioned_writes": "allow_versioned_writes = true\nallow_object_versioning = true",
}
EGGS = {"cache": "memcache", "proxy-logging": "proxy_logging"}


def _proxy(port, memcached, **common):
    text = COMMON.format(port=port, name="proxy", **common)
    text += f"[pipeline:main]\npipeline = {' '.join(FILTERS)} proxy-logging proxy-server\n"
    text += "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
    text += "allow_account_management = true\n"
    for name in FILTERS:
        options = OPTIONS.get(name, "").format(memcached=memcached)
        text += f"[filter:{name}]\nuse = egg:swift#{EGGS.get(name, name)}\n{options}\n"
    return text


def start(home):
    proxy, memcached, *others = free_ports(5)
    conf = home / "conf"
    for directory in (conf, home / "devices/d1"):
        directory.mkdir(parents=True)
    (conf / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = tests\nswift_hash_path_prefix = tests\n"
        "[storage-policy:0]\nname = Policy-0\ndefault = yes\n",
        encoding="ascii",
    )
    common = {"user": getpass.getuser(), "home": home}
    (conf / "proxy-server.conf").write_text(_proxy(proxy, memcached, **common), encoding="ascii")
    for name, port in zip(("account", "container", "object"), others):
        (conf / f"{name}-server.conf").write_text(
            COMMON.format(port=port, name=name, **common)
            + f"[pipeline:main]\npipeline = {name}-server\n"
            + f"[app:{name}-server]\nuse = egg:swift#{name}\n",
            encoding="ascii",
        )
        for words in (
            ("create", "4", "1", "0"),
            ("add", f"r1z1-127.0.0.1:{port}/d1", "1"),
            ("rebalance",),
        ):
            subprocess.run(
                ["swift-ring-builder", f"{name}.builder", *words],
                cwd=conf,
                check=False,  # it answers 1 for "with warnings"
                stdout=subprocess.DEVNULL,
            )
    subprocess.Popen(["memcached", "-l", "127.0.0.1", "-p", str(memcached), "-U", "0", "-m", "64"])
    for name in ("account", "container", "object", "proxy"):
        subprocess.Popen([f"swift-{name}-server", conf / f"{name}-server.conf", "-v"], cwd=home)
    wait_for(lambda: all(map(is_open, (proxy, memcached, *others))), "Swift's servers")
    at = Place(f"http://127.0.0.1:{proxy}", ACCESS_KEY, SECRET_KEY)
    at.make_bucket("vault")
    return {"endpoint": at.endpoint, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
