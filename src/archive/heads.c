/* SPDX-License-Identifier: PostgreSQL */
/* The plain bytes of an index object: see heads.h. */
#include <string.h>

#include "backup.h"
#include "facts.h"
#include "heads.h"

enum {
	FIELD_REPLACED = 1, /* a name below index/ */
	FIELD_ENTRY = 2,    /* fields: */
	FIELD_ENTRY_KEY = 1,
	FIELD_ENTRY_SIZE = 2,   /* u64 */
	FIELD_ENTRY_TIME = 3,   /* i64 */
	FIELD_ENTRY_HEADER = 4, /* a frame */
	FIELD_ENTRY_WHOLE = 5,
};

struct field {
	unsigned type;
	bool critical;
	const uint8_t *value;
	size_t len;
};

static bool
is_backup_part(const char *rest, const char *name)
{
	char id[BACKUP_ID];
	const char *slash = strchr(rest, '/');

	if (slash == NULL || (size_t)(slash - rest) >= sizeof id ||
	    strcmp(slash + 1, name) != 0)
		return false;
	memcpy(id, rest, (size_t)(slash - rest));
	id[slash - rest] = '\0';
	return backup_is_id(id);
}

static enum heads_what
what_of_wal(const char *own_key)
{
	struct walname name;

	switch (layout_parse_wal(own_key, &name)) {
	case LAYOUT_SEGMENT:
	case LAYOUT_PARTIAL:
		return HEADS_HEADER;
	case LAYOUT_HISTORY:
		return HEADS_WHOLE;
	default:
		return HEADS_NONE;
	}
}

enum heads_what
heads_what(const char *own_key, uint64_t size)
{
	const char *rest = strchr(own_key, '/');
	enum heads_what what = HEADS_NONE;

	if (rest == NULL)
		return HEADS_NONE;
	rest++;
	if (strncmp(rest, "wal/", 4) == 0)
		what = what_of_wal(own_key);
	else if (strcmp(rest, "identity") == 0)
		what = HEADS_WHOLE;
	else if (strncmp(rest, "backup/", 7) == 0) {
		if (is_backup_part(rest + 7, "manifest"))
			what = HEADS_HEADER;
		else if (is_backup_part(rest + 7, "begin"))
			what = HEADS_WHOLE;
	}
	return what == HEADS_WHOLE && size > HEADS_WHOLE_MAX ? HEADS_NONE
	                                                     : what;
}

int
heads_add(struct buf *b, const struct heads_entry *e)
{
	unsigned type = e->what == HEADS_WHOLE ? FIELD_ENTRY_WHOLE
	                                       : FIELD_ENTRY_HEADER;
	size_t start = b->len;

	if (field_append(b, FIELD_ENTRY | FIELD_CRITICAL, NULL, 0) != 0 ||
	    field_append(b, FIELD_ENTRY_KEY, e->key, strlen(e->key)) != 0 ||
	    field_append_int(b, FIELD_ENTRY_SIZE, e->info.size, 8) != 0 ||
	    field_append_int(b, FIELD_ENTRY_TIME, (uint64_t)e->info.mtime, 8) !=
	        0 ||
	    field_append(b, type, e->bytes, e->len) != 0)
		return -1;
	/* The length, known now, behind the type. */
	encode_u32(
	    b->data + start + 2, (uint32_t)(b->len - start - FIELD_HEAD));
	return 0;
}

int
heads_add_replaced(struct buf *b, const char *name)
{
	return field_append(b, FIELD_REPLACED, name, strlen(name));
}

/* The next field of *left bytes at *p.  1 there is one, 0 no more, -1. */
static int
next_field(const uint8_t **p, size_t *left, struct field *out)
{
	if (*left == 0)
		return 0;
	if (*left < FIELD_HEAD || decode_u32(*p + 2) > *left - FIELD_HEAD)
		return -1;
	out->type = decode_u16(*p);
	out->critical = (out->type & FIELD_CRITICAL) != 0;
	out->type &= ~(unsigned)FIELD_CRITICAL;
	out->value = *p + FIELD_HEAD;
	out->len = decode_u32(*p + 2);
	*p += FIELD_HEAD + out->len;
	*left -= FIELD_HEAD + out->len;
	return 1;
}

/* 0, or -1: the field has not the form that it must have. */
static int
take_field(struct heads_entry *e, const struct field *x)
{
	switch (x->type) {
	case FIELD_ENTRY_KEY:
		if (x->len >= sizeof e->key ||
		    memchr(x->value, '\0', x->len) != NULL)
			return -1;
		memcpy(e->key, x->value, x->len);
		e->key[x->len] = '\0';
		return 0;
	case FIELD_ENTRY_SIZE:
		e->info.size = x->len == 8 ? decode_u64(x->value) : 0;
		return x->len == 8 ? 0 : -1;
	case FIELD_ENTRY_TIME:
		e->info.mtime = x->len == 8 ? (int64_t)decode_u64(x->value) : 0;
		return x->len == 8 ? 0 : -1;
	case FIELD_ENTRY_HEADER:
	case FIELD_ENTRY_WHOLE:
		e->what = x->type == FIELD_ENTRY_WHOLE ? HEADS_WHOLE
		                                       : HEADS_HEADER;
		e->bytes = x->value;
		e->len = x->len;
		return 0;
	default:
		return 0;
	}
}

static int
take_entry(const struct field *whole, heads_fn *fn, void *arg)
{
	struct heads_entry e = { .what = HEADS_NONE };
	const uint8_t *p = whole->value;
	size_t left = whole->len;
	struct field x;
	int rc;

	while ((rc = next_field(&p, &left, &x)) == 1)
		if (take_field(&e, &x) != 0)
			return -1;
	if (rc < 0 || (e.what == HEADS_WHOLE && e.len != e.info.size))
		return -1;
	return e.what != HEADS_NONE && e.key[0] != '\0' ? fn(arg, &e, NULL) : 0;
}

static int
take_replaced(const struct field *x, heads_fn *fn, void *arg)
{
	char name[LAYOUT_KEY_MAX];

	if (x->len == 0 || x->len >= sizeof name ||
	    memchr(x->value, '\0', x->len) != NULL)
		return -1;
	memcpy(name, x->value, x->len);
	name[x->len] = '\0';
	return fn(arg, NULL, name);
}

int
heads_each(const struct buf *b, const char *object, heads_fn *fn, void *arg,
    struct fail *f)
{
	const uint8_t *p = b->data;
	size_t left = b->len;
	struct field x;
	int rc;

	while ((rc = next_field(&p, &left, &x)) == 1) {
		int done = 0;

		if (x.type == FIELD_ENTRY)
			done = take_entry(&x, fn, arg);
		else if (x.type == FIELD_REPLACED)
			done = take_replaced(&x, fn, arg);
		else if (x.critical)
			return fail_set(f, FAIL_CONFIG, object,
			    "needs feature %u, unknown to this program",
			    x.type);
		if (done > 0)
			return done;
		if (done < 0)
			rc = -1;
		if (rc < 0)
			break;
	}
	return rc < 0
	    ? fail_set(f, FAIL_DAMAGED, object, "damaged index: wrong length")
	    : 0;
}
