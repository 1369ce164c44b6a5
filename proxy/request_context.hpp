// What a client connection needs while it has a request, and borrows from its worker for that time: an idle connection
// holds none of it.
#pragma once

#include <memory>
#include <string>

#include "proxy/http/head.hpp"
#include "proxy/rate_floor.hpp"
#include "proxy/read_buffer.hpp"

namespace weir::proxy {

class page_wait;

struct request_context {
    read_buffer buffer;
    http::request_head head;  // refers to buffer
    std::string host;         // normalised
    std::string path;         // normalised, for the routes
    std::string key;          // of the cache
    std::string request_id;
    std::string out;                  // the head of the response
    std::shared_ptr<page_wait> page;  // while memcached is asked for one
    rate_floor receiving_rate;
    rate_floor sending_rate;

    // For a free_list: strings and vectors keep their capacity.
    bool clear_for_reuse() {
        head.clear();
        page.reset();
        receiving_rate = sending_rate = {};
        return buffer.clear_for_reuse() && out.capacity() <= 64 * 1024 && key.capacity() <= 64 * 1024;
    }
};

}  // namespace weir::proxy
