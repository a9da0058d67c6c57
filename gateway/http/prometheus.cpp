#include "gateway/http/prometheus.hpp"

#include <charconv>
#include <cmath>
#include <utility>

namespace rowgate::http {
namespace {

/// HELP text escapes backslash and newline; a label value the quotation mark as well.
void append_escaped(std::string& out, std::string_view text, bool quoted) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quoted) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

template <class T>
void append_number(std::string& out, T value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

}  // namespace

void MetricsText::family(std::string_view name, MetricType type, std::string_view help) {
  text_.append("# HELP ").append(name).append(" ");
  append_escaped(text_, help, false);
  text_.append("\n# TYPE ").append(name);
  text_.append(type == MetricType::counter ? " counter\n" : " gauge\n");
}

void MetricsText::begin(std::string_view name, Labels labels) {
  text_.append(name);
  if (labels.size() > 0) {
    char separator = '{';
    for (const Label& label : labels) {
      text_ += separator;
      separator = ',';
      text_.append(label.name).append("=\"");
      append_escaped(text_, label.value, true);
      text_ += '"';
    }
    text_ += '}';
  }
  text_ += ' ';
}

void MetricsText::whole(std::string_view name, Labels labels, std::uint64_t value) {
  begin(name, labels);
  append_number(text_, value);
  text_ += '\n';
}

void MetricsText::signed_whole(std::string_view name, Labels labels, std::int64_t value) {
  begin(name, labels);
  append_number(text_, value);
  text_ += '\n';
}

void MetricsText::sample(std::string_view name, Labels labels, double value) {
  begin(name, labels);
  if (std::isnan(value)) {
    text_ += "NaN";
  } else if (std::isinf(value)) {
    text_ += value > 0 ? "+Inf" : "-Inf";
  } else {
    append_number(text_, value);
  }
  text_ += '\n';
}

std::string MetricsText::take() {
  return std::exchange(text_, {});
}

}  // namespace rowgate::http
