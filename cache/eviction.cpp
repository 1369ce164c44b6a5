#include "cache/eviction.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace weir::cache {

namespace {

using item_list = boost::intrusive::list<eviction_order::item, boost::intrusive::constant_time_size<false>>;

class lru_order final : public eviction_order {
  public:
    void insert(item& arriving) override { items_.push_front(arriving); }
    void touch(item& used) noexcept override {
        if (&items_.front() != &used) items_.splice(items_.begin(), items_, items_.iterator_to(used));
    }
    void remove(item& leaving) noexcept override { items_.erase(items_.iterator_to(leaving)); }
    item* evict() override {
        if (items_.empty()) return nullptr;
        item& last = items_.back();
        items_.pop_back();
        return &last;
    }
    std::uint64_t memory_bytes() const override { return 0; }

  private:
    item_list items_;  // used last first
};

// Remembers the ids added last, about as many as asked for, by id and the time of its addition, counted in
// additions. A group of eight slots where all are taken forgets its oldest one early; that is rare while two thirds of
// the slots are in use at most.
class ghost_table {
  public:
    void add(std::uint32_t id, std::uint64_t wanted) {
        const bool is_large = slot_count() > 64 && wanted * 8 < slot_count();
        if (groups_.empty() || is_large || wanted * 3 > slot_count() * 2) resize(wanted);
        wanted_ = wanted;
        ++now_;
        place({id, now_});
    }
    // Whether it is there; it is no longer then.
    bool take(std::uint32_t id) {
        if (groups_.empty()) return false;
        for (slot& s : group_of(id)) {
            if (s.id != id || !is_alive(s)) continue;
            s = {};
            return true;
        }
        return false;
    }
    std::uint64_t memory_bytes() const { return groups_.capacity() * sizeof(group); }

  private:
    struct slot {
        std::uint32_t id = 0;
        std::uint32_t time = 0;  // 0: empty
    };
    using group = std::array<slot, 8>;  // a cache line

    std::uint64_t slot_count() const { return groups_.size() * std::tuple_size_v<group>; }
    group& group_of(std::uint32_t id) { return groups_[id & (groups_.size() - 1)]; }
    bool is_alive(const slot& s) const { return s.time != 0 && now_ - s.time < wanted_; }
    void place(const slot& arriving) {
        group& g = group_of(arriving.id);
        // Ages, not times, which go round after 2^32; an empty slot is as old as can be.
        const auto age = [&](const slot& s) { return s.time == 0 ? UINT32_MAX : now_ - s.time; };
        *std::max_element(g.begin(), g.end(), [&](const slot& a, const slot& b) { return age(a) < age(b); }) = arriving;
    }
    void resize(std::uint64_t wanted) {
        std::size_t groups = 1;
        while (groups * std::tuple_size_v<group> * 2 < wanted * 3) groups *= 2;
        const std::vector<group> old = std::exchange(groups_, std::vector<group>(groups));
        for (const group& g : old) {
            for (const slot& s : g) {
                if (is_alive(s)) place(s);
            }
        }
    }

    std::vector<group> groups_;  // a power of two of them, or none
    std::uint64_t wanted_ = 0;
    std::uint32_t now_ = 0;
};

}  // namespace

class s3fifo_order final : public eviction_order {
  public:
    void insert(item& arriving) override {
        arriving.uses_ = 0;
        if (ghosts_.take(arriving.id)) {
            enter_main(arriving);
        } else {
            arriving.in_main_ = false;
            small_.push_front(arriving);
            small_bytes_ += arriving.bytes;
        }
    }
    void touch(item& used) noexcept override {
        if (used.uses_ < max_uses) ++used.uses_;
    }
    void remove(item& leaving) noexcept override {
        (leaving.in_main_ ? main_ : small_).erase(item_list::s_iterator_to(leaving));
        (leaving.in_main_ ? main_bytes_ : small_bytes_) -= leaving.bytes;
        if (leaving.in_main_) --main_count_;
    }
    item* evict() override;
    std::uint64_t memory_bytes() const override { return ghosts_.memory_bytes(); }

  private:
    static constexpr std::uint8_t max_uses = 3;
    // So many are passed over at most for one that leaves, which bounds how long a shard is locked.
    static constexpr int max_passed_over = 1000;

    void enter_main(item& arriving) {
        arriving.in_main_ = true;
        arriving.uses_ = 0;
        main_.push_front(arriving);
        main_bytes_ += arriving.bytes;
        ++main_count_;
    }
    bool is_small_large() const { return small_bytes_ * 10 >= small_bytes_ + main_bytes_; }

    item_list small_;
    item_list main_;
    std::uint64_t small_bytes_ = 0;
    std::uint64_t main_bytes_ = 0;
    std::uint64_t main_count_ = 0;
    ghost_table ghosts_;
};

eviction_order::item* s3fifo_order::evict() {
    for (int passed_over = 0;; ++passed_over) {
        const bool is_patient = passed_over < max_passed_over;
        if (!small_.empty() && (main_.empty() || is_small_large())) {
            item& last = small_.back();
            remove(last);
            if (last.uses_ > 1 && is_patient) {
                enter_main(last);
                continue;
            }
            ghosts_.add(last.id, main_count_);
            return &last;
        }
        if (main_.empty()) return nullptr;
        item& last = main_.back();
        if (last.uses_ > 0 && is_patient) {
            --last.uses_;
            main_.splice(main_.begin(), main_, main_.iterator_to(last));
            continue;
        }
        remove(last);
        return &last;
    }
}

std::unique_ptr<eviction_order> make_eviction_order(conf::eviction_policy policy) {
    if (policy == conf::eviction_policy::s3fifo) return std::make_unique<s3fifo_order>();
    return std::make_unique<lru_order>();
}

}  // namespace weir::cache
