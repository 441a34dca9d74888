/* The load tester's packet path: paced senders and counting receivers on one thread and one epoll set, one UDP socket an endpoint.
 *
 * It knows RTP, RTCP and opaque SRTP sessions, whose functions come from Python as pointers: nothing is linked. STUN and DTLS go to Python
 * through a bounded queue and an eventfd. Python's calls take the one mutex, which the thread holds for a tick's work and never while it sleeps.
 * Nothing is allocated per packet.
 *
 * It shares no code with the media server's engine: what both did wrong alike would not be noticed.
 *
 * Receive sockets do not ask for UDP_GRO: on loopback that would hand over a sender's GSO burst undivided, and spare the SFU under
 * test work that a network makes it do. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

#define ENDPOINTS 4096
#define STREAMS_IN 512   /* received streams an endpoint */
#define STREAMS_OUT 8    /* sent streams an endpoint */
#define BATCH 64         /* datagrams a recvmmsg or sendmmsg */
#define SLOT 1600        /* octets a datagram; longer ones are dropped */
#define RING 512         /* sent packets kept for NACK, a video stream */
#define WINDOW 1024      /* sequence numbers in which duplicates are told from reordered packets */
#define MISSING 64       /* sequence numbers a stream waits for at once */
#define CONTROL 2048     /* datagrams that wait for Python */
#define BUCKETS 1024     /* latency: 32 to a power of two, in microseconds */
#define SECOND 1000000000LL
#define MILLISECOND 1000000LL
#define MAGIC 0x6c6f6164u /* "load": marks our payloads; 12 octets at the end are MAGIC and the wall clock */

typedef int (*srtp_function)(void *session, void *packet, int *length);
typedef union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } address_t;

typedef struct {
  lt_plan plan;
  lt_sent total;
  int64_t due;
  uint16_t seq, picture_id;
  uint8_t tl0;
  uint32_t rtp_time;
  int keyframe_wanted;
  uint8_t (*ring)[SLOT];
  uint16_t *ring_length;
} out_stream;

typedef struct { int64_t seq, due; int tries; } missing_t;

typedef struct {
  uint32_t ssrc;
  lt_received total;
  int64_t base, highest;
  uint64_t seen[WINDOW / 64];
  missing_t missing[MISSING];
  int waiting;
  uint32_t sr_middle;           /* middle 32 bits of the last sender report's NTP time */
  int64_t sr_arrival;
  int64_t transit;
  double jitter;                /* in RTP time, RFC 3550 A.8 */
  uint64_t reported_expected, reported_received;
} in_stream;

typedef struct {
  int fd, open, decrypt, video_payload_type, nack, sending;
  address_t remote;
  socklen_t remote_length;
  void *transmit, *receive;
  out_stream out[STREAMS_OUT];
  int outs, ins, last, waiting;
  in_stream *in;
  int64_t next_rtcp;
  lt_counters count;
} endpoint_t;

struct lt_engine {
  srtp_function protect, unprotect, protect_rtcp, unprotect_rtcp;
  int epoll, event, endpoints, stopping;
  int64_t tick_ns;
  double rate;
  endpoint_t *endpoint[ENDPOINTS];
  pthread_mutex_t mutex;
  uint64_t latency[BUCKETS];
  lt_pace pace;
  lt_datagram *control;
  unsigned control_head, control_count;
  uint8_t in_data[BATCH][SLOT], in_control[BATCH][64];
  struct mmsghdr in_message[BATCH];
  struct iovec in_vector[BATCH];
  address_t in_name[BATCH];
  uint8_t out_data[BATCH][SLOT];
  struct mmsghdr out_message[BATCH];
  struct iovec out_vector[BATCH];
  int outgoing;
};

static int64_t monotonic(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * SECOND + t.tv_nsec; }
static int64_t wall(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); return t.tv_sec * SECOND + t.tv_nsec; }
static void put16(uint8_t *b, uint16_t v) { b[0] = (uint8_t)(v >> 8); b[1] = (uint8_t)v; }
static void put24(uint8_t *b, uint32_t v) { b[0] = (uint8_t)(v >> 16); put16(b + 1, (uint16_t)v); }
static void put32(uint8_t *b, uint32_t v) { put16(b, (uint16_t)(v >> 16)); put16(b + 2, (uint16_t)v); }
static uint16_t get16(const uint8_t *b) { return (uint16_t)(b[0] << 8 | b[1]); }
static uint32_t get32(const uint8_t *b) { return (uint32_t)get16(b) << 16 | get16(b + 2); }

static void record_latency(lt_engine *e, int64_t us) {
  int bucket;
  if (us < 0) us = 0;
  if (us < 32) bucket = (int)us;
  else { int power = 63 - __builtin_clzll((uint64_t)us); bucket = (power - 4) * 32 + (int)((us >> (power - 5)) & 31); }
  e->latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static int parse_address(const char *ip, int port, address_t *out, socklen_t *length) {
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, ip, &out->v4.sin_addr) == 1) { out->v4.sin_family = AF_INET; out->v4.sin_port = htons((uint16_t)port); *length = sizeof out->v4; return 0; }
  if (inet_pton(AF_INET6, ip, &out->v6.sin6_addr) == 1) { out->v6.sin6_family = AF_INET6; out->v6.sin6_port = htons((uint16_t)port); *length = sizeof out->v6; return 0; }
  return -1;
}

/* ---------- sending */
static void flush(lt_engine *e, endpoint_t *p) {
  for (int done = 0; done < e->outgoing;) {
    int n = sendmmsg(p->fd, e->out_message + done, (unsigned)(e->outgoing - done), MSG_DONTWAIT);
    if (n <= 0) { p->count.send_failures++; n = 1; }   /* drop that one: waiting would delay everybody's pace */
    done += n;
  }
  e->outgoing = 0;
}
static uint8_t *next_slot(lt_engine *e, endpoint_t *p) { if (e->outgoing == BATCH) flush(e, p); return e->out_data[e->outgoing]; }
static void enqueue(lt_engine *e, endpoint_t *p, int length) {
  struct mmsghdr *m = &e->out_message[e->outgoing];
  e->out_vector[e->outgoing].iov_len = (size_t)length;
  m->msg_hdr.msg_name = &p->remote; m->msg_hdr.msg_namelen = p->remote_length;
  e->outgoing++;
}
static void send_rtcp(lt_engine *e, endpoint_t *p, uint8_t *slot, int length) {
  if (e->protect_rtcp(p->transmit, slot, &length)) { p->count.send_failures++; return; }
  enqueue(e, p, length);
}

static void send_packet(lt_engine *e, endpoint_t *p, out_stream *s, int index, int keyframe) {
  const lt_plan *plan = &s->plan;
  int last = index == plan->packets - 1, octets = last ? plan->last_octets : plan->payload_octets, n = 12;
  octets += (index & 1) * plan->uneven;
  uint8_t *b = next_slot(e, p);
  b[0] = 0x80; b[1] = (uint8_t)(plan->payload_type | (last && plan->is_video ? 0x80 : 0));
  put16(b + 2, s->seq); put32(b + 4, s->rtp_time); put32(b + 8, plan->ssrc);
  int end = n + octets;
  memset(b + n, 0xa5, (size_t)octets);
  if (plan->is_video) {                     /* RFC 7741 section 4.2: X, S; I with a 15-bit picture id, L, T; temporal layer 0, Y */
    b[n++] = (uint8_t)(0x80 | (index ? 0 : 0x10)); b[n++] = 0xe0;
    put16(b + n, (uint16_t)(0x8000 | (s->picture_id & 0x7fff))); n += 2; b[n++] = s->tl0; b[n++] = 0x20;
    if (!index) {                           /* RFC 6386 section 9.1: frame tag, shown, first partition; key frames start code and 640x480 */
      uint32_t tag = (keyframe ? 0u : 1u) | 1u << 4 | (uint32_t)(plan->payload_octets & 0x7ffff) << 5;
      b[n++] = (uint8_t)tag; b[n++] = (uint8_t)(tag >> 8); b[n++] = (uint8_t)(tag >> 16);
      if (keyframe) { static const uint8_t start[7] = {0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01}; memcpy(b + n, start, 7); }
    }
  }
  int64_t now = wall();
  put32(b + end - 12, MAGIC); memcpy(b + end - 8, &now, 8);
  if (s->ring) { memcpy(s->ring[s->seq % RING], b, (size_t)end); s->ring_length[s->seq % RING] = (uint16_t)end; }
  s->seq++;
  int length = end;
  if (e->protect(p->transmit, b, &length)) { p->count.send_failures++; return; }
  enqueue(e, p, length);
  s->total.packets++; s->total.octets += (uint64_t)octets;
}
static void send_due(lt_engine *e, endpoint_t *p, int64_t now) {
  for (int i = 0; i < p->outs; i++) {
    out_stream *s = &p->out[i];
    if (s->due == INT64_MAX) { s->due = now + (int64_t)(s->plan.ssrc * 2654435761u % 1000) * s->plan.interval_ns / 1000; s->keyframe_wanted = 1; }
    if (now - s->due > SECOND / 2) s->due = now;          /* after a stall go on from here instead of sending it all at once */
    while (s->due <= now) {
      int keyframe = s->plan.is_video && s->keyframe_wanted;
      double scale = s->plan.is_video ? e->rate : 1.0;
      if (keyframe) { s->keyframe_wanted = 0; s->total.keyframes++; }
      for (int k = 0; k < s->plan.packets; k++) send_packet(e, p, s, k, keyframe);
      int64_t step = (int64_t)((double)s->plan.interval_ns / scale);
      s->total.frames++; s->due += step; s->picture_id++; s->tl0++;
      s->rtp_time += (uint32_t)((step * (int64_t)s->plan.clock_rate + SECOND / 2) / SECOND);
    }
  }
  if (e->outgoing) flush(e, p);
}
static void resend(lt_engine *e, endpoint_t *p, uint32_t ssrc, uint16_t seq) {
  for (int i = 0; i < p->outs; i++) {
    out_stream *s = &p->out[i];
    if (s->plan.ssrc != ssrc || !s->ring || (uint16_t)(s->seq - 1 - seq) >= RING || !s->ring_length[seq % RING]) continue;
    int length = s->ring_length[seq % RING];
    uint8_t *b = next_slot(e, p);
    memcpy(b, s->ring[seq % RING], (size_t)length);
    if (get16(b + 2) != seq || e->protect(p->transmit, b, &length)) return;
    enqueue(e, p, length); s->total.retransmitted++;
  }
}

/* ---------- RTCP, RFC 3550 section 6 and RFC 4585 */
static void send_sender_reports(lt_engine *e, endpoint_t *p, int64_t now) {
  for (int i = 0; i < p->outs; i++) {
    out_stream *s = &p->out[i];
    if (!s->total.packets) continue;
    int64_t t = wall();
    uint8_t *b = next_slot(e, p);
    memset(b, 0, 52);
    b[0] = 0x80; b[1] = 200; put16(b + 2, 6); put32(b + 4, s->plan.ssrc);
    put32(b + 8, (uint32_t)(t / SECOND + 2208988800LL)); put32(b + 12, (uint32_t)((double)(t % SECOND) * 4.294967296));
    put32(b + 16, s->rtp_time - (uint32_t)((s->due - now) * (int64_t)s->plan.clock_rate / SECOND));
    put32(b + 20, (uint32_t)s->total.packets); put32(b + 24, (uint32_t)s->total.octets);
    b[28] = 0x81; b[29] = 202; put16(b + 30, 3); put32(b + 32, s->plan.ssrc); b[36] = 1; b[37] = 4; memcpy(b + 38, "load", 4);
    send_rtcp(e, p, b, 44);
  }
}
static uint32_t fraction_lost(in_stream *s) {
  uint64_t expected = s->total.expected - s->reported_expected, received = s->total.received - s->reported_received;
  s->reported_expected = s->total.expected; s->reported_received = s->total.received;
  return expected > received ? (uint32_t)((expected - received) * 256 / expected) & 255 : 0;
}
static void send_receiver_reports(lt_engine *e, endpoint_t *p, int64_t now) {
  uint32_t own = 1 + (uint32_t)p->fd;
  for (int first = 0; first < p->ins; first += 24) {
    int blocks = p->ins - first < 24 ? p->ins - first : 24, n = 8;
    uint8_t *b = next_slot(e, p);
    b[0] = (uint8_t)(0x80 | blocks); b[1] = 201; put16(b + 2, (uint16_t)(1 + 6 * blocks)); put32(b + 4, own);
    for (int i = 0; i < blocks; i++, n += 24) {
      in_stream *s = &p->in[first + i];
      put32(b + n, s->ssrc);
      put32(b + n + 4, fraction_lost(s) << 24 | ((uint32_t)(s->total.expected - s->total.received) & 0xffffff));
      put32(b + n + 8, (uint32_t)s->highest); put32(b + n + 12, (uint32_t)s->jitter);
      put32(b + n + 16, s->sr_middle); put32(b + n + 20, s->sr_middle ? (uint32_t)((now - s->sr_arrival) * 65536 / SECOND) : 0);
    }
    /* REMB, 400 Mbit/s: the tester never asks for less than it is sent */
    int r = n; uint32_t mantissa = 400000000, exponent = 0;
    while (mantissa > 0x3ffff) { mantissa >>= 1; exponent++; }
    b[r] = 0x8f; b[r + 1] = 206; put16(b + r + 2, (uint16_t)(4 + blocks)); put32(b + r + 4, own); put32(b + r + 8, 0);
    memcpy(b + r + 12, "REMB", 4); b[r + 16] = (uint8_t)blocks; put24(b + r + 17, exponent << 18 | mantissa);
    for (int i = 0; i < blocks; i++) put32(b + r + 20 + 4 * i, p->in[first + i].ssrc);
    send_rtcp(e, p, b, r + 20 + 4 * blocks);
  }
}
static void send_nacks(lt_engine *e, endpoint_t *p, int64_t now) {
  uint32_t own = 1 + (uint32_t)p->fd;
  for (int i = 0; i < p->ins; i++) {
    in_stream *s = &p->in[i];
    if (!s->waiting) continue;
    uint8_t *b = next_slot(e, p);
    int n = 12, kept = 0;
    for (int k = 0; k < s->waiting; k++) {
      missing_t m = s->missing[k];
      if (m.tries == 5 || m.seq <= s->highest - WINDOW) { p->waiting--; continue; }
      if (m.due <= now) { put16(b + n, (uint16_t)m.seq); put16(b + n + 2, 0); n += 4; m.tries++; m.due = now + 100 * MILLISECOND; s->total.nacked++; }
      s->missing[kept++] = m;
    }
    s->waiting = kept;
    if (n == 12) continue;
    b[0] = 0x81; b[1] = 205; put16(b + 2, (uint16_t)(n / 4 - 1)); put32(b + 4, own); put32(b + 8, s->ssrc);
    /* RFC 4585 section 3.1: feedback goes in a compound packet, after an (empty) report */
    memmove(b + 8, b, (size_t)n); b[0] = 0x80; b[1] = 201; put16(b + 2, 1); put32(b + 4, own);
    send_rtcp(e, p, b, n + 8);
  }
}
static in_stream *find_in(endpoint_t *p, uint32_t ssrc) {
  if (p->last < p->ins && p->in[p->last].ssrc == ssrc) return &p->in[p->last];
  for (int i = 0; i < p->ins; i++) if (p->in[i].ssrc == ssrc) { p->last = i; return &p->in[i]; }
  return NULL;
}
static void receive_feedback(lt_engine *e, endpoint_t *p, const uint8_t *b, int length) {
  int type = b[1], format = b[0] & 31;
  uint32_t media = length >= 12 ? get32(b + 8) : 0;
  if (type == 206 && format == 15 && length >= 20 && !memcmp(b + 12, "REMB", 4)) {
    p->count.remb_bps = (uint64_t)(get32(b + 16) & 0x3ffff) << (b[17] >> 2);
  } else if (type == 206 && (format == 1 || format == 4) && length >= 12) {
    p->count.pli_received++;
    for (int i = 0; i < p->outs; i++) {
      int meant = p->out[i].plan.ssrc == media;
      for (int o = 12; format == 4 && o + 8 <= length; o += 8) meant |= get32(b + o) == p->out[i].plan.ssrc;
      if (meant) p->out[i].keyframe_wanted = 1;
    }
  } else if (type == 205 && format == 1) {
    p->count.nack_received++;
    for (int o = 12; o + 4 <= length; o += 4) {
      uint16_t seq = get16(b + o), mask = get16(b + o + 2);
      resend(e, p, media, seq);
      for (int k = 0; k < 16; k++) if (mask >> k & 1) resend(e, p, media, (uint16_t)(seq + k + 1));
    }
  }
}
static void receive_rtcp(lt_engine *e, endpoint_t *p, uint8_t *b, int n, int64_t now) {
  p->count.rtcp_received++;
  if (e->unprotect_rtcp(p->receive, b, &n)) { p->count.authentication_failures++; return; }
  for (int o = 0; o + 8 <= n;) {
    int type = b[o + 1], length = 4 * (get16(b + o + 2) + 1), reports = b[o] & 31;
    if (o + length > n) break;
    if (type == 200 && length >= 28) {
      in_stream *s = find_in(p, get32(b + o + 4));
      if (s) { s->sr_middle = get32(b + o + 10); s->sr_arrival = now; }
    }
    if (type == 200 || type == 201)
      for (int k = 0, r = o + (type == 200 ? 28 : 8); k < reports && r + 24 <= o + length; k++, r += 24) p->count.receiver_lost = get32(b + r + 4) & 0xffffff;
    if (type == 205 || type == 206) receive_feedback(e, p, b + o, length);
    o += length;
  }
  if (e->outgoing) flush(e, p);
}

/* ---------- receiving RTP */
static void note_gap(endpoint_t *p, in_stream *s, int64_t from, int64_t to, int64_t now) {
  for (int64_t seq = from; seq < to && s->waiting < MISSING; seq++) {
    s->missing[s->waiting++] = (missing_t){seq, now + 10 * MILLISECOND, 0}; p->waiting++;   /* 10 ms for reordering */
  }
}
static int count_packet(endpoint_t *p, in_stream *s, uint16_t seq, int64_t now) {
  int64_t extended = s->highest + (int16_t)(seq - (uint16_t)s->highest);
  if (extended > s->highest) {
    int64_t gap = extended - s->highest;
    if (gap >= WINDOW) memset(s->seen, 0, sizeof s->seen);
    else for (int64_t k = s->highest + 1; k <= extended; k++) s->seen[k % WINDOW / 64] &= ~(1ULL << (k % 64));
    if (gap > 1 && p->nack && s->total.payload_type == p->video_payload_type) note_gap(p, s, s->highest + 1, extended, now);
    s->highest = extended;
  } else if (extended <= s->highest - WINDOW || extended < s->base || s->seen[extended % WINDOW / 64] >> (extended % 64) & 1) {
    s->total.duplicates++; return 0;
  } else {
    s->total.reordered++;
    for (int k = 0; k < s->waiting; k++) if (s->missing[k].seq == extended) {
      if (s->missing[k].tries) s->total.recovered++;
      s->missing[k] = s->missing[--s->waiting]; p->waiting--;
      break;
    }
  }
  s->seen[extended % WINDOW / 64] |= 1ULL << (extended % 64);
  s->total.received++; s->total.expected = (uint64_t)(s->highest - s->base + 1);
  return 1;
}
static void receive_rtp(lt_engine *e, endpoint_t *p, uint8_t *b, int n, int64_t now, int64_t arrival_wall) {
  uint32_t ssrc = get32(b + 8);
  in_stream *s = find_in(p, ssrc);
  if (!s) {
    if (p->ins == STREAMS_IN) return;
    p->last = p->ins; s = &p->in[p->ins++];
    memset(s, 0, sizeof *s);
    s->ssrc = s->total.ssrc = ssrc; s->total.payload_type = b[1] & 127; s->total.first_ns = s->total.last_ns = now;
    s->base = 65536 + get16(b + 2); s->highest = s->base - 1;
  }
  s->total.octets += (uint64_t)n;
  if (!count_packet(p, s, get16(b + 2), now)) return;
  if (now - s->total.last_ns > s->total.silence_ns) s->total.silence_ns = now - s->total.last_ns;
  s->total.last_ns = now;
  int64_t rate = s->total.payload_type == p->video_payload_type ? 90000 : 48000, transit = now / 1000 * rate / 1000000 - get32(b + 4);
  int32_t change = (int32_t)(transit - s->transit);
  if (s->total.received > 1) s->jitter += ((change < 0 ? -(double)change : change) - s->jitter) / 16;
  s->transit = transit;
  if (!p->decrypt) return;
  int length = n;
  if (e->unprotect(p->receive, b, &length)) { p->count.authentication_failures++; return; }
  p->count.decrypted++;
  if (length >= 24 && get32(b + length - 12) == MAGIC) {
    int64_t sent; memcpy(&sent, b + length - 8, 8); record_latency(e, (arrival_wall - sent) / 1000);
  } else p->count.foreign_payloads++;
}
static void hand_over(lt_engine *e, int id, const uint8_t *b, int n, const address_t *from) {
  if (e->control_count == CONTROL) { e->pace.control_dropped++; return; }
  lt_datagram *d = &e->control[(e->control_head + e->control_count++) % CONTROL];
  d->endpoint = id; d->length = (uint16_t)n; memcpy(d->data, b, (size_t)n);
  if (from->any.sa_family == AF_INET) { d->family = 4; d->port = ntohs(from->v4.sin_port); memcpy(d->address, &from->v4.sin_addr, 4); }
  else { d->family = 6; d->port = ntohs(from->v6.sin6_port); memcpy(d->address, &from->v6.sin6_addr, 16); }
  uint64_t one = 1;
  if (write(e->event, &one, sizeof one) < 0) return;   /* the counter is full: it is readable already */
}
static int64_t kernel_arrival(struct msghdr *m) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) { struct timespec t; memcpy(&t, CMSG_DATA(c), sizeof t); return t.tv_sec * SECOND + t.tv_nsec; }
  return wall();
}
static void receive(lt_engine *e, int id) {
  endpoint_t *p = e->endpoint[id];
  for (int round = 0; round < 64; round++) {
    for (int i = 0; i < BATCH; i++) { e->in_message[i].msg_hdr.msg_namelen = sizeof e->in_name[i]; e->in_message[i].msg_hdr.msg_controllen = p->decrypt ? sizeof e->in_control[i] : 0; }
    int n = recvmmsg(p->fd, e->in_message, BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) return;
    int64_t now = monotonic();
    for (int i = 0; i < n; i++) {
      uint8_t *b = e->in_data[i]; int length = (int)e->in_message[i].msg_len;
      if (length < 12 || (e->in_message[i].msg_hdr.msg_flags & MSG_TRUNC)) continue;
      if (b[0] < 128 || b[0] > 191) hand_over(e, id, b, length, &e->in_name[i]);            /* RFC 7983 */
      else if (!p->receive) continue;
      else if (b[1] >= 192 && b[1] <= 223) receive_rtcp(e, p, b, length, now);              /* RFC 5761 section 4 */
      else receive_rtp(e, p, b, length, now, p->decrypt ? kernel_arrival(&e->in_message[i].msg_hdr) : 0);
    }
    if (n < BATCH) return;
  }
}

/* ---------- the thread */
static void handle_timers(lt_engine *e, endpoint_t *p, int64_t now) {
  if (!p->sending) return;
  if (p->waiting) send_nacks(e, p, now);
  if (now >= p->next_rtcp) { send_sender_reports(e, p, now); send_receiver_reports(e, p, now); p->next_rtcp = now + SECOND; }
  if (e->outgoing) flush(e, p);
}
void lt_run(lt_engine *e) {
  struct epoll_event ready[256];
  int64_t next = monotonic(), timers = 0;
  for (;;) {
    pthread_mutex_lock(&e->mutex);
    if (e->stopping) { pthread_mutex_unlock(&e->mutex); return; }
    int64_t now = monotonic();
    for (int i = 0; i < e->endpoints; i++) { endpoint_t *p = e->endpoint[i]; if (p->sending && p->outs) send_due(e, p, now); }
    for (int rounds = 0, n = 256; n == 256 && rounds < 16; rounds++) {
      n = epoll_wait(e->epoll, ready, 256, 0);
      for (int i = 0; i < n; i++) receive(e, (int)ready[i].data.u32);
    }
    if (now >= timers) { for (int i = 0; i < e->endpoints; i++) handle_timers(e, e->endpoint[i], now); timers = now + 10 * MILLISECOND; }
    uint64_t used = (uint64_t)(monotonic() - now);
    e->pace.ticks++;
    if (used > e->pace.longest_ns) e->pace.longest_ns = used;
    if (used > (uint64_t)e->tick_ns) e->pace.late++;
    pthread_mutex_unlock(&e->mutex);
    next += e->tick_ns;
    if (next < (now = monotonic())) next = now;
    struct timespec t = {next / SECOND, next % SECOND};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
  }
}

/* ---------- what Python calls */
lt_engine *lt_new(uintptr_t protect, uintptr_t unprotect, uintptr_t protect_rtcp, uintptr_t unprotect_rtcp, int64_t tick_ns) {
  lt_engine *e = calloc(1, sizeof *e);
  if (!e || !(e->control = calloc(CONTROL, sizeof *e->control))) { free(e); return NULL; }
  e->protect = (srtp_function)protect; e->unprotect = (srtp_function)unprotect;
  e->protect_rtcp = (srtp_function)protect_rtcp; e->unprotect_rtcp = (srtp_function)unprotect_rtcp;
  e->epoll = epoll_create1(EPOLL_CLOEXEC); e->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); e->tick_ns = tick_ns; e->rate = 1.0;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);   /* what Python calls between lt_halt and lt_resume takes it again */
  pthread_mutex_init(&e->mutex, &attributes);
  for (int i = 0; i < BATCH; i++) {
    e->in_vector[i] = (struct iovec){e->in_data[i], SLOT}; e->out_vector[i] = (struct iovec){e->out_data[i], SLOT};
    e->in_message[i].msg_hdr = (struct msghdr){.msg_iov = &e->in_vector[i], .msg_iovlen = 1, .msg_name = &e->in_name[i], .msg_control = e->in_control[i]};
    e->out_message[i].msg_hdr = (struct msghdr){.msg_iov = &e->out_vector[i], .msg_iovlen = 1};
  }
  return e;
}
int lt_fileno(lt_engine *e) { return e->event; }
void lt_stop(lt_engine *e) { pthread_mutex_lock(&e->mutex); e->stopping = 1; pthread_mutex_unlock(&e->mutex); }
static void close_endpoint(endpoint_t *p) {
  if (p->open) { close(p->fd); p->open = 0; }
  p->sending = 0; p->receive = p->transmit = NULL;
}
void lt_close(lt_engine *e, int id) { pthread_mutex_lock(&e->mutex); close_endpoint(e->endpoint[id]); pthread_mutex_unlock(&e->mutex); }
void lt_free(lt_engine *e) {
  for (int i = 0; i < e->endpoints; i++) {
    endpoint_t *p = e->endpoint[i];
    close_endpoint(p);
    for (int k = 0; k < p->outs; k++) { free(p->out[k].ring); free(p->out[k].ring_length); }
    free(p->in); free(p);
  }
  close(e->epoll); close(e->event); pthread_mutex_destroy(&e->mutex); free(e->control); free(e);
}
int lt_open(lt_engine *e, const char *local_ip, int decrypt, int video_payload_type, int nack) {
  address_t local; socklen_t length; int size = 8 << 20, one = 1;
  if (parse_address(local_ip, 0, &local, &length)) { errno = EINVAL; return -1; }
  endpoint_t *p = calloc(1, sizeof *p);
  if (!p || !(p->in = calloc(STREAMS_IN, sizeof *p->in))) { free(p); errno = ENOMEM; return -1; }
  p->fd = socket(local.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (p->fd < 0) goto failed;
  if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (decrypt) setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  if (bind(p->fd, &local.any, length)) goto failed;
  p->open = 1; p->decrypt = decrypt; p->video_payload_type = video_payload_type; p->nack = nack;
  pthread_mutex_lock(&e->mutex);
  int id = e->endpoints < ENDPOINTS ? e->endpoints : -1;
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)id};
  if (id >= 0 && !epoll_ctl(e->epoll, EPOLL_CTL_ADD, p->fd, &event)) e->endpoint[e->endpoints++] = p;
  else { id = -1; errno = EMFILE; }
  pthread_mutex_unlock(&e->mutex);
  if (id >= 0) return id;
failed:;
  int error = errno;
  if (p->fd >= 0) close(p->fd);
  free(p->in); free(p); errno = error;
  return -1;
}
int lt_port(lt_engine *e, int id) {
  address_t a; socklen_t length = sizeof a;
  if (getsockname(e->endpoint[id]->fd, &a.any, &length)) return -1;
  return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}
int lt_send(lt_engine *e, int id, const char *data, int n, const char *ip, int port) {
  address_t to; socklen_t length;
  if (!e->endpoint[id]->open || parse_address(ip, port, &to, &length)) return -1;
  return sendto(e->endpoint[id]->fd, data, (size_t)n, MSG_DONTWAIT, &to.any, length) == n ? 0 : -1;
}
int lt_set_remote(lt_engine *e, int id, const char *ip, int port) {
  address_t to; socklen_t length;
  if (parse_address(ip, port, &to, &length)) return -1;
  pthread_mutex_lock(&e->mutex);
  endpoint_t *p = e->endpoint[id];
  p->remote = to; p->remote_length = length; p->sending = p->transmit != NULL;
  pthread_mutex_unlock(&e->mutex);
  return 0;
}
void lt_hold(lt_engine *e, int id) { pthread_mutex_lock(&e->mutex); e->endpoint[id]->sending = 0; pthread_mutex_unlock(&e->mutex); }
void lt_set_sessions(lt_engine *e, int id, void *transmit, void *receive_session) {
  pthread_mutex_lock(&e->mutex);
  endpoint_t *p = e->endpoint[id];
  p->transmit = transmit; p->receive = receive_session; p->sending = p->open && p->remote_length > 0; p->next_rtcp = monotonic() + SECOND;
  pthread_mutex_unlock(&e->mutex);
}
int lt_add_stream(lt_engine *e, int id, const lt_plan *plan) {
  endpoint_t *p = e->endpoint[id];
  if (p->outs == STREAMS_OUT || plan->payload_octets + plan->uneven + 12 + 144 > SLOT || plan->last_octets < 32 || plan->last_octets > plan->payload_octets || !plan->packets) return -1;
  out_stream s = {.plan = *plan, .due = INT64_MAX, .seq = (uint16_t)(plan->ssrc * 7919u), .rtp_time = plan->ssrc * 2654435761u};
  s.total.ssrc = plan->ssrc; s.total.payload_type = plan->payload_type;
  if (plan->is_video && (!(s.ring = calloc(RING, SLOT)) || !(s.ring_length = calloc(RING, sizeof *s.ring_length)))) { free(s.ring); return -1; }
  pthread_mutex_lock(&e->mutex);
  p->out[p->outs++] = s;
  pthread_mutex_unlock(&e->mutex);
  return 0;
}
void lt_set_rate(lt_engine *e, double scale) { pthread_mutex_lock(&e->mutex); e->rate = scale; pthread_mutex_unlock(&e->mutex); }
int lt_take(lt_engine *e, lt_datagram *out, int most) {
  uint64_t count;
  int n = 0;
  pthread_mutex_lock(&e->mutex);
  for (; n < most && e->control_count; n++, e->control_count--) { out[n] = e->control[e->control_head]; e->control_head = (e->control_head + 1) % CONTROL; }
  if (!e->control_count && read(e->event, &count, sizeof count) < 0) count = 0;
  pthread_mutex_unlock(&e->mutex);
  return n;
}
void lt_halt(lt_engine *e) { pthread_mutex_lock(&e->mutex); }
void lt_resume(lt_engine *e) { pthread_mutex_unlock(&e->mutex); }
int lt_sent_streams(lt_engine *e, int id, lt_sent *out, int most) {
  pthread_mutex_lock(&e->mutex);
  endpoint_t *p = e->endpoint[id];
  int n = p->outs < most ? p->outs : most;
  for (int i = 0; i < n; i++) out[i] = p->out[i].total;
  pthread_mutex_unlock(&e->mutex);
  return n;
}
int lt_received_streams(lt_engine *e, int id, lt_received *out, int most) {
  pthread_mutex_lock(&e->mutex);
  endpoint_t *p = e->endpoint[id];
  int n = p->ins < most ? p->ins : most;
  for (int i = 0; i < n; i++) out[i] = p->in[i].total;
  pthread_mutex_unlock(&e->mutex);
  return n;
}
void lt_endpoint_counters(lt_engine *e, int id, lt_counters *out) {
  uint32_t memory[9] = {0};                 /* sock_diag(7); the ninth is SK_MEMINFO_DROPS */
  socklen_t size = sizeof memory;
  pthread_mutex_lock(&e->mutex);
  endpoint_t *p = e->endpoint[id];
  if (p->open && !getsockopt(p->fd, SOL_SOCKET, SO_MEMINFO, memory, &size)) p->count.queue_drops = memory[8];
  *out = p->count;
  pthread_mutex_unlock(&e->mutex);
}
int lt_latency(lt_engine *e, uint64_t *buckets, int most) {
  int n = most < BUCKETS ? most : BUCKETS;
  pthread_mutex_lock(&e->mutex); memcpy(buckets, e->latency, sizeof *buckets * (size_t)n); pthread_mutex_unlock(&e->mutex);
  return n;
}
void lt_pacing(lt_engine *e, lt_pace *out) { pthread_mutex_lock(&e->mutex); *out = e->pace; e->pace.longest_ns = 0; pthread_mutex_unlock(&e->mutex); }
