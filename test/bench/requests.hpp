// Requests to try a cache with: read from a trace, or drawn from a Zipf distribution.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace weir::bench {

struct request {
    std::uint64_t id;     // of what is asked for
    std::uint64_t bytes;  // its size, at least 1
};

struct request_list {
    std::string name;
    std::vector<request> requests;
};

enum class trace_form { detect, text, binary };

// Text: "time id size" a line. Binary: little-endian 32-bit ids, each of size 1. Throws std::runtime_error, which says
// what is wrong with it.
request_list read_trace(std::istream& in, trace_form form, const std::string& name);

struct zipf_parameters {
    std::uint64_t objects = 0;   // how many things can be asked for
    double skew = 0;             // the n-th most popular one is asked for in proportion to n to the power of -skew
    std::uint64_t requests = 0;  // how many
    std::uint64_t seed = 0;
};
// "OBJECTS,SKEW,REQUESTS,SEED"; throws std::runtime_error.
zipf_parameters parse_zipf(const std::string& text);
// The same parameters give the same requests everywhere. Sizes are as on a site with pages and pictures, whatever their
// popularity: six in ten 1 to 8 KiB, three 8 to 64 KiB, one 64 to 512 KiB.
request_list draw_zipf(const zipf_parameters& parameters);

}  // namespace weir::bench
