#include "balancer/least_requests.hpp"

#include <algorithm>

namespace weir::balancer {

namespace {

constexpr std::ptrdiff_t all_compared = 8;

// Requests under way with one more, for its weight.
struct load {
    std::int64_t requests;
    std::int64_t weight;
    bool operator==(const load& other) const { return requests * other.weight == other.requests * weight; }
    bool operator<(const load& other) const { return requests * other.weight < other.requests * weight; }
};

load load_with_one_more(const upstream& of, const candidate& c) {
    return {of.members[c.member].endpoint->in_flight() + 1, c.weight};
}

// Where a draw of `at`, less than the weight of all with a slot but `without`, falls.
std::size_t drawn(std::span<const candidate> among, std::int64_t at, std::size_t without) {
    std::size_t last = among.size();
    for (std::size_t i = 0; i < among.size(); ++i) {
        if (!among[i].has_slot || i == without) continue;
        last = i;
        at -= among[i].weight;
        if (at < 0) break;
    }
    return last;
}

}  // namespace

// The high half of Knuth's linear congruential generator.
std::uint64_t least_requests::below(std::uint64_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return ((state_ >> 32) * limit) >> 32;
}

std::optional<std::size_t> least_requests::pick(const upstream& of, std::span<const candidate> among) {
    const std::ptrdiff_t with_slot = std::ranges::count_if(among, &candidate::has_slot);
    if (with_slot == 0) return std::nullopt;
    return with_slot <= all_compared ? fewest(of, among) : better_of_two(of, among);
}

std::size_t least_requests::fewest(const upstream& of, std::span<const candidate> among) {
    std::size_t best = among.size();
    load least{};
    std::uint64_t equals = 0;
    for (std::size_t i = 0; i < among.size(); ++i) {
        if (!among[i].has_slot) continue;
        const load own = load_with_one_more(of, among[i]);
        if (best == among.size() || own < least) {
            best = i;
            least = own;
            equals = 1;
        } else if (own == least && below(++equals) == 0) {
            best = i;
        }
    }
    return best;
}

std::size_t least_requests::better_of_two(const upstream& of, std::span<const candidate> among) {
    std::int64_t total = 0;
    for (const candidate& c : among) total += c.has_slot ? c.weight : 0;
    const auto draw = [&](std::int64_t out_of) {
        return static_cast<std::int64_t>(below(static_cast<std::uint64_t>(out_of)));
    };
    const std::size_t one = drawn(among, draw(total), among.size());
    const std::size_t other = drawn(among, draw(total - among[one].weight), one);
    return load_with_one_more(of, among[other]) < load_with_one_more(of, among[one]) ? other : one;
}

}  // namespace weir::balancer
