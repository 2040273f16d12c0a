/* SPDX-License-Identifier: PostgreSQL */
/* Objects of several blocks, and copies: see azure_put.h. */
#include <stdio.h>
#include <string.h>

#include "azure_put.h"

/* A block's name: those of another writer to the same key are others. */
#define BLOCK_TEXT (AZURE_WRITER_TEXT + 5)

static void
block_id(
    const struct azure_put *p, unsigned n, char out[BASE64_CAP(BLOCK_TEXT)])
{
	char text[BLOCK_TEXT + 1];

	(void)snprintf(
	    text, sizeof text, "%s%05u", p->writer, n % (AZURE_BLOCKS_MAX + 1));
	base64_text(text, strlen(text), out);
}

int
azure_put_block(struct put *put, struct fail *f)
{
	struct azure_put *p = (struct azure_put *)put;
	char id[BASE64_CAP(BLOCK_TEXT)];
	struct call c = { .at = put->at,
		.method = "PUT",
		.right = AZURE_WRITE,
		.key = put->key,
		.spool = put->body };
	int rc = call_add(&c.made, "comp=block");

	block_id(p, put->n_parts, id);
	if (rc == 0)
		rc = call_add_parameter(&c.made, "blockid", "", id);
	headers_add(&c.headers, "Content-Type", "application/octet-stream");
	azure_put_sum(p, &c.headers);
	rc = call_run_made(&c, rc, f);
	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "a block of it is refused: answered %d %s", c.answer.status,
		    c.error.code);
	call_clear(&c);
	return rc;
}

static int
list_blocks(const struct azure_put *p, struct buf *b)
{
	static const char begin[] =
	    "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
	static const char end[] = "</BlockList>";
	int rc = buf_append(b, begin, sizeof begin - 1);

	for (unsigned i = 0; i < p->put.n_parts && rc == 0; i++) {
		char id[BASE64_CAP(BLOCK_TEXT)], line[sizeof id + 64];
		int len;

		block_id(p, i, id);
		len = snprintf(
		    line, sizeof line, "<Uncommitted>%s</Uncommitted>", id);
		rc = buf_append(b, line, (size_t)len);
	}
	return rc == 0 ? buf_append(b, end, sizeof end - 1) : -1;
}

/* The list becomes the object, on a condition. */
static int
commit_list(struct azure_put *p, const struct buf *list, const char *condition,
    const char *value, struct fail *f)
{
	struct call c = { .at = p->put.at,
		.method = "PUT",
		.right = AZURE_WRITE,
		.key = p->put.key,
		.query = "comp=blocklist",
		.body = list->data,
		.body_len = list->len,
		.check = azure_check_object };
	uint8_t sum[MD5_LEN];
	char text[BASE64_CAP(MD5_LEN)];
	struct fail ignored;
	int rc;

	md5_bytes(list->data, list->len, sum);
	base64_text(sum, sizeof sum, text);
	headers_add(&c.headers, condition, "%s", value);
	headers_add(&c.headers, "Content-MD5", "%s", text);
	headers_add(&c.headers, "Content-Type", "application/xml");
	headers_add(
	    &c.headers, "x-ms-blob-content-type", "application/octet-stream");
	azure_put_attributes(p, &c.headers);
	rc = call_run(&c, f);
	/* Another writer's commit throws away all blocks but its own. */
	if (rc < 0 && strcmp(c.error.code, "InvalidBlockList") == 0 &&
	    azure_settle(&p->put.at->store, p->put.key, &ignored) == 0)
		rc = 1;
	if (rc == 1)
		rc = azure_put_is_ours(p, &c, f);
	call_clear(&c);
	return rc;
}

int
azure_put_commit(struct azure_put *p, const char *condition, const char *value,
    struct fail *f)
{
	struct buf list = { 0 };
	int rc = spool_len(p->put.body) > 0 ? put_part(&p->put, f) : 0;

	if (rc == 0 && list_blocks(p, &list) != 0)
		rc = fail_set(f, FAIL_INTERNAL, p->put.key, "out of memory");
	if (rc == 0)
		rc = commit_list(p, &list, condition, value, f);
	buf_clear(&list);
	return rc == 0 ? azure_put_check_lock(p, f) : rc;
}

/*
 * By way of this host: a service copies only what a URL alone may read.  It
 * happens to what is damaged, which is seldom.
 */
int
azure_put_copy(struct azure_put *p, char etag[RANGE_ETAG_MAX], struct fail *f)
{
	struct store *store = &p->put.at->store;
	struct store_attrs attrs = { .kind = p->put.kind };
	struct stream *copy = azure_put(store, p->put.aside, &attrs, f);
	struct call c = { .at = p->put.at,
		.method = "GET",
		.right = AZURE_READ,
		.key = p->put.key,
		.out = copy,
		.range = { .len = STORE_ALL } };
	int rc = copy != NULL ? call_run(&c, f) : -1;

	if (rc == 1)
		rc = fail_set(f, FAIL_TRANSIENT, c.object,
		    "what is to be set aside is gone");
	(void)snprintf(etag, RANGE_ETAG_MAX, "%s", c.range.etag);
	call_clear(&c);
	if (rc == 0)
		rc = stream_finish(copy, f);
	stream_free(copy);
	return rc;
}
