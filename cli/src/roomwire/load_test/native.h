/* What Python may call of the load tester's packet engine. Read by the compiler (after stdint.h) and by cffi. */

typedef struct lt_engine lt_engine;

/* What a publisher sends on one SSRC. A frame is `packets` RTP packets at once; `uneven` makes every second packet that many octets longer,
 * `last_octets` is the payload of the frame's last packet. `clock_rate` in Hz, `interval_ns` between frames. */
typedef struct {
  uint32_t ssrc;
  uint8_t payload_type;
  uint8_t is_video;
  uint16_t packets;
  uint16_t payload_octets;
  uint16_t last_octets;
  uint16_t uneven;
  uint32_t clock_rate;
  int64_t interval_ns;
} lt_plan;

/* Totals of one sent stream. */
typedef struct {
  uint32_t ssrc;
  uint8_t payload_type;
  uint64_t packets;
  uint64_t octets;
  uint64_t frames;
  uint64_t keyframes;
  uint64_t retransmitted;
} lt_sent;

/* Totals of one received stream. `expected` is the span of sequence numbers seen; `received` counts each number once.
 * `first_ns` and `last_ns` are CLOCK_MONOTONIC of the first and the last packet, `silence_ns` is the longest time between two. */
typedef struct {
  uint32_t ssrc;
  uint8_t payload_type;
  uint64_t expected;
  uint64_t received;
  uint64_t octets;
  uint64_t duplicates;
  uint64_t reordered;
  uint64_t nacked;
  uint64_t recovered;
  int64_t first_ns;
  int64_t last_ns;
  int64_t silence_ns;
} lt_received;

/* Totals of one endpoint, all streams together. `queue_drops` are datagrams that came while its socket's receive queue was full. */
typedef struct {
  uint64_t rtcp_received;
  uint64_t pli_received;
  uint64_t nack_received;
  uint64_t authentication_failures;
  uint64_t decrypted;
  uint64_t foreign_payloads;
  uint64_t send_failures;
  uint64_t remb_bps;
  uint64_t receiver_lost;
  uint64_t queue_drops;
} lt_counters;

/* A datagram that is neither RTP nor RTCP. `family` 4 or 6, `address` in network order. */
typedef struct {
  int32_t endpoint;
  uint16_t length;
  uint16_t port;
  uint8_t family;
  uint8_t address[16];
  uint8_t data[1600];
} lt_datagram;

typedef struct {
  uint64_t ticks;
  uint64_t late;
  uint64_t longest_ns;
  uint64_t control_dropped;
} lt_pace;

lt_engine *lt_new(uintptr_t protect, uintptr_t unprotect, uintptr_t protect_rtcp, uintptr_t unprotect_rtcp, int64_t tick_ns);
int lt_fileno(lt_engine *engine);
void lt_run(lt_engine *engine);
void lt_stop(lt_engine *engine);
void lt_free(lt_engine *engine);

int lt_open(lt_engine *engine, const char *local_ip, int decrypt, int video_payload_type, int nack);
void lt_close(lt_engine *engine, int endpoint);
int lt_port(lt_engine *engine, int endpoint);
int lt_send(lt_engine *engine, int endpoint, const char *data, int length, const char *ip, int port);
int lt_set_remote(lt_engine *engine, int endpoint, const char *ip, int port);
void lt_hold(lt_engine *engine, int endpoint);
void lt_set_sessions(lt_engine *engine, int endpoint, void *transmit, void *receive);
int lt_add_stream(lt_engine *engine, int endpoint, const lt_plan *plan);
void lt_set_rate(lt_engine *engine, double scale);

/* Between these two nothing is sent or taken, so that all totals are of one moment. */
void lt_halt(lt_engine *engine);
void lt_resume(lt_engine *engine);

int lt_take(lt_engine *engine, lt_datagram *out, int most);
int lt_sent_streams(lt_engine *engine, int endpoint, lt_sent *out, int most);
int lt_received_streams(lt_engine *engine, int endpoint, lt_received *out, int most);
void lt_endpoint_counters(lt_engine *engine, int endpoint, lt_counters *out);
int lt_latency(lt_engine *engine, uint64_t *buckets, int most);
void lt_pacing(lt_engine *engine, lt_pace *out);
