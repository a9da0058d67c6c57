#pragma once
// A Dispatch over a journal that is a list of records and a store that is a map, so that a test may
// commit, crash and recover as it likes.
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/broker/dispatch.hpp"

namespace rowgate::broker {

class MemoryStore final : public storage::StateStore {
 public:
  storage::Position checkpoint() const noexcept override { return checkpoint_; }
  void load(const std::function<void(std::string_view, std::string_view)>& visit) override {
    for (const auto& [key, value] : values) visit(key, value);
  }
  Result<void, std::string> commit(std::span<const Change> changes,
                                   storage::Position checkpoint) override {
    for (const Change& change : changes) {
      if (change.value) {
        values[change.key] = *change.value;
      } else {
        values.erase(change.key);
      }
    }
    writes += changes.size();
    checkpoint_ = checkpoint;
    return {};
  }

  std::map<std::string, std::string> values;
  std::size_t writes = 0;

 private:
  storage::Position checkpoint_;
};

class DispatchWorld {
 public:
  struct Record {
    storage::Position position;
    bool is_event = false;
    std::string event, client_id, topic, payload, properties;
    mqtt::QoS qos{};
    bool retain = false;
    Timestamp at;
  };

  explicit DispatchWorld(DispatchOptions o = {}) : options(o) { begin(); }

  // Appending. What is appended is durable once run() has it read back.
  storage::Position tell(const SessionEvent& event) {
    Record r;
    r.is_event = true;
    encode(event, r.event);
    return append(std::move(r));
  }
  storage::Position publish(std::string topic, std::string payload, mqtt::QoS qos,
                            std::string publisher = "publisher", bool retain = false,
                            std::string properties = {}) {
    Record r;
    r.client_id = std::move(publisher);
    r.topic = std::move(topic);
    r.payload = std::move(payload);
    r.properties = std::move(properties);
    r.qos = qos;
    r.retain = retain;
    r.at = now;
    if (retain) {  // as the publisher's thread does
      const auto held = retained->hold();
      (void)retained->set(std::make_shared<const LiveMessage>(
          LiveMessage{r.topic, r.payload, r.properties, qos, true, {}}));
    }
    return append(std::move(r));
  }
  /// An event of a session that ends with its connection.
  void mail(const SessionEvent& event) {
    std::string bytes;
    encode(event, bytes);
    dispatch->apply_event(bytes, {end}, now);
  }
  void begin_client(std::string_view id, std::uint32_t expiry = 1000, bool anew = true) {
    tell(event::Began{id, anew, expiry, {}});
  }
  void subscribe(std::string_view id, std::string_view filter, mqtt::QoS qos,
                 std::uint32_t identifier = 0) {
    tell(event::Subscribed{id, filter, {.qos = qos, .identifier = identifier}});
  }
  ConnectionRef attach(std::string id, std::uint16_t receive_maximum = 65535,
                       std::uint32_t maximum_packet_size = 0xFFFFFFFF) {
    const ConnectionRef to{1, 1, ++connections};
    dispatch->attach(
        {std::move(id), to, receive_maximum, maximum_packet_size, mqtt::Version::v5, {end}}, now);
    return to;
  }

  /// One record becomes durable and takes effect.
  bool step() {
    if (applied == journal.size()) return false;
    apply(journal[applied++]);
    return true;
  }
  /// Until nothing happens any more.
  void run() {
    do {
      while (step()) {
      }
      pump();
    } while (applied < journal.size());
  }
  void pump() {
    dispatch->reached(next());
    dispatch->pump(now);
  }
  void commit() {
    const auto changes = dispatch->take_changes();
    ASSERT_TRUE(store.commit(changes, next()));
  }
  /// The gateway is killed: what was not applied may be lost, all in memory is.
  void crash(bool lose_undurable = true) {
    if (lose_undurable) journal.resize(applied);
    end = journal.empty() ? 0 : journal.back().position.value + 10;
    sent.clear();
    begin();
  }
  std::vector<Delivery> take_sent() { return std::exchange(sent, {}); }

  /// Of the record after those applied.
  storage::Position next() const {
    return {applied == 0 ? 0 : journal[applied - 1].position.value + 10};
  }

  DispatchOptions options;
  std::uint64_t retained_limit = 1U << 20;  // bytes
  Timestamp now{1'000'000'000};
  std::vector<Record> journal;
  std::size_t applied = 0;
  std::uint64_t end = 0;
  MemoryStore store;
  std::vector<Delivery> sent;
  std::function<bool()> busy = [] { return false; };
  std::uint32_t connections = 0;
  std::vector<std::string> kept;  // the sessions that recovery found
  std::unique_ptr<DispatchCounters> counters;
  std::unique_ptr<Retained> retained;
  std::unique_ptr<Dispatch> dispatch;

 private:
  storage::Position append(Record&& r) {
    r.position = {end};
    end += 10;
    journal.push_back(std::move(r));
    return {end};
  }
  void apply(const Record& r) {
    storage::RecordView view;
    view.position = r.position;
    view.end = {r.position.value + 10};
    if (r.is_event) {
      view.type = storage::RecordType::event;
      view.event = r.event;
    } else {
      view.type = storage::RecordType::publish;
      view.publish.client_id = r.client_id;
      view.publish.topic = r.topic;
      view.publish.payload = r.payload;
      view.publish.properties = r.properties;
      view.publish.qos = static_cast<std::uint8_t>(r.qos);
      view.publish.retain = r.retain;
      view.publish.received_at = r.at;
    }
    dispatch->apply(view, now);
  }
  void begin() {
    counters = std::make_unique<DispatchCounters>();
    retained = std::make_unique<Retained>(Retained::Limits{.bytes = retained_limit});
    dispatch = std::make_unique<Dispatch>(
        options, *counters, *retained,
        [this](std::string_view bytes) -> Result<storage::Appended, storage::AppendError> {
          if (busy()) return storage::AppendError::busy;
          Record r;
          r.is_event = true;
          r.event = bytes;
          return storage::Appended{append(std::move(r))};
        },
        [this](Delivery&& d) { sent.push_back(std::move(d)); });
    dispatch->load(store);
    for (applied = 0; applied < journal.size();) {
      const Record& r = journal[applied++];
      if (r.position >= store.checkpoint()) apply(r);
    }
    dispatch->reached(next());
    kept.clear();
    dispatch->recovered([this](const KeptSession& s) { kept.push_back(s.client_id); });
  }
};

}  // namespace rowgate::broker
