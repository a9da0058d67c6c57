// CSV (RFC 4180). Lines end in CRLF or LF, empty ones do not count, nor does a byte order mark.
// White space around a field that is not quoted does not count either: "21.5, 40" is two numbers.
// A field that is a plain piece of the payload is a view of it.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "schema/base/utf8.hpp"
#include "schema/number.hpp"
#include "schema/payload/decoder.hpp"
#include "schema/payload/document.hpp"

namespace rowgate::schema {
namespace {

// Fields of one line; more would let a payload of commas fill the memory.
constexpr std::size_t max_fields = 10'000;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

struct Cell {
  std::string_view text;
  bool quoted = false;
};

/// The JSON Pointer of a field of this name.
std::string pointer_to(std::string_view name) {
  std::string pointer(1, '/');
  for (const char c : name) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

/// A column or the time asks for the field by name.
bool is_declared(const Mapping& mapping, std::string_view name) {
  const std::string pointer = pointer_to(name);
  if (mapping.time.from && mapping.time.from->pointer == pointer) return true;
  return std::any_of(mapping.columns.begin(), mapping.columns.end(), [&](const ColumnRule& rule) {
    const auto* field = std::get_if<FromField>(&rule.source);
    return field != nullptr && field->pointer == pointer;
  });
}

class CsvDecoder final : public Decoder {
 public:
  bool open(const PayloadInput& input) override;
  Step next() override;
  Reader& reader() override { return document_; }
  const PayloadError& error() const noexcept override { return error_; }
  bool many() const noexcept override { return true; }
  std::string place() const override { return fmt::format("line {}", record_line_); }

 private:
  Step read_record();
  Step read_cells();
  bool read_quoted(Cell& cell);
  bool read_plain(Cell& cell);
  void skip_empty_lines();
  void skip_blanks();
  void skip_line();
  std::size_t line_end_size() const;
  bool is_blank(char c) const { return (c == ' ' || c == '\t') && c != delimiter_; }
  void build();
  void add(const Cell& cell, bool number);
  bool wrong(std::string what);

  std::string_view payload_;
  Arena* arena_ = nullptr;
  char delimiter_ = ',';
  char quote_ = '"';
  std::size_t at_ = 0;
  std::size_t line_ = 1;  // that at_ is in
  std::size_t record_at_ = 0;
  std::size_t record_line_ = 1;
  bool open_quote_ = false;  // the record found last ends in a quoted field that is not closed
  std::vector<Cell> cells_;
  std::vector<std::string_view> names_;
  std::vector<char> numbers_;  // 1: what is a number there makes an automatic column of numbers
  Document document_;
  std::string what_;
  PayloadError error_;
};

bool CsvDecoder::open(const PayloadInput& input) {
  const PayloadOptions& options = input.mapping.options;
  payload_ = input.payload;
  arena_ = &input.arena;
  delimiter_ = options.delimiter;
  quote_ = options.quote;
  at_ = payload_.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  line_ = 1;
  names_.assign(options.fields.begin(), options.fields.end());
  if (options.header) {
    switch (read_record()) {
      case Step::record:
        for (const Cell& cell : cells_) names_.push_back(cell.text);
        break;
      case Step::end:
        return true;
      default:
        return wrong(fmt::format("its header: {}", what_));
    }
  }
  const Mapping& mapping = input.mapping;
  numbers_.assign(names_.size(), 0);
  if (mapping.auto_columns || mapping.layout == Layout::narrow) {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      numbers_[i] = is_declared(mapping, names_[i]) ? 0 : 1;
    }
  }
  return true;
}

bool CsvDecoder::wrong(std::string what) {
  what_ = std::move(what);
  error_ = {what_, record_at_};
  return false;
}

Decoder::Step CsvDecoder::next() {
  const Step step = read_record();
  if (step != Step::record) return step;
  if (!names_.empty() && cells_.size() != names_.size()) {
    wrong(fmt::format("{} field{}, where {} are expected", cells_.size(),
                      cells_.size() == 1 ? "" : "s", names_.size()));
    return Step::bad_record;
  }
  build();
  return Step::record;
}

Decoder::Step CsvDecoder::read_record() {
  skip_empty_lines();
  if (at_ == payload_.size()) return Step::end;
  record_at_ = at_;
  record_line_ = line_;
  const Step step = read_cells();
  const std::string_view record = payload_.substr(record_at_, at_ - record_at_);
  if (step == Step::record && (!is_utf8(record) || has_nul(record))) {
    wrong("it is not UTF-8 without NUL");
    return Step::bad_record;
  }
  return step;
}

Decoder::Step CsvDecoder::read_cells() {
  cells_.clear();
  open_quote_ = false;
  while (true) {
    skip_blanks();
    Cell cell;
    cell.quoted = at_ < payload_.size() && payload_[at_] == quote_;
    const bool read = cell.quoted ? read_quoted(cell) : read_plain(cell);
    if (open_quote_) return Step::failed;
    if (read && cells_.size() == max_fields) wrong("it has more than 10,000 fields");
    if (!read || cells_.size() == max_fields) {
      skip_line();
      return Step::bad_record;
    }
    cells_.push_back(cell);
    if (at_ == payload_.size()) return Step::record;
    if (const std::size_t end = line_end_size(); end != 0) {
      at_ += end;
      ++line_;
      return Step::record;
    }
    ++at_;  // the delimiter
  }
}

/// At the quote; leaves off at the delimiter or the line's end.
bool CsvDecoder::read_quoted(Cell& cell) {
  const std::size_t begin = ++at_;
  bool doubled = false;
  while (true) {
    const std::size_t quote = payload_.find(quote_, at_);
    const std::size_t end = std::min(quote, payload_.size());
    line_ += static_cast<std::size_t>(
        std::count(payload_.begin() + static_cast<std::ptrdiff_t>(at_),
                   payload_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
    if (quote == std::string_view::npos) {
      open_quote_ = true;
      return wrong("a quoted field is not closed");
    }
    ++at_;
    if (at_ == payload_.size() || payload_[at_] != quote_) break;
    doubled = true;
    ++at_;
  }
  cell.text = payload_.substr(begin, at_ - 1 - begin);
  if (doubled) {
    char* const copy = arena_->allocate(cell.text.size());
    char* out = copy;
    for (std::size_t i = 0; i < cell.text.size(); ++i) {
      *out++ = cell.text[i];
      if (cell.text[i] == quote_) ++i;
    }
    cell.text = {copy, static_cast<std::size_t>(out - copy)};
  }
  skip_blanks();
  if (at_ == payload_.size() || payload_[at_] == delimiter_ || line_end_size() != 0) return true;
  return wrong("something follows the closing quote of a field");
}

bool CsvDecoder::read_plain(Cell& cell) {
  const std::size_t begin = at_;
  while (at_ < payload_.size() && payload_[at_] != delimiter_ && line_end_size() == 0) {
    if (payload_[at_] == quote_) return wrong("a quote stands in a field that is not quoted");
    ++at_;
  }
  std::size_t end = at_;
  while (end > begin && is_blank(payload_[end - 1])) --end;
  cell.text = payload_.substr(begin, end - begin);
  return true;
}

std::size_t CsvDecoder::line_end_size() const {
  if (payload_[at_] == '\n') return 1;
  if (payload_[at_] != '\r') return 0;
  if (at_ + 1 == payload_.size()) return 1;
  return payload_[at_ + 1] == '\n' ? 2 : 0;
}

void CsvDecoder::skip_empty_lines() {
  while (true) {
    std::size_t at = at_;
    while (at < payload_.size() && (is_blank(payload_[at]) || payload_[at] == '\r')) ++at;
    if (at < payload_.size() && payload_[at] != '\n') return;
    at_ = at;
    if (at == payload_.size()) return;
    ++at_;
    ++line_;
  }
}

void CsvDecoder::skip_blanks() {
  while (at_ < payload_.size() && is_blank(payload_[at_])) ++at_;
}

void CsvDecoder::skip_line() {
  at_ = std::min(payload_.find('\n', at_), payload_.size());
  if (at_ == payload_.size()) return;
  ++at_;
  ++line_;
}

void CsvDecoder::build() {
  document_.begin(*arena_);
  if (names_.empty()) {
    document_.begin_array();
    for (const Cell& cell : cells_) add(cell, false);
    document_.end_array();
  } else {
    document_.begin_object();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      document_.key(names_[i]);
      add(cells_[i], numbers_[i] != 0);
    }
    document_.end_object();
  }
}

void CsvDecoder::add(const Cell& cell, bool number) {
  if (cell.quoted) return document_.string(cell.text);
  if (cell.text.empty()) return document_.null();
  Field field;
  field.kind = number && is_json_number(cell.text) ? Field::Kind::number : Field::Kind::text;
  field.text = cell.text;
  document_.field(field);
}

}  // namespace

std::unique_ptr<Decoder> make_csv_decoder() {
  return std::make_unique<CsvDecoder>();
}

}  // namespace rowgate::schema
