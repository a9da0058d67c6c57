#pragma once
// Writes the Prometheus text exposition format, version 0.0.4. One family after another, each with
// its samples:
//
//   MetricsText text;
//   text.family("rowgate_connections", MetricType::gauge, "Clients connected now.");
//   text.sample("rowgate_connections", {}, 12);
//   return text.take();
//
// Not thread-safe; made anew for each scrape.
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace rowgate::http {

enum class MetricType : std::uint8_t { counter, gauge };

struct Label {
  std::string_view name;
  std::string_view value;
};

class MetricsText {
 public:
  using Labels = std::initializer_list<Label>;

  /// The HELP and TYPE lines. Precondition: name matches [a-zA-Z_:][a-zA-Z0-9_:]*, once a text.
  void family(std::string_view name, MetricType type, std::string_view help);

  /// One line. Label values are escaped; whole numbers are written exactly.
  template <std::unsigned_integral T>
  void sample(std::string_view name, Labels labels, T value) {
    whole(name, labels, value);
  }
  template <std::signed_integral T>
  void sample(std::string_view name, Labels labels, T value) {
    signed_whole(name, labels, value);
  }
  void sample(std::string_view name, Labels labels, double value);

  /// The whole text; leaves this empty.
  std::string take();

 private:
  void whole(std::string_view name, Labels labels, std::uint64_t value);
  void signed_whole(std::string_view name, Labels labels, std::int64_t value);
  void begin(std::string_view name, Labels labels);

  std::string text_;
};

}  // namespace rowgate::http
