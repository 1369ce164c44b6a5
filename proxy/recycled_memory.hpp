// Memory for what comes and goes with every request and is of few sizes: coroutine frames, exchanges. Each thread keeps
// what was given back on it, in a list a size, and hands it out again, the last first, while it is in the processor's
// cache. What is of no list, or more than a list holds, is the heap's.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define WEIR_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_ADDRESS_SANITIZER
#endif
#endif
#ifdef WEIR_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace weir::proxy {

class recycled_memory {
  public:
    // Throws bad_alloc.
    static void* take(std::size_t bytes) {
        const std::size_t n = list_for(bytes);
        if (n >= lists) return ::operator new(bytes);
        list& own = here_.of[n];
        if (!own.first) return take_new(n);
        piece* const taken = own.first;
        show(taken, n);
        own.first = taken->next;
        --own.size;
        return taken;
    }
    // `bytes` as they were taken, on any thread.
    static void give_back(void* memory, std::size_t bytes) noexcept {
        const std::size_t n = list_for(bytes);
        if (n >= lists || here_.of[n].size >= here_.most) return ::operator delete(memory);
        list& own = here_.of[n];
        own.first = ::new (memory) piece{own.first};
        ++own.size;
        hide(memory, n);
    }

  private:
    static constexpr std::size_t step = 128;
    static constexpr std::size_t lists = 32;
    struct piece {
        piece* next;
    };
    struct list {
        piece* first;
        std::uint32_t size;
    };
    // Nothing is kept before the first piece was taken, nor once the thread ends.
    struct kept {
        std::array<list, lists> of;
        std::uint32_t most;
    };
    struct end_of_thread {
        ~end_of_thread() {
            here_.most = 0;
            for (list& each : here_.of) {
                while (each.first) {
                    piece* const freed = each.first;
                    show(freed, static_cast<std::size_t>(&each - here_.of.data()));
                    each.first = freed->next;
                    ::operator delete(freed);
                }
                each.size = 0;
            }
        }
    };

    // The address sanitizer reports who uses what was given back.
#ifdef WEIR_ADDRESS_SANITIZER
    static void hide(const void* memory, std::size_t n) {
        __asan_poison_memory_region(memory, (n + 1) * step);
    }
    static void show(const void* memory, std::size_t n) {
        __asan_unpoison_memory_region(memory, (n + 1) * step);
    }
#else
    static void hide(const void*, std::size_t) {}
    static void show(const void*, std::size_t) {}
#endif

    static std::size_t list_for(std::size_t bytes) {
        return (bytes - 1) / step;
    }
    static void* take_new(std::size_t n) {
        static thread_local const end_of_thread cleaner;
        here_.most = 256;
        return ::operator new((n + 1) * step);
    }

    static inline thread_local constinit kept here_{};
};

}  // namespace weir::proxy
