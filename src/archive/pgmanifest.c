/* SPDX-License-Identifier: PostgreSQL */
/* PostgreSQL's backup_manifest: see pgmanifest.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "clock.h"
#include "hash.h"
#include "io.h"
#include "lsn.h"
#include "pgmanifest.h"

#define VERSION_2_PG 17

struct pgmanifest {
	struct stream *next;
	struct sha256 *sum;
	struct buf text; /* not written yet */
	bool failed;     /* no memory for some of it */
	bool has_file;
};

static void
add(struct pgmanifest *m, const char *bytes, size_t len)
{
	if (buf_append(&m->text, bytes, len) != 0)
		m->failed = true;
}

FAIL_PRINTF(2, 3)
static void
print(struct pgmanifest *m, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof text)
		m->failed = true;
	else
		add(m, text, (size_t)len);
}

/* Pass on what is there; sum: it belongs under the checksum. */
static int
flush(struct pgmanifest *m, bool sum, struct fail *f)
{
	int rc;

	if (m->failed)
		return fail_set(
		    f, FAIL_INTERNAL, "backup_manifest", "no memory");
	if (sum)
		sha256_update(m->sum, m->text.data, m->text.len);
	rc = stream_write(m->next, m->text.data, m->text.len, f);
	m->text.len = 0;
	return rc;
}

struct pgmanifest *
pgmanifest_begin(struct stream *next, int major, uint64_t sysid, struct fail *f)
{
	struct pgmanifest *m = calloc(1, sizeof *m);

	if (m != NULL)
		m->sum = sha256_new();
	if (m == NULL || m->sum == NULL) {
		(void)fail_errno(f, "backup_manifest", "memory");
		pgmanifest_free(m);
		return NULL;
	}
	m->next = next;
	print(m, "{ \"PostgreSQL-Backup-Manifest-Version\": %d,\n",
	    major >= VERSION_2_PG ? 2 : 1);
	if (major >= VERSION_2_PG)
		print(m, "\"System-Identifier\": %" PRIu64 ",\n", sysid);
	print(m, "\"Files\": [");
	return m;
}

/* Bytes of the UTF-8 sequence at p, 0 if it is none (RFC 3629). */
static size_t
utf8_len(const uint8_t *p)
{
	size_t n = p[0] < 0x80            ? 1
	    : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
	    : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
	    : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
	                                  : 0;

	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
	    (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return n;
}

static bool
is_utf8(const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n;

	for (; *p != '\0'; p += n) {
		n = utf8_len(p);
		if (n == 0)
			return false;
	}
	return true;
}

static void
add_path(struct pgmanifest *m, const char *path)
{
	if (!is_utf8(path)) {
		print(m, "{ \"Encoded-Path\": \"");
		for (; *path != '\0'; path++)
			print(m, "%02x", (unsigned char)*path);
		print(m, "\", ");
		return;
	}
	print(m, "{ \"Path\": \"");
	for (; *path != '\0'; path++) {
		if (*path == '"' || *path == '\\')
			add(m, "\\", 1);
		if ((unsigned char)*path < ' ')
			print(m, "\\u%04x", (unsigned char)*path);
		else
			add(m, path, 1);
	}
	print(m, "\", ");
}

static void
add_time(struct pgmanifest *m, int64_t mtime)
{
	int64_t sec = mtime / 1000000 - (mtime % 1000000 < 0);
	time_t t = (time_t)(sec + CLOCK_PG_EPOCH_UNIX);
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S GMT", &tm);
	print(m, "\"Last-Modified\": \"%s\", ", text);
}

int
pgmanifest_file(struct pgmanifest *m, const char *path, uint64_t size,
    int64_t mtime, uint32_t crc, struct fail *f)
{
	uint8_t bytes[4];

	print(m, m->has_file ? ",\n" : "\n");
	m->has_file = true;
	add_path(m, path);
	print(m, "\"Size\": %" PRIu64 ", ", size);
	add_time(m, mtime);
	/* The server writes the bytes of its uint32 as they lie in memory. */
	encode_u32(bytes, crc);
	print(m,
	    "\"Checksum-Algorithm\": \"CRC32C\", "
	    "\"Checksum\": \"%02x%02x%02x%02x\" }",
	    bytes[0], bytes[1], bytes[2], bytes[3]);
	return m->text.len >= IO_CHUNK || m->failed ? flush(m, true, f) : 0;
}

int
pgmanifest_end(struct pgmanifest *m, const struct pgmanifest_range *ranges,
    size_t n, struct fail *f)
{
	char sum[SHA256_TEXT];

	print(m, "\n],\n\"WAL-Ranges\": [\n");
	for (size_t i = 0; i < n; i++) {
		char start[LSN_TEXT], end[LSN_TEXT];

		lsn_format(ranges[i].start_lsn, start);
		lsn_format(ranges[i].end_lsn, end);
		print(m,
		    "%s{ \"Timeline\": %" PRIu32 ", \"Start-LSN\": \"%s\", "
		    "\"End-LSN\": \"%s\" }",
		    i > 0 ? ",\n" : "", ranges[i].tli, start, end);
	}
	print(m, "\n],\n");
	if (flush(m, true, f) != 0)
		return -1;
	sha256_text(m->sum, sum);
	print(m, "\"Manifest-Checksum\": \"%s\"}\n", sum);
	return flush(m, false, f);
}

void
pgmanifest_free(struct pgmanifest *m)
{
	if (m == NULL)
		return;
	sha256_free(m->sum);
	buf_clear(&m->text);
	free(m);
}
