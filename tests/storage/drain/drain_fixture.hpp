#pragma once
// A journal on a memory disk, a drain on a thread, and whatever sink a test gives it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "schema/mapping_file.hpp"
#include "storage/drain/lane_drain.hpp"
#include "tests/support/memory_disk.hpp"
#include "tests/support/memory_sink.hpp"

namespace rowgate::test {

constexpr const char* readings_mapping = R"(
[[mapping]]
name = "readings"
topic = "d/{device}"
table = "readings"
payload = "json"
[mapping.columns]
device = { topic = "device", type = "text" }
n = { from = "/n", type = "bigint" }
)";

inline std::shared_ptr<const schema::Catalog> catalog_of(const std::string& toml) {
  const auto parsed = schema::parse_mapping_file(toml, 1);
  if (!parsed) throw std::runtime_error(schema::format_errors("test.toml", parsed.error()));
  return *parsed;
}

/// One lane's drain on a thread of its own.
class RunningDrain {
 public:
  RunningDrain(storage::Journal& journal, std::unique_ptr<storage::SinkLane> sink,
               std::shared_ptr<const schema::Catalog> catalog, storage::Lane lane = {},
               storage::DrainOptions options = fast(), os::Clock& clock = os::system_clock())
      : catalog_(std::move(catalog)),
        drain_(
            journal, std::move(sink), {"gw", journal.id(), lane}, options, clock,
            [this] { return current_catalog(); }, counters,
            [this](const std::string& text) { warned(text); }) {}
  ~RunningDrain() { stop(); }

  /// Small batches and short waits, so that a test sees many commits.
  static storage::DrainOptions fast() {
    storage::DrainOptions options;
    options.max_rows = 50;
    options.max_age = std::chrono::milliseconds(5);
    options.backoff_first = std::chrono::milliseconds(1);
    options.backoff_max = std::chrono::milliseconds(8);
    return options;
  }

  storage::SinkResult<void> open() { return drain_.open(); }
  void start(std::chrono::milliseconds linger = std::chrono::seconds(20)) {
    thread_ = std::jthread([this, linger](std::stop_token stop) {
      const storage::DrainEnd how = drain_.run(std::move(stop), linger, error);
      const std::lock_guard lock(mutex_);
      end_ = how;
    });
  }
  /// Asks it to stop and waits until it has.
  storage::DrainEnd stop() {
    if (thread_.joinable()) {
      thread_.request_stop();
      thread_.join();
    }
    return end().value_or(storage::DrainEnd::stopped);
  }
  std::optional<storage::DrainEnd> end() {
    const std::lock_guard lock(mutex_);
    return end_;
  }
  void set_catalog(std::shared_ptr<const schema::Catalog> catalog) {
    const std::lock_guard lock(mutex_);
    catalog_ = std::move(catalog);
  }
  std::vector<std::string> warnings() {
    const std::lock_guard lock(mutex_);
    return warnings_;
  }
  /// Messages that reached their fate.
  std::uint64_t done() const { return counters.stored + counters.dead_letter + counters.unmapped; }

  storage::LaneCounters counters;
  std::string error;

 private:
  std::shared_ptr<const schema::Catalog> current_catalog() {
    const std::lock_guard lock(mutex_);
    return catalog_;
  }
  void warned(const std::string& text) {
    const std::lock_guard lock(mutex_);
    warnings_.push_back(text);
  }

  std::mutex mutex_;
  std::shared_ptr<const schema::Catalog> catalog_;
  std::vector<std::string> warnings_;
  std::optional<storage::DrainEnd> end_;
  storage::LaneDrain drain_;
  std::jthread thread_;
};

class DrainTest : public testing::Test {
 protected:
  void SetUp() override { open_journal(); }
  void TearDown() override { journal->stop(); }

  void open_journal(std::uint16_t lanes = 1) {
    journal.reset();
    storage::JournalOptions options;
    options.segment_bytes = 256U << 10;
    options.batch_bytes = 64U << 10;
    options.window_bytes = 128U << 10;
    options.max_bytes = 64U << 20;
    options.lanes = lanes;
    journal = storage::Journal::open(disk.directory(), options);
    journal->start([](storage::Position) {}, [](const std::string&) {});
  }
  /// Appends a QoS 1 publish, waiting for room where needed.
  storage::Position publish(const std::string& topic, const std::string& payload,
                            const std::string& client = "c") {
    storage::PublishRecord record;
    record.client_id = client;
    record.topic = topic;
    record.payload = payload;
    record.received_at = {1767225600000000};
    record.lane = storage::lane_of(client, journal->lanes());
    record.packet_id = 1;
    record.qos = 1;
    for (;;) {
      const auto appended = journal->append(record);
      if (appended) return (*appended).end;
      if (appended.error() != storage::AppendError::busy) {
        ADD_FAILURE() << "append";
        return {};
      }
      std::this_thread::yield();
    }
  }
  void publish_readings(int from, int to) {
    for (int n = from; n < to; ++n) publish("d/a", fmt::format(R"({{"n": {}}})", n));
  }
  /// Until the condition holds; false after a minute.
  static bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }
  /// A client id of that lane.
  std::string client_of(storage::Lane lane) const {
    for (int i = 0;; ++i) {
      std::string client = fmt::format("client{}", i);
      if (storage::lane_of(client, journal->lanes()) == lane) return client;
    }
  }
  /// Column n of the readings rows, in the order in which they were committed.
  std::vector<int> stored() const {
    const auto catalog = catalog_of(readings_mapping);
    const std::size_t n = catalog->tables[0].column("n").value();
    std::vector<int> values;
    for (const auto& row : database.rows("readings")) values.push_back(std::stoi(row.values[n]));
    return values;
  }
  static std::vector<int> numbers(int from, int to) {
    std::vector<int> values;
    for (int n = from; n < to; ++n) values.push_back(n);
    return values;
  }
  std::unique_ptr<RunningDrain> drain(storage::DrainOptions options = RunningDrain::fast(),
                                      const char* mapping = readings_mapping) {
    return std::make_unique<RunningDrain>(*journal, database.lane(), catalog_of(mapping),
                                          storage::Lane{0}, options);
  }

  MemoryDisk disk;
  MemoryDatabase database;
  std::unique_ptr<storage::Journal> journal;
};

}  // namespace rowgate::test
