/* SPDX-License-Identifier: PostgreSQL */
/* Leaves of a JSON document: see members.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "members.h"

struct walk {
	char path[MEMBERS_PATH_MAX];
	members_fn *fn;
	void *arg;
};

static int walk_value(struct walk *w, json_t *value);

static int
walk_object(struct walk *w, json_t *object)
{
	size_t len = strlen(w->path);
	const char *name;
	json_t *value;
	int rc = 0;

	json_object_foreach(object, name, value)
	{
		int n = snprintf(w->path + len, sizeof w->path - len, "%s%s",
		    len > 0 ? "/" : "", name);

		/* A name that is too long is none that anybody asks for. */
		if (n < (int)(sizeof w->path - len))
			rc = walk_value(w, value);
		w->path[len] = '\0';
		if (rc != 0)
			return rc;
	}
	return w->fn(w->arg, w->path, NULL);
}

static int
walk_value(struct walk *w, json_t *value)
{
	char number[32];
	json_t *element;
	size_t i;
	int rc = 0;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return walk_object(w, value);
	case JSON_ARRAY:
		json_array_foreach(value, i, element)
		{
			rc = walk_value(w, element);
			if (rc != 0)
				return rc;
		}
		return 0;
	case JSON_STRING:
		return w->fn(w->arg, w->path, json_string_value(value));
	case JSON_INTEGER:
		(void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(value));
		return w->fn(w->arg, w->path, number);
	case JSON_REAL:
		(void)snprintf(
		    number, sizeof number, "%.17g", json_real_value(value));
		return w->fn(w->arg, w->path, number);
	case JSON_TRUE:
		return w->fn(w->arg, w->path, "true");
	case JSON_FALSE:
		return w->fn(w->arg, w->path, "false");
	case JSON_NULL:
	default:
		return 0;
	}
}

int
members_read(const void *bytes, size_t len, const char *object, members_fn *fn,
    void *arg, struct fail *f)
{
	struct walk w = { .fn = fn, .arg = arg };
	json_t *root = json_loadb(bytes, len, 0, NULL);
	int rc;

	if (root == NULL || !json_is_object(root)) {
		json_decref(root);
		/* The parser's own words would show some of it. */
		return fail_set(
		    f, FAIL_TRANSIENT, object, "the answer is no JSON");
	}
	rc = walk_object(&w, root);
	json_decref(root);
	return rc;
}
