// The gzip coding, for clients that do not take what is stored with it (RFC 9110 section 8.4.1.3).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/head.hpp"

namespace weir::cache {

// Does a request's Accept-Encoding say that gzip is welcome (RFC 9110 section 12.5.3)? Without one it is not: clients
// that do not know codings do not send it. Does not allocate.
bool takes_gzip(const http::field_list& request);

bool is_gzip(std::string_view bytes);  // by its first bytes

// Nothing for what is damaged, cut, more than one member, or longer than `max_bytes` when inflated; takes no more
// memory than twice that. Blocks: some 3 ms a megabyte.
std::optional<std::string> gunzip(std::string_view bytes, std::size_t max_bytes);

}  // namespace weir::cache
