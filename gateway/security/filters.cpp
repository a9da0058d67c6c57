#include "gateway/security/filters.hpp"

namespace rowgate::security {
namespace {

/// The levels of a filter, one after the other.
class Levels {
 public:
  explicit Levels(std::string_view filter) noexcept : rest_(filter) {}

  bool end() const noexcept { return end_; }
  std::string_view level() const noexcept { return rest_.substr(0, rest_.find('/')); }
  void next() noexcept {
    const auto slash = rest_.find('/');
    end_ = slash == std::string_view::npos;
    if (!end_) rest_.remove_prefix(slash + 1);
  }
  /// This level and those after it.
  std::string_view rest() const noexcept { return end_ ? std::string_view() : rest_; }

 private:
  std::string_view rest_;
  bool end_ = false;
};

}  // namespace

bool covers(std::string_view outer, std::string_view inner) noexcept {
  // What a `#` takes has a level at least.
  if (inner == "#") return outer == "#" || outer == "+/#";
  const bool system = inner.starts_with('$');
  bool first = true;
  Levels o(outer);
  Levels i(inner);
  for (; !o.end(); o.next(), i.next(), first = false) {
    const std::string_view level = o.level();
    if (level == "#") return !(first && system);
    if (i.end() || i.level() == "#") return false;
    if (level == "+") {
      if (first && system) return false;
    } else if (level != i.level()) {
      return false;
    }
  }
  return i.end();
}

bool overlap(std::string_view a, std::string_view b) noexcept {
  // A wildcard in the first level and a `$` in the other's never meet.
  const auto wild = [](std::string_view filter) {
    return filter.starts_with('+') || filter.starts_with('#');
  };
  if ((wild(a) && b.starts_with('$')) || (wild(b) && a.starts_with('$'))) return false;
  Levels x(a);
  Levels y(b);
  for (; !x.end() && !y.end(); x.next(), y.next()) {
    if (x.level() == "#" || y.level() == "#") return true;
    if (x.level() != "+" && y.level() != "+" && x.level() != y.level()) return false;
  }
  // `a/#` takes `a` too.
  return (x.end() || x.rest() == "#") && (y.end() || y.rest() == "#");
}

}  // namespace rowgate::security
