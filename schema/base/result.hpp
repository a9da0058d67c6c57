#pragma once
// Result<T, E>: a value or the reason there is none. The return type of everything on the data
// path, where bad input is normal. Boost.System's result in place of C++23's std::expected.
#include <boost/system/result.hpp>

namespace rowgate {

template <class T, class E>
using Result = boost::system::result<T, E>;

}  // namespace rowgate
