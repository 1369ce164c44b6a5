// Reads one HTTP/1.1 response piece by piece and compares its content with what it has to be, or only counts it. It
// knows a length, chunks, and content up to the close; interim responses are passed over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "content.hpp"

namespace bench {

// What a response of status 200 has to say.
struct expectation {
    pattern made_of;
    std::size_t size = 0;
    std::string literal;          // if not empty: this instead of the pattern
    bool anything = false;        // instead of both: any content, any status of 2xx
    std::string* kept = nullptr;  // where content goes of which anything is right; it must outlive the response
};

class response_reader {
  public:
    void start(expectation expected);
    void feed(std::string_view input);
    // The peer has closed.
    void end();

    bool complete() const { return at_ == place::done; }  // by its own framing, whatever it says
    bool garbled() const { return at_ == place::bad; }
    bool begun() const { return begun_; }
    bool has_head() const { return status_ != 0; }
    // Complete, of the size expected, and every byte what it has to be.
    bool right() const {
        if (expected_.anything) return complete() && status_ / 100 == 2;
        return complete() && status_ == 200 && !mismatch_ && content_bytes_ == expected_size();
    }
    // A byte of content was not what it has to be, or there were more of them.
    bool mismatch() const { return status_ == 200 && mismatch_; }
    int status() const { return status_; }
    std::size_t content_bytes() const { return content_bytes_; }
    bool keeps_connection() const { return keep_; }
    bool has_retry_after() const { return retry_after_; }
    // The values of Set-Cookie.
    const std::vector<std::string>& cookies() const { return cookies_; }

  private:
    enum class place : std::uint8_t { head, length, chunk_size, chunk, chunk_end, trailers, until_close, done, bad };

    std::size_t expected_size() const { return expected_.literal.empty() ? expected_.size : expected_.literal.size(); }
    void read_head(std::string_view head);
    void read_field(std::string_view name, std::string_view value);
    void read_line(std::string_view line);
    void take(std::string_view part);
    // The next line without its end, if it is here whole.
    std::optional<std::string_view> line(std::string_view& input);

    expectation expected_;
    place at_ = place::head;
    std::string unread_;
    std::string taken_line_;
    std::vector<std::string> cookies_;
    std::size_t left_ = 0;
    std::size_t content_bytes_ = 0;
    int status_ = 0;
    bool begun_ = false;
    bool keep_ = true;
    bool chunked_ = false;
    bool has_length_ = false;
    bool retry_after_ = false;
    bool mismatch_ = false;
};

}  // namespace bench
