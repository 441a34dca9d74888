/*
 * The packet engine: what Python may ask of it. Read twice, by the C compiler and by cffi's `cdef`, so it holds plain declarations alone.
 *
 * Times are microseconds of CLOCK_MONOTONIC. Handles are positive and carry a generation; calls answer RW_STALE for a handle that was removed.
 * Every call may come from any thread; a call waits at most for the batch that is being worked on, `rw_send_datagram` and `rw_take_event` not even for that.
 */

#define RW_OK 0
#define RW_STALE -1
#define RW_FULL -2
#define RW_IN_USE -3

#define RW_LAYERS 4
#define RW_SLOT_SIZE 1600
#define RW_CNAME_SIZE 64

enum rw_codec { RW_CODEC_NONE, RW_CODEC_OTHER, RW_CODEC_RED, RW_CODEC_VP8, RW_CODEC_H264 };
enum rw_event_type { RW_EVENT_NONE, RW_EVENT_DATAGRAM, RW_EVENT_KEYFRAME };

typedef struct rw_engine rw_engine;

/* `ip` is IPv6 or IPv4-mapped, `port` in host order. Link-local scopes are not kept: such candidates are never offered. */
typedef struct {
    uint8_t ip[16];
    uint16_t port;
} rw_address;

typedef struct {
    int64_t keyframe_interval;  /* at least this long between two PLIs to one source */
    int64_t keyframe_retry;     /* ask again when no key frame came within this time */
    int64_t nack_delay;         /* how long a gap may be mere reordering */
    int64_t nack_lifetime;      /* a packet missing for longer is given up */
    int64_t resend_interval;    /* answer NACKs for one packet at most this often, unless half the round trip is longer */
    int64_t report_interval;    /* SR, RR and REMB */
    int64_t arrivals_interval;  /* transport-wide feedback */
    int64_t silence;            /* a layer that was not heard for so long does not flow */
    int32_t nack_tries;
    int32_t keyframe_tries;
    int32_t unbound_per_second; /* STUN datagrams from unbound addresses handed up in a second */
} rw_policy;

/* Packet functions of libsrtp 2: protect(session, packet, &length), remove_stream(session, ssrc in network order). Zero is success. */
typedef int (*rw_transform)(void *session, void *packet, int *length);
typedef int (*rw_remove_stream)(void *session, unsigned int ssrc);
typedef struct {
    rw_transform protect, unprotect, protect_rtcp, unprotect_rtcp;
    rw_remove_stream remove_stream;
} rw_crypto;

/* sendmmsg(2), or a test's stand-in. */
typedef int (*rw_send)(int fd, void *messages, unsigned int count, int flags);

typedef struct {
    uint32_t clock_rate;
    uint32_t layers;
    uint32_t ssrcs[RW_LAYERS];
    uint32_t rtx_ssrcs[RW_LAYERS];  /* 0: none */
    uint8_t video;
    uint8_t codecs[128];            /* enum rw_codec by payload type */
    uint8_t repairs[128];           /* the payload type that this RTX payload type repairs; 255: no RTX */
    uint8_t audio_level_id, transport_sequence_id; /* header extension ids, 0: none */
} rw_up_parameters;

typedef struct {
    uint32_t ssrc;
    uint32_t rtx_ssrc;              /* 0: answer NACKs with the same packet again */
    uint8_t payload_types[128];     /* ours by the publisher's; 255: drop */
    uint8_t rtx_payload_types[128]; /* RTX type by the publisher's media type; 255: none */
    uint8_t extensions[256];        /* ours by the publisher's id; 0: blank */
    uint8_t playout_delay_id, transport_sequence_id; /* ours, 0: the subscriber does not know it */
    char cname[RW_CNAME_SIZE];
    uint8_t cname_length;
} rw_down_parameters;

typedef struct {
    int32_t type;                   /* enum rw_event_type */
    int32_t length;                 /* of `data`, for a datagram */
    int64_t handle;                 /* peer (0: unbound address) or down track */
    rw_address remote;
    uint8_t data[RW_SLOT_SIZE];
} rw_event;

typedef struct {
    uint64_t packets[RW_LAYERS], octets[RW_LAYERS];
    int64_t last_arrival[RW_LAYERS]; /* 0: never heard */
    int64_t lost;                    /* RFC 3550: may be negative with duplicates */
    uint32_t fraction_lost;          /* of 256 */
    uint32_t jitter;                 /* in clock-rate ticks */
    uint32_t clock_rate, layers;
    uint64_t nacks, recovered, keyframe_requests, keyframes;
    int64_t round_trip;              /* of its peer; -1: not known */
} rw_up_statistics;

typedef struct {
    uint64_t packets, octets, nacks, retransmitted, filtered;
    uint32_t fraction_lost;          /* of 256 */
    uint32_t jitter;                 /* in clock-rate ticks */
    uint32_t clock_rate;
    int64_t round_trip;              /* -1: not known */
    int32_t layer, temporal;         /* -1: nothing yet */
} rw_down_statistics;

/* What a subscriber's feedback told since the last reading. */
typedef struct {
    int64_t peer;
    uint64_t packets, octets;        /* that came, headers included, encryption and UDP not */
    int64_t lost;                    /* packets, but for those of a probe; what came late after all is subtracted later */
    int64_t span;                    /* between the last arrival of the former reading and of this one, on the subscriber's clock; 0: no former */
    int64_t queue;                   /* how much longer the fastest packet was under way than the fastest of 10 to 20 s */
    /* A probe that is over: its octets but for the first packet's, and how long they took to be sent and to arrive. */
    uint64_t probe_packets, probe_octets;
    int64_t probe_sent, probe_span;
    uint32_t probe_share;            /* percent of its packets that came */
    int32_t probe_done;
} rw_delivery;

/* Since the start; every field is a number of packets or datagrams unless its name says otherwise. */
typedef struct {
    uint64_t datagrams_in, octets_in;
    uint64_t batched_in, batches_in_1, batches_in_2, batches_in_4, batches_in_8, batches_in_16, batches_in_32, batches_in_64; /* by datagrams, at most */
    uint64_t packets_forwarded, packets_recorded, datagrams_out, octets_out, batches_out, sends_out, gso_sends_out, gso_datagrams_out;
    uint64_t drop_truncated, drop_malformed, drop_unbound, drop_unbound_rate, drop_no_keys, drop_unknown_ssrc, drop_unprotect, drop_codec;
    uint64_t drop_record_full, drop_protect, drop_duplicate, drop_late, drop_arena_full, drop_socket_full, drop_send_error, drop_event_full, drop_retransmit_limit;
    uint64_t number_no_room, fillers_sent, padding_in, rtx_in, rtx_recovered, nacks_sent, nacks_received, retransmitted, retransmit_missed;
    uint64_t keyframe_requests_sent, keyframe_requests_received, keyframes_in, reports_sent, arrivals_sent, arrivals_received, rtcp_in, gso_refused;
    uint64_t protect_samples, protect_nanoseconds;
    uint64_t peers, up_tracks, down_tracks, addresses;
} rw_counters;

/* Before each packet of a recorder's ring. */
typedef struct {
    int64_t down;
    int64_t arrival;
    int32_t length;
} rw_record;

/* One datagram that an engine without socket would have sent. */
typedef struct {
    rw_address remote, local;
    int32_t length;
    const uint8_t *data;
} rw_output;

/* NULL when memory is short. Without `crypto` packets stay plain: for tests and fuzzing only. */
rw_engine *rw_create(const rw_policy *policy, const rw_crypto *crypto);
void rw_destroy(rw_engine *engine);

/*
 * Of the two sockets of a port, both with SO_REUSEPORT, the kernel gives STUN and DTLS to the one that was bound second from now on: by the first octet, which is
 * below 64 (RFC 7983). `fd` is either. Returns 0 or errno.
 */
int rw_divide(int fd);
/*
 * Give the engine its socket (AF_INET or AF_INET6), and that for STUN and DTLS (-1: they come by the first). `wildcard`: answer from the address that was
 * addressed. `gso`: try UDP_SEGMENT. Returns 0 or errno.
 */
int rw_open(rw_engine *engine, int fd, int control_fd, int ipv6, int wildcard, int gso);
void rw_set_send(rw_engine *engine, rw_send send);
/* Receive and send until `rw_stop`. The calling thread holds no lock of Python's meanwhile. Returns 0, or errno of a broken socket. */
int rw_run(rw_engine *engine);
/* The same for `control_fd`, by another thread. */
int rw_run_control(rw_engine *engine);
void rw_stop(rw_engine *engine);

/* The same without a socket: fill at most 64 slots, work on them as one batch at `now`, look at what would be sent until the next call. */
int rw_put(rw_engine *engine, const uint8_t *data, int length, const rw_address *remote, const rw_address *local);
void rw_step(rw_engine *engine, int64_t now);
int rw_output_at(rw_engine *engine, int index, rw_output *output);

int rw_event_fd(rw_engine *engine);
/* 1 and the next event, or 0 when there is none (the descriptor is no longer readable then). */
int rw_take_event(rw_engine *engine, rw_event *event);
/* Returns 0 or errno. */
int rw_send_datagram(rw_engine *engine, const uint8_t *data, int length, const rw_address *remote);

int64_t rw_add_peer(rw_engine *engine, uint32_t rtcp_ssrc);
int rw_remove_peer(rw_engine *engine, int64_t peer);
int rw_bind_address(rw_engine *engine, int64_t peer, const rw_address *remote);
int rw_unbind_address(rw_engine *engine, const rw_address *remote);
/* NULL: hold everything back. RW_STALE too when the address is not bound to this peer. */
int rw_set_send_address(rw_engine *engine, int64_t peer, const rw_address *remote);
/* The caller keeps both sessions alive until they are replaced or the peer is removed. */
int rw_set_sessions(rw_engine *engine, int64_t peer, void *inbound, void *outbound);
/*
 * A recorder is a peer without transport: its down tracks go in plain text into a ring of so many octets, and a sender report of each once a second.
 * What does not fit is dropped and counted; what is in there stays.
 */
int64_t rw_add_recorder(rw_engine *engine, uint32_t octets);
/* Take whole records, each an `rw_record` and its packet, into `records`: octets written, 0 when there are none, or RW_STALE. `dropped`: packets, since the start. */
int rw_take_records(rw_engine *engine, int64_t recorder, uint8_t *records, int size, uint64_t *dropped);
int rw_set_receive_bitrate(rw_engine *engine, int64_t peer, uint64_t bitrate);

int64_t rw_add_up_track(rw_engine *engine, int64_t peer, const rw_up_parameters *parameters);
int rw_remove_up_track(rw_engine *engine, int64_t up);
int64_t rw_add_down_track(rw_engine *engine, int64_t peer, int64_t up, const rw_down_parameters *parameters);
int rw_remove_down_track(rw_engine *engine, int64_t down);
int rw_pause_down_track(rw_engine *engine, int64_t down);
int rw_resume_down_track(rw_engine *engine, int64_t down);
int rw_set_target_layer(rw_engine *engine, int64_t down, int spatial, int temporal);
/* How long the subscriber shall at least hold pictures back, in milliseconds. */
int rw_set_playout_delay(rw_engine *engine, int64_t down, int milliseconds);
/* `layer` -1: every layer that somebody waits for. */
int rw_request_keyframe(rw_engine *engine, int64_t up, int layer);

/* Of `count` handles, entry by entry. RW_STALE as soon as one of them is: what was written until then means nothing. */
int rw_read_up_statistics(rw_engine *engine, const int64_t *ups, int count, rw_up_statistics *statistics);
int rw_read_down_statistics(rw_engine *engine, const int64_t *downs, int count, rw_down_statistics *statistics);
/* The loudest since the last call, -127 to 0 dBov; 1: nothing came. */
int rw_take_audio_levels(rw_engine *engine, const int64_t *ups, int count, int32_t *levels);
/* Of the peers whose feedback came since the last call, at most `room`: how many. Call again until there are fewer. */
int rw_take_deliveries(rw_engine *engine, rw_delivery *deliveries, int room);
/* Send so many bits per second of padding for so long; nothing while a probe is under way or nothing can carry it. */
int rw_probe(rw_engine *engine, int64_t peer, uint64_t bitrate, int64_t length);
void rw_read_counters(rw_engine *engine, rw_counters *counters);

int64_t rw_now(void);
/* Mean nanoseconds of protecting a 1,100-byte packet `count` times with this session; -1 when it fails. */
int64_t rw_time_protect(const rw_crypto *crypto, void *session, int count);
