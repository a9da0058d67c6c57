// The real disk behind file.hpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "storage/os/file.hpp"

namespace rowgate::os {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Mode = Directory::Mode;

class PosixFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "rowgate-os-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    directory_ = opened(path_);
  }
  void TearDown() override {
    directory_.reset();
    std::filesystem::remove_all(path_);
  }
  static std::unique_ptr<Directory> opened(const std::string& path) {
    auto directory = open_directory(path);
    EXPECT_TRUE(directory) << directory.error().message;
    return std::move(*directory);
  }
  std::unique_ptr<File> file(const std::string& name, Mode mode) {
    auto result = directory_->open(name, mode);
    EXPECT_TRUE(result) << result.error().message;
    return std::move(*result);
  }

  std::string path_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(PosixFile, ReadsBackWhatWasWrittenWhereItWasWritten) {
  const auto f = file("f", Mode::create_new);
  ASSERT_TRUE(f->write_at(3, "defgh"));
  ASSERT_TRUE(f->write_at(0, "abc"));
  ASSERT_TRUE(f->sync_data());
  EXPECT_EQ(*f->size(), 8U);
  char bytes[5] = {};
  EXPECT_EQ(*f->read_at(1, bytes, 4), 4U);
  EXPECT_STREQ(bytes, "bcde");
}

TEST_F(PosixFile, AReadIsShortOnlyAtTheEnd) {
  const auto f = file("f", Mode::create_new);
  ASSERT_TRUE(f->write_at(0, "abc"));
  char bytes[10] = {};
  EXPECT_EQ(*f->read_at(1, bytes, sizeof bytes), 2U);
  EXPECT_EQ(std::string(bytes, 2), "bc");
  EXPECT_EQ(*f->read_at(3, bytes, sizeof bytes), 0U);
  EXPECT_EQ(*f->read_at(1000, bytes, sizeof bytes), 0U);
}

TEST_F(PosixFile, TruncateCutsOff) {
  const auto f = file("f", Mode::create_new);
  ASSERT_TRUE(f->write_at(0, "abcdef"));
  ASSERT_TRUE(f->truncate(2));
  EXPECT_EQ(*f->size(), 2U);
}

TEST_F(PosixFile, ErrorsSayWhatWhereAndWhy) {
  const auto missing = directory_->open("none", Mode::read_only);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ENOENT);
  EXPECT_EQ(missing.error().message, "open " + path_ + "/none: No such file or directory");

  file("f", Mode::create_new);
  const auto twice = directory_->open("f", Mode::create_new);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, EEXIST);
  EXPECT_EQ(twice.error().message, "create " + path_ + "/f: File exists");

  const auto written = file("f", Mode::read_only)->write_at(0, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, EBADF);
  EXPECT_THAT(written.error().message, StartsWith("write " + path_ + "/f: "));

  const auto renamed = directory_->rename("none", "other");
  ASSERT_FALSE(renamed);
  EXPECT_THAT(renamed.error().message, AllOf(HasSubstr("none"), HasSubstr("other")));
  const auto removed = directory_->remove("none");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message, "remove " + path_ + "/none: No such file or directory");
}

TEST_F(PosixFile, AFullDiskIsAnErrorOfTheWrite) {
  const auto device = open_existing_directory("/dev");
  ASSERT_TRUE(device);
  auto full = (*device)->open("full", Mode::read_write);
  ASSERT_TRUE(full) << full.error().message;
  const auto written = (*full)->write_at(0, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ENOSPC);
  EXPECT_EQ(written.error().message, "write /dev/full: No space left on device");
}

TEST_F(PosixFile, DoesNotFollowALinkOutOfTheDirectory) {
  std::filesystem::create_symlink("/etc/passwd", path_ + "/link");
  const auto followed = directory_->open("link", Mode::read_only);
  ASSERT_FALSE(followed);
  EXPECT_EQ(followed.error().code, ELOOP);
}

TEST_F(PosixFile, ListsRegularFilesSorted) {
  file("b", Mode::create_new);
  file("a", Mode::create_new);
  std::filesystem::create_directory(path_ + "/c");
  EXPECT_THAT(*directory_->list(), ElementsAre("a", "b"));
  EXPECT_THAT(*directory_->list(), ElementsAre("a", "b"));  // and from the beginning again
}

TEST_F(PosixFile, RenameReplaces) {
  ASSERT_TRUE(write_file(*directory_, "a", "new"));
  ASSERT_TRUE(write_file(*directory_, "b", "old"));
  ASSERT_TRUE(directory_->rename("a", "b"));
  EXPECT_EQ(*read_file(*directory_, "b"), "new");
  EXPECT_THAT(*directory_->list(), ElementsAre("b"));
}

TEST_F(PosixFile, ASecondDirectoryDoesNotGetTheLockUntilTheFirstIsGone) {
  ASSERT_TRUE(directory_->lock("lock"));
  auto second = opened(path_);
  const auto refused = second->lock("lock");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EWOULDBLOCK);
  EXPECT_THAT(refused.error().message, HasSubstr(path_ + "/lock"));
  directory_.reset();
  EXPECT_TRUE(second->lock("lock"));
}

TEST_F(PosixFile, ALockOfAnotherProcessIsNamedByItsPidAndEndsWithIt) {
  int held[2];
  ASSERT_EQ(::pipe(held), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto theirs = open_directory(path_);
    const char done = theirs && (*theirs)->lock("lock") ? 'y' : 'n';
    if (::write(held[1], &done, 1) != 1) ::_exit(1);
    for (;;) ::pause();  // until it is killed, as a gateway may be
  }
  char done = 0;
  ASSERT_EQ(::read(held[0], &done, 1), 1);
  EXPECT_EQ(done, 'y');
  const auto refused = directory_->lock("lock");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EWOULDBLOCK);
  EXPECT_THAT(refused.error().message, HasSubstr("pid " + std::to_string(child)));

  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(directory_->lock("lock"));
  EXPECT_EQ(*read_file(*directory_, "lock"), std::to_string(::getpid()) + "\n");
  ::close(held[0]);
  ::close(held[1]);
}

TEST_F(PosixFile, WriteFileReplacesTheWholeText) {
  ASSERT_TRUE(write_file(*directory_, "identity", "a longer text"));
  ASSERT_TRUE(write_file(*directory_, "identity", "short"));
  EXPECT_EQ(*read_file(*directory_, "identity"), "short");
  EXPECT_THAT(*directory_->list(), ElementsAre("identity"));
}

TEST_F(PosixFile, WriteFileNeverShowsHalfATextToWhoHasTheOldOneOpen) {
  ASSERT_TRUE(write_file(*directory_, "identity", "the old text"));
  const auto old = file("identity", Mode::read_only);
  ASSERT_TRUE(write_file(*directory_, "identity", "new"));
  char bytes[20] = {};
  EXPECT_EQ(*old->read_at(0, bytes, sizeof bytes), 12U);
  EXPECT_STREQ(bytes, "the old text");
}

TEST_F(PosixFile, WriteFileThatFailsLeavesTheOldText) {
  ASSERT_TRUE(write_file(*directory_, "identity", "the old text"));
  std::filesystem::create_directory(path_ + "/identity.new");  // in the way of the new text
  const auto written = write_file(*directory_, "identity", "new");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr(path_ + "/identity.new"));
  EXPECT_EQ(*read_file(*directory_, "identity"), "the old text");
}

TEST_F(PosixFile, WriteFileGoesOnAfterACrashInAnEarlierOne) {
  std::ofstream(path_ + "/identity.new") << "half a te";
  ASSERT_TRUE(write_file(*directory_, "identity", "whole"));
  EXPECT_EQ(*read_file(*directory_, "identity"), "whole");
  EXPECT_THAT(*directory_->list(), ElementsAre("identity"));
}

TEST_F(PosixFile, OpenDirectoryMakesParentsForTheOwnerOnly) {
  const std::string deep = path_ + "/a/b/c";
  EXPECT_FALSE(open_existing_directory(deep));
  opened(deep);
  struct stat st {};
  ASSERT_EQ(::stat((path_ + "/a/b").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777U, 0700U);
  EXPECT_TRUE(open_existing_directory(deep));
}

TEST_F(PosixFile, AFileInTheWayOfADirectoryIsNamed) {
  std::ofstream(path_ + "/plain") << "x";
  const auto refused = open_directory(path_ + "/plain/journal");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr(path_ + "/plain"));
}

}  // namespace
}  // namespace rowgate::os
