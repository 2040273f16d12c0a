# SPDX-License-Identifier: PostgreSQL
# walvault: see README.md.  GNU make.
#
#	make		the programs, in build/bin
#	make demo	a database archived, destroyed and brought back (a minute)
#	make check	all tests, on real servers
#	make lint	formatting, static analysis, layers
#	make asan	the tests under AddressSanitizer and UBSan
#	make torture	killed, and refused, at every system call (hours)
#	make fuzz	the parsers under libFuzzer, FUZZ_SECONDS each
#	make bench	speed, beside pgBackRest
#	make install	DESTDIR= PREFIX=
#	make deps	install what building, tests and demo need (Debian)

CC	= gcc
CLANG	= clang
PREFIX	= /usr/local
DESTDIR	=
BUILD	= build

VERSION	= 0.1.0

OPT	= -O2 -g
WARN	= -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	  -Wcast-qual -Wformat=2 -Wundef -Wvla -Wwrite-strings -Wpointer-arith \
	  -Wnull-dereference -Wstrict-prototypes -Wmissing-prototypes \
	  -Wold-style-definition $(WERROR)
WERROR	=
HARDEN	= -fstack-protector-strong -fstack-clash-protection -fPIE -pthread
FORTIFY	= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
SANITIZE =
CFLAGS	= $(OPT) $(HARDEN) $(SANITIZE)
CPPFLAGS = $(FORTIFY) -D_GNU_SOURCE -DWALVAULT_VERSION='"$(VERSION)"'
LDFLAGS	= -pie -rdynamic -Wl,-z,relro,-z,now,--as-needed $(SANITIZE)
LDLIBS	= -llz4 -lpq -ljansson -lcrypto
COMPILE	= $(CC) -std=c11 $(CPPFLAGS) $(WARN) $(CFLAGS) -MMD -MP

# Lower layers never include upper ones: each is compiled with the include
# directories of the layers it may use, and no others.
LAYERS	= util crypto pg stream store remote sftp conf archive cmd
USES_util    = util
USES_crypto  = util crypto
USES_pg	     = util pg
USES_stream  = util stream
USES_store   = util stream store
USES_remote  = util crypto stream store remote
USES_sftp    = util stream store remote sftp
USES_conf    = util conf
USES_archive = util crypto pg stream store archive
USES_cmd     = $(LAYERS)
# What modules use of a program they see; of the rest nothing.
EXPORTED     = util stream store
FLAGS_util   = -fvisibility=default
FLAGS_stream = -fvisibility=default
FLAGS_store  = -fvisibility=default
# These are (also) in modules.
FLAGS_crypto = -fPIC
FLAGS_remote = -fPIC
FLAGS_sftp   = -fPIC
includes     = $(foreach l,$(USES_$(1)),-Iinclude/$(l))
PQ_INCLUDE   := -isystem $(shell pg_config --includedir 2>/dev/null || echo /usr/include/postgresql)

PROGRAMS = walpush walfetch walvault basebackup pitr-restore
MAINS	 = $(PROGRAMS:%=src/cmd/%.c)
SOURCES	 = $(filter-out $(MAINS) src/remote/% src/sftp/%,$(wildcard $(LAYERS:%=src/%/*.c)))
OBJECTS	 = $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
LIBRARY	 = $(BUILD)/libwalvault.a
BINS	 = $(PROGRAMS:%=$(BUILD)/bin/%)
# Whole in every program, whatever it calls of them: modules may call more.
CORE	 = $(filter $(EXPORTED:%=$(BUILD)/obj/%/%),$(OBJECTS))

# Drivers of the network, loaded by a program when it needs one.
# Each has only what belongs into it, so that none needs another's libraries.
DRIVERS	 = http sftp
MODULES	 = $(DRIVERS:%=$(BUILD)/lib/walvault/store-%.so)
REMOTE	 = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard src/remote/*.c))
SFTP	 = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(wildcard src/sftp/*.c))
# Each module has a table of the same name; tests link no modules.
REMOTE_LIBRARY = $(BUILD)/libremote.a
TESTABLE = $(filter-out %/module_http.o %/module_sftp.o,$(REMOTE) $(SFTP))
CRYPTO	 = $(filter $(BUILD)/obj/crypto/%,$(OBJECTS))
OBJECTS_http = $(REMOTE) $(CRYPTO)
OBJECTS_sftp = $(SFTP) $(BUILD)/obj/remote/retry.o
LIBS_http = -lcurl -lexpat -ljansson -lcrypto
LIBS_sftp = -lssh

CHECKS	 = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/check_*.c))
TOOLS	 = $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
PRELOADS = $(patsubst tests/preload/%.c,$(BUILD)/tests/%.so,$(wildcard tests/preload/*.c))
FUZZERS	 = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
ALL_INCLUDES = $(LAYERS:%=-Iinclude/%)

all: $(BINS) $(MODULES)

define layer_rule
$(BUILD)/obj/$(1)/%.o: src/$(1)/%.c Makefile
	@mkdir -p $$(@D)
	@echo "  CC $$<"
	@$$(COMPILE) -fvisibility=hidden $(FLAGS_$(1)) $(call includes,$(1)) $$(if $$(filter conn%,$$*),$$(PQ_INCLUDE)) -c -o $$@ $$<
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$(l))))

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $(OBJECTS)

$(BUILD)/bin/%: $(BUILD)/obj/cmd/%.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(CORE) $(LIBRARY) $(LDLIBS)

$(REMOTE_LIBRARY): $(TESTABLE)
	@rm -f $@
	@$(AR) rcs $@ $(TESTABLE)

define module_rule
$(BUILD)/lib/walvault/store-$(1).so: $(OBJECTS_$(1))
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	@$$(CC) $$(CFLAGS) -fPIC -shared $$(SANITIZE) -Wl,-z,relro,-z,now,--as-needed \
	    -o $$@ $(OBJECTS_$(1)) $(LIBS_$(1))
endef
$(foreach m,$(DRIVERS),$(eval $(call module_rule,$(m))))

# A test that makes library calls fail names them in its first lines:
#	/* wrap: malloc calloc */
wraps = $(shell sed -n 's|^/\* wrap: \(.*\) \*/$$|\1|p' $(1))

$(BUILD)/tests/check_%: tests/check_%.c $(LIBRARY) $(REMOTE_LIBRARY) Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(COMPILE) -Wno-missing-prototypes $(ALL_INCLUDES) -Itests \
	    -o $@ $< $(LDFLAGS) $(patsubst %,-Wl$(comma)--wrap=%,$(call wraps,$<)) \
	    $(filter-out %/$*.o,$(CORE)) $(REMOTE_LIBRARY) $(LIBRARY) $(LDLIBS) $(LIBS_http) $(LIBS_sftp) -lcheck_pic -lrt -lm -lsubunit
comma	= ,

$(BUILD)/tests/%: tests/tools/%.c $(LIBRARY) Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(COMPILE) $(ALL_INCLUDES) -o $@ $< $(LDFLAGS) $(CORE) $(LIBRARY) $(LDLIBS)

$(BUILD)/tests/%.so: tests/preload/%.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

# The parsers live below cmd, and need no session with a server.  The target
# that is an SSH server has a tunnel of its own.
FUZZED	= $(filter-out src/cmd/% src/pg/conn%.c src/archive/basebackup%.c \
	  src/sftp/tunnel% %/module_http.c %/module_sftp.c, \
	  $(SOURCES) $(wildcard src/remote/*.c src/sftp/*.c))
FUZZ_OBJECTS = $(FUZZED:src/%.c=$(BUILD)/fuzz/obj/%.o)
FUZZ_COMPILE = $(CLANG) -std=c11 $(CPPFLAGS) -O1 -g -pthread $(ALL_INCLUDES) -MMD -MP

$(BUILD)/fuzz/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(FUZZ_COMPILE) -fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=all -c -o $@ $<

$(BUILD)/fuzz/libfuzzed.a: $(FUZZ_OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $(FUZZ_OBJECTS)

$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/fuzz/libfuzzed.a Makefile
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(FUZZ_COMPILE) -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -Wl,--as-needed \
	    -o $@ $< $(BUILD)/fuzz/libfuzzed.a $(LDLIBS) $(LIBS_http)

tests: $(CHECKS) $(TOOLS) $(PRELOADS)

deps:
	tests/deps all

# The installer runs first: on a fresh machine there is no compiler yet.
check:
	@tests/deps all || echo "tests that need what is missing are skipped"
	$(MAKE) all tests
	BUILD=$(BUILD) tests/run

demo:
	@tests/deps demo
	$(MAKE) all
	tests/demo $(BUILD)/bin

bench: all $(TOOLS)
	tests/bench/run $(BUILD)/bin
	tests/bench/backup $(BUILD)/bin
	tests/bench/plan $(BUILD)/bin

asan:
	@tests/deps all
	$(MAKE) BUILD=$(BUILD)/asan CC=$(CC) OPT="-O1 -g" FORTIFY= \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" \
	    all tests
	WALVAULT_ASAN=1 BUILD=$(BUILD)/asan tests/run $(ASAN_TESTS)

# What a sample of the system calls stands for in make check.  On a tmpfs
# (TMPDIR=/dev/shm) nothing waits for a disk.
torture: all tests
	WALVAULT_TORTURE=1 BUILD=$(BUILD) tests/run test_kill_and_faults.py \
	    test_backup_faults.py test_restore_faults.py test_expire_faults.py

FUZZ_SECONDS = 20
fuzz: $(FUZZERS)
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

lint:
	@tests/deps all
	tests/lint

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man7 \
	    $(DESTDIR)$(PREFIX)/share/doc/walvault/conf.d \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 0755 $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/lib/walvault
	install -m 0644 $(MODULES) $(DESTDIR)$(PREFIX)/lib/walvault
	install -m 0644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 0644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 0644 conf.d/*.conf $(DESTDIR)$(PREFIX)/share/doc/walvault/conf.d
	install -m 0755 contrib/read-object.py contrib/exec-directory contrib/exec-rclone \
	    $(DESTDIR)$(PREFIX)/share/doc/walvault
	for unit in walvault-backup.service walvault-backup.timer \
	    walvault-sync.service walvault-sync.timer; do \
	    sed 's|/usr/local/bin|$(PREFIX)/bin|' contrib/systemd/$$unit \
	        > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; \
	    chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit; done

clean:
	rm -rf $(BUILD)

-include $(FUZZ_OBJECTS:.o=.d) $(OBJECTS:.o=.d) $(REMOTE:.o=.d) $(SFTP:.o=.d) $(MAINS:src/%.c=$(BUILD)/obj/%.d)

.PHONY: all tests deps check demo bench asan torture fuzz lint install clean
.SECONDARY:
