# SPDX-License-Identifier: PostgreSQL
"""Ceph: one monitor, one OSD in memory, and the S3 gateway, over HTTP and HTTPS."""

import os
import subprocess
import uuid

from .certificates import Authority
from .ports import free_ports, is_open
from .s3client import Place
from .services import wait_for

ACCESS_KEY = "TESTACCESSKEY0000001"
SECRET_KEY = "testsecretkeytestsecretkeytestsecretkey"
# A user who owns nothing: what he may is what a bucket's policy says.
HOST_ACCESS_KEY = "HOSTACCESSKEY0000001"
HOST_SECRET_KEY = "hostsecretkeyhostsecretkeyhostsecretkey"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"

CONF = """\
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{mon}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = {home}/keyring
log_file = {home}/log/$name.log
admin_socket =
pid_file =
run_dir = {home}/run
crash_dir = {home}/run
erasure_code_dir = {libraries}/ceph/erasure-code
plugin_dir = {libraries}/ceph
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
ms_bind_ipv6 = false
[mon]
mon_data = {home}/mon
mon_initial_members = a
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_tick_interval = 1
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_osd_min_up_ratio = 0
mon_warn_on_pool_no_redundancy = false
mon_warn_on_insecure_global_id_reclaim_allowed = false
[osd]
osd_data = {home}/osd
osd_objectstore = memstore
memstore_device_bytes = 8G
osd_class_dir = /usr/lib/rados-classes:{libraries}/rados-classes
[client.rgw]
rgw_data = {home}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{http} ssl_endpoint=127.0.0.1:{https} ssl_certificate={pem}
rgw_dns_name = s3.localhost
rgw_rados_pool_pg_num_min = 4
rgw_thread_pool_size = 64
rgw_crypt_require_ssl = true
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
rgw_enable_usage_log = false
"""


def start(home):
    mon, http, https = free_ports(3)
    authority = Authority(home / "tls")
    pem = authority.issue()
    for name in ("mon", "osd", "rgw", "log", "run"):
        (home / name).mkdir()
    conf = home / "ceph.conf"
    conf.write_text(
        CONF.format(
            **{"fsid": uuid.uuid4(), "mon": mon, "home": home, "libraries": LIBRARIES},
            **{"http": http, "https": https, "pem": pem},
        ).replace("/usr/lib/rados-classes:", ""),
        encoding="ascii",
    )
    os.environ.update(CEPH_CONF=str(conf), CEPH_ARGS="")

    def run(*words):
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=120)

    def daemon(*words):
        subprocess.Popen([*words, "-c", conf, "-f"], stdin=subprocess.DEVNULL)

    keyring, monmap = home / "keyring", home / "monmap"
    rights = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
    run("ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *rights)
    run("ceph-authtool", keyring, "--gen-key", "-n", "client.rgw", *rights)
    osd_rights = ("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *")
    run("ceph-authtool", keyring, "--gen-key", "-n", "osd.0", *osd_rights)
    fsid = conf.read_text(encoding="ascii").split("fsid = ")[1].split()[0]
    run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon}]", monmap)
    make = ("--mkfs", "--monmap", monmap, "--keyring", keyring)
    run("ceph-mon", "-c", conf, "-i", "a", *make)
    daemon("ceph-mon", "-i", "a")
    wait_for(lambda: is_open(mon), "the monitor")
    osd = str(uuid.uuid4())
    run("ceph", "-c", conf, "osd", "new", osd)
    run("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd)
    daemon("ceph-osd", "-i", "0")
    run(
        *("radosgw-admin", "-c", conf, "-n", "client.rgw", "user", "create", "--uid=test"),
        *("--display-name=test", f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}"),
    )
    run(
        *("radosgw-admin", "-c", conf, "-n", "client.rgw", "user", "create", "--uid=host"),
        *("--display-name=host", f"--access-key={HOST_ACCESS_KEY}"),
        f"--secret-key={HOST_SECRET_KEY}",
    )
    daemon("radosgw", "-n", "client.rgw")
    wait_for(lambda: is_open(http) and is_open(https), "the gateway")
    at = Place(f"http://127.0.0.1:{http}", ACCESS_KEY, SECRET_KEY)
    at.make_bucket("vault")
    at.make_bucket("locked", **{"x-amz-bucket-object-lock-enabled": "true"})
    return {
        "endpoint": f"https://127.0.0.1:{https}",
        "plain_endpoint": f"http://127.0.0.1:{http}",
        "ca": str(authority.ca),
        "conf": str(conf),
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "host_access_key": HOST_ACCESS_KEY,
        "host_secret_key": HOST_SECRET_KEY,
    }
