// The main() of every test program. ctest runs one process a test, several at once: each gets a
// directory for its files alone, so that no two tests ever meet at a path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace {

/// Where testing::TempDir() and std::filesystem::temp_directory_path() point while it lives.
class PrivateTemporaryDirectory {
 public:
  PrivateTemporaryDirectory() {
    path_ = std::filesystem::temp_directory_path() / "rowgate-test-XXXXXX";
    // The tests' PostgreSQL runs as its own user and must get through.
    if (::mkdtemp(path_.data()) == nullptr || ::chmod(path_.c_str(), 0711) != 0) {
      std::perror(path_.c_str());
      ::_exit(1);
    }
    ::setenv("TMPDIR", path_.c_str(), 1);
    ::setenv("TEST_TMPDIR", (path_ + "/").c_str(), 1);
  }
  PrivateTemporaryDirectory(const PrivateTemporaryDirectory&) = delete;
  PrivateTemporaryDirectory& operator=(const PrivateTemporaryDirectory&) = delete;
  ~PrivateTemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::string path_;
};

}  // namespace

int main(int argc, char** argv) {
  // Static, for it must outlive the PostgreSQL that the tests share.
  static const PrivateTemporaryDirectory directory;
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
