#pragma once
// topic -> whether any mapping takes it, cached by a connection for the Catalog in force. Asked
// only where unmapped messages are rejected at arrival; otherwise the publish path need not know.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/broker/live_catalog.hpp"

namespace rowgate::broker {

struct Route {
  bool mapped = false;
};

/// One connection's. Bounded: a client that publishes to ever new topics starts it anew.
class RouteCache {
 public:
  Route find(std::string_view topic, const LiveCatalog& live);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const noexcept {
      return std::hash<std::string_view>{}(s);
    }
  };
  static constexpr std::size_t max_topics = 256;

  std::unordered_map<std::string, Route, Hash, std::equal_to<>> routes_;
  std::uint64_t generation_ = 0;
};

}  // namespace rowgate::broker
