// The key set's file [RFC 7517]: JSON -> KeySet, or the first error with its line.
#include <fmt/format.h>

#include <simdjson.h>
#include <algorithm>
#include <map>

#include "gateway/security/base64url.hpp"
#include "gateway/security/file_text.hpp"
#include "gateway/security/jwt.hpp"
#include "gateway/security/token_key.hpp"

namespace rowgate::security {
namespace {

namespace ondemand = simdjson::ondemand;
using Members = std::map<std::string, std::string, std::less<>>;  // those of a key that are texts

std::string member(const Members& key, std::string_view name) {
  const auto found = key.find(name);
  return found == key.end() ? std::string() : found->second;
}

class JwksReader {
 public:
  JwksReader(std::string_view json, std::string_view file) : json_(json), file_(file) {}

  std::vector<TokenKey> read() {
    ondemand::parser parser;
    ondemand::document document;
    if (const auto error = parser.iterate(json_).get(document)) {
      fail(json_.data(), simdjson::error_message(error));
    }
    std::vector<TokenKey> keys;
    bool found = false;
    try {
      for (auto field : document.get_object()) {
        if (field.unescaped_key().value() != "keys") continue;
        found = true;
        for (auto item : field.value().get_array()) read_key(item.get_object().value(), keys);
      }
    } catch (const simdjson::simdjson_error& e) {
      const auto at = document.current_location();
      fail(at.error() == simdjson::SUCCESS ? at.value_unsafe() : json_.data() + json_.size(),
           fmt::format("not the JSON of a key set: {}", e.what()));
    }
    if (!found) fail(json_.data(), "there is no array 'keys'");
    if (keys.empty()) {
      fail(json_.data(), "there is no key for signatures with RS256, ES256 (P-256) or HS256 (oct)");
    }
    return keys;
  }

 private:
  [[noreturn]] void fail(const char* at, std::string_view what) const {
    const auto line = std::count(json_.data(), at, '\n') + 1;
    throw FileError(fmt::format("{}:{}: {}", file_, line, what));
  }

  void read_key(ondemand::object object, std::vector<TokenKey>& keys) const {
    const char* at = object.raw_json().value().data();
    object.reset();
    Members key;
    for (auto field : object) {
      const std::string name(field.unescaped_key().value());
      std::string_view text;
      if (field.value().get_string().get(text) == simdjson::SUCCESS) key[name] = text;
    }
    const std::string type = member(key, "kty");
    if (type.empty()) fail(at, "a key has no kty");
    const std::string name = member(key, "kid");
    const std::string what = name.empty() ? "a key" : fmt::format("key '{}'", name);
    const std::string use = member(key, "use");
    if (!use.empty() && use != "sig") return;
    const std::string algorithm = member(key, "alg");
    const auto is_for = [&](const char* ours) { return algorithm.empty() || algorithm == ours; };
    const auto bytes = [&](const char* parameter) {
      const auto decoded = decode_base64url(member(key, parameter));
      if (!decoded || decoded->empty()) {
        fail(at, fmt::format("{}: {} is missing or not base64url", what, parameter));
      }
      return *decoded;
    };
    const auto add = [&](TokenKey::Made made) {
      if (!made) fail(at, fmt::format("{}: {}", what, made.error()));
      made->set_name(name);
      keys.push_back(std::move(*made));
    };
    if (type == "RSA" && is_for("RS256")) {
      add(TokenKey::rsa(bytes("n"), bytes("e")));
    } else if (type == "EC" && is_for("ES256") && member(key, "crv") == "P-256") {
      add(TokenKey::p256(bytes("x"), bytes("y")));
    } else if (type == "oct" && is_for("HS256")) {
      add(TokenKey::secret(bytes("k")));
    }
  }

  simdjson::padded_string json_;
  std::string file_;
};

}  // namespace

KeySet KeySet::parse(std::string_view json, std::string_view file) {
  return KeySet(JwksReader(json, file).read());
}

KeySet KeySet::read(const std::string& file) {
  return parse(read_text(file), file);
}

}  // namespace rowgate::security
