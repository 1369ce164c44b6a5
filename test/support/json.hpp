// JSON in tests: what the admin listener, the access log and the Python applications write.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

namespace weir::test {

// Throws std::runtime_error with the text when it is no JSON.
boost::json::value parse_json(std::string_view text);

}  // namespace weir::test
