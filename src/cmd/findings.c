/* SPDX-License-Identifier: PostgreSQL */
/* Findings of a check: see findings.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exitcode.h"
#include "findings.h"
#include "json.h"
#include "output.h"

static const char *const level_names[] = { "OK", "WARNING", "CRITICAL",
	"UNKNOWN" };

static bool
is_same(const char *a, const char *b)
{
	if (a == NULL)
		return b == NULL;
	return b != NULL && strcmp(a, b) == 0;
}

/* One segment lies on the lines of many timelines. */
static bool
is_known(const struct findings *x, const struct finding *one)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct finding *old = &x->list[i];

		if (old->level == one->level && is_same(old->text, one->text) &&
		    is_same(old->subject, one->subject) &&
		    is_same(old->store, one->store))
			return true;
	}
	return false;
}

static void
clear_one(struct finding *x)
{
	free(x->subject);
	free(x->text);
	free(x->store);
}

static void
add_text(struct findings *x, int level, const char *subject, char *text)
{
	struct finding one = { .level = level,
		.subject = strdup(subject),
		.text = text,
		.store = x->store != NULL ? strdup(x->store) : NULL };
	struct finding *more;

	if (is_known(x, &one)) {
		clear_one(&one);
		return;
	}
	more = reallocarray(x->list, x->n + 1, sizeof *more);
	if (more == NULL) {
		clear_one(&one);
		return;
	}
	x->list = more;
	more[x->n++] = one;
}

void
findings_add(
    struct findings *x, int level, const char *subject, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add_text(x, level, subject, text);
}

void
findings_add_fail(
    struct findings *x, int level, const char *subject, const struct fail *f)
{
	findings_add(x, level, subject, "%s: %s%s%s%s", f->object, f->cause,
	    f->hint[0] != '\0' ? " (hint: " : "", f->hint,
	    f->hint[0] != '\0' ? ")" : "");
}

/* UNKNOWN is worse than OK and WARNING, but no more than that. */
static int
badness(int level)
{
	static const int order[] = { 0, 1, 3, 2 };

	return order[level];
}

static int
worst_level(const struct findings *x)
{
	int worst = NAGIOS_OK;

	for (size_t i = 0; i < x->n; i++)
		if (badness(x->list[i].level) > badness(worst))
			worst = x->list[i].level;
	return worst;
}

static const char *
text_of(const char *text)
{
	return text != NULL ? text : "(out of memory)";
}

/* "SUBJECT: [STORE: ]TEXT" and the end of the line. */
static void
print_one(const struct findings *x, size_t i, const char *end)
{
	const struct finding *f = &x->list[i];
	bool named = x->several && f->store != NULL;

	(void)printf("%s: %s%s%s%s\n", text_of(f->subject),
	    named ? f->store : "", named ? ": " : "", text_of(f->text), end);
}

static void
print_text(const struct findings *x, const char *cluster, int worst)
{
	size_t at_worst = 0, first = 0;

	for (size_t i = x->n; i > 0; i--) {
		if (x->list[i - 1].level != worst)
			continue;
		at_worst++;
		first = i - 1;
	}
	(void)printf("WALVAULT %s - %s: ", level_names[worst], cluster);
	if (worst == NAGIOS_OK)
		(void)printf("%zu checks passed\n", x->n);
	else
		print_one(x, first, at_worst > 1 ? " (and more)" : "");
	for (size_t i = 0; i < x->n; i++) {
		(void)printf("%s: ", level_names[x->list[i].level]);
		print_one(x, i, "");
	}
}

static void
print_json(const struct findings *x, const char *cluster, int worst)
{
	struct json j = { 0 };

	json_object(&j, NULL);
	json_int(&j, "format", 1);
	json_string(&j, "cluster", cluster);
	json_string(&j, "status", level_names[worst]);
	json_array(&j, "findings");
	for (size_t i = 0; i < x->n; i++) {
		json_object(&j, NULL);
		json_string(&j, "level", level_names[x->list[i].level]);
		json_string(&j, "subject", x->list[i].subject);
		json_string(&j, "store", x->list[i].store);
		json_string(&j, "text", x->list[i].text);
		json_end_object(&j);
	}
	json_end_array(&j);
	json_end_object(&j);
	output_json(&j, true);
}

int
findings_report(const struct findings *x, const char *cluster, int json)
{
	int worst = worst_level(x);

	if (json)
		print_json(x, cluster, worst);
	else
		print_text(x, cluster, worst);
	return worst;
}

void
findings_clear(struct findings *x)
{
	for (size_t i = 0; i < x->n; i++)
		clear_one(&x->list[i]);
	free(x->list);
	*x = (struct findings){ 0 };
}
