// HTTP/1.1 messages over a blocking socket, with a time limit, for both ends of the differential test. Forgets what was
// taken, unlike the connections of other tests: millions of messages pass here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::differential {

// How reading ended. closed: without a single byte.
enum class read_end { whole, closed, cut, late, garbled };
std::string_view text(read_end end);

struct message {
    std::string head;  // as received
    std::string start_line;
    std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
    std::string content;
    unsigned status = 0;  // of a response

    // All values joined by ", ".
    std::string value(std::string_view name) const;
    bool has(std::string_view name) const;
};

class wire {
  public:
    explicit wire(int descriptor = -1) : descriptor_(descriptor) {}
    ~wire() { close(); }
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;

    // Throws std::system_error.
    void connect(std::uint16_t port);
    bool is_open() const { return descriptor_ >= 0; }
    void limit_reads(int seconds);
    void close();
    void reset();

    // False where the peer is gone.
    bool send(std::string_view bytes);
    // The whole request.
    read_end read_request(message& to);
    // A final response. Reading stops, with `whole`, after `most` bytes of content.
    read_end read_response(message& to, bool to_head_request, std::size_t most = SIZE_MAX);

  private:
    read_end fill();
    read_end read_head(message& to);
    read_end read_length(std::string& to, std::size_t length, std::size_t most);
    read_end read_chunks(std::string& to, std::size_t most);
    read_end read_line(std::string& to);

    int descriptor_;
    std::string unread_;
    std::size_t taken_ = 0;
};

// A listening socket on 127.0.0.1 and its port.
std::pair<int, std::uint16_t> listen_anywhere();

}  // namespace weir::differential
