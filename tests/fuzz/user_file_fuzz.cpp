// A users file: any bytes are refused with a sentence, or become users that are written as they
// were read.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/security/password_hash.hpp"
#include "gateway/security/user_file.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  hash_problem(text);
  try {
    UserFile file = UserFile::parse(text, "users");
    const std::string written = file.text();
    const UserFile again = UserFile::parse(written, "users");
    must(again.text() == written);
    const auto users = file.users();
    must(again.users().size() == users.size());
    for (const User& user : users) {
      must(user_name_problem(user.name).empty());
      must(user.hash == no_password || hash_problem(user.hash).empty());
      const User* found = again.find(user.name);
      must(found != nullptr && found->hash == user.hash && found->roles == user.roles);
      must(file.remove(user.name));
    }
    must(file.users().empty());
  } catch (const FileError& error) {
    must(error.what()[0] != '\0');
  }
  return 0;
}
