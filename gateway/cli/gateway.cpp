#include "gateway/cli/gateway.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <stdexcept>

#include "gateway/cli/identity.hpp"
#include "gateway/cli/metrics.hpp"
#include "gateway/cli/open_sink.hpp"
#include "gateway/http/api_routes.hpp"
#include "gateway/net/descriptors.hpp"
#include "storage/os/clock.hpp"

namespace rowgate::cli {
namespace {

constexpr std::chrono::milliseconds housekeeping_interval{100};
constexpr unsigned ticks_a_second = 10;
constexpr unsigned ticks_a_look = 2;  // at the mapping file

std::unique_ptr<os::Directory> open_data_dir(const std::string& path) {
  auto directory = os::open_directory(path);
  if (!directory) {
    throw std::runtime_error(fmt::format("cannot use the data directory: {}; check `data_dir`",
                                         directory.error().message));
  }
  return std::move(*directory);
}

storage::SinkOptions sink_options(const config::Config& config) {
  return {config::sink_url(config), config.sqlite.synchronous};
}

broker::BrokerOptions broker_options(const config::Config& config) {
  broker::BrokerOptions options;
  options.max_packet_bytes = config.mqtt.max_packet_bytes;
  options.receive_maximum = config.mqtt.receive_maximum;
  options.topic_alias_maximum = config.mqtt.topic_alias_maximum;
  options.connect_timeout = config.mqtt.connect_timeout;
  options.max_session_expiry = config.mqtt.max_session_expiry;
  options.max_journal_wait = config.mqtt.max_journal_wait;
  options.max_keep_alive = config.mqtt.max_keep_alive;
  options.max_filters = config.mqtt.max_subscriptions;
  options.max_topic_bytes = config.mqtt.max_topic_bytes;
  options.max_topic_levels = config.mqtt.max_topic_levels;
  options.max_sessions = config.mqtt.max_sessions;
  options.max_publishes_per_second = config.mqtt.max_publishes_per_second;
  options.max_publish_bytes_per_second = config.mqtt.max_publish_bytes_per_second;
  options.retain_available = config.mqtt.max_retained_messages != 0;
  options.reject_unmapped = config.drain.unmapped == config::Unmapped::reject;
  return options;
}

std::vector<net::Listen> listeners(const config::Config& config) {
  const auto& mqtt = config.mqtt;
  std::vector<net::Listen> all{{net::Kind::plain, mqtt.listen.host, mqtt.listen.port}};
  const auto add = [&](net::Kind kind, const config::Endpoint& endpoint) {
    if (!endpoint.host.empty()) all.push_back({kind, endpoint.host, endpoint.port});
  };
  add(net::Kind::tls, mqtt.tls_listen);
  add(net::Kind::ws, mqtt.ws_listen);
  add(net::Kind::wss, mqtt.wss_listen);
  return all;
}

net::TlsOptions tls_options(const config::Config& config) {
  constexpr net::CertificateField fields[] = {
      net::CertificateField::none, net::CertificateField::cn, net::CertificateField::san};
  const auto& tls = config.tls;
  return {tls.certificate, tls.key, tls.client_ca, fields[static_cast<std::size_t>(tls.user)],
          tls.min_version};
}

net::NetOptions net_options(const config::Config& config, std::uint32_t max_connections) {
  const auto& mqtt = config.mqtt;
  return {max_connections, mqtt.max_outgoing_bytes, mqtt.max_connections_per_address,
          mqtt.max_connects_per_second, mqtt.proxy_protocol};
}

bool is_loopback(const std::string& host) {
  boost::system::error_code not_an_address;
  const auto address = boost::asio::ip::make_address(host, not_an_address);
  return host == "localhost" || (!not_an_address && address.is_loopback());
}

/// "MQTT on HOST:PORT" for the first; the others in the same way, to be put behind the line.
std::string listener_text(const net::Listen& listen) {
  const char* names[] = {"MQTT", "MQTT over TLS", "WebSocket", "WebSocket over TLS"};
  return fmt::format("{} on {}:{}", names[static_cast<std::size_t>(listen.kind)], listen.host,
                     listen.port);
}

}  // namespace

Gateway::Gateway(const config::Config& config)
    : config_(config),
      listener_(listeners(config), tls_options(config)),
      data_dir_(open_data_dir(config.data_dir)),
      security_(config),
      watch_(config.mapping),
      mapping_(config.mapping) {
  sink_ = open_sink(sink_options(config_));
  open_journal();
  identity_ = gateway_identity(config_, *data_dir_);
  ledger_ = std::make_unique<broker::Ledger>(OwnMessages::ledger_threads, journal_->lanes());
  own_ = std::make_unique<OwnMessages>(config_, *journal_, mapping_.catalog(), *ledger_);
  subscribers_ = std::make_unique<Subscribers>(config_, *journal_, listener_);
  broker_.reset(new broker::Broker{*journal_, mapping_.catalog(), *ledger_, listener_,
                                   subscribers_->inbox(), subscribers_->retained(),
                                   broker_options(config_)});
  broker_->authenticator = &security_.authenticator();
  if (!config.security.acl.empty()) broker_->acl = &security_.acl();
  own_->join(*broker_);
  broker_->applied = [this] { return subscribers_->applied(); };
  const broker::Moment now{os::system_clock().now(), os::system_clock().ticks()};
  subscribers_->recover([&](const broker::KeptSession& kept) { broker_->restore(kept, now); });
  open_lanes();
}

// Who asks the sink ends before it does.
Gateway::~Gateway() {
  http_.reset();
  mapping_.stop();
}

void Gateway::open_journal() {
  storage::JournalOptions options;
  options.max_bytes = config_.journal.max_bytes;
  options.segment_bytes = config_.journal.segment_bytes;
  options.batch_bytes = config_.journal.batch_bytes;
  options.window_bytes = config_.journal.window_bytes;
  options.keep = config_.journal.keep;
  options.lanes = config_.drain.lanes ? config_.drain.lanes : sink_->default_lanes();
  journal_ = storage::Journal::open(open_data_dir(config::journal_directory(config_)), options);
  if (journal_->lanes() != options.lanes) {
    spdlog::warn(
        "the journal was begun with {} lanes and keeps them until it is stopped with everything "
        "drained and nothing retained (`journal.keep`); {} were asked for",
        journal_->lanes(), options.lanes);
  }
}

void Gateway::open_lanes() {
  storage::DrainOptions options;
  options.max_rows = config_.drain.max_rows;
  options.max_bytes = config_.drain.max_bytes;
  options.max_age = config_.drain.max_age;
  options.backoff_first = config_.drain.backoff_first;
  options.backoff_max = config_.drain.backoff_max;
  options.store_unmapped = config_.drain.unmapped == config::Unmapped::store;
  options.accept_gap = config_.journal.on_gap == config::OnGap::accept;
  own_->observe(options, [this] { listener_.journal_moved(); });
  counters_ = std::vector<storage::LaneCounters>(journal_->lanes());
  bool away = false;
  for (std::uint16_t i = 0; i < journal_->lanes(); ++i) {
    const storage::Lane lane{i};
    auto drain = std::make_unique<storage::LaneDrain>(
        *journal_, sink_->lane(lane), storage::DrainIdentity{identity_, journal_->id(), lane},
        options, os::system_clock(), [this] { return mapping_.catalog().get(); }, counters_[i],
        [](const std::string& what) { spdlog::warn("{}", what); });
    const auto opened = drain->open();
    if (!opened && opened.error().outcome != storage::CommitOutcome::retry) {
      throw std::runtime_error(opened.error().message);
    }
    if (!opened && !away) {  // once: the lanes have one database
      spdlog::warn("{}; publishes are journalled until it is back", opened.error().message);
      away = true;
    }
    lanes_.push_back({std::move(drain), {}});
  }
}

std::uint32_t Gateway::max_connections() const {
  const std::uint32_t wanted = config_.mqtt.max_connections;
  const std::uint64_t descriptors = net::raise_descriptor_limit();
  const std::uint32_t allowed = net::connections_within(descriptors, wanted);
  if (allowed < wanted) {
    spdlog::info(
        "this process may open {} files, which leaves {} for clients; raise the limit (ulimit -n, "
        "LimitNOFILE=) to have the {} of `mqtt.max_connections`",
        descriptors, allowed, wanted);
  }
  return allowed;
}

void Gateway::start() {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned threads = std::min(config_.io_threads ? config_.io_threads : cores, 255U);
  listener_.open(*broker_, threads, net_options(config_, max_connections()));
  mapping_.start(*sink_, open_mapping_history(sink_options(config_), identity_));
  sampler_ = std::make_unique<topics::Sampler>(*journal_, recent_, os::system_clock());
  sampler_->start();
  http_ = std::make_unique<http::Server>(config_.http.listen.host, config_.http.listen.port,
                                         http_endpoints());
  journal_->start([this](storage::Position) { listener_.journal_moved(); },
                  [this](const std::string& what) { fault(what); });
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i].thread = std::jthread([this, i](std::stop_token stop) { run_lane(i, stop); });
  }
  subscribers_->start([this](const std::string& what) { fault(what); });
  listener_.start();
  accepting_ = true;
}

http::Endpoints Gateway::http_endpoints() {
  const std::string& host = config_.http.listen.host;
  http::ApiEndpoints api;
  api.mapping = mapping_.endpoints();
  api.kept = {.sink = sink_.get(), .catalog = [this] { return mapping_.catalog().get(); }};
  const auto now = [] { return os::system_clock().now(); };
  api.topics = {
      .list = [this, now](std::string_view prefix, std::string_view after,
                          std::size_t limit) { return recent_.list(prefix, after, limit, now()); },
      .find = [this, now](std::string_view topic) { return recent_.find(topic, now()); },
      .coverage = [this] { return sampler_->coverage(); },
      .catalog = [this] { return mapping_.catalog().get(); }};
  return {.live =
              [this] {
                return http::Answer{!faulted_, faulted_ ? "faulted" : "alive"};
              },
          .ready = [this] { return ready(); },
          .metrics =
              [this] {
                return metrics_text(*broker_, subscribers_->counters(), counters_) +
                       own_->metrics_text();
              },
          .reload_mapping =
              [this] { return mapping_.reload(LiveMapping::Source::http, "POST /mapping/reload"); },
          .api = http::Api({config_.http.token, is_loopback(host)}, http::api_routes(api))};
}

void Gateway::run_lane(std::size_t lane, std::stop_token stop) {
  pthread_setname_np(pthread_self(), fmt::format("rowgate-lane-{}", lane).c_str());
  std::string error;
  if (lanes_[lane].drain->run(stop, config_.shutdown_drain, error) != storage::DrainEnd::stopped) {
    fault(fmt::format("lane {}: {}", lane, error));
  }
}

int Gateway::run() {
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.add(SIGHUP);
  await_signal();
  start();
  housekeeping();
  std::string further;
  for (const net::Listen& listen : listener_.listeners()) {
    if (listen.kind != net::Kind::plain) further += ", " + listener_text(listen);
  }
  spdlog::info("ready: {}, HTTP on {}:{}, sink {}, mapping {}{}",
               listener_text(listener_.listeners().front()), config_.http.listen.host,
               http_->port(), sink_->describe(),
               config_.mapping.empty() ? "built-in" : config_.mapping, further);
  try {
    main_.run();
  } catch (const std::exception& error) {  // the threads must end in their order all the same
    fault(error.what());
  }
  stop();
  return faulted_ ? 1 : 0;
}

void Gateway::await_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      mapping_.reload_soon(LiveMapping::Source::signal);
      listener_.reload_certificate();
      security_.reload();
      return await_signal();
    }
    spdlog::info("{}: stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    main_.stop();
  });
}

void Gateway::fault(const std::string& what) {
  spdlog::critical("{}", what);
  faulted_ = true;
  main_.stop();
}

void Gateway::trim() {
  journal_->trim([this] {
    storage::Position flushed = subscribers_->flushed();
    for (const storage::LaneCounters& lane : counters_) {
      flushed = std::min(flushed, storage::Position{lane.flushed.load()});
    }
    return flushed;
  });
}

void Gateway::housekeeping() {
  trim();
  listener_.journal_moved();  // for publishers that wait for room
  own_->tick(subscribers_->counters(), counters_);
  if (++ticks_ % ticks_a_look == 0 && watch_.changed()) {
    mapping_.reload_soon(LiveMapping::Source::file);
  }
  if (ticks_ % ticks_a_second == 0) {
    listener_.reload_changed_certificate();
    security_.reload();
  }
  timer_.expires_after(housekeeping_interval);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) housekeeping();
  });
}

// What was received is acknowledged as far as it can be kept, then the lanes drain for a while; the
// rest is in the journal for the next start.
void Gateway::stop() {
  accepting_ = false;
  listener_.quiesce();
  await_commit();
  listener_.finish();
  own_->tick(subscribers_->counters(), counters_);  // what they said last
  await_commit();                                   // sessions that ended with their connections
  subscribers_->stop();
  for (LaneThread& lane : lanes_) lane.thread.request_stop();
  for (LaneThread& lane : lanes_) lane.thread.join();
  trim();  // a journal that is drained may have another number of lanes at the next start
  sampler_->stop();
  journal_->stop();
  http_->stop();
  mapping_.stop();
  const std::uint64_t left = pending();
  spdlog::info("stopped; {}", left == 0 ? "the journal is drained"
                                        : fmt::format("left in the journal for the next start: "
                                                      "{} messages",
                                                      left));
}

void Gateway::await_commit() const {
  while (!faulted_ && journal_->durable() < journal_->appended()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::uint64_t Gateway::pending() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counters_.size(); ++i) {
    sum +=
        ledger_line(*ledger_, storage::Lane{static_cast<std::uint16_t>(i)}, counters_[i]).pending;
  }
  return sum;
}

http::Answer Gateway::ready() const {
  if (!accepting_ || faulted_) return {false, "not accepting publishes"};
  std::size_t away = 0;
  for (const storage::LaneCounters& lane : counters_) away += lane.connected.load() ? 0 : 1;
  std::string text = "accepting publishes";
  if (away > 0) {
    text += fmt::format("; sink {} is away for {} of {} lanes, {} messages wait in the journal",
                        sink_->describe(), away, counters_.size(), pending());
  }
  return {true, text};
}

}  // namespace rowgate::cli
