#pragma once
// "did you mean ...?": the known word nearest to what somebody typed. Pure; any thread.
#include <span>
#include <string_view>

namespace rowgate::schema {

/// The candidate with the fewest insertions, deletions, replacements and swaps of neighbours, if
/// that is at most a third of the word (and at least one); empty if none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace rowgate::schema
