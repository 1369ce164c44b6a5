// Nodes that purge, fill, store and read in any order, step by step, over a log that others are at, that loses records
// and that is lost. What a node applied must hit all that was filled before that was called.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cache/purge.hpp"
#include "cache/purge_positions.hpp"

namespace weir::cache {
namespace {

using verdict = purge_log::verdict;
constexpr std::size_t page_count = 3;
constexpr std::size_t node_count = 3;

// How many purges of each page had been called.
using calls = std::array<std::uint64_t, page_count>;

void raise(calls& to, std::size_t page, std::uint64_t call) {
    to[page] = std::max(to[page], call);
}

std::string url_of_page(std::size_t page) {
    return "example.org/" + std::to_string(page);
}

struct called_purge {
    std::size_t page = 0;
    std::uint64_t call = 0;   // the how manieth of its page
    std::uint64_t local = 0;  // where it was called
};

struct shared_log {
    std::uint64_t epoch = 1;
    std::deque<std::vector<called_purge>> records{};
    std::deque<bool> lost{};
    std::vector<called_purge> of_old_epochs{};

    std::uint64_t head() const { return records.size(); }
};

struct response {
    std::size_t page = 0;
    std::uint64_t seen = 0;  // purges of the page that had been called when its fill began
    new_response_ptr stored{};
};

struct shared_value {
    std::size_t page = 0;
    std::uint64_t seen = 0;
    purge_position at;
};

struct world {
    std::mt19937 random;
    shared_log log{};
    std::vector<shared_value> values{};
    calls called{};
    std::size_t alive = 0;  // of what came from another node

    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random); }
    bool one_in(std::size_t many) { return below(many) == 0; }
};

class node {
  public:
    explicit node(world& w) : world_(w) {
        log_.keep_records();
        log_.listen(
            [this](const purge& what, std::uint64_t number) {
                positions_.note_own(number);
                const auto page = static_cast<std::size_t>(what.text.back() - '0');
                raise(applied_, page, world_.called[page]);
                waiting_.push_back({page, world_.called[page], number});
            },
            this);
    }

    void call_purge() {
        const std::size_t page = world_.below(page_count);
        ++world_.called[page];
        log_.purge_url(url_of_page(page), purge_mode::hard);
    }

    void begin_fill() {
        const std::size_t page = world_.below(page_count);
        fills_.push_back({page, world_.called[page], make(page, log_.now())});
    }
    void end_fill() {
        if (fills_.empty()) return;
        const std::size_t which = world_.below(fills_.size());
        const response done = fills_[which];
        fills_.erase(fills_.begin() + static_cast<std::ptrdiff_t>(which));
        memory_.push_back(done);
        if (const auto at = positions_.position_of(done.stored->fill_number))
            world_.values.push_back({done.page, done.seen, *at});
    }

    // now() is asked for, and later the number.
    void begin_read() {
        if (world_.values.empty()) return;
        const std::size_t last = world_.values.size();
        const std::size_t which =
            world_.one_in(3) ? world_.below(last) : last - 1 - world_.below(std::min<std::size_t>(last, 5));
        reads_.push_back({world_.values[which], log_.now()});
    }
    void end_read() {
        if (reads_.empty()) return;
        const read done = reads_.front();
        reads_.pop_front();
        const auto number = positions_.fill_number_of(done.value.at, done.now);
        if (!number) return;
        memory_.push_back({done.value.page, done.value.seen, make(done.value.page, *number)});
        if (log_.judge(*memory_.back().stored) == verdict::alive) ++world_.alive;
    }

    void end_all() {
        while (!fills_.empty()) end_fill();
        while (!reads_.empty()) end_read();
    }

    // One step of what purge_replica does in a round.
    void follow() {
        if (doubts_) return doubt();
        if (!to_apply_.empty()) return apply_line();
        if (is_applying_) return end_record();
        if (!knows_head_) return look_at_head();
        if (positions_.epoch() != epoch_) return join();
        if (positions_.applied() == head_) return append();
        if (positions_.pass_own()) return;
        begin_record();
    }
    bool is_idle() const {
        return waiting_.empty() && !doubts_ && to_apply_.empty() && !is_applying_ &&
               positions_.epoch() == world_.log.epoch && positions_.applied() == world_.log.head();
    }

    // Whether all that is here is judged as it must be.
    bool is_sound() const {
        for (const response& r : memory_) {
            const verdict now = log_.judge(*r.stored);
            if (r.seen < applied_[r.page] && now != verdict::dead) return false;
            if (r.seen < missed_[r.page] && now != verdict::dead && now != verdict::doubted) return false;
        }
        return true;
    }
    void forget_memory() {
        if (memory_.size() > 40) memory_.erase(memory_.begin(), memory_.begin() + 20);
    }

  private:
    struct read {
        shared_value value;
        std::uint64_t now = 0;
    };

    static new_response_ptr make(std::size_t page, std::uint64_t fill_number) {
        const std::string key = "http://" + url_of_page(page);
        return make_response({.key = key, .fill_number = fill_number});
    }

    void look_at_head() {
        knows_head_ = true;
        epoch_ = world_.log.epoch;
        head_ = world_.log.head();
        counted_ = world_.log.records;
        lost_ = world_.log.lost;
        old_ = world_.log.of_old_epochs;
    }
    void join() {
        const std::uint64_t oldest = head_ > 0 && world_.one_in(2) ? world_.below(head_) : 0;
        positions_.join(epoch_, oldest, head_, log_.now());
        missed_by_doubt_ = old_;
        for (const auto& record : counted_) {
            missed_by_doubt_.insert(missed_by_doubt_.end(), record.begin(), record.end());
        }
        doubts_ = true;
    }
    void begin_record() {
        const std::uint64_t number = positions_.applied() + 1;
        if (lost_[number - 1]) {
            missed_by_doubt_ = counted_[number - 1];
            doubts_ = positions_.lose(number, log_.now());
            return;
        }
        positions_.begin(log_.now());
        is_applying_ = true;
        to_apply_.assign(counted_[number - 1].begin(), counted_[number - 1].end());
    }
    void apply_line() {
        const called_purge next = to_apply_.front();
        to_apply_.pop_front();
        const std::string url = url_of_page(next.page);
        log_.apply({purge_kind::url, purge_mode::hard, url});
        raise(applied_, next.page, next.call);
    }
    void end_record() {
        positions_.end(log_.now());
        is_applying_ = false;
    }
    void doubt() {
        log_.doubt();
        doubts_ = false;
        for (const called_purge& p : missed_by_doubt_) raise(missed_, p.page, p.call);
    }
    void append() {
        knows_head_ = false;
        shared_log& log = world_.log;
        if (waiting_.empty() || log.epoch != epoch_ || log.head() != head_) return;
        const std::size_t count = 1 + world_.below(waiting_.size());
        const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
        log.records.emplace_back(waiting_.begin(), end);
        log.lost.push_back(false);
        if (world_.one_in(8)) return;  // the answer is lost: it will be there twice
        positions_.published(log.head(), waiting_[count - 1].local);
        waiting_.erase(waiting_.begin(), end);
    }

    world& world_;
    purge_log log_;
    purge_positions positions_;
    std::deque<called_purge> waiting_;
    std::vector<response> memory_;
    std::vector<response> fills_;
    std::deque<read> reads_;
    // What was seen of the shared log.
    bool knows_head_ = false;
    std::uint64_t epoch_ = 0;
    std::uint64_t head_ = 0;
    std::deque<std::vector<called_purge>> counted_;
    std::deque<bool> lost_;
    std::vector<called_purge> old_;
    // What is being done.
    std::deque<called_purge> to_apply_;
    bool is_applying_ = false;
    bool doubts_ = false;
    std::vector<called_purge> missed_by_doubt_;
    // What was: a call that was applied here, and one that was missed, which is known.
    calls applied_{};
    calls missed_{};
};

void lose_the_log(shared_log& log) {
    for (const auto& record : log.records) {
        log.of_old_epochs.insert(log.of_old_epochs.end(), record.begin(), record.end());
    }
    log.records.clear();
    log.lost.clear();
    ++log.epoch;
}

void step(world& w, node& at, bool has_faults) {
    switch (w.below(has_faults ? 40 : 38)) {
        case 0:
        case 1:
            return at.call_purge();
        case 2:
        case 3:
        case 4:
        case 5:
            return at.begin_fill();
        case 6:
        case 7:
        case 8:
        case 9:
            return at.end_fill();
        case 10:
        case 11:
        case 12:
        case 13:
            return at.begin_read();
        case 14:
        case 15:
        case 16:
        case 17:
            return at.end_read();
        case 38:
            if (!w.log.lost.empty()) w.log.lost[w.below(w.log.lost.size())] = true;
            return;
        case 39:
            if (w.one_in(5)) lose_the_log(w.log);
            return;
        default:
            return at.follow();
    }
}

void come_to_rest(const std::vector<std::unique_ptr<node>>& nodes) {
    const auto is_over = [&] {
        return std::all_of(nodes.begin(), nodes.end(), [](const auto& n) { return n->is_idle(); });
    };
    while (!is_over()) {
        for (const auto& n : nodes) n->follow();
    }
}

TEST_CASE("no response from before a purge outlives it, in any order of events", "[cache][purge][model]") {
    const bool has_faults = GENERATE(false, true);
    std::size_t alive = 0;
    for (unsigned seed = 1; seed <= 300; ++seed) {
        CAPTURE(has_faults, seed);
        world w{.random = std::mt19937(seed)};
        std::vector<std::unique_ptr<node>> nodes;
        for (std::size_t i = 0; i < node_count; ++i) nodes.push_back(std::make_unique<node>(w));
        bool sound = true;
        for (unsigned i = 0; i < 600 && sound; ++i) {
            node& at = *nodes[w.below(node_count)];
            step(w, at, has_faults);
            sound = at.is_sound();
            at.forget_memory();
        }
        REQUIRE(sound);
        come_to_rest(nodes);
        for (const auto& n : nodes) sound = sound && n->is_sound();
        REQUIRE(sound);

        // Then all is known everywhere, and what is filled now is good everywhere.
        for (const auto& n : nodes) n->end_all();
        alive += w.alive;
        w.values.clear();
        w.alive = 0;
        for (unsigned i = 0; i < 5; ++i) {
            nodes[0]->begin_fill();
            nodes[1]->begin_read();
            nodes[0]->end_all();
            nodes[2]->begin_read();
            nodes[2]->end_all();
        }
        nodes[1]->end_all();
        CHECK(w.alive == 4 + 5);
    }
    // Not because nothing ever is.
    CHECK(alive > 300);
}

}  // namespace
}  // namespace weir::cache
