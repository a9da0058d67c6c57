// An ACL file: any bytes are refused with a sentence, or become rules that answer every question,
// and never let a client publish to what is the gateway's own.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gateway/security/acl.hpp"
#include "tests/fuzz/must.hpp"

using namespace rowgate::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  try {
    const Acl acl = Acl::parse(text, "acl.toml");
    Identity identity;
    for (const std::string_view user : {"", "alice", "sensor-1", "+", "a/b", "%u"}) {
      identity.user = user;
      identity.roles = {"reader", "admin"};
      for (const std::string_view client : {"c", "x/y", "#"}) {
        for (const std::string_view topic : {"a", "site/alice/t", "/", "a//b", "sensor/c"}) {
          acl.may_publish(identity, client, topic);
          // A topic is a filter too: whoever may subscribe to all may subscribe to it.
          if (acl.may_subscribe(identity, client, "#")) {
            must(acl.may_subscribe(identity, client, topic));
          }
        }
        for (const std::string_view filter : {"#", "+/+", "site/+/#", "$SYS/#", "$share/g/a/#"}) {
          acl.may_subscribe(identity, client, filter);
        }
        for (const std::string_view topic : {"$SYS/x", "$share/g/a", "$rowgate/x", "$presence/x"}) {
          must(!acl.may_publish(identity, client, topic));
        }
      }
    }
  } catch (const FileError& error) {
    must(error.what()[0] != '\0');
  }
  return 0;
}
