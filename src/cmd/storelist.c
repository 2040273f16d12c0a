/* SPDX-License-Identifier: PostgreSQL */
/* Options that name some of the stores: see verbs.h. */
#include <stdio.h>
#include <string.h>

#include "verbs.h"

#define BLANKS ", \t"

bool
verb_is_named(const char *list, const struct store *s)
{
	for (const char *p = list; p != NULL && *p != '\0';) {
		size_t len = strcspn(p, BLANKS);

		if ((strlen(s->name) == len && strncmp(s->name, p, len) == 0) ||
		    (strlen(s->url) == len && strncmp(s->url, p, len) == 0))
			return true;
		p += len + strspn(p + len, BLANKS);
	}
	return list == NULL;
}

int
verb_check_list(const struct setup *s, enum option_id id, struct fail *f)
{
	const char *origin, *p = conf_text(s->conf, id, &origin);

	while (p != NULL && *p != '\0') {
		size_t len = strcspn(p, BLANKS);
		bool known = len == 0;
		char one[1024];

		(void)snprintf(one, sizeof one, "%.*s", (int)len, p);
		for (size_t i = 0; i < s->n; i++)
			known |= verb_is_named(one, s->stores[i]);
		if (!known)
			return fail_set(f, FAIL_CONFIG, origin,
			    "'%s' is none of the stores: %s", one,
			    conf_text(s->conf, OPT_STORE, NULL));
		p += len + strspn(p + len, BLANKS);
	}
	return 0;
}
