#pragma once
// A JSON object of a few members, as the gateway's own messages have it. Pure; any thread.
#include <string>
#include <string_view>

namespace rowgate::broker {

class JsonObject {
 public:
  /// Text that is empty or not UTF-8 is null.
  void text(std::string_view name, std::string_view value);
  void flag(std::string_view name, bool value);
  std::string take();

 private:
  void name(std::string_view name);

  std::string out_ = "{";
};

}  // namespace rowgate::broker
