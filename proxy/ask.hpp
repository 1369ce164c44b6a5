// One small HTTP/1.1 exchange on a connection of its own, with one time limit for all of it: what health checks and
// `weir ctl` need. Away from the path of a request, so Beast's stock client code does. What the peer sends is bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "balancer/endpoint.hpp"
#include "proxy/asio_awaitable.hpp"

namespace weir::proxy {

struct question {
    balancer::address_list to;  // tried in order, until one takes the connection; a unix socket with a full queue again
    std::string request;        // sent at once upon connection; asks for `Connection: close`
    std::chrono::milliseconds timeout;
    // Content that is wanted; more is a fault. 0: none is, a little is read and dropped.
    std::size_t max_content_bytes = 0;
};

struct reply {
    std::string fault;    // what went wrong, such as "connection refused"; empty: a whole head came, and the content
    unsigned status = 0;  // of the final response
    std::string content;
    // The errno with which this machine could give no descriptor or memory (see shortage.hpp): the fault is not the
    // peer's. 0: it did.
    int shortage = 0;
};

// Ends within `timeout` of its start, whatever the peer does.
asio_awaitable<reply> ask(question what);

// The same, for who has no loop.
reply ask_and_wait(question what);

// Connects and closes: empty if that went well, else why not. Waits.
std::string connect_and_wait(balancer::address_list to, std::chrono::milliseconds timeout);

}  // namespace weir::proxy
