// Media types by file name, for content whose origin gives none.
#pragma once

#include <string_view>

namespace weir::cache {

// By the extension of the last segment of `path` (without query), whatever its case; HTML where the segment is empty or
// has no dot, as pages mostly have; application/octet-stream for an extension that is not known. Texts count as UTF-8.
// Static; pure.
std::string_view media_type_of(std::string_view path);

}  // namespace weir::cache
