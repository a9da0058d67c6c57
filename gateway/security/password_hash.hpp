#pragma once
// Argon2id [RFC 9106] in its encoded form, with OWASP's minimum: 19 MiB, 2 passes, 1 lane; some
// 25 ms a hash. Any thread; blocks for that time, so never on an I/O thread.
#include <string>
#include <string_view>

namespace rowgate::security {

/// With a random salt of 16 bytes. Throws std::runtime_error where there is no memory or no
/// entropy.
std::string hash_password(std::string_view password);

/// False also for a form that is none. Constant time in the hash. Throws std::bad_alloc.
bool verify_password(std::string_view password, const std::string& encoded);

/// What is wrong with an encoded hash; empty: nothing. Forms that would cost more than 256 MiB, 16
/// passes or 4 lanes are refused: a line of a file must not be able to stop the gateway.
std::string hash_problem(std::string_view encoded);

/// The hash of nobody's password, of the same cost as those of hash_password().
const std::string& dummy_hash();

}  // namespace rowgate::security
