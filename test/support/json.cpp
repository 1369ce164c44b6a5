#include "test/support/json.hpp"

#include <boost/json/src.hpp>
#include <stdexcept>
#include <string>

namespace weir::test {

boost::json::value parse_json(std::string_view text) {
    boost::json::error_code error;
    auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), error);
    if (error) throw std::runtime_error("no JSON (" + error.message() + "): " + std::string(text));
    return value;
}

}  // namespace weir::test
