/* SPDX-License-Identifier: PostgreSQL */
/* By a key: one from a file, or the agent's.  See tunnel_session.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secret.h"
#include "tunnel_session.h"

#define KEY_FILE_MAX ((size_t)64 * 1024)

static void
clear_secret(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_clear(b);
}

/* A whole file and a NUL.  0 or -1. */
static int
read_text(const char *option, const char *path, struct buf *b, struct fail *f)
{
	int rc = secret_read(option, path, KEY_FILE_MAX, b, f);

	if (rc == 0 && buf_append_u8(b, 0) != 0)
		rc = fail_set(f, FAIL_INTERNAL, path, "out of memory");
	return rc;
}

struct passphrase {
	struct buf text; /* empty: there is none */
	bool asked;
};

/*
 * Called when a key has one.  Never a prompt: libcrypto would ask on the
 * terminal where it is given no function.
 */
static int
give_passphrase(
    const char *prompt, char *out, size_t cap, int echo, int verify, void *arg)
{
	struct passphrase *p = arg;

	(void)prompt;
	(void)echo;
	(void)verify;
	p->asked = true;
	if (p->text.data == NULL || p->text.len > cap)
		return -1;
	memcpy(out, p->text.data, p->text.len);
	return 0;
}

static int
read_passphrase(struct tunnel *t, struct passphrase *p, struct fail *f)
{
	const char *path = t->options->passphrase_file;
	char *text;

	if (path[0] == '\0')
		return 0;
	if (read_text("passphrase_file", path, &p->text, f) != 0)
		return -1;
	text = (char *)p->text.data;
	text[strcspn(text, "\r\n")] = '\0';
	p->text.len = strlen(text) + 1;
	return 0;
}

static bool
is_public(const char *text)
{
	return strncmp(text, "ssh-", 4) == 0 ||
	    strncmp(text, "ecdsa-", 6) == 0 || strncmp(text, "sk-", 3) == 0;
}

/* 0, or -1 */
static int
import_key(struct tunnel *t, const char *path, ssh_key *key, struct fail *f)
{
	struct passphrase p = { 0 };
	struct buf text = { 0 };
	int rc = read_passphrase(t, &p, f);

	if (rc == 0)
		rc = read_text("identity_file", path, &text, f);
	if (rc == 0 &&
	    ssh_pki_import_privkey_base64((const char *)text.data, NULL,
	        give_passphrase, &p, key) != SSH_OK) {
		rc = fail_set(f, FAIL_CONFIG, path, "%s",
		    !p.asked ? "it is no private key that can be read"
		        : p.text.data == NULL
		        ? "the key has a passphrase"
		        : "the passphrase does not open the key");
		(void)fail_hint(f, "%s",
		    p.asked ? "passphrase_file names a file that holds the "
		              "key's passphrase"
		        : is_public((const char *)text.data)
		        ? "it is the public half: the private one is in the "
		          "file of that name without .pub"
		        : "identity_file names a private key, as ssh-keygen "
		          "-t ed25519 writes it");
	}
	clear_secret(&p.text);
	clear_secret(&text);
	return rc;
}

static int
step_key(struct tunnel *t, void *arg)
{
	return ssh_userauth_publickey(t->session, NULL, arg);
}

/* 0 logged in, 1 the connection is lost, 2 not with this, -1 */
static int
judge(struct tunnel *t, int rc, struct fail *f)
{
	if (rc == SSH_AUTH_SUCCESS)
		return 0;
	if (rc == SSH_AUTH_DENIED)
		return 2;
	if (rc == SSH_AUTH_PARTIAL) {
		(void)fail_set(f, FAIL_DENIED, t->where,
		    "the server wants more than a key");
		return fail_hint(f,
		    "its sshd_config, for this user: AuthenticationMethods "
		    "publickey");
	}
	(void)fail_set(f, FAIL_TRANSIENT, t->where, "cannot log in: %s",
	    rc == SSH_AUTH_AGAIN ? "no answer within connect_timeout"
	                         : ssh_get_error(t->session));
	/* Of an agent's many keys a server does not hear all. */
	return rc == SSH_AUTH_AGAIN || !ssh_is_connected(t->session) ? 1 : 2;
}

/* As judge. */
static int
try_file(struct tunnel *t, const char *path, struct fail *f)
{
	ssh_key key = NULL;
	int rc;

	if (import_key(t, path, &key, f) != 0)
		return -1;
	rc = judge(t, tunnel_drive(t, step_key, key, SSH_AUTH_AGAIN), f);
	ssh_key_free(key);
	return rc;
}

/* The keys that ssh(1) takes by themselves; those that need help are not. */
static int
try_usual_files(struct tunnel *t, unsigned *tried, struct fail *f)
{
	static const char *const names[] = { "id_ed25519", "id_ecdsa",
		"id_rsa" };
	char path[PATH_MAX + 32];
	int rc = 2;

	for (size_t i = 0; i < sizeof names / sizeof names[0] && rc == 2; i++) {
		(void)snprintf(path, sizeof path, "%s/.ssh/%s",
		    t->options->home, names[i]);
		if (access(path, R_OK) != 0)
			continue;
		(*tried)++;
		rc = try_file(t, path, f);
		if (rc == -1 && f->kind == FAIL_CONFIG)
			rc = 2;
	}
	return rc;
}

static int
refused(struct tunnel *t, const char *what, struct fail *f)
{
	const struct sftp_options *o = t->options;

	(void)fail_set(
	    f, FAIL_DENIED, t->where, "the server does not take %s", what);
	return fail_hint(f,
	    "its public half belongs into ~%s/.ssh/authorized_keys on %s (or "
	    "where the server's AuthorizedKeysFile says); identity_file names "
	    "a key",
	    o->user, o->host);
}

int
tunnel_login(struct tunnel *t, struct fail *f)
{
	const char *file = t->options->identity_file;
	const char *agent = tunnel_agent();
	char what[PATH_MAX + 32];
	unsigned tried = 0;
	int rc = 2;

	if (file[0] != '\0') {
		rc = try_file(t, file, f);
		if (rc != 2)
			return rc;
		(void)snprintf(what, sizeof what, "the key %s", file);
		return refused(t, what, f);
	}
	if (agent != NULL) {
		tried++;
		rc = tunnel_ask_agent(t, agent, f);
		if (rc == TUNNEL_NO_AGENT)
			return -1;
		rc = judge(t, rc, f);
	}
	if (rc == 2)
		rc = try_usual_files(t, &tried, f);
	if (rc != 2)
		return rc;
	return refused(t,
	    tried > 0 ? "any key of the agent or of ~/.ssh"
	              : "anybody without a key, and there is none: no "
	                "identity_file, no agent, none in ~/.ssh",
	    f);
}
