/* SPDX-License-Identifier: PostgreSQL */
/* walvault verify: read back what is stored, and say what damage costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "clock.h"
#include "exitcode.h"
#include "json.h"
#include "log.h"
#include "output.h"
#include "rules.h"
#include "units.h"
#include "verbs.h"
#include "verify.h"

/* "5", "12.5", "5%": more than 0, at most 100. */
static int
parse_percent(const char *text, double *percent, struct fail *f)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		end = NULL;
	else
		*percent = strtod(text, &end);
	if (end != NULL && *end == '%')
		end++;
	if (end != NULL && *end == '\0' && *percent > 0 && *percent <= 100)
		return 0;
	return fail_set(f, FAIL_CONFIG, "--sample",
	    "%s: a percentage above 0 and up to 100 is expected", text);
}

static int
get_args(const struct setup *s, struct verify_args *a, struct fail *f)
{
	const struct conf *c = s->conf;
	const char *since = conf_text(c, OPT_SINCE, NULL), *why;
	const char *sample = conf_text(c, OPT_SAMPLE, NULL);

	*a = (struct verify_args){
		.jobs = (unsigned)conf_number(c, OPT_JOBS),
		.backup = conf_n_args(c) > 0 ? conf_arg(c, 0) : NULL,
		.wal = conf_number(c, OPT_WAL) != 0,
		.sample = 100,
		.has_since = since != NULL,
		.set_aside = conf_number(c, OPT_SET_ASIDE) != 0,
		.state_dir = conf_text(c, OPT_STATE_DIR, NULL),
		.clock = clock_now(),
	};
	if (a->backup != NULL && !backup_is_id(a->backup)) {
		(void)fail_set(f, FAIL_CONFIG, a->backup, "not a backup's id");
		return fail_hint(f, "walvault info shows the backups");
	}
	if (a->set_aside && !a->wal)
		return fail_set(f, FAIL_CONFIG, "--set-aside",
		    "damaged WAL is found with --wal only");
	if (sample != NULL && parse_percent(sample, &a->sample, f) != 0)
		return -1;
	if (since != NULL &&
	    clock_parse(since, conf_number(c, OPT_UTC) != 0, &a->since, &why) !=
	        0)
		return fail_set(
		    f, FAIL_CONFIG, "--since", "%s: %s", since, why);
	return 0;
}

/* Each line begins with prefix. */
static void
print_report(const struct verify_report *r, const char *prefix)
{
	char size[UNITS_TEXT];

	for (size_t i = 0; i < r->n; i++) {
		const struct verify_finding *x = &r->list[i];

		(void)printf("%s%s: %s%s\n", prefix, x->object, x->text,
		    x->aside ? " (set aside)" : "");
		if (x->cost[0] != '\0')
			(void)printf("%s  costs: %s\n", prefix, x->cost);
	}
	units_format_bytes(r->bytes, size);
	(void)printf("%s%zu backups, %zu objects (%s) verified, %zu left out",
	    prefix, r->backups, r->objects, size, r->not_read);
	if (r->never > 0)
		(void)printf(" (%zu of them never verified here)", r->never);
	(void)printf(": %zu findings\n", r->n);
}

static void
json_report(struct json *j, const struct verify_report *r)
{
	json_int(j, "backups", (int64_t)r->backups);
	json_int(j, "objects", (int64_t)r->objects);
	json_int(j, "bytes", (int64_t)r->bytes);
	json_int(j, "left_out", (int64_t)r->not_read);
	json_int(j, "never_verified", (int64_t)r->never);
	json_array(j, "findings");
	for (size_t i = 0; i < r->n; i++) {
		const struct verify_finding *x = &r->list[i];

		json_object(j, NULL);
		json_string(j, "object", x->object);
		json_string(j, "text", x->text);
		json_string(j, "cost", x->cost[0] != '\0' ? x->cost : NULL);
		json_bool(j, "set_aside", x->aside);
		json_end_object(j);
	}
	json_end_array(j);
}

/* 0 all is well, 1 something was found, -1. */
static int
verify_store(struct setup *s, size_t i, const struct verify_args *common,
    struct json *j, struct fail *f)
{
	struct verify_args args = *common;
	struct store_args store;
	struct verify_report r;
	struct identity id;
	char prefix[OUTPUT_PREFIX];
	int rc;

	if (verb_open(s, i, &id, f) != 0)
		return -1;
	setup_store_args(s, i, &store);
	rules_of_store(s->conf, i, &args.rules);
	args.store = &store;
	rc = verify(&s->repos[i], &id, &args, &r, f);
	output_prefix(s->n, s->stores[i]->name, prefix);
	if (j != NULL)
		json_report(j, &r);
	else
		print_report(&r, prefix);
	if (rc == 0 && r.n > 0)
		rc = 1;
	verify_clear(&r);
	return rc;
}

int
verb_verify(struct setup *s, struct fail *f)
{
	bool as_json = conf_number(s->conf, OPT_JSON) != 0;
	struct verify_args args;
	struct json j = { 0 };
	int rc = EXIT_FINE;

	if (get_args(s, &args, f) != 0)
		return -1;
	json_object(&j, NULL);
	json_int(&j, "format", 1);
	json_array(&j, "stores");
	for (size_t i = 0; i < s->n; i++) {
		int one;

		output_store_begin(&j, s->stores[i]);
		one = verify_store(s, i, &args, as_json ? &j : NULL, f);
		output_store_end(&j, one < 0 ? f : NULL);
		if (one < 0) {
			(void)setup_name_store(s, i, f);
			log_fail(LOG_ERROR, "verify", f);
			rc = exitcode_walvault(f);
		} else if (one == 1 && rc == EXIT_FINE) {
			rc = EXIT_PROBLEM;
		}
	}
	json_end_array(&j);
	json_end_object(&j);
	output_json(&j, as_json);
	return rc;
}
