// A COPY of more than the kernel holds, to a server that does not read for a while, or never again.
#include "storage/sink/postgres/copy_binary.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/postgres.hpp"

namespace rowgate::storage::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr unsigned pieces = 128, rows_in_a_piece = 64, row_bytes = 1024;  // 8 MiB in all

class CopyToAServerThatDoesNotRead : public testing::Test {
 protected:
  void TearDown() override { server_.thaw(); }

  /// Connected, in a COPY, and the server is frozen.
  IngestConnection begin() {
    server_.sql(test::database_of(url_), "CREATE TABLE taken (n bigint, pad text)");
    auto connection = IngestConnection::connect(url_, "test", true, limits_);
    if (!connection) throw std::runtime_error(connection.error().message);
    const auto begun = connection->copy_begin("COPY taken FROM STDIN");
    if (!begun) throw std::runtime_error(begun.error().message);
    server_.freeze();
    return std::move(*connection);
  }
  static std::string piece(unsigned number) {
    std::string text;
    for (unsigned row = 0; row < rows_in_a_piece; ++row)
      text += fmt::format("{}\t{:x>{}}\n", number * rows_in_a_piece + row, "", row_bytes);
    return text;
  }
  /// Up to the first piece that fails.
  SinkResult<void> send_all(IngestConnection& connection) {
    for (; sent_ < pieces; ++sent_)
      if (const auto sent = connection.copy_send(piece(sent_)); !sent) return sent;
    return {};
  }
  /// Returns once send_all() on another thread has made no progress for a while.
  void wait_until_stuck() const {
    for (unsigned before = 0, still = 0; still < 20; ++still) {
      std::this_thread::sleep_for(milliseconds(10));
      const unsigned now = sent_;
      if (now == 0 || now != before) still = 0;
      before = now;
    }
  }
  std::string taken() {
    return server_.sql(test::database_of(url_),
                       "SELECT count(*), sum(n), sum(length(pad)) FROM taken");
  }

  test::PostgresServer& server_ = test::PostgresServer::shared();
  std::string url_ = server_.new_database();
  IngestConnection::Limits limits_{seconds(10), seconds(60)};
  std::atomic<unsigned> sent_{0};
};

TEST_F(CopyToAServerThatDoesNotRead, WhatTheKernelDoesNotTakeAtOnceIsSentWhenTheServerReadsAgain) {
  IngestConnection connection = begin();
  SinkResult<void> done = SinkError{};
  std::jthread sender([&] {
    done = send_all(connection);
    if (done) done = connection.copy_end();
  });
  wait_until_stuck();
  EXPECT_LT(sent_, pieces) << "it must wait, not gather all of it in memory";
  server_.thaw();
  sender.join();
  ASSERT_TRUE(done) << done.error().message;
  constexpr std::uint64_t rows = std::uint64_t{pieces} * rows_in_a_piece;
  EXPECT_EQ(taken(), fmt::format("{}|{}|{}", rows, rows * (rows - 1) / 2, rows * row_bytes));
}

TEST_F(CopyToAServerThatDoesNotRead, IsGivenUpWhenTheServerNeverReadsAgain) {
  limits_.answer = seconds(3);
  IngestConnection connection = begin();
  const auto sent = send_all(connection);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().outcome, CommitOutcome::retry);
  EXPECT_THAT(sent.error().message, HasSubstr("no answer within 3 s"));
  EXPECT_FALSE(connection.alive());
}

TEST_F(CopyToAServerThatDoesNotRead, IsGivenUpWhenTheGatewayHasToStop) {
  std::atomic<IngestConnection::Ticks> give_up_at{IngestConnection::Ticks::max()};
  limits_.give_up_at = &give_up_at;
  IngestConnection connection = begin();
  give_up_at = std::chrono::steady_clock::now();
  const auto sent = send_all(connection);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().outcome, CommitOutcome::retry);
  EXPECT_FALSE(connection.alive());
}

}  // namespace
}  // namespace rowgate::storage::postgres
