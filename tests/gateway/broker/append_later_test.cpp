#include "gateway/broker/append_later.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rowgate::broker {
namespace {

using storage::Appended;
using storage::AppendError;
using testing::ElementsAre;

struct Item {
  int n = 0;
  std::size_t bytes() const { return 10; }
};

/// A journal that answers as it is told to.
struct Target {
  Result<Appended, AppendError> operator()(const Item& item) {
    if (error) return *error;
    taken.push_back(item.n);
    return Appended{};
  }
  std::optional<AppendError> error;
  std::vector<int> taken;
};

TEST(append_later, keeps_the_order_while_there_is_no_room) {
  AppendLater<Item> later;
  Target journal;
  later.put(Item{1}, journal);
  journal.error = AppendError::busy;
  later.put(Item{2}, journal);
  journal.error = AppendError::full;
  later.put(Item{3}, journal);
  EXPECT_THAT(journal.taken, ElementsAre(1));
  journal.error.reset();
  later.put(Item{4}, journal);
  EXPECT_THAT(journal.taken, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(later.appended(), 4U);
  EXPECT_EQ(later.given_up(), 0U);
}

TEST(append_later, gives_up_what_finds_no_room_here_either) {
  AppendLater<Item> later(25);
  Target journal{AppendError::full, {}};
  for (int i = 1; i <= 4; ++i) later.put(Item{i}, journal);
  EXPECT_EQ(later.given_up(), 2U);
  journal.error.reset();
  later.retry(journal);
  EXPECT_THAT(journal.taken, ElementsAre(1, 2));
  journal.error = AppendError::full;
  later.put(Item{5}, journal);  // there is room again
  EXPECT_EQ(later.given_up(), 2U);
}

TEST(append_later, does_not_try_again_what_can_never_fit) {
  AppendLater<Item> later;
  Target journal{AppendError::too_large, {}};
  later.put(Item{1}, journal);
  EXPECT_EQ(later.given_up(), 1U);
  journal.error.reset();
  later.retry(journal);
  EXPECT_THAT(journal.taken, ElementsAre());
}

}  // namespace
}  // namespace rowgate::broker
