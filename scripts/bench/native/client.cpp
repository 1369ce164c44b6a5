#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace bench {

int connect_to(std::uint16_t port, int receive_buffer) {
    static std::uint32_t turn = 0;
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -1;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (receive_buffer > 0) ::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % 8);
    bool under_way = ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    under_way = under_way && (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
                              errno == EINPROGRESS);
    if (under_way) return descriptor;
    ::close(descriptor);
    return -1;
}

void abandon(int descriptor) {
    if (descriptor < 0) return;
    const linger at_once{1, 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(descriptor);
}

request make_get(std::string kind, const std::string& target, std::size_t expected_size) {
    return {std::move(kind),
            "GET " + target + " HTTP/1.1\r\nHost: bench\r\n\r\n",
            {pattern(target), expected_size, {}},
            {}};
}

request make_post(std::string kind, const std::string& target, const std::string& content) {
    return {std::move(kind),
            "POST " + target +
                " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                std::to_string(content.size()) + "\r\n\r\n" + content,
            {{}, 0, answer_to_post(content.size(), sha256(content))},
            {}};
}

std::string answer_to_post(std::size_t size, const std::string& sha256_of_content) {
    return std::to_string(size) + " " + sha256_of_content + "\n";
}

const char* to_string(outcome result) {
    static constexpr std::array<const char*, outcomes> names = {"right",  "wrong",   "status",  "cut",
                                                                "closed", "garbled", "refused", "timeout"};
    return names[static_cast<std::size_t>(result)];
}

outcome judge(const response_reader& response) {
    if (response.garbled()) return outcome::garbled;
    if (!response.begun()) return outcome::closed;
    if (response.mismatch()) return outcome::wrong;
    if (!response.complete()) return outcome::cut;
    if (response.right()) return outcome::right;
    return response.status() == 200 ? outcome::wrong : outcome::status;
}

client::client(loop& runs, std::uint16_t port, clock::duration timeout, finished on_finished)
    : loop_(runs), port_(port), timeout_(timeout), on_finished_(std::move(on_finished)) {}

client::~client() {
    disconnect();
}

void client::disconnect() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void client::start(request what) {
    request_ = std::move(what);
    reader_.start(request_.expected);
    sent_ = 0;
    busy_ = true;
    loop_.wake(*this, clock::now() + timeout_);
    if (socket_ < 0) {
        socket_ = connect_to(port_);
        if (socket_ < 0) return finish(outcome::refused);
        loop_.watch(socket_, *this);
    }
    send();
}

// False when the connection has ended for it.
bool client::send() {
    while (sent_ < request_.bytes.size()) {
        const ssize_t count =
            ::send(socket_, request_.bytes.data() + sent_, request_.bytes.size() - sent_, MSG_NOSIGNAL);
        if (count > 0) {
            sent_ += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN || errno == ENOTCONN) {
            return true;
        } else if (errno == ECONNREFUSED) {
            finish(outcome::refused);
            return false;
        } else {
            return true;  // broken on the way: what it said before is still to be read
        }
    }
    return true;
}

void client::receive() {
    static std::array<char, 64 * 1024> buffer;
    for (;;) {
        const ssize_t count = ::recv(socket_, buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
        if (count <= 0) {
            const bool refused = count < 0 && errno == ECONNREFUSED;
            if (!busy_) return disconnect();  // a kept connection that weir no longer wants
            // A reset takes nothing back of what came before, but a response that only the close would end is not
            // whole.
            if (count == 0) reader_.end();
            return finish(refused ? outcome::refused : judge(reader_));
        }
        if (!busy_) return disconnect();  // said without being asked
        reader_.feed({buffer.data(), static_cast<std::size_t>(count)});
        if (reader_.garbled() || reader_.complete()) return finish(judge(reader_));
    }
}

void client::on_ready() {
    if (socket_ < 0) return;
    if (busy_ && !send()) return;
    receive();
}

void client::on_time() {
    if (busy_) finish(reader_.mismatch() ? outcome::wrong : outcome::timeout);
}

void client::finish(outcome result) {
    busy_ = false;
    idle_since_ = clock::now();
    loop::let_sleep(*this);
    const bool whole = result == outcome::right || result == outcome::status || result == outcome::wrong;
    if (!whole || !reader_.complete() || !reader_.keeps_connection()) {
        if (socket_ >= 0) abandon(std::exchange(socket_, -1));
    }
    on_finished_(*this, result);
}

}  // namespace bench
