#include "gateway/mqtt/subscribe.hpp"

#include <array>

#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::code_of;
using test::frame_of;
using test::wire;

ReasonCode subscribe_refusal(const char* text, Version version) {
  const std::string bytes = wire(text);
  return code_of(decode_subscribe(frame_of(bytes), version));
}
ReasonCode unsubscribe_refusal(const char* text, Version version) {
  const std::string bytes = wire(text);
  return code_of(decode_unsubscribe(frame_of(bytes), version));
}

TEST(Subscribe, reads_the_filters_of_3_1_1_in_order) {
  const std::string bytes = wire("82 0D 000A | 0003 'a/b' 01 | 0002 '+/' 02");
  const auto view = decode_subscribe(frame_of(bytes), Version::v311);
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->packet_id, 10);
  ASSERT_EQ(view->requests.size(), 2U);
  EXPECT_EQ(view->requests[0].filter, "a/b");
  EXPECT_EQ(view->requests[0].qos, QoS::at_least_once);
  EXPECT_EQ(view->requests[1].filter, "+/");
  EXPECT_EQ(view->requests[1].qos, QoS::exactly_once);
}

TEST(Subscribe, reads_options_and_identifier_of_5_0) {
  const std::string bytes = wire("82 0A 0001 | 03 0B C803 | 0001 '#' 2E");
  const auto view = decode_subscribe(frame_of(bytes), Version::v5);
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->subscription_identifier, 456U);
  const SubscriptionRequest& request = view->requests.at(0);
  EXPECT_EQ(request.qos, QoS::exactly_once);
  EXPECT_TRUE(request.no_local);
  EXPECT_TRUE(request.retain_as_published);
  EXPECT_EQ(request.retain_handling, 2);
}

TEST(Subscribe, refuses_filters_that_are_none) {
  EXPECT_EQ(subscribe_refusal("82 07 0001 0002 'a#' 00", Version::v311),
            ReasonCode::topic_filter_invalid);
  EXPECT_EQ(subscribe_refusal("82 05 0001 0000 00", Version::v311),
            ReasonCode::topic_filter_invalid);
  EXPECT_EQ(subscribe_refusal("82 0B 0001 00 0001 'b' 00 0001 '+' 00", Version::v5),
            ReasonCode::success);
  EXPECT_EQ(subscribe_refusal("82 0C 0001 00 0001 'b' 00 0002 '+a' 00", Version::v5),
            ReasonCode::topic_filter_invalid);
}

TEST(Subscribe, refuses_shared_filters_that_are_none_where_there_are_shared_subscriptions) {
  EXPECT_EQ(subscribe_refusal("82 0E 0001 00 0008 '$share/g' 00", Version::v5),
            ReasonCode::topic_filter_invalid);
  EXPECT_EQ(subscribe_refusal("82 0D 0001 0008 '$share/g' 00", Version::v311), ReasonCode::success);
}

TEST(Subscribe, refuses_options_outside_the_specification) {
  EXPECT_EQ(subscribe_refusal("82 06 0001 0001 'a' 03", Version::v311), ReasonCode::protocol_error);
  EXPECT_EQ(subscribe_refusal("82 06 0001 0001 'a' 04", Version::v311),
            ReasonCode::malformed_packet);
  EXPECT_EQ(subscribe_refusal("82 07 0001 00 0001 'a' 03", Version::v5),
            ReasonCode::protocol_error);
  EXPECT_EQ(subscribe_refusal("82 07 0001 00 0001 'a' 30", Version::v5),
            ReasonCode::protocol_error);
  EXPECT_EQ(subscribe_refusal("82 07 0001 00 0001 'a' 40", Version::v5),
            ReasonCode::malformed_packet);
  EXPECT_EQ(subscribe_refusal("82 07 0001 00 0001 'a' 80", Version::v5),
            ReasonCode::malformed_packet);
}

TEST(Subscribe, refuses_no_local_on_a_shared_subscription) {
  EXPECT_EQ(subscribe_refusal("82 10 0001 00 000A '$share/g/a' 04", Version::v5),
            ReasonCode::protocol_error);
  EXPECT_EQ(subscribe_refusal("82 10 0001 00 000A '$share/g/a' 00", Version::v5),
            ReasonCode::success);
}

TEST(Subscribe, refuses_a_packet_without_filter_or_packet_identifier) {
  EXPECT_EQ(subscribe_refusal("82 02 0001", Version::v311), ReasonCode::protocol_error);
  EXPECT_EQ(subscribe_refusal("82 03 0001 00", Version::v5), ReasonCode::protocol_error);
  EXPECT_EQ(subscribe_refusal("82 06 0000 0001 'a' 00", Version::v311),
            ReasonCode::malformed_packet);
  EXPECT_EQ(subscribe_refusal("82 01 00", Version::v311), ReasonCode::malformed_packet);
}

TEST(Subscribe, refuses_filters_that_are_cut_off_or_not_text) {
  EXPECT_EQ(subscribe_refusal("82 05 0001 0001 'a'", Version::v311), ReasonCode::malformed_packet);
  EXPECT_EQ(subscribe_refusal("82 06 0001 0003 'a' 00", Version::v311),
            ReasonCode::malformed_packet);
  EXPECT_EQ(subscribe_refusal("82 06 0001 0001 FF 00", Version::v311),
            ReasonCode::malformed_packet);
  EXPECT_EQ(subscribe_refusal("82 06 0001 0001 00 00", Version::v311),
            ReasonCode::malformed_packet);
}

TEST(Subscribe, refuses_identifier_0_and_two_identifiers) {
  EXPECT_EQ(subscribe_refusal("82 09 0001 02 0B 00 0001 'a' 00", Version::v5),
            ReasonCode::protocol_error);
  EXPECT_EQ(subscribe_refusal("82 0B 0001 04 0B 01 0B 02 0001 'a' 00", Version::v5),
            ReasonCode::protocol_error);
}

TEST(Unsubscribe, reads_filters_and_skips_user_properties) {
  const std::string bytes = wire("A2 11 0002 | 07 26 0001 'k' 0001 'v' | 0001 'a' 0002 '/#'");
  const auto view = decode_unsubscribe(frame_of(bytes), Version::v5);
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->packet_id, 2);
  EXPECT_EQ(view->filters, (std::vector<std::string_view>{"a", "/#"}));
}

TEST(Unsubscribe, refuses_filters_that_are_none) {
  EXPECT_EQ(unsubscribe_refusal("A2 04 0001 0000", Version::v311),
            ReasonCode::topic_filter_invalid);
  EXPECT_EQ(unsubscribe_refusal("A2 07 0001 00 0002 '#a'", Version::v5),
            ReasonCode::topic_filter_invalid);
  EXPECT_EQ(unsubscribe_refusal("A2 0D 0001 00 0008 '$share/g'", Version::v5),
            ReasonCode::topic_filter_invalid);
}

TEST(Unsubscribe, refuses_a_packet_without_filter_or_packet_identifier) {
  EXPECT_EQ(unsubscribe_refusal("A2 02 0001", Version::v311), ReasonCode::protocol_error);
  EXPECT_EQ(unsubscribe_refusal("A2 03 0001 00", Version::v5), ReasonCode::protocol_error);
  EXPECT_EQ(unsubscribe_refusal("A2 05 0000 0001 'a'", Version::v311),
            ReasonCode::malformed_packet);
  EXPECT_EQ(unsubscribe_refusal("A2 04 0001 0001", Version::v311), ReasonCode::malformed_packet);
  EXPECT_EQ(unsubscribe_refusal("A2 05 0001 0001 00", Version::v311), ReasonCode::malformed_packet);
}

TEST(Suback, tells_a_3_1_1_client_only_that_it_failed) {
  constexpr std::array codes = {ReasonCode::granted_qos2, ReasonCode::topic_filter_invalid,
                                ReasonCode::success};
  std::string out;
  encode_suback(out, Version::v311, 10, codes);
  encode_suback(out, Version::v5, 10, codes);
  EXPECT_EQ(out, wire("90 05 000A 02 80 00 | 90 06 000A 00 02 8F 00"));
}

TEST(Unsuback, has_codes_in_5_0_only) {
  constexpr std::array codes = {ReasonCode::success, ReasonCode::no_subscription_existed};
  std::string out;
  encode_unsuback(out, Version::v311, 258, codes);
  encode_unsuback(out, Version::v5, 258, codes);
  EXPECT_EQ(out, wire("B0 02 0102 | B0 05 0102 00 00 11"));
}

TEST(Subscribe, reads_one_sent_again_with_dup_from_a_3_1_client_only) {
  EXPECT_EQ(subscribe_refusal("8A 06 0001 0001 'a' 00", Version::v31), ReasonCode::success);
  EXPECT_EQ(subscribe_refusal("8A 06 0001 0001 'a' 00", Version::v311),
            ReasonCode::malformed_packet);
  EXPECT_EQ(unsubscribe_refusal("AA 05 0001 0001 'a'", Version::v31), ReasonCode::success);
  EXPECT_EQ(unsubscribe_refusal("AA 06 0001 00 0001 'a'", Version::v5),
            ReasonCode::malformed_packet);
}

TEST(Suback, is_the_same_in_3_1_as_in_3_1_1) {
  constexpr std::array codes = {ReasonCode::granted_qos1, ReasonCode::not_authorized};
  std::string out;
  encode_suback(out, Version::v31, 10, codes, {.reason_string = "why"});
  encode_unsuback(out, Version::v31, 10, codes, {.reason_string = "why"});
  EXPECT_EQ(out, wire("90 04 000A 01 80 | B0 02 000A"));
}

TEST(Suback, carries_problem_information_where_the_client_asked_for_it) {
  constexpr std::array codes = {ReasonCode::not_authorized};
  std::string out;
  encode_suback(out, Version::v5, 1, codes, {.reason_string = "why"});
  encode_suback(out, Version::v5, 1, codes, {.reason_string = "why", .requested = false});
  encode_unsuback(out, Version::v5, 1, codes, {.reason_string = "why"});
  encode_suback(out, Version::v5, 1, codes, {.reason_string = "why", .maximum_packet_size = 11});
  EXPECT_EQ(out, wire("90 0A 0001 06 1F 0003 'why' 87 | 90 04 0001 00 87 |"
                      "B0 0A 0001 06 1F 0003 'why' 87 | 90 04 0001 00 87"));
}

TEST(Suback,
     leaves_out_user_properties_before_the_reason) {  // [MQTT-3.9.2-1, -2], [MQTT-3.11.2-1, -2]
  constexpr std::array codes = {ReasonCode::not_authorized};
  const std::string user_properties = wire("26 0001 'k' 0001 'v'");
  const auto problem = [&](std::uint32_t limit) {
    return ProblemInformation{
        .reason_string = "why", .user_properties = user_properties, .maximum_packet_size = limit};
  };
  std::string out;
  encode_suback(out, Version::v5, 1, codes, problem(19));
  encode_suback(out, Version::v5, 1, codes, problem(18));
  EXPECT_EQ(out, wire("90 11 0001 0D 1F 0003 'why' 26 0001 'k' 0001 'v' 87 |"
                      "90 0A 0001 06 1F 0003 'why' 87"));
  out.clear();
  encode_unsuback(out, Version::v5, 1, codes, problem(19));
  encode_unsuback(out, Version::v5, 1, codes, problem(18));
  encode_unsuback(out, Version::v5, 1, codes, problem(11));
  EXPECT_EQ(out, wire("B0 11 0001 0D 1F 0003 'why' 26 0001 'k' 0001 'v' 87 |"
                      "B0 0A 0001 06 1F 0003 'why' 87 | B0 04 0001 00 87"));
}

}  // namespace
}  // namespace rowgate::mqtt
