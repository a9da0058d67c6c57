#pragma once
// The dispatch thread: reads the journal as a lane does, drives the Dispatch, and commits what it
// must remember to the StateStore. recover() on the main thread before the listener opens; run() on
// its own thread.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "gateway/broker/dispatch.hpp"
#include "gateway/broker/dispatch_inbox.hpp"
#include "storage/journal/journal.hpp"
#include "storage/os/clock.hpp"
#include "storage/state/state_store.hpp"

namespace rowgate::broker {

class DispatchLoop {
 public:
  /// The inbox wakes it from here on. `checkpoint_every`: bytes of journal, without changes, after
  /// which the store's checkpoint follows; well below a segment, which is kept until then.
  DispatchLoop(Dispatch& dispatch, DispatchInbox& inbox, storage::Journal& journal,
               storage::StateStore& store, os::Clock& clock,
               std::uint64_t checkpoint_every = 32ULL << 20);

  /// `handed_out` is called on the dispatch thread after each round: no more copies come for now.
  /// Set before run().
  void on_round(std::function<void()> handed_out) { handed_out_ = std::move(handed_out); }
  /// Loads the store and applies what the journal holds behind its checkpoint. Throws
  /// std::runtime_error, or JournalCorrupt.
  void recover();
  /// Until stop is requested and all that is durable then has been applied and committed to the
  /// store. The error, if it ends by itself: a sentence for people (the store's disk is full, the
  /// journal is corrupt); the gateway must stop then.
  [[nodiscard]] std::string run(std::stop_token stop) noexcept;
  /// Any thread: what lies below is in the store, on disk; the journal may drop it.
  storage::Position flushed() const noexcept;
  /// Any thread: up to here records have taken effect.
  storage::Position applied() const noexcept;

 private:
  using Ticks = std::chrono::steady_clock::time_point;

  void loop(std::stop_token stop);
  /// Whether there was a batch. Waits for one, for mail, or for a while.
  bool step(std::stop_token stop);
  void take_mail();
  void apply(const storage::Batch& batch);
  /// Until mail comes, stop is requested, or a while has passed.
  void rest(std::stop_token stop);
  void commit_if_due(bool idle);
  void commit();

  Dispatch& dispatch_;
  DispatchInbox& inbox_;
  storage::Journal& journal_;
  storage::StateStore& store_;
  os::Clock& clock_;
  const std::uint64_t checkpoint_every_;
  std::function<void()> handed_out_;

  storage::Position position_;  // of the next record
  storage::Position rested_;    // up to here it reads without a rest
  std::vector<DispatchMail> mail_;
  Ticks read_at_{};                  // when the journal last had something
  std::optional<Ticks> changed_at_;  // since when the store is behind
  std::mutex waking_;
  std::condition_variable_any woken_;
  bool has_mail_ = false;  // guarded by waking_, as what follows
  std::stop_source wait_;  // cuts a wait for the journal short
  std::atomic<std::uint64_t> flushed_{0};
  std::atomic<std::uint64_t> applied_{0};
};

}  // namespace rowgate::broker
