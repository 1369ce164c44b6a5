// The second level of the cache: complete responses in memcached, shared by every weir that has the same servers and
// prefix, so that a restart is warm and a page is fetched once for all of them.
//
// A lookup never keeps its caller: it ends on a thread of memcached's and wakes who waits, who sets the limit. What is
// stored is encoded on such a thread, too, and dropped where too much waits already. A failure is a miss, and so is
// what a purge may have hit for all that is known here.
//
// Under a key lies the response, or, where it has a Vary, the names of those fields: the response is then under a key
// of their values. Large ones are cut into pieces that lie on the same server.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/memcached.hpp"
#include "cache/memcached_codec.hpp"
#include "cache/purge.hpp"
#include "cache/purge_position.hpp"
#include "cache/purge_positions.hpp"
#include "cache/purge_replica.hpp"
#include "cache/stored_response.hpp"
#include "cache/tier_lookup.hpp"
#include "conf/settings.hpp"

namespace weir::cache {

class purge_sync;

// All of it from any thread.
class memcached_tier {
  public:
    // Waits for a first look at the log of purges, half a second at most. `observer`: is told, on a thread of the
    // tier's, what an operator should know. `purges` outlives the tier.
    memcached_tier(const conf::memcached_settings& settings, purge_log& purges,
                   std::function<void(const std::string&)> observer);
    ~memcached_tier();
    memcached_tier(const memcached_tier&) = delete;
    memcached_tier& operator=(const memcached_tier&) = delete;

    // What waits to be stored, and the purges that wait, go out if that is possible; from then on everything fails.
    // Waits for its threads, within limits: false if one is held by its server still.
    [[nodiscard]] bool stop();

    const conf::memcached_settings& settings() const { return settings_; }

    // Of these, null: the server is not to be asked.
    std::shared_ptr<value_lookup> find(std::string_view cache_key);
    // Where find() gave the names of a Vary: what `request` selects.
    std::shared_ptr<value_lookup> find_variant(std::string_view cache_key, const std::vector<std::string>& vary_names,
                                               const request_view& request);
    // An attempt to be the one, of all nodes, that fetches what is missing for `request` under `cache_key`: the lock
    // goes by itself after settings().fill_lock, which is on. `vary_names`: those that find() gave, if any.
    std::shared_ptr<lock_lookup> lock(std::string_view cache_key, const std::vector<std::string>& vary_names,
                                      const request_view& request);
    void unlock(std::string_view cache_key, const std::vector<std::string>& vary_names, const request_view& request);
    // What the application itself has put under `key`.
    std::shared_ptr<raw_lookup> find_page(std::string key);
    // A place in the log of purges as this process counts them; nothing: it is not known what was purged since.
    std::optional<purge_position> position_of(std::uint64_t fill_number) const;
    std::optional<std::uint64_t> fill_number_of(const purge_position& position) const;
    // Whether a page that was made at `position` was not purged since, by its tags or otherwise.
    bool is_alive(stored_response& page, const purge_position& position) const;

    // For as long as it may be of use to anybody.
    void store(response_ptr response, const conf::stale_settings& stale);
    // Those who find nothing under `cache_key` need not wait for each other for so long.
    void note_uncacheable(std::string_view cache_key, std::chrono::milliseconds time);
    // A newer response than `old` is there which is not stored. `with_key`: of what the key has only that variant goes
    // otherwise.
    void drop(const stored_response& old, bool with_key = true);

    std::vector<memcached_counters> counters() const { return client_.counters(); }
    // Nothing: settings().purge_log is off.
    std::optional<purge_replica::state> purge_log_state() const;

  private:
    const conf::memcached_settings settings_;
    purge_log& purges_;
    const lone_purge_positions lone_positions_;  // where sync_ is null
    memcached client_;
    std::unique_ptr<purge_sync> sync_;  // null where purge_log is off
};

}  // namespace weir::cache
