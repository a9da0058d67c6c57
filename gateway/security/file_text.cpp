#include "gateway/security/file_text.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace rowgate::security {

std::string read_text(const std::string& file) {
  constexpr std::size_t most = 64U << 20;
  const auto failed = [&](const char* what) {
    return FileError(fmt::format("{}: {}", file, what));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rbe"),
                                                           &std::fclose);
  if (!in) throw failed(std::strerror(errno));
  std::string text;
  char buffer[65536];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, in.get())) {
    text.append(buffer, n);
    if (text.size() > most) throw failed("larger than 64 MiB; is it the right file?");
  }
  if (std::ferror(in.get()) != 0) throw failed(std::strerror(errno));
  return text;
}

}  // namespace rowgate::security
