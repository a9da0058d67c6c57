#pragma once
// Why a users file, a key set or an ACL was refused whole. Thrown at start-up and on reload, where
// what was in force stays in force.
#include <stdexcept>

namespace rowgate::security {

/// A sentence a line, each "FILE:LINE[:COLUMN]: what is wrong[; what to do]": for the log.
struct FileError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace rowgate::security
