/* SPDX-License-Identifier: PostgreSQL */
/* A repository in a directory, and packs in it, for the tests. */
#ifndef WALVAULT_TESTS_PACKCHECK_H
#define WALVAULT_TESTS_PACKCHECK_H

#include "backup.h"
#include "io.h"
#include "pack.h"
#include "storecheck.h"

#define PACKCHECK_ID "20261120T020003Z-full-4f2a9c1e"

static const struct codec packcheck_codec UNUSED = { CODEC_LZ4, 1 };

/* A store in a new directory of that name; store_free is the caller's. */
static inline UNUSED void
make_repository(const char *name, struct repository *r)
{
	char url[600];

	(void)snprintf(url, sizeof url, "file://%s", temp_subdir(name));
	*r = (struct repository){ .store = open_url(url),
		.layout = { .cluster = "main",
		    .sysid = UINT64_C(7431000000000000001),
		    .generation = 1 },
		.id = "0123456789abcdef0123456789abcdef" };
}

struct packed {
	struct manifest_piece *pieces;
	size_t n;
};

static inline UNUSED struct pack_member
member_of(const char *path, uint64_t len)
{
	return (struct pack_member){ .path = path,
		.len = len,
		.mode = 0600,
		.uid = 999,
		.gid = 998,
		.owner = "postgres",
		.group = "postgres",
		.mtime = INT64_C(848000000) * 1000000 };
}

/* 0 or -1; out->pieces is the caller's to free. */
static inline UNUSED int
pack_bytes(struct pack_writer *w, const struct pack_member *m, const uint8_t *p,
    size_t chunk, struct packed *out, struct fail *f)
{
	size_t len = (size_t)m->len;

	if (pack_member(w, m, &out->pieces, &out->n, f) != 0)
		return -1;
	while (len > 0) {
		size_t n = len < chunk ? len : chunk;

		if (pack_write(w, p, n, f) != 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

#endif
