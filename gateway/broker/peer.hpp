#pragma once
// Who is at the other end of a connection, as far as the connection itself shows it: before any
// MQTT packet, and whatever that later claims.
#include <string>

namespace rowgate::broker {

struct Peer {
  /// The client's IP address without its port; behind a proxy that announces it, the client's and
  /// not the proxy's. Empty: unknown.
  std::string address{};
  /// The user that the client's verified certificate names; empty: there is none.
  std::string certificate_user{};
  /// The connection reaches this server encrypted.
  bool secure = false;
};

}  // namespace rowgate::broker
