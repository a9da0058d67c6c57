#include "gateway/http/api_dead_letters.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "schema/base/utf8.hpp"
#include "schema/mapper.hpp"
#include "schema/payload_text.hpp"
#include "storage/replay/replay.hpp"
#include "storage/sink/literal.hpp"

namespace rowgate::http {
namespace {

using nlohmann::json;
using storage::Kept;
using storage::KeptMessage;

constexpr std::uint64_t most_listed = 1'000;
constexpr std::uint64_t most_at_once = 10'000;  // replayed or purged by one request
constexpr std::chrono::seconds time_for_one{5};

Reply reply(const json& value, unsigned status = 200) {
  return json_reply(value.dump(2, ' ', false, json::error_handler_t::replace), status);
}

/// What the database said. 503: to try again may help.
Reply database_error(const storage::SinkError& error) {
  const bool away = error.outcome == storage::CommitOutcome::retry ||
                    error.outcome == storage::CommitOutcome::in_doubt;
  return json_error(away ? 503 : 500, error.message);
}

struct WrongFilter {
  std::string message;
};

Result<storage::KeptFilter, WrongFilter> filter_of(const Query& query) {
  storage::KeptFilter filter;
  const auto text = [&](const char* name) { return std::string(query.text(name).value_or("")); };
  filter.mapping = text("mapping");
  filter.topic = text("topic");
  if (!is_utf8(filter.mapping) || has_nul(filter.mapping)) return WrongFilter{"mapping: not UTF-8"};
  if (const auto wrong = storage::wrong_topic_filter(filter.topic))
    return WrongFilter{"topic: " + *wrong};
  for (const auto& [name, time] : {std::pair("since", &filter.since), {"until", &filter.until}}) {
    const auto given = query.text(name);
    if (!given) continue;
    *time = parse_iso8601(*given);
    if (!*time) return WrongFilter{std::string(name) + ": write a time as 2026-11-21T07:00:00Z"};
  }
  for (const auto& [name, id] : {std::pair("after", &filter.after), {"before", &filter.before}}) {
    const auto number = query.number(name, *id, 0, UINT64_MAX);
    if (!number) return WrongFilter{std::string(name) + ": not an id"};
    *id = *number;
  }
  if (query.text("id")) {
    filter.id = query.number("id", 0, 0, UINT64_MAX);
    if (!filter.id) return WrongFilter{"id: not an id"};
  }
  return filter;
}

json to_json(const KeptMessage& message, Kept kept) {
  schema::Arena arena;
  const schema::PayloadText payload = schema::payload_text(message.payload, arena);
  json one{{"id", message.id},
           {"received_at", to_iso8601(message.received_at)},
           {"topic", message.topic},
           {"client_id", message.client_id},
           {"qos", message.qos},
           {"retain", message.retain},
           {"position", message.position},
           {"payload", payload.text},
           {"encoding", payload.hex ? "hex" : "text"}};
  if (message.cut) one["cut"] = true;
  if (kept == Kept::dead_letters) {
    one["mapping"] = message.mapping;
    one["reason"] = message.reason;
  }
  return one;
}

class KeptRoutes {
 public:
  KeptRoutes(const KeptEndpoints& endpoints, Kept kept) : endpoints_(endpoints), kept_(kept) {}

  Reply list(const ApiRequest& request) const {
    const auto filter = filter_of(request.query);
    if (!filter) return json_error(400, filter.error().message);
    const auto limit = request.query.number("limit", 50, 1, most_listed);
    if (!limit) return json_error(400, "limit: 1 to 1000");
    const auto found = storage::list_kept(*endpoints_.sink, kept_, *filter, *limit);
    if (!found) return database_error(found.error());
    json messages = json::array();
    for (const KeptMessage& message : *found) messages.push_back(to_json(message, kept_));
    json body{{"messages", std::move(messages)}, {"next_before", nullptr}};
    if (found->size() == *limit) body["next_before"] = found->back().id;
    return reply(body);
  }

  Reply show(const ApiRequest& request) const {
    const std::string& text = request.arguments.front();
    std::uint64_t id = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || rest != text.data() + text.size())
      return json_error(404, "An id is a number, as the list has it.");
    const auto found = storage::find_kept(*endpoints_.sink, kept_, id);
    if (!found) return database_error(found.error());
    if (!*found)
      return json_error(404,
                        "There is none with this id: it was replayed or purged, or has another id "
                        "since its reason changed.");
    const KeptMessage& message = **found;
    json one = to_json(message, kept_);
    if (kept_ == Kept::dead_letters) {
      one["rows"] = nullptr;
      if (!message.rows.empty()) one["rows"] = message.rows;
    }
    json properties = json::array();
    for (const auto& [name, value] : schema::user_properties(message.properties))
      properties.push_back({{"name", name}, {"value", value}});
    one["user_properties"] = std::move(properties);
    one["today"] = today(message);
    return reply(one);
  }

  Reply replay(const ApiRequest& request) const {
    const auto filter = filter_of(request.query);
    if (!filter) return json_error(400, filter.error().message);
    const auto limit = request.query.number("limit", 1'000, 1, most_at_once);
    if (!limit) return json_error(400, "limit: 1 to 10000");
    storage::ReplayOptions options;
    options.kept = kept_;
    options.filter = *filter;
    options.limit = *limit;
    options.dry_run = request.query.flag("dry_run");
    options.go_on = within_time();
    options.instead = std::string(request.query.text("to").value_or(""));
    const auto catalog = endpoints_.catalog();
    const auto is_target = [&](const schema::Mapping& m) { return m.name == options.instead; };
    if (!options.instead.empty() && std::ranges::none_of(catalog->mappings, is_target))
      return json_error(400, "to: there is no mapping of that name");
    const auto report = storage::replay(*endpoints_.sink, catalog, options);
    if (!report) return database_error(report.error());
    json reasons = json::array();
    for (const auto& [reason, times] : report->reasons)
      reasons.push_back({{"reason", reason}, {"messages", times}});
    json body{{"dry_run", options.dry_run}, {"messages", report->messages},
              {"stored", report->stored},   {"partly", report->partly},
              {"refused", report->refused}, {"untaken", report->untaken},
              {"gone", report->gone},       {"rows", report->rows},
              {"reasons", reasons},         {"warnings", report->warnings},
              {"next_after", nullptr}};
    if (report->more) body["next_after"] = report->last;
    return reply(body);
  }

  Reply purge(const ApiRequest& request) const {
    const auto filter = filter_of(request.query);
    if (!filter) return json_error(400, filter.error().message);
    const auto limit = request.query.number("limit", most_at_once, 1, most_at_once);
    if (!limit) return json_error(400, "limit: 1 to 10000");
    storage::PurgeOptions options;
    options.kept = kept_;
    options.filter = *filter;
    options.limit = *limit;
    options.dry_run = request.query.flag("dry_run");
    options.go_on = within_time();
    if (filter->all() && !options.dry_run && !request.query.flag("all"))
      return json_error(400, "This would delete all of them: say all=true, or give a filter.");
    const auto report = storage::purge(*endpoints_.sink, options);
    if (!report) return database_error(report.error());
    json body{{"dry_run", options.dry_run}, {"deleted", report->messages}, {"next_after", nullptr}};
    if (report->more) body["next_after"] = report->last;
    return reply(body);
  }

 private:
  static std::function<bool()> within_time() {
    const auto until = std::chrono::steady_clock::now() + time_for_one;
    return [until] { return std::chrono::steady_clock::now() < until; };
  }

  std::string today(const KeptMessage& message) const {
    const auto rows = schema::parse_rows(message.rows);
    const schema::Only only{message.mapping, rows ? std::span<const schema::RowRange>(*rows)
                                                  : std::span<const schema::RowRange>()};
    schema::Explain how;
    if (kept_ == Kept::dead_letters) how.only = &only;
    how.sql = [dialect = endpoints_.sink->dialect()](const schema::RowBatch& batch,
                                                     std::size_t row) {
      return storage::insert_text(dialect, batch, row);
    };
    return schema::explain(endpoints_.catalog(), message.message(), how);
  }

  KeptEndpoints endpoints_;
  Kept kept_;
};

}  // namespace

std::vector<ApiRoute> kept_routes(const KeptEndpoints& endpoints) {
  const bool offered = endpoints.sink != nullptr;
  const KeptRoutes dead(endpoints, Kept::dead_letters);
  const KeptRoutes unmapped(endpoints, Kept::unmapped);
  const auto route = [offered](std::string_view method, std::string_view path, const KeptRoutes& of,
                               Reply (KeptRoutes::*answer)(const ApiRequest&) const) {
    ApiRoute one{method, path, {}};
    if (offered) one.answer = [of, answer](const ApiRequest& r) { return (of.*answer)(r); };
    return one;
  };
  return {route("GET", "/api/v1/dead-letters", dead, &KeptRoutes::list),
          route("DELETE", "/api/v1/dead-letters", dead, &KeptRoutes::purge),
          route("POST", "/api/v1/dead-letters/replay", dead, &KeptRoutes::replay),
          route("GET", "/api/v1/dead-letters/{id}", dead, &KeptRoutes::show),
          route("GET", "/api/v1/unmapped", unmapped, &KeptRoutes::list),
          route("DELETE", "/api/v1/unmapped", unmapped, &KeptRoutes::purge),
          route("POST", "/api/v1/unmapped/replay", unmapped, &KeptRoutes::replay),
          route("GET", "/api/v1/unmapped/{id}", unmapped, &KeptRoutes::show)};
}

}  // namespace rowgate::http
