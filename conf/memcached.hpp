// `memcached` of the cache, and `memcached_pages` of a route.
#pragma once

#include "conf/reader.hpp"
#include "conf/settings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

// The server that `text` writes: "host:port", "host", "[::1]:11211" or "unix:/path". Its host stays as it is spelt,
// since the ring is made of it; `identity` is the same for every spelling of one server. Nothing, and `why` says what
// is wrong and what would be right, if it is none. Pure.
std::optional<memcached_server_address> parse_memcached_server(std::string_view text, std::string& identity,
                                                               std::string& why);

// The pieces of "page:{host}{path}". Nothing, and `why`, for what page_settings::key does not allow. Pure.
std::optional<std::vector<page_settings::piece>> parse_page_key(std::string_view text, std::string& why);

// The text that parse_page_key reads as `key`.
std::string template_text(const std::vector<page_settings::piece>& key);

void read_memcached(mapping_reader& from, memcached_settings& out);
void read_page_settings(mapping_reader& from, page_settings& out);

}  // namespace weir::conf
