// The dispatch thread over a real journal on a memory disk.
#include "gateway/broker/dispatch_loop.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "tests/gateway/broker/dispatch_fixture.hpp"
#include "tests/support/memory_disk.hpp"

namespace rowgate::broker {
namespace {

using mqtt::QoS;

/// One life of a gateway over a disk and a store that outlive it.
class Life {
 public:
  Life(test::MemoryDisk& disk, MemoryStore& store) {
    storage::JournalOptions options;
    options.segment_bytes = 1U << 20;
    options.batch_bytes = 64U << 10;
    journal_ = storage::Journal::open(disk.directory(), options);
    dispatch_ = std::make_unique<Dispatch>(
        DispatchOptions{}, counters_, retained_,
        [this](std::string_view event) { return journal_->append_event(event); },
        [this](Delivery&& d) {
          const std::lock_guard lock(mutex_);
          sent_.push_back(std::move(d));
          more_.notify_all();
        });
    loop_ =
        std::make_unique<DispatchLoop>(*dispatch_, inbox_, *journal_, store, os::system_clock());
  }
  ~Life() {
    if (thread_.joinable()) end();
  }

  std::vector<std::string> recover() {
    std::vector<std::string> kept;
    loop_->recover();
    dispatch_->recovered([&](const KeptSession& s) { kept.push_back(s.client_id); });
    return kept;
  }
  void start() {
    journal_->start([](storage::Position) {}, [](const std::string&) {});
    thread_ = std::jthread([this](std::stop_token stop) { error_ = loop_->run(std::move(stop)); });
  }
  /// As SIGTERM does; what run() says.
  std::string end() {
    thread_.request_stop();
    thread_.join();
    journal_->stop();
    return error_;
  }
  storage::Position tell(const SessionEvent& event) {
    std::string bytes;
    encode(event, bytes);
    return journal_->append_event(bytes)->end;
  }
  void mail(const SessionEvent& event) {
    std::string bytes;
    encode(event, bytes);
    inbox_.put(EphemeralEvent{bytes, journal_->appended()});
  }
  void attach(const std::string& id, storage::Position after = {}) {
    inbox_.put(Attach{id, {1, 1, 1}, 65535, 0xFFFFFFFF, mqtt::Version::v5, after});
  }
  void publish(std::string_view payload) {
    ASSERT_TRUE(journal_->append({.client_id = "p",
                                  .topic = "t",
                                  .properties = {},
                                  .payload = payload,
                                  .received_at = os::system_clock().now(),
                                  .lane = {},
                                  .packet_id = 1,
                                  .qos = 1}));
  }
  /// A publish, in a commit of its own.
  void commit(std::string_view payload) {
    const storage::Position before = journal_->appended();
    publish(payload);
    ASSERT_TRUE(journal_->read(before, {}, std::chrono::seconds(30)));
  }
  /// Waits for the next `n` copies.
  std::vector<Delivery> take(std::size_t n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(more_.wait_for(lock, std::chrono::seconds(30), [&] { return sent_.size() >= n; }));
    return std::exchange(sent_, {});
  }
  storage::Journal& journal() { return *journal_; }
  DispatchLoop& loop() { return *loop_; }

 private:
  std::unique_ptr<storage::Journal> journal_;
  DispatchCounters counters_;
  Retained retained_{{}};
  DispatchInbox inbox_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<Delivery> sent_;  // guarded by mutex_
  std::unique_ptr<Dispatch> dispatch_;
  std::unique_ptr<DispatchLoop> loop_;
  std::string error_;
  std::jthread thread_;
};

TEST(DispatchLoop, ServesADurableSessionOverARestart) {
  test::MemoryDisk disk;
  MemoryStore store;
  mqtt::PacketId id = 0;
  {
    Life life(disk, store);
    EXPECT_TRUE(life.recover().empty());
    life.start();
    life.tell(event::Began{"s", true, 100, {}});
    const auto end = life.tell(event::Subscribed{"s", "#", {.qos = QoS::at_least_once}});
    life.attach("s", end);
    life.publish("1");
    const auto sent = life.take(1);
    id = sent.at(0).packet_id;
    EXPECT_EQ(sent.at(0).message->payload, "1");
    EXPECT_EQ(life.end(), "");
    EXPECT_EQ(life.loop().flushed(), life.journal().durable());
  }
  Life life(disk, store);
  EXPECT_EQ(life.recover(), std::vector<std::string>{"s"});
  life.start();
  life.attach("s");
  const auto sent = life.take(1);
  EXPECT_EQ(sent.at(0).packet_id, id);
  EXPECT_TRUE(sent.at(0).dup);
}

TEST(DispatchLoop, WakesForASubscriptionByTheInbox) {
  test::MemoryDisk disk;
  MemoryStore store;
  Life life(disk, store);
  life.recover();
  life.start();
  life.mail(event::Began{"e", true, 0, {}});
  life.mail(event::Subscribed{"e", "#", {.qos = QoS::at_least_once}});
  life.attach("e");
  for (int i = 0; i < 100; ++i) life.publish(std::to_string(i));
  std::vector<std::string> got;
  while (got.size() < 100) {
    const auto sent = life.take(1);
    ASSERT_FALSE(sent.empty());
    for (const Delivery& d : sent) got.push_back(d.message->payload);
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(got.at(static_cast<std::size_t>(i)), std::to_string(i));
}

TEST(DispatchLoop, MovesItsCheckpointWithoutSubscribers) {
  test::MemoryDisk disk;
  MemoryStore store;
  Life life(disk, store);
  life.recover();
  life.start();
  for (int i = 0; i < 100; ++i) life.publish("x");
  EXPECT_EQ(life.end(), "");
  EXPECT_EQ(store.checkpoint(), life.journal().durable());
  EXPECT_TRUE(store.values.empty());
}

// Commits are small and many where publishers are slow: nobody who subscribes may wait for them.
TEST(DispatchLoop, IsNotBehindWhenTheFirstSubscriberComes) {
  test::MemoryDisk disk;
  MemoryStore store;
  Life life(disk, store);
  life.recover();
  life.start();
  for (int i = 0; i < 2000; ++i) {
    life.commit("unseen");
  }
  life.tell(event::Began{"s", true, 100, {}});
  const auto end = life.tell(event::Subscribed{"s", "#", {.qos = QoS::at_least_once}});
  life.attach("s", end);
  life.publish("seen");
  const auto sent = life.take(1);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].message->payload, "seen");
}

TEST(DispatchLoop, RefusesAStoreThatIsOlderThanWhatTheJournalHolds) {
  test::MemoryDisk disk;
  MemoryStore store;
  {
    Life life(disk, store);
    life.recover();
    life.start();
    for (int i = 0; i < 60; ++i) life.commit(std::string(30'000, 'x'));
    EXPECT_EQ(life.end(), "");
    life.journal().trim(store.checkpoint());
    ASSERT_GT(life.journal().first().value, 0U);
  }
  ASSERT_TRUE(store.commit({}, {0}));
  Life life(disk, store);
  try {
    life.recover();
    FAIL() << "records between the two are gone";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("older copy"), std::string::npos) << error.what();
  }
}

TEST(DispatchLoop, RefusesAStoreThatIsAheadOfTheJournal) {
  test::MemoryDisk disk;
  MemoryStore store;
  ASSERT_TRUE(store.commit({}, {1ULL << 40}));
  Life life(disk, store);
  EXPECT_THROW(life.recover(), std::runtime_error);
}

TEST(DispatchLoop, StopsAtAnEventThatItDoesNotKnow) {
  test::MemoryDisk disk;
  MemoryStore store;
  {
    Life life(disk, store);
    life.recover();
    life.start();
    const auto appended = life.journal().append_event("\x63what");
    ASSERT_TRUE(appended);
    EXPECT_NE(life.end(), "");
  }
  Life again(disk, store);
  EXPECT_THROW(again.recover(), std::runtime_error);
}

}  // namespace
}  // namespace rowgate::broker
