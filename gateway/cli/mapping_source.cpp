#include "gateway/cli/mapping_source.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gateway/config/config.hpp"
#include "schema/mapping_file.hpp"
#include "storage/os/file.hpp"

namespace rowgate::cli {

std::string read_mapping_file(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  // peek: an empty file may be copied too, which << calls a failure.
  const bool empty = in && in.peek() == std::ifstream::traits_type::eof() && !in.bad();
  if (!in.is_open() || (!empty && !(text << in.rdbuf()))) {
    throw config::ConfigError("cannot read the mapping file " + file + ": " +
                              (errno != 0 ? std::strerror(errno) : "read error"));
  }
  return text.str();
}

std::shared_ptr<const schema::Catalog> parse_catalog(const std::string& file,
                                                     const std::string& text,
                                                     std::uint64_t generation) {
  auto parsed = schema::parse_mapping_file(text, generation);
  if (parsed.has_error()) {
    std::string errors = schema::format_errors(file, parsed.error());
    while (!errors.empty() && errors.back() == '\n') errors.pop_back();
    throw config::ConfigError(errors);
  }
  return *parsed;
}

std::shared_ptr<const schema::Catalog> load_catalog(const std::string& file,
                                                    std::uint64_t generation) {
  if (file.empty()) return schema::built_in_catalog();
  return parse_catalog(file, read_mapping_file(file), generation);
}

void replace_mapping_file(const std::string& file, const std::string& text) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::canonical(file, error);  // a link's target
  if (error) path = std::filesystem::absolute(file);
  struct stat old {};
  const bool existed = ::stat(path.c_str(), &old) == 0;
  auto directory = os::open_existing_directory(path.parent_path().string());
  if (!directory) throw std::runtime_error(directory.error().message);
  const auto written = os::write_file(**directory, path.filename().string(), text);
  if (!written) throw std::runtime_error(written.error().message);
  if (!existed) return;
  // Another owner can be given by root only; that the file is this user's then is no harm.
  const int given = ::chown(path.c_str(), old.st_uid, old.st_gid);
  if (given == 0 || old.st_uid == ::geteuid()) ::chmod(path.c_str(), old.st_mode & 0777U);
}

std::string owner_of(const std::string& file) {
  struct stat st {};
  if (::stat(file.c_str(), &st) != 0) return {};
  struct passwd entry {};
  struct passwd* found = nullptr;
  char room[4096];
  const bool named =
      ::getpwuid_r(st.st_uid, &entry, room, sizeof room, &found) == 0 && found != nullptr;
  const std::string name = named ? found->pw_name : fmt::format("uid {}", st.st_uid);
  return fmt::format("{} (owner of {})", name, file);
}

std::string etag_of(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL cannot compute SHA-256");
  }
  std::string tag = "\"";
  for (unsigned i = 0; i < 16; ++i) tag += fmt::format("{:02x}", digest[i]);
  return tag.append("\"");
}

}  // namespace rowgate::cli
