// The verbs of gateway/cli/user.cpp.
#include <gmock/gmock.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <stdexcept>

#include "gateway/security/password_hash.hpp"
#include "gateway/security/user_file.hpp"
#include "tests/gateway/cli/scratch.hpp"

namespace rowgate::cli {
namespace {

using config::ConfigError;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class user_verb : public Scratch {
 protected:
  user_verb() {
    config_.security.users = (directory_ / "users").string();
    command_.user.name = "ann";
  }
  security::User user(const std::string& name) const {
    const auto file = security::UserFile::read(config_.security.users);
    const security::User* found = file.find(name);
    return found == nullptr ? security::User() : *found;
  }
  std::string failure(VerbFunction verb, const std::string& input) {
    try {
      run(verb, input);
    } catch (const std::exception& e) {
      return e.what();
    }
    return "";
  }
};

TEST_F(user_verb, add_hashes_the_first_line_of_standard_input) {
  command_.user.roles = {"operator", "night"};
  EXPECT_EQ(run(user_add, "s3cret pass\r\nnot this\n"),
            "added user 'ann' to " + config_.security.users + "\n");
  EXPECT_EQ(exit_code_, 0);
  EXPECT_TRUE(security::verify_password("s3cret pass", user("ann").hash));
  EXPECT_THAT(user("ann").roles, ElementsAre("operator", "night"));
}

TEST_F(user_verb, add_without_a_password_asks_for_none) {
  command_.user.no_password = true;
  run(user_add);
  EXPECT_EQ(user("ann").hash, security::no_password);
}

TEST_F(user_verb, add_refuses_a_user_that_is_there) {
  run(user_add, "a\n");
  const std::string hash = user("ann").hash;
  EXPECT_THAT(failure(user_add, "b\n"), HasSubstr("there is a user 'ann' already"));
  EXPECT_EQ(user("ann").hash, hash);
}

TEST_F(user_verb, names_roles_and_passwords_that_cannot_be_are_refused_before_anything_is_written) {
  EXPECT_THAT(refusal<ConfigError>(user_add), HasSubstr("the password is empty"));
  command_.user.roles = {"a,b"};
  EXPECT_THAT(refusal<ConfigError>(user_add), HasSubstr("--role 'a,b': the role has a ','"));
  command_.user.name = "a:b";
  EXPECT_THAT(refusal<ConfigError>(user_add), HasSubstr("user 'a:b': the name has a ':'"));
  EXPECT_FALSE(std::filesystem::exists(config_.security.users));
}

TEST_F(user_verb, password_is_changed_and_the_roles_stay) {
  command_.user.roles = {"operator"};
  run(user_add, "old\n");
  command_.user.roles.clear();
  run(user_password, "new\n");
  EXPECT_TRUE(security::verify_password("new", user("ann").hash));
  EXPECT_THAT(user("ann").roles, ElementsAre("operator"));
}

TEST_F(user_verb, roles_are_replaced_and_the_password_stays) {
  run(user_add, "old\n");
  command_.user.roles = {"b", "c"};
  EXPECT_THAT(run(user_roles), HasSubstr("has the roles b, c"));
  EXPECT_THAT(user("ann").roles, ElementsAre("b", "c"));
  EXPECT_TRUE(security::verify_password("old", user("ann").hash));
  command_.user.roles.clear();
  EXPECT_THAT(run(user_roles), HasSubstr("has no roles"));
}

TEST_F(user_verb, remove_takes_away_one_user) {
  write("users", "# kept\nann::*\nbob::*\n");
  run(user_remove);
  EXPECT_EQ(security::UserFile::read(config_.security.users).text(), "# kept\nbob::*\n");
}

TEST_F(user_verb, a_user_that_is_not_there_is_named) {
  write("users", "bob::*\n");
  for (const auto verb : {user_password, user_roles, user_remove}) {
    EXPECT_THAT(failure(verb, "x\n"), HasSubstr("there is no user 'ann'"));
  }
}

TEST_F(user_verb, list_prints_names_and_roles_and_no_hash) {
  write("users", "ann:a,b:" + security::dummy_hash() + "\nbob::*\n");
  command_.format = Format::csv;
  EXPECT_EQ(run(user_list), "name,roles,password\nann,\"a,b\",yes\nbob,\"\",no\n");
  command_.format = Format::table;
  EXPECT_THAT(run(user_list), Not(HasSubstr("argon2")));
  EXPECT_THAT(errors_, HasSubstr("chmod 600")) << "the test's file is world-readable";
}

TEST_F(user_verb, broken_missing_and_unnamed_files_are_usage_errors) {
  EXPECT_THAT(refusal<ConfigError>(user_list), HasSubstr("rowgate user add NAME"));
  write("users", "broken\n");
  EXPECT_THAT(refusal<ConfigError>(user_list), HasSubstr("users:1: not of the form"));
  EXPECT_THAT(refusal<ConfigError>(user_remove), HasSubstr("users:1: not of the form"));
  config_.security.users.clear();
  EXPECT_THAT(refusal<ConfigError>(user_list), HasSubstr("--users FILE"));
}

/// A verb at a terminal of its own; what the terminal showed.
class user_terminal : public user_verb {
 protected:
  std::string run_at_terminal(const std::vector<std::string>& lines) {
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) {
      int code = 1;
      try {
        code = user_add(command_, config_, {std::cin, std::cout, std::cerr});
      } catch (const std::exception& e) {
        std::cerr << e.what() << std::endl;
      }
      std::cout.flush();
      ::_exit(code);
    }
    std::string shown;
    std::size_t sent = 0;
    // The nth line is typed once there are n prompts: what is typed before is thrown away.
    while (read_some(terminal, shown)) {
      const auto prompts = static_cast<std::size_t>(std::count(shown.begin(), shown.end(), ':'));
      if (sent < lines.size() && prompts > sent) {
        EXPECT_EQ(::write(terminal, lines[sent].data(), lines[sent].size()),
                  static_cast<ssize_t>(lines[sent].size()));
        ++sent;
      }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    ::close(terminal);
    return shown;
  }

 private:
  static bool read_some(int terminal, std::string& shown) {
    char buffer[256];
    const ssize_t n = ::read(terminal, buffer, sizeof buffer);
    if (n > 0) shown.append(buffer, static_cast<std::size_t>(n));
    return n > 0;  // the child's end closes it: EIO
  }
};

TEST_F(user_terminal, a_password_is_asked_for_twice_and_not_shown) {
  const std::string shown = run_at_terminal({"s3cret\n", "s3cret\n"});
  EXPECT_EQ(exit_code_, 0) << shown;
  EXPECT_THAT(shown, HasSubstr("Password of ann: "));
  EXPECT_THAT(shown, Not(HasSubstr("s3cret")));
  EXPECT_TRUE(security::verify_password("s3cret", user("ann").hash));
}

TEST_F(user_terminal, two_different_passwords_change_nothing) {
  EXPECT_THAT(run_at_terminal({"s3cret\n", "secret\n"}), HasSubstr("two different passwords"));
  EXPECT_EQ(exit_code_, 1);
  EXPECT_FALSE(std::filesystem::exists(config_.security.users));
}

TEST_F(user_terminal, an_interrupt_changes_nothing) {
  EXPECT_THAT(run_at_terminal({"\x03"}), HasSubstr("interrupted; nothing was changed"));
  EXPECT_EQ(exit_code_, 1);
  EXPECT_FALSE(std::filesystem::exists(config_.security.users));
}

}  // namespace
}  // namespace rowgate::cli
