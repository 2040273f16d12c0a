/* SPDX-License-Identifier: PostgreSQL */
/* Kinds of stores, and what may be said of each: see schemes.h. */
#include <stdio.h>
#include <string.h>

#include "schemes.h"

#define NETWORK "s3 azure gs sftp"
#define BUCKETS "s3 azure gs"

const char *
schemes_of(enum option_id id)
{
	switch (id) {
	case OPT_DIR_MODE:
	case OPT_FILE_MODE:
		return "file sftp";
	case OPT_REGION:
	case OPT_ACCESS_KEY_ID:
	case OPT_SESSION_TOKEN:
	case OPT_PROFILE:
	case OPT_ROLE_ARN:
	case OPT_SSE:
	case OPT_SSE_KEY_ID:
	case OPT_SSE_KEY_FILE:
	case OPT_TAGS:
		return "s3";
	case OPT_ADDRESSING:
	case OPT_SECRET_KEY:
	case OPT_SECRET_KEY_FILE:
		return "s3 azure";
	case OPT_SINGLE_WRITER:
		return "s3 sftp exec";
	case OPT_CREDENTIALS_FILE:
		return "gs";
	case OPT_ACCOUNT:
	case OPT_SAS_TOKEN:
	case OPT_SAS_TOKEN_FILE:
	case OPT_CLIENT_ID:
		return "azure";
	case OPT_ENDPOINT:
	case OPT_CREDENTIAL_COMMAND:
	case OPT_STORAGE_CLASS:
	case OPT_WAL_STORAGE_CLASS:
	case OPT_LOCK_MODE:
	case OPT_LOCK_FOR:
	case OPT_PART_SIZE:
	case OPT_CA_FILE:
	case OPT_VERIFY_TLS:
		return BUCKETS;
	case OPT_IDENTITY_FILE:
	case OPT_PASSPHRASE_FILE:
	case OPT_KNOWN_HOSTS:
		return "sftp";
	case OPT_COMMAND_TIMEOUT:
		return "exec";
	case OPT_CONNECT_TIMEOUT:
	case OPT_ANSWER_TIMEOUT:
	case OPT_STALL_TIMEOUT:
	case OPT_RETRY_FOR:
		return NETWORK;
	default:
		return NULL;
	}
}

bool
schemes_is_url(const char *text)
{
	return strstr(text, "://") != NULL || strncmp(text, "exec:", 5) == 0;
}

/* Is this word, of len characters, one of the list? */
static bool
has_word(const char *list, const char *word, size_t len)
{
	for (const char *p = list; *p != '\0'; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		if (n == len && strncmp(p, word, n) == 0)
			return true;
		p += n;
	}
	return false;
}

/* Of a URL that nobody can open the driver's choice tells more. */
static bool
takes(enum option_id id, const char *url)
{
	static const char known[] = BUCKETS " sftp file exec";
	const char *list = schemes_of(id);
	size_t len = strcspn(url, ":");

	return list == NULL || !has_word(known, url, len) ||
	    has_word(list, url, len);
}

int
schemes_check(const struct settings *s, struct fail *f)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct setting *x = &s->list[i], *url;

		if (x->option->scope != SCOPE_STORE)
			continue;
		url = settings_find(s, OPT_URL, x->section);
		if (url == NULL || takes(x->option->id, url->value))
			continue;
		(void)fail_set(f, FAIL_CONFIG, x->origin,
		    "%s is an option of other stores (%s): store '%s' is %s",
		    x->option->name, schemes_of(x->option->id), x->section,
		    url->value);
		if (x->option->id == OPT_SSE &&
		    has_word(BUCKETS, url->value, strcspn(url->value, ":")))
			return fail_hint(f,
			    "take it out: Google and Azure encrypt everything, "
			    "with a key of yours if the bucket has one by "
			    "default");
		return fail_hint(f,
		    "take it out: that store would ignore it. Or is the url "
		    "(%s) the wrong one?",
		    url->origin);
	}
	return 0;
}

static bool
same(const struct setting *a, const struct setting *b)
{
	return a == b ||
	    (a != NULL && b != NULL && strcmp(a->value, b->value) == 0);
}

/* Do two sections say the same to this command? */
static bool
agree(const struct settings *s, enum command command, const char *a,
    const char *b)
{
	char of_a[SETTINGS_SECTION], of_b[SETTINGS_SECTION];

	settings_store_section(a, of_a);
	settings_store_section(b, of_b);
	for (enum option_id id = 0; id < OPT_COUNT; id++) {
		const struct option *o = option_of(id);

		if ((o->commands & command) == 0)
			continue;
		if (o->scope == SCOPE_STORE &&
		    !same(settings_find(s, id, a), settings_find(s, id, b)))
			return false;
		if (o->scope == SCOPE_BOTH &&
		    !same(
		        settings_find(s, id, of_a), settings_find(s, id, of_b)))
			return false;
	}
	return true;
}

int
schemes_section(const struct settings *s, enum command command, const char *url,
    const char *origin, const char **name, struct fail *f)
{
	const char *found = NULL;

	for (size_t i = 0; i < s->stores.n; i++) {
		const char *section = s->stores.text[i];
		const struct setting *own = settings_find(s, OPT_URL, section);

		if (own == NULL || strcmp(own->value, url) != 0)
			continue;
		if (found == NULL) {
			found = section;
		} else if (!agree(s, command, found, section)) {
			(void)fail_set(f, FAIL_CONFIG, origin,
			    "%s is the url of two stores, with other options: "
			    "%s and %s",
			    url, found, section);
			return fail_hint(f, "give the name of one of them");
		}
	}
	*name = found;
	return found != NULL ? 0 : 1;
}

/* "local, offsite", or what to say where there are none. */
static void
list_names(const struct texts *names, char *out, size_t cap)
{
	size_t len = 0;

	(void)snprintf(out, cap, "%s", "none");
	for (size_t i = 0; i < names->n && len < cap; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s",
		    i > 0 ? ", " : "", names->text[i]);
}

int
schemes_no_url(const struct settings *s, const char *name, const char *origin,
    struct fail *f)
{
	char known[200];
	bool section = false;

	for (size_t i = 0; i < s->stores.n; i++)
		section |= strcmp(s->stores.text[i], name) == 0;
	list_names(&s->stores, known, sizeof known);
	if (section)
		(void)fail_set(f, FAIL_CONFIG, origin,
		    "store '%s' has no url: the section [store %s] does not "
		    "say where it is",
		    name, name);
	else
		(void)fail_set(f, FAIL_CONFIG, origin,
		    "store '%s' has no url: there is no [store %s] in the "
		    "configuration, whose stores are: %s",
		    name, name, known);
	if (name[0] == '/')
		return fail_hint(f, "a directory is written file://%s", name);
	return fail_hint(f, "%s: %s",
	    section ? "give it one" : "name one of these, or give a URL",
	    SCHEMES_FORMS);
}
