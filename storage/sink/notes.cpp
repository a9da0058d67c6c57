#include "storage/sink/notes.hpp"

namespace rowgate::storage {

std::vector<std::string> Notes::unsaid(std::vector<std::string> notes) {
  const std::lock_guard lock(mutex_);
  std::erase_if(notes, [&](const std::string& note) { return !said_.insert(note).second; });
  return notes;
}

}  // namespace rowgate::storage
