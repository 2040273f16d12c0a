/* SPDX-License-Identifier: PostgreSQL */
/* Names, notes and the manifest of a backup: see backup.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "backup.h"
#include "backup_note.h"
#include "clock.h"
#include "lsn.h"
#include "object.h"

uint32_t
backup_random(void)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		random = (uint32_t)getpid() ^ (uint32_t)clock_now();
	return random;
}

void
backup_new_id(int64_t time, const char *type, char id[BACKUP_ID])
{
	char when[CLOCK_TEXT];

	clock_format_compact(time, when);
	(void)snprintf(id, BACKUP_ID, "%.16s-%.7s-%08" PRIx32, when, type,
	    backup_random());
}

/* What each letter of an id's pattern stands for. */
static bool
matches(char pattern, char c)
{
	switch (pattern) {
	case '9':
		return c >= '0' && c <= '9';
	case 'x':
		return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
	default:
		return c == pattern;
	}
}

static bool
has_form(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; pattern++, text++)
		if (!matches(*pattern, *text))
			return false;
	return true;
}

bool
backup_is_id(const char *text)
{
	size_t n = 0;

	if (!has_form(text, "99999999T999999Z-"))
		return false;
	text += strlen("99999999T999999Z-");
	while (text[n] >= 'a' && text[n] <= 'z')
		n++;
	if (n < 1 || n > 7 || !has_form(text + n, "-xxxxxxxx"))
		return false;
	return text[n + strlen("-xxxxxxxx")] == '\0';
}

void
backup_key(const struct layout *l, const char *id, const char *name,
    char out[LAYOUT_KEY_MAX])
{
	char rest[LAYOUT_KEY_MAX];

	(void)snprintf(rest, sizeof rest, "backup/%s/%s", id, name);
	layout_system(l, rest, out);
}

void
backup_pack_key(const struct layout *l, const char *id, uint32_t pack,
    char out[LAYOUT_KEY_MAX])
{
	char name[24];

	(void)snprintf(name, sizeof name, "pack-%06" PRIu32, pack);
	backup_key(l, id, name, out);
}

void
backup_prefix(const struct layout *l, char out[LAYOUT_KEY_MAX])
{
	layout_system(l, "backup/", out);
}

/* -- notes -- */

int
backup_note_begin(struct buf *b, const char *what, const char *id)
{
	char when[CLOCK_TEXT], host[128] = "";

	clock_format(clock_now(), when);
	(void)gethostname(host, sizeof host - 1);
	if (note_add(b, "walvault", what) != 0 ||
	    note_add_number(b, "format", BACKUP_NOTE_FORMAT) != 0 ||
	    note_add(b, "id", id) != 0 || note_add(b, "created", when) != 0 ||
	    note_add(b, "host", host) != 0)
		return -1;
	return note_add_number(b, "pid", (uint64_t)getpid());
}

/* The first lines say that it is this kind of note, of this backup. */
static int
check_note(const struct buf *b, const char *what, const char *id,
    const char *object, struct fail *f)
{
	char text[64], whose[64];
	uint64_t format;

	if (note_get(b, "walvault", text, sizeof text, object, f) != 0 ||
	    note_get_number(b, "format", &format, object, f) != 0 ||
	    note_get(b, "id", whose, sizeof whose, object, f) != 0)
		return -1;
	if (strcmp(text, what) != 0 || strcmp(whose, id) != 0)
		return fail_set(f, FAIL_DAMAGED, object,
		    "it is a %.32s of %.48s, not a %s of %s", text, whose, what,
		    id);
	if (format == BACKUP_NOTE_FORMAT)
		return 0;
	(void)fail_set(f, FAIL_CONFIG, object,
	    "it has format %" PRIu64 ", this program knows %d", format,
	    BACKUP_NOTE_FORMAT);
	return fail_hint(f, "use a newer version of walvault");
}

int
backup_note_read(struct repository *r, const char *key,
    const struct backup_note *n, struct buf *b, struct fail *f)
{
	char object[1024];
	int rc = note_read(r->store, key, b, f);

	store_object_name(r->store, key, object, sizeof object);
	return rc == 0 ? check_note(b, n->what, n->id, object, f) : rc;
}

int
backup_write_begin(
    struct repository *r, const struct backup_begin *begin, struct fail *f)
{
	char key[LAYOUT_KEY_MAX], lsn[LSN_TEXT], when[CLOCK_TEXT];
	struct buf b = { 0 };
	int rc;

	backup_key(&r->layout, begin->id, "begin", key);
	lsn_format(begin->from_lsn, lsn);
	clock_format(begin->time, when);
	if (note_add(&b, "walvault", "begin") != 0 ||
	    note_add_number(&b, "format", BACKUP_NOTE_FORMAT) != 0 ||
	    note_add(&b, "id", begin->id) != 0 ||
	    note_add(&b, "created", when) != 0 ||
	    note_add(&b, "host", begin->host) != 0 ||
	    note_add_number(&b, "pid", (uint64_t)begin->pid) != 0 ||
	    note_add(&b, "type", begin->type) != 0 ||
	    note_add(&b, "from_lsn", lsn) != 0 ||
	    note_add_number(&b, "tli", begin->tli) != 0)
		rc = fail_errno(f, key, "memory");
	else
		rc = note_write(r->store, key, &b, f);
	buf_clear(&b);
	if (rc == 1)
		return fail_set(
		    f, FAIL_REFUSED, key, "a backup of this id exists");
	return rc;
}

/* Its lines.  0 or -1. */
static int
parse_begin(const struct buf *b, const char *object, struct backup_begin *out,
    struct fail *f)
{
	char lsn[32], when[CLOCK_TEXT];
	const char *why;
	uint64_t pid, tli;

	if (note_get(b, "type", out->type, sizeof out->type, object, f) != 0 ||
	    note_get(b, "host", out->host, sizeof out->host, object, f) != 0 ||
	    note_get(b, "created", when, sizeof when, object, f) != 0 ||
	    note_get(b, "from_lsn", lsn, sizeof lsn, object, f) != 0 ||
	    note_get_number(b, "pid", &pid, object, f) != 0 ||
	    note_get_number(b, "tli", &tli, object, f) != 0)
		return -1;
	if (lsn_parse(lsn, &out->from_lsn) != 0 ||
	    clock_parse(when, false, &out->time, &why) != 0 ||
	    pid > INT64_MAX || tli == 0 || tli > UINT32_MAX)
		return fail_set(
		    f, FAIL_DAMAGED, object, "a value in it cannot be right");
	out->pid = (int64_t)pid;
	out->tli = (uint32_t)tli;
	return 0;
}

int
backup_read_begin(struct repository *r, const char *id,
    struct backup_begin *out, struct fail *f)
{
	struct backup_note n = { .what = "begin", .id = id };
	char key[LAYOUT_KEY_MAX], object[1024];
	struct buf b = { 0 };
	int rc;

	*out = (struct backup_begin){ 0 };
	backup_key(&r->layout, id, "begin", key);
	store_object_name(r->store, key, object, sizeof object);
	(void)snprintf(out->id, sizeof out->id, "%s", id);
	rc = backup_note_read(r, key, &n, &b, f);
	if (rc == 0)
		rc = parse_begin(&b, object, out, f);
	buf_clear(&b);
	return rc;
}

/* -- the manifest -- */

struct stream *
backup_put_manifest(struct repository *r, const struct manifest_summary *s,
    const struct codec *codec, struct fail *f)
{
	struct object_header h = { .kind = OBJECT_MANIFEST,
		.codec = codec->id,
		.facts.timed_max = WAL_NO_TIME };
	char key[LAYOUT_KEY_MAX];
	struct buf text = { 0 };
	struct stream *put;
	int rc;

	backup_key(&r->layout, s->id, "manifest", key);
	object_stamp(&h);
	(void)snprintf(
	    h.key, sizeof h.key, "%s", layout_own_key(&r->layout, key));
	(void)snprintf(h.repository, sizeof h.repository, "%s", r->id);
	rc = manifest_summary_encode(s, &text);
	if (rc == 0 && text.len >= sizeof h.summary)
		rc = 1;
	if (rc < 0)
		(void)fail_errno(f, s->id, "memory");
	else if (rc > 0)
		(void)fail_set(f, FAIL_CONFIG, s->id,
		    "label and annotations are too long, or not key=value");
	else
		memcpy(h.summary, text.data, text.len);
	buf_clear(&text);
	if (rc != 0)
		return NULL;
	put = store_put(
	    r->store, key, &(struct store_attrs){ .kind = STORE_BACKUP }, f);
	return put != NULL ? object_encoder_new(&h, codec, put, f) : NULL;
}

int
backup_read_manifest(struct repository *r, const char *id,
    const struct manifest_events *events, struct fail *f)
{
	char key[LAYOUT_KEY_MAX], object[1024];
	struct object_seen seen;
	struct stream *reader;
	int rc;

	backup_key(&r->layout, id, "manifest", key);
	store_object_name(r->store, key, object, sizeof object);
	reader = manifest_reader_new(object, events);
	if (reader == NULL)
		return fail_errno(f, object, "memory");
	rc = object_read(r->store, &r->layout, key, reader, &seen, f);
	if (rc == 0 && seen.header.kind != OBJECT_MANIFEST)
		return fail_set(f, FAIL_DAMAGED, object, "not a manifest");
	return rc;
}

int
backup_read_summary(struct repository *r, const char *id,
    struct manifest_summary *out, struct fail *f)
{
	char key[LAYOUT_KEY_MAX], object[1024];
	struct object_header h;
	int rc;

	backup_key(&r->layout, id, "manifest", key);
	store_object_name(r->store, key, object, sizeof object);
	rc = object_read_header(r->store, &r->layout, key, &h, f);
	if (rc != 0)
		return rc;
	if (h.kind != OBJECT_MANIFEST)
		return fail_set(f, FAIL_DAMAGED, object, "not a manifest");
	if (manifest_summary_decode(
	        h.summary, strlen(h.summary), object, out, f) != 0)
		return -1;
	if (strcmp(out->id, id) != 0 || out->sysid != r->layout.sysid ||
	    out->generation != r->layout.generation)
		return fail_set(f, FAIL_DAMAGED, object,
		    "it is the manifest of another backup");
	return 0;
}
