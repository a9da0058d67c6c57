#pragma once
// The file of users and passwords, as `rowgate user` keeps it: a user a line,
//
//   name:role,role:$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH
//
// `#` begins a comment, in the first column only. `*` in place of the hash: a user without a
// password, who comes with a client certificate and has roles here. Names must not be empty, begin
// with `#`, or hold `:` or control characters; roles must not hold `,` either. At most one line a
// name. Read whole or refused whole. See docs/security.md.
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/security/file_error.hpp"

namespace rowgate::security {

inline constexpr std::string_view no_password = "*";

struct User {
  std::string name;
  std::vector<std::string> roles;
  std::string hash = std::string(no_password);
};

/// What is wrong with the name of a user or a role; empty: nothing.
std::string user_name_problem(std::string_view name);
std::string role_problem(std::string_view role);

/// Not thread-safe; const functions may be called from any thread.
class UserFile {
 public:
  /// `file` names it in messages. Throws FileError with every line that is wrong.
  static UserFile parse(std::string_view text, std::string_view file);
  /// Throws FileError.
  static UserFile read(const std::string& file);

  /// nullptr: no such user. Valid until the next change.
  const User* find(std::string_view name) const;
  std::vector<User> users() const;  // in the order of the file

  /// Adds the user, or replaces the one of that name where it stands.
  void put(User user);
  /// False: there was none.
  bool remove(std::string_view name);
  /// The file's text, comments where they were.
  std::string text() const;

 private:
  struct Line {
    std::string comment;  // or an empty line
    std::optional<User> user;
  };
  std::vector<Line> lines_;
  std::map<std::string, std::size_t, std::less<>> index_;  // name -> line
};

/// Reads the file (one that is missing is empty), lets `change` change it, and puts it in the old
/// one's place: temporary file, fsync, rename, fsync of the directory; a crash leaves the old or
/// the new. Keeps mode and owner; a new file is for its owner only. Two that edit at the same time
/// go one after the other. Throws FileError, and what `change` throws: then nothing is written.
void edit_user_file(const std::string& file, const std::function<void(UserFile&)>& change);

/// A sentence for the log where others than owner and group may read the file, or others than its
/// owner write it; empty: neither, or no such file. `what` names the file ("the users file").
std::string permission_warning(const std::string& file, std::string_view what = "the users file");

}  // namespace rowgate::security
