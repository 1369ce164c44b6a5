// Signals are the control thread's.
#pragma once

#include <csignal>

namespace weir::cache {

// For a thread's first act: a handler that ran on it would break off what it waits for.
inline void block_signals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace weir::cache
