#include "proxy/page_key.hpp"

#include <algorithm>

#include "cache/memcached_page.hpp"

namespace weir::proxy {

std::optional<std::string> page_key(const conf::page_settings& pages, std::string_view scheme, std::string_view host,
                                    std::string_view target) {
    using piece = conf::page_settings::piece;
    const std::size_t mark = std::min(target.find('?'), target.size());
    const bool names_query = std::any_of(pages.key.begin(), pages.key.end(),
                                         [](const piece& part) { return part.what == piece::kind::query; });
    if (!names_query && mark + 1 < target.size()) return std::nullopt;
    std::string key;
    for (const piece& part : pages.key) {
        switch (part.what) {
            case piece::kind::literal:
                key += part.text;
                break;
            case piece::kind::scheme:
                key += scheme;
                break;
            case piece::kind::host:
                key += host;
                break;
            case piece::kind::path:
                key += target.substr(0, mark);
                break;
            case piece::kind::query:
                key += target.substr(std::min(mark + 1, target.size()));
                break;
        }
    }
    return cache::is_page_key(key) ? std::optional(std::move(key)) : std::nullopt;
}

}  // namespace weir::proxy
