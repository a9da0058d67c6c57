#pragma once
// The record of what the server acknowledged, to be compared with what SQL returns.
#include <cstdint>
#include <string>
#include <string_view>

namespace rowgate::load {

/// Lines "client TAB sequence", in the order of the acknowledgements a thread saw. At QoS 2 the
/// line is written at PUBREC: from then on the message is the server's. Several ledgers may append
/// to one file; each writes whole lines. One thread each.
class Ledger {
 public:
  /// Empty path: records nothing. Throws std::system_error when the file cannot be opened.
  explicit Ledger(const std::string& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  bool enabled() const noexcept { return fd_ >= 0; }
  void record(std::string_view client, std::uint64_t sequence);
  void flush();

 private:
  int fd_ = -1;
  std::string buffer_;
};

}  // namespace rowgate::load
