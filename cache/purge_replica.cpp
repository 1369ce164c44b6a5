#include "cache/purge_replica.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "cache/memcached_ring.hpp"
#include "cache/purge_record.hpp"

namespace weir::cache {

namespace {

using outcome = memcached_value::outcome;
constexpr std::chrono::seconds for_ever{0};

// Records in one question: 6 MB at the most.
constexpr std::uint64_t records_at_once = 64;
// A round ends, however much others append meanwhile.
constexpr unsigned appends_a_round = 100;
// Numbers that are taken because others append, or did and died. Then the head is looked at again.
constexpr unsigned numbers_at_once = 16;
constexpr unsigned looks_at_head = 5;
constexpr std::size_t max_left_epochs = 16;

// Not zero.
std::uint64_t random_number() {
    std::random_device device;
    std::uniform_int_distribution<std::uint64_t> any(1);
    return any(device);
}

const conf::memcached_server_address& server_of(const conf::memcached_settings& settings) {
    return settings.servers[memcached_ring(settings.servers).server_of(purge_head_key(settings.prefix))];
}

}  // namespace

purge_replica::purge_replica(purge_log& log, const conf::memcached_settings& settings, events told)
    : log_(log),
      prefix_(settings.prefix),
      head_key_(purge_head_key(settings.prefix)),
      server_(server_of(settings)),
      node_(random_number()),
      told_(std::move(told)),
      handle_(server_, settings.timeout) {
    log_.listen(
        [this](const purge& what, std::uint64_t number) {
            std::string line = purge_line(what);
            if (line.empty()) return;
            positions_.note_own(number);
            outbox_.add(std::move(line), number);
            if (told_.waiting) told_.waiting();
        },
        this);
}

purge_replica::~purge_replica() {
    log_.stop_listening(this);
}

bool purge_replica::round() {
    has_said_loss_ = false;
    bool reached = false;
    try {
        reached = append_and_apply();
    } catch (...) {
        // As after a call that failed.
        is_reached_.store(false, std::memory_order_relaxed);
        draft_.reset();
        throw;
    }
    is_reached_.store(reached, std::memory_order_relaxed);
    if (reached) last_read_.store(std::chrono::system_clock::now(), std::memory_order_relaxed);
    say_what_is_new(reached);
    return reached;
}

bool purge_replica::append_and_apply() {
    for (unsigned i = 0; i < appends_a_round; ++i) {
        const std::optional<head> log_head = read_head();
        if (!log_head || !follow(log_head->at)) return false;
        if (!draft_) {
            auto next = outbox_.front(node_);
            if (!next) return true;
            draft_.emplace(draft{std::move(*next)});
        }
        if (!append(*log_head)) {
            // Whether the record lies there is not known. Should it, it will be counted some time, and do no harm.
            draft_.reset();
            return false;
        }
    }
    return true;
}

// Where there is no log one is begun. The one who finds that it was another is in time for that one's.
std::optional<purge_replica::head> purge_replica::read_head() {
    for (unsigned i = 0; i < looks_at_head; ++i) {
        const memcached_value got = handle_.get({&head_key_, 1}, true).front();
        if (got.what == outcome::failed) return std::nullopt;
        const bool is_there = got.what == outcome::found;
        const auto at = is_there ? parse_purge_head(got.bytes) : std::nullopt;
        if (at && !is_wrong(*at)) return head{*at, got.cas};
        const std::string begun = text(purge_position{random_number(), 0});
        const outcome done =
            is_there ? handle_.cas(head_key_, begun, 0, for_ever, got.cas) : handle_.add(head_key_, begun, 0, for_ever);
        if (done == outcome::failed) return std::nullopt;
    }
    return std::nullopt;
}

// A log that has gone backwards, or is there again after another (two servers under one name, say), would give numbers
// a second time, and positions would mean two things.
bool purge_replica::is_wrong(const purge_position& at) const {
    if (at.epoch == positions_.epoch()) return at.number < positions_.applied();
    return std::find(left_epochs_.begin(), left_epochs_.end(), at.epoch) != left_epochs_.end();
}

// False: a record could not be asked for.
bool purge_replica::follow(const purge_position& to) {
    if (to.epoch != positions_.epoch()) join(to);
    if (to.number - positions_.applied() > max_history) lose(to.number - max_history);
    while (positions_.applied() < to.number) {
        if (!positions_.pass_own() && !apply_next(to.number)) return false;
    }
    return true;
}

void purge_replica::join(const purge_position& to) {
    const bool had_another = positions_.epoch() != 0;
    if (had_another) {
        if (left_epochs_.size() == max_left_epochs) left_epochs_.erase(left_epochs_.begin());
        left_epochs_.push_back(positions_.epoch());
    }
    const std::uint64_t oldest = to.number > max_history ? to.number - max_history : 0;
    positions_.join(to.epoch, oldest, to.number, log_.now());
    log_.doubt();
    if (!had_another) return;
    times_lost_.fetch_add(1, std::memory_order_relaxed);
    say("the purge log in memcached is gone: what is stored in memory is validated before it is used again");
}

// Some of the records up to `last`.
bool purge_replica::apply_next(std::uint64_t last) {
    const purge_position first{positions_.epoch(), positions_.applied() + 1};
    std::vector<std::string> keys;
    for (std::uint64_t n = first.number; n <= last && keys.size() < records_at_once; ++n) {
        keys.push_back(purge_record_key(prefix_, {first.epoch, n}));
    }
    const std::vector<memcached_value> got = handle_.get(keys);
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (positions_.pass_own()) continue;
        if (got[i].what == outcome::failed) return false;
        if (got[i].what == outcome::found) {
            apply(got[i].bytes, first.number + i);
            continue;
        }
        // Those that are gone were counted by the head, so they were there.
        while (i + 1 < got.size() && got[i + 1].what == outcome::missing) ++i;
        lose(first.number + i);
    }
    return true;
}

void purge_replica::apply(std::string_view record, std::uint64_t number) {
    const auto read = parse_purge_record(record);
    positions_.begin(log_.now());
    if (read) {
        for (const purge& what : read->purges) log_.apply(what);
    } else {
        log_.apply({purge_kind::all, purge_mode::hard});
        say("record " + std::to_string(number) +
            " of the purge log in memcached cannot be read: everything that is stored is purged");
    }
    positions_.end(log_.now());
    taken_.fetch_add(1, std::memory_order_relaxed);
}

void purge_replica::lose(std::uint64_t number) {
    if (!positions_.lose(number, log_.now())) return;
    log_.doubt();
    times_lost_.fetch_add(1, std::memory_order_relaxed);
    if (std::exchange(has_said_loss_, true)) return;
    say("records of the purge log in memcached are gone: what is stored in memory is validated before it is used "
        "again");
}

// One attempt; true too where others were quicker, and it is to be made again with the next head.
bool purge_replica::append(const head& to) {
    draft& mine = *draft_;
    // A number that the head has reached meanwhile: whether it counted this record, or one that was there before and is
    // gone, nobody can tell.
    if (mine.at.epoch != to.at.epoch || mine.at.number <= to.at.number) {
        mine.at = to.at;
        mine.is_added = false;
    }
    for (unsigned i = 0; !mine.is_added; ++i) {
        if (i == numbers_at_once) return true;
        ++mine.at.number;
        const outcome done = handle_.add(purge_record_key(prefix_, mine.at), mine.what.record, 0, record_lifetime);
        if (done == outcome::failed) return false;
        mine.is_added = done == outcome::found;
    }
    const outcome done = handle_.cas(head_key_, text(mine.at), 0, for_ever, to.cas);
    if (done == outcome::failed) return false;
    if (done == outcome::missing) return true;
    positions_.published(mine.at.number, mine.what.last);
    outbox_.pop(mine.what.last);
    draft_.reset();
    appended_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void purge_replica::say(const std::string& text) const {
    if (told_.say) told_.say(text);
}

void purge_replica::say_what_is_new(bool reached) {
    if (reached != was_reached_.value_or(true)) {
        say(reached ? "memcached " + server_.text + ": the purge log is there again"
                    : "memcached " + server_.text +
                          ": the purge log cannot be reached, purges wait: " + std::string(handle_.last_error()));
    }
    was_reached_ = reached;
    if (overflows_said_ != outbox_.overflows()) {
        overflows_said_ = outbox_.overflows();
        say("too many purges waited for memcached: for the other nodes they have become one of everything");
    }
}

std::optional<purge_position> purge_replica::position_of(std::uint64_t fill_number) const {
    return positions_.position_of(fill_number);
}

std::optional<std::uint64_t> purge_replica::fill_number_of(const purge_position& at) const {
    // Before the positions are asked: see there.
    const std::uint64_t now = log_.now();
    return positions_.fill_number_of(at, now);
}

purge_replica::state purge_replica::now() const {
    return {.is_in_step = is_reached_.load(std::memory_order_relaxed) && positions_.is_in_step(),
            .applied = {positions_.epoch(), positions_.applied()},
            .waiting = outbox_.size(),
            .appended = appended_.load(std::memory_order_relaxed),
            .taken = taken_.load(std::memory_order_relaxed),
            .times_lost = times_lost_.load(std::memory_order_relaxed),
            .last_read = last_read_.load(std::memory_order_relaxed)};
}

}  // namespace weir::cache
