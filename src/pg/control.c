/* SPDX-License-Identifier: PostgreSQL */
/* global/pg_control: see control.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "control.h"
#include "io.h"
#include "sum.h"
#include "walname.h"

/* The file is 8 KiB; what is read here stands in its first bytes. */
#define CONTROL_FILE_MAX ((size_t)64 * 1024)
#define CONTROL_NEEDED   300

/* Where the CRC stands, by pg_control_version; 0 if not known. */
static size_t
crc_offset(uint32_t version)
{
	switch (version) {
	case 1300:
	case 1700:
		return 288;
	case 1800:
		return 292;
	default:
		return 0;
	}
}

static int
decode(
    const struct buf *b, const char *path, struct control *out, struct fail *f)
{
	const uint8_t *p = b->data;
	size_t crc;

	if (b->len < CONTROL_NEEDED)
		return fail_set(f, FAIL_DAMAGED, path,
		    "only %zu bytes long: not a control file", b->len);
	*out = (struct control){
		.sysid = decode_u64(p),
		.control_version = decode_u32(p + 8),
		.catalog_version = decode_u32(p + 12),
		.state = decode_u32(p + 16),
		.redo = decode_u64(p + 40),
		.tli = decode_u32(p + 48),
	};
	crc = crc_offset(out->control_version);
	if (crc == 0)
		return 0;
	out->crc_ok = (crc32c(0xFFFFFFFF, p, crc) ^ 0xFFFFFFFF) ==
	    decode_u32(p + crc);
	out->segsize = decode_u32(p + 228);
	if (!walname_segsize_ok(out->segsize))
		out->segsize = 0;
	return 0;
}

int
control_read(const char *pgdata, struct control *out, struct fail *f)
{
	char path[PATH_MAX];
	struct buf b = { 0 };
	int rc;

	if (snprintf(path, sizeof path, "%s/global/pg_control", pgdata) >=
	    (int)sizeof path)
		return fail_set(f, FAIL_CONFIG, pgdata, "the path is too long");
	rc = io_read_file(AT_FDCWD, path, CONTROL_FILE_MAX, &b, f);
	if (rc == 0)
		rc = decode(&b, path, out, f);
	buf_clear(&b);
	return rc;
}

int
control_find(
    const char *path, const char *pgdata, struct control *out, struct fail *f)
{
	char top[PATH_MAX];
	const char *dirs[] = { top, ".", pgdata };
	int rc = 1;

	io_above(path, 2, top, sizeof top);
	for (size_t i = 0; rc == 1 && i < sizeof dirs / sizeof *dirs; i++)
		if (dirs[i] != NULL)
			rc = control_read(dirs[i], out, f);
	return rc;
}

int
control_major(const char *pgdata, int *major, struct fail *f)
{
	char path[PATH_MAX];
	struct buf b = { 0 };
	int rc;

	if (snprintf(path, sizeof path, "%s/PG_VERSION", pgdata) >=
	    (int)sizeof path)
		return fail_set(f, FAIL_CONFIG, pgdata, "the path is too long");
	rc = io_read_file(AT_FDCWD, path, 64, &b, f);
	if (rc == 0 && buf_append_u8(&b, 0) == 0)
		*major = atoi((const char *)b.data);
	buf_clear(&b);
	if (rc == 1 || (rc == 0 && *major < 10))
		return fail_set(
		    f, FAIL_CONFIG, path, "not a PostgreSQL data directory");
	return rc;
}
