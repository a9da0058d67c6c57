#include "gateway/cli/identity.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <random>
#include <stdexcept>

namespace rowgate::cli {
namespace {

/// A random (version 4) UUID, RFC 9562.
std::string make_uuid() {
  std::random_device random;
  const std::uint32_t a = random(), b = random(), c = random(), d = random();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}", a, b >> 16, b & 0xFFF,
                     0x8000 | (c >> 16 & 0x3FFF), c & 0xFFFF, d);
}

}  // namespace

std::string gateway_identity(const config::Config& config, os::Directory& data_dir) {
  if (!config.gateway.empty()) return config.gateway;
  const auto kept = os::read_file(data_dir, "identity");
  if (kept) {
    const std::string id = kept->substr(0, kept->find_first_of("\r\n"));
    if (!id.empty()) return id;
    throw std::runtime_error(
        fmt::format("{}/identity is empty: put this gateway's identity back (the `gateway` column "
                    "of rowgate_checkpoint in the database), or set `gateway` in the configuration",
                    data_dir.path()));
  }
  if (kept.error().code != ENOENT) throw std::runtime_error(kept.error().message);
  std::string id = make_uuid();
  const auto written = os::write_file(data_dir, "identity", id + "\n");
  if (!written) throw std::runtime_error(written.error().message);
  return id;
}

}  // namespace rowgate::cli
