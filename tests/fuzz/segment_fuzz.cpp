// Any bytes as the last segment of a journal: looking at it and opening it end with a verdict, the
// same one, and what opens can be read to its end and appended to.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "storage/journal/inspect.hpp"
#include "storage/journal/journal.hpp"
#include "storage/journal/recovery.hpp"
#include "storage/journal/segment_scan.hpp"

namespace {

using namespace rowgate;
using namespace rowgate::storage;

/// One file on no disk.
class OneFile final : public os::File {
 public:
  explicit OneFile(std::string& bytes) : bytes_(bytes) {}
  Result<std::size_t, os::Error> read_at(std::uint64_t offset, char* to, std::size_t n) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    return bytes_.copy(to, n, static_cast<std::size_t>(offset));
  }
  Result<void, os::Error> write_at(std::uint64_t offset, std::string_view bytes) override {
    if (bytes_.size() < offset + bytes.size()) bytes_.resize(offset + bytes.size());
    bytes.copy(bytes_.data() + offset, bytes.size());
    return {};
  }
  Result<void, os::Error> sync_data() override { return {}; }
  Result<void, os::Error> truncate(std::uint64_t size) override {
    bytes_.resize(size);
    return {};
  }
  Result<std::uint64_t, os::Error> size() override { return std::uint64_t{bytes_.size()}; }

 private:
  std::string& bytes_;
};

class OneFileDirectory final : public os::Directory {
 public:
  explicit OneFileDirectory(std::string& bytes) : bytes_(bytes) {}
  Result<std::unique_ptr<os::File>, os::Error> open(std::string_view, Mode) override {
    return std::unique_ptr<os::File>(std::make_unique<OneFile>(bytes_));
  }
  Result<std::vector<std::string>, os::Error> list() override {
    return std::vector<std::string>{segment_name({})};
  }
  Result<void, os::Error> rename(std::string_view, std::string_view) override { return {}; }
  Result<void, os::Error> remove(std::string_view) override { return {}; }
  Result<void, os::Error> sync() override { return {}; }
  Result<void, os::Error> lock(std::string_view) override { return {}; }
  std::string path() const override { return "/fuzz"; }

 private:
  std::string& bytes_;
};

/// Puts the right CRC, length and position where the input has the beginnings of a record, so that
/// the fuzzer reaches what lies behind them.
void repair(std::string& bytes) {
  const format::JournalId id{};
  if (bytes.size() < format::segment_size) return;
  // The version follows the input, and with it whether the segment is written on.
  const auto version = static_cast<std::uint16_t>(1 + (bytes[28] & 1));
  format::write_segment({version, 1, id}, {}, bytes.data());
  std::size_t at = format::segment_size;
  while (at + format::header_size < bytes.size()) {
    char* const record = bytes.data() + at;
    const auto type = static_cast<RecordType>(record[16] & 7);
    const std::size_t wanted = format::header_size + (static_cast<unsigned char>(record[0]) % 64);
    const std::size_t size = std::min(wanted, bytes.size() - at);
    format::seal(type, size, format::seed_of(id), {at}, record);
    at += size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(input) + 1, size - 1);
  if ((input[0] & 1) != 0) repair(bytes);

  OneFileDirectory directory(bytes);
  std::uint64_t seen = 0;
  const JournalSummary summary = inspect_journal(directory, {}, [&](const InspectedRecord& record) {
    seen += describe(record).size();
    return true;
  });
  try {
    JournalOptions options;
    options.segment_bytes = options.batch_bytes = 64U << 10;
    options.max_bytes = 1U << 20;
    const auto journal = Journal::open(std::make_unique<OneFileDirectory>(bytes), options);
    if (summary.state == JournalState::corrupt) std::abort();
    Position from = journal->first();
    while (from < journal->durable()) {
      from = journal->read(from, {}, std::chrono::milliseconds(0))->end();
    }
    PublishRecord record;
    record.qos = 1;
    if (!journal->append(record) || !journal->append_event("event")) std::abort();
  } catch (const JournalCorrupt&) {
    if (summary.state != JournalState::corrupt) std::abort();
  }
  return 0;
}
