#pragma once
// The version that `rowgate --version` prints: CMakeLists.txt's, as a test checks.

namespace rowgate::cli {

inline constexpr const char* version = "0.1.0";

}  // namespace rowgate::cli
