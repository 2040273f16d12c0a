# SPDX-License-Identifier: PostgreSQL
"""Files of keys that others may read are told of, each time, whatever the store."""

import os

from walvault_test.asroot import run_as_root, with_root
from walvault_test.cases import new_directory
from walvault_test.programs import program, run_program

KINDS = {
    "secret_key_file": "s3://bucket/x\naccess_key_id = AKID",
    "sse_key_file": "s3://bucket/x\nsse = customer",
    "sas_token_file": "azure://bucket/x\naccount = account",
    "credentials_file": "gs://bucket/x",
    "identity_file": "sftp://user@host/x",
    "passphrase_file": "sftp://user@host/x",
}


def test_a_secret_that_others_may_read_is_told_of_each_time():
    home = new_directory("secrets")
    secret, config = home / "secret", home / "walvault.conf"
    secret.write_bytes(b"k" * 32)
    for option, url in KINDS.items():
        config.write_text(
            f"[cluster main]\nstore = one\n[store one]\nurl = {url}\n{option} = {secret}\n",
            encoding="ascii",
        )
        for mode in (0o644, 0o640, 0o622, 0o600, 0o400):
            secret.chmod(mode)
            for _ in range(2):
                err = run_program(program("walvault"), "config", "--config", config).expect(0).err
                told = f"{secret}: others may read or change it (mode {mode:04o})"
                assert (told in err) == bool(mode & 0o077), (option, err)
                assert (f"chmod 600 {secret}" in err) == bool(mode & 0o077), (option, err)
                assert "k" * 32 not in err


@with_root
def test_roots_secret_may_be_read_by_its_group():
    home = new_directory("secrets")
    secret, config = home / "secret", home / "walvault.conf"
    secret.write_text("key", encoding="ascii")
    config.write_text(
        f"[cluster main]\nstore = one\n[store one]\nurl = gs://bucket/x\ncredentials_file = {secret}\n",
        encoding="ascii",
    )
    for mode, told in (("640", False), ("660", True), ("644", True)):
        secret.chmod(int(mode, 8))
        run_as_root("chown", f"root:{os.getegid()}", secret).expect()
        err = run_program(program("walvault"), "config", "--config", config).expect(0).err
        assert ("others may read or change it" in err) == told, (mode, err)
        run_as_root("chown", str(os.geteuid()), secret).expect()
