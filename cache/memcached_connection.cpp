#include "cache/memcached_connection.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

namespace weir::cache {
namespace {

// The parts of a request: its line, data, and the line end of that.
constexpr std::size_t most_parts = 3;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

}  // namespace

void memcached_connection::begin_call(clock::time_point deadline) {
    deadline_ = deadline;
    fault_ = memcached_fault::none;
    has_ended_ = false;
}

void memcached_connection::close() {
    if (is_open()) ::close(descriptor_);
    descriptor_ = -1;
    begin_ = end_ = 0;
    is_cut_ = false;
}

bool memcached_connection::open() {
    close();
    if ((server_.unix_path.empty() ? connect_to_host() : connect_to_unix()) && greet()) return true;
    if (fault_ != memcached_fault::timed_out) fault_ = memcached_fault::unreachable;
    close();
    return false;
}

bool memcached_connection::connect_to_unix() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (server_.unix_path.size() >= sizeof address.sun_path) return fail_connection(ENAMETOOLONG);
    std::ranges::copy(server_.unix_path, address.sun_path);
    return connect(reinterpret_cast<const sockaddr*>(&address), sizeof address, deadline_);
}

// Tries all addresses, each for its share of the time: one of them may lead nowhere.
bool memcached_connection::connect_to_host() {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int code = ::getaddrinfo(server_.host.c_str(), std::to_string(server_.port).c_str(), &hints, &found);
    if (code != 0) return fail(memcached_fault::unreachable, ::gai_strerror(code));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
    int left = 0;
    for (const auto* one = found; one; one = one->ai_next) ++left;
    for (const auto* one = found; one; one = one->ai_next, --left) {
        const auto now = clock::now();
        if (!connect(one->ai_addr, one->ai_addrlen, now + (deadline_ - now) / left)) continue;
        fault_ = memcached_fault::none;
        const int on = 1;
        ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        return true;
    }
    return false;
}

bool memcached_connection::connect(const sockaddr* address, unsigned length, clock::time_point limit) {
    close();
    descriptor_ = ::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!is_open()) return fail_connection(errno);
    if (::connect(descriptor_, address, length) == 0) return true;
    if (errno != EINPROGRESS) return fail_connection(errno);
    if (wait(POLLOUT, limit) == 0) return false;
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &code, &size);
    return code == 0 || fail_connection(code);
}

bool memcached_connection::greet() {
    constexpr std::string_view question = "version\r\n";
    constexpr std::string_view answer = "VERSION ";
    std::string_view line;
    if (!write({&question, 1}) || !read_line(line)) return false;
    if (is_in_step() && line.starts_with(answer) && line.size() > answer.size() && is_digit(line[answer.size()])) {
        return true;
    }
    return fail(memcached_fault::unreachable, "it does not greet like a memcached");
}

bool memcached_connection::is_quiet() const {
    char one = 0;
    return ::recv(descriptor_, &one, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool memcached_connection::write(std::span<const std::string_view> parts) {
    std::array<iovec, most_parts> pieces{};
    std::size_t left = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        pieces[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
        left += parts[i].size();
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = parts.size();
    is_cut_ = true;
    while (left > 0) {
        if (!has_time()) return false;
        const auto sent = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            const short ready = wait(POLLIN | POLLOUT, deadline_);
            if (ready == 0) return false;
            if ((ready & POLLIN) != 0 && !fill()) return was_answered();
            if (has_line() && !has_come().starts_with("SERVER_ERROR")) return true;
        } else if (sent < 0 && errno != EINTR) {
            const int code = errno;
            fill();
            fail_connection(code);
            return was_answered();
        } else if (sent > 0) {
            left -= static_cast<std::size_t>(sent);
            for (auto taken = static_cast<std::size_t>(sent); taken > 0;) {
                iovec& first = *message.msg_iov;
                const auto part = std::min(taken, first.iov_len);
                first.iov_base = static_cast<char*>(first.iov_base) + part;
                first.iov_len -= part;
                taken -= part;
                if (first.iov_len > 0) break;
                ++message.msg_iov;
                --message.msg_iovlen;
            }
        }
    }
    is_cut_ = false;
    return true;
}

// Of a request that cannot be sent to its end: the server may have said why before it ended the connection.
bool memcached_connection::was_answered() {
    if (!has_line()) return false;
    begin_call(deadline_);
    return true;
}

bool memcached_connection::read_line(std::string_view& line) {
    for (std::size_t seen = 0;;) {
        const auto come = has_come();
        const auto end = come.find('\n', seen);
        if (end < longest_line) {
            if (end == 0 || come[end - 1] != '\r') return fail(memcached_fault::broken, "a line without its end");
            line = come.substr(0, end - 1);
            begin_ += end + 1;
            return true;
        }
        if (come.size() >= longest_line) return fail(memcached_fault::broken, "a line that is too long");
        seen = come.size();
        if (!fill()) return false;
    }
}

bool memcached_connection::read_data(std::string& data, std::uint64_t size) {
    // A usual value is allocated at once, and a larger one as it comes: the server may only say that it is large.
    constexpr std::uint64_t most_ahead = conf::mebibyte;
    constexpr std::string_view line_end = "\r\n";
    data.clear();
    for (std::size_t have = 0; have < size;) {
        if (have == data.size()) data.resize(std::min(size, have + most_ahead));
        char* const to = data.data() + have;
        const auto room = data.size() - have;
        if (begin_ == end_ && room >= buffer_.size()) {
            const auto got = receive(to, room);
            if (got == 0) return false;
            have += got;
        } else {
            if (begin_ == end_ && !fill()) return false;
            const auto part = std::min(room, end_ - begin_);
            std::memcpy(to, buffer_.data() + begin_, part);
            begin_ += part;
            have += part;
        }
    }
    while (end_ - begin_ < line_end.size()) {
        if (!fill()) return false;
    }
    const bool ends = has_come().starts_with(line_end);
    begin_ += line_end.size();
    return ends || fail(memcached_fault::broken, "a value of another length");
}

// Reads on into the buffer.
bool memcached_connection::fill() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    if (end_ == buffer_.size()) return fail(memcached_fault::broken, "more than an answer");
    const auto more = receive(buffer_.data() + end_, buffer_.size() - end_);
    end_ += more;
    return more > 0;
}

// How much came; 0: it failed.
std::size_t memcached_connection::receive(char* to, std::size_t size) {
    while (has_time()) {
        const auto got = ::recv(descriptor_, to, size, 0);
        if (got > 0) return static_cast<std::size_t>(got);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (wait(POLLIN, deadline_) == 0) return 0;
        } else if (got == 0 || errno != EINTR) {
            fail_connection(got == 0 ? 0 : errno);
            return 0;
        }
    }
    return 0;
}

// What is ready; 0: it failed.
short memcached_connection::wait(short events, clock::time_point limit) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(limit - clock::now()).count();
        if (left <= 0) {
            fail(memcached_fault::timed_out, "no answer in time");
            return 0;
        }
        pollfd one{descriptor_, events, 0};
        const int ready = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, INT_MAX)));
        if (ready > 0) return one.revents;
        if (ready < 0 && errno != EINTR) {
            fail_connection(errno);
            return 0;
        }
    }
}

bool memcached_connection::has_time() {
    return clock::now() < deadline_ || fail(memcached_fault::timed_out, "no answer in time");
}

// `code`: of the system; 0: the server closed it.
bool memcached_connection::fail_connection(int code) {
    has_ended_ = true;
    return fail(memcached_fault::broken, code == 0 ? "the server closed the connection" : std::strerror(code));
}

bool memcached_connection::fail(memcached_fault what, std::string_view why) {
    constexpr std::size_t longest = 200;
    fault_ = what;
    error_.assign(why.substr(0, longest));
    std::ranges::replace_if(
        error_, [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, ' ');
    return false;
}

}  // namespace weir::cache
