#include "gateway/config/config.hpp"

#include <gtest/gtest.h>

namespace rowgate::config {
namespace {

TEST(config, sink_defaults_to_a_sqlite_file_in_the_data_directory) {
  Config config;
  config.data_dir = "/var/lib/rowgate";
  EXPECT_EQ(sink_url(config), "sqlite:/var/lib/rowgate/telemetry.db");
}

TEST(config, sink_that_is_set_is_used_as_it_is) {
  Config config;
  config.sink = "postgresql://db/plant";
  EXPECT_EQ(sink_url(config), "postgresql://db/plant");
}

TEST(config, mask_password_hides_the_password_only) {
  EXPECT_EQ(mask_password("postgresql://ann:s3cret@db:5432/plant"),
            "postgresql://ann:***@db:5432/plant");
}

TEST(config, mask_password_leaves_urls_without_one) {
  for (const char* url : {"postgresql://ann@db:5432/plant", "postgresql://db:5432/plant",
                          "sqlite:/data/telemetry.db", "postgresql:///plant?host=/run/pg"}) {
    EXPECT_EQ(mask_password(url), url);
  }
}

TEST(config, mask_password_hides_one_given_as_parameter) {
  EXPECT_EQ(mask_password("postgresql://db/plant?password=s3cret&sslmode=require"),
            "postgresql://db/plant?password=***&sslmode=require");
}

TEST(config, mask_password_hides_a_password_with_unescaped_reserved_characters) {
  for (const char* url :
       {"postgresql://ann:s3@cret@db/plant", "postgresql://ann:s3/cret@db/plant",
        "postgresql://ann:s3?cret@db/plant", "postgresql://ann:s3#cret@db/plant"}) {
    EXPECT_EQ(mask_password(url), "postgresql://ann:***@db/plant") << url;
  }
}

}  // namespace
}  // namespace rowgate::config
