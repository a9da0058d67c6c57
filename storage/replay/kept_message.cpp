#include "storage/replay/kept_message.hpp"

#include <algorithm>

#include "schema/base/utf8.hpp"
#include "storage/replay/kept_sql.hpp"

namespace rowgate::storage {
namespace {

constexpr std::size_t page = 500;

}  // namespace

schema::Message KeptMessage::message() const noexcept {
  return {.topic = topic,
          .client_id = client_id,
          .payload = payload,
          .properties = properties,
          .received_at = received_at,
          .position = position,
          .qos = qos,
          .retain = retain};
}

std::optional<std::string> wrong_topic_filter(std::string_view filter) {
  if (filter.empty()) return std::nullopt;
  if (!is_utf8(filter) || has_nul(filter)) return "it is not UTF-8 without NUL";
  if (filter.find('{') != std::string_view::npos)
    return "it is an MQTT topic filter, not a pattern: write + for {name} and # for {name...}";
  const auto names = schema::parse_pattern(filter);
  if (names) return std::nullopt;
  return names.error().message;
}

SinkResult<std::vector<KeptMessage>> list_kept(Sink& sink, Kept kept, const KeptFilter& filter,
                                               std::size_t limit) {
  const KeptSql sql(sink.dialect(), kept);
  const TopicFilter topics(filter.topic);
  std::vector<KeptMessage> found;
  KeptFilter rest = filter;
  while (found.size() < limit) {
    const std::size_t asked = topics.takes_all() ? std::min(limit - found.size(), page) : page;
    const auto answer = sink.query(sql.list(rest, asked));
    if (!answer) return answer.error();
    auto messages = sql.parse(*answer);
    if (!messages) return messages.error();
    for (KeptMessage& message : *messages) {
      rest.before = message.id;
      if (found.size() < limit && topics.takes(message.topic)) found.push_back(std::move(message));
    }
    if (messages->size() < asked) break;
  }
  return found;
}

SinkResult<std::optional<KeptMessage>> find_kept(Sink& sink, Kept kept, std::uint64_t id) {
  const KeptSql sql(sink.dialect(), kept);
  const auto answer = sink.query(sql.read(std::span(&id, 1), {}, false));
  if (!answer) return answer.error();
  auto messages = sql.parse(*answer);
  if (!messages) return messages.error();
  if (messages->empty()) return std::optional<KeptMessage>();
  return std::optional<KeptMessage>(std::move(messages->front()));
}

}  // namespace rowgate::storage
