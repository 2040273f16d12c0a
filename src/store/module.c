/* SPDX-License-Identifier: PostgreSQL */
/* Drivers that are loaded when they are needed: see module.h. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "module.h"

#define TEXT(x)    #x
#define TEXT_OF(x) TEXT(x)
#define TABLE_NAME TEXT_OF(STORE_MODULE_TABLE)
#define SCHEME_HINT                                         \
	"write file:///absolute/path, s3://BUCKET/PREFIX, " \
	"azure://CONTAINER/PREFIX, gs://BUCKET/PREFIX, "    \
	"sftp://USER@HOST/PATH, exec:COMMAND"

static const struct scheme {
	const char *begin; /* of the URL */
	const char *module;
	const char *packages; /* of Debian, with what it loads */
} schemes[] = {
	{ "s3://", "store-http.so", "libcurl4 libexpat1 libjansson4 libssl3" },
	{ "azure://", "store-http.so",
	    "libcurl4 libexpat1 libjansson4 libssl3" },
	{ "gs://", "store-http.so", "libcurl4 libexpat1 libjansson4 libssl3" },
	{ "sftp://", "store-sftp.so", "libssh-4" },
};

static const struct scheme *
scheme_of(const char *url)
{
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (strncmp(url, schemes[i].begin, strlen(schemes[i].begin)) ==
		    0)
			return &schemes[i];
	return NULL;
}

/* ../lib/walvault/NAME beside the directory of the program. */
static int
module_path(const char *name, char out[PATH_MAX], struct fail *f)
{
	char self[PATH_MAX], above[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0)
		return fail_errno(f, "/proc/self/exe", "find my own program");
	self[n] = '\0';
	io_above(self, 2, above, sizeof above);
	if (snprintf(out, PATH_MAX, "%s/lib/walvault/%s", above, name) <
	    PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return fail_errno(f, self, "find the modules");
}

static void *
load(const struct scheme *scheme, const char *path, struct fail *f)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const char *why = handle == NULL ? dlerror() : NULL;

	if (handle != NULL)
		return handle;
	(void)fail_set(f, FAIL_CONFIG, path, "cannot load the driver of %s: %s",
	    scheme->begin, why != NULL ? why : "no reason is given");
	if (access(path, R_OK) != 0)
		(void)fail_hint(f,
		    "it belongs beside the programs, in ../lib/walvault: "
		    "install walvault again");
	else
		(void)fail_hint(f,
		    "install the libraries it needs; on Debian: apt-get "
		    "install %s",
		    scheme->packages);
	return NULL;
}

/* Never unloaded: its code may run until the end. */
static const struct store_module *
find(const struct scheme *scheme, struct fail *f)
{
	char path[PATH_MAX];
	const struct store_module *m;
	void *handle;

	if (module_path(scheme->module, path, f) != 0)
		return NULL;
	handle = load(scheme, path, f);
	if (handle == NULL)
		return NULL;
	m = dlsym(handle, TABLE_NAME);
	if (m != NULL && m->abi == STORE_MODULE_ABI &&
	    strcmp(m->version, WALVAULT_VERSION) == 0)
		return m;
	(void)fail_set(f, FAIL_CONFIG, path,
	    "it is of another build of walvault (%s, interface %u) than this "
	    "program (%s, %u)",
	    m != NULL ? m->version : "no version", m != NULL ? m->abi : 0,
	    WALVAULT_VERSION, (unsigned)STORE_MODULE_ABI);
	(void)fail_hint(f, "install programs and modules together");
	return NULL;
}

struct store *
module_open_store(const struct store_args *args, struct fail *f)
{
	const struct scheme *scheme = scheme_of(args->url);
	const struct store_module *m;

	if (scheme == NULL) {
		(void)fail_set(f, FAIL_CONFIG, args->url,
		    "not a store this version can open");
		(void)fail_hint(f, SCHEME_HINT);
		return NULL;
	}
	m = find(scheme, f);
	return m != NULL ? m->open(args, f) : NULL;
}
