/* SPDX-License-Identifier: PostgreSQL */
/* Headers of tar members: see tar.h. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "tar.h"

/* Places and lengths of ustar's fields. */
enum {
	NAME = 0,
	NAME_LEN = 100,
	MODE = 100,
	UID = 108,
	GID = 116,
	SIZE = 124,
	MTIME = 136,
	CHECKSUM = 148,
	TYPE = 156,
	TARGET = 157,
	TARGET_LEN = 100,
	MAGIC = 257,
	OWNER = 265,
	GROUP = 297,
	OWNER_LEN = 32, /* with a NUL */
	PREFIX = 345,
	PREFIX_LEN = 155,
};

#define ID_MAX     07777777u
#define SIZE_LIMIT UINT64_C(077777777777)

/* "ustar", a NUL, version 0. */
static const uint8_t magic[8] = { 'u', 's', 't', 'a', 'r', 0, '0', '0' };

/* digits octal digits and a NUL; what does not fit stands in the pax header. */
static void
put_octal(uint8_t *p, int digits, uint64_t v)
{
	p[digits] = '\0';
	for (int i = digits - 1; i >= 0; i--, v >>= 3)
		p[i] = (uint8_t)('0' + (v & 7));
}

static void
put_text(uint8_t *p, const char *text, size_t cap)
{
	memcpy(p, text, strnlen(text, cap));
}

/* The sum of all bytes, its own field counted as blanks. */
static void
put_checksum(uint8_t *block)
{
	unsigned sum = 0;

	memset(block + CHECKSUM, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += block[i];
	put_octal(block + CHECKSUM, 6, sum);
}

/*
 * Where to cut a path that is longer than a name: at a '/' with at most 155
 * bytes before it and 1 to 100 behind it.  0: nowhere.
 */
static size_t
cut_path(const char *path, size_t len)
{
	for (size_t i = len - NAME_LEN - 1; i <= PREFIX_LEN && i + 1 < len; i++)
		if (path[i] == '/' && i > 0)
			return i;
	return 0;
}

static bool
put_path(uint8_t *block, const char *path)
{
	size_t len = strlen(path), cut;

	if (len <= NAME_LEN) {
		put_text(block + NAME, path, NAME_LEN);
		return true;
	}
	cut = cut_path(path, len);
	if (cut == 0) {
		memcpy(block + NAME, path, NAME_LEN);
		return false;
	}
	memcpy(block + PREFIX, path, cut);
	memcpy(block + NAME, path + cut + 1, len - cut - 1);
	return true;
}

/* "LENGTH key=value\n", where LENGTH counts its own digits too. */
static int
add_record(struct buf *b, const char *key, const char *value)
{
	size_t len = strlen(key) + strlen(value) + 4;
	char head[64];
	int n;

	for (size_t ten = 10; len >= ten; ten *= 10)
		len++;
	n = snprintf(head, sizeof head, "%zu %s=", len, key);
	if (buf_append(b, head, (size_t)n) != 0 ||
	    buf_append(b, value, strlen(value)) != 0)
		return -1;
	return buf_append(b, "\n", 1);
}

static int
add_number(struct buf *b, const char *key, int64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRId64, v);
	return add_record(b, key, text);
}

/* The seconds since 1970, rounded down. */
static int64_t
unix_time(int64_t time)
{
	int64_t seconds = time / 1000000 - (time % 1000000 < 0);

	return seconds + CLOCK_PG_EPOCH_UNIX;
}

/* What does not fit into the block becomes a record. */
static int
fill_block(uint8_t *block, struct buf *pax, const struct tar_member *m,
    const char *path)
{
	int64_t when = unix_time(m->mtime);
	int rc = 0;

	if (!put_path(block, path))
		rc |= add_record(pax, "path", path);
	if (m->target != NULL) {
		put_text(block + TARGET, m->target, TARGET_LEN);
		if (strlen(m->target) > TARGET_LEN)
			rc |= add_record(pax, "linkpath", m->target);
	}
	if (m->uid > ID_MAX)
		rc |= add_number(pax, "uid", m->uid);
	if (m->gid > ID_MAX)
		rc |= add_number(pax, "gid", m->gid);
	if (m->size > SIZE_LIMIT)
		rc |= add_number(pax, "size", (int64_t)m->size);
	if (when < 0 || (uint64_t)when > SIZE_LIMIT)
		rc |= add_number(pax, "mtime", when);
	if (strlen(m->owner) >= OWNER_LEN)
		rc |= add_record(pax, "uname", m->owner);
	if (strlen(m->group) >= OWNER_LEN)
		rc |= add_record(pax, "gname", m->group);
	put_octal(block + MODE, 7, m->mode & 07777);
	put_octal(block + UID, 7, m->uid > ID_MAX ? 0 : m->uid);
	put_octal(block + GID, 7, m->gid > ID_MAX ? 0 : m->gid);
	put_octal(block + SIZE, 11, m->size);
	put_octal(block + MTIME, 11, when < 0 ? 0 : (uint64_t)when);
	block[TYPE] = (uint8_t)m->type;
	memcpy(block + MAGIC, magic, sizeof magic);
	put_text(block + OWNER, m->owner, OWNER_LEN - 1);
	put_text(block + GROUP, m->group, OWNER_LEN - 1);
	put_checksum(block);
	return rc;
}

/* The extended header: a member of type 'x' that holds the records. */
static int
append_pax(struct buf *b, const struct buf *pax)
{
	static const uint8_t zeros[TAR_BLOCK];
	uint8_t block[TAR_BLOCK] = { 0 };

	put_text(block + NAME, "PaxHeaders/walvault", NAME_LEN);
	put_octal(block + MODE, 7, 0600);
	put_octal(block + UID, 7, 0);
	put_octal(block + GID, 7, 0);
	put_octal(block + SIZE, 11, pax->len);
	put_octal(block + MTIME, 11, 0);
	block[TYPE] = 'x';
	memcpy(block + MAGIC, magic, sizeof magic);
	put_checksum(block);
	if (buf_append(b, block, sizeof block) != 0 ||
	    buf_append(b, pax->data, pax->len) != 0)
		return -1;
	return buf_append(b, zeros, tar_padding(pax->len));
}

int
tar_append_header(struct buf *b, const struct tar_member *m)
{
	uint8_t block[TAR_BLOCK] = { 0 };
	struct buf pax = { 0 }, path = { 0 };
	size_t len = strlen(m->path);
	bool slash = m->type == TAR_DIR && len > 0 && m->path[len - 1] != '/';
	int rc;

	if (buf_append(&path, m->path, len) != 0 ||
	    buf_append(&path, "/", slash ? 2 : 0) != 0 ||
	    buf_append(&path, "", slash ? 0 : 1) != 0)
		rc = -1;
	else
		rc = fill_block(block, &pax, m, (const char *)path.data);
	if (rc == 0 && pax.len > 0)
		rc = append_pax(b, &pax);
	if (rc == 0)
		rc = buf_append(b, block, sizeof block);
	buf_clear(&pax);
	buf_clear(&path);
	return rc == 0 ? 0 : -1;
}
