#include "gateway/http/api_topics.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gateway/http/api_mapping.hpp"
#include "gateway/topics/fields.hpp"
#include "gateway/topics/preview.hpp"
#include "gateway/topics/suggest.hpp"

namespace rowgate::http {
namespace {

using nlohmann::json;

constexpr std::uint64_t most_listed = 1'000;
constexpr std::size_t most_neighbours = 500;  // that a suggestion looks at

Reply reply(const json& value, unsigned status = 200) {
  return json_reply(value.dump(2, ' ', false, json::error_handler_t::replace), status);
}

json fields_json(const topics::SeenTopic& topic) {
  const topics::PayloadShape shape = topics::shape_of(topic.messages);
  json list = json::array();
  for (const topics::FoundField& field : shape.fields) {
    list.push_back({{"pointer", field.pointer},
                    {"type", schema::type_name(field.type)},
                    {"example", field.example}});
  }
  json out{{"payload", topics::word_of(shape.payload)}, {"fields", std::move(list)}};
  if (shape.rows) out["rows"] = *shape.rows;
  if (shape.time) {
    out["time"] = {{"from", shape.time->pointer}, {"format", topics::word_of(shape.time->format)}};
  }
  return out;
}

json topic_json(const topics::SeenTopic& topic, const schema::Catalog& catalog) {
  json mapped = json::array();
  for (const schema::TopicMatch& match : catalog.index.match(topic.topic)) {
    mapped.push_back(catalog.mappings[match.mapping].name);
  }
  json out{{"topic", topic.topic},
           {"messages", topic.count},
           {"per_second", topic.per_second},
           {"last_at", to_iso8601(topic.last_at)},
           {"mapped_by", std::move(mapped)}};
  if (!topic.messages.empty()) {
    const topics::KeptMessage& last = topic.messages.back();
    out["last"] = {{"received_at", to_iso8601(last.received_at)},
                   {"client_id", last.client_id},
                   {"qos", last.qos},
                   {"retain", last.retain},
                   {"bytes", last.payload.size()},
                   {"payload", json::parse(topics::payload_json(last.payload))}};
    out.update(fields_json(topic));
  }
  return out;
}

Reply list(const TopicEndpoints& endpoints, const ApiRequest& asked) {
  const auto limit = asked.query.number("limit", 100, 1, most_listed);
  if (!limit) return json_error(400, "`limit` is a whole number from 1 to 1000.");
  const auto catalog = endpoints.catalog();
  const auto found = endpoints.list(asked.query.text("prefix").value_or(""),
                                    asked.query.text("after").value_or(""), *limit);
  json all = json::array();
  for (const topics::SeenTopic& topic : found) all.push_back(topic_json(topic, *catalog));
  json out{{"topics", std::move(all)}, {"coverage", endpoints.coverage()}, {"next", nullptr}};
  if (found.size() == *limit) out["next"] = found.back().topic;
  return reply(out);
}

Reply suggest(const TopicEndpoints& endpoints, const ApiRequest& asked) {
  const auto name = asked.query.text("topic");
  if (!name || name->empty()) return json_error(400, "Name a topic: /api/v1/suggest?topic=a/b/c.");
  const auto topic = endpoints.find(*name);
  if (!topic || topic->messages.empty()) {
    return json_error(404,
                      "No message on this topic is remembered: publish one, or look at GET "
                      "/api/v1/topics for those there are.");
  }
  // Relatives share the first level.
  const std::string prefix(name->substr(0, name->find('/') + 1));
  const auto neighbours = endpoints.list(prefix, "", most_neighbours);
  const auto catalog = endpoints.catalog();
  return {200, "text/plain; charset=utf-8", topics::suggest(*topic, neighbours, *catalog)};
}

json outcome_json(const topics::PreviewOutcome& outcome) {
  json rows = json::array();
  for (const topics::PreviewRow& row : outcome.rows) {
    json values = json::object();
    for (std::size_t i = 0; i < row.columns.size(); ++i) {
      values[row.columns[i]] = json::parse(row.values[i], nullptr, false);
    }
    rows.push_back({{"table", row.table}, {"values", std::move(values)}});
  }
  json refused = json::array();
  for (const topics::PreviewRefusal& one : outcome.dead_letters) {
    refused.push_back({{"mapping", one.mapping}, {"reason", one.reason}});
  }
  return {{"unmapped", outcome.unmapped},
          {"rows", std::move(rows)},
          {"dead_letters", std::move(refused)}};
}

Reply preview(const TopicEndpoints& endpoints, const ApiRequest& asked) {
  const auto limit = asked.query.number("limit", 100, 1, most_listed);
  if (!limit) return json_error(400, "`limit` is a whole number of topics from 1 to 1000.");
  const auto before = endpoints.catalog();
  const auto after = schema::parse_mapping_file(asked.request.body, before->generation + 1);
  if (after.has_error()) {
    return mapping_refused("This is not a mapping that could be in force.", after.error());
  }
  const auto found = endpoints.list(asked.query.text("prefix").value_or(""),
                                    asked.query.text("after").value_or(""), *limit);
  const bool changed_only = asked.query.flag("changed");
  json messages = json::array();
  std::size_t changed = 0;
  for (const topics::PreviewMessage& one : topics::preview(before, *after, found)) {
    const bool differs = one.before != one.after;
    changed += differs ? 1 : 0;
    if (changed_only && !differs) continue;
    messages.push_back({{"topic", one.topic},
                        {"received_at", to_iso8601(one.message->received_at)},
                        {"client_id", one.message->client_id},
                        {"payload", json::parse(topics::payload_json(one.message->payload))},
                        {"changed", differs},
                        {"before", outcome_json(one.before)},
                        {"after", outcome_json(one.after)}});
  }
  json out{{"topics", found.size()},
           {"changed", changed},
           {"messages", std::move(messages)},
           {"next", nullptr}};
  if (found.size() == *limit) out["next"] = found.back().topic;
  return reply(out);
}

}  // namespace

std::vector<ApiRoute> topic_routes(const TopicEndpoints& endpoints) {
  const auto with = [&](Reply (*answer)(const TopicEndpoints&, const ApiRequest&)) {
    return [endpoints, answer](const ApiRequest& asked) { return answer(endpoints, asked); };
  };
  return {{"GET", "/api/v1/topics", with(list)},
          {"GET", "/api/v1/suggest", with(suggest)},
          {"POST", "/api/v1/mapping/preview", with(preview)}};
}

}  // namespace rowgate::http
