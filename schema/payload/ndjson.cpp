// NDJSON: a JSON document a line. Lines end in LF or CRLF; blank ones do not count.
#include <fmt/format.h>

#include <algorithm>

#include "schema/payload/decoder.hpp"
#include "schema/payload/json.hpp"

namespace rowgate::schema {
namespace {

class NdjsonDecoder final : public Decoder {
 public:
  bool open(const PayloadInput& input) override {
    rest_ = input.payload;
    line_ = 0;
    return true;
  }

  Step next() override {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      const std::string_view line = trimmed(rest_.substr(0, end));
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++line_;
      if (line.empty()) continue;
      if (json_.open(line)) return Step::record;
      what_ = fmt::format("it is not JSON: {}", json_.error().what);
      error_ = {what_};
      return Step::bad_record;
    }
    return Step::end;
  }

  Reader& reader() override { return json_; }
  const PayloadError& error() const noexcept override { return error_; }
  bool many() const noexcept override { return true; }
  std::string place() const override { return fmt::format("line {}", line_); }

 private:
  std::string_view rest_;
  std::size_t line_ = 0;
  JsonReader json_;
  std::string what_;
  PayloadError error_;
};

}  // namespace

std::unique_ptr<Decoder> make_ndjson_decoder() {
  return std::make_unique<NdjsonDecoder>();
}

}  // namespace rowgate::schema
