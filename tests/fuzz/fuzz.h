/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the fuzz targets share: bytes taken from the front of the input, and
 * seeds.  A target started with $WALVAULT_FUZZ_SEEDS set to a directory writes
 * its seeds there and ends; see README.
 */
#ifndef WALVAULT_TESTS_FUZZ_H
#define WALVAULT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What must hold, whatever the input. */
#define MUST(what)                                                             \
	do {                                                                   \
		if (!(what)) {                                                 \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #what);                                  \
			abort();                                               \
		}                                                              \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Each target has its own. */
static void write_seeds(void);

struct input {
	const uint8_t *p;
	size_t len;
};

/* 0 where the input has ended. */
static inline __attribute__((unused)) uint8_t
take_u8(struct input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->p++;
}

static inline __attribute__((unused)) uint32_t
take_u32(struct input *in)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 8 | take_u8(in);
	return v;
}

static inline __attribute__((unused)) const uint8_t *
take_bytes(struct input *in, size_t *len)
{
	const uint8_t *p = in->p;

	if (*len > in->len)
		*len = in->len;
	in->p += *len;
	in->len -= *len;
	return p;
}

static inline __attribute__((unused)) void
seed(const char *name, const void *bytes, size_t len)
{
	char path[4096];
	FILE *file;

	(void)snprintf(
	    path, sizeof path, "%s/%s", getenv("WALVAULT_FUZZ_SEEDS"), name);
	file = fopen(path, "w");
	MUST(file != NULL && fwrite(bytes, 1, len, file) == len);
	MUST(fclose(file) == 0);
}

static inline __attribute__((unused)) void
seed_text(const char *name, const char *text)
{
	seed(name, text, strlen(text));
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (getenv("WALVAULT_FUZZ_SEEDS") != NULL) {
		write_seeds();
		exit(0);
	}
	return 0;
}

#endif
