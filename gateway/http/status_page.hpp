#pragma once
// The page at `/`: health in words, the ledger, and every other number, in plain HTML without
// scripts or other files. Made from what /healthz, /readyz and /metrics say, so that the page
// cannot tell another story.
#include <string>
#include <string_view>

#include "gateway/http/server.hpp"

namespace rowgate::http {

/// `metrics` is in the Prometheus text format. Pure.
std::string status_page(const Answer& live, const Answer& ready, std::string_view metrics);

/// `&`, `<`, `>`, `"` and `'` as HTML entities.
std::string escape_html(std::string_view text);

}  // namespace rowgate::http
