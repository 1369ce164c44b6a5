// A request whose page memcached may have, between asking and the answer. No coroutine and no timer of its own: a page
// is to cost little more than a hit. The connection is told through its worker's inbox; its own deadline limits the
// wait.
#pragma once

#include <memory>
#include <utility>

#include "cache/cache.hpp"
#include "cache/tier_lookup.hpp"
#include "proxy/deadlines.hpp"
#include "proxy/http/wakeable.hpp"
#include "proxy/inbox.hpp"
#include "proxy/log.hpp"
#include "proxy/snapshot.hpp"

namespace weir::proxy {

class client_connection;

// Made by std::make_shared alone. All but wake() on the worker's thread.
class page_wait final : public http::wakeable, public std::enable_shared_from_this<page_wait> {
  public:
    struct question {
        std::shared_ptr<const snapshot> config;  // of the request, though it may not be the current one any more
        const route& via;                        // in it
        cache::lookup_result found;              // in memory, should memcached not have the page
        std::shared_ptr<cache::raw_lookup> asked;
        steady::time_point began;
    };
    page_wait(inbox& box, client_connection& owner, question of) : what(std::move(of)), box_(box), owner_(&owner) {}

    question what;

    // Any thread.
    void wake() noexcept override;
    // To be called before the owner lets go of it: the owner is not called any more.
    void give_up() {
        what.asked->give_up();
        owner_ = nullptr;
    }

  private:
    inbox& box_;
    client_connection* owner_;  // null: it does not wait any more
};

}  // namespace weir::proxy
