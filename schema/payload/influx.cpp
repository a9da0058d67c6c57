// InfluxDB's line protocol, as its versions 1 and 2 define it: a point a line,
//   measurement[,tag=value...] field=value[,field=value...] [timestamp]
// A point is read as {"measurement": m, "tags": {...}, "fields": {...}, "time": t}. A point without
// a timestamp gets the receive time, as a database gives it its own.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "schema/number.hpp"
#include "schema/payload/decoder.hpp"
#include "schema/payload/document.hpp"

namespace rowgate::schema {
namespace {

// Tags and fields of one point.
constexpr std::size_t max_members = 10'000;

/// Automatic columns and names of a narrow table are the tags' and fields' own.
class PointReader final : public Reader {
 public:
  explicit PointReader(Document& point) : point_(point) {}
  bool read(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves) override {
    return point_.read(tree, fields, leaves);
  }
  void begin(const Field& array) override { point_.begin(array); }
  bool element(const FieldTree& tree, std::span<Field> fields, std::vector<Leaf>* leaves) override {
    return point_.element(tree, fields, leaves);
  }
  bool read_object() const noexcept override { return point_.read_object(); }
  void rest(const FieldTree& tree, std::string& out, bool& nul) const override {
    point_.rest(tree, out, nul);
  }
  const PayloadError& error() const noexcept override { return point_.error(); }
  std::string_view path(const Leaf& leaf) const noexcept override {
    std::string_view path = point_.path(leaf);
    for (const std::string_view group : {"tags_", "fields_"}) {
      if (path.starts_with(group)) return path.substr(group.size());
    }
    return path;
  }

 private:
  Document& point_;
};

class InfluxDecoder final : public Decoder {
 public:
  bool open(const PayloadInput& input) override;
  Step next() override;
  Reader& reader() override { return reader_; }
  const PayloadError& error() const noexcept override { return error_; }
  bool many() const noexcept override { return true; }
  std::string place() const override { return fmt::format("line {}", line_); }

 private:
  bool read_point();
  bool read_tags();
  bool read_fields();
  bool read_value();
  bool read_string();
  bool read_number(std::string_view text);
  bool read_time();
  std::string_view read_name(std::string_view stops);
  bool ends() const { return at_ == payload_.size() || payload_[at_] == '\n'; }
  bool at(char c) const { return at_ < payload_.size() && payload_[at_] == c; }
  void skip_blanks();
  bool wrong(std::string_view what);

  std::string_view payload_;
  Arena* arena_ = nullptr;
  std::string received_;  // the receive time, as a timestamp of the payload
  std::size_t at_ = 0;
  std::size_t line_ = 0;       // of the point read last
  std::size_t next_line_ = 1;  // that at_ is in
  std::size_t members_ = 0;
  Document document_;
  PointReader reader_{document_};
  PayloadError error_;
};

std::string timestamp_text(Timestamp time, TimeFormat format) {
  const auto with_point = [&](std::int64_t unit, int digits) {
    return fmt::format("{}.{:0{}}", time.micros / unit, std::abs(time.micros % unit), digits);
  };
  switch (format) {
    case TimeFormat::unix_s:
      return with_point(1'000'000, 6);
    case TimeFormat::unix_ms:
      return with_point(1'000, 3);
    case TimeFormat::unix_us:
      return fmt::format("{}", time.micros);
    default:
      return fmt::format("{}000", time.micros);
  }
}

bool InfluxDecoder::open(const PayloadInput& input) {
  payload_ = input.payload;
  arena_ = &input.arena;
  received_ = timestamp_text(input.message.received_at, input.mapping.options.precision);
  at_ = 0;
  line_ = 0;
  next_line_ = 1;
  return true;
}

bool InfluxDecoder::wrong(std::string_view what) {
  if (error_.what.empty()) error_ = {what};
  return false;
}

Decoder::Step InfluxDecoder::next() {
  while (at_ < payload_.size()) {
    const std::size_t begin = at_;
    line_ = next_line_;
    skip_blanks();
    const bool empty = ends() || at('#');
    const bool read = !empty && read_point();
    // A line that is wrong ends where it ends, also where it leaves a string open.
    if (!read) at_ = std::min(payload_.find('\n', begin), payload_.size());
    if (at_ < payload_.size()) ++at_;
    const std::string_view passed = payload_.substr(begin, at_ - begin);
    next_line_ += static_cast<std::size_t>(std::count(passed.begin(), passed.end(), '\n'));
    if (read) return Step::record;
    if (!empty) return Step::bad_record;
  }
  return Step::end;
}

void InfluxDecoder::skip_blanks() {
  while (at_ < payload_.size() &&
         (payload_[at_] == ' ' || payload_[at_] == '\t' || payload_[at_] == '\r')) {
    ++at_;
  }
}

bool InfluxDecoder::read_point() {
  error_ = {};
  members_ = 0;
  document_.begin(*arena_);
  document_.begin_object();
  const std::string_view measurement = read_name(", ");
  if (measurement.empty()) return wrong("a point begins with a measurement");
  document_.key("measurement");
  document_.string(measurement);
  if (!read_tags() || !read_fields() || !read_time()) return false;
  document_.end_object();
  if (!document_.finish()) return wrong(document_.error().what);
  return true;
}

bool InfluxDecoder::read_tags() {
  document_.key("tags");
  document_.begin_object();
  while (at(',')) {
    ++at_;
    const std::string_view name = read_name(",= ");
    if (name.empty() || !at('=')) return wrong("a tag is written name=value");
    ++at_;
    const std::string_view value = read_name(",= ");
    if (value.empty()) return wrong("a tag has no value");
    if (at('=')) return wrong("'=' in a tag is written \\=");
    if (++members_ > max_members) return wrong("it has more than 10,000 tags and fields");
    document_.key(name);
    document_.string(value);
  }
  document_.end_object();
  return true;
}

bool InfluxDecoder::read_fields() {
  skip_blanks();
  if (ends()) return wrong("a point has at least one field");
  document_.key("fields");
  document_.begin_object();
  while (true) {
    const std::string_view name = read_name(",= ");
    if (name.empty() || !at('=')) return wrong("a field is written name=value");
    ++at_;
    if (++members_ > max_members) return wrong("it has more than 10,000 tags and fields");
    document_.key(name);
    if (!read_value()) return false;
    if (!at(',')) break;
    ++at_;
  }
  document_.end_object();
  return true;
}

bool InfluxDecoder::read_value() {
  if (at('"')) return read_string();
  const std::size_t begin = at_;
  at_ = std::min(payload_.find_first_of(", \t\r\n", at_), payload_.size());
  const std::string_view text = payload_.substr(begin, at_ - begin);
  for (const std::string_view yes : {"t", "T", "true", "True", "TRUE"}) {
    if (text == yes) return document_.boolean(true), true;
  }
  for (const std::string_view no : {"f", "F", "false", "False", "FALSE"}) {
    if (text == no) return document_.boolean(false), true;
  }
  return read_number(text);
}

/// At the opening quote. A string may hold line breaks.
bool InfluxDecoder::read_string() {
  const std::size_t begin = ++at_;
  bool escaped = false;
  while (!at('"')) {
    if (at('\\')) {
      escaped = true;
      ++at_;
    }
    if (at_ >= payload_.size()) return wrong("a string is not closed");
    ++at_;
  }
  std::string_view text = payload_.substr(begin, at_ - begin);
  ++at_;
  if (escaped) {
    char* const copy = arena_->allocate(text.size());
    char* out = copy;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool escape =
          text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
      if (escape) ++i;
      *out++ = text[i];
    }
    text = {copy, static_cast<std::size_t>(out - copy)};
  }
  document_.string(text);
  if (ends() || at(',') || at(' ') || at('\t') || at('\r')) return true;
  return wrong("something follows a string");
}

bool InfluxDecoder::read_number(std::string_view text) {
  constexpr std::string_view what =
      "a field's value is a number, an integer as in 1i or 1u, true, false or \"text\"";
  const bool whole = text.ends_with('i') || text.ends_with('u');
  if (whole) {
    text.remove_suffix(1);
    const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
      return wrong(what);
    }
  }
  if (is_json_number(text)) return document_.number(text), true;
  // "+1", "007", ".5" and "5." are no JSON, but Go's ParseFloat takes them and so InfluxDB does.
  std::string_view digits = text;
  if (digits.ends_with('.')) digits.remove_suffix(1);
  if (!is_number(digits)) return wrong(what);
  const auto value = to_double(digits);
  if (!value) return wrong("a number is out of range");
  std::string decimal;
  if (whole && to_decimal(digits, decimal)) return document_.number(arena_->copy(decimal)), true;
  document_.real(*value);
  return true;
}

bool InfluxDecoder::read_time() {
  skip_blanks();
  const std::size_t begin = at_;
  if (at('-')) ++at_;
  while (at_ < payload_.size() && payload_[at_] >= '0' && payload_[at_] <= '9') ++at_;
  const std::string_view text = payload_.substr(begin, at_ - begin);
  skip_blanks();
  if (!ends()) return wrong("behind the fields there is only a timestamp, a whole number");
  if (text == "-") return wrong("a timestamp is a whole number");
  document_.key("time");
  std::string decimal;
  if (text.empty()) {
    document_.number(arena_->copy(received_));
  } else if (is_json_number(text)) {
    document_.number(text);
  } else if (to_decimal(text, decimal)) {  // leading zeros
    document_.number(arena_->copy(decimal));
  } else {
    return wrong("a timestamp is out of range");
  }
  return true;
}

/// Up to one of `stops`, which a backslash takes the meaning from; all other ones are themselves.
std::string_view InfluxDecoder::read_name(std::string_view stops) {
  const std::size_t begin = at_;
  bool escaped = false;
  while (!ends() && stops.find(payload_[at_]) == std::string_view::npos) {
    const bool escape = payload_[at_] == '\\' && at_ + 1 < payload_.size() &&
                        stops.find(payload_[at_ + 1]) != std::string_view::npos;
    escaped = escaped || escape;
    at_ += escape ? 2 : 1;
  }
  const std::string_view text = payload_.substr(begin, at_ - begin);
  if (!escaped) return text;
  char* const copy = arena_->allocate(text.size());
  char* out = copy;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '\\' && i + 1 < text.size() && stops.find(text[i + 1]) != std::string_view::npos;
    if (escape) ++i;
    *out++ = text[i];
  }
  return {copy, static_cast<std::size_t>(out - copy)};
}

}  // namespace

std::unique_ptr<Decoder> make_influx_decoder() {
  return std::make_unique<InfluxDecoder>();
}

}  // namespace rowgate::schema
