/* SPDX-License-Identifier: PostgreSQL */
/* Where things are in a repository: see layout.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "layout.h"

void
layout_system(
    const struct layout *l, const char *rest, char out[LAYOUT_KEY_MAX])
{
	(void)snprintf(out, LAYOUT_KEY_MAX, "%s/%" PRIu64 ".%" PRIu32 "/%s",
	    l->cluster, l->sysid, l->generation, rest);
}

void
layout_marker(const struct layout *l, char out[LAYOUT_KEY_MAX])
{
	(void)snprintf(out, LAYOUT_KEY_MAX, "%s/repository", l->cluster);
}

void
layout_identity(const struct layout *l, char out[LAYOUT_KEY_MAX])
{
	layout_system(l, "identity", out);
}

void
layout_wal_prefix(const struct layout *l, char out[LAYOUT_KEY_MAX])
{
	layout_system(l, "wal/", out);
}

void
layout_wal(const struct layout *l, const struct walname *name,
    const struct sum128 *digest, char out[LAYOUT_KEY_MAX])
{
	char rest[WALNAME_TEXT + SUM128_TEXT + 32], sum[SUM128_TEXT] = "";

	if (name->kind == WALNAME_HISTORY) {
		(void)snprintf(rest, sizeof rest, "wal/history/%s", name->text);
	} else {
		if (name->kind == WALNAME_PARTIAL)
			sum128_format(digest, sum);
		(void)snprintf(rest, sizeof rest, "wal/%.8s/%.8s/%s%s%s",
		    name->text, name->text + 8, name->text,
		    sum[0] != '\0' ? "/" : "", sum);
	}
	layout_system(l, rest, out);
}

void
layout_aside(const char *key, char out[LAYOUT_KEY_MAX])
{
	char when[CLOCK_TEXT];
	uint32_t random = 0;

	clock_format_compact(clock_now(), when);
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		random = (uint32_t)getpid();
	(void)snprintf(
	    out, LAYOUT_KEY_MAX, "%s.damaged-%s-%08" PRIx32, key, when, random);
}

const char *
layout_own_key(const struct layout *l, const char *key)
{
	size_t len = strlen(l->cluster);

	if (strncmp(key, l->cluster, len) == 0 && key[len] == '/')
		return key + len + 1;
	return key;
}

enum layout_kind
layout_parse_wal(const char *key, struct walname *name)
{
	const char *last = strrchr(key, '/');
	char above[WALNAME_TEXT];
	size_t len;

	last = last != NULL ? last + 1 : key;
	if (strstr(last, ".damaged-") != NULL)
		return LAYOUT_ASIDE;
	if (walname_parse(last, name) == 0) {
		switch (name->kind) {
		case WALNAME_SEGMENT:
			return LAYOUT_SEGMENT;
		case WALNAME_BACKUP:
			return LAYOUT_BACKUP;
		case WALNAME_HISTORY:
			return LAYOUT_HISTORY;
		case WALNAME_PARTIAL:
			return LAYOUT_OTHER;
		}
	}
	/* .../SEGMENT.partial/DIGEST */
	len = WALNAME_SEGMENT_LEN + strlen(".partial");
	if ((size_t)(last - key) < len + 1)
		return LAYOUT_OTHER;
	memcpy(above, last - 1 - len, len);
	above[len] = '\0';
	if (walname_parse(above, name) == 0 && name->kind == WALNAME_PARTIAL)
		return LAYOUT_PARTIAL;
	return LAYOUT_OTHER;
}

/* A decimal number without sign, blanks or leading zeros; moves *p. */
static int
parse_number(const char **p, uint64_t max, uint64_t *v)
{
	const char *start = *p;

	*v = 0;
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		uint64_t digit = (uint64_t)(**p - '0');

		if (*v > (max - digit) / 10)
			return -1;
		*v = *v * 10 + digit;
	}
	return *p == start || *start == '0' ? -1 : 0;
}

int
layout_parse_system(const char *text, uint64_t *sysid, uint32_t *generation)
{
	uint64_t gen;

	if (parse_number(&text, UINT64_MAX, sysid) != 0 || *text++ != '.' ||
	    parse_number(&text, UINT32_MAX, &gen) != 0 ||
	    (*text != '/' && *text != '\0'))
		return -1;
	*generation = (uint32_t)gen;
	return 0;
}
