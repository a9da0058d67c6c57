#include "gateway/mqtt/publish.hpp"

#include "gateway/mqtt/properties.hpp"
#include "tests/gateway/mqtt/wire_text.hpp"

namespace rowgate::mqtt {
namespace {

using test::code_of;
using test::frame_of;
using test::wire;

ReasonCode refusal(const std::string& bytes, Version version) {
  return code_of(decode_publish(frame_of(bytes), version));
}
ReasonCode refusal(const char* text, Version version) {
  return refusal(wire(text), version);
}

TEST(Publish, reads_qos_0_without_a_packet_identifier) {
  const std::string bytes = wire("30 08 0003 'a/b' '2.5'");
  const auto view = decode_publish(frame_of(bytes), Version::v311);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topic, "a/b");
  EXPECT_EQ(view->payload, "2.5");
  EXPECT_EQ(view->packet_id, 0);
  EXPECT_EQ(view->qos, QoS::at_most_once);
  EXPECT_FALSE(view->retain);
  EXPECT_FALSE(view->dup);
}

TEST(Publish, reads_qos_dup_and_retain_from_the_flags) {
  const std::string bytes = wire("3D 08 0003 'a/b' 0102 'x'");
  const auto view = decode_publish(frame_of(bytes), Version::v311);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->qos, QoS::exactly_once);
  EXPECT_EQ(view->packet_id, 0x0102);
  EXPECT_TRUE(view->retain);
  EXPECT_TRUE(view->dup);
}

TEST(Publish, takes_an_empty_payload) {
  const std::string bytes = wire("30 03 0001 'a'");
  EXPECT_EQ(decode_publish(frame_of(bytes), Version::v311)->payload, "");
  const std::string five = wire("32 06 0001 'a' 0001 00");
  EXPECT_EQ(decode_publish(frame_of(five), Version::v5)->payload, "");
}

TEST(Publish, keeps_the_5_0_properties_as_wire_bytes_and_finds_the_alias) {
  const std::string bytes =
      wire("32 15 0001 't' 0007 0D 01 01 | 23 0005 | 26 0001 'k' 0002 'vv' '{}'");
  const auto view = decode_publish(frame_of(bytes), Version::v5);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topic_alias, 5);
  EXPECT_EQ(view->properties, wire("01 01 23 0005 26 0001 'k' 0002 'vv'"));
  EXPECT_EQ(view->payload, "{}");
}

TEST(Publish, takes_an_empty_topic_only_with_an_alias) {
  const std::string bytes = wire("30 06 0000 03 23 0001");
  const auto view = decode_publish(frame_of(bytes), Version::v5);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->topic, "");
  EXPECT_EQ(view->topic_alias, 1);
  EXPECT_EQ(refusal("30 03 0000 00", Version::v5), ReasonCode::protocol_error);
  EXPECT_EQ(refusal("30 02 0000", Version::v311), ReasonCode::malformed_packet);
}

TEST(Publish, refuses_qos_3_and_dup_at_qos_0) {
  for (const Version version : {Version::v311, Version::v5}) {
    EXPECT_EQ(refusal("36 06 0001 'a' 0001 00", version), ReasonCode::malformed_packet);
    EXPECT_EQ(refusal("3E 06 0001 'a' 0001 00", version), ReasonCode::malformed_packet);
    EXPECT_EQ(refusal("38 04 0001 'a' 00", version), ReasonCode::malformed_packet);
  }
}

TEST(Publish, refuses_packet_identifier_0) {
  EXPECT_EQ(refusal("32 05 0001 'a' 0000", Version::v311), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("34 06 0001 'a' 0000 00", Version::v5), ReasonCode::malformed_packet);
}

TEST(Publish, refuses_wildcards_wherever_they_stand_in_a_topic_name) {
  for (std::size_t size = 1; size <= 33; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'+', '#'}) {
        std::string topic(size, 'x');
        ASSERT_TRUE(is_topic_name(topic));
        topic[at] = c;
        EXPECT_FALSE(is_topic_name(topic)) << topic;
        std::string packet;
        encode_publish(packet, Version::v311, {.topic = topic});
        EXPECT_EQ(refusal(packet, Version::v311), ReasonCode::topic_name_invalid) << topic;
      }
    }
  }
}

TEST(Publish, refuses_nul_and_ill_formed_utf8_wherever_they_stand) {
  for (std::size_t size = 1; size <= 33; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'\0', '\x80', '\xFF', '\xC3'}) {
        std::string topic(size, '/');
        topic[at] = c;
        std::string packet;
        encode_publish(packet, Version::v311, {.topic = topic});
        EXPECT_EQ(refusal(packet, Version::v311), ReasonCode::malformed_packet) << size << at;
      }
    }
  }
}

TEST(Publish, tells_every_byte_apart_that_may_stand_in_a_topic) {
  for (unsigned byte = 0; byte < 0x80; ++byte) {
    const bool valid = byte != 0 && byte != '+' && byte != '#';
    EXPECT_EQ(is_topic_name(std::string(1, static_cast<char>(byte))), valid) << byte;
    EXPECT_EQ(is_topic_name(std::string(11, static_cast<char>(byte))), valid) << byte;
  }
}

TEST(Publish, takes_topics_beyond_ascii) {
  EXPECT_TRUE(is_topic_name("wetter/münchen/°C"));
  EXPECT_TRUE(is_topic_name("温度"));
  EXPECT_TRUE(is_topic_name("\xF0\x9F\x8C\xA1"));
  EXPECT_FALSE(is_topic_name("münchen/+"));
  EXPECT_FALSE(is_topic_name("\xED\xA0\x80"));      // surrogate U+D800 [MQTT-1.5.4-1]
  EXPECT_FALSE(is_topic_name("\xC0\xAF"));          // overlong
  EXPECT_FALSE(is_topic_name("\xF4\x90\x80\x80"));  // above U+10FFFF
}

TEST(Publish, refuses_a_body_that_ends_early) {
  EXPECT_EQ(refusal("30 00", Version::v311), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("30 01 00", Version::v311), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("30 04 0003 'ab'", Version::v311), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("32 04 0001 'a' 00", Version::v311), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("30 03 0001 'a'", Version::v5), ReasonCode::malformed_packet);
  EXPECT_EQ(refusal("30 05 0001 'a' 02 01", Version::v5), ReasonCode::malformed_packet);
}

TEST(Publish, refuses_properties_with_the_code_the_specification_names) {
  const struct {
    const char* block;
    ReasonCode code;
  } cases[] = {
      {"02 01 02", ReasonCode::protocol_error},                  // format indicator 2
      {"04 01 00 01 00", ReasonCode::protocol_error},            // twice
      {"03 23 0000", ReasonCode::topic_alias_invalid},           // [MQTT-3.3.2-8]
      {"02 0B 01", ReasonCode::protocol_error},                  // [MQTT-3.3.4-6]
      {"05 11 00000001", ReasonCode::malformed_packet},          // not of PUBLISH
      {"02 7F 00", ReasonCode::malformed_packet},                // no such property
      {"02 FF 01", ReasonCode::malformed_packet},                // nor in two bytes
      {"04 08 0001 '#'", ReasonCode::protocol_error},            // [MQTT-3.3.2-14]
      {"03 08 0000", ReasonCode::protocol_error},                // no topic name
      {"04 03 0001 FF", ReasonCode::malformed_packet},           // content type
      {"07 26 0001 00 0001 'v'", ReasonCode::malformed_packet},  // U+0000 in a name
      {"03 02 0000", ReasonCode::malformed_packet},              // cut off
      {"04 26 0001 'k'", ReasonCode::malformed_packet},          // name without value
  };
  for (const auto& c : cases) {
    const std::string rest = wire("0001 'a'") + wire(c.block);
    const std::string packet = std::string("\x30", 1) + static_cast<char>(rest.size()) + rest;
    EXPECT_EQ(refusal(packet, Version::v5), c.code) << c.block;
  }
}

TEST(Publish, writes_the_fields_in_order) {
  std::string out;
  encode_publish(out, Version::v311,
                 {.topic = "a/b", .payload = "1", .packet_id = 10, .qos = QoS::at_least_once});
  EXPECT_EQ(out, wire("32 08 0003 'a/b' 000A '1'"));
  out.clear();
  encode_publish(out, Version::v5,
                 {.topic = "a", .payload = "1", .properties = "\x01\x01", .retain = true});
  EXPECT_EQ(out, wire("31 07 0001 'a' 02 01 01 '1'"));
}

TEST(Publish, decode_what_encode_wrote_at_every_length_boundary) {
  for (const Version version : {Version::v311, Version::v5}) {
    for (const QoS qos : {QoS::at_most_once, QoS::at_least_once, QoS::exactly_once}) {
      for (const std::size_t payload_size : {0, 1, 117, 118, 119, 120, 16370, 16380, 2097152}) {
        const std::string payload(payload_size, 'p');
        const OutgoingPublish publish{
            .topic = "s/1/temp",
            .payload = payload,
            .packet_id = qos == QoS::at_most_once ? PacketId{0} : PacketId{513},
            .qos = qos,
            .retain = true,
            .dup = qos != QoS::at_most_once};
        std::string out;
        encode_publish(out, version, publish);
        EXPECT_EQ(out.size(), publish_size(version, publish));
        const auto view = decode_publish(frame_of(out), version);
        ASSERT_TRUE(view);
        EXPECT_EQ(view->topic, publish.topic);
        EXPECT_EQ(view->payload, payload);
        EXPECT_EQ(view->packet_id, publish.packet_id);
        EXPECT_EQ(view->qos, qos);
        EXPECT_TRUE(view->retain);
        EXPECT_EQ(view->dup, publish.dup);
      }
    }
  }
}

TEST(TopicFilter, takes_wildcards_that_fill_their_level) {
  for (const char* filter :
       {"#", "+", "/", "a", "a/#", "+/+", "/+", "+/", "a/+/b", "+/a/#", "a//b", "/#", "$SYS/#",
        "$share/g/a", "wärme/+/°C", "sport/tennis/player1/#"}) {
    EXPECT_TRUE(is_topic_filter(filter)) << filter;
  }
}

TEST(TopicFilter, refuses_wildcards_that_do_not) {
  for (const char* filter :
       {"", "a#", "#/a", "a/#/b", "a+", "+a", "a/+b", "a/b+/c", "##", "++", "#+", "a/##",
        "sport/tennis#", "sport/tennis/#/ranking", "sport+", "wärme+/x", "\xFF/#"}) {
    EXPECT_FALSE(is_topic_filter(filter)) << filter;
  }
  EXPECT_FALSE(is_topic_filter(std::string_view("a\0b/#", 5)));
}

TEST(Publish, lets_a_3_1_client_mark_qos_0_as_sent_again) {
  const std::string bytes = wire("38 04 0001 'a' 'x'");
  const auto view = decode_publish(frame_of(bytes), Version::v31);
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_FALSE(view->dup);
  EXPECT_EQ(refusal("38 04 0001 'a' 'x'", Version::v311), ReasonCode::malformed_packet);
}

TEST(Publish, writes_a_topic_alias_with_and_without_its_topic) {
  const OutgoingPublish first{
      .topic = "a", .payload = "1", .properties = "\x01\x01", .topic_alias = 258};
  const OutgoingPublish next{.payload = "2", .topic_alias = 258};
  std::string out;
  encode_publish(out, Version::v5, first);
  EXPECT_EQ(out, wire("30 0A 0001 'a' 05 23 0102 01 01 '1'"));
  EXPECT_EQ(publish_size(Version::v5, first), out.size());
  out.clear();
  encode_publish(out, Version::v5, next);
  EXPECT_EQ(out, wire("30 07 0000 03 23 0102 '2'"));
  EXPECT_EQ(publish_size(Version::v5, next), out.size());
  EXPECT_EQ(decode_publish(frame_of(out), Version::v5)->topic_alias, 258);
}

TEST(Publish, counts_the_alias_where_the_property_length_grows_by_it) {
  const std::string properties = wire("03 0079") + std::string(121, 't');
  ASSERT_EQ(properties.size(), 124U);
  for (const std::size_t size : {124U, 125U, 126U}) {
    const std::string block = properties + std::string(size - 124, ' ');
    const OutgoingPublish publish{.topic = "a", .properties = block, .topic_alias = 1};
    std::string out;
    encode_publish(out, Version::v5, publish);
    EXPECT_EQ(out.size(), publish_size(Version::v5, publish)) << size;
  }
}

TEST(Publish, tells_whether_the_payload_is_the_text_it_is_said_to_be) {
  const auto is_as_indicated = [](const char* packet) {
    const std::string bytes = wire(packet);
    return payload_is_as_indicated(*decode_publish(frame_of(bytes), Version::v5));
  };
  EXPECT_TRUE(is_as_indicated("30 06 0001 'a' 00 FF FF"));                  // nothing said
  EXPECT_TRUE(is_as_indicated("30 07 0001 'a' 02 01 00 FF"));               // said to be bytes
  EXPECT_TRUE(is_as_indicated("30 09 0001 'a' 02 01 01 'x' C3 A4"));        // ä
  EXPECT_TRUE(is_as_indicated("30 07 0001 'a' 02 01 01 00"));               // U+0000 is a character
  EXPECT_TRUE(is_as_indicated("30 06 0001 'a' 02 01 01"));                  // empty
  EXPECT_FALSE(is_as_indicated("30 07 0001 'a' 02 01 01 FF"));              // no UTF-8
  EXPECT_FALSE(is_as_indicated("30 09 0001 'a' 02 01 01 ED A0 80"));        // a surrogate
  EXPECT_FALSE(is_as_indicated("30 0B 0001 'a' 06 03 0001 't' 01 01 C3"));  // behind another one
}

TEST(SharedFilter, is_a_group_and_a_filter) {
  const auto shared = shared_filter("$share/meter readers/site/+/#");
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->group, "meter readers");
  EXPECT_EQ(shared->filter, "site/+/#");
  EXPECT_EQ(shared_filter("$share/g//")->filter, "/");
  EXPECT_EQ(shared_filter("$share/g/$SYS/#")->filter, "$SYS/#");
}

TEST(SharedFilter, is_refused_without_a_group_or_a_filter) {  // [MQTT-4.8.2-1, -2]
  for (const char* filter : {"",
                             "$share",
                             "$share/",
                             "$share/g",
                             "$share/g/",
                             "$share//a",
                             "$share///",
                             "$share/g+/a",
                             "$share/+/a",
                             "$share/#",
                             "$share/#/a",
                             "$share/g#/a",
                             "$share/g/a#",
                             "$share/g/#/a",
                             "$share/\xFF/a",
                             "$share/g/\xFF",
                             "$SHARE/g/a",
                             "share/g/a",
                             "$shared/g/a",
                             "a/$share/g/a"}) {
    EXPECT_FALSE(shared_filter(filter)) << filter;
  }
}

TEST(Publish, takes_a_topic_of_65535_bytes) {  // [MQTT-4.7.3-3]
  const std::string topic(65535, 't');
  std::string out;
  encode_publish(out, Version::v311, {.topic = topic, .payload = "x"});
  const auto view = decode_publish(frame_of(out), Version::v311);
  ASSERT_TRUE(view) << view.error().reason;
  EXPECT_EQ(view->topic, topic);
  EXPECT_TRUE(is_topic_filter(topic));
}

}  // namespace
}  // namespace rowgate::mqtt
