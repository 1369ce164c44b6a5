// Text in the gzip coding.
#pragma once

#include <string>
#include <string_view>

namespace weir::test {

std::string gzipped(std::string_view text);

}  // namespace weir::test
