#include "gateway/broker/sys_topics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "gateway/broker/dispatch_inbox.hpp"
#include "gateway/broker/retained.hpp"

namespace rowgate::broker {
namespace {

constexpr std::pair<std::string_view, double> spans_in_seconds[] = {
    {"1min", 60.0}, {"5min", 300.0}, {"15min", 900.0}};

std::uint64_t of(const SysCounts& counts, Traffic what) {
  return counts.traffic[static_cast<std::size_t>(what)];
}

}  // namespace

SysTopics::SysTopics(Publish publish, std::string_view version, Ticks started)
    : publish_(std::move(publish)), started_(started), updated_(started) {
  say("$SYS/broker/version", fmt::format("rowgate version {}", version));
}

void SysTopics::say(std::string_view topic, std::string payload) {
  const auto known = said_.find(topic);
  if (known != said_.end() && known->second == payload) return;
  said_.insert_or_assign(std::string(topic), payload);
  publish_(topic, std::move(payload));
}

void SysTopics::say(std::string_view topic, std::uint64_t value) {
  say(topic, std::to_string(value));
}

void SysTopics::update(const SysCounts& counts, Ticks now) {
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(now - started_);
  say("$SYS/broker/uptime", fmt::format("{} seconds", up.count()));
  say_clients(counts);
  say_messages(counts);
  say_gateway(counts);
  say_loads(counts, now);
}

void SysTopics::say_clients(const SysCounts& counts) {
  const std::uint64_t total = counts.clients_connected + counts.clients_disconnected;
  clients_maximum_ = std::max(clients_maximum_, total);
  say("$SYS/broker/clients/total", total);
  say("$SYS/broker/clients/maximum", clients_maximum_);
  say("$SYS/broker/clients/connected", counts.clients_connected);
  say("$SYS/broker/clients/active", counts.clients_connected);
  say("$SYS/broker/clients/disconnected", counts.clients_disconnected);
  say("$SYS/broker/clients/inactive", counts.clients_disconnected);
  say("$SYS/broker/clients/expired", counts.clients_expired);
}

void SysTopics::say_messages(const SysCounts& counts) {
  say("$SYS/broker/messages/received", of(counts, Traffic::messages_received));
  say("$SYS/broker/messages/sent", of(counts, Traffic::messages_sent));
  say("$SYS/broker/messages/stored", counts.stored_messages);
  say("$SYS/broker/store/messages/count", counts.stored_messages);
  say("$SYS/broker/store/messages/bytes", counts.stored_bytes);
  say("$SYS/broker/publish/messages/received", of(counts, Traffic::publishes_received));
  say("$SYS/broker/publish/messages/sent", of(counts, Traffic::publishes_sent));
  say("$SYS/broker/publish/messages/dropped", counts.publishes_dropped);
  say("$SYS/broker/publish/bytes/received", of(counts, Traffic::publish_bytes_received));
  say("$SYS/broker/publish/bytes/sent", of(counts, Traffic::publish_bytes_sent));
  say("$SYS/broker/bytes/received", of(counts, Traffic::bytes_received));
  say("$SYS/broker/bytes/sent", of(counts, Traffic::bytes_sent));
  say("$SYS/broker/subscriptions/count", counts.subscriptions);
  say("$SYS/broker/shared_subscriptions/count", counts.shared_subscriptions);
  say("$SYS/broker/retained messages/count", counts.retained_messages);
  heap_maximum_ = std::max(heap_maximum_, counts.heap_bytes);
  say("$SYS/broker/heap/current", counts.heap_bytes);
  say("$SYS/broker/heap/maximum", heap_maximum_);
}

void SysTopics::say_gateway(const SysCounts& counts) {
  say("$SYS/rowgate/ledger/received", counts.received);
  say("$SYS/rowgate/ledger/stored", counts.stored);
  say("$SYS/rowgate/ledger/dead_letter", counts.dead_letter);
  say("$SYS/rowgate/ledger/unmapped", counts.unmapped);
  say("$SYS/rowgate/ledger/dropped", counts.dropped);
  say("$SYS/rowgate/ledger/pending", counts.pending);
  say("$SYS/rowgate/journal/disk_bytes", counts.journal_disk_bytes);
  say("$SYS/rowgate/journal/commits", counts.journal_commits);
  say("$SYS/rowgate/journal/first_position", counts.journal_first);
  say("$SYS/rowgate/journal/durable_position", counts.journal_durable);
}

void SysTopics::say_loads(const SysCounts& counts, Ticks now) {
  const double seconds = std::chrono::duration<double>(now - updated_).count();
  updated_ = now;
  if (seconds <= 0.0) return;
  say_load("messages/received", of(counts, Traffic::messages_received), seconds);
  say_load("messages/sent", of(counts, Traffic::messages_sent), seconds);
  say_load("publish/received", of(counts, Traffic::publishes_received), seconds);
  say_load("publish/sent", of(counts, Traffic::publishes_sent), seconds);
  say_load("publish/dropped", counts.publishes_dropped, seconds);
  say_load("bytes/received", of(counts, Traffic::bytes_received), seconds);
  say_load("bytes/sent", of(counts, Traffic::bytes_sent), seconds);
  say_load("sockets", counts.sockets, seconds);
  say_load("connections", counts.connections, seconds);
}

void SysTopics::say_load(std::string_view name, std::uint64_t total, double seconds) {
  Load& load = loads_.try_emplace(std::string(name)).first->second;
  const double a_minute = static_cast<double>(total - load.last) * 60.0 / seconds;
  load.last = total;
  for (std::size_t i = 0; i < spans; ++i) {
    const auto& [span, length] = spans_in_seconds[i];
    load.average[i] = a_minute + std::exp(-seconds / length) * (load.average[i] - a_minute);
    say(fmt::format("$SYS/broker/load/{}/{}", name, span), fmt::format("{:.2f}", load.average[i]));
  }
}

SysTopics::Publish publish_retained(Retained& retained, DispatchInbox& inbox) {
  return [&retained, &inbox](std::string_view topic, std::string payload) {
    auto message = std::make_shared<const LiveMessage>(LiveMessage{.topic = std::string(topic),
                                                                   .payload = std::move(payload),
                                                                   .properties = {},
                                                                   .qos = mqtt::QoS::at_most_once,
                                                                   .retain = true});
    {
      const auto held = retained.hold();
      retained.set(message);
    }
    inbox.put(std::move(message));
  };
}

}  // namespace rowgate::broker
