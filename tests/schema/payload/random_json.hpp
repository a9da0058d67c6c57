#pragma once
// Random values for round trips through the encoders of nlohmann-json.
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace rowgate::schema {

class RandomJson {
 public:
  explicit RandomJson(std::uint32_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }

  nlohmann::json object_or_array() { return below(2) == 0 ? object(0) : array(0); }

  std::string bytes(std::size_t most) {
    std::string out(below(most + 1), '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }

 private:
  nlohmann::json value(unsigned depth) {
    switch (below(depth < 5 ? 10 : 8)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:  // of every width
        return static_cast<std::uint64_t>(wide() >> below(64));
      case 3:
        return static_cast<std::int64_t>(wide()) >> below(63);
      case 4:  // never a float of single precision: that one has other digits
        return static_cast<double>(wide() >> 11U | 1U) * 0x1p-40;
      case 5:  // as a float it has the same digits
        return static_cast<double>(below(4096)) / 16;
      case 6:
      case 7:
        return text();
      case 8:
        return array(depth);
      default:
        return object(depth);
    }
  }

  nlohmann::json array(unsigned depth) {
    nlohmann::json out = nlohmann::json::array();
    for (std::size_t i = below(below(10) == 0 ? 300 : 6); i-- > 0;) {
      out.push_back(value(depth + (i > 6 ? 5 : 1)));
    }
    return out;
  }

  nlohmann::json object(unsigned depth) {
    nlohmann::json out = nlohmann::json::object();
    for (std::size_t i = below(6); i-- > 0;) out[text()] = value(depth + 1);
    return out;
  }

  std::string text() {
    std::string out;
    for (std::size_t i = below(below(20) == 0 ? 400 : 8); i-- > 0;) {
      out += below(4) == 0 ? "\xe2\x82\xac" : std::string(1, static_cast<char>(below(128)));
    }
    return out;
  }

  std::uint64_t wide() { return static_cast<std::uint64_t>(random_()) << 32U | random_(); }

  std::mt19937 random_;
};

}  // namespace rowgate::schema
