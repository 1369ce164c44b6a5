// How a wait ends, and who is told: a handler kept in place, whatever its type, so that a wait allocates nothing.
#pragma once

#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace weir::proxy {

enum class wait_status : std::uint8_t { ready, late, cancelled };

// Called at most once. Three pointers hold every handler there is: a coroutine's, or a lambda with `this`.
class wait_handler {
  public:
    wait_handler() = default;
    template <class Handler>
    explicit wait_handler(Handler handler) {
        static_assert(sizeof(Handler) <= sizeof storage_ && std::is_nothrow_move_constructible_v<Handler>);
        ::new (static_cast<void*>(storage_)) Handler(std::move(handler));
        run_ = [](wait_handler& self, wait_handler* to, const wait_status* status) {
            Handler* h = std::launder(reinterpret_cast<Handler*>(self.storage_));
            if (to) ::new (static_cast<void*>(to->storage_)) Handler(std::move(*h));
            if (status) {
                Handler taken(std::move(*h));
                h->~Handler();
                std::move(taken)(*status);
            } else {
                h->~Handler();
            }
        };
    }
    wait_handler(wait_handler&& other) noexcept { take(other); }
    wait_handler& operator=(wait_handler&& other) noexcept {
        reset();
        take(other);
        return *this;
    }
    ~wait_handler() { reset(); }
    explicit operator bool() const { return run_ != nullptr; }
    // Empty afterwards.
    void operator()(wait_status status) { std::exchange(run_, nullptr)(*this, nullptr, &status); }

  private:
    void take(wait_handler& other) {
        run_ = std::exchange(other.run_, nullptr);
        if (run_) run_(other, this, nullptr);
    }
    void reset() {
        if (run_) std::exchange(run_, nullptr)(*this, nullptr, nullptr);
    }
    alignas(void*) unsigned char storage_[3 * sizeof(void*)];
    void (*run_)(wait_handler&, wait_handler*, const wait_status*) = nullptr;
};

}  // namespace weir::proxy
