/* SPDX-License-Identifier: PostgreSQL */
/* Records on stderr: see log.h.  The program's name and level are global. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "log.h"

#define RECORD_MAX 2048

static const char *program_name = "walvault";
static enum log_level least = LOG_INFO;
static bool as_json;

static const char *const level_names[] = { "debug", "info", "warning",
	"error" };

void
log_setup(const char *program, enum log_level level, bool json)
{
	program_name = program;
	least = level;
	as_json = json;
}

const char *
log_program(void)
{
	return program_name;
}

/* A record that cannot be written is lost: there is nowhere to say so. */
static void
put(const void *bytes, size_t len)
{
	ssize_t n = write(STDERR_FILENO, bytes, len);

	(void)n;
}

static void
put_json(enum log_level level, const char *when, const char *message,
    const char *hint)
{
	struct json j = { 0 };

	json_object(&j, NULL);
	json_string(&j, "time", when);
	json_string(&j, "program", program_name);
	json_int(&j, "pid", (int64_t)getpid());
	json_string(&j, "level", level_names[level]);
	json_string(&j, "message", message);
	if (hint != NULL)
		json_string(&j, "hint", hint);
	json_end_object(&j);
	if (!j.failed && buf_append(&j.text, "\n", 1) == 0)
		put(j.text.data, j.text.len);
	buf_clear(&j.text);
}

/* A record is one line, whatever the names in it contain. */
static void
put_text(enum log_level level, const char *when, const char *message,
    const char *hint)
{
	char record[RECORD_MAX];
	int len = snprintf(record, sizeof record - 1, "%s %s[%ld]: %s: %s",
	    when, program_name, (long)getpid(), level_names[level], message);

	if (hint != NULL && len > 0 && (size_t)len < sizeof record - 1)
		len += snprintf(record + len, sizeof record - 1 - (size_t)len,
		    " (hint: %s)", hint);
	if (len < 0)
		return;
	if ((size_t)len > sizeof record - 2)
		len = (int)sizeof record - 2;
	for (int i = 0; i < len; i++)
		if ((unsigned char)record[i] < ' ')
			record[i] = '?';
	record[len] = '\n';
	put(record, (size_t)len + 1);
}

static void
put_record(enum log_level level, const char *message, const char *hint)
{
	char when[CLOCK_TEXT];

	clock_format(clock_now(), when);
	if (as_json)
		put_json(level, when, message, hint);
	else
		put_text(level, when, message, hint);
}

FAIL_PRINTF(2, 0)
static void
log_va(enum log_level level, const char *fmt, va_list ap)
{
	char message[RECORD_MAX];

	if (level < least)
		return;
	(void)vsnprintf(message, sizeof message, fmt, ap);
	put_record(level, message, NULL);
}

#define DEFINE_LOG(name, level)         \
	void name(const char *fmt, ...) \
	{                               \
		va_list ap;             \
                                        \
		va_start(ap, fmt);      \
		log_va(level, fmt, ap); \
		va_end(ap);             \
	}

DEFINE_LOG(log_debug, LOG_DEBUG)
DEFINE_LOG(log_info, LOG_INFO)
DEFINE_LOG(log_warning, LOG_WARNING)
DEFINE_LOG(log_error, LOG_ERROR)

void
log_fail(enum log_level level, const char *what, const struct fail *f)
{
	char message[RECORD_MAX];

	if (level < least)
		return;
	(void)snprintf(message, sizeof message, "%s: %s%s%s", what, f->object,
	    f->object[0] != '\0' ? ": " : "", f->cause);
	put_record(level, message, f->hint[0] != '\0' ? f->hint : NULL);
}
