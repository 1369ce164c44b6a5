// What was purged when. A purge is a number and a record; no stored response is looked for. Every lookup compares: a
// response is hit by the records whose number is above that of its fill, which was noted before an endpoint was asked,
// so a fill that began before a purge does not bring the old response back.
//
// Cost: while nothing was purged since a response was judged last, one comparison. Else one for its URL and each of its
// tags, in a filter that holds the newest number of each hash bucket; only where that is newer the records are looked
// at, under a lock. A response is judged anew once after each purge, whichever it was.
//
// Records are forgotten when every response in the store has been judged by them (begin_pass, end_pass). There may be
// too many before that: then the older ones go at once. What the filter lets through and was not judged by what is
// forgotten, such as a fill that is still under way, counts as purged. Where responses come in from elsewhere with
// numbers of long ago (keep_records), only that bound has records forgotten.
//
// A log tells a listener what was purged here, in the order of the numbers, and takes what was purged elsewhere: see
// purge_replica.hpp.
#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/stored_response.hpp"

namespace weir::cache {

// hard: gone. soft: stale, whatever its lifetime, and still of use where a stale response may be used.
enum class purge_mode : std::uint8_t { hard, soft };

enum class purge_kind : std::uint8_t { url, prefix, tag, group, all };

// One purge, in the form in which a log compares. Does not own its texts.
struct purge {
    purge_kind kind = purge_kind::all;
    purge_mode mode = purge_mode::hard;
    std::string_view text{};    // URL, prefix, tag or group
    std::string_view origin{};  // of a group

    bool operator==(const purge&) const = default;
};

// All of it from any thread. A purge counts from when its call returns, for every lookup and store after that.
class purge_log {
  public:
    // Of URLs and tags, and of prefixes; twice as many while a pass goes on.
    static constexpr std::size_t default_max_records = 32 * 1024;
    static constexpr std::size_t max_prefixes = 1024;

    explicit purge_log(std::size_t max_records = default_max_records) : max_records_(max_records) {}
    purge_log(const purge_log&) = delete;
    purge_log& operator=(const purge_log&) = delete;

    // The number of the latest purge: what a fill notes before it asks an endpoint.
    std::uint64_t now() const { return now_.load(std::memory_order_acquire); }

    // `url`: host and target as url_of gives them, so both schemes, and every variant.
    void purge_url(std::string_view url, purge_mode mode);
    void purge_prefix(std::string_view url_prefix, purge_mode mode);
    void purge_tag(std::string_view tag, purge_mode mode);
    // RFC 9875 section 3; `origin` as for hash_group. Hard.
    void purge_group(std::string_view origin, std::string_view group);
    void purge_all(purge_mode mode);
    // Any of these, that somebody else made: the listener does not hear of it. A group is purged hard.
    void apply(const purge& what);
    // Purges may have been missed: whatever was filled before is to be validated before it is used.
    void doubt();

    // soft: hit by soft purges, now or before; then response.use.soft_purged is set. doubted: before a doubt() and not
    // validated since; then response.use.doubted is set, whether soft or not. dead is not to be used or stored; only
    // that answer is not kept in response.use. Does not allocate.
    enum class verdict : std::uint8_t { alive, soft, doubted, dead };
    verdict judge(const stored_response& response) const;

    // Hears of every purge but those of apply(), with its number: in the order of the numbers, and before a lookup or a
    // fill can see that number. That is why the log is locked meanwhile: it must be quick and not call the log, but for
    // now(). If it throws, nothing was purged. Once this has returned, the one before is not called.
    using listener = std::function<void(const purge& what, std::uint64_t number)>;
    void listen(listener to, const void* owner);
    // Nobody hears, if it was this owner's; once this has returned, it is not called.
    void stop_listening(const void* owner);
    // From now on passes forget nothing.
    void keep_records();

    // For the one who judges every response in the store between the two calls: the first gives the number up to which
    // that pass goes, now(), and the second takes it.
    std::uint64_t begin_pass();
    void end_pass(std::uint64_t number);
    // What the records occupy.
    std::uint64_t memory_bytes() const;

  private:
    struct numbers {  // of the newest purge of each mode; 0: none
        std::uint64_t hard = 0;
        std::uint64_t soft = 0;
        void note(std::uint64_t number, purge_mode mode) { (mode == purge_mode::hard ? hard : soft) = number; }
        void take_newer(const numbers& other);
    };
    struct prefix_record {
        std::string prefix;
        numbers when;
    };
    struct identity_hash {
        using is_avalanching = void;
        std::size_t operator()(std::uint64_t hash) const noexcept { return hash; }
    };
    struct generation {
        boost::unordered_flat_map<std::uint64_t, numbers, identity_hash> by_hash;  // URLs and tags
        std::vector<prefix_record> prefixes;                                       // oldest first
        std::uint64_t last = 0;                                                    // the newest number in it
    };
    static constexpr std::size_t bucket_count = 8192;
    static std::size_t bucket_of(std::uint64_t hash) { return hash & (bucket_count - 1); }

    void make(const purge& what, bool is_own);
    bool may_be_hit(std::uint64_t url_hash, const stored_response& response, std::uint64_t since) const;
    numbers find(std::string_view url, std::uint64_t url_hash, const stored_response& response,
                 std::uint64_t since) const;
    // With mutex_ held; what they give is freed without it.
    [[nodiscard]] generation note_hashes(std::span<const std::uint64_t> hashes, purge_mode mode, std::uint64_t number);
    [[nodiscard]] generation note_prefix(std::string_view prefix, purge_mode mode, std::uint64_t number);
    [[nodiscard]] generation make_room(std::size_t hashes, std::size_t prefixes);
    [[nodiscard]] generation forget(generation& forgotten);

    const std::size_t max_records_;
    std::atomic<std::uint64_t> now_{0};
    // The newest number of each kind. They only grow, so what is not above `since` here is so among the records too.
    std::array<std::atomic<std::uint64_t>, bucket_count> newest_{};
    std::atomic<std::uint64_t> newest_prefix_{0};
    std::atomic<std::uint64_t> all_hard_{0};
    std::atomic<std::uint64_t> all_soft_{0};
    std::atomic<std::uint64_t> doubt_{0};
    std::atomic<std::uint64_t> forgotten_{0};  // up to this number records may be missing
    mutable std::mutex mutex_;
    // Guarded by mutex_, which is also held from the choice of a number to its publication in now_, the last step.
    generation current_;
    generation previous_;  // what the pass under way will let go
    listener listener_;
    const void* listener_owner_ = nullptr;
    bool keeps_records_ = false;
};

}  // namespace weir::cache
