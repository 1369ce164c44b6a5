// Under which key of memcached an application may have put the page that answers a request (memcached_pages).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conf/settings.hpp"

namespace weir::proxy {

// The key: `pages.key` with `host`, which is normalised already, and path and query of `target` as the client spelt
// them (an absence of query is empty, and so is the question mark). Nothing where that is no key for memcached (see
// cache::is_page_key), and for a target with a query that the key does not name: the page without it is another. Pure.
std::optional<std::string> page_key(const conf::page_settings& pages, std::string_view scheme, std::string_view host,
                                    std::string_view target);

}  // namespace weir::proxy
