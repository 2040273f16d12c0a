/* SPDX-License-Identifier: PostgreSQL */
/* store-sftp.so: stores behind SSH.  See module.h. */
#include "module.h"
#include "sftp_store.h"

extern const struct store_module STORE_MODULE_TABLE;

__attribute__((visibility("default")))
const struct store_module STORE_MODULE_TABLE = {
	.version = WALVAULT_VERSION,
	.abi = STORE_MODULE_ABI,
	.open = sftp_store_open,
};
