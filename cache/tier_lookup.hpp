// Waiting for what memcached answers. The answer is decoded on a thread of memcached's; who waits is woken, and may
// give up before.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached.hpp"
#include "cache/memcached_chunks.hpp"
#include "cache/memcached_codec.hpp"
#include "cache/stored_response.hpp"
#include "proxy/http/wakeable.hpp"

namespace weir::cache {

class memcached_tier;

class tier_lookup : public memcached_reader {
  public:
    // The thread that waits. False, and nothing is registered: it has ended. `waiter` is woken once; it outlives that,
    // or calls give_up().
    bool wait(http::wakeable& waiter);
    // From here on nobody is woken.
    void give_up();

    bool ended() const;

  protected:
    // The last act of finish(), when the answer is complete. False: nobody waits any more.
    bool end() noexcept;
    // That it ended, for somebody who had not given up.
    bool is_for_somebody() const;

  private:
    mutable std::mutex mutex_;
    // Guarded by mutex_.
    http::wakeable* waiter_ = nullptr;
    bool ended_ = false;
    bool given_up_ = false;  // before it ended
};

// A response of the second level, whole.
class value_lookup final : public tier_lookup, public std::enable_shared_from_this<value_lookup> {
  public:
    // `tier` outlives the threads of `client`, its own. `value_key` is where the response lies, `route` what its server
    // is found by.
    value_lookup(memcached& client, const memcached_tier& tier, std::string route, std::string value_key,
                 std::string_view cache_key)
        : client_(client),
          tier_(tier),
          route_(std::move(route)),
          value_key_(std::move(value_key)),
          cache_key_(cache_key) {}

    void finish(std::vector<memcached_value> got) noexcept override;
    // Bad as long as it has not ended, and where nothing was found that can be used. A response has its fill_number.
    tier_value take();

  private:
    bool read(std::vector<memcached_value> got);

    memcached& client_;
    const memcached_tier& tier_;
    const std::string route_;
    const std::string value_key_;
    const std::string cache_key_;
    std::optional<chunk_list> chunks_;  // these are asked for
    tier_value found_;
};

// An attempt to take a lock; one that succeeds when nobody waits any more gives it back.
class lock_lookup final : public tier_lookup {
  public:
    // `client` outlives its threads.
    lock_lookup(memcached& client, std::string route, std::string lock_key)
        : client_(client), route_(std::move(route)), lock_key_(std::move(lock_key)) {}

    void finish(std::vector<memcached_value> got) noexcept override;
    // found: it is ours; missing: another's; failed as long as it has not ended.
    memcached_value::outcome take() const;

  private:
    memcached& client_;
    const std::string route_;
    const std::string lock_key_;
    memcached_value::outcome found_ = memcached_value::outcome::failed;
};

// One value as it is, such as a page of the application's.
class raw_lookup final : public tier_lookup {
  public:
    void finish(std::vector<memcached_value> got) noexcept override;
    // Failed as long as it has not ended.
    memcached_value take();

  private:
    memcached_value found_;
};

}  // namespace weir::cache
