#include "gateway/cli/subscribers.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

namespace rowgate::cli {
namespace {

broker::DispatchOptions dispatch_options(const config::Config& config) {
  broker::DispatchOptions options;
  options.max_queued_messages = config.mqtt.max_queued_messages;
  options.max_queued_bytes = config.mqtt.max_queued_bytes;
  options.max_queued_total = config.mqtt.max_queued_total;
  return options;
}

}  // namespace

Subscribers::Subscribers(const config::Config& config, storage::Journal& journal,
                         broker::Peers& peers)
    : store_(storage::open_state_store(fmt::format("{}/sessions.db", config.data_dir), journal.id(),
                                       journal.trimmed())),
      retained_({config.mqtt.max_retained_messages, config.mqtt.max_retained_bytes}),
      dispatch_(
          dispatch_options(config), counters_, retained_,
          [&journal](std::string_view event) { return journal.append_event(event); },
          [&peers](broker::Delivery&& copy) { peers.deliver(std::move(copy)); }),
      loop_(dispatch_, inbox_, journal, *store_, os::system_clock(),
            std::min(config.journal.segment_bytes, config.journal.max_bytes / 4) / 2) {
  loop_.on_round([&peers] { peers.send_off(); });
}

Subscribers::~Subscribers() = default;

void Subscribers::recover(const std::function<void(const broker::KeptSession&)>& visit) {
  loop_.recover();
  dispatch_.recovered(visit);
}

void Subscribers::start(std::function<void(const std::string&)> fault) {
  thread_ = std::jthread([this, fault = std::move(fault)](std::stop_token stop) {
    pthread_setname_np(pthread_self(), "rowgate-disp");
    const std::string error = loop_.run(std::move(stop));
    if (!error.empty()) fault(error);
  });
}

void Subscribers::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace rowgate::cli
