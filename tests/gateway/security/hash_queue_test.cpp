#include "gateway/security/hash_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace rowgate::security {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

bool push(HashQueue& queue, const std::string& address, const std::string& user) {
  Attempt attempt;
  attempt.address = address;
  attempt.user = user;
  return queue.push(attempt);
}

std::vector<std::string> users(std::vector<Attempt> attempts) {
  std::vector<std::string> names;
  for (const Attempt& attempt : attempts) names.push_back(attempt.user);
  return names;
}

TEST(hash_queue, addresses_are_served_in_turn) {
  HashQueue queue(100);
  for (const char* user : {"a1", "a2", "a3"}) push(queue, "a", user);
  push(queue, "b", "b1");
  std::vector<std::string> order{queue.pop()->user, queue.pop()->user};
  push(queue, "c", "c1");
  for (int i = 0; i < 3; ++i) order.push_back(queue.pop()->user);
  EXPECT_THAT(order, ElementsAre("a1", "b1", "a2", "c1", "a3"));
}

TEST(hash_queue, an_address_has_at_most_a_quarter_of_the_places) {
  HashQueue queue(8);
  EXPECT_TRUE(push(queue, "a", "1"));
  EXPECT_TRUE(push(queue, "a", "2"));
  EXPECT_FALSE(push(queue, "a", "3"));
  EXPECT_TRUE(push(queue, "b", "4"));
  queue.pop();
  EXPECT_TRUE(push(queue, "a", "5"));
}

TEST(hash_queue, what_does_not_fit_is_left_as_it_was) {
  HashQueue queue(4);
  for (const char* address : {"a", "b", "c", "d"}) EXPECT_TRUE(push(queue, address, address));
  Attempt attempt;
  attempt.address = "e";
  attempt.password = "secret";
  EXPECT_FALSE(queue.push(attempt));
  EXPECT_EQ(attempt.password, "secret");
}

TEST(hash_queue, closing_wakes_who_waits_and_gives_back_what_waited) {
  HashQueue queue(100);
  push(queue, "a", "a1");
  push(queue, "b", "b1");
  push(queue, "a", "a2");
  EXPECT_THAT(users(queue.close()), UnorderedElementsAre("a1", "a2", "b1"));
  EXPECT_FALSE(queue.pop());
  EXPECT_FALSE(push(queue, "a", "a3"));

  HashQueue empty(100);
  std::thread waiting([&] { EXPECT_FALSE(empty.pop()); });
  EXPECT_THAT(users(empty.close()), ElementsAre());
  waiting.join();
}

}  // namespace
}  // namespace rowgate::security
