#pragma once
// The Journal of journal.hpp, put together: AppendBuffer (memory), SegmentStore (disk), Window
// (memory of what is on disk) and the commit thread that moves batches from the first through the
// second to the third. That thread is a loop around step(), which one may also call oneself.
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "storage/journal/append_buffer.hpp"
#include "storage/journal/journal.hpp"
#include "storage/journal/run_cache.hpp"
#include "storage/journal/segment_store.hpp"
#include "storage/journal/window.hpp"

namespace rowgate::storage {

class SegmentedJournal final : public Journal {
 public:
  /// `store` has adopted or begun the segments that `start` goes on from.
  SegmentedJournal(std::unique_ptr<SegmentStore> store, const AppendBuffer::Limits& limits,
                   AppendBuffer::Start start);
  ~SegmentedJournal() override;

  /// Journal::open().
  static std::unique_ptr<SegmentedJournal> open(std::unique_ptr<os::Directory> directory,
                                                const JournalOptions& options);

  enum class Step : std::uint8_t {
    worked,  // a commit is on disk, or zeros are
    idle,    // there was nothing to do
    ended    // stop() was called and all is committed, or the journal has failed
  };
  /// What the commit thread does once: one commit, or one slice of zeros ahead of need. `wait`:
  /// sleeps while there is neither. For who has not called start(), and not after `ended`.
  Step step(bool wait) noexcept;

  void start(std::function<void(Position)> on_durable,
             std::function<void(const std::string&)> on_failure) override;
  void stop() noexcept override;

  Result<Appended, AppendError> append(const PublishRecord& record) noexcept override;
  Result<Appended, AppendError> release(std::string_view client_id,
                                        std::uint16_t packet_id) noexcept override;
  Result<Appended, AppendError> forget(std::string_view client_id) noexcept override;
  Result<Appended, AppendError> append_event(std::string_view event) noexcept override;
  bool has_open(std::string_view client_id) const noexcept override;
  bool is_open(std::string_view client_id, std::uint16_t packet_id) const noexcept override;

  Position first() const noexcept override { return store_->first(); }
  Position durable() const noexcept override { return window_.durable(); }
  Position appended() const noexcept override { return buffer_.appended(); }
  const std::string& id() const noexcept override { return id_; }
  std::uint16_t lanes() const noexcept override { return segment_.lanes; }
  Position recovered() const noexcept override { return recovered_; }
  std::uint64_t count(Lane lane, Position from) const override;
  std::uint64_t disk_bytes() const noexcept override { return store_->disk_bytes(); }
  Position trimmed() const noexcept override { return store_->trimmed(); }
  std::uint64_t retained_bytes() const override { return store_->retained_bytes(); }
  std::uint64_t commits() const noexcept override {
    return commits_.load(std::memory_order_relaxed);
  }

  std::shared_ptr<const Batch> read(Position from, std::stop_token stop,
                                    std::chrono::milliseconds wait) override;
  using Journal::trim;
  void trim(const std::function<Position()>& flushed) override;
  Position need(Position from) override;

 private:
  Step try_step(bool wait);
  bool commit(const PendingCommit& pending);
  void begin_anew_if_drained();
  void fail(const std::string& why);

  const format::SegmentBody segment_;
  const std::uint32_t seed_;
  const std::string id_;
  const Position recovered_;
  const std::unique_ptr<SegmentStore> store_;
  std::mutex trim_mutex_;  // one trims, or needs segments again, at a time
  AppendBuffer buffer_;
  Window window_;
  RunCache runs_;
  std::atomic<std::uint64_t> commits_{0};
  /// Zeros to write, so that filling keeps ahead of a journal never idle. step()'s own.
  std::uint64_t owed_ = 0;

  std::function<void(Position)> on_durable_;
  std::function<void(const std::string&)> on_failure_;
  std::mutex thread_mutex_;  // guards thread_: stop() may be called twice at once
  std::thread thread_;
};

}  // namespace rowgate::storage
