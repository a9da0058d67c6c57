#pragma once
// docs/openapi.json, as it was when the program was built.
#include <string>

namespace rowgate::http {

std::string openapi_document();

}  // namespace rowgate::http
