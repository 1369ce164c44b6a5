#include "proxy/http/field_names.hpp"

#include <boost/beast/http/field.hpp>
#include <catch2/catch.hpp>
#include <string>

using namespace weir::http;

namespace {

field_id of_beast(const std::string& name) {
    return boost::beast::http::string_to_field({name.data(), name.size()});
}

std::string in_upper_case(std::string name) {
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return name;
}

}  // namespace

TEST_CASE("names are found as Beast finds them", "[http][head]") {
    for (unsigned n = 1; n <= static_cast<unsigned>(field_id::xref); ++n) {
        const auto text = boost::beast::http::to_string(static_cast<field_id>(n));
        const std::string name(text.data(), text.size());
        CAPTURE(name);
        CHECK(of_beast(name) == static_cast<field_id>(n));
        CHECK(find_field_id(name) == static_cast<field_id>(n));
        CHECK(find_field_id(in_upper_case(name)) == static_cast<field_id>(n));
        for (const std::string& other :
             {name + "-", name + name, name.substr(1), "X-" + name, name.substr(0, name.size() / 2)}) {
            CAPTURE(other);
            CHECK(find_field_id(other) == of_beast(other));
        }
        for (std::size_t i = 0; i < name.size(); ++i) {
            std::string other = name;
            other[i] = static_cast<char>(other[i] ^ 0x20);
            CAPTURE(other);
            const bool is_letter = in_upper_case(other) == in_upper_case(name);
            CHECK(find_field_id(other) == (is_letter ? static_cast<field_id>(n) : field_id::unknown));
        }
    }
    CHECK(find_field_id("") == field_id::unknown);
    CHECK(find_field_id("a") == field_id::unknown);
    CHECK(find_field_id(std::string(100'000, 'a')) == field_id::unknown);
}
