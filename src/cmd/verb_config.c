/* SPDX-License-Identifier: PostgreSQL */
/* walvault config: what holds, and where it comes from. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "output.h"
#include "verbs.h"

static void
show(struct json *json, const char *section, const char *name,
    const char *value, const char *origin)
{
	char key[128];
	int n = 0;

	for (; n < (int)sizeof key - 1 && name[n] != '\0'; n++)
		key[n] = name[n] == '-' ? '_' : name[n];
	key[n] = '\0';
	if (json == NULL) {
		(void)printf("%-18s %-24s = %-28s # %s\n", section, key,
		    value != NULL ? value : "", origin);
		return;
	}
	json_object(json, NULL);
	json_string(json, "section", section);
	json_string(json, "option", key);
	json_string(json, "value", value);
	json_string(json, "origin", origin);
	json_end_object(json);
}

static void
show_all(struct setup *s, struct json *json)
{
	char section[160];

	(void)snprintf(
	    section, sizeof section, "[cluster %s]", conf_cluster(s->conf));
	for (enum option_id id = 0; id < OPT_COUNT; id++) {
		const char *origin, *value = conf_text(s->conf, id, &origin);

		/* A connection string may hold a password. */
		if (id == OPT_CONNINFO && value != NULL &&
		    strstr(value, "password") != NULL)
			value = "(not shown: it holds a password)";
		if (option_of(id)->scope == SCOPE_CLUSTER ||
		    option_of(id)->scope == SCOPE_BOTH)
			show(json, section, option_of(id)->name, value, origin);
	}
	for (size_t i = 0; i < conf_n_stores(s->conf); i++) {
		(void)snprintf(section, sizeof section, "[store %s]",
		    conf_store_name(s->conf, i));
		for (enum option_id id = 0; id < OPT_COUNT; id++) {
			const char *origin, *value;

			if (option_of(id)->scope != SCOPE_STORE &&
			    option_of(id)->scope != SCOPE_BOTH)
				continue;
			value = conf_store_text(s->conf, i, id, &origin);
			/* Only where it is the store's own. */
			if (option_of(id)->scope == SCOPE_BOTH &&
			    value == conf_text(s->conf, id, NULL))
				continue;
			if (option_of(id)->type == OPTION_SECRET) {
				if (value == NULL)
					continue;
				value = "(not shown)";
			}
			show(json, section, option_of(id)->name, value, origin);
		}
	}
}

int
verb_config(struct setup *s, struct fail *f)
{
	struct json json = { 0 };
	bool as_json = conf_number(s->conf, OPT_JSON) != 0;

	(void)f;
	if (as_json) {
		json_object(&json, NULL);
		json_int(&json, "format", 1);
		json_string(&json, "cluster", conf_cluster(s->conf));
		json_array(&json, "options");
	}
	show_all(s, as_json ? &json : NULL);
	if (as_json) {
		json_end_array(&json);
		json_end_object(&json);
	}
	output_json(&json, as_json);
	return 0;
}
