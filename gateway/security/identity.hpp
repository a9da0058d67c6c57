#pragma once
// Who a connection is, once it has been let in. Plain data; the session keeps it for its lifetime.
#include <optional>
#include <string>
#include <vector>

#include "schema/base/time.hpp"

namespace rowgate::security {

struct Identity {
  std::string user;  // empty: anonymous
  std::vector<std::string> roles;
  std::optional<Timestamp> expires;  // a token's exp; the connection ends then
};

}  // namespace rowgate::security
