// Patterns of hosts and paths: their forms, checked. Pure functions; on failure `why` says what is wrong and the cure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

struct path_pattern {
    std::string path;
    bool exact = false;
};

// "*", "*.example.com" or a name, an IPv4 or a bracketed IPv6 address; without a port. In lower case.
std::optional<std::string> parse_host_pattern(std::string_view text, std::string& why);

// "/prefix" or "= /exact".
std::optional<path_pattern> parse_path_pattern(std::string_view text, std::string& why);

// True if `text` is an absolute path in the normal form that routes are matched against: no dot segments, nothing
// percent-encoded that need not be, no query (RFC 3986 section 6.2.2).
bool check_path(std::string_view text, std::string& why);

// The same with {scheme}, {host} and {port} allowed.
bool check_rewrite_target(std::string_view text, std::string& why);

// True if `text` is a path and perhaps a query that can be asked for as they are (RFC 9112 section 3.2.1): what a route
// would compare differs from it, such as dot segments, is allowed.
bool check_request_target(std::string_view text, std::string& why);

// What ends in a slash would not meet the rest of a path, which begins with one.
bool check_no_final_slash(std::string_view text, std::string& why);

// True if `path` is `prefix` or lies below it by whole segments; "/" and a prefix that ends in one are before all
// below.
bool is_path_prefix(std::string_view prefix, std::string_view path);

}  // namespace weir::conf
