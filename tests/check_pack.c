/* SPDX-License-Identifier: PostgreSQL */
/*
 * Packs: what goes in comes out, by piece and as a tar stream that the stock
 * tools read; what is damaged is noticed; what is abandoned is not there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>

#include "object.h"
#include "packcheck.h"
#include "tar.h"

/* The plain bytes of a file of len bytes: half noise. */
static uint8_t *
make_bytes(size_t len)
{
	uint8_t *p = malloc(len + 1);
	uint64_t state = test_seed() ^ len;

	ck_assert_ptr_nonnull(p);
	fill_random(&state, p, len / 2);
	memset(p + len / 2, 'z', len - len / 2);
	if (len > 0)
		p[len - 1] = 1;
	return p;
}

static struct pack_writer *
begin(struct repository *r, uint32_t number)
{
	struct fail f = { 0 };
	struct pack_writer *w = pack_begin(
	    r, PACKCHECK_ID, number, &packcheck_codec, &f);

	if (w == NULL)
		ck_abort_msg("%s: %s", f.object, f.cause);
	return w;
}

static void
finish(struct pack_writer *w, struct manifest_pack *out)
{
	struct fail f = { 0 };

	if (pack_finish(w, out, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	pack_free(w);
}

static void
add(struct pack_writer *w, const struct pack_member *m, const uint8_t *p,
    size_t chunk, struct packed *out)
{
	struct fail f = { 0 };

	*out = (struct packed){ 0 };
	if (pack_bytes(w, m, p, chunk, out, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
}

/* Read one piece; the caller clears what comes. */
static int
read_piece(struct repository *r, const struct manifest_piece *p, uint64_t head,
    struct buf *out, struct fail *f)
{
	struct sink sink = { 0 };
	int rc = pack_read_piece(
	    r, PACKCHECK_ID, p, head, sink_stream(&sink), f);

	require(!sink.finished && !sink.freed);
	*out = sink.bytes;
	return rc;
}

/* The pieces are the file's, and each can be read alone. */
static void
assert_pieces(struct repository *r, const struct packed *x,
    const struct manifest_pack *pack, const uint8_t *p, size_t len)
{
	uint64_t end = 0;
	uint32_t crc = 0;

	for (size_t i = 0; i < x->n; i++) {
		const struct manifest_piece *piece = &x->pieces[i];
		struct fail f = { 0 };
		struct buf got;

		require(piece->plain_off == end && piece->len > 0);
		require(piece->len <= PACK_PIECE && piece->backup == 0);
		require(piece->pack == pack->pack);
		require(i + 1 == x->n || piece->len == PACK_PIECE);
		require(piece->crc == ~crc32c(UINT32_MAX, p + end, piece->len));
		crc = i == 0 ? piece->crc
		             : crc32c_join(crc, piece->crc, piece->len);
		if (read_piece(r, piece, pack->head, &got, &f) != 0)
			ck_abort_msg("%s: %s", f.object, f.cause);
		require(got.len == piece->len);
		require(memcmp(got.data, p + end, got.len) == 0);
		buf_clear(&got);
		end += piece->len;
	}
	require(end == len);
	require(crc == ~crc32c(UINT32_MAX, p, len));
}

/* The object is whole, and is what the pack's line says of it. */
static void
assert_object_is(struct repository *r, const struct manifest_pack *pack)
{
	char key[LAYOUT_KEY_MAX];
	struct object_seen seen;
	struct fail f = { 0 };
	struct sum128 sum;
	struct buf b;

	backup_pack_key(&r->layout, PACKCHECK_ID, pack->pack, key);
	if (object_read(r->store, &r->layout, key, NULL, &seen, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	ck_assert_int_eq(seen.header.kind, OBJECT_PACK);
	ck_assert_str_eq(seen.header.repository, r->id);
	ck_assert(!seen.header.has_plain);
	ck_assert_uint_eq(seen.stored, pack->stored);
	ck_assert_uint_eq(seen.plain.len % TAR_BLOCK, 0);
	ck_assert_int_eq(get_range(r->store, key, 0, STORE_ALL, &b, &f), 0);
	ck_assert_uint_eq(b.len, pack->stored);
	/* magic, length, signature, version; four fields; sum */
	sum = sum128(b.data, b.len - (18 + 4 * 6 + 2 * 8 + 2 * 16 + 8));
	ck_assert_mem_eq(&sum, &pack->sum, sizeof sum);
	ck_assert_uint_eq(decode_u32(b.data + pack->head), 0x184D2204);
	buf_clear(&b);
}

static const size_t sizes[] = { 0, 1, 511, 512, 513, 4096, 65536,
	IO_CHUNK - 1025, IO_CHUNK - 1024, IO_CHUNK - 512, IO_CHUNK - 511,
	IO_CHUNK - 1, IO_CHUNK, IO_CHUNK + 1, 2 * IO_CHUNK, 3 * IO_CHUNK - 100,
	PACK_PIECE - 1, PACK_PIECE, PACK_PIECE + 1,
	2 * PACK_PIECE + IO_CHUNK + 7 };

#define N_SIZES (sizeof sizes / sizeof sizes[0])

START_TEST(files_of_all_sizes_come_back)
{
	static const size_t chunks[] = { 4096, 100000, IO_CHUNK, SIZE_MAX };
	struct repository r;

	make_repository("sizes", &r);
	for (uint32_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
		struct pack_writer *w = begin(&r, c + 1);
		struct packed x[N_SIZES];
		struct manifest_pack pack;

		for (size_t i = 0; i < N_SIZES; i++) {
			struct pack_member m = member_of("base/1/2", sizes[i]);
			uint8_t *p = make_bytes(sizes[i]);

			add(w, &m, p, chunks[c], &x[i]);
			free(p);
		}
		finish(w, &pack);
		assert_object_is(&r, &pack);
		for (size_t i = 0; i < N_SIZES; i++) {
			uint8_t *p = make_bytes(sizes[i]);

			assert_pieces(&r, &x[i], &pack, p, sizes[i]);
			free(p);
			free(x[i].pieces);
		}
	}
	store_free(r.store);
}
END_TEST

START_TEST(bytes_made_in_place_are_the_same)
{
	struct repository r;
	struct manifest_pack pack;
	struct pack_writer *w;

	make_repository("room", &r);
	w = begin(&r, 1);
	for (size_t i = 0; i < N_SIZES; i++) {
		struct pack_member m = member_of("f", sizes[i]);
		uint8_t *p = make_bytes(sizes[i]);
		struct packed x = { 0 };
		struct fail f = { 0 };
		size_t done = 0;

		ck_assert_int_eq(pack_member(w, &m, &x.pieces, &x.n, &f), 0);
		while (done < sizes[i]) {
			size_t room, n = sizes[i] - done;
			uint8_t *to = pack_room(w, &room);

			ck_assert_uint_gt(room, 0);
			n = n < room ? n : room;
			memcpy(to, p + done, n);
			ck_assert_int_eq(pack_write(w, to, n, &f), 0);
			done += n;
		}
		for (size_t k = 0; k < x.n; k++) {
			struct sum128 sum = sum128(
			    p + x.pieces[k].plain_off, x.pieces[k].len);

			require(memcmp(&sum, &x.pieces[k].sum, 16) == 0);
		}
		free(x.pieces);
		free(p);
	}
	finish(w, &pack);
	assert_object_is(&r, &pack);
	store_free(r.store);
}
END_TEST

static void FAIL_PRINTF(1, 2) run_command(const char *format, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(command, sizeof command, format, ap);
	va_end(ap);
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* The directory of a pack's object. */
static void
object_path(struct repository *r, uint32_t number, char *out, size_t cap)
{
	char key[LAYOUT_KEY_MAX];

	backup_pack_key(&r->layout, PACKCHECK_ID, number, key);
	(void)snprintf(
	    out, cap, "%s/%s", r->store->url + strlen("file://"), key);
}

static void
assert_file(const char *dir, const char *name, const uint8_t *p, size_t len)
{
	uint8_t *got = malloc(len + 1);
	int at = open(dir, O_RDONLY | O_DIRECTORY);
	int fd = openat(at, name, O_RDONLY);

	ck_assert_ptr_nonnull(got);
	ck_assert_msg(fd >= 0, "no '%s'", name);
	ck_assert_int_eq(io_read(fd, got, len + 1), (ssize_t)len);
	ck_assert(len == 0 || memcmp(got, p, len) == 0);
	(void)close(fd);
	(void)close(at);
	free(got);
}

/* A name of len bytes, with a '/' behind each cut of them. */
static const char *
long_name(size_t len, size_t cut)
{
	static char name[1024];

	memset(name, (int)('a' + (len + cut) % 26), len);
	name[len] = '\0';
	for (size_t i = cut; cut > 0 && i + 1 < len; i += cut + 1)
		name[i] = '/';
	return name;
}

static void
make_odd_name(size_t i, char *out, size_t cap)
{
	static const char *const odd[] = { "plain", "with blank", "new\nline",
		"back\\slash", "quote\"'", "-dash", "#x[=y]",
		"\xff\xfe not utf-8", "\xc3\xa9t\xc3\xa9", "tab\t\x01" };
	static const struct {
		size_t len, cut;
	} lengths[] = { { 100, 0 }, { 101, 0 }, { 102, 50 }, { 200, 99 },
		{ 255, 0 }, { 255, 154 }, { 256, 155 }, { 256, 101 },
		{ 257, 157 }, { 300, 103 }, { 300, 200 }, { 1000, 201 } };
	size_t n = sizeof odd / sizeof odd[0];

	(void)snprintf(out, cap, "%zu%s", i,
	    i < n ? odd[i] : long_name(lengths[i - n].len, lengths[i - n].cut));
	/* The number made it longer. */
	if (i >= n)
		out[lengths[i - n].len] = '\0';
	else if (i == 5)
		(void)snprintf(out, cap, "%s", odd[i]);
}

#define N_ODD 22

START_TEST(stock_tools_give_files_of_all_names)
{
	char path[1024], dir[600], name[2048];
	struct repository r;
	struct manifest_pack pack;
	struct pack_writer *w;
	struct stat st;

	make_repository("names", &r);
	(void)snprintf(dir, sizeof dir, "%s", temp_subdir("names-out"));
	w = begin(&r, 1);
	for (size_t i = 0; i < N_ODD; i++) {
		struct packed x;
		struct pack_member m;
		uint8_t *p = make_bytes(1000 + i);

		make_odd_name(i, name, sizeof name);
		m = member_of(name, 1000 + i);
		m.mode = 0640;
		add(w, &m, p, SIZE_MAX, &x);
		free(x.pieces);
		free(p);
	}
	object_path(&r, 1, path, sizeof path);
	finish(w, &pack);
	run_command(
	    "lz4 -dcq < '%s' | tar -xf - -C '%s' --no-same-owner", path, dir);
	for (size_t i = 0; i < N_ODD; i++) {
		uint8_t *p = make_bytes(1000 + i);

		make_odd_name(i, name, sizeof name);
		assert_file(dir, name, p, 1000 + i);
		free(p);
	}
	(void)snprintf(path, sizeof path, "%s/0plain", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(
	    st.st_mtime, 848000000 + INT64_C(946684800)); /* 2000 in 1970 */
	store_free(r.store);
}
END_TEST

START_TEST(directories_links_and_large_ids_are_in_the_tar_stream)
{
	char path[1024], listing[8192], command[4096];
	struct repository r;
	struct manifest_pack pack;
	struct pack_writer *w;
	struct pack_member m = member_of("pg_tblspc", 0);
	struct fail f = { 0 };
	struct packed x;
	FILE *pipe;
	size_t n;

	make_repository("entries", &r);
	w = begin(&r, 1);
	m.mode = 0700;
	ck_assert_int_eq(pack_entry(w, &m, NULL, &f), 0);
	m.path = "pg_tblspc/16384";
	ck_assert_int_eq(pack_entry(w, &m, "/srv/ts", &f), 0);
	m.path = "pg_tblspc/16385";
	ck_assert_int_eq(pack_entry(w, &m, long_name(150, 0), &f), 0);
	m = member_of("large", 3);
	m.uid = 4000000000u;
	m.gid = 3000000;
	m.owner = "a-name-of-more-than-thirty-one-characters";
	m.mtime = -INT64_C(946684800) * 1000000 - 1500000; /* 1969 */
	add(w, &m, (const uint8_t *)"abc", SIZE_MAX, &x);
	free(x.pieces);
	object_path(&r, 1, path, sizeof path);
	finish(w, &pack);
	(void)snprintf(command, sizeof command,
	    "lz4 -dcq < '%s' | TZ=UTC tar --numeric-owner -tvf - && "
	    "lz4 -dcq < '%s' | tar -tvf -",
	    path, path);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	n = fread(listing, 1, sizeof listing - 1, pipe);
	listing[n] = '\0';
	ck_assert_int_eq(pclose(pipe), 0);
	ck_assert_ptr_nonnull(strstr(listing, "drwx------"));
	ck_assert_ptr_nonnull(strstr(listing, " pg_tblspc/\n"));
	ck_assert_ptr_nonnull(strstr(listing, "pg_tblspc/16384 -> /srv/ts\n"));
	ck_assert_ptr_nonnull(strstr(listing, long_name(150, 0)));
	ck_assert_ptr_nonnull(strstr(listing, "4000000000/3000000"));
	ck_assert_ptr_nonnull(strstr(listing, "1969-12-31 23:59 large"));
	ck_assert_ptr_nonnull(
	    strstr(listing, "a-name-of-more-than-thirty-one-characters"));
	store_free(r.store);
}
END_TEST

START_TEST(a_file_in_parts_is_their_concatenation)
{
	const size_t len = PACK_PART + PACK_PIECE + 12345;
	uint8_t *p = make_bytes(len);
	char path[1024], dir[600];
	struct repository r;
	struct manifest_pack pack;
	struct pack_writer *w;
	struct packed x = { 0 };
	struct fail f = { 0 };

	make_repository("parts", &r);
	(void)snprintf(dir, sizeof dir, "%s", temp_subdir("parts-out"));
	w = begin(&r, 1);
	for (uint32_t part = 1; (part - 1) * PACK_PART < len; part++) {
		uint64_t off = (part - 1) * PACK_PART;
		struct pack_member m = member_of(
		    "16384/1", len - off < PACK_PART ? len - off : PACK_PART);

		m.part = part;
		m.plain_off = off;
		ck_assert_int_eq(
		    pack_bytes(w, &m, p + off, IO_CHUNK, &x, &f), 0);
	}
	object_path(&r, 1, path, sizeof path);
	finish(w, &pack);
	ck_assert_uint_eq(x.n, 10);
	assert_pieces(&r, &x, &pack, p, len);
	run_command("lz4 -dcq < '%s' | tar -xf - -C '%s'", path, dir);
	run_command("cd '%s/%s' && cat 1.walvault-part-* > 1", dir, "16384");
	assert_file(dir, "16384/1", p, len);
	free(x.pieces);
	free(p);
	store_free(r.store);
}
END_TEST

/* What pack_read_pieces gives, for each piece its bytes. */
struct several {
	const struct manifest_piece *pieces;
	struct buf *got;
};

static int
several_write(void *arg, const struct manifest_piece *p, const void *bytes,
    size_t len, struct fail *f)
{
	struct several *s = arg;

	(void)f;

	return buf_append(&s->got[p - s->pieces], bytes, len);
}

START_TEST(many_pieces_are_read_in_one_go)
{
	enum { N = 300 };
	struct manifest_piece pieces[N];
	struct buf got[N] = { { 0 } };
	struct several s = { pieces, got };
	struct pack_reader to = { several_write, &s };
	struct pack_place place = { .backup = PACKCHECK_ID };
	uint64_t state = test_seed();
	struct repository r;
	struct manifest_pack pack;
	struct pack_writer *w;
	struct fail f = { 0 };
	size_t n = 0;

	make_repository("several", &r);
	w = begin(&r, 7);
	for (size_t i = 0; i < N; i++) {
		size_t len = 1 +
		    next_random(&state) % (i % 50 == 0 ? 900000 : 900);
		struct pack_member m = member_of("f", len);
		uint8_t *p = make_bytes(len);
		struct packed x;

		add(w, &m, p, SIZE_MAX, &x);
		if (i % 3 == 0)
			ck_assert_int_eq(pack_entry(w, &m, NULL, &f), 0);
		/* Some are left out, so that there are gaps. */
		if (i % 5 != 4 && i % 100 > 20)
			pieces[n++] = x.pieces[0];
		free(x.pieces);
		free(p);
	}
	finish(w, &pack);
	place.head = pack.head;
	if (pack_read_pieces(&r, &place, pieces, n, &to, &f) != 0)
		ck_abort_msg("%s: %s", f.object, f.cause);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = make_bytes(pieces[i].len);

		ck_assert_uint_eq(got[i].len, pieces[i].len);
		ck_assert(memcmp(got[i].data, p, got[i].len) == 0);
		buf_clear(&got[i]);
		free(p);
	}
	/* Not in order. */
	ck_assert_int_eq(pack_read_pieces(&r, &place, pieces, 0, &to, &f), 0);
	pieces[1] = pieces[0];
	ck_assert_int_eq(pack_read_pieces(&r, &place, pieces, 2, &to, &f), -1);
	assert_failed(&f, FAIL_INTERNAL);
	store_free(r.store);
}
END_TEST

/* A pack of one file of len bytes. */
static void
make_one(struct repository *r, size_t len, struct packed *x,
    struct manifest_pack *pack)
{
	struct pack_writer *w = begin(r, 1);
	struct pack_member m = member_of("base/5/1259", len);
	uint8_t *p = make_bytes(len);

	add(w, &m, p, SIZE_MAX, x);
	finish(w, pack);
	free(p);
}

/* Change a byte of the stored object. */
static void
change_byte(struct repository *r, uint64_t off, uint8_t by)
{
	char path[1024];
	uint8_t byte;
	int fd;

	object_path(r, 1, path, sizeof path);
	fd = open(path, O_RDWR);
	require(fd >= 0 && pread(fd, &byte, 1, (off_t)off) == 1);
	byte ^= by;
	require(pwrite(fd, &byte, 1, (off_t)off) == 1);
	(void)close(fd);
}

static bool
same_bytes(const struct buf *got, const struct manifest_piece *p, size_t len)
{
	uint8_t *want = make_bytes(len);
	bool same = got->len == p->len &&
	    memcmp(got->data, want + p->plain_off, got->len) == 0;

	free(want);
	return same;
}

/* Whatever is changed, no wrong byte counts as the piece's last. */
static void
assert_damage_is_found(size_t len, uint64_t step)
{
	struct repository r;
	struct manifest_pack pack;
	struct packed x;
	size_t found = 0;
	char name[32];

	(void)snprintf(name, sizeof name, "damage-%zu", len);
	make_repository(name, &r);
	make_one(&r, len, &x, &pack);
	for (size_t i = 0; i < x.n; i++)
		for (uint64_t off = 0; off < x.pieces[i].stored; off += step) {
			uint64_t at = pack.head + x.pieces[i].off + off;
			struct fail f = { 0 };
			struct buf got;
			int rc;

			change_byte(&r, at, 0x10);
			rc = read_piece(&r, &x.pieces[i], pack.head, &got, &f);
			change_byte(&r, at, 0x10);
			require(rc == 0 || f.kind == FAIL_DAMAGED);
			require(
			    rc == 0 || strstr(f.object, "pack-000001") != NULL);
			/* Idle bytes, of lz4's or of the tar header. */
			if (rc == 0 || got.len == x.pieces[i].len)
				require(same_bytes(&got, &x.pieces[i], len));
			found += rc != 0;
			buf_clear(&got);
		}
	ck_assert_uint_gt(found, len / step / 3);
	free(x.pieces);
	store_free(r.store);
}

START_TEST(damage_of_a_piece_is_found_before_its_last_bytes_are_used)
{
	assert_damage_is_found(700, 1);
	assert_damage_is_found(IO_CHUNK * 3 + 5, 997);
}
END_TEST

START_TEST(a_piece_that_is_described_wrongly_is_refused)
{
	struct repository r;
	struct manifest_pack pack;
	struct packed x;

	make_repository("wrong", &r);
	make_one(&r, 5000, &x, &pack);
	ck_assert_uint_eq(x.n, 1);
	for (int i = 0; i < 9; i++) {
		struct manifest_piece p = x.pieces[0];
		struct fail f = { 0 };
		struct buf got;
		uint64_t head = pack.head;

		switch (i) {
		case 0:
			p.len--;
			break;
		case 1:
			p.len++;
			break;
		case 2:
			p.skip++;
			break;
		case 3:
			p.skip = 0;
			break;
		case 4:
			p.stored--;
			break;
		case 5:
			p.stored++;
			break;
		case 6:
			p.crc ^= 1;
			break;
		case 7:
			p.sum.bytes[15] ^= 1;
			break;
		default:
			head++;
		}
		ck_assert_msg(
		    read_piece(&r, &p, head, &got, &f) == -1, "case %d", i);
		assert_failed(&f, FAIL_DAMAGED);
		if (i != 4 && i != 5)
			ck_assert_uint_lt(got.len, p.len);
		buf_clear(&got);
	}
	free(x.pieces);
	store_free(r.store);
}
END_TEST

START_TEST(a_pack_cut_short_is_damage_and_one_that_is_not_there_absence)
{
	struct repository r;
	struct manifest_pack pack;
	struct packed x;
	struct fail f = { 0 };
	struct buf got;
	char path[1024];

	make_repository("short", &r);
	make_one(&r, 5000, &x, &pack);
	object_path(&r, 1, path, sizeof path);
	for (off_t len = 0; len <=
	     (off_t)(pack.head + x.pieces[0].off + x.pieces[0].stored - 1);
	     len += 97) {
		ck_assert_int_eq(truncate(path, len), 0);
		ck_assert_int_eq(
		    read_piece(&r, &x.pieces[0], pack.head, &got, &f), -1);
		assert_failed(&f, FAIL_DAMAGED);
		buf_clear(&got);
		ck_assert_int_eq(unlink(path), 0);
		free(x.pieces);
		make_one(&r, 5000, &x, &pack);
	}
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(read_piece(&r, &x.pieces[0], pack.head, &got, &f), 1);
	ck_assert_uint_eq(got.len, 0);
	free(x.pieces);
	store_free(r.store);
}
END_TEST

/* The number of files in a directory, temporary ones too. */
static size_t
count_files(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_type == DT_REG;
	(void)closedir(d);
	return n;
}

START_TEST(an_abandoned_pack_leaves_nothing)
{
	const size_t len = 3 * 1024 * 1024;
	uint8_t *p = make_bytes(len);
	char path[1024];
	struct repository r;

	make_repository("abandoned", &r);
	for (size_t done = 0; done <= len; done += len / 4) {
		struct pack_writer *w = begin(&r, 1);
		struct pack_member m = member_of("f", len);
		struct packed x = { 0 };
		struct fail f = { 0 };

		ck_assert_int_eq(pack_member(w, &m, &x.pieces, &x.n, &f), 0);
		ck_assert_int_eq(pack_write(w, p, done, &f), 0);
		pack_free(w);
		free(x.pieces);
		assert_listing(r.store, "main/", "");
		object_path(&r, 1, path, sizeof path);
		*strrchr(path, '/') = '\0';
		ck_assert_uint_eq(count_files(path), 0);
	}
	pack_free(NULL);
	free(p);
	store_free(r.store);
}
END_TEST

START_TEST(a_member_gets_exactly_its_bytes)
{
	struct repository r;
	struct fail f = { 0 };

	make_repository("exactly", &r);
	for (int i = 0; i < 4; i++) {
		struct pack_writer *w = begin(&r, 1);
		struct pack_member m = member_of("f", 10);
		struct manifest_pack pack;
		struct packed x = { 0 };

		ck_assert_int_eq(pack_member(w, &m, &x.pieces, &x.n, &f), 0);
		if (i == 0) {
			ck_assert_int_eq(
			    pack_write(w, "12345678901", 11, &f), -1);
		} else {
			ck_assert_int_eq(pack_write(w, "123456789", 9, &f), 0);
			ck_assert_uint_eq(x.n, 0);
			ck_assert_int_eq(i == 1 ? pack_finish(w, &pack, &f)
			        : i == 2
			        ? pack_entry(w, &m, NULL, &f)
			        : pack_member(w, &m, &x.pieces, &x.n, &f),
			    -1);
		}
		assert_failed(&f, FAIL_INTERNAL);
		pack_free(w);
		free(x.pieces);
		assert_listing(r.store, "main/", "");
	}
	store_free(r.store);
}
END_TEST

START_TEST(a_number_is_given_once)
{
	struct repository r;
	struct manifest_pack pack;
	struct packed x;
	struct pack_writer *w;
	struct fail f = { 0 };

	make_repository("once", &r);
	make_one(&r, 10, &x, &pack);
	free(x.pieces);
	w = begin(&r, 1);
	ck_assert_int_eq(pack_finish(w, &pack, &f), -1);
	assert_failed(&f, FAIL_REFUSED);
	pack_free(w);
	store_free(r.store);
}
END_TEST

START_TEST(stored_bytes_are_counted_as_they_come)
{
	const size_t len = 2 * 1024 * 1024;
	uint8_t *p = make_bytes(len);
	struct repository r;
	struct manifest_pack pack;
	struct pack_writer *w;
	struct pack_member m = member_of("f", len);
	struct packed x;
	uint64_t before;

	make_repository("stored", &r);
	w = begin(&r, 1);
	before = pack_stored(w);
	add(w, &m, p, 8192, &x);
	ck_assert_uint_gt(pack_stored(w), before + len / 2);
	before = pack_stored(w);
	finish(w, &pack);
	ck_assert_uint_gt(pack.stored, before);
	ck_assert_uint_lt(pack.stored, before + 300);
	free(x.pieces);
	free(p);
	store_free(r.store);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pack");

	(void)test_seed();
	(void)temp_dir();
	add_tests(s, "whole",
	    TESTS(files_of_all_sizes_come_back,
	        bytes_made_in_place_are_the_same,
	        many_pieces_are_read_in_one_go,
	        stored_bytes_are_counted_as_they_come));
	add_tests(s, "tar",
	    TESTS(stock_tools_give_files_of_all_names,
	        directories_links_and_large_ids_are_in_the_tar_stream,
	        a_file_in_parts_is_their_concatenation));
	add_tests(s, "damage",
	    TESTS(damage_of_a_piece_is_found_before_its_last_bytes_are_used,
	        a_piece_that_is_described_wrongly_is_refused,
	        a_pack_cut_short_is_damage_and_one_that_is_not_there_absence));
	add_tests(s, "writer",
	    TESTS(an_abandoned_pack_leaves_nothing,
	        a_member_gets_exactly_its_bytes, a_number_is_given_once));
	return run_suite(s);
}
