#include "gateway/security/password_hash.hpp"

#include <argon2.h>
#include <fmt/format.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>

namespace rowgate::security {
namespace {

constexpr std::uint32_t memory_kib = 19 * 1024;
constexpr std::uint32_t passes = 2;
constexpr std::uint32_t lanes = 1;
constexpr std::size_t salt_bytes = 16;
constexpr std::size_t hash_bytes = 32;

constexpr std::uint32_t most_memory_kib = 256 * 1024;
constexpr std::uint32_t most_passes = 16;
constexpr std::uint32_t most_lanes = 4;

/// Takes `name` and a number off the front.
std::optional<std::uint32_t> take_number(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  std::uint32_t value = 0;
  const char* begin = text.data() + name.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// Standard Base64 without padding, as Argon2 writes it; the size of what it stands for.
std::optional<std::size_t> base64_size(std::string_view text) {
  for (const char c : text) {
    const bool known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '+' || c == '/';
    if (!known) return std::nullopt;
  }
  return text.size() * 3 / 4;
}

}  // namespace

std::string hash_password(std::string_view password) {
  std::array<unsigned char, salt_bytes> salt;
  if (RAND_bytes(salt.data(), static_cast<int>(salt.size())) != 1) {
    throw std::runtime_error("the system gives no random numbers for a password's salt");
  }
  std::string encoded(
      argon2_encodedlen(passes, memory_kib, lanes, salt_bytes, hash_bytes, Argon2_id), '\0');
  const int code =
      argon2id_hash_encoded(passes, memory_kib, lanes, password.data(), password.size(),
                            salt.data(), salt.size(), hash_bytes, encoded.data(), encoded.size());
  if (code != ARGON2_OK) {
    throw std::runtime_error(fmt::format("cannot hash a password: {}", argon2_error_message(code)));
  }
  encoded.resize(encoded.find('\0'));
  return encoded;
}

bool verify_password(std::string_view password, const std::string& encoded) {
  const int code = argon2id_verify(encoded.c_str(), password.data(), password.size());
  if (code == ARGON2_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
  return code == ARGON2_OK;
}

std::string hash_problem(std::string_view encoded) {
  const std::string not_ours =
      "the hash is not Argon2id in its encoded form; set the password with 'rowgate user password'";
  const auto memory = take_number(encoded, "$argon2id$v=19$m=");
  const auto time = take_number(encoded, ",t=");
  const auto parallel = take_number(encoded, ",p=");
  if (!memory || !time || !parallel || !encoded.starts_with('$')) return not_ours;
  encoded.remove_prefix(1);
  const auto dollar = encoded.find('$');
  if (dollar == std::string_view::npos) return not_ours;
  const auto salt = base64_size(encoded.substr(0, dollar));
  const auto hash = base64_size(encoded.substr(dollar + 1));
  if (!salt || !hash || *salt < 8 || *salt > 64 || *hash < 16 || *hash > 64) return not_ours;
  if (*memory < 8 * *parallel || *time == 0 || *parallel == 0) return not_ours;
  if (*memory > most_memory_kib || *time > most_passes || *parallel > most_lanes) {
    return fmt::format("the hash costs m={},t={},p={}; at most m={},t={},p={} are taken", *memory,
                       *time, *parallel, most_memory_kib, most_passes, most_lanes);
  }
  return "";
}

const std::string& dummy_hash() {
  // Fixed, so that the first unknown user after a start costs no more than the next. Its password
  // is not known to anybody: the hash is 32 bytes that were never computed.
  static const std::string hash =
      "$argon2id$v=19$m=19456,t=2,p=1$cm93Z2F0ZS1kdW1teS0xNg$"
      "Tm9ib2R5J3MgcGFzc3dvcmQ6IGp1c3QgdGV4dCwgMzI";
  return hash;
}

}  // namespace rowgate::security
