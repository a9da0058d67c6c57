#pragma once
// Texts with a unit, as the configuration writes them: "64 MiB", "100 ms", "[::1]:1883". Parsing
// and printing are inverse: parse(format(x)) == x. Pure; any thread.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/config/config.hpp"

namespace rowgate::config {

/// A whole number of bytes: `4096`, `64 MiB` (B, KiB, MiB, GiB, TiB; kB, MB, GB, TB are powers of
/// 1000). The space is optional. nullopt: not such a text, or beyond 64 bits.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// In the largest binary unit that is exact: "8 GiB", "1500 B".
std::string format_size(std::uint64_t bytes);

/// A whole number with its unit: us, ms, s, min, h, d. "0" needs none.
std::optional<std::chrono::microseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::microseconds duration);

/// HOST:PORT; an IPv6 address in brackets.
std::optional<Endpoint> parse_endpoint(std::string_view text);
std::string format_endpoint(const Endpoint& endpoint);

}  // namespace rowgate::config
