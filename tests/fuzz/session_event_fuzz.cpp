// An event record of a session: any bytes are no event, or one that is encoded to the same bytes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "gateway/broker/session_event.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate::broker;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const auto event = decode_event(input);
  if (!event) return 0;
  std::string again;
  encode(*event, again);
  // A client id where none is due is read over.
  if (!std::holds_alternative<event::Published>(*event)) must(again == input);
  const auto decoded = decode_event(again);
  must(decoded.has_value());
  std::string once_more;
  encode(*decoded, once_more);
  must(once_more == again);
  return 0;
}
