#include "gateway/security/user_file.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>

#include "gateway/security/file_text.hpp"
#include "gateway/security/password_hash.hpp"
#include "gateway/security/text.hpp"
#include "schema/base/utf8.hpp"

namespace rowgate::security {
namespace {

std::string text_problem(std::string_view what, std::string_view text, std::string_view excluded) {
  if (text.empty()) return fmt::format("the {} is empty", what);
  if (!is_utf8(text)) return fmt::format("the {} is not UTF-8", what);
  if (has_control(text)) return fmt::format("the {} has a control character", what);
  if (const auto at = text.find_first_of(excluded); at != std::string_view::npos) {
    return fmt::format("the {} has a '{}'", what, text[at]);
  }
  return "";
}

/// The parts between separators; none of an empty text.
std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
    if (text.empty()) parts.emplace_back();
  }
  return parts;
}

/// What is wrong with the line; empty: nothing, and `user` is it.
std::string parse_user(std::string_view line, User& user) {
  const auto first = line.find(':');
  const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
  if (second == std::string_view::npos) return "not of the form NAME:ROLE,ROLE:HASH";
  user.name = line.substr(0, first);
  user.roles = split(line.substr(first + 1, second - first - 1), ',');
  user.hash = line.substr(second + 1);
  if (auto wrong = user_name_problem(user.name); !wrong.empty()) return wrong;
  for (const std::string& role : user.roles) {
    if (auto wrong = role_problem(role); !wrong.empty()) return wrong;
  }
  return user.hash == no_password ? "" : hash_problem(user.hash);
}

}  // namespace

std::string user_name_problem(std::string_view name) {
  if (name.starts_with('#')) return "the name begins with '#', as comments do";
  return text_problem("name", name, ":");
}

std::string role_problem(std::string_view role) {
  if (role.starts_with(' ') || role.ends_with(' ')) return "the role begins or ends with a space";
  return text_problem("role", role, ":,");
}

UserFile UserFile::parse(std::string_view text, std::string_view file) {
  UserFile users;
  std::string errors;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) {
      users.lines_.push_back({std::string(line), std::nullopt});
      continue;
    }
    User user;
    std::string wrong = parse_user(line, user);
    if (wrong.empty() && users.find(user.name) != nullptr) {
      wrong = fmt::format("user '{}' is in line {} already", user.name,
                          users.index_.find(user.name)->second + 1);
    }
    if (!wrong.empty()) {
      errors += fmt::format("{}{}:{}: {}", errors.empty() ? "" : "\n", file, number, wrong);
    }
    // Also where it is wrong, so that lines and their numbers stay together.
    users.index_.emplace(user.name, users.lines_.size());
    users.lines_.push_back({"", std::move(user)});
  }
  if (!errors.empty()) throw FileError(errors);
  return users;
}

UserFile UserFile::read(const std::string& file) {
  if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT) {
    throw FileError(fmt::format(
        "{}: there is no such users file; make it with 'rowgate user add NAME --users {}'", file,
        file));
  }
  return parse(read_text(file), file);
}

const User* UserFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &*lines_[found->second].user;
}

std::vector<User> UserFile::users() const {
  std::vector<User> all;
  for (const Line& line : lines_) {
    if (line.user) all.push_back(*line.user);
  }
  return all;
}

void UserFile::put(User user) {
  const auto [at, added] = index_.emplace(user.name, lines_.size());
  if (added) {
    lines_.push_back({"", std::move(user)});
  } else {
    lines_[at->second].user = std::move(user);
  }
}

bool UserFile::remove(std::string_view name) {
  const auto found = index_.find(name);
  if (found == index_.end()) return false;
  const std::size_t line = found->second;
  lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(line));
  index_.erase(found);
  for (auto& [other, at] : index_) at -= at > line ? 1 : 0;
  return true;
}

std::string UserFile::text() const {
  std::string text;
  for (const Line& line : lines_) {
    if (line.user) {
      text += fmt::format("{}:{}:{}\n", line.user->name, fmt::join(line.user->roles, ","),
                          line.user->hash);
    } else {
      text += line.comment;
      text += '\n';
    }
  }
  return text;
}

}  // namespace rowgate::security
