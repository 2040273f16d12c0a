/* SPDX-License-Identifier: PostgreSQL */
/* walvault ls: the objects of a repository. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "log.h"
#include "output.h"
#include "verbs.h"

struct listing {
	struct json *json; /* NULL for text */
	size_t skip;       /* "CLUSTER/" is not shown */
};

static int
show(void *arg, const char *key, const struct store_info *info)
{
	struct listing *l = arg;
	char when[CLOCK_TEXT];

	clock_format(info->mtime, when);
	if (l->json == NULL) {
		(void)printf("%12llu  %s  %s\n", (unsigned long long)info->size,
		    when, key + l->skip);
		return 0;
	}
	json_object(l->json, NULL);
	json_string(l->json, "key", key + l->skip);
	json_int(l->json, "size", (int64_t)info->size);
	json_string(l->json, "time", when);
	json_end_object(l->json);
	return 0;
}

/* A prefix need not end with '/': keys are compared as text. */
struct filter {
	const char *prefix;
	size_t len;
	struct listing *listing;
};

static int
filter(void *arg, const char *key, const struct store_info *info)
{
	struct filter *x = arg;

	if (strncmp(key, x->prefix, x->len) != 0)
		return 0;
	return show(x->listing, key, info);
}

static int
list_store(struct setup *s, size_t i, struct listing *l, struct fail *f)
{
	const char *given = conf_arg(s->conf, 0);
	char prefix[STORE_KEY_MAX], dir[STORE_KEY_MAX];
	struct filter x = { .prefix = prefix, .listing = l };

	if (repository_open(&s->repos[i], f) != 0)
		return -1;
	(void)snprintf(prefix, sizeof prefix, "%s/%s", conf_cluster(s->conf),
	    given != NULL ? given : "");
	x.len = strlen(prefix);
	l->skip = strlen(conf_cluster(s->conf)) + 1;
	(void)snprintf(dir, sizeof dir, "%s", prefix);
	*(strrchr(dir, '/') + 1) = '\0';
	return store_list(s->stores[i], dir, filter, &x, f);
}

/* 0 or -1; a store that fails does not hide the others. */
static int
show_store(struct setup *s, size_t i, struct listing *l, struct fail *f)
{
	int rc;

	if (s->n > 1 && l->json == NULL)
		(void)printf(
		    "%s: %s:\n", s->stores[i]->name, s->stores[i]->url);
	if (l->json != NULL) {
		output_store_begin(l->json, s->stores[i]);
		json_string(l->json, "url", s->stores[i]->url);
		json_array(l->json, "objects");
	}
	rc = list_store(s, i, l, f);
	if (l->json != NULL) {
		json_end_array(l->json);
		output_store_end(l->json, rc != 0 ? f : NULL);
	}
	return rc == 0 ? 0 : setup_name_store(s, i, f);
}

int
verb_ls(struct setup *s, struct fail *f)
{
	struct json json = { 0 };
	struct listing l = { 0 };
	int rc = 0;

	if (conf_number(s->conf, OPT_JSON) != 0)
		l.json = &json;
	json_object(&json, NULL);
	json_int(&json, "format", 1);
	json_array(&json, "stores");
	for (size_t i = 0; i < s->n; i++) {
		struct fail one;

		if (show_store(s, i, &l, &one) == 0)
			continue;
		if (rc != 0)
			log_fail(LOG_ERROR, "ls", f);
		*f = one;
		rc = -1;
	}
	json_end_array(&json);
	json_end_object(&json);
	output_json(&json, l.json != NULL && (rc == 0 || s->n > 1));
	return rc;
}
