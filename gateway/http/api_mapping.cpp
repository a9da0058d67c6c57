#include "gateway/http/api_mapping.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace rowgate::http {
namespace {

using nlohmann::json;

constexpr std::uint64_t most_versions = 1'000;
constexpr std::size_t longest_author = 200;

Reply reply(const json& value, unsigned status = 200) {
  return json_reply(value.dump(2, ' ', false, json::error_handler_t::replace), status);
}

/// Who asks, as the history keeps it: "Anna (127.0.0.1)".
std::string who(const Request& request) {
  std::string text(request.author.substr(0, longest_author));
  if (request.peer.empty()) return text;
  if (text.empty()) return std::string(request.peer);
  return text.append(" (").append(request.peer).append(")");
}

std::optional<std::int64_t> version_number(const std::string& text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || value < 1) return std::nullopt;
  return value;
}

json to_json(const std::vector<schema::MappingError>& errors) {
  json list = json::array();
  for (const schema::MappingError& error : errors) {
    json one{{"line", error.line}, {"column", error.column}, {"message", error.message}};
    if (!error.hint.empty()) one["hint"] = error.hint;
    list.push_back(std::move(one));
  }
  return list;
}

json to_json(const MappingVersion& version, bool with_text) {
  json one{{"version", nullptr},
           {"applied_at", to_iso8601(version.applied_at)},
           {"source", version.source},
           {"who", version.who},
           {"etag", version.etag}};
  if (version.version) one["version"] = *version.version;
  if (with_text) one["text"] = version.text;
  return one;
}

unsigned status_of(MappingChange::Outcome outcome) {
  using Outcome = MappingChange::Outcome;
  switch (outcome) {
    case Outcome::accepted:
      return 200;
    case Outcome::stale:
      return 412;
    case Outcome::refused:
      return 422;
    case Outcome::no_file:
      return 409;
    case Outcome::unknown:
      return 404;
    case Outcome::not_written:
      return 500;
    case Outcome::database_away:
      return 503;
  }
  return 500;
}

Reply changed(const MappingChange& change) {
  if (change.outcome != MappingChange::Outcome::accepted) {
    json body{{"error", change.message}};
    if (!change.errors.empty()) body["errors"] = to_json(change.errors);
    Reply refused = reply(body, status_of(change.outcome));
    refused.etag = change.etag;
    return refused;
  }
  json body{{"message", change.message}, {"etag", change.etag},
            {"version", nullptr},        {"mappings", change.mappings},
            {"tables", change.tables},   {"warnings", change.warnings}};
  if (change.version) body["version"] = *change.version;
  Reply accepted = reply(body);
  accepted.etag = change.etag;
  return accepted;
}

Reply put_mapping(const MappingEndpoints& endpoints, const ApiRequest& asked) {
  if (asked.request.if_match.empty()) {
    return json_error(428,
                      "Say which mapping this one replaces: send If-Match with the ETag of GET "
                      "/api/v1/mapping.");
  }
  return changed(endpoints.apply(std::string(asked.request.body), asked.request.if_match,
                                 who(asked.request), asked.query.flag("strict")));
}

Reply validate(const MappingEndpoints& endpoints, const ApiRequest& asked) {
  const MappingChange change = endpoints.validate(std::string(asked.request.body));
  if (change.outcome != MappingChange::Outcome::accepted) return changed(change);
  return reply({{"message", change.message},
                {"mappings", change.mappings},
                {"tables", change.tables},
                {"warnings", change.warnings}});
}

Reply history(const MappingEndpoints& endpoints, const ApiRequest& asked) {
  const auto before = asked.query.number("before", 0, 0, INT64_MAX);
  const auto limit = asked.query.number("limit", 50, 1, most_versions);
  if (!before || !limit) {
    return json_error(400, "`before` is a version and `limit` a whole number from 1 to 1000.");
  }
  const auto found = endpoints.history(static_cast<std::int64_t>(*before), *limit);
  if (!found) return json_error(503, found.error().message);
  json list = json::array();
  for (const MappingVersion& version : *found) list.push_back(to_json(version, false));
  return reply({{"versions", std::move(list)}});
}

Reply one_version(const MappingEndpoints& endpoints, const ApiRequest& asked) {
  const auto number = version_number(asked.arguments.front());
  if (!number) return json_error(404, "A version is a whole number from 1 on.");
  const auto found = endpoints.version(*number);
  if (!found) return json_error(503, found.error().message);
  if (!*found) return json_error(404, "The history has no such version.");
  return reply(to_json(**found, true));
}

Reply rollback(const MappingEndpoints& endpoints, const ApiRequest& asked) {
  const auto number = version_number(asked.arguments.front());
  if (!number) return json_error(404, "A version is a whole number from 1 on.");
  return changed(endpoints.rollback(*number, who(asked.request)));
}

}  // namespace

Reply mapping_refused(std::string_view sentence, const std::vector<schema::MappingError>& errors) {
  return reply({{"error", sentence}, {"errors", to_json(errors)}}, 422);
}

std::vector<ApiRoute> mapping_routes(const MappingEndpoints& endpoints) {
  const auto with = [&](Reply (*answer)(const MappingEndpoints&, const ApiRequest&)) {
    return [endpoints, answer](const ApiRequest& asked) { return answer(endpoints, asked); };
  };
  const auto current = [endpoints](const ApiRequest&) {
    MappingText now = endpoints.current();
    Reply reply{200, "text/plain; charset=utf-8", std::move(now.text)};
    reply.etag = std::move(now.etag);
    return reply;
  };
  return {{"GET", "/api/v1/mapping", current},
          {"PUT", "/api/v1/mapping", with(put_mapping)},
          {"POST", "/api/v1/mapping/validate", with(validate)},
          {"GET", "/api/v1/mapping/history", with(history)},
          {"GET", "/api/v1/mapping/history/{version}", with(one_version)},
          {"POST", "/api/v1/mapping/rollback/{version}", with(rollback)}};
}

}  // namespace rowgate::http
