#include "gateway/config/options.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "gateway/config/option_kinds.hpp"

namespace rowgate::config {
namespace {

using namespace kinds;
using namespace std::chrono_literals;

constexpr std::uint64_t kib = 1ULL << 10;
constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t tib = 1ULL << 40;

Option sink() {
  Option option = text(
      "sink", "--sink", Kind::text, [](auto& c) -> auto& { return c.sink; },
      "The database that takes the rows; empty: `sqlite:DATA_DIR/telemetry.db`.");
  option.expected = "sqlite:FILE or postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE";
  option.set = [expected = option.expected](Config& config, std::string_view value) {
    const bool known = value.starts_with("postgresql://") || value.starts_with("postgres://") ||
                       (value.starts_with("sqlite:") && value.size() > 7);
    if (!known && !value.empty()) return unexpected(expected, mask_password(value));
    config.sink = value;
    return std::string();
  };
  return option;
}

// What a member is called once, so that the tables below stay tables.
// NOLINTBEGIN(bugprone-macro-parentheses): a member's name is no expression
#define ROWGATE_MEMBER(path)  \
  [](auto& config) -> auto& { \
    return config.path;       \
  }
// NOLINTEND(bugprone-macro-parentheses)

void add_general(std::vector<Option>& to) {
  to.push_back(text("mapping", "--mapping", Kind::file, ROWGATE_MEMBER(mapping),
                    "The mapping file; empty: the built-in mapping, which stores every message in "
                    "table `telemetry`."));
  to.push_back(text("data_dir", "--data-dir", Kind::file, ROWGATE_MEMBER(data_dir),
                    "The directory of the journal and of the default SQLite file; one gateway "
                    "holds it at a time."));
  to.push_back(sink());
  to.push_back(text("gateway", "--gateway", Kind::text, ROWGATE_MEMBER(gateway),
                    "This gateway's identity in the sink; empty: the one kept in `data_dir`."));
  to.push_back(count("io.threads", "--io-threads", 0, 256, ROWGATE_MEMBER(io_threads),
                     "Threads that serve MQTT connections; 0: one a core."));
  to.push_back(duration("shutdown.drain", "--shutdown-drain", 0s, 24h,
                        ROWGATE_MEMBER(shutdown_drain),
                        "How long SIGTERM lets the lanes drain; what remains stays in the journal "
                        "for the next start."));
}

void add_mqtt(std::vector<Option>& to) {
  to.push_back(endpoint("mqtt.listen", "--mqtt", ROWGATE_MEMBER(mqtt.listen),
                        "Where MQTT clients connect; port 0: the system chooses, the log says."));
  to.push_back(optional_endpoint("mqtt.tls_listen", "--mqtts", ROWGATE_MEMBER(mqtt.tls_listen),
                                 "Where clients connect with MQTT over TLS; empty: nowhere."));
  to.push_back(
      optional_endpoint("mqtt.ws_listen", "--ws", ROWGATE_MEMBER(mqtt.ws_listen),
                        "Where clients connect with MQTT over WebSocket; empty: nowhere."));
  to.push_back(optional_endpoint("mqtt.wss_listen", "--wss", ROWGATE_MEMBER(mqtt.wss_listen),
                                 "Where clients connect with MQTT over secure WebSocket; empty: "
                                 "nowhere."));
  to.push_back(flag("mqtt.proxy_protocol", "", ROWGATE_MEMBER(mqtt.proxy_protocol),
                    "Whether every connection begins with a PROXY protocol v2 header, as load "
                    "balancers send it; the address in it is the client's."));
  to.push_back(
      choice<>("mqtt.ack", "--ack", ROWGATE_MEMBER(mqtt.ack),
               std::vector<std::pair<std::string_view, AckAt>>{{"journal", AckAt::journal},
                                                               {"database", AckAt::database}},
               "When a publish is acknowledged: when it is durable in the journal, or when "
               "the database has committed its row."));
  to.push_back(size("mqtt.max_packet_bytes", "", kib, 256 * mib,
                    ROWGATE_MEMBER(mqtt.max_packet_bytes),
                    "The largest MQTT packet taken; a client that sends more is disconnected."));
  to.push_back(count("mqtt.receive_maximum", "", 1, 65'535, ROWGATE_MEMBER(mqtt.receive_maximum),
                     "QoS 1 and 2 publishes a client may have in flight."));
  to.push_back(count("mqtt.topic_alias_maximum", "", 0, 65'535,
                     ROWGATE_MEMBER(mqtt.topic_alias_maximum),
                     "Topic aliases an MQTT 5 client may set; 0: none."));
  to.push_back(count("mqtt.max_connections", "", 1, 10'000'000,
                     ROWGATE_MEMBER(mqtt.max_connections),
                     "Clients connected at a time; further ones are refused."));
  to.push_back(duration("mqtt.connect_timeout", "", 1s, 1h, ROWGATE_MEMBER(mqtt.connect_timeout),
                        "How long a new connection may take to send CONNECT."));
  to.push_back(duration("mqtt.max_session_expiry", "", 0s, std::chrono::seconds(0xFFFFFFFE),
                        ROWGATE_MEMBER(mqtt.max_session_expiry),
                        "The longest session expiry a client gets, however long it asks for."));
  to.push_back(
      size("mqtt.max_outgoing_bytes", "", 64 * kib, gib, ROWGATE_MEMBER(mqtt.max_outgoing_bytes),
           "Unsent bytes a subscriber may let pile up before messages to it are dropped."));
  to.push_back(
      duration("mqtt.max_journal_wait", "", 0s, 24h, ROWGATE_MEMBER(mqtt.max_journal_wait),
               "How long a publish of an MQTT 5 client at QoS 1 or 2 waits for room in a "
               "full journal before it is refused with Quota exceeded (0x97); 0: as long "
               "as it takes. An MQTT 3 client cannot be told and always waits. Also how long "
               "a CONNECT waits whose session is kept, before it is refused (MQTT 5: "
               "0x97, MQTT 3: 3)."));
  to.push_back(
      count("mqtt.max_keep_alive", "", 0, 65'535, ROWGATE_MEMBER(mqtt.max_keep_alive),
            "The longest keep alive, in seconds, that an MQTT 5 client gets; 0: the one it "
            "asks for."));
  to.push_back(count("mqtt.max_topic_bytes", "", 1, 65'535, ROWGATE_MEMBER(mqtt.max_topic_bytes),
                     "The longest topic name or filter taken."));
  to.push_back(count("mqtt.max_topic_levels", "", 1, 65'535, ROWGATE_MEMBER(mqtt.max_topic_levels),
                     "The deepest topic name or filter taken."));
  to.push_back(count("mqtt.max_subscriptions", "", 1, 10'000'000,
                     ROWGATE_MEMBER(mqtt.max_subscriptions), "Subscriptions of one client."));
  to.push_back(count("mqtt.max_sessions", "", 1, 100'000'000, ROWGATE_MEMBER(mqtt.max_sessions),
                     "Sessions kept for clients that are away; a further one ends with its "
                     "connection."));
  to.push_back(count("mqtt.max_connections_per_address", "", 0, 10'000'000,
                     ROWGATE_MEMBER(mqtt.max_connections_per_address),
                     "Clients connected at a time from one address; 0: no limit."));
  to.push_back(count("mqtt.max_connects_per_second", "", 0, 10'000'000,
                     ROWGATE_MEMBER(mqtt.max_connects_per_second),
                     "Connections taken a second, in all; 0: no limit. Further ones wait."));
  to.push_back(count("mqtt.max_publishes_per_second", "", 0, 1'000'000'000,
                     ROWGATE_MEMBER(mqtt.max_publishes_per_second),
                     "Publishes a second taken from one client, with bursts of one second; 0: no "
                     "limit. A client that sends more is held back."));
  to.push_back(size("mqtt.max_publish_bytes_per_second", "", 0, tib,
                    ROWGATE_MEMBER(mqtt.max_publish_bytes_per_second),
                    "Bytes of publishes a second taken from one client; 0: no limit."));
  to.push_back(count("mqtt.max_queued_messages", "", 0, 100'000'000,
                     ROWGATE_MEMBER(mqtt.max_queued_messages),
                     "QoS 1 and 2 messages that wait for one session; further ones are dropped and "
                     "counted."));
  to.push_back(size("mqtt.max_queued_bytes", "", 0, tib, ROWGATE_MEMBER(mqtt.max_queued_bytes),
                    "Bytes of messages that wait for one session."));
  to.push_back(size("mqtt.max_queued_total", "", 0, tib, ROWGATE_MEMBER(mqtt.max_queued_total),
                    "Bytes of messages that wait for all sessions together."));
  to.push_back(count("mqtt.max_retained_messages", "", 0, 1'000'000'000,
                     ROWGATE_MEMBER(mqtt.max_retained_messages),
                     "Retained messages kept; 0: none, and clients are told so."));
  to.push_back(size("mqtt.max_retained_bytes", "", 0, tib, ROWGATE_MEMBER(mqtt.max_retained_bytes),
                    "Bytes of retained messages kept."));
  to.push_back(duration("mqtt.sys_interval", "", 0s, 24h, ROWGATE_MEMBER(mqtt.sys_interval),
                        "How often the `$SYS` topics are published; 0: never."));
}

void add_tls(std::vector<Option>& to) {
  to.push_back(text("tls.certificate", "", Kind::file, ROWGATE_MEMBER(tls.certificate),
                    "The server's certificate with its chain, PEM."));
  to.push_back(text("tls.key", "", Kind::file, ROWGATE_MEMBER(tls.key),
                    "The certificate's private key, PEM."));
  to.push_back(
      text("tls.client_ca", "", Kind::file, ROWGATE_MEMBER(tls.client_ca),
           "Certificates, PEM, of those who sign clients' certificates; set: a client must "
           "present one."));
  to.push_back(choice<>(
      "tls.user", "", ROWGATE_MEMBER(tls.user),
      std::vector<std::pair<std::string_view, CertificateUser>>{{"cn", CertificateUser::cn},
                                                                {"san", CertificateUser::san},
                                                                {"none", CertificateUser::none}},
      "What of a client's certificate is its user name: the common name, the "
      "first subject alternative name, or nothing."));
  to.push_back(choice<>(
      "tls.min_version", "", ROWGATE_MEMBER(tls.min_version),
      std::vector<std::pair<std::string_view, std::string_view>>{{"1.2", "1.2"}, {"1.3", "1.3"}},
      "The oldest TLS version spoken."));
}

void add_security(std::vector<Option>& to) {
  to.push_back(choice<>(
      "security.anonymous", "--anonymous", ROWGATE_MEMBER(security.anonymous),
      std::vector<std::pair<std::string_view, Anonymous>>{
          {"local", Anonymous::local}, {"allow", Anonymous::allow}, {"deny", Anonymous::deny}},
      "Who may connect without credentials: with `local` everybody, as long as "
      "all MQTT listeners are loopback addresses and no users, tokens or client "
      "certificates are configured, else nobody."));
  to.push_back(text("security.users", "--users", Kind::file, ROWGATE_MEMBER(security.users),
                    "The file of users and passwords that `rowgate user` manages."));
  to.push_back(text("security.acl", "--acl", Kind::file, ROWGATE_MEMBER(security.acl),
                    "The file that says who may publish and subscribe to what; empty: everybody, "
                    "to everything but the gateway's own `$` topics."));
  to.push_back(text("security.jwks", "", Kind::file, ROWGATE_MEMBER(security.jwks),
                    "A JWKS file: tokens signed with its keys are taken as passwords."));
  to.push_back(text("security.jwt_audience", "", Kind::text, ROWGATE_MEMBER(security.jwt_audience),
                    "The audience that a token must name; empty: any."));
  to.push_back(text("security.jwt_issuer", "", Kind::text, ROWGATE_MEMBER(security.jwt_issuer),
                    "The issuer that a token must name; empty: any."));
  to.push_back(text("security.bootstrap_user", "", Kind::text,
                    ROWGATE_MEMBER(security.bootstrap_user),
                    "A user made at start-up where the users file does not exist yet."));
  to.push_back(text("security.bootstrap_password", "", Kind::text,
                    ROWGATE_MEMBER(security.bootstrap_password),
                    "That user's password; best given by its environment variable."));
}

void add_http(std::vector<Option>& to) {
  to.push_back(endpoint("http.listen", "--http", ROWGATE_MEMBER(http.listen),
                        "Where health, metrics, the status page and the API are served; keep it "
                        "private."));
  to.push_back(text("http.token", "", Kind::text, ROWGATE_MEMBER(http.token),
                    "The secret that everything under `/api` asks for (`Authorization: Bearer`); "
                    "empty: no secret, and changes are taken where `http.listen` is a loopback "
                    "address only. Best given by its environment variable."));
}

void add_journal(std::vector<Option>& to) {
  to.push_back(size("journal.max_bytes", "--journal-max-bytes", 16 * mib, 1024 * tib,
                    ROWGATE_MEMBER(journal.max_bytes),
                    "Disk the journal may use; at the limit QoS 0 is dropped and publishers are "
                    "held back."));
  to.push_back(size("journal.segment_bytes", "", mib, 4 * gib,
                    ROWGATE_MEMBER(journal.segment_bytes), "The size of one journal file."));
  to.push_back(size("journal.batch_bytes", "", 256 * kib, gib, ROWGATE_MEMBER(journal.batch_bytes),
                    "What may gather while one fdatasync runs."));
  to.push_back(size("journal.window_bytes", "", mib, 64 * gib, ROWGATE_MEMBER(journal.window_bytes),
                    "Recent batches kept in memory for the lanes; a lane further behind reads "
                    "segments."));
  to.push_back(duration("journal.keep", "", 0s, 8760h, ROWGATE_MEMBER(journal.keep),
                        "How long messages that are safe in the database stay in the journal as "
                        "well, for a database that is restored to an earlier time; they make way "
                        "when `journal.max_bytes` is needed for others. 0: not at all."));
  to.push_back(choice<>("journal.on_gap", "", ROWGATE_MEMBER(journal.on_gap),
                        std::vector<std::pair<std::string_view, OnGap>>{{"refuse", OnGap::refuse},
                                                                        {"accept", OnGap::accept}},
                        "What start-up does when the sink's checkpoint lies below the oldest byte "
                        "the journal still has: refuse, or accept the loss and go on."));
}

void add_drain(std::vector<Option>& to) {
  to.push_back(count("drain.lanes", "--lanes", 0, 256, ROWGATE_MEMBER(drain.lanes),
                     "Lanes that drain the journal in parallel; 0: what the sink recommends "
                     "(SQLite 1, PostgreSQL 3)."));
  to.push_back(count("drain.max_rows", "", 1, 10'000'000, ROWGATE_MEMBER(drain.max_rows),
                     "Rows that close a batch."));
  to.push_back(size("drain.max_bytes", "", 64 * kib, gib, ROWGATE_MEMBER(drain.max_bytes),
                    "Bytes of messages that close a batch."));
  to.push_back(duration("drain.max_age", "", 0s, 60s, ROWGATE_MEMBER(drain.max_age),
                        "Age that closes a batch: how long a row may take from publish to SQL."));
  to.push_back(duration("drain.backoff_first", "", 1ms, 1h, ROWGATE_MEMBER(drain.backoff_first),
                        "The first pause after the database could not be reached; it doubles."));
  to.push_back(duration("drain.backoff_max", "", 1ms, 1h, ROWGATE_MEMBER(drain.backoff_max),
                        "The longest pause between two attempts to reach the database."));
  to.push_back(choice<>(
      "drain.unmapped", "--unmapped", ROWGATE_MEMBER(drain.unmapped),
      std::vector<std::pair<std::string_view, Unmapped>>{
          {"store", Unmapped::store}, {"drop", Unmapped::drop}, {"reject", Unmapped::reject}},
      "What becomes of a message that no mapping takes: stored in "
      "`rowgate_unmapped`, counted and dropped, or refused to its publisher."));
}

void add_rest(std::vector<Option>& to) {
  to.push_back(choice<>("sqlite.synchronous", "", ROWGATE_MEMBER(sqlite.synchronous),
                        std::vector<std::pair<std::string_view, std::string_view>>{
                            {"full", "full"}, {"normal", "normal"}},
                        "SQLite's `PRAGMA synchronous`; `normal` syncs at its checkpoints only, "
                        "and the journal covers the difference."));
  to.push_back(
      choice<>("log.level", "--log-level", ROWGATE_MEMBER(log.level),
               std::vector<std::pair<std::string_view, std::string_view>>{{"trace", "trace"},
                                                                          {"debug", "debug"},
                                                                          {"info", "info"},
                                                                          {"warn", "warn"},
                                                                          {"error", "error"}},
               "The least severe messages that are logged."));
  to.push_back(choice<>("log.format", "--log-format", ROWGATE_MEMBER(log.format),
                        std::vector<std::pair<std::string_view, LogFormat>>{
                            {"human", LogFormat::human}, {"json", LogFormat::json}},
                        "Lines for people, or one JSON object a line."));
}

#undef ROWGATE_MEMBER

std::vector<Option> make_options() {
  std::vector<Option> all;
  add_general(all);
  add_mqtt(all);
  add_tls(all);
  add_security(all);
  add_http(all);
  add_journal(all);
  add_drain(all);
  add_rest(all);
  return all;
}

/// Levenshtein's distance, in bytes.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string_view last_part(std::string_view key) {
  const auto dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

}  // namespace

const std::vector<Option>& options() {
  static const std::vector<Option> all = make_options();
  return all;
}

const Option* find_option(std::string_view name) {
  const auto& all = options();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Option& o) { return o.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string environment_name(std::string_view option) {
  std::string name = "ROWGATE_";
  for (const char c : option) {
    name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::string_view nearest(std::string_view typed, const std::vector<std::string_view>& words) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(2, typed.size() / 4) + 1;
  for (const std::string_view word : words) {
    const std::size_t d = distance(typed, word);
    if (d < least && d < word.size()) {
      least = d;
      best = word;
    }
  }
  return best;
}

std::string_view nearest_option(std::string_view key) {
  // The right word in the wrong table first: `[http] receive_maximum`, or `level` without [log].
  for (const Option& option : options()) {
    if (last_part(option.name) == last_part(key)) return option.name;
  }
  std::vector<std::string_view> names;
  for (const Option& option : options()) names.push_back(option.name);
  return nearest(key, names);
}

std::string options_markdown() {
  const Config defaults;
  std::string out;
  std::string_view section = "?";
  for (const Option& option : options()) {
    const auto dot = option.name.find('.');
    const auto table = dot == std::string_view::npos ? "" : option.name.substr(0, dot);
    if (table != section) {
      section = table;
      const std::string title = table.empty() ? "Top of the file" : fmt::format("`[{}]`", table);
      out +=
          fmt::format("\n### {}\n\n| key | default | what it is |\n| --- | --- | --- |\n", title);
    }
    const std::string value = option.get(defaults);
    out += fmt::format("| `{}` | {} | {} Expects {}. `{}`{} |\n", option.name,
                       value.empty() ? "(empty)" : fmt::format("`{}`", value), option.help,
                       option.expected, environment_name(option.name),
                       option.flag.empty() ? "" : fmt::format(", `{}`", option.flag));
  }
  return out;
}

}  // namespace rowgate::config
