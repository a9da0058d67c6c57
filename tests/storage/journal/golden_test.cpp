// Segments of each format version, good and damaged, that must be read for ever:
// tests/golden/journal/v1 and v2. ROWGATE_REWRITE=1 writes the dumps anew; a .seg file is never
// rewritten once released, only added.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "storage/journal/format.hpp"
#include "storage/journal/inspect.hpp"
#include "storage/journal/open_ids.hpp"
#include "storage/journal/segment_scan.hpp"
#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::storage {
namespace {

const std::string directory = ROWGATE_SOURCE_DIR "/tests/golden/journal/";
constexpr Position base{1048576};
const format::JournalId id = {'g', 'o', 'l', 'd', 'e', 'n', ' ', 'j',
                              'o', 'u', 'r', 'n', 'a', 'l', ' ', '1'};

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// Compares, or writes when asked to.
void expect_golden(const std::string& name, const std::string& actual) {
  const std::string path = directory + name;
  if (std::getenv("ROWGATE_REWRITE") != nullptr) std::ofstream(path, std::ios::binary) << actual;
  EXPECT_EQ(file_text(path), actual) << path;
}

/// Writes records one after another, as the journal would at `base`.
class SegmentText {
 public:
  void segment(std::uint16_t version) {
    format::write_segment({version, 2, id}, base, add(format::segment_size));
  }
  void snapshot(OpenIds& ids) {
    const Position here = at();
    const std::size_t size = ids.snapshot_size();
    char* const to = add(size);
    ids.write_snapshot(to + format::header_size);
    format::seal(RecordType::snapshot, size, seed_, here, to);
  }
  void mark(Position durable) {
    const Position here = at();
    format::write_mark(durable, seed_, here, add(format::mark_size));
  }
  void publish(const PublishRecord& record) {
    const Position here = at();
    format::PreparedPublish prepared;
    format::prepare(record, seed_, prepared);
    format::place(record, prepared, here, add(prepared.size));
  }
  void release(std::string_view client, std::uint16_t packet_id) {
    const Position here = at();
    format::write_release(client, packet_id, seed_, here, add(format::release_size(client)));
  }
  void forget(std::string_view client) {
    const Position here = at();
    format::write_forget(client, seed_, here, add(format::forget_size(client)));
  }
  void event(std::string_view event) {
    const Position here = at();
    format::write_event(event, seed_, here, add(format::event_size(event)));
  }
  void raw(std::string_view some) { bytes.append(some); }
  Position at() const { return {base.value + bytes.size()}; }

  std::string bytes;

 private:
  char* add(std::size_t n) {
    bytes.resize(bytes.size() + n);
    return bytes.data() + bytes.size() - n;
  }
  std::uint32_t seed_ = format::seed_of(id);
};

/// Two commits: every record type, every QoS, and text that is not.
SegmentText good(std::uint16_t version) {
  SegmentText out;
  OpenIds open;
  open.insert("boiler-1", 7);
  open.insert("boiler-1", 9);
  out.segment(version);
  out.snapshot(open);
  out.mark(base);
  auto record = test::publish("sensor-1", R"({"temp":21.5})", 0);
  out.publish(record);
  record = test::publish("boiler-1", std::string_view("\x00\xff raw \"bytes\"", 14), 2, 12);
  record.lane = Lane{1};
  record.received_at = {1767225600123456};
  out.publish(record);
  out.mark(out.at());
  record = test::publish("sensor-1",
                         "a payload longer than the dump shows: 0123456789 0123456789 0123456789",
                         1, 65535);
  record.properties = std::string_view("\x01\x01", 2);
  record.retain = true;
  out.publish(record);
  out.release("boiler-1", 7);
  out.forget("sensor-9");
  if (version >= 2) {
    out.event("");
    out.event(std::string_view("\x01session sensor-1\x00\xff", 19));
  }
  return out;
}

std::string dump(const std::string& bytes) {
  test::MemoryDisk disk;
  disk.set_content(segment_name(base), bytes);
  std::string text;
  const auto seen = inspect_journal(*disk.directory(), {}, [&](const InspectedRecord& record) {
    text += describe(record) + "\n";
    return true;
  });
  text += std::string(to_string(seen.state)) + "\n";
  if (!seen.finding.empty()) text += seen.finding + "\n";
  for (const auto& open : seen.open_ids) {
    text += "open: " + open.client_id + " " + std::to_string(open.packet_id) + "\n";
  }
  return text;
}

void check(std::uint16_t version, std::string name, const SegmentText& segment) {
  name = "v" + std::to_string(version) + "/" + name;
  expect_golden(name + ".seg", segment.bytes);
  expect_golden(name + ".txt", dump(file_text(directory + name + ".seg")));
}

class journal_golden : public testing::TestWithParam<std::uint16_t> {};

TEST_P(journal_golden, reads_a_good_segment) {
  SegmentText segment = good(GetParam());
  segment.raw(std::string(256, '\0'));
  check(GetParam(), "good", segment);
}

TEST_P(journal_golden, reads_a_recycled_segment_without_its_old_records) {
  SegmentText segment = good(GetParam());
  // What an earlier life of the file left: valid records, for other positions.
  SegmentText old = good(GetParam());
  segment.raw(old.bytes.substr(segment.bytes.size() % 100));
  check(GetParam(), "recycled", segment);
}

TEST_P(journal_golden, finds_a_torn_tail) {
  SegmentText segment = good(GetParam());
  const std::size_t whole = segment.bytes.size();
  segment.mark(segment.at());
  segment.publish(
      test::publish("sensor-2", "the first half is here, the second was not written", 1));
  segment.bytes.resize(whole + 70);
  segment.raw(std::string(128, '\0'));
  check(GetParam(), "torn", segment);
}

TEST_P(journal_golden, finds_a_damaged_commit) {
  SegmentText segment = good(GetParam());
  const std::size_t at = segment.bytes.find("21.5");
  segment.bytes[at] = '3';
  segment.raw(std::string(64, '\0'));
  check(GetParam(), "corrupt", segment);
}

INSTANTIATE_TEST_SUITE_P(versions, journal_golden, testing::Values(1, 2));

}  // namespace
}  // namespace rowgate::storage
