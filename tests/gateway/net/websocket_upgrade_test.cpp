#include "gateway/net/websocket_upgrade.hpp"

#include <gtest/gtest.h>

#include "tests/gateway/net/client.hpp"

namespace rowgate::net {
namespace {

using Status = Upgrade::Status;

bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(WebSocketUpgrade, AcceptsAndSaysTheSubProtocol) {
  const std::string request = upgrade_request();
  const Upgrade upgrade = read_upgrade(request + "\x82", 0);
  ASSERT_EQ(upgrade.status, Status::accepted);
  EXPECT_EQ(upgrade.size, request.size());
  EXPECT_TRUE(has(upgrade.answer, "HTTP/1.1 101 "));
  EXPECT_TRUE(has(upgrade.answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
      << "the example of RFC 6455, section 1.3: " << upgrade.answer;
  EXPECT_TRUE(has(upgrade.answer, "Sec-WebSocket-Protocol: mqtt\r\n"));
}

TEST(WebSocketUpgrade, AsksForMoreAtEveryCut) {
  const std::string request = upgrade_request();
  for (std::size_t n = 0; n < request.size(); ++n) {
    EXPECT_EQ(read_upgrade(request.substr(0, n), n ? n - 1 : 0).status, Status::need_more);
  }
  EXPECT_EQ(read_upgrade(request, request.size() - 1).status, Status::accepted);
}

TEST(WebSocketUpgrade, TakesAnyPathAndAnyOfferThatHasMqtt) {
  EXPECT_EQ(read_upgrade(replaced(upgrade_request(), "/mqtt", "/"), 0).status, Status::accepted);
  EXPECT_EQ(read_upgrade(upgrade_request("mqttv3.1, mqtt"), 0).status, Status::accepted);
  EXPECT_EQ(read_upgrade(upgrade_request("mqttv3.1"), 0).status, Status::refused);
  EXPECT_EQ(read_upgrade(upgrade_request(""), 0).status, Status::refused);
}

TEST(WebSocketUpgrade, SaysToOthersWhatThisPortIsFor) {
  const Upgrade page = read_upgrade("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 0);
  EXPECT_EQ(page.status, Status::refused);
  EXPECT_TRUE(has(page.answer, "HTTP/1.1 426 Upgrade Required\r\n"));
  EXPECT_TRUE(has(page.answer, "MQTT over WebSocket"));
  const Upgrade old = read_upgrade(replaced(upgrade_request(), "Version: 13", "Version: 8"), 0);
  EXPECT_TRUE(has(old.answer, "426 "));
  EXPECT_TRUE(has(old.answer, "Sec-WebSocket-Version: 13\r\n"));
  const Upgrade keyless = read_upgrade(replaced(upgrade_request(), "dGhl", ""), 0);
  EXPECT_TRUE(has(keyless.answer, "400 "));
  EXPECT_TRUE(has(read_upgrade(upgrade_request("amqp"), 0).answer, "400 "));
  EXPECT_TRUE(has(read_upgrade("HELLO\r\n\r\n", 0).answer, "400 "));
}

TEST(WebSocketUpgrade, RefusesMqttAndTlsAtTheFirstByte) {
  for (const char* first : {"\x10", "\x16", "\r"}) {
    const Upgrade upgrade = read_upgrade(first, 0);
    EXPECT_EQ(upgrade.status, Status::refused);
    EXPECT_EQ(upgrade.answer, "");
  }
}

TEST(WebSocketUpgrade, BoundsTheRequest) {
  const std::string endless = "GET / HTTP/1.1\r\nX: " + std::string(Upgrade::max_bytes, 'x');
  EXPECT_TRUE(has(read_upgrade(endless, 0).answer, "431 "));
}

}  // namespace
}  // namespace rowgate::net
