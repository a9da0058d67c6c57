#include "tests/simulation/client.hpp"

#include <utility>

namespace rowgate::simulation {

Client::Client(std::string client_id, std::size_t number, bool persistent, mqtt::Version version,
               Random& random, Trace& trace)
    : client_id_(std::move(client_id)),
      number_(number),
      persistent_(persistent),
      version_(version),
      random_(random),
      trace_(trace) {}

// Without an answer to a CONNECT that asks for a new session, the old one may still be there, of
// which the client has forgotten its side: it asks again [MQTT-3.2.2-4].
bool Client::begins_anew(std::uint64_t one_in) {
  return !persistent_ || asked_anew_ || random_.one_in(one_in);
}

void Client::connecting(std::uint32_t connection, bool clean) {
  state_ = State::connecting;
  connection_ = connection;
  clean_ = clean;
  trace_.add(Event::connect, number_, clean ? 1 : 0, connection);
  if (!clean) return;
  session_known_ = false;
  asked_anew_ = true;
}

bool Client::let_in(bool present, std::uint8_t code) {
  trace_.add(Event::connack, number_, present ? 1 : 0, code);
  if (code != 0) return false;
  if (present && clean_) throw Violation("a session that was to be new is an old one");
  state_ = State::connected;
  asked_anew_ = false;
  return true;
}

void Client::promise_session(bool present) {
  if (session_known_ && !present) throw Violation("a kept session was forgotten");
  session_known_ = is_kept();
}

}  // namespace rowgate::simulation
