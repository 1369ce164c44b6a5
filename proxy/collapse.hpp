// One fetch for a missing key, however many ask for it (RFC 9111 section 4): the first leads, the others wait for what
// it gets and stream from the response while it still arrives, on any worker.
//
// A fill is what the leader and its followers share. It is in the table while others may join it: until its response is
// stored, is seen not to be storable, or has failed. What followers do then is theirs: see exchange_cache.cpp.
//
// What is stored never waits for readers. A response that proves too large to store while others read it goes at the
// pace of the slowest of them, as far as spool and memory do not hold it.
//
// Several fills of one key may run side by side where it is known that their requests select different variants.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache/key.hpp"
#include "cache/stored_response.hpp"
#include "proxy/error.hpp"
#include "proxy/http/growing_content.hpp"
#include "proxy/http/wakeable.hpp"

namespace weir::proxy {

class fill {
  public:
    enum class stage : std::uint8_t {
        asking,      // nothing is known yet; `response`: what is being refreshed, which may answer meanwhile
        arriving,    // `response` is its head, `content` grows, or is whole already
        validated,   // `response` is whole, and an endpoint has just said that it is right
        not_shared,  // what came is for the leader alone
        failed       // nothing came; `why`, and perhaps a stale `response`
    };
    struct view {
        stage now = stage::asking;
        cache::response_ptr response;
        std::shared_ptr<http::growing_content> content;
        std::optional<std::uint64_t> length;  // of it, where the endpoint said so
        unsigned origin_status = 0;           // that the endpoint said
        cause why = cause::none;
    };

    // Any thread.
    view look() const;

    // A follower, between join() and unfollow(), which it calls once. Wakes `waiter` once when the stage is no longer
    // asking; false (nothing registered) when it is not.
    bool wait(http::wakeable& waiter);
    void unfollow(http::wakeable& waiter);

    // The leader; each of these ends `asking`.
    void arrive(cache::response_ptr head, std::shared_ptr<http::growing_content> content,
                std::optional<std::uint64_t> length);
    void validate(cache::response_ptr response, unsigned origin_status);
    void keep_to_itself(unsigned origin_status);
    // `stale`: what may stand in for what did not come; null: nothing.
    void fail(cause why, cache::response_ptr stale = nullptr);
    // Whether anybody follows now.
    bool followed() const;
    // The leader's client has left: true when others follow, or may still, for whom it goes on; else nobody can join
    // any more.
    bool goes_on_without_client();

  private:
    friend class collapse;
    void settle(view outcome);

    mutable std::mutex mutex_;
    // Guarded by mutex_.
    view view_;
    std::vector<http::wakeable*> waiters_;
    std::size_t followers_ = 0;
    bool closed_ = false;                  // nobody may join
    std::vector<cache::vary_field> vary_;  // of the requests that it is for, as far as is known
};

// Any thread.
class collapse {
  public:
    struct place {
        std::shared_ptr<proxy::fill> fill;  // null: too many already
        bool leads = false;  // the caller fetches, and tells the fill; it leaves when others may no longer join
    };
    // `sibling`: a response of this key that the request does not select, where one is known. `refreshed`: the stale
    // response that the caller is to refresh, behind its client's back; null where that is not so.
    place join(std::string_view key, const cache::request_view& request, const cache::stored_response* sibling,
               cache::response_ptr refreshed = nullptr);
    void leave(std::string_view key, const std::shared_ptr<proxy::fill>& led);

  private:
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
    };
    struct shard {
        std::mutex mutex;
        // Guarded by mutex. No list is empty.
        std::unordered_map<std::string, std::vector<std::shared_ptr<proxy::fill>>, hash, std::equal_to<>> fills;
    };
    shard& shard_of(std::string_view key) { return shards_[hash{}(key) % shards_.size()]; }

    std::array<shard, 16> shards_;
};

}  // namespace weir::proxy
