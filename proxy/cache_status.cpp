#include "proxy/cache_status.hpp"

namespace weir::proxy {

void append_cache_status(const cache_status& status, std::string& fields) {
    fields += "Cache-Status: weir";
    if (status.hit) {
        fields += "; hit";
    } else {
        fields += "; fwd=";
        fields += status.forwarded;
    }
    if (status.forwarded_status != 0) fields.append("; fwd-status=").append(std::to_string(status.forwarded_status));
    if (status.stored) fields += "; stored";
    if (status.ttl) fields.append("; ttl=").append(std::to_string(status.ttl->count()));
    if (status.collapsed) fields += "; collapsed";
    if (!status.detail.empty()) fields.append("; detail=").append(status.detail);
    fields += "\r\n";
}

}  // namespace weir::proxy
