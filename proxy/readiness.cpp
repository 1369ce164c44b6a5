#include "proxy/readiness.hpp"

#include <algorithm>
#include <exception>
#include <new>

#include "proxy/http/wake_batch.hpp"
#include "proxy/log.hpp"

namespace weir::proxy {

readiness::readiness(asio::io_context& context)
    : asio::execution_context::service(context), set_(std::in_place, context, ::epoll_create1(EPOLL_CLOEXEC)) {}

void readiness::shutdown() {
    set_.reset();
}

bool readiness::add(int descriptor, watched& by) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &by;
    return ::epoll_ctl(set_->native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void readiness::forget(const watched& by) {
    for (int i = next_; i < count_; ++i) {
        if (batch_[static_cast<std::size_t>(i)].data.ptr == &by) batch_[static_cast<std::size_t>(i)].data.ptr = nullptr;
    }
}

void readiness::wait_began() {
    ++waits_;
    if (!dispatching_ && !armed_) arm();
}

void readiness::wait_ended() {
    if (--waits_ == 0 && !dispatching_ && armed_ && set_) {
        boost::system::error_code ignored;
        set_->cancel(ignored);
    }
}

void readiness::arm() {
    try {
        set_->async_wait(asio::posix::descriptor_base::wait_read, [this](boost::system::error_code error) {
            armed_ = false;
            if (!error) dispatch();
            if (waits_ > 0 && !armed_) arm();
        });
        armed_ = true;
    } catch (const std::bad_alloc&) {
        log::error("no memory to wait for clients and servers");
    }
}

void readiness::dispatch() {
    const http::wake_batch together;
    dispatching_ = true;
    count_ = ::epoll_wait(set_->native_handle(), batch_.data(), static_cast<int>(batch_.size()), 0);
    last_told_ = std::chrono::steady_clock::now();
    for (next_ = 0; next_ < count_;) {
        const epoll_event& event = batch_[static_cast<std::size_t>(next_++)];
        if (event.data.ptr == nullptr) continue;
        try {
            static_cast<watched*>(event.data.ptr)->on_events(event.events);
        } catch (const std::exception& e) {
            log::error("internal error: {}", e.what());  // edges come once: those behind it must not be lost
        }
    }
    next_ = count_ = 0;
    dispatching_ = false;
}

}  // namespace weir::proxy
