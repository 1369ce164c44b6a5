// Text of peers in the lines of logs: escaped, so that no line can be forged or made unreadable, and cut to a bound.
#pragma once

#include <cstddef>
#include <string_view>

namespace weir::proxy {

enum class escape_style {
    quoted,  // between double quotes: \xXX for quotes, backslashes, control and non-ASCII bytes, as nginx does
    bare,    // not between quotes: spaces too
    message  // for people: \xXX for control bytes alone
};

// Both write at most `room` characters, of which the last three are "..." if that is not enough for all of `text`, and
// return the position after them. `room` is at least 12. Pure.
char* write_escaped(std::string_view text, escape_style style, char* out, std::size_t room);
// The inside of a JSON string (RFC 8259): bytes that are no UTF-8 become \u00XX.
char* write_json_escaped(std::string_view text, char* out, std::size_t room);

}  // namespace weir::proxy
