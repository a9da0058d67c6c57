#pragma once
// File descriptors are shared by clients and by what must never lack one: the journal's next
// segment, the sink. So clients get no more connections than the process's limit leaves room for.
#include <cstdint>

namespace rowgate::net {

/// Raises the process's soft limit of open files to its hard one; returns what is in force now.
std::uint64_t raise_descriptor_limit() noexcept;

/// How many of `wanted` connections fit under a limit of `descriptors`, with some kept for the
/// gateway itself.
std::uint32_t connections_within(std::uint64_t descriptors, std::uint32_t wanted) noexcept;

}  // namespace rowgate::net
