#include "tests/support/postgres.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace rowgate::test {
namespace {

constexpr const char* bin = "/usr/lib/postgresql/15/bin";

/// Runs a shell command; its standard output. Throws when it fails.
std::string shell(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run: " + command);
  std::string output;
  std::array<char, 4096> piece{};
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), pipe))
    output.append(piece.data(), n);
  if (::pclose(pipe) != 0) throw std::runtime_error("failed: " + command + "\n" + output);
  return output;
}

std::string as_postgres(const std::string& command) {
  return ::geteuid() == 0 ? "runuser -u postgres -- " + command : command;
}

}  // namespace

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

PostgresServer::PostgresServer() {
  std::string pattern = (std::filesystem::temp_directory_path() / "rowgate-pg-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp " + pattern);
  directory_ = pattern;
  if (::geteuid() == 0) shell("chown postgres " + directory_);
  shell(as_postgres(
      fmt::format("{}/initdb -D {}/db -U postgres -A trust -E UTF8 --locale=C -N 2>&1 >/dev/null",
                  bin, directory_)));
  configure("listen_addresses = ''");
  configure(fmt::format("unix_socket_directories = '{}'", directory_));
  configure("shared_buffers = 16MB");
  configure("fsync = off");  // the tests kill processes, not machines
  start();
}

PostgresServer::~PostgresServer() {
  try {
    thaw();
    stop();
  } catch (const std::exception&) {  // it is down already
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void PostgresServer::configure(const std::string& line) {
  std::ofstream(directory_ + "/db/postgresql.conf", std::ios::app) << line << '\n';
}

void PostgresServer::start() {
  shell(as_postgres(
      fmt::format("{0}/pg_ctl -D {1}/db -l {1}/log -w start >/dev/null 2>&1", bin, directory_)));
}

void PostgresServer::stop(const std::string& mode) {
  shell(as_postgres(
      fmt::format("{}/pg_ctl -D {}/db -m {} -w stop >/dev/null 2>&1", bin, directory_, mode)));
}

std::string PostgresServer::url(const std::string& database, const std::string& options) const {
  return fmt::format("postgresql:///{}?host={}&user=postgres{}", database, directory_, options);
}

std::string PostgresServer::new_database() {
  const std::string name = fmt::format("t{}", ++databases_);
  sql("postgres", "CREATE DATABASE " + name);
  return url(name);
}

std::string PostgresServer::sql(const std::string& database, const std::string& text) const {
  const std::string file = directory_ + "/statement.sql";
  std::ofstream(file) << text << '\n';
  std::string output =
      shell(fmt::format("psql -XAtq -v ON_ERROR_STOP=1 -f {} '{}' 2>&1", file, url(database)));
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

void PostgresServer::signal_all(int signal) const {
  std::ifstream pid_file(directory_ + "/db/postmaster.pid");
  pid_t postmaster = 0;
  if (!(pid_file >> postmaster) || postmaster <= 0) return;
  const std::string children =
      shell(fmt::format("cat /proc/{0}/task/{0}/children 2>/dev/null || true", postmaster));
  for (std::size_t at = 0; at < children.size();) {
    const auto end = children.find(' ', at);
    if (const int child = std::atoi(children.c_str() + at); child > 0) ::kill(child, signal);
    at = end == std::string::npos ? children.size() : end + 1;
  }
  ::kill(postmaster, signal);
}

void PostgresServer::freeze() {
  signal_all(SIGSTOP);
}
void PostgresServer::thaw() {
  signal_all(SIGCONT);
}

std::string database_of(const std::string& url) {
  const auto begin = url.find("///") + 3;
  return url.substr(begin, url.find('?') - begin);
}

}  // namespace rowgate::test
