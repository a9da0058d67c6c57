#pragma once
// The journal: one append-only log of records on local disk, between the acknowledgement a device
// gets and the row a database holds. This header is the whole contract; docs/journal-format.md is
// the format.
//
//   append()/release()/forget()/append_event()
//                                any thread. Copies the record into the open buffer and returns.
//   the commit thread            swaps the buffer, writes it, fdatasyncs, publishes durable().
//   read()                       the lanes; from memory while they keep up, else from segments.
//   trim()                       one thread; below what every sink has flushed.
//   need()                       the lanes; a database went back to an earlier checkpoint.
//
// Invariant: first() <= trimmed() <= checkpoint <= durable() <= appended().
//
// What lies in [first(), trimmed()) may go and is retained: for JournalOptions::keep, and only in
// disk space that nothing else wants. The file "flushed" beside the segments remembers trimmed().
//
// A failed write or fdatasync is final: it is never retried, nothing more becomes durable, every
// later append answers `stopped`, and on_failure is called once, on the commit thread.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

#include "schema/base/result.hpp"
#include "storage/journal/batch.hpp"
#include "storage/journal/record.hpp"
#include "storage/os/clock.hpp"
#include "storage/os/file.hpp"
#include "storage/position.hpp"

namespace rowgate::storage {

/// The directory holds a journal that must not be used as it is: a hole in the middle, a missing or
/// foreign segment, an unknown version. The text says where and what to do.
struct JournalCorrupt : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// The disk refused while opening; the text says what and where.
struct JournalError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct JournalOptions {
  std::uint64_t max_bytes = 8ULL << 30;       // disk used by segments, at most
  std::uint64_t segment_bytes = 64ULL << 20;  // each segment file, written full of zeros up front
  std::size_t batch_bytes = 8U << 20;         // open buffer, at most; bounds a record as well
  std::size_t window_bytes = 64U << 20;       // recent batches kept in memory for the lanes
  std::uint16_t lanes = 1;  // for a new journal; an existing one that is not drained keeps its own
  /// How long a segment stays that every sink has flushed, after its newest record.
  std::chrono::seconds keep{0};
  os::Clock* clock = &os::system_clock();  // outlives the journal
};

struct Appended {
  Position end;            // acknowledge once durable() >= end
  bool duplicate = false;  // publish: this QoS 2 packet id is open already, nothing was appended.
                           // release: this packet id was not open, nothing was appended.
};

enum class AppendError : std::uint8_t {
  busy,       // the open buffer is full: try again after the next commit
  full,       // max_bytes reached: try again after the lanes have drained some
  too_large,  // the record can never fit
  stopped,    // the journal failed or is closing
};

/// Who gets `full` first: QoS 0 publishes when less than 1/16 of max_bytes is left, so that
/// promises outlive best effort; QoS 1 and 2 publishes when less than 1/64 (256 MiB at most) is
/// left, so that what was begun goes on: release(), forget() and append_event() may use all.
class Journal {
 public:
  /// Recovers what is in `directory` and holds it locked until destruction; starts no thread.
  /// Throws JournalCorrupt or JournalError.
  static std::unique_ptr<Journal> open(std::unique_ptr<os::Directory> directory,
                                       const JournalOptions& options);
  virtual ~Journal() = default;

  /// Starts the commit thread. on_durable runs on it after each commit and must be quick;
  /// on_failure runs on it once, with a sentence for people. Both must outlive stop().
  virtual void start(std::function<void(Position)> on_durable,
                     std::function<void(const std::string&)> on_failure) = 0;
  /// Commits what was appended, then ends the commit thread. Idempotent.
  virtual void stop() noexcept = 0;

  /// QoS 2 with a packet id: remembers (client id, packet id) until release() or forget().
  /// [MQTT-4.3.3-10]
  [[nodiscard]] virtual Result<Appended, AppendError> append(
      const PublishRecord& record) noexcept = 0;
  /// A PUBREL. `duplicate` says that the packet id was not open. [MQTT-4.3.3-11]
  [[nodiscard]] virtual Result<Appended, AppendError> release(std::string_view client_id,
                                                              std::uint16_t packet_id) noexcept = 0;
  /// The client's session ended or began anew: its open packet ids are void. Appends only if it has
  /// any. [MQTT-3.1.2-4]
  [[nodiscard]] virtual Result<Appended, AppendError> forget(
      std::string_view client_id) noexcept = 0;
  /// Something that happened to a session and must outlive the gateway. The bytes are the broker's,
  /// opaque here; read() gives them back in their place.
  [[nodiscard]] virtual Result<Appended, AppendError> append_event(
      std::string_view event) noexcept = 0;
  /// Whether any QoS 2 packet id of this client is open.
  virtual bool has_open(std::string_view client_id) const noexcept = 0;
  virtual bool is_open(std::string_view client_id, std::uint16_t packet_id) const noexcept = 0;

  virtual Position first() const noexcept = 0;  // oldest byte still kept
  virtual Position durable() const noexcept = 0;
  virtual Position appended() const noexcept = 0;
  /// 128-bit random id in hex, made when the journal was created; in each segment and checkpoint.
  virtual const std::string& id() const noexcept = 0;
  virtual std::uint16_t lanes() const noexcept = 0;
  /// durable() as open() found it: what lies below was recovered, not appended by this process.
  virtual Position recovered() const noexcept = 0;
  /// Publish records of `lane` in [from, recovered()): for the ledger at start-up. Reads segments.
  /// Throws JournalCorrupt as read() does.
  virtual std::uint64_t count(Lane lane, Position from) const = 0;
  /// Disk used by segments now, bytes.
  virtual std::uint64_t disk_bytes() const noexcept = 0;
  /// As far as every sink had flushed, at the last trim() that went beyond; at least first().
  virtual Position trimmed() const noexcept = 0;
  /// Disk used by segments wholly below trimmed(), bytes.
  virtual std::uint64_t retained_bytes() const = 0;
  /// Commits so far (each one write and one fdatasync).
  virtual std::uint64_t commits() const noexcept = 0;

  /// The batch that holds `from`, which must be first() or the end of a record. Waits until
  /// durable() > from; null when `stop` is requested, the journal has stopped with nothing beyond
  /// `from`, or `wait` has passed. Throws JournalCorrupt when a segment's bytes do not verify.
  virtual std::shared_ptr<const Batch> read(Position from, std::stop_token stop,
                                            std::chrono::milliseconds wait) = 0;
  /// Segments wholly below flushed() may go: recycled or deleted once they are older than `keep`,
  /// or when their place is wanted. flushed() is called while no need() runs, so that no answer
  /// from before a need() is acted on after it; it must be quick and not call the journal.
  virtual void trim(const std::function<Position()>& flushed) = 0;
  void trim(Position flushed) {
    trim([flushed] { return flushed; });
  }
  /// A sink's checkpoint is at `from`: what lies behind it stays until a trim() goes beyond again.
  /// What trim()'s flushed() says of that sink must not be beyond `from` any more when this is
  /// called. Returns first(), which may be greater.
  virtual Position need(Position from) = 0;
};

}  // namespace rowgate::storage
