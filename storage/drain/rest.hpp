#pragma once
// How long a lane waits, and for what.
#include <chrono>

namespace rowgate::storage {

/// Before a lane's next step.
struct Rest {
  std::chrono::milliseconds pause{0};    // whatever comes meanwhile
  std::chrono::milliseconds journal{0};  // after that, for the next batch of the journal
};

}  // namespace rowgate::storage
