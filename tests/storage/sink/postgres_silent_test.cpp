// Servers that take a connection and then say nothing, and URLs of several hosts.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storage/os/clock.hpp"
#include "storage/sink/postgres/catalog.hpp"
#include "storage/sink/postgres/lane.hpp"
#include "tests/support/postgres.hpp"

namespace rowgate::storage::postgres {
namespace {

using schema::Table;
using schema::Type;
using std::chrono::seconds;
using testing::HasSubstr;

const Table readings{"readings", {{"id", Type::bigint}}, {}, {}, ""};

/// A port of 127.0.0.1 where the kernel takes connections and nobody answers.
class SilentPort {
 public:
  SilentPort() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const as_socket_address = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, as_socket_address, size) != 0 || ::listen(socket_, 16) != 0 ||
        ::getsockname(socket_, as_socket_address, &size) != 0)
      throw std::runtime_error("no port to be silent on");
    number_ = ntohs(address.sin_port);
  }
  ~SilentPort() { ::close(socket_); }
  SilentPort(const SilentPort&) = delete;
  SilentPort& operator=(const SilentPort&) = delete;

  int number() const noexcept { return number_; }

 private:
  int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int number_ = 0;
};

class SilentServer : public testing::Test {
 protected:
  /// `hosts` and `ports` before those of the real server.
  std::string url_behind(const std::string& hosts, const std::string& ports,
                         const std::string& more = "") const {
    const std::string own = server_.url("x");
    const auto begin = own.find("host=") + 5;
    const std::string directory = own.substr(begin, own.find('&') - begin);
    return fmt::format("postgresql:///{}?host={},{}&port={},5432&user=postgres{}",
                       test::database_of(url_), hosts, directory, ports, more);
  }

  test::PostgresServer& server_ = test::PostgresServer::shared();
  std::string url_ = server_.new_database();
  IngestConnection::Limits limits_{seconds(1), seconds(1)};
};

TEST_F(SilentServer, AHostThatIsSilentOrRefusesIsPassedOver) {
  const SilentPort silent;
  PostgresLane lane(
      url_behind("127.0.0.1,127.0.0.1", fmt::format("{},1", silent.number()), "&connect_timeout=2"),
      limits_);
  const auto opened = lane.open({"gw", "j", Lane{0}}, Position{7});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(*opened, Position{7});
  // So is it for the other connection, that of the catalogue.
  EXPECT_TRUE(lane.ensure(readings));
}

TEST_F(SilentServer, EveryHostThatDidNotAnswerIsNamed) {
  const SilentPort silent;
  const auto connection = IngestConnection::connect(
      fmt::format("postgresql://u@127.0.0.1:{},localhost:1/db", silent.number()), "test", true,
      limits_);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().outcome, CommitOutcome::retry);
  EXPECT_THAT(connection.error().message, HasSubstr("127.0.0.1: no answer within 1 s"));
  EXPECT_THAT(connection.error().message, HasSubstr("localhost"));
}

TEST_F(SilentServer, AHostThatRefusesUsIsNotPassedOver) {
  const auto connection = IngestConnection::connect(
      fmt::format("{}&target_session_attrs=any", url_behind("127.0.0.1", "1", "&dbname=nowhere")),
      "test", true, limits_);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().outcome, CommitOutcome::fatal);
  EXPECT_THAT(connection.error().message, HasSubstr("create the database"));
}

TEST_F(SilentServer, TheCatalogueGivesUpAServerThatFallsSilent) {
  auto catalogue = Catalogue::connect(url_, true, limits_);
  ASSERT_TRUE(catalogue) << catalogue.error().message;
  server_.freeze();
  const auto ensured = catalogue->ensure(readings, os::system_clock().now());
  server_.thaw();
  ASSERT_FALSE(ensured);
  EXPECT_EQ(ensured.error().outcome, CommitOutcome::retry);
  EXPECT_THAT(ensured.error().message, HasSubstr("no answer in time"));
}

TEST_F(SilentServer, TheCatalogueStopsWaitingWhenItIsTimeToGiveUp) {
  const std::atomic<IngestConnection::Ticks> now{std::chrono::steady_clock::now() + seconds(1)};
  limits_.answer = seconds(600);
  limits_.give_up_at = &now;
  auto catalogue = Catalogue::connect(url_, true, limits_);
  ASSERT_TRUE(catalogue) << catalogue.error().message;
  server_.freeze();
  const auto ensured = catalogue->ensure(readings, os::system_clock().now());
  server_.thaw();
  ASSERT_FALSE(ensured);
  EXPECT_EQ(ensured.error().outcome, CommitOutcome::retry);
}

TEST_F(SilentServer, TheCatalogueFindsTheServerAgain) {
  auto catalogue = Catalogue::connect(url_, true, limits_);
  ASSERT_TRUE(catalogue) << catalogue.error().message;
  EXPECT_TRUE(catalogue->ensure(readings, os::system_clock().now()));
  EXPECT_TRUE(catalogue->ensure(readings, os::system_clock().now()));
}

}  // namespace
}  // namespace rowgate::storage::postgres
