/*
 * Fuzz target of the packet engine, past authentication: an input is a walk, a list of operations on a small world of peers and tracks. Includes the
 * engine's one file, so that what it keeps inside can be checked after every batch. `driver.c` or libFuzzer brings the inputs.
 *
 * The stand-in cipher changes nothing, writes its trailer (so that room for it is proven), and holds one rule of real ones: a sequence number of
 * a stream never covers two different packets, or the key stream would be given away.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * An engine has megabytes of fixed tables. Getting them from the system for each of a million inputs would take most of the time, so large blocks
 * come back from here: poisoned meanwhile, so that a use after free is seen as ever.
 */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum { BLOCKS = 256, LARGE = 4096 };

static struct {
    void *at;
    size_t size;
    int used;
} blocks[BLOCKS];

static void *block_take(size_t size, int zeroed) {
    int empty = -1;
    for (int i = 0; i < BLOCKS; i++) {
        if (!blocks[i].at) empty = i;
        if (blocks[i].used || blocks[i].size != size) continue;
        blocks[i].used = 1;
        ASAN_UNPOISON_MEMORY_REGION(blocks[i].at, size);
        if (zeroed && size < 1 << 20) memset(blocks[i].at, 0, size); /* events and arena are written before they are read */
        return blocks[i].at;
    }
    void *at = aligned_alloc(64, (size + 63) & ~(size_t)63);
    if (at) ASAN_POISON_MEMORY_REGION((char *)at + size, ((size + 63) & ~(size_t)63) - size);
    if (at && zeroed) memset(at, 0, size);
    if (at && empty >= 0) blocks[empty].at = at, blocks[empty].size = size, blocks[empty].used = 1;
    return at;
}

static void *fuzz_malloc(size_t size) { return size < LARGE ? malloc(size) : block_take(size, 0); }
static void *fuzz_calloc(size_t count, size_t size) { return count * size < LARGE ? calloc(count, size) : block_take(count * size, 1); }
static void *fuzz_aligned_alloc(size_t alignment, size_t size) { return alignment <= 64 ? block_take(size, 0) : aligned_alloc(alignment, size); }

static void fuzz_free(void *at) {
    for (int i = 0; at && i < BLOCKS; i++) {
        if (blocks[i].at != at) continue;
        blocks[i].used = 0;
        ASAN_POISON_MEMORY_REGION(at, blocks[i].size);
        return;
    }
    free(at);
}

#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define aligned_alloc fuzz_aligned_alloc
#define free fuzz_free
#include "engine.c"
#undef free

enum { PEERS = 5, RECORDER = 4, UPS = 6, DOWNS = 12, INDEXES = 1 << 15 };

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                  \
        }                                                                             \
    } while (0)

/* ------------------------------------------------------------------------------------------------------------ the input */

typedef struct {
    const uint8_t *at, *end;
} reader;

static uint8_t take8(reader *r) { return r->at < r->end ? *r->at++ : 0; }
static uint16_t take16(reader *r) {
    uint16_t high = take8(r);
    return (uint16_t)(high << 8 | take8(r));
}
static uint32_t take(reader *r, uint8_t *into, uint32_t length) {
    uint32_t left = (uint32_t)(r->end - r->at);
    if (length > left) length = left;
    memcpy(into, r->at, length);
    r->at += length;
    return length;
}

/* ------------------------------------------------------------------------------------------------------------ the world */

typedef struct {
    uint16_t seq, picture;
    uint32_t time, ssrc;
    uint8_t tl0;
} counters_of_layer;

typedef struct {
    rw_engine *engine;
    int64_t now, peers[PEERS], ups[UPS], downs[DOWNS];
    counters_of_layer layers[UPS][RW_LAYERS];
    uint8_t refuse; /* what the socket says next: 0 all is well */
    uint32_t put;
} world;

static world w;

/* What every index of a protected stream covered, so far as it is remembered. */
static struct {
    uint64_t stream, content;
    int64_t index;
} covered[INDEXES];

static uint64_t world_number; /* what another input covered does not count */

static uint64_t digest(const uint8_t *octets, int length) {
    uint64_t value = 0xcbf29ce484222325u;
    for (int i = 0; i < length; i++) value = (value ^ octets[i]) * 0x100000001b3u;
    return value;
}

static void cover(uint64_t stream, int64_t index, const uint8_t *octets, int length) {
    uint64_t content = digest(octets, length);
    stream += world_number << 40;
    uint32_t at = (uint32_t)mix(stream << 20 ^ (uint64_t)index) & (INDEXES - 1);
    if (covered[at].stream == stream && covered[at].index == index) CHECK(covered[at].content == content);
    covered[at].stream = stream, covered[at].index = index, covered[at].content = content;
}


static uint8_t sessions[PEERS];

static int leave(void *session, void *octets, int *length) {
    (void)session, (void)octets;
    return *length & 1 && *length % 97 == 0; /* now and then a forgery */
}

static int protect_packet(void *session, void *packet, int *length) {
    uint8_t *octets = packet;
    CHECK(*length >= 12 && octets[0] >> 6 == 2);
    peer *to = table_get(&w.engine->peers, w.peers[(uint8_t *)session - sessions]);
    CHECK(to);
    uint32_t ssrc = get32(octets + 8);
    down_track *d = map_get(&w.engine->by_down_ssrc, ssrc_key(to, ssrc));
    if (d) cover((uint64_t)d->handle, unwrap(d->last_out, get16(octets + 2)), octets, *length);
    memset(octets + *length, 0xee, TRAILER - 16); /* SRTP_MAX_TRAILER_LEN */
    *length += 16;
    return 0;
}

static int protect_report(void *session, void *packet, int *length) {
    uint8_t *octets = packet;
    CHECK((uint8_t *)session >= sessions && (uint8_t *)session < sessions + PEERS);
    for (int at = 0; at < *length;) { /* a compound that ends where it says */
        CHECK(*length - at >= 4 && octets[at] >> 6 == 2);
        at += 4 * (get16(octets + at + 2) + 1);
        CHECK(at <= *length);
    }
    memset(octets + *length, 0xee, TRAILER - 16 + 4);
    *length += 20;
    return 0;
}

static int forget_stream(void *session, unsigned int ssrc) {
    (void)ssrc;
    CHECK((uint8_t *)session >= sessions && (uint8_t *)session < sessions + PEERS);
    return 0;
}

static int send_or_refuse(int fd, void *messages, unsigned int count, int flags) {
    struct mmsghdr *m = messages;
    (void)fd, (void)flags;
    uint8_t how = w.refuse;
    w.refuse = 0;
    for (unsigned int i = 0; i < count; i++) {
        struct msghdr *one = &m[i].msg_hdr;
        CHECK(one->msg_iovlen >= 1 && one->msg_iovlen <= GSO_SEGMENTS);
        for (size_t p = 0; p < one->msg_iovlen; p++) {
            CHECK(one->msg_iov[p].iov_len <= one->msg_iov[0].iov_len);
            CHECK(p + 1 == one->msg_iovlen || one->msg_iov[p].iov_len == one->msg_iov[0].iov_len);
            uint64_t sum = digest(one->msg_iov[p].iov_base, (int)one->msg_iov[p].iov_len);
            __asm__ volatile("" : : "r"(sum)); /* each octet is read */
        }
    }
    static const int refusals[] = {0, EAGAIN, ENOBUFS, EIO, EINVAL, EMSGSIZE, EPERM, EINTR};
    if (how & 7) {
        errno = refusals[how & 7];
        return -1;
    }
    return how ? (int)(1 + (how >> 3) % count) : (int)count;
}

static rw_address address_of(uint8_t n) {
    rw_address a = {.port = (uint16_t)(5000 + (n >> 4))};
    a.ip[10] = a.ip[11] = 0xff;
    a.ip[12] = 192, a.ip[14] = 2, a.ip[15] = (uint8_t)(1 + (n & 15) % (PEERS + 2));
    return a;
}

/* ------------------------------------------------------------------------------------------------------------ what always holds */

static uint32_t map_size(const map *m) {
    uint32_t found = 0;
    for (uint32_t i = 0; m->cells && i <= m->mask; i++) found += m->cells[i].value != NULL;
    CHECK(found == m->count);
    return found;
}

static void check_source(const rw_engine *e, source *s, uint32_t *repairs) {
    CHECK(map_get(&e->by_up_ssrc, ssrc_key(s->track->owner, s->ssrc)) == s);
    if (s->rtx_ssrc) {
        CHECK(map_get(&e->by_rtx_ssrc, ssrc_key(s->track->owner, s->rtx_ssrc)) == s);
        ++*repairs;
    }
    CHECK(s->missing_count <= MISSING);
    CHECK((s->nacking >= 0) == (s->missing_count > 0));
    if (s->nacking >= 0) CHECK(e->nacking.items[s->nacking] == s);
    if (s->asking >= 0) CHECK(e->asking.items[s->asking] == s);
    for (uint32_t i = 0; i < s->missing_count; i++) CHECK(s->missing[i].extended_seq < s->highest);
}

static void check_engine(const rw_engine *e) {
    uint32_t ups = 0, downs = 0, layers = 0, repairs = 0, addresses = 0;
    CHECK(e->all_peers.count == e->peers.count);
    for (uint32_t i = 0; i < e->all_peers.count; i++) {
        peer *p = e->all_peers.items[i];
        CHECK(p->position == i && table_get(&e->peers, p->handle) == p);
        CHECK(p->first_out == -1 && p->last_out == -1 && p->idle_count <= IDLE_STREAMS);
        bool sends = !p->send_to;
        for (uint32_t j = 0; j < p->bindings.count; j++, addresses++) {
            binding *b = p->bindings.items[j];
            CHECK(b->owner == p && find_binding(e, &b->remote) == b);
            sends |= p->send_to == b;
        }
        CHECK(sends && p->bindings.count <= PEER_ADDRESSES);
        for (uint32_t j = 0; j < p->ups.count; j++, ups++) {
            up_track *t = p->ups.items[j];
            CHECK(t->owner == p && table_get(&e->ups, t->handle) == t && t->first_packet == -1);
            for (uint32_t l = 0; l < t->parameters.layers; l++, layers++) check_source(e, &t->sources[l], &repairs);
        }
        for (uint32_t j = 0; j < p->downs.count; j++, downs++) {
            down_track *d = p->downs.items[j];
            CHECK(d->owner == p && d->owner_position == j && table_get(&e->downs, d->handle) == d);
            CHECK(d->up_position < d->up->downs.count && d->up->downs.items[d->up_position] == d);
            CHECK(map_get(&e->by_down_ssrc, ssrc_key(p, d->parameters.ssrc)) == d);
            CHECK(!d->synced || (d->layer >= 0 && d->layer < (int32_t)d->up->parameters.layers));
        }
    }
    CHECK(ups == e->ups.count && downs == e->downs.count && addresses == e->counters.addresses);
    CHECK(map_size(&e->by_up_ssrc) == layers && map_size(&e->by_rtx_ssrc) == repairs && map_size(&e->by_down_ssrc) == downs);
    CHECK(e->touched.count == 0 && e->receivers.count == 0 && e->arena_used <= ARENA_SIZE && e->sending.piece_count <= ARENA_PACKETS);
    CHECK(e->nacking.count <= layers && e->asking.count <= layers);
    for (uint32_t i = 0; i < e->news.count; i++) CHECK(((peer *)e->news.items[i])->departures->news == (int32_t)i);
    for (uint32_t i = 0; i < e->probing.count; i++) {
        enum probe_state state = ((peer *)e->probing.items[i])->departures->probe.state;
        CHECK(state == PROBE_ASKED || state == PROBE_SENDING);
    }
}

static void check_output(rw_engine *e) {
    rw_output o;
    for (int i = 0; i < 8 && rw_output_at(e, i, &o); i++) CHECK(o.length >= 8 && o.data && o.remote.port);
}

/* ------------------------------------------------------------------------------------------------------------ operations */

static void step(uint32_t elapsed) {
    w.now += elapsed;
    rw_step(w.engine, w.now);
    if (w.engine->fd < 0) check_output(w.engine);
    else transmit(w.engine);
    check_engine(w.engine);
    w.put = 0;
}

static void put(uint8_t from, const uint8_t *octets, int length, bool known) {
    rw_address remote = known ? address_of(from % PEERS) : address_of(from), local = address_of((uint8_t)(from ^ 1));
    if (rw_put(w.engine, octets, length, &remote, from & 64 ? NULL : &local) == RW_OK) {
        w.put++;
        return;
    }
    step(1000);
    CHECK(rw_put(w.engine, octets, length, &remote, &local) == RW_OK);
}

static void open_peer(uint8_t n) {
    rw_address remote = address_of(n % PEERS);
    int64_t *handle = &w.peers[n % PEERS];
    if (rw_remove_peer(w.engine, *handle) == RW_OK && n & 128) return; /* the stale handle stays in use */
    bool records = n == RECORDER || (n % PEERS == RECORDER && n & 64);
    *handle = records ? rw_add_recorder(w.engine, 4000) : rw_add_peer(w.engine, 0x9000u + n);
    CHECK(rw_bind_address(w.engine, *handle, &remote) == RW_OK);
    CHECK(rw_set_send_address(w.engine, *handle, &remote) == RW_OK);
    CHECK(rw_set_sessions(w.engine, *handle, &sessions[n % PEERS], &sessions[n % PEERS]) == RW_OK);
}

/* Numbers as Chromium's: 96 VP8, 97 its RTX, 102 and 103 H264, 111 Opus, 63 RED. */
static void open_up(uint8_t n, uint8_t from, uint8_t how) {
    rw_up_parameters q = {.clock_rate = 90000, .video = !(how & 1), .layers = 1 + (how >> 1) % RW_LAYERS};
    n %= UPS;
    if (!q.video) q.clock_rate = 48000, q.layers = 1;
    memset(q.repairs, NONE, sizeof q.repairs);
    for (uint32_t l = 0; l < q.layers; l++) {
        q.ssrcs[l] = w.layers[n][l].ssrc = 0x1000u * (n + 1u) + 0x10u * l;
        if (q.video && !(how & 16)) q.rtx_ssrcs[l] = q.ssrcs[l] + 1;
    }
    if (how & 32) q.ssrcs[q.layers - 1] = q.ssrcs[0]; /* a liar's SDP */
    q.codecs[96] = RW_CODEC_VP8, q.codecs[102] = RW_CODEC_H264, q.codecs[111] = RW_CODEC_OTHER, q.codecs[63] = RW_CODEC_RED;
    q.repairs[97] = 96, q.repairs[103] = 102;
    q.audio_level_id = 1, q.transport_sequence_id = how & 64 ? 3 : 0;
    rw_remove_up_track(w.engine, w.ups[n]);
    w.ups[n] = rw_add_up_track(w.engine, w.peers[from % PEERS], &q);
}

static void open_down(uint8_t n, uint8_t to, uint8_t of, uint8_t how) {
    rw_down_parameters q = {.ssrc = 0x20000u + (how & 64 ? n / 2 : n) % DOWNS * 16u, .cname_length = how & 32 ? RW_CNAME_SIZE : 5};
    n %= DOWNS;
    if (!(how & 1)) q.rtx_ssrc = q.ssrc + 1;
    memset(q.payload_types, NONE, sizeof q.payload_types);
    memset(q.rtx_payload_types, NONE, sizeof q.rtx_payload_types);
    q.payload_types[96] = 120, q.payload_types[111] = 109;
    if (!(how & 32)) q.payload_types[63] = 110;
    if (!(how & 2)) q.payload_types[102] = 126;
    if (!(how & 4)) q.rtx_payload_types[96] = 124;
    if (!(how & 2)) q.rtx_payload_types[102] = 127;
    for (int i = 1; i < 16; i++) q.extensions[i] = (uint8_t)(how & 8 ? 16 - i : how & 16 ? 0 : i + 20);
    q.playout_delay_id = how & 128 ? 9 : how & 16 ? 17 : 0;
    q.transport_sequence_id = how & 8 ? 5 : how & 4 ? 18 : 0;
    memset(q.cname, 'a', q.cname_length);
    rw_remove_down_track(w.engine, w.downs[n]);
    w.downs[n] = rw_add_down_track(w.engine, w.peers[to % PEERS], w.ups[of % UPS], &q);
}

static uint32_t put_rtp_header(uint8_t *octets, counters_of_layer *c, uint8_t type, bool marker) {
    octets[0] = 0x80;
    octets[1] = (uint8_t)(type | (marker ? 0x80 : 0));
    put16(octets + 2, c->seq);
    put32(octets + 4, c->time);
    put32(octets + 8, c->ssrc);
    return 12;
}

/* A frame of VP8 in 1 to 4 packets, of which some may be lost, held back or repeated. */
static void put_vp8(reader *r) {
    uint8_t which = take8(r), shape = take8(r), fate = take8(r), octets[RW_SLOT_SIZE];
    up_track *t = table_get(&w.engine->ups, w.ups[which % UPS]);
    counters_of_layer *c = &w.layers[which % UPS][which / UPS % RW_LAYERS];
    uint8_t from = 0;
    for (uint8_t p = 0; p < PEERS; p++)
        if (t && w.peers[p] == t->owner->handle) from = p;
    bool key = shape & 1;
    uint8_t tid = shape >> 1 & 3, packets = 1 + (shape >> 3 & 3), size = take8(r);
    c->picture++;
    c->time += 3000;
    if (!tid) c->tl0++;
    if (fate & 128) c->seq = (uint16_t)(c->seq + take16(r)), c->time += take16(r) << 8, c->picture = (uint16_t)(c->picture + take8(r));
    for (uint8_t i = 0; i < packets; i++, fate = (uint8_t)(fate >> 1 | (fate & 1) << 7)) {
        uint32_t at = put_rtp_header(octets, c, 96, i + 1 == packets);
        if (shape & 64) { /* header extension */
            octets[0] |= 0x10;
            put16(octets + at, 0xbede), put16(octets + at + 2, 2);
            octets[at + 4] = 0x22, octets[at + 8] = 0x10; /* send time, audio level */
            octets[at + 5] = octets[at + 6] = octets[at + 7] = octets[at + 9] = octets[at + 10] = octets[at + 11] = 0;
            at += 12;
        }
        octets[at++] = i ? 0x80 : 0x90;
        octets[at++] = shape & 32 ? 0xa0 : 0xe0;
        put16(octets + at, (uint16_t)(0x8000 | c->picture));
        if (shape & 128) octets[at++] = c->picture & 0x7f;
        else at += 2;
        if (!(shape & 32)) octets[at++] = c->tl0;
        octets[at++] = (uint8_t)(tid << 6 | (shape & 32));
        octets[at++] = i || !key;
        memset(octets + at, size, size);
        at += size;
        if (fate & 1) put(from, octets, (int)at, true);
        if (fate & 2) put(from, octets, (int)at, true);
        c->seq++;
        if (fate & 4) { /* the one before, as RTX */
            uint32_t header = shape & 64 ? 24 : 12;
            memmove(octets + header + 2, octets + header, at - header);
            put16(octets + header, (uint16_t)(c->seq - 2));
            put32(octets + 8, c->ssrc + 1);
            octets[1] = 97;
            put(from, octets, (int)at + 2, true);
        }
    }
}

static void put_any_rtp(reader *r) {
    uint8_t which = take8(r), first = take8(r), type = take8(r), octets[RW_SLOT_SIZE] = {0};
    static const uint8_t types[] = {96, 97, 102, 103, 111, 63, 0, 127};
    counters_of_layer *c = &w.layers[which % UPS][which / UPS % RW_LAYERS];
    c->seq = (uint16_t)(c->seq + (int8_t)take8(r));
    uint32_t at = put_rtp_header(octets, c, types[type & 7], type & 8);
    octets[0] = (uint8_t)(0x80 | (first & 0x3f));
    if (type & 16) put32(octets + 8, c->ssrc + 1);
    at += 4u * (first & 15);
    if (first & 0x10) {
        uint8_t size = take8(r) % 40;
        put16(octets + at, type & 32 ? 0x1000 : 0xbede);
        put16(octets + at + 2, size);
        take(r, octets + at + 4, 4u * size);
        at += 4 + 4u * size;
    }
    at += take(r, octets + at, take8(r) & 127);
    put(0, octets, (int)at, true);
}

static void put_rtcp(reader *r) {
    uint8_t from = take8(r), octets[RW_SLOT_SIZE];
    uint32_t at = 0;
    for (uint8_t more = 1; more && at + 4 + 4 * 63 < sizeof octets;) {
        uint8_t kind = take8(r), which = take8(r), body[4 * 64] = {0};
        uint32_t size = 4u * (2 + (take8(r) & 31));
        more = kind & 128;
        down_track *d = table_get(&w.engine->downs, w.downs[which % DOWNS]);
        const counters_of_layer *c = &w.layers[which % UPS][which / UPS % RW_LAYERS];
        uint32_t down_ssrc = d ? d->parameters.ssrc : 0x20000;
        if (d && kind & 64) /* to where it is understood */
            for (uint8_t p = 0; p < PEERS; p++)
                if (w.peers[p] == d->owner->handle) from = p;
        take(r, body, size);
        uint8_t type = 201, count = 1;
        switch (kind & 7) {
        case 0: type = (uint8_t)(192 + (body[0] & 31)), count = body[1] & 31; break;
        case 1: type = 200, count = body[5] & 3, put32(body, c->ssrc); break;
        case 2: put32(body + 4, down_ssrc); if (d) put32(body + 20, d->reports[body[12] % SENDER_REPORTS].ntp_middle); break;
        case 3: type = 205; put32(body + 4, down_ssrc); if (d) put16(body + 8, (uint16_t)(d->last_out - body[8])); break;
        case 4: type = 206; put32(body + 4, down_ssrc); break;
        case 5: type = 206, count = 4; put32(body + 8, down_ssrc); break;
        case 6: /* what came of the latest that were sent */
            type = 205, count = 15;
            if (d && d->owner->departures) put16(body + 8, (uint16_t)(d->owner->departures->next - body[8] % 40));
            if (!(body[10] & 0xfe)) body[10] = 0;
            break;
        default: type = 205, count = body[0] & 31; break;
        }
        if (kind & 32) size -= 4; /* shorter than it should be */
        put_header(octets + at, count, type, 4 + size);
        memcpy(octets + at + 4, body, size);
        at += 4 + size;
    }
    put(from, octets, (int)at, true);
}

static void put_octets(reader *r) {
    uint8_t from = take8(r), octets[RW_SLOT_SIZE + 8];
    uint32_t length = take16(r) % sizeof octets;
    uint32_t taken = take(r, octets, length);
    put(from, octets, from & 128 ? (int)length : (int)taken, from & 32);
}

static void change_down(uint8_t n, uint8_t how) {
    int64_t down = w.downs[n % DOWNS];
    switch (how & 7) {
    case 0: rw_pause_down_track(w.engine, down); break;
    case 1: rw_resume_down_track(w.engine, down); break;
    case 2: rw_set_playout_delay(w.engine, down, how << 2); break;
    default: rw_set_target_layer(w.engine, down, (how >> 3 & 7) - 1, (how >> 6 & 3) - 1);
    }
}

static void change_peer(uint8_t n, uint8_t how) {
    int64_t handle = w.peers[n % PEERS];
    rw_address remote = address_of((uint8_t)(n >> 3 | (how & 0xf0)));
    switch (how & 7) {
    case 0: rw_bind_address(w.engine, handle, &remote); break;
    case 1: rw_unbind_address(w.engine, &remote); break;
    case 2: rw_set_send_address(w.engine, handle, &remote); break;
    case 3: rw_set_send_address(w.engine, handle, NULL); break;
    case 4: rw_set_sessions(w.engine, handle, how & 8 ? NULL : &sessions[n % PEERS], how & 8 ? NULL : &sessions[n % PEERS]); break;
    case 5: rw_set_receive_bitrate(w.engine, handle, (uint64_t)how << (n >> 3)); break;
    case 6: rw_probe(w.engine, handle, (uint64_t)how << 15, (int64_t)n << 8); break;
    default: w.refuse = how >> 2;
    }
}

static void read_all(uint8_t n) {
    rw_up_statistics up;
    rw_down_statistics down;
    rw_counters counters;
    static rw_event event;
    rw_read_up_statistics(w.engine, &w.ups[n % UPS], 1, &up);
    rw_read_down_statistics(w.engine, &w.downs[n % DOWNS], 1, &down);
    int32_t level;
    rw_delivery delivery;
    uint8_t records[3000];
    uint64_t dropped;
    int taken = rw_take_records(w.engine, w.peers[n % PEERS], records, sizeof records, &dropped);
    for (int at = 0; at < taken;) {
        rw_record head;
        CHECK(taken - at > (int)sizeof head);
        memcpy(&head, records + at, sizeof head);
        CHECK(head.length >= 12 && head.length <= RW_SLOT_SIZE + 8 && table_get(&w.engine->peers, w.peers[RECORDER]));
        at += (int)sizeof head + head.length;
        CHECK(at <= taken);
    }
    rw_take_audio_levels(w.engine, &w.ups[n % UPS], 1, &level);
    for (uint8_t i = 0; i < n % 3 && rw_take_deliveries(w.engine, &delivery, 1); i++) CHECK(table_get(&w.engine->peers, delivery.peer) && delivery.queue >= 0);
    rw_read_counters(w.engine, &counters);
    for (uint8_t i = 0; i < n && rw_take_event(w.engine, &event); i++) CHECK(event.length >= 0 && event.length <= RW_SLOT_SIZE);
}

static void operate(reader *r) {
    uint8_t operation = take8(r), n, m;
    switch (operation & 15) {
    case 0: put_octets(r); break;
    case 1: put_any_rtp(r); break;
    case 2:
    case 3:
    case 4: put_vp8(r); break;
    case 5:
    case 6: put_rtcp(r); break;
    case 7:
    case 8: step((uint32_t)take8(r) << (operation >> 4)); break;
    case 9: n = take8(r), change_down(n, take8(r)); break;
    case 10: n = take8(r), change_peer(n, take8(r)); break;
    case 11: n = take8(r), rw_request_keyframe(w.engine, w.ups[n % UPS], n / UPS % 6 - 1); break;
    case 12: open_peer(take8(r)); break;
    case 13: n = take8(r), m = take8(r), open_up(n, m, take8(r)); break;
    case 14: n = take8(r), m = take8(r), open_down(n, m, m >> 4, take8(r)); break;
    default: read_all(take8(r));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const rw_policy policy = {.keyframe_interval = 300000, .keyframe_retry = 500000, .nack_delay = 10000, .nack_lifetime = 1000000,
        .resend_interval = 20000, .report_interval = 1000000, .silence = 1000000, .nack_tries = 10, .keyframe_tries = 6, .unbound_per_second = 100};
    static const rw_crypto crypto = {protect_packet, leave, protect_report, leave, forget_stream};
    reader r = {data, data + size};
    uint8_t world_kind = take8(&r), first = take8(&r);
    memset(&w, 0, sizeof w);
    world_number++;
    w.now = world_kind & 8 ? INT64_C(1) << 40 : 10000000;
    w.engine = rw_create(&policy, world_kind & 1 ? NULL : &crypto);
    if (world_kind & 2) { /* with a socket that this target stands in for */
        CHECK(rw_open(w.engine, 1000, -1, 1, 0, world_kind & 4) == 0);
        w.engine->wildcard = world_kind & 16, w.engine->ipv6 = !(world_kind & 32);
        rw_set_send(w.engine, send_or_refuse);
    }
    for (uint8_t n = 0; n < UPS; n++)
        for (uint8_t l = 0; l < RW_LAYERS; l++)
            w.layers[n][l] = (counters_of_layer){.seq = (uint16_t)(first << 8), .picture = (uint16_t)(first << 7), .time = (uint32_t)first << 24, .ssrc = 0x1000u * (n + 1u) + 0x10u * l};
    for (uint8_t n = 0; n < 3; n++) open_peer(n);
    open_up(0, 0, 0x44); /* three layers */
    open_up(1, 0, 1);    /* a microphone */
    for (uint8_t n = 0; n < 4; n++) open_down(n, (uint8_t)(1 + n % 2), n / 2, n & 1 ? 1 : 8);
    while (r.at < r.end) operate(&r);
    step(1000);
    step(2000000);
    w.engine->fd = -1;
    rw_destroy(w.engine);
    return 0;
}
