#pragma once
// What must hold whatever the bytes are: libFuzzer keeps the input that breaks it.
#include <cstdlib>

inline void must(bool condition) {
  if (!condition) std::abort();
}
