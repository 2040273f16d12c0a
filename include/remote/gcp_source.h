/* SPDX-License-Identifier: PostgreSQL */
/* Where Google's access tokens come from.  Internal to gcp*.c. */
#ifndef WALVAULT_REMOTE_GCP_SOURCE_H
#define WALVAULT_REMOTE_GCP_SOURCE_H

#include "bearer.h"
#include "gcp.h"

#define GCP_TOKEN_MAX ((size_t)ASK_TOKEN_MAX)
#define GCP_TEXT_MAX  1024

/* What objects are read and written with, and no more. */
#define GCP_SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
/* What is needed to ask for another account's token. */
#define GCP_SCOPE_ALL "https://www.googleapis.com/auth/cloud-platform"

struct gcp_token {
	struct bearer bearer;
	char account[GCP_TEXT_MAX]; /* for messages */
	char source[128];           /* the same */
};

/* What was set when the store was opened; texts are owned, or NULL. */
struct gcp {
	char *name; /* of the store, for messages */
	char *command;
	char *file;
	struct http_options options;
	struct http *http; /* made when a source needs it */
	struct gcp_token now;
	bool known; /* now holds one */
};

/*
 * What a credentials file says, as Google's programs write it.  Texts are
 * empty where it does not say.
 */
struct gcp_file {
	const char *path;
	char type[64];
	/* service_account: */
	char email[GCP_TEXT_MAX], key_id[256], key[GCP_TOKEN_MAX];
	char token_uri[GCP_TEXT_MAX]; /* also of an authorized_user */
	/* authorized_user: */
	char client_id[GCP_TEXT_MAX], client_secret[GCP_TEXT_MAX];
	char refresh_token[GCP_TEXT_MAX];
	/* external_account: */
	char audience[GCP_TEXT_MAX], subject_type[256];
	char token_url[GCP_TEXT_MAX], impersonate_url[GCP_TEXT_MAX];
	char source_file[GCP_TEXT_MAX], source_url[GCP_TEXT_MAX];
	char source_format[32], source_field[256];
	char source_other[64]; /* a kind of source that is not done here */
	char header_name[4][128], header_value[4][GCP_TEXT_MAX];
	size_t n_headers;
	bool too_long; /* something in it */
};

/* One source.  0 it has a token, 1 it is not set up here, -1. */
typedef int gcp_source(struct gcp *g, struct gcp_token *out, struct fail *f);

gcp_source gcp_from_machine;

/* Of a credentials file.  0 or -1. */
int gcp_from_file(
    struct gcp *g, const char *path, struct gcp_token *out, struct fail *f);

/* By the kind of file.  0 or -1. */
int gcp_from_key(struct gcp *g, const struct gcp_file *file,
    struct gcp_token *out, struct fail *f);
int gcp_from_user(struct gcp *g, const struct gcp_file *file,
    struct gcp_token *out, struct fail *f);
int gcp_from_external(struct gcp *g, const struct gcp_file *file,
    struct gcp_token *out, struct fail *f);

/* As ask, with what its failure means to Google's users. */
int gcp_request(struct gcp *g, struct ask *r, struct fail *f);

/* A form is sent, and a token is the answer.  0 or -1. */
int gcp_request_token(
    struct gcp *g, struct ask *r, struct gcp_token *out, struct fail *f);

/* Append "&NAME=VALUE", encoded; the first without its "&".  0 or -1. */
int gcp_form_add(struct buf *form, const char *name, const char *value);

#endif
