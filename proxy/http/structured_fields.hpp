// Structured fields (RFC 9651): dictionaries and lists of strings, read strictly as its section 4.2 tells. What breaks
// a rule anywhere is invalid as a whole, and the field counts as absent. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head.hpp"

namespace weir::http {

enum class sf_type : std::uint8_t {
    integer,
    decimal,
    string,
    token,
    byte_sequence,
    boolean,
    date,
    display_string,
    inner_list
};

// A value without its parameters, which are checked and left out: nobody here asks for one.
struct sf_value {
    sf_type type = sf_type::boolean;
    std::int64_t integer = 0;  // of an integer and a date
    bool boolean = true;       // of a boolean
    std::string text;          // of a string (unescaped) and a token; other types are told apart, not decoded
};

struct sf_member {
    std::string key;
    sf_value value;
};
// In the order of their first appearance; of a key given twice the last value counts.
using sf_dictionary = std::vector<sf_member>;

// The lines of field `name`, joined by a comma as RFC 9110 section 5.2 has it; nothing where there is none.
std::optional<std::string> combined_value(const field_list& fields, std::string_view name);

// Nothing for what is no dictionary, or has more than 1,024 keys. An empty field is an empty one.
std::optional<sf_dictionary> parse_dictionary(std::string_view combined);

// A list all of whose members are strings, which come unescaped; nothing for any other. An empty field is an empty one.
std::optional<std::vector<std::string>> parse_string_list(std::string_view combined);

}  // namespace weir::http
