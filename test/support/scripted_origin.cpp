#include "test/support/scripted_origin.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace weir::test {
namespace {

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void allow_reuse(int descriptor, bool reuse) {
    const int value = reuse;
    if (::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value) != 0) throw_errno("SO_REUSEADDR");
}

// A socket bound to `port` of 127.0.0.1, or for 0 to a free one.
int bind_tcp(std::uint16_t& port, bool reuse = false) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) throw_errno("socket");
    allow_reuse(descriptor, reuse);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw_errno("bind");
    socklen_t size = sizeof address;
    ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return descriptor;
}

int bind_unix(const std::string& path) {
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) throw_errno("socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw std::invalid_argument("path too long for a unix socket: " + path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw_errno("bind");
    return descriptor;
}

}  // namespace

origin_connection::origin_connection(scripted_origin& origin, unsigned number, int descriptor)
    : origin_(origin), number_(number), stream_(descriptor) {
    stream_.wait_for_ever();
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

request origin_connection::read_request_head() {
    auto head = test::read_request_head(stream_);
    head.connection = number_;
    const std::lock_guard hold(origin_.lock_);
    origin_.seen_.push_back(head);
    origin_.changed_.notify_all();
    return head;
}

request origin_connection::read_request() {
    auto whole = test::read_request(stream_);
    whole.connection = number_;
    const std::lock_guard hold(origin_.lock_);
    origin_.seen_.push_back(whole);
    origin_.changed_.notify_all();
    return whole;
}

void origin_connection::reset() {
    const std::lock_guard hold(closing_);
    stream_.reset();
}

void origin_connection::close() {
    const std::lock_guard hold(closing_);
    stream_.close();
}

scripted_origin::scripted_origin(script run, const std::string& unix_path)
    : script_(std::move(run)), unix_path_(unix_path) {
    listener_ = unix_path.empty() ? bind_tcp(port_, true) : bind_unix(unix_path);
    address_ = unix_path.empty() ? "127.0.0.1:" + std::to_string(port_) : "unix:" + unix_path;
    if (::listen(listener_, 512) != 0) throw_errno("listen");
    acceptor_ = std::thread([this] { accept_all(); });
}

scripted_origin::~scripted_origin() {
    end();
    if (listener_ >= 0) ::close(listener_);
    for (auto& one : connections_) one->thread_.join();
}

scripted_origin::script scripted_origin::answering(answer with) {
    return [with = std::move(with)](origin_connection& one) {
        for (;;) one.send(with(one.read_request()));
    };
}

scripted_origin::script scripted_origin::answering(std::string bytes) {
    return answering([bytes = std::move(bytes)](const request&) { return bytes; });
}

void scripted_origin::stop() {
    end();
    if (listener_ >= 0 || !unix_path_.empty()) return;
    // Kept, so that no other process gets the port, which a test goes on to ask. Connections that were accepted have
    // it, too.
    listener_ = bind_tcp(port_, true);
    allow_reuse(listener_, false);
}

void scripted_origin::end() {
    if (stopping_.exchange(true)) return;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(std::exchange(listener_, -1));
    if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
    const std::lock_guard hold(lock_);
    for (auto& one : connections_) {
        const std::lock_guard closing(one->closing_);
        if (one->stream_.is_open()) one->stream_.shut_down();
    }
}

void scripted_origin::accept_all() {
    for (;;) {
        pollfd waiting{listener_, POLLIN, 0};
        if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) return;
        if (stopping_) return;
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) continue;
        const std::lock_guard hold(lock_);
        const auto number = static_cast<unsigned>(connections_.size());
        connections_.emplace_back(new origin_connection(*this, number, descriptor));
        auto& one = *connections_.back();
        one.thread_ = std::thread([this, &one] { run(one); });
        changed_.notify_all();
    }
}

void scripted_origin::run(origin_connection& one) {
    std::string fault;
    try {
        script_(one);
    } catch (const connection_ended&) {
        // The proxy closed it, or the test is over.
    } catch (const std::exception& thrown) {
        fault = thrown.what();
    }
    one.close();
    const std::lock_guard hold(lock_);
    if (!fault.empty() && !stopping_) faults_ += "connection " + std::to_string(one.number()) + ": " + fault + '\n';
    ++ended_;
    changed_.notify_all();
}

void scripted_origin::wait_for(const std::function<bool()>& condition, const char* what) const {
    std::unique_lock hold(lock_);
    if (changed_.wait_for(hold, patience, condition)) return;
    throw timed_out(std::string("an origin waits for ") + what + "; it saw " + std::to_string(connections_.size()) +
                    " connections, " + std::to_string(ended_) + " ended, " + std::to_string(seen_.size()) +
                    " requests. " + faults_);
}

void scripted_origin::wait_for_ended(unsigned count) const {
    wait_for([&] { return ended_ >= count; }, "the end of connections");
}

void scripted_origin::wait_for_requests(std::size_t count) const {
    wait_for([&] { return seen_.size() >= count; }, "requests");
}

void scripted_origin::wait_for_connections(unsigned count) const {
    wait_for([&] { return connections_.size() >= count; }, "connections");
}

unsigned scripted_origin::connections() const {
    const std::lock_guard hold(lock_);
    return static_cast<unsigned>(connections_.size());
}

unsigned scripted_origin::ended() const {
    const std::lock_guard hold(lock_);
    return ended_;
}

std::size_t scripted_origin::requests() const {
    const std::lock_guard hold(lock_);
    return seen_.size();
}

std::vector<request> scripted_origin::seen() const {
    const std::lock_guard hold(lock_);
    return seen_;
}

request scripted_origin::last() const {
    const std::lock_guard hold(lock_);
    if (seen_.empty()) throw std::logic_error("the origin saw no request");
    return seen_.back();
}

std::string scripted_origin::faults() const {
    const std::lock_guard hold(lock_);
    return faults_;
}

refusing_port::refusing_port() : descriptor_(bind_tcp(port_)) {}

refusing_port::~refusing_port() {
    ::close(descriptor_);
}

// A queue of 0 holds one.
deaf_port::deaf_port() : descriptor_(bind_tcp(port_)) {
    if (::listen(descriptor_, 0) != 0) throw_errno("listen");
    waiting_.push_back(connection::to_tcp("127.0.0.1", port_));
}

deaf_port::~deaf_port() {
    ::close(descriptor_);
}

}  // namespace weir::test
