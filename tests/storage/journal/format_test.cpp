#include "storage/journal/format.hpp"

#include <gtest/gtest.h>

#include <random>

#include "storage/journal/crc32c.hpp"
#include "storage/journal/open_ids.hpp"
#include "tests/storage/journal/journal_fixture.hpp"

namespace rowgate::storage {
namespace {

const format::JournalId id = {'0', '1', '2', '3', '4', '5', '6', '7',
                              '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

TEST(crc32c, gives_the_published_check_values) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
}

TEST(crc32c, instruction_and_tables_agree_at_every_length_and_split) {
  std::mt19937_64 random(7);
  std::string bytes(200, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    const auto whole = crc32c_extend(17, bytes.data(), n);
    ASSERT_EQ(whole, detail::crc32c_table(17, bytes.data(), n));
    const std::string_view runs[] = {{bytes.data(), n / 3}, {bytes.data() + n / 3, n - n / 3}};
    ASSERT_EQ(whole, crc32c_extend_runs(17, runs, 2));
  }
  std::uint64_t v = 0;
  std::memcpy(&v, bytes.data(), sizeof v);
  EXPECT_EQ(crc32c_extend_u64(17, v), crc32c_extend(17, bytes.data(), sizeof v));
}

std::string encoded(const PublishRecord& record, Position at) {
  format::PreparedPublish prepared;
  format::prepare(record, format::seed_of(id), prepared);
  std::string bytes(prepared.size, '\0');
  format::place(record, prepared, at, bytes.data());
  return bytes;
}

TEST(journal_format, a_publish_is_laid_out_as_the_page_says) {
  PublishRecord record = test::publish("dev", "21.5", 1, 0x0102);
  record.topic = "t";
  record.properties = "\x01\x01";
  record.retain = true;
  record.lane = Lane{3};
  record.received_at = {0x1122334455667788};
  const std::string bytes = encoded(record, {0x0A0B0C0D});
  ASSERT_EQ(bytes.size(), 40U + 3 + 1 + 2 + 4);
  EXPECT_EQ(bytes.substr(0, 4), std::string("\x32\0\0\0", 4));                // length
  EXPECT_EQ(bytes.substr(8, 8), std::string("\x0D\x0C\x0B\x0A\0\0\0\0", 8));  // position
  EXPECT_EQ(bytes.substr(16, 4), std::string("\x04\x05\x03\0", 4));           // type, flags, lane
  EXPECT_EQ(bytes.substr(20, 8), "\x88\x77\x66\x55\x44\x33\x22\x11");         // receive time
  EXPECT_EQ(bytes.substr(28, 8), std::string("\x02\x01\x03\0\x01\0\0\0", 8));
  EXPECT_EQ(bytes.substr(36, 4), std::string("\x02\0\0\0", 4));
  EXPECT_EQ(bytes.substr(40),
            "devt\x01\x01"
            "21.5");
}

TEST(journal_format, a_record_verifies_only_where_it_was_written_and_for_its_journal) {
  const std::string bytes = encoded(test::publish("dev", "21.5"), {100});
  const auto seed = format::seed_of(id);
  EXPECT_TRUE(format::verify(bytes, {100}, seed));
  EXPECT_FALSE(format::verify(bytes, {101}, seed));
  EXPECT_FALSE(format::verify(bytes, {100}, seed + 1));
  EXPECT_FALSE(format::verify(bytes.substr(0, bytes.size() - 1), {100}, seed));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_FALSE(format::verify(damaged, {100}, seed)) << "byte " << i;
  }
}

TEST(journal_format, refuses_a_body_that_does_not_hold_what_it_says) {
  std::string bytes = encoded(test::publish("dev", "21.5"), {0});
  bytes[30] = '\xff';  // client_size
  bytes[31] = '\xff';
  const auto seed = format::seed_of(id);
  format::seal(RecordType::publish, bytes.size(), seed, {0}, bytes.data());
  EXPECT_FALSE(format::verify(bytes, {0}, seed));
  format::seal(static_cast<RecordType>(9), bytes.size(), seed, {0}, bytes.data());
  EXPECT_FALSE(format::verify(bytes, {0}, seed)) << "no such type";
}

TEST(journal_format, an_event_is_laid_out_as_the_page_says) {
  const std::string_view event("\0any\xff", 5);
  std::string bytes(format::event_size(event), '\0');
  format::write_event(event, format::seed_of(id), {0x0A0B}, bytes.data());
  ASSERT_EQ(bytes.size(), 25U);
  EXPECT_EQ(bytes.substr(0, 4), std::string("\x19\0\0\0", 4));   // length
  EXPECT_EQ(bytes.substr(16, 4), std::string("\x07\0\0\0", 4));  // type, flags, lane
  EXPECT_EQ(bytes.substr(20), event);
  EXPECT_TRUE(format::verify(bytes, {0x0A0B}, format::seed_of(id)));
}

TEST(journal_format, a_segment_record_is_read_without_knowing_the_journal) {
  char bytes[format::segment_size];
  format::write_segment({format::version, 4, id}, {4096}, bytes);
  format::SegmentBody body;
  ASSERT_TRUE(format::read_segment({bytes, sizeof bytes}, {4096}, body));
  EXPECT_EQ(body.lanes, 4);
  EXPECT_EQ(body.id, id);
  EXPECT_FALSE(format::read_segment({bytes, sizeof bytes}, {0}, body));
  EXPECT_FALSE(format::read_segment({bytes, 10}, {4096}, body));
}

TEST(open_ids, a_snapshot_gives_back_what_it_was_made_of) {
  OpenIds ids;
  for (int client = 0; client < 50; ++client) {
    for (int k = 0; k < client % 7; ++k) {
      ids.insert("client-" + std::to_string(client), static_cast<std::uint16_t>(1 + k * 9000));
    }
  }
  ids.insert("gone", 1);
  ids.erase("gone", 1);
  std::string record(ids.snapshot_size(), '\0');
  ids.write_snapshot(record.data() + format::header_size);
  format::seal(RecordType::snapshot, record.size(), 0, {0}, record.data());
  EXPECT_TRUE(format::verify(record, {0}, 0));
  OpenIds copy;
  copy.read_snapshot(format::snapshot_body(record));
  int count = 0;
  copy.each([&](std::string_view client, std::uint16_t packet_id) {
    ++count;
    EXPECT_TRUE(ids.contains(client, packet_id));
  });
  EXPECT_EQ(count, 147);
  EXPECT_FALSE(copy.any("gone"));
}

}  // namespace
}  // namespace rowgate::storage
