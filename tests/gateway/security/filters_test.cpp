#include "gateway/security/filters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace rowgate::security {
namespace {

// The naive meaning of section 4.7, to hold the quick one against.

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> levels{""};
  for (const char c : text) {
    if (c == '/') {
      levels.emplace_back();
    } else {
      levels.back() += c;
    }
  }
  return levels;
}

bool takes(const std::vector<std::string>& filter, const std::vector<std::string>& topic,
           std::size_t at = 0) {
  if (at < filter.size() && filter[at] == "#") return at > 0 || topic[0][0] != '$';
  if (at == filter.size() || at == topic.size()) return at == filter.size() && at == topic.size();
  if (filter[at] == "+") {
    if (at == 0 && topic[0][0] == '$') return false;
  } else if (filter[at] != topic[at]) {
    return false;
  }
  return takes(filter, topic, at + 1);
}

/// All texts of one to `depth` of the words with slashes between, but the empty one.
std::vector<std::string> all(const std::vector<std::string>& words, int depth) {
  std::vector<std::string> found;
  std::vector<std::string> last{""};
  for (int level = 0; level < depth; ++level) {
    std::vector<std::string> longer;
    for (const std::string& head : last) {
      for (const std::string& word : words) longer.push_back(head + (level ? "/" : "") + word);
    }
    found.insert(found.end(), longer.begin(), longer.end());
    last = std::move(longer);
  }
  std::erase(found, "");
  return found;
}

class filters : public testing::Test {
 protected:
  filters() {
    for (std::string& filter : all({"a", "", "$s", "+", "#"}, 3)) {
      const auto hash = filter.find('#');
      if (hash == std::string::npos || hash + 1 == filter.size()) filters_.push_back(filter);
    }
    // "b" is no filter's level: what takes only "a" does not take all that "+" takes. A level more
    // than the filters have: what is not deeper does not take all that "#" takes.
    for (const std::string& topic : all({"a", "b", "", "$s"}, 4)) topics_.push_back(split(topic));
    // No topic is empty, but both functions count it as one: `+` and `/#` then overlap.
    topics_.push_back({""});
    for (const std::string& filter : filters_) {
      std::vector<bool> row;
      for (const auto& topic : topics_) row.push_back(takes(split(filter), topic));
      taken_.push_back(std::move(row));
    }
  }

  std::vector<std::string> filters_;
  std::vector<std::vector<std::string>> topics_;
  std::vector<std::vector<bool>> taken_;  // by filter, then topic
};

TEST_F(filters, covering_and_overlapping_are_what_the_topics_say) {
  ASSERT_GT(filters_.size(), 90U);
  for (std::size_t f = 0; f < filters_.size(); ++f) {
    for (std::size_t g = 0; g < filters_.size(); ++g) {
      bool all_of_g = true;
      bool both = false;
      for (std::size_t t = 0; t < topics_.size(); ++t) {
        all_of_g = all_of_g && (!taken_[g][t] || taken_[f][t]);
        both = both || (taken_[g][t] && taken_[f][t]);
      }
      ASSERT_EQ(covers(filters_[f], filters_[g]), all_of_g) << filters_[f] << " " << filters_[g];
      ASSERT_EQ(overlap(filters_[f], filters_[g]), both) << filters_[f] << " " << filters_[g];
    }
  }
}

TEST_F(filters, a_topic_is_covered_by_the_filters_that_take_it) {
  const auto topics = all({"a", "b", "", "$s"}, 4);
  for (std::size_t f = 0; f < filters_.size(); ++f) {
    for (std::size_t t = 0; t < topics.size(); ++t) {
      ASSERT_EQ(covers(filters_[f], topics[t]), taken_[f][t]) << filters_[f] << " " << topics[t];
    }
  }
}

}  // namespace
}  // namespace rowgate::security
