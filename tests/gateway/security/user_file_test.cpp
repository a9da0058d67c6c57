#include "gateway/security/user_file.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "gateway/security/password_hash.hpp"
#include "tests/gateway/security/scratch_directory.hpp"

namespace rowgate::security {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string refusal(std::string_view text) {
  try {
    UserFile::parse(text, "users");
  } catch (const FileError& e) {
    return e.what();
  }
  return "";
}

TEST(user_file, lines_are_users_and_comments_stay_where_they_are) {
  const std::string text =
      "# the plant\nann:operator,night:" + dummy_hash() + "\n\n# machines\nm-1::*\n";
  UserFile users = UserFile::parse(text, "users");
  ASSERT_NE(users.find("ann"), nullptr);
  EXPECT_THAT(users.find("ann")->roles, ElementsAre("operator", "night"));
  EXPECT_EQ(users.find("ann")->hash, dummy_hash());
  EXPECT_THAT(users.find("m-1")->roles, IsEmpty());
  EXPECT_EQ(users.find("Ann"), nullptr);
  EXPECT_EQ(users.text(), text);
  EXPECT_EQ(users.users().size(), 2U);
}

TEST(user_file, a_user_is_replaced_where_it_stands) {
  UserFile users = UserFile::parse("a::*\n# b\nb::*\n", "users");
  users.put({"a", {"x"}, "*"});
  users.put({"c", {}, "*"});
  EXPECT_EQ(users.text(), "a:x:*\n# b\nb::*\nc::*\n");
}

TEST(user_file, a_user_is_removed_and_the_others_are_still_found) {
  UserFile users = UserFile::parse("a::*\nb::*\n#\nc:r:*\n", "users");
  EXPECT_TRUE(users.remove("b"));
  EXPECT_FALSE(users.remove("b"));
  EXPECT_EQ(users.find("b"), nullptr);
  EXPECT_THAT(users.find("c")->roles, ElementsAre("r"));
  users.put({"c", {}, "*"});
  EXPECT_EQ(users.text(), "a::*\n#\nc::*\n");
}

TEST(user_file, line_ends_of_another_system_are_taken) {
  EXPECT_NE(UserFile::parse("a::*\r\nb::*", "users").find("a"), nullptr);
  EXPECT_NE(UserFile::parse("a::*\r\nb::*", "users").find("b"), nullptr);
  EXPECT_EQ(UserFile::parse("# note\r\r\n", "users").text(), "# note\n");
}

TEST(user_file, every_wrong_line_is_named) {
  EXPECT_EQ(refusal("a::*\nb\nc:x,,y:*\n:r:*\na:r:*\nd::plain\n e:r :*\n"),
            "users:2: not of the form NAME:ROLE,ROLE:HASH\n"
            "users:3: the role is empty\n"
            "users:4: the name is empty\n"
            "users:5: user 'a' is in line 1 already\n"
            "users:6: the hash is not Argon2id in its encoded form; set the password with 'rowgate "
            "user password'\n"
            "users:7: the role begins or ends with a space");
  EXPECT_THAT(refusal("a,b:r,:*\n"), HasSubstr("users:1: the role is empty"));
}

TEST(user_file, names_and_roles_that_would_break_the_form_are_refused) {
  EXPECT_EQ(user_name_problem("ann@example.org, Ltd +1/#"), "");
  EXPECT_EQ(user_name_problem("wärme"), "");
  EXPECT_NE(user_name_problem(""), "");
  EXPECT_NE(user_name_problem("#a"), "");
  EXPECT_NE(user_name_problem("a:b"), "");
  EXPECT_NE(user_name_problem("a\nb"), "");
  EXPECT_NE(user_name_problem("a\x7f"), "");
  EXPECT_NE(user_name_problem("a\xff"), "");
  EXPECT_EQ(role_problem("#operator"), "");
  EXPECT_NE(role_problem("a,b"), "");
  EXPECT_NE(role_problem("a:b"), "");
  EXPECT_NE(role_problem(""), "");
}

class edit_user_file_on_disk : public ScratchDirectory {
 protected:
  static mode_t mode(const std::string& file) {
    struct stat st {};
    EXPECT_EQ(::stat(file.c_str(), &st), 0);
    return st.st_mode & 0777U;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory_),
                                                  std::filesystem::directory_iterator()));
  }
};

TEST_F(edit_user_file_on_disk, a_new_file_is_for_its_owner_only) {
  edit_user_file(path("users"), [](UserFile& users) { users.put({"a", {}, "*"}); });
  EXPECT_EQ(read("users"), "a::*\n");
  EXPECT_EQ(mode(path("users")), 0600U);
  EXPECT_EQ(files(), 1U);
}

TEST_F(edit_user_file_on_disk, an_old_file_keeps_its_mode) {
  const std::string file = write("users", "a::*\n");
  ::chmod(file.c_str(), 0640);
  edit_user_file(file, [](UserFile& users) { users.remove("a"); });
  EXPECT_EQ(read("users"), "");
  EXPECT_EQ(mode(file), 0640U);
}

TEST_F(edit_user_file_on_disk, a_link_stays_a_link) {
  write("real", "a::*\n");
  std::filesystem::create_symlink("real", path("users"));
  edit_user_file(path("users"), [](UserFile& users) { users.put({"b", {}, "*"}); });
  EXPECT_EQ(read("real"), "a::*\nb::*\n");
  EXPECT_TRUE(std::filesystem::is_symlink(path("users")));
}

TEST_F(edit_user_file_on_disk, nothing_is_written_where_the_change_throws_or_the_file_is_broken) {
  const std::string file = write("users", "a::*\n");
  EXPECT_THROW(edit_user_file(file,
                              [](UserFile& users) {
                                users.remove("a");
                                throw std::runtime_error("no");
                              }),
               std::runtime_error);
  EXPECT_EQ(read("users"), "a::*\n");
  write("users", "broken\n");
  EXPECT_THROW(edit_user_file(file, [](UserFile&) {}), FileError);
  EXPECT_EQ(read("users"), "broken\n");
  EXPECT_EQ(files(), 1U);
}

TEST_F(edit_user_file_on_disk, a_directory_that_is_not_there_is_named) {
  try {
    edit_user_file("/nowhere/users", [](UserFile&) {});
    FAIL();
  } catch (const FileError& e) {
    EXPECT_STREQ(e.what(), "/nowhere: open: No such file or directory");
  }
}

TEST_F(edit_user_file_on_disk, edits_at_the_same_time_are_all_kept) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        edit_user_file(path("users"), [&](UserFile& users) {
          users.put({std::to_string(t) + "-" + std::to_string(i), {}, "*"});
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(UserFile::read(path("users")).users().size(), 40U);
  EXPECT_EQ(files(), 1U);
}

TEST_F(edit_user_file_on_disk, a_file_that_others_may_read_or_write_is_worth_a_warning) {
  const std::string file = write("users", "");
  ::chmod(file.c_str(), 0640);
  EXPECT_EQ(permission_warning(file), "");
  ::chmod(file.c_str(), 0644);
  EXPECT_EQ(permission_warning(file), file + ": everybody may read the users file; chmod 600 it");
  ::chmod(file.c_str(), 0660);
  EXPECT_THAT(permission_warning(file), HasSubstr("others than its owner may write"));
  EXPECT_EQ(permission_warning("/nowhere/users"), "");
}

}  // namespace
}  // namespace rowgate::security
