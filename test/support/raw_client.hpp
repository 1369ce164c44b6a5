// A client that sends exactly the bytes it is given.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "test/support/connection.hpp"
#include "test/support/message.hpp"

namespace weir::test {

class raw_client {
  public:
    explicit raw_client(std::uint16_t port, const std::string& host = "127.0.0.1")
        : stream_(connection::to_tcp(host, port)) {}
    explicit raw_client(connection stream) : stream_(std::move(stream)) {}
    static raw_client to_unix(const std::string& path) { return raw_client(connection::to_unix(path)); }

    void send(std::string_view bytes) { stream_.send(bytes); }
    response read_response(std::string_view method = "GET") { return test::read_response(stream_, method); }
    // Sends one request and reads its whole response. The method is read from the request.
    response ask(std::string_view bytes) {
        stream_.send(bytes);
        return test::read_response(stream_, bytes.substr(0, bytes.find(' ')));
    }
    response ask_get(std::string_view target, std::string_view fields = "") { return ask(get(target, fields)); }

    // Waits until the peer has ended the connection: what still came before that. A connection that stays open is a
    // timed_out.
    std::string rest_until_closed() { return stream_.take_to_end().bytes; }
    connection& stream() { return stream_; }

  private:
    connection stream_;
};

}  // namespace weir::test
