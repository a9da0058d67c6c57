#include "gateway/config/config.hpp"

#include <algorithm>

namespace rowgate::config {

std::string sink_url(const Config& config) {
  return config.sink.empty() ? "sqlite:" + config.data_dir + "/telemetry.db" : config.sink;
}

std::string journal_directory(const Config& config) {
  return config.data_dir + "/journal";
}

std::string mask_password(std::string_view url) {
  std::string masked(url);
  const auto scheme = masked.find("://");
  if (scheme != std::string::npos) {
    // The last '@' of what can be the authority; people do write passwords with an unescaped '@',
    // '/' or '?', so without one look further: rather mask too much.
    const auto query = masked.find('?', scheme + 3);
    auto at = masked.rfind('@', query);
    if (at == std::string::npos) at = masked.rfind('@');
    const auto colon = masked.find(':', scheme + 3);
    if (at != std::string::npos && at > scheme && colon < at) {
      masked.replace(colon + 1, at - colon - 1, "***");
    }
  }
  // libpq also takes it as a parameter: ?password=...
  constexpr std::string_view parameter = "password=";
  for (auto i = masked.find(parameter); i != std::string::npos;
       i = masked.find(parameter, i + parameter.size())) {
    const auto from = i + parameter.size();
    const auto to = std::min(masked.find('&', from), masked.size());
    masked.replace(from, to - from, "***");
  }
  return masked;
}

}  // namespace rowgate::config
