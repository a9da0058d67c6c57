#include "gateway/security/file_watch.hpp"

#include <sys/stat.h>

namespace rowgate::security {

bool FileWatch::changed() {
  const Mark now = look();
  if (now == Mark{} || now == seen_) return false;
  seen_ = now;
  return true;
}

FileWatch::Mark FileWatch::look() const {
  struct stat st {};
  if (file_.empty() || ::stat(file_.c_str(), &st) != 0) return {};
  return {st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
}

}  // namespace rowgate::security
