#include "gateway/security/acl.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rowgate::security {
namespace {

using testing::HasSubstr;

const Identity anonymous;
const Identity alice{"alice", {"operator", "night"}, std::nullopt};
const Identity bob{"bob", {}, std::nullopt};

Acl acl(std::string_view text) {
  return Acl::parse(text, "acl.toml");
}

std::string refusal(std::string_view text) {
  try {
    acl(text);
  } catch (const FileError& e) {
    return e.what();
  }
  return "";
}

TEST(acl, without_a_file_everything_is_allowed_but_publishing_to_the_gateways_own_topics) {
  const Acl open = Acl::built_in();
  EXPECT_TRUE(open.may_publish(anonymous, "c", "a/b"));
  EXPECT_TRUE(open.may_publish(anonymous, "c", "$SYSTEM/a"));
  for (const char* topic : {"$SYS", "$SYS/a", "$share/g/a", "$rowgate/x", "$presence/c"}) {
    EXPECT_FALSE(open.may_publish(anonymous, "c", topic)) << topic;
  }
  for (const char* filter : {"#", "$SYS/#", "$share/g/a", "$presence/#"}) {
    EXPECT_TRUE(open.may_subscribe(anonymous, "c", filter)) << filter;
  }
}

TEST(acl, an_empty_file_denies_everything) {
  EXPECT_FALSE(acl("").may_publish(alice, "c", "a"));
  EXPECT_FALSE(acl("").may_subscribe(alice, "c", "a"));
}

TEST(acl, default_allow_leaves_what_no_rule_denies) {
  const Acl a = acl("default = 'allow'\n[[rule]]\ndeny_publish = ['cmd/#']\n");
  EXPECT_TRUE(a.may_publish(bob, "c", "data"));
  EXPECT_FALSE(a.may_publish(bob, "c", "cmd/stop"));
  EXPECT_TRUE(a.may_subscribe(bob, "c", "cmd/#"));
}

TEST(acl, the_gateways_own_topics_are_never_published_to_and_read_only_where_a_rule_names_them) {
  const Acl a =
      acl("default = 'allow'\n[[rule]]\npublish = ['#', '+/a']\nsubscribe = ['#']\n"
          "[[rule]]\nroles = ['operator']\nsubscribe = ['$SYS/#']\n");
  EXPECT_FALSE(a.may_publish(alice, "c", "$SYS/a"));
  EXPECT_FALSE(a.may_subscribe(bob, "c", "$SYS/broker/load"));
  EXPECT_FALSE(a.may_subscribe(bob, "c", "$share/g/$SYS/#"));
  EXPECT_FALSE(a.may_subscribe(bob, "c", "$presence/#"));
  EXPECT_TRUE(a.may_subscribe(alice, "c", "$SYS/broker/load"));
  EXPECT_TRUE(a.may_subscribe(alice, "c", "$share/g/$SYS/#"));
  EXPECT_FALSE(a.may_subscribe(alice, "c", "$share/g"));
}

TEST(acl, a_rule_speaks_about_those_who_are_in_all_of_its_lists) {
  const Acl a =
      acl("[[rule]]\nusers = ['al*e', 'x']\nroles = ['night']\nclients = ['panel-*']\n"
          "publish = ['a']\n");
  EXPECT_TRUE(a.may_publish(alice, "panel-1", "a"));
  EXPECT_FALSE(a.may_publish(alice, "phone", "a"));
  EXPECT_FALSE(a.may_publish({"alice", {"day"}, {}}, "panel-1", "a"));
  EXPECT_FALSE(a.may_publish({"bob", {"night"}, {}}, "panel-1", "a"));
}

TEST(acl, a_star_is_any_text_and_every_user_but_the_anonymous) {
  const auto taken = [](std::string_view glob, const std::string& user) {
    return acl("[[rule]]\nusers = ['" + std::string(glob) + "']\npublish = ['a']\n")
        .may_publish({user, {}, {}}, "c", "a");
  };
  EXPECT_TRUE(taken("*", "bob"));
  EXPECT_FALSE(taken("*", ""));
  EXPECT_TRUE(taken("sensor-*-*7", "sensor-a-b-17"));
  EXPECT_TRUE(taken("a*b*c", "abcbc"));
  EXPECT_TRUE(taken("ab**", "ab"));
  EXPECT_FALSE(taken("a*b", "abc"));
  EXPECT_FALSE(taken("b", "bb"));
  EXPECT_FALSE(taken("bb", "b"));
}

TEST(acl, a_rule_without_lists_speaks_about_everybody) {
  EXPECT_TRUE(acl("[[rule]]\npublish = ['a']\n").may_publish(anonymous, "c", "a"));
}

TEST(acl, denial_wins_whatever_the_order) {
  const char* allow = "[[rule]]\npublish = ['site/#']\nsubscribe = ['site/#']\n";
  const char* deny = "[[rule]]\ndeny_publish = ['site/7']\ndeny_subscribe = ['+/7/#']\n";
  for (const std::string& text : {std::string(allow) + deny, std::string(deny) + allow}) {
    const Acl a = acl(text);
    EXPECT_FALSE(a.may_publish(bob, "c", "site/7"));
    EXPECT_TRUE(a.may_publish(bob, "c", "site/7/x"));
    EXPECT_FALSE(a.may_subscribe(bob, "c", "site/7"));
    EXPECT_FALSE(a.may_subscribe(bob, "c", "site/+"));
    EXPECT_FALSE(a.may_subscribe(bob, "c", "site/#"));
    EXPECT_TRUE(a.may_subscribe(bob, "c", "site/8/#"));
  }
}

TEST(acl, a_subscription_must_be_covered_as_a_whole) {
  const Acl a = acl("[[rule]]\nsubscribe = ['site/+/temp']\n");
  EXPECT_TRUE(a.may_subscribe(bob, "c", "site/7/temp"));
  EXPECT_TRUE(a.may_subscribe(bob, "c", "site/+/temp"));
  EXPECT_TRUE(a.may_subscribe(bob, "c", "$share/g/site/7/temp"));
  EXPECT_FALSE(a.may_subscribe(bob, "c", "site/#"));
  EXPECT_FALSE(a.may_subscribe(bob, "c", "+/7/temp"));
  EXPECT_FALSE(a.may_subscribe(bob, "c", "$share/g/site/#"));
}

TEST(acl, user_and_client_id_stand_in_for_themselves) {
  const Acl a = acl("[[rule]]\npublish = ['u/%u/#', 'c/x-%c', 'p/100%%']\n");
  EXPECT_TRUE(a.may_publish(alice, "k", "u/alice/x"));
  EXPECT_FALSE(a.may_publish(alice, "k", "u/bob/x"));
  EXPECT_TRUE(a.may_publish(alice, "k", "c/x-k"));
  EXPECT_TRUE(a.may_publish(alice, "k", "p/100%"));
  EXPECT_FALSE(a.may_publish(anonymous, "k", "u//x"));
  EXPECT_FALSE(a.may_publish(alice, "", "c/x-"));
  // A value is not looked at for further placeholders.
  EXPECT_TRUE(a.may_publish({"%c", {}, {}}, "k", "u/%c/x"));
}

TEST(acl, a_name_with_wildcards_or_slashes_never_widens_what_is_allowed) {
  const Acl a = acl("[[rule]]\npublish = ['u/%u/x', '%u/y', '%c']\nsubscribe = ['u/%u', '%c/#']\n");
  for (const char* name : {"+", "#", "bob/x", "a#", "$SYS"}) {
    const Identity user{name, {}, {}};
    EXPECT_FALSE(a.may_publish(user, name, "u/bob/x")) << name;
    EXPECT_FALSE(a.may_publish(user, name, "bob/x/y")) << name;
    EXPECT_FALSE(a.may_publish(user, name, "bob/x")) << name;
    EXPECT_FALSE(a.may_subscribe(user, name, "u/bob")) << name;
    EXPECT_FALSE(a.may_subscribe(user, name, "u/#")) << name;
    EXPECT_FALSE(a.may_subscribe(user, name, "#")) << name;
    EXPECT_FALSE(a.may_subscribe(user, name, "$SYS/#")) << name;
  }
  EXPECT_TRUE(a.may_subscribe({"$SYS", {}, {}}, "k", "u/$SYS"));
}

TEST(acl, a_name_with_wildcards_or_slashes_never_narrows_what_is_denied) {
  const Acl a = acl("default = 'allow'\n[[rule]]\ndeny_publish = ['own/%u/raw', 'c%c/x']\n");
  EXPECT_FALSE(a.may_publish(bob, "k", "own/bob/raw"));
  EXPECT_TRUE(a.may_publish(bob, "k", "own/alice/raw"));
  EXPECT_FALSE(a.may_publish({"a/b", {}, {}}, "k", "own/a/b/raw"));
  EXPECT_FALSE(a.may_publish({"+", {}, {}}, "k", "own/+/raw"));
  EXPECT_TRUE(a.may_publish({"+", {}, {}}, "k", "other"));
  EXPECT_FALSE(a.may_publish(bob, "#", "other"));
  EXPECT_TRUE(a.may_publish(anonymous, "k", "own/alice/raw"));
}

TEST(acl, every_error_is_named_with_its_place) {
  EXPECT_EQ(refusal("default = 'allow'\n[[rule]]\npubish = ['a']\nusers = []\npublish = ['a#', 7]\n"
                    "[[rule]]\nusers = ['x']\n[extra]\n"),
            "acl.toml:3:1: unknown key 'pubish' in [[rule]]; did you mean 'publish'?\n"
            "acl.toml:4:9: users is not a list of texts with one at least, such as users = "
            "[\"...\"]; leave it out where it says nothing\n"
            "acl.toml:5:12: publish: 'a#' is no topic filter; # stands alone in the last level, + "
            "alone in a level\n"
            "acl.toml:5:18: publish holds what is no text; put it in quotes\n"
            "acl.toml:6:1: the rule says nothing; give it publish, subscribe, deny_publish or "
            "deny_subscribe\n"
            "acl.toml:8:2: unknown key 'extra' at the top of the file; known are default, rule");
}

TEST(acl, filters_that_cannot_mean_anything_are_refused) {
  const auto wrong = [](std::string_view key, std::string_view filter) {
    return refusal("[[rule]]\n" + std::string(key) + " = ['" + std::string(filter) + "']\n");
  };
  EXPECT_THAT(wrong("publish", "a/%x"), HasSubstr("acl.toml:2:12: publish: 'a/%x' has a %"));
  EXPECT_THAT(wrong("publish", "a/%"), HasSubstr("has a %"));
  EXPECT_THAT(wrong("publish", ""), HasSubstr("is no topic filter"));
  EXPECT_THAT(wrong("publish", "$SYS/#"), HasSubstr("no client ever publishes there"));
  EXPECT_THAT(wrong("subscribe", "$share/g/a"), HasSubstr("without $share/NAME/"));
  EXPECT_EQ(wrong("subscribe", "$SYS/#"), "");
  EXPECT_EQ(wrong("deny_publish", "a/+/%u/#"), "");
}

TEST(acl, what_is_not_toml_or_not_of_its_form_is_refused) {
  EXPECT_THAT(refusal("default = \n"), HasSubstr("acl.toml:1:"));
  EXPECT_THAT(refusal("default = 'maybe'\n"), HasSubstr("acl.toml:1:11: default is neither"));
  EXPECT_THAT(refusal("rule = 7\n"), HasSubstr("acl.toml:1:8: 'rule' is not a list of tables"));
  EXPECT_THAT(refusal("[[rule]]\npublish = 'a'\n"), HasSubstr("acl.toml:2:11: publish is not"));
}

TEST(acl, a_file_that_is_not_there_is_named) {
  EXPECT_THROW(
      {
        try {
          Acl::read("/nowhere/acl.toml");
        } catch (const FileError& e) {
          EXPECT_STREQ(e.what(), "/nowhere/acl.toml: No such file or directory");
          throw;
        }
      },
      FileError);
}

}  // namespace
}  // namespace rowgate::security
