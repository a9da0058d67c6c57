#include "gateway/http/openapi.hpp"

namespace rowgate::http {
namespace {

constexpr const char* lines[] = {
#include <openapi_lines.inc>  // made by gateway/CMakeLists.txt
};

}  // namespace

std::string openapi_document() {
  std::string text;
  for (const char* line : lines) text.append(line).append("\n");
  return text;
}

}  // namespace rowgate::http
