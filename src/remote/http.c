/* SPDX-License-Identifier: PostgreSQL */
/* One request over libcurl: see http.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "http_tell.h"
#include "io.h"

/* Less in stall_ms is no progress. */
#define PROGRESS_MIN 1024

struct http {
	const struct http_options *options;
	CURL *curl;
	bool busy;          /* a request is under way */
	bool known;         /* to speak as the URL says, or asked already */
	struct http *inner; /* for those made by who takes its answer */
	char error[CURL_ERROR_SIZE];
};

/* One request under way. */
struct attempt {
	struct http *http;
	const struct http_request *request;
	struct http_answer *answer;
	struct fail *f;
	const char *object;
	uint64_t sent;         /* of the body */
	bool judged, accepted; /* the body goes to out */
	bool failed;           /* *f is filled, and it is not the network's */
	const char *slow;      /* why it was given up */
	int64_t moved_ms;      /* when there was progress last */
	curl_off_t moved;
	int64_t uploaded_ms; /* when bytes went out last */
	curl_off_t uploaded;
};

const struct http_options *
http_options_of(const struct http *h)
{
	return h->options;
}

static void
start_curl(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *
http_new(const struct http_options *o)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *h = calloc(1, sizeof *h);

	(void)pthread_once(&once, start_curl);
	if (h == NULL)
		return NULL;
	h->options = o;
	h->curl = curl_easy_init();
	if (h->curl != NULL)
		return h;
	free(h);
	return NULL;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	http_free(h->inner);
	curl_easy_cleanup(h->curl);
	free(h);
}

void
http_answer_clear(struct http_answer *a)
{
	headers_clear(&a->headers);
	buf_clear(&a->body);
	a->status = 0;
	a->resent = false;
}

/* A new status line begins a new answer: those before were in passing. */
static size_t
take_header(char *line, size_t size, size_t n, void *arg)
{
	struct attempt *t = arg;
	size_t len = size * n;

	while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (strncmp(line, "HTTP/", 5) == 0)
		headers_clear(&t->answer->headers);
	else if (len > 0)
		headers_add_line(&t->answer->headers, line, len);
	return size * n;
}

/* Is this the body that out waits for? */
static int
judge_body(struct attempt *t)
{
	const struct http_request *r = t->request;
	long status = 0;
	int rc;

	t->judged = true;
	(void)curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
	t->answer->status = (int)status;
	if (r->out == NULL || status < 200 || status > 299)
		return 0;
	rc = r->accept(r->accept_arg, t->answer, t->f);
	t->accepted = rc == 0;
	t->failed = rc < 0;
	return rc < 0 ? -1 : 0;
}

static size_t
take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct attempt *t = arg;
	size_t len = size * n;

	if (!t->judged && judge_body(t) != 0)
		return 0;
	if (t->accepted) {
		int64_t before = clock_monotonic_ms();

		t->failed = stream_write(t->request->out, bytes, len, t->f) !=
		    0;
		*t->request->pushed += len;
		/* What the receiver needed is not the network's time. */
		t->moved_ms += clock_monotonic_ms() - before;
		return t->failed ? 0 : len;
	}
	if (t->answer->body.len + len > HTTP_BODY_MAX ||
	    buf_append(&t->answer->body, bytes, len) != 0) {
		t->failed = true;
		(void)fail_set(t->f, FAIL_TRANSIENT, t->object,
		    "the answer is too large to be one");
		return 0;
	}
	return len;
}

static size_t
text_len(const char *text)
{
	return text != NULL ? strlen(text) : 0;
}

/* What is between the texts before and after. */
static uint64_t
middle_len(const struct http_request *r)
{
	return r->spool != NULL ? spool_len(r->spool) - r->from : r->body_len;
}

static uint64_t
body_len(const struct http_request *r)
{
	return text_len(r->before) + middle_len(r) + text_len(r->after);
}

/* Up to len bytes of a text, or a body, of all bytes, from off. */
static size_t
copy_from(const void *text, uint64_t all, uint64_t off, char *out, size_t len)
{
	size_t got = all - off < len ? (size_t)(all - off) : len;

	if (got > 0)
		memcpy(out, (const char *)text + off, got);
	return got;
}

static size_t
give_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct attempt *t = arg;
	const struct http_request *r = t->request;
	uint64_t before = text_len(r->before), middle = middle_len(r);
	uint64_t off = t->sent;
	size_t len = size * n, got = 0;

	if (off < before) {
		got = copy_from(r->before, before, off, bytes, len);
	} else if (off - before >= middle) {
		got = copy_from(r->after, text_len(r->after),
		    off - before - middle, bytes, len);
	} else if (r->spool == NULL) {
		got = copy_from(r->body, middle, off - before, bytes, len);
	} else if (spool_read(r->spool, r->from + off - before, bytes, len,
	               &got, t->f) != 0) {
		t->failed = true;
		return CURL_READFUNC_ABORT;
	}
	t->sent += got;
	return got;
}

/* A connection that is kept broke, and the body is sent once more. */
static int
rewind_body(void *arg, curl_off_t off, int origin)
{
	struct attempt *t = arg;

	if (origin != SEEK_SET || off < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	t->sent = (uint64_t)off;
	t->answer->resent = true;
	return CURL_SEEKFUNC_OK;
}

/* libcurl calls it at least once a second. */
static int
watch(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
    curl_off_t ulnow)
{
	struct attempt *t = arg;
	const struct http_options *o = t->http->options;
	int64_t now = clock_monotonic_ms();
	bool waiting = dlnow == 0 && t->answer->headers.n == 0 &&
	    (uint64_t)ulnow >= body_len(t->request);

	(void)dltotal;
	(void)ultotal;
	if (ulnow != t->uploaded) {
		t->uploaded = ulnow;
		t->uploaded_ms = now;
	}
	if (waiting) {
		t->moved_ms = now;
		if (now - t->uploaded_ms > o->answer_ms)
			t->slow = "no answer within answer_timeout";
	} else if (dlnow + ulnow - t->moved >= PROGRESS_MIN) {
		t->moved = dlnow + ulnow;
		t->moved_ms = now;
	} else if (now - t->moved_ms > o->stall_ms) {
		t->slow = "it stalled for longer than stall_timeout";
	}
	return t->slow != NULL;
}

static int64_t
at_most(int64_t ms, struct deadline d)
{
	int64_t left = d.at_ms == 0 ? ms : deadline_left(d);

	left = left < ms ? left : ms;
	return left > 1 ? left : 1;
}

static void
set_network(CURL *curl, const struct http_options *o)
{
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(
	    curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)IO_CHUNK);
	(void)curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)IO_CHUNK);
	(void)curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)at_most(o->connect_ms, o->deadline));
	if (o->deadline.at_ms != 0)
		(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
		    (long)at_most(INT64_C(86400) * 1000, o->deadline));
	if (o->no_proxy)
		(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	if (o->ca_file[0] != '\0') {
		(void)curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
		(void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	(void)curl_easy_setopt(
	    curl, CURLOPT_SSL_VERIFYPEER, o->verify ? 1L : 0L);
	(void)curl_easy_setopt(
	    curl, CURLOPT_SSL_VERIFYHOST, o->verify ? 2L : 0L);
	(void)curl_easy_setopt(
	    curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void
set_callbacks(CURL *curl, struct attempt *t)
{
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->http->error);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
	(void)curl_easy_setopt(curl, CURLOPT_READDATA, t);
	(void)curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_body);
	(void)curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
	(void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static void
set_method(CURL *curl, const struct http_request *r)
{
	bool upload = strcmp(r->method, "PUT") == 0 ||
	    strcmp(r->method, "POST") == 0 || strcmp(r->method, "PATCH") == 0;

	if (strcmp(r->method, "HEAD") == 0) {
		(void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	} else if (upload) {
		(void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(
		    curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)body_len(r));
	}
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
	(void)curl_easy_setopt(curl, CURLOPT_URL, (const char *)r->url.data);
}

static struct curl_slist *
header_list(const struct http_request *r)
{
	/* libcurl would wait a second for leave to send a body. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *more;

	for (size_t i = 0; list != NULL && i < r->headers.n; i++) {
		more = curl_slist_append(list, r->headers.line[i]);
		if (more == NULL)
			curl_slist_free_all(list);
		list = more;
	}
	return list;
}

/* The answer's receiver asks for something else before it takes more. */
static int
try_inside(struct http *h, const struct http_request *r, const char *object,
    struct http_answer *a, struct fail *f)
{
	if (h->inner == NULL)
		h->inner = http_new(h->options);
	if (h->inner != NULL)
		return http_try(h->inner, r, object, a, f);
	(void)fail_set(f, FAIL_INTERNAL, object, "out of memory");
	return -1;
}

/* Was there an answer, and of whom it was asked?  As http_try. */
static int
judge_way(const struct attempt *t, CURLcode code)
{
	const char *said = t->http->error;
	struct http_failure x = { .code = code,
		.detail = t->slow != NULL ? t->slow
		    : *said != '\0'       ? said
		                          : curl_easy_strerror(code),
		.object = t->object,
		.url = (const char *)t->request->url.data,
		.options = t->http->options,
		.stranger = !t->http->known };

	t->http->known = true;
	if (code != CURLE_OK)
		return http_tell(&x, t->f);
	return http_is_astray(&x, t->answer, t->f) ? -1 : 0;
}

int
http_try(struct http *h, const struct http_request *r, const char *object,
    struct http_answer *a, struct fail *f)
{
	int64_t now = clock_monotonic_ms();
	struct attempt t = { .http = h,
		.request = r,
		.answer = a,
		.f = f,
		.object = object,
		.moved_ms = now,
		.uploaded_ms = now };
	struct curl_slist *list;
	long status = 0;
	CURLcode code;

	if (h->busy)
		return try_inside(h, r, object, a, f);
	list = header_list(r);
	if (list == NULL || r->headers.failed) {
		curl_slist_free_all(list);
		(void)fail_set(f, FAIL_INTERNAL, object, "out of memory");
		return -1;
	}
	curl_easy_reset(h->curl);
	h->error[0] = '\0';
	set_network(h->curl, h->options);
	set_callbacks(h->curl, &t);
	set_method(h->curl, r);
	(void)curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, list);
	h->busy = true;
	code = curl_easy_perform(h->curl);
	h->busy = false;
	(void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	if (t.failed)
		return -1;
	if (code == CURLE_OK)
		a->status = (int)status;
	return judge_way(&t, code);
}
