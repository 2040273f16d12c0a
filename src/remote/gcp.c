/* SPDX-License-Identifier: PostgreSQL */
/* The chain of sources of tokens, and the nearest of them: see gcp.h. */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gcp_source.h"
#include "keyed.h"
#include "log.h"

/* Another is asked for so long before one ends. */
#define EARLY_S 300

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static int
from_command(struct gcp *g, struct gcp_token *out, struct fail *f)
{
	if (g->command == NULL)
		return 1;
	(void)snprintf(out->source, sizeof out->source, "credential_command");
	return bearer_from_command(
	    g->command, g->options.deadline, &out->bearer, f);
}

static int
from_option(struct gcp *g, struct gcp_token *out, struct fail *f)
{
	return g->file != NULL ? gcp_from_file(g, g->file, out, f) : 1;
}

static int
from_environment(struct gcp *g, struct gcp_token *out, struct fail *f)
{
	const char *path = variable("GOOGLE_APPLICATION_CREDENTIALS");

	return path != NULL ? gcp_from_file(g, path, out, f) : 1;
}

/* What "gcloud auth application-default login" has left. */
static int
from_gcloud(struct gcp *g, struct gcp_token *out, struct fail *f)
{
	static const char name[] = "application_default_credentials.json";
	const char *config = variable("CLOUDSDK_CONFIG");
	const char *home = variable("HOME");
	const struct passwd *user = home == NULL ? getpwuid(geteuid()) : NULL;
	char path[PATH_MAX];

	if (user != NULL)
		home = user->pw_dir;
	if (config != NULL)
		(void)snprintf(path, sizeof path, "%s/%s", config, name);
	else
		(void)snprintf(path, sizeof path, "%s/.config/gcloud/%s",
		    home != NULL ? home : "", name);
	return access(path, R_OK) == 0 ? gcp_from_file(g, path, out, f) : 1;
}

/* The first that is set up here counts, also if it fails. */
static int
find(struct gcp *g, struct gcp_token *out, struct fail *f)
{
	static gcp_source *const sources[] = { from_command, from_option,
		from_environment, from_gcloud, gcp_from_machine };

	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		int rc;

		*out = (struct gcp_token){ .account = "" };
		rc = sources[i](g, out, f);
		if (rc != 1)
			return rc;
	}
	(void)fail_set(f, FAIL_CONFIG, g->name, "no credentials are found");
	return fail_hint(f,
	    "set credentials_file in the store's section to the key file of "
	    "a service account, or GOOGLE_APPLICATION_CREDENTIALS in the "
	    "environment");
}

static int
refresh(struct gcp *g, struct fail *f)
{
	struct gcp_token *found = calloc(1, sizeof *found);
	int rc;

	if (found == NULL)
		return fail_set(f, FAIL_INTERNAL, g->name, "out of memory");
	rc = find(g, found, f);
	if (rc == 0) {
		g->now = *found;
		g->known = true;
		log_debug("store %s: a token of %s", g->name, g->now.source);
	}
	wipe(found, sizeof *found);
	free(found);
	return rc;
}

const char *
gcp_token(struct gcp *g, struct fail *f)
{
	int64_t now = time(NULL), expires = g->now.bearer.expires;

	if (g->known && (expires == 0 || expires - EARLY_S > now))
		return g->now.bearer.token;
	/* What cannot be renewed now may still be good for a while. */
	if (refresh(g, f) != 0 && !(g->known && expires > now))
		return NULL;
	return g->now.bearer.token;
}

void
gcp_forget(struct gcp *g)
{
	g->known = false;
}

const char *
gcp_account(const struct gcp *g)
{
	if (g->now.account[0] != '\0')
		return g->now.account;
	return g->now.source[0] != '\0' ? g->now.source : "nobody yet";
}

static int
keep(const struct store_args *args, const char *option, char **out)
{
	const char *value = store_option(args, option, NULL);

	*out = value != NULL ? strdup(value) : NULL;
	return value != NULL && *out == NULL ? -1 : 0;
}

struct gcp *
gcp_new(
    const struct store_args *args, const struct http_options *o, struct fail *f)
{
	struct gcp *g = calloc(1, sizeof *g);

	if (g != NULL)
		g->name = strdup(args->name);
	if (g == NULL || g->name == NULL ||
	    keep(args, "credential-command", &g->command) != 0 ||
	    keep(args, "credentials-file", &g->file) != 0) {
		gcp_free(g);
		(void)fail_set(f, FAIL_INTERNAL, args->name, "out of memory");
		return NULL;
	}
	g->options = *o;
	/* The request that waits for a token has a budget of its own. */
	if (g->options.retry_ms > 15000)
		g->options.retry_ms = 15000;
	return g;
}

void
gcp_free(struct gcp *g)
{
	if (g == NULL)
		return;
	http_free(g->http);
	free(g->name);
	if (g->command != NULL)
		wipe(g->command, strlen(g->command));
	free(g->command);
	free(g->file);
	wipe(&g->now, sizeof g->now);
	free(g);
}
