/* SPDX-License-Identifier: PostgreSQL */
/* walvault hold: keep a backup whatever the rules say. */
#include <stdio.h>

#include "backup.h"
#include "clock.h"
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

int
verb_hold(struct setup *s, struct fail *f)
{
	const char *id = conf_arg(s->conf, 0);
	const char *reason = conf_text(s->conf, OPT_REASON, NULL);
	char text[CLOCK_TEXT] = "it is released";
	int64_t until;
	size_t held = 0;

	if (!backup_is_id(id)) {
		(void)fail_set(f, FAIL_CONFIG, id, "not a backup's id");
		return fail_hint(f, "walvault info shows the backups");
	}
	if (hold_until(s->conf, &until, f) != 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		struct identity identity;

		if (verb_open(s, i, &identity, f) != 0)
			return -1;
		if (backup_hold(&s->repos[i], id, until,
		        reason != NULL ? reason : "", f) == 0)
			held++;
		else if (f->kind != FAIL_ABSENT)
			return -1;
	}
	if (held == 0)
		return -1;
	if (until != INT64_MAX)
		clock_format(until, text);
	(void)printf("%s is held until %s\n", id, text);
	return 0;
}
