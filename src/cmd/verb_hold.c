/* SPDX-License-Identifier: PostgreSQL */
/* walvault hold: keep a backup whatever the rules say. */
#include <stdio.h>

#include "backup.h"
#include "buf.h"
#include "clock.h"
#include "eachstore.h"
#include "verbs.h"

static int
hold_until(const struct conf *c, int64_t *until, struct fail *f)
{
	const char *text = conf_text(c, OPT_UNTIL, NULL), *why;

	*until = INT64_MAX;
	if (text == NULL)
		return 0;
	if (clock_parse(text, conf_number(c, OPT_UTC) != 0, until, &why) != 0)
		return fail_set(f, FAIL_CONFIG, "--until", "%s: %s", text, why);
	if (*until > clock_now())
		return 0;
	return fail_set(f, FAIL_CONFIG, "--until", "%s is over", text);
}

struct hold {
	const char *reason;
	int64_t until;
};

static int
hold_in(const struct eachstore *e, struct repository *r, const char *prefix,
    struct fail *f)
{
	const struct hold *h = e->arg;
	char text[CLOCK_TEXT] = "it is released";

	if (backup_hold(r, e->id, h->until, h->reason, f) != 0)
		return f->kind == FAIL_ABSENT ? 1 : -1;
	if (h->until != INT64_MAX)
		clock_format(h->until, text);
	(void)printf("%s%s is held until %s\n", prefix, e->id, text);
	return 0;
}

/* A word in quotes, which a shell takes as it is.  0, or -1: no room. */
static int
add_quoted(struct buf *b, const char *text)
{
	int rc = buf_append(b, "'", 1);

	for (; rc == 0 && *text != '\0'; text++)
		rc = *text == '\'' ? buf_append(b, "'\\''", 4)
		                   : buf_append(b, text, 1);
	return rc == 0 ? buf_append(b, "' ", 2) : -1;
}

/* What was asked for, to be asked for again.  0 or -1. */
static int
add_options(struct buf *b, const struct conf *c)
{
	const char *until = conf_text(c, OPT_UNTIL, NULL);
	const char *reason = conf_text(c, OPT_REASON, NULL);

	if (until != NULL &&
	    (buf_append(b, "--until ", 8) != 0 || add_quoted(b, until) != 0))
		return -1;
	if (until != NULL && conf_number(c, OPT_UTC) != 0 &&
	    buf_append(b, "--utc ", 6) != 0)
		return -1;
	if (reason != NULL &&
	    (buf_append(b, "--reason ", 9) != 0 || add_quoted(b, reason) != 0))
		return -1;
	return buf_append_u8(b, 0);
}

int
verb_hold(struct setup *s, struct fail *f)
{
	const char *reason = conf_text(s->conf, OPT_REASON, NULL);
	struct hold h = { .reason = reason != NULL ? reason : "" };
	struct eachstore e = { .verb = "hold",
		.id = conf_arg(s->conf, 0),
		.run = hold_in,
		.arg = &h };
	struct buf options = { 0 };
	int rc;

	if (!backup_is_id(e.id)) {
		(void)fail_set(f, FAIL_CONFIG, e.id, "not a backup's id");
		return fail_hint(f, "walvault info shows the backups");
	}
	if (hold_until(s->conf, &h.until, f) != 0)
		return -1;
	if (add_options(&options, s->conf) != 0) {
		buf_clear(&options);
		return fail_errno(f, e.id, "memory");
	}
	e.options = (const char *)options.data;
	rc = eachstore_do(s, &e, f);
	buf_clear(&options);
	return rc;
}
