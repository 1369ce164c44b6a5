#include "test/differential/wire.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

namespace weir::differential {
namespace {

std::optional<std::size_t> number(std::string_view text, int base) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

sockaddr_in local(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

std::string_view text(read_end end) {
    switch (end) {
        case read_end::whole:
            return "whole";
        case read_end::closed:
            return "closed without a byte";
        case read_end::cut:
            return "cut";
        case read_end::late:
            return "nothing came for long";
        default:
            return "garbled";
    }
}

std::string message::value(std::string_view name) const {
    std::string joined;
    for (const auto& [one, its] : fields) {
        if (one == name) joined += (joined.empty() ? "" : ", ") + its;
    }
    return joined;
}

bool message::has(std::string_view name) const {
    return std::any_of(fields.begin(), fields.end(), [&](const auto& one) { return one.first == name; });
}

std::pair<int, std::uint16_t> listen_anywhere() {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = local(0);
    socklen_t size = sizeof address;
    if (made < 0 || ::bind(made, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(made, 1024) != 0 ||
        ::getsockname(made, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw_errno("listen");
    return {made, ntohs(address.sin_port)};
}

void wire::connect(std::uint16_t port) {
    close();
    descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = local(port);
    if (descriptor_ < 0 || ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw_errno("connect");
    const int on = 1;
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void wire::limit_reads(int seconds) {
    const timeval limit{seconds, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void wire::close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    unread_.clear();
    taken_ = 0;
}

void wire::reset() {
    const linger at_once{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
}

bool wire::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

read_end wire::fill() {
    if (taken_ == unread_.size()) {
        unread_.clear();
        taken_ = 0;
    } else if (taken_ > 65536) {
        unread_.erase(0, taken_);
        taken_ = 0;
    }
    const std::size_t had = unread_.size();
    unread_.resize(had + 65536);
    ssize_t got = 0;
    do {
        got = ::recv(descriptor_, unread_.data() + had, 65536, 0);
    } while (got < 0 && errno == EINTR);
    unread_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got > 0) return read_end::whole;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? read_end::late : read_end::cut;
}

read_end wire::read_head(message& to) {
    to = {};
    std::size_t end = 0;
    while ((end = unread_.find("\r\n\r\n", taken_)) == unread_.npos) {
        const auto got = fill();
        if (got == read_end::cut && taken_ == unread_.size()) return read_end::closed;
        if (got != read_end::whole) return got;
    }
    to.head = unread_.substr(taken_, end + 4 - taken_);
    taken_ = end + 4;
    std::string_view rest = std::string_view(to.head).substr(0, to.head.size() - 2);
    for (bool first = true; !rest.empty(); first = false) {
        const auto line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(line.size() + 2);
        if (first) {
            to.start_line = line;
            continue;
        }
        const auto colon = line.find(':');
        if (colon == line.npos) return read_end::garbled;
        std::string name(line.substr(0, colon));
        for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        auto value = line.substr(colon + 1);
        while (value.starts_with(' ')) value.remove_prefix(1);
        to.fields.emplace_back(std::move(name), value);
    }
    return read_end::whole;
}

read_end wire::read_length(std::string& to, std::size_t length, std::size_t most) {
    std::size_t left = length;
    while (left > 0 && to.size() < most) {
        if (taken_ == unread_.size()) {
            if (const auto got = fill(); got != read_end::whole) return got;
        }
        const std::size_t some = std::min(left, unread_.size() - taken_);
        to.append(unread_, taken_, some);
        taken_ += some;
        left -= some;
    }
    return read_end::whole;
}

read_end wire::read_line(std::string& to) {
    std::size_t end = 0;
    while ((end = unread_.find("\r\n", taken_)) == unread_.npos) {
        if (const auto got = fill(); got != read_end::whole) return got;
    }
    to = unread_.substr(taken_, end - taken_);
    taken_ = end + 2;
    return read_end::whole;
}

read_end wire::read_chunks(std::string& to, std::size_t most) {
    std::string line;
    while (to.size() < most) {
        if (const auto got = read_line(line); got != read_end::whole) return got;
        const auto size = number(std::string_view(line).substr(0, line.find(';')), 16);
        if (!size) return read_end::garbled;
        if (*size == 0) break;
        if (const auto got = read_length(to, *size, most); got != read_end::whole) return got;
        if (to.size() >= most) return read_end::whole;
        if (const auto got = read_line(line); got != read_end::whole) return got;
        if (!line.empty()) return read_end::garbled;
    }
    do {  // trailers
        if (const auto got = read_line(line); got != read_end::whole) return got;
    } while (!line.empty());
    return read_end::whole;
}

read_end wire::read_request(message& to) {
    if (const auto got = read_head(to); got != read_end::whole) return got;
    if (to.value("transfer-encoding") == "chunked") return read_chunks(to.content, SIZE_MAX);
    if (!to.has("content-length")) return read_end::whole;
    const auto length = number(to.value("content-length"), 10);
    return length ? read_length(to.content, *length, SIZE_MAX) : read_end::garbled;
}

read_end wire::read_response(message& to, bool to_head_request, std::size_t most) {
    do {
        if (const auto got = read_head(to); got != read_end::whole) return got;
        const auto status = to.start_line.size() < 12 ? std::nullopt : number(to.start_line.substr(9, 3), 10);
        if (!to.start_line.starts_with("HTTP/1.1 ") || !status) return read_end::garbled;
        to.status = static_cast<unsigned>(*status);
    } while (to.status < 200);
    if (to_head_request || to.status == 204 || to.status == 304) return read_end::whole;
    if (to.value("transfer-encoding") == "chunked") return read_chunks(to.content, most);
    const auto length = number(to.value("content-length"), 10);  // every response is framed by either
    return length ? read_length(to.content, *length, most) : read_end::garbled;
}

}  // namespace weir::differential
