#pragma once
// /api/v1/topics, /api/v1/suggest and /api/v1/mapping/preview: what passes through, topic by topic,
// and what a mapping makes of it.
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/api.hpp"
#include "gateway/topics/recent_messages.hpp"
#include "schema/mapping.hpp"

namespace rowgate::http {

struct TopicEndpoints {
  /// RecentMessages::list and find, now.
  std::function<std::vector<topics::SeenTopic>(std::string_view prefix, std::string_view after,
                                               std::size_t limit)>
      list{};
  std::function<std::optional<topics::SeenTopic>(std::string_view topic)> find{};
  /// The part of all messages that was looked at; 1: every one.
  std::function<double()> coverage{};
  /// The mapping in force.
  std::function<std::shared_ptr<const schema::Catalog>()> catalog{};
};

std::vector<ApiRoute> topic_routes(const TopicEndpoints& endpoints);

}  // namespace rowgate::http
