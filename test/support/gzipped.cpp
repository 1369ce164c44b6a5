#include "test/support/gzipped.hpp"

#include <zlib.h>

#include <new>
#include <stdexcept>

namespace weir::test {

std::string gzipped(std::string_view text) {
    z_stream stream{};
    constexpr int as_gzip = 16 + MAX_WBITS;
    constexpr int usual_memory = 8;
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, as_gzip, usual_memory, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::bad_alloc();
    }
    std::string coded(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(coded.data());
    stream.avail_out = static_cast<uInt>(coded.size());
    const int result = deflate(&stream, Z_FINISH);
    coded.resize(stream.total_out);
    deflateEnd(&stream);
    if (result != Z_STREAM_END) throw std::logic_error("deflateBound was too small");
    return coded;
}

}  // namespace weir::test
