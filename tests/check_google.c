/* SPDX-License-Identifier: PostgreSQL */
/*
 * What Google is asked with: signed claims, which the openssl command checks,
 * and answers in JSON.
 */
#include <fcntl.h>
#include <unistd.h>

#include "gcs_call.h"
#include "io.h"
#include "jwt.h"
#include "keyed.h"
#include "members.h"
#include "rsa.h"
#include "sum.h"
#include "support.h"

static char directory[PATH_MAX];

static void
run(const char *command)
{
	char whole[PATH_MAX + 1024];

	(void)snprintf(
	    whole, sizeof whole, "cd '%s' && %s", directory, command);
	ck_assert_msg(system(whole) == 0, "%s", whole);
}

static void
begin(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(directory, sizeof directory, "%s/google-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void
end(void)
{
	run("rm -f key signature text public");
	ck_assert_int_eq(rmdir(directory), 0);
}

/* A file there, with a NUL behind it. */
static struct buf
read_text(const char *name)
{
	char path[PATH_MAX + 64];
	struct buf b = { 0 };
	struct fail f = { 0 };

	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	ck_assert_int_eq(io_read_file(AT_FDCWD, path, 65536, &b, &f), 0);
	ck_assert_int_eq(buf_append_u8(&b, 0), 0);
	return b;
}

static void
write_bytes(const char *name, const void *bytes, size_t len)
{
	char path[PATH_MAX + 64];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

/* RFC 4648, 10, and the two characters that URLs have otherwise. */
START_TEST(base64_in_urls_has_no_padding)
{
	static const struct {
		const char *bytes, *text;
	} tries[] = { { "", "" }, { "f", "Zg" }, { "fo", "Zm8" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" }, { "\xFB\xFF\xFE", "-__-" } };

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct buf out = { 0 };

		ck_assert_int_eq(
		    jwt_base64(tries[i].bytes, strlen(tries[i].bytes), &out),
		    0);
		ck_assert_int_eq(buf_append_u8(&out, 0), 0);
		ck_assert_str_eq((const char *)out.data, tries[i].text);
		buf_clear(&out);
	}
}
END_TEST

/* One part of a token, its padding put back. */
static int
decode_part(const char *text, size_t len, uint8_t *out, size_t cap)
{
	char padded[2048];

	ck_assert_uint_lt(len + 4, sizeof padded);
	for (size_t i = 0; i < len; i++)
		padded[i] = text[i] == '-' ? '+'
		    : text[i] == '_'       ? '/'
		                           : text[i];
	for (; len % 4 != 0; len++)
		padded[len] = '=';
	padded[len] = '\0';
	return base64_bytes(padded, out, cap);
}

static void
check_token(const char *token, const char *header, const char *claims)
{
	const char *second = strchr(token, '.') + 1;
	const char *third = strchr(second, '.') + 1;
	uint8_t part[1024];
	int n;

	n = decode_part(token, (size_t)(second - 1 - token), part, sizeof part);
	ck_assert_int_eq(n, (int)strlen(header));
	ck_assert_mem_eq(part, header, strlen(header));
	n = decode_part(
	    second, (size_t)(third - 1 - second), part, sizeof part);
	ck_assert_int_eq(n, (int)strlen(claims));
	ck_assert_mem_eq(part, claims, strlen(claims));
	n = decode_part(third, strlen(third), part, sizeof part);
	ck_assert_int_gt(n, 0);
	write_bytes("signature", part, (size_t)n);
	write_bytes("text", token, (size_t)(third - 1 - token));
	run("openssl dgst -sha256 -verify public -signature signature text "
	    ">/dev/null");
}

START_TEST(openssl_takes_what_was_signed)
{
	static const char claims[] = "{\"iss\":\"who@example\",\"exp\":1}";
	static const char *const sizes[] = { "2048", "3072" };

	begin();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char command[256];
		struct buf key, token = { 0 };

		(void)snprintf(command, sizeof command,
		    "openssl genpkey -quiet -algorithm RSA -pkeyopt "
		    "rsa_keygen_bits:%s -out key 2>/dev/null && "
		    "openssl pkey -in key -pubout -out public",
		    sizes[i]);
		run(command);
		key = read_text("key");
		ck_assert_int_eq(
		    jwt_sign(claims, "key-1", (const char *)key.data, &token),
		    0);
		ck_assert_int_eq(buf_append_u8(&token, 0), 0);
		check_token((const char *)token.data,
		    "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"key-1\"}",
		    claims);
		buf_clear(&key);
		buf_clear(&token);
	}
	end();
}
END_TEST

START_TEST(what_is_no_rsa_key_signs_nothing)
{
	uint8_t out[RSA_SIGNATURE_MAX];
	struct buf key, token = { 0 };

	begin();
	ck_assert_int_eq(rsa_sha256_sign("", "x", 1, out), -1);
	ck_assert_int_eq(rsa_sha256_sign("-----BEGIN PRIVATE KEY-----\nxx\n"
	                                 "-----END PRIVATE KEY-----\n",
	                     "x", 1, out),
	    -1);
	run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 "
	    "-out key");
	key = read_text("key");
	ck_assert_int_eq(
	    rsa_sha256_sign((const char *)key.data, "x", 1, out), -1);
	ck_assert_int_eq(jwt_sign("{}", "", (const char *)key.data, &token), 1);
	buf_clear(&key);
	buf_clear(&token);
	/* Nobody is there to be asked for a passphrase. */
	run("openssl genpkey -algorithm RSA -aes256 -pass pass:x -out key "
	    "2>/dev/null");
	key = read_text("key");
	ck_assert_int_eq(
	    rsa_sha256_sign((const char *)key.data, "x", 1, out), -1);
	buf_clear(&key);
	end();
}
END_TEST

static int
add_member(void *arg, const char *path, const char *text)
{
	struct buf *b = arg;
	char line[512];
	int n = snprintf(
	    line, sizeof line, "%s=%s\n", path, text != NULL ? text : "<end>");

	ck_assert_int_eq(buf_append(b, line, (size_t)n), 0);
	return strcmp(path, "stop") == 0 ? 7 : 0;
}

static int
members_of(const char *text, struct buf *out, struct fail *f)
{
	int rc = members_read(text, strlen(text), "here", add_member, out, f);

	ck_assert_int_eq(buf_append_u8(out, 0), 0);
	return rc;
}

START_TEST(a_document_gives_its_members)
{
	struct buf out = { 0 };
	struct fail f = { 0 };

	ck_assert_int_eq(members_of("{\"a\": \"x/y\", \"n\": 12345678901234, "
	                            "\"list\": [{\"b\": true}, {\"b\": false}],"
	                            "\"p\": [\"q\", \"r\"], \"none\": null}",
	                     &out, &f),
	    0);
	ck_assert_str_eq((const char *)out.data,
	    "a=x/y\nn=12345678901234\nlist/b=true\nlist=<end>\n"
	    "list/b=false\nlist=<end>\np=q\np=r\n=<end>\n");
	out.len = 0;
	ck_assert_int_eq(members_of("{\"stop\": 1, \"more\": 2}", &out, &f), 7);
	buf_clear(&out);
}
END_TEST

START_TEST(what_is_no_document_is_told)
{
	static const char *const tries[] = { "", "<html></html>", "[1]",
		"\"x\"", "{\"a\":", "{\"a\": 1} more", "{\"a\": \"\xFF\"}" };

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct buf out = { 0 };
		struct fail f = { 0 };

		ck_assert_int_eq(members_of(tries[i], &out, &f), -1);
		ck_assert_int_eq(f.kind, FAIL_TRANSIENT);
		ck_assert_str_eq((const char *)out.data, "");
		buf_clear(&out);
	}
}
END_TEST

/* CRC-32C of "123456789" is E3069283 (RFC 3720's polynomial). */
START_TEST(sums_are_told_as_the_service_tells_them)
{
	char text[GCS_CRC_TEXT];

	gcs_crc_text(~crc32c(UINT32_C(0xFFFFFFFF), "123456789", 9), text);
	ck_assert_str_eq(text, "4waSgw==");
	gcs_crc_text(~crc32c(UINT32_C(0xFFFFFFFF), "", 0), text);
	ck_assert_str_eq(text, "AAAAAA==");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("google");

	add_tests(s, "claims",
	    TESTS(base64_in_urls_has_no_padding, openssl_takes_what_was_signed,
	        what_is_no_rsa_key_signs_nothing));
	add_tests(s, "answers",
	    TESTS(a_document_gives_its_members, what_is_no_document_is_told,
	        sums_are_told_as_the_service_tells_them));
	return run_suite(s);
}
