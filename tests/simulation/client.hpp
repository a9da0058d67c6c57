#pragma once
// What device and subscriber have in common: the connection, and what the client knows of its
// session on the server. It asks for a new session now and then; one that was told to be kept must
// be found again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "gateway/mqtt/types.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/trace.hpp"

namespace rowgate::simulation {

class Client {
 public:
  enum class State : std::uint8_t { away, connecting, connected };
  State state() const noexcept { return state_; }
  std::uint32_t connection() const noexcept { return connection_; }

 protected:
  /// `persistent`: its session outlives its connections.
  Client(std::string client_id, std::size_t number, bool persistent, mqtt::Version version,
         Random& random, Trace& trace);

  /// Whether its next CONNECT is for a new session: where it can choose, one time in `one_in`.
  bool begins_anew(std::uint64_t one_in);
  /// It sends CONNECT on a new connection.
  void connecting(std::uint32_t connection, bool clean);
  /// It has read the server's answer; false: it is not let in. Throws Violation.
  bool let_in(bool present, std::uint8_t code);
  /// The server has let it in on the connection in use: what that says holds, whether it arrives or
  /// not. Throws Violation.
  void promise_session(bool present);
  /// What the server sends on that connection reaches it.
  bool hears(std::uint32_t connection) const noexcept {
    return connection == connection_ && state_ != State::away;
  }
  /// Its session lasts beyond the connection at hand. In 3.1.1 a clean session ends with its
  /// connection [MQTT-3.1.2-6].
  bool is_kept() const noexcept {
    return persistent_ && (!clean_ || version_ == mqtt::Version::v5);
  }

  const std::string client_id_;
  const std::size_t number_;
  const bool persistent_;
  const mqtt::Version version_;
  Random& random_;
  Trace& trace_;

  State state_ = State::away;
  std::uint32_t connection_ = UINT32_MAX;
  bool clean_ = true;  // it asked for a new session on this connection

 private:
  bool asked_anew_ = false;     // and has not been answered
  bool session_known_ = false;  // the server has said that it has it, and nothing ended it since
};

}  // namespace rowgate::simulation
