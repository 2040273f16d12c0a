/* SPDX-License-Identifier: PostgreSQL */
/* global/pg_control: see control.h. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "control.h"
#include "io.h"
#include "sum.h"
#include "walname.h"

/* The file is 8 KiB; what is read here stands in its first bytes. */
#define CONTROL_FILE_MAX ((size_t)64 * 1024)
#define CONTROL_NEEDED   300

/*
 * Not a record's place in any cluster that lives; lawful in form, as servers
 * refuse other values even where they are not used (XRecOffIsValid).
 */
#define CONTROL_NO_CHECKPOINT UINT64_C(0xDEAD)

/* A server rewrites the file in one write(2): this long it never takes. */
#define CONTROL_TORN_MS 10000
#define CONTROL_WAIT_MS 10

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

static uint32_t
crc_of(const uint8_t *p, size_t len)
{
	return crc32c(0xFFFFFFFF, p, len) ^ 0xFFFFFFFF;
}

static void
decode_details(const uint8_t *p, struct control_details *out)
{
	*out = (struct control_details){
		.checkpoint = decode_u64(p + 32),
		.min_recovery = decode_u64(p + 136),
		.min_recovery_tli = decode_u32(p + 144),
		.max_connections = decode_u32(p + 180),
		.max_worker_processes = decode_u32(p + 184),
		.max_wal_senders = decode_u32(p + 188),
		.max_prepared_xacts = decode_u32(p + 192),
		.max_locks_per_xact = decode_u32(p + 196),
		.track_commit_timestamp = p[200] != 0,
		.blcksz = decode_u32(p + 216),
		.relseg_size = decode_u32(p + 220),
		.xlog_blcksz = decode_u32(p + 224),
		.checksum_version = decode_u32(p + 252),
	};
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
	out->crc_ok = crc_of(p, crc) == decode_u32(p + crc);
	out->segsize = decode_u32(p + 228);
	if (!walname_segsize_ok(out->segsize))
		out->segsize = 0;
	return 0;
}

int
control_decode(const void *bytes, size_t len, struct control *out,
    struct control_details *details, const char *object, struct fail *f)
{
	struct buf b = { 0 };
	int rc = -1;

	if (buf_append(&b, bytes, len) != 0)
		(void)fail_errno(f, object, "memory");
	else
		rc = decode(&b, object, out, f);
	if (rc == 0 && crc_offset(out->control_version) == 0) {
		rc = fail_set(f, FAIL_CONFIG, object,
		    "pg_control version %" PRIu32 " is not a known one",
		    out->control_version);
		(void)fail_hint(
		    f, "PostgreSQL 13 to 18 can be backed up and restored");
	} else if (rc == 0 && !out->crc_ok)
		rc = fail_set(
		    f, FAIL_DAMAGED, object, "its checksum does not match");
	if (rc == 0)
		decode_details(b.data, details);
	buf_clear(&b);
	return rc;
}

static int
control_path(const char *pgdata, char path[PATH_MAX], struct fail *f)
{
	if (snprintf(path, PATH_MAX, "%s/global/pg_control", pgdata) >=
	    PATH_MAX)
		return fail_set(f, FAIL_CONFIG, pgdata, "the path is too long");
	return 0;
}

int
control_read(const char *pgdata, struct control *out, struct fail *f)
{
	char path[PATH_MAX];
	struct buf b = { 0 };
	int rc;

	if (control_path(pgdata, path, f) != 0)
		return -1;
	rc = io_read_file(AT_FDCWD, path, CONTROL_FILE_MAX, &b, f);
	if (rc == 0)
		rc = decode(&b, path, out, f);
	buf_clear(&b);
	return rc;
}

int
control_read_whole(const char *pgdata, struct buf *b, struct control *out,
    struct control_details *details, struct fail *f)
{
	struct deadline end = deadline_in(CONTROL_TORN_MS);
	char path[PATH_MAX];

	if (control_path(pgdata, path, f) != 0)
		return -1;
	for (;;) {
		int rc;

		b->len = 0;
		rc = io_read_file(AT_FDCWD, path, CONTROL_FILE_MAX, b, f);
		if (rc == 1)
			return fail_set(f, FAIL_ABSENT, path, "no such file");
		if (rc != 0)
			return -1;
		rc = control_decode(b->data, b->len, out, details, path, f);
		if (rc == 0)
			return 0;
		if (f->kind != FAIL_DAMAGED || deadline_left(end) == 0)
			return -1;
		(void)usleep(CONTROL_WAIT_MS * 1000);
	}
}

int
control_invalidate(void *bytes, size_t len)
{
	uint8_t *p = bytes;
	size_t crc = len < CONTROL_NEEDED ? 0 : crc_offset(decode_u32(p + 8));

	if (crc == 0)
		return 1;
	encode_u64(p + 32, CONTROL_NO_CHECKPOINT);
	encode_u32(p + crc, crc_of(p, crc));
	return 0;
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
