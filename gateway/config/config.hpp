#pragma once
// The configuration as plain data: what `rowgate.toml`, the environment and the flags together say.
// One table of options (options.hpp) fills it, checks it and documents it; see
// docs/configuration.md. Read once at start-up, constant from then on.
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rowgate::config {

/// One sentence a line: what is wrong, where (file:line:column, variable or flag), what to do.
struct ConfigError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;  // 0: the system chooses one; the log names it
};

enum class OnGap : std::uint8_t { refuse, accept };
enum class Unmapped : std::uint8_t { store, drop, reject };
/// When a publish is acknowledged: once it is durable in the journal, or once its row is committed.
enum class AckAt : std::uint8_t { journal, database };
/// Who may connect without credentials: `local`: everybody, where all listeners are loopback and
/// neither users nor tokens nor client certificates are configured; else nobody.
enum class Anonymous : std::uint8_t { local, allow, deny };
/// Which field of a client's certificate is its user name; `none`: a password is asked for as well.
enum class CertificateUser : std::uint8_t { none, cn, san };
enum class LogFormat : std::uint8_t { human, json };

struct Config {
  std::string mapping;  // file; empty: the built-in mapping
  std::string data_dir = "./rowgate-data";
  std::string sink;                         // empty: sqlite:DATA_DIR/telemetry.db
  std::string gateway;                      // identity in the sink; empty: the one kept in data_dir
  unsigned io_threads = 0;                  // 0: one a core
  std::chrono::seconds shutdown_drain{10};  // how long SIGTERM lets the lanes drain

  struct {
    Endpoint listen{"127.0.0.1", 1883};
    Endpoint tls_listen{};  // an empty host: no such listener; so for the two below
    Endpoint ws_listen{};
    Endpoint wss_listen{};
    bool proxy_protocol = false;  // every connection begins with a PROXY protocol v2 header
    AckAt ack = AckAt::journal;
    std::uint32_t max_packet_bytes = 1U << 20;
    std::uint16_t receive_maximum = 1024;  // QoS 1 and 2 in flight from one client
    std::uint16_t topic_alias_maximum = 64;
    std::uint16_t max_keep_alive = 0;  // seconds; 0: as the client asks
    std::uint32_t max_topic_bytes = 65'535;
    std::uint16_t max_topic_levels = 200;
    std::uint32_t max_subscriptions = 1'000;         // of one client
    std::uint32_t max_sessions = 1'000'000;          // that outlive their connections
    std::uint32_t max_connections_per_address = 0;   // 0: no limit
    std::uint32_t max_connects_per_second = 0;       // in all; 0: no limit
    std::uint32_t max_publishes_per_second = 0;      // of one client; 0: no limit
    std::uint64_t max_publish_bytes_per_second = 0;  // of one client; 0: no limit
    std::uint32_t max_connections = 100'000;
    std::chrono::seconds connect_timeout{10};  // from accept to CONNECT
    std::chrono::seconds max_session_expiry{7 * 24 * 3600};
    std::chrono::milliseconds max_journal_wait{0};  // then Quota exceeded, in MQTT 5; 0: no end
    std::uint32_t max_outgoing_bytes = 8U << 20;    // unsent bytes a subscriber may let pile up
    std::uint32_t max_queued_messages = 100'000;    // waiting for one session
    std::uint64_t max_queued_bytes = 64ULL << 20;   // waiting for one session
    std::uint64_t max_queued_total = 512ULL << 20;  // bytes waiting for all sessions
    std::uint32_t max_retained_messages = 1'000'000;
    std::uint64_t max_retained_bytes = 256ULL << 20;
    std::chrono::seconds sys_interval{10};  // between $SYS messages; 0: none
  } mqtt;

  struct {
    std::string certificate;  // PEM, the chain; empty: no TLS listener can be opened
    std::string key;
    std::string client_ca;  // PEM; set: a client must present a certificate that it signed
    CertificateUser user = CertificateUser::cn;
    std::string min_version = "1.2";  // 1.2 | 1.3
  } tls;

  struct {
    Anonymous anonymous = Anonymous::local;
    std::string users;  // file of `rowgate user`; empty: no passwords
    std::string acl;    // file; empty: everybody may do everything but publish to $SYS and the like
    std::string jwks;   // file: keys whose JWTs are taken as passwords; empty: none
    std::string jwt_audience;    // empty: not checked
    std::string jwt_issuer;      // empty: not checked
    std::string bootstrap_user;  // made, with the password below, where the users file is missing
    std::string bootstrap_password;
  } security;

  struct {
    Endpoint listen{"127.0.0.1", 8080};
    std::string token;  // asked of everybody who uses /api; empty: changes from this machine only
  } http;

  struct {
    std::uint64_t max_bytes = 8ULL << 30;
    std::uint64_t segment_bytes = 64ULL << 20;
    std::uint64_t batch_bytes = 8ULL << 20;    // open buffer
    std::uint64_t window_bytes = 64ULL << 20;  // kept in memory for the lanes
    std::chrono::seconds keep{0};              // what is drained and flushed; 0: not at all
    OnGap on_gap = OnGap::refuse;
  } journal;

  struct {
    std::uint16_t lanes = 0;  // 0: what the sink recommends
    std::uint32_t max_rows = 20'000;
    std::uint64_t max_bytes = 8ULL << 20;
    std::chrono::milliseconds max_age{100};
    std::chrono::milliseconds backoff_first{100};
    std::chrono::milliseconds backoff_max{10'000};
    Unmapped unmapped = Unmapped::store;
  } drain;

  struct {
    std::string synchronous = "full";  // full | normal
  } sqlite;

  struct {
    std::string level = "info";  // trace | debug | info | warn | error
    LogFormat format = LogFormat::human;
  } log;
};

/// `sink`, or the SQLite file in data_dir where it is empty.
std::string sink_url(const Config& config);

/// DATA_DIR/journal: where the journal's segments lie.
std::string journal_directory(const Config& config);

/// The URL with its password replaced by `***`: for messages and logs.
std::string mask_password(std::string_view url);

}  // namespace rowgate::config
