/* SPDX-License-Identifier: PostgreSQL */
/*
 * Shared Key signatures.  What is signed is compared with the examples of
 * "Authorize with Shared Key" in the Azure Storage REST API Reference; that
 * page gives no keys, so the signatures were made of these texts by openssl:
 *
 *	printf TEXT | openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY \
 *	    -binary | openssl base64
 *
 * with the public key of the storage emulator's account.
 */
#include "azure_sign.h"
#include "keyed.h"
#include "support.h"

#define EMULATOR                                       \
	"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6" \
	"IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

struct vector {
	const char *account, *method, *path, *query;
	uint64_t body_len;
	const char *headers[8];
	const char *text, *signature;
};

static const struct vector vectors[] = {
	/* Published: Get Container Metadata. */
	{ "myaccount", "GET", "/mycontainer",
	    "restype=container&comp=metadata&timeout=20", 0,
	    { "x-ms-version: 2015-02-21",
	        "x-ms-date: Fri, 26 Jun 2015 23:39:12 GMT" },
	    "GET\n\n\n\n\n\n\n\n\n\n\n\n"
	    "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
	    "x-ms-version:2015-02-21\n"
	    "/myaccount/mycontainer\ncomp:metadata\nrestype:container\n"
	    "timeout:20",
	    "1u9lui2jDxj0+fpbHjQ5m5NnastJRSYM+PSmfi8TXx4=" },
	/* Published: the canonical resource of List Blobs. */
	{ "myaccount", "GET", "/mycontainer",
	    "restype=container&comp=list&include=snapshots&include=metadata&"
	    "include=uncommittedblobs",
	    0, { "X-Ms-Date:  Fri, 26 Jun 2015 23:39:12 GMT" },
	    "GET\n\n\n\n\n\n\n\n\n\n\n\n"
	    "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
	    "/myaccount/mycontainer\ncomp:list\n"
	    "include:metadata,snapshots,uncommittedblobs\nrestype:container",
	    "bHm4uKCZ8qBe+zC6WSkFmNIXMbW639keKHjEJd7vJ+k=" },
	/* All that walvault sends with an object, to a path-style service. */
	{ "devstoreaccount1", "PUT", "/devstoreaccount1/vault/a%20b%2Bc", "",
	    11,
	    { "Content-Type: application/octet-stream",
	        "Content-MD5: sQqNsWTgdUEFt6mb5y4/5Q==", "If-None-Match: *",
	        "x-ms-version: 2021-12-02",
	        "x-ms-date: Sat, 21 Nov 2026 02:00:00 GMT",
	        "x-ms-blob-type: BlockBlob", "x-ms-access-tier: Cool" },
	    "PUT\n\n\n11\nsQqNsWTgdUEFt6mb5y4/5Q==\n"
	    "application/octet-stream\n\n\n\n*\n\n\n"
	    "x-ms-access-tier:Cool\nx-ms-blob-type:BlockBlob\n"
	    "x-ms-date:Sat, 21 Nov 2026 02:00:00 GMT\n"
	    "x-ms-version:2021-12-02\n"
	    "/devstoreaccount1/devstoreaccount1/vault/a%20b%2Bc",
	    "AStJo91DQ+Pa/NiFTqjuC748DDb3mpT3kaBYQtwvEF8=" },
	/* A part of one, its query decoded. */
	{ "devstoreaccount1", "GET", "/vault/x", "blockid=MDA%3D&comp=block", 0,
	    { "Range: bytes=5-9", "If-Match: \"0x8D\"", "Date: never" },
	    "GET\n\n\n\n\n\nnever\n\n\"0x8D\"\n\n\nbytes=5-9\n"
	    "/devstoreaccount1/vault/x\nblockid:MDA=\ncomp:block",
	    "sLu8p0b+nuDIEDCJahfmlYE4ThpN10VdnTiam1kCmO8=" },
};

static void
add_headers(const struct vector *v, struct headers *h)
{
	for (size_t i = 0; i < 8 && v->headers[i] != NULL; i++)
		headers_add_line(h, v->headers[i], strlen(v->headers[i]));
}

START_TEST(requests_are_signed_as_published)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		const struct vector *v = &vectors[i];
		struct headers h = { 0 };
		struct azure_request r = { .method = v->method,
			.path = v->path,
			.query = v->query,
			.headers = &h,
			.body_len = v->body_len };
		struct azure_key key = { .account = v->account };
		struct buf text = { 0 }, value = { 0 };
		char want[128];
		int len = base64_bytes(EMULATOR, key.bytes, sizeof key.bytes);

		ck_assert_int_eq(len, 64);
		key.len = (size_t)len;
		add_headers(v, &h);
		ck_assert_int_eq(
		    azure_string_to_sign(v->account, &r, &text), 0);
		ck_assert_str_eq((const char *)text.data, v->text);
		ck_assert_int_eq(azure_authorization(&key, &r, &value), 0);
		(void)snprintf(want, sizeof want, "SharedKey %s:%s", v->account,
		    v->signature);
		ck_assert_str_eq((const char *)value.data, want);
		buf_clear(&text);
		buf_clear(&value);
		headers_clear(&h);
	}
}
END_TEST

START_TEST(every_part_of_a_request_is_signed)
{
	static const struct azure_request tries[] = {
		{ .method = "PUT", .path = "/a", .query = "" },
		{ .method = "GET", .path = "/b", .query = "" },
		{ .method = "GET", .path = "/a", .query = "c=d" },
		{ .method = "GET", .path = "/a", .query = "", .body_len = 1 },
	};
	struct headers h = { 0 };
	struct azure_key key = { .account = "x", .bytes = "key", .len = 3 };
	struct azure_request first = {
		.method = "GET", .path = "/a", .query = "", .headers = &h
	};
	struct buf one = { 0 }, other = { 0 };

	headers_add(&h, "x-ms-date", "now");
	ck_assert_int_eq(azure_authorization(&key, &first, &one), 0);
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct azure_request r = tries[i];

		r.headers = &h;
		other.len = 0;
		ck_assert_int_eq(azure_authorization(&key, &r, &other), 0);
		ck_assert_str_ne(
		    (const char *)one.data, (const char *)other.data);
	}
	headers_add(&h, "If-None-Match", "*");
	other.len = 0;
	ck_assert_int_eq(azure_authorization(&key, &first, &other), 0);
	ck_assert_str_ne((const char *)one.data, (const char *)other.data);
	key.bytes[0] ^= 1;
	one.len = 0;
	ck_assert_int_eq(azure_authorization(&key, &first, &one), 0);
	ck_assert_str_ne((const char *)one.data, (const char *)other.data);
	buf_clear(&one);
	buf_clear(&other);
	headers_clear(&h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("azure_sign");

	add_tests(s, "signatures",
	    TESTS(requests_are_signed_as_published,
	        every_part_of_a_request_is_signed));
	return run_suite(s);
}
