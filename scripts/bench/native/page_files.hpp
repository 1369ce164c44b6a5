// What a browser loads with a page.
#pragma once

#include <string>
#include <vector>

#include "url.hpp"

namespace bench {

// The files on the same host that a page of HTML names, each once, in their order: img and script by src, link by href
// if it is a style sheet, an icon or preloaded. No files of style sheets, and nothing that a script would ask for.
std::vector<url> files_of(const url& page, const std::string& html);

}  // namespace bench
