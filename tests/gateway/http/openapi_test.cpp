#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "gateway/http/api_routes.hpp"
#include "gateway/http/openapi.hpp"

namespace rowgate::http {
namespace {

using nlohmann::json;

json document() {
  std::ifstream file(ROWGATE_SOURCE_DIR "/docs/openapi.json");
  return json::parse(file);
}

/// "GET /metrics" for everything the document describes.
std::set<std::string> described() {
  std::set<std::string> all;
  const json whole = document();
  for (const auto& [path, methods] : whole["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      std::string name = method;
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      all.insert(name + " " + path);
    }
  }
  return all;
}

TEST(openapi, document_and_routes_are_the_same_set) {
  // The router's own, which are not the API's.
  std::set<std::string> routes{"GET /", "GET /healthz", "GET /readyz", "GET /metrics",
                               "POST /mapping/reload"};
  for (const ApiRoute& route : api_routes({})) {
    EXPECT_TRUE(routes.insert(std::string(route.method) + " " + std::string(route.path)).second)
        << route.method << " " << route.path << " is there twice";
  }
  EXPECT_EQ(described(), routes) << "docs/openapi.json and api_routes.cpp must say the same";
}

TEST(openapi, placeholders_are_described_as_parameters) {
  const json whole = document();
  for (const auto& [path, methods] : whole["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      std::set<std::string> named;
      const json parameters = operation.value("parameters", json::array());
      for (const auto& parameter : parameters) {
        if (parameter["in"] == "path") named.insert(parameter["name"]);
      }
      std::set<std::string> wanted;
      for (auto at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1)) {
        wanted.insert(path.substr(at + 1, path.find('}', at) - at - 1));
      }
      EXPECT_EQ(named, wanted) << method << " " << path;
    }
  }
}

void expect_references(const json& value, const json& whole) {
  if (value.is_object() && value.contains("$ref")) {
    const std::string to = value["$ref"];
    ASSERT_TRUE(to.starts_with("#")) << to;
    EXPECT_TRUE(whole.contains(json::json_pointer(to.substr(1)))) << to;
  }
  if (!value.is_structured()) return;
  for (const auto& one : value) expect_references(one, whole);
}

TEST(openapi, references_lead_somewhere) {
  const json whole = document();
  expect_references(whole, whole);
}

TEST(openapi, program_serves_the_document) {
  EXPECT_EQ(json::parse(openapi_document()), document());
}

}  // namespace
}  // namespace rowgate::http
