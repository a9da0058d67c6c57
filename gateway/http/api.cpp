#include "gateway/http/api.hpp"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

namespace rowgate::http {
namespace {

/// In a time that does not tell how much of it was right.
bool same_secret(std::string_view given, std::string_view secret) {
  unsigned char difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size() && !secret.empty(); ++i) {
    difference |= static_cast<unsigned char>(static_cast<unsigned char>(given[i]) ^
                                             static_cast<unsigned char>(secret[i % secret.size()]));
  }
  return difference == 0;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

bool has_token(std::string_view authorization, std::string_view token) {
  constexpr std::string_view scheme = "Bearer ";
  if (!same_word(authorization.substr(0, scheme.size()), scheme)) return false;
  authorization.remove_prefix(scheme.size());
  return same_secret(authorization, token);
}

/// "localhost:8080", "127.0.0.1", "[::1]:8080". Another name may be one that a page of another site
/// has let point to this machine.
bool names_this_machine(std::string_view host) {
  if (host.starts_with('[')) return true;
  host = host.substr(0, host.rfind(':'));
  return same_word(host, "localhost") ||
         (!host.empty() && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool changes(std::string_view method) {
  return method != "GET" && method != "HEAD";
}

std::optional<Reply> refusal(const Request& request, const ApiAccess& access) {
  if (!access.token.empty()) {
    if (has_token(request.authorization, access.token)) {
      if (!changes(request.method) || !from_another_site(request)) return std::nullopt;
      return json_error(403, "A page of another site may not change anything here.");
    }
    Reply reply = json_error(401,
                             "The API needs the token of `http.token`: send the field "
                             "Authorization: Bearer TOKEN.");
    reply.challenge = true;
    return reply;
  }
  if (access.loopback && !names_this_machine(request.host)) {
    return json_error(403,
                      "Without `http.token` the API answers only to localhost or an IP address in "
                      "the URL: set a token to use it by another name.");
  }
  if (!changes(request.method)) return std::nullopt;
  if (!access.loopback) {
    return json_error(403,
                      "Changes need a token where `http.listen` is not a loopback address: set "
                      "`http.token` (ROWGATE_HTTP_TOKEN).");
  }
  if (from_another_site(request)) {
    return json_error(403, "A page of another site may not change anything here.");
  }
  return std::nullopt;
}

/// The placeholders' values if `path` has the form of `pattern`.
std::optional<std::vector<std::string>> match(std::string_view pattern, std::string_view path) {
  std::vector<std::string> arguments;
  for (;;) {
    const std::string_view want = pattern.substr(0, pattern.find('/'));
    const std::string_view have = path.substr(0, path.find('/'));
    if (want.starts_with('{')) {
      if (have.empty()) return std::nullopt;
      arguments.push_back(percent_decode(have));
    } else if (want != have) {
      return std::nullopt;
    }
    const bool pattern_ends = want.size() == pattern.size();
    const bool path_ends = have.size() == path.size();
    if (pattern_ends || path_ends) {
      if (pattern_ends != path_ends) return std::nullopt;
      return arguments;
    }
    pattern.remove_prefix(want.size() + 1);
    path.remove_prefix(have.size() + 1);
  }
}

}  // namespace

Reply json_reply(std::string text, unsigned status) {
  text += '\n';
  return {status, "application/json", std::move(text)};
}

Reply json_error(unsigned status, std::string_view sentence) {
  // Sentences quote what clients sent.
  return json_reply(nlohmann::json{{"error", sentence}}.dump(
                        -1, ' ', false, nlohmann::json::error_handler_t::replace),
                    status);
}

Reply Api::answer(const Request& request) const try {
  if (auto refused = refusal(request, access_)) return std::move(*refused);
  const std::string_view path = request.target.substr(0, request.target.find_first_of("?#"));
  const std::string_view method = request.method == "HEAD" ? "GET" : request.method;
  std::string allow;
  for (const ApiRoute& route : routes_) {
    auto arguments = match(route.path, path);
    if (!arguments) continue;
    if (route.method == method) {
      return route.answer(ApiRequest{request, std::move(*arguments), Query(request.target)});
    }
    allow.append(allow.empty() ? "" : ", ").append(route.method);
    if (route.method == "GET") allow += ", HEAD";
  }
  if (allow.empty()) {
    return json_error(404, "The API has no such path; GET /api/v1/openapi.json lists them all.");
  }
  Reply reply = json_error(405, std::string("This path takes ").append(allow).append("."));
  reply.allow = allow;
  return reply;
} catch (const std::bad_function_call&) {
  return json_error(404, "This gateway does not offer that.");
} catch (const std::exception& e) {
  return json_error(500, e.what());
}

}  // namespace rowgate::http
