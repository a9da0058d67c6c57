#pragma once
// Topic filters against topics and against each other (section 4.7). A filter that begins with a
// wildcard takes no topic that begins with `$` [MQTT-4.7.2-1]; `a/#` takes `a` too. Preconditions:
// mqtt::is_topic_filter, without `$share/NAME/`. Linear in the levels. Pure; any thread.
#include <string_view>

namespace rowgate::security {

/// Whether every topic that `inner` takes is taken by `outer`. A topic name is a filter as well.
bool covers(std::string_view outer, std::string_view inner) noexcept;

/// Whether there is a topic that both take; the empty topic counts as one.
bool overlap(std::string_view a, std::string_view b) noexcept;

}  // namespace rowgate::security
