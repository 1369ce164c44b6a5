#include "cache/response_table.hpp"

#include <algorithm>
#include <bit>

namespace weir::cache {

// By as many low bits as the highest place has; what would be above it is, without the highest of them, where it was
// before that place existed.
std::size_t response_table::place_of(std::uint32_t id) const {
    const std::size_t size = chains_.size();
    const std::size_t place = id & (std::bit_ceil(size) - 1);
    return place < size ? place : place - std::bit_floor(size);
}

void response_table::append(std::size_t place, stored_response* chain) {
    stored_response** end = &chains_[place];
    while (*end) end = &(*end)->next;
    *end = chain;
}

void response_table::grow() {
    const std::size_t place = chains_.size();
    chains_.push_back(nullptr);
    if (place == 0) return;
    stored_response** kept = &chains_[place - std::bit_floor(place)];
    stored_response** moved = &chains_[place];
    while (*kept) {
        if (place_of((*kept)->id) != place) {
            kept = &(*kept)->next;
            continue;
        }
        *moved = *kept;
        *kept = (*kept)->next;
        moved = &(*moved)->next;
        *moved = nullptr;
    }
}

void response_table::insert(stored_response& arriving) {
    if (responses_ >= chains_.size()) grow();
    ++responses_;
    arriving.next = nullptr;
    append(place_of(arriving.id), &arriving);
}

void response_table::remove(stored_response& leaving) {
    stored_response** link = &chains_[place_of(leaving.id)];
    while (*link != &leaving) link = &(*link)->next;
    *link = leaving.next;
    leaving.next = nullptr;
    --responses_;
}

void response_table::fit() {
    while (chains_.size() > std::max<std::size_t>(responses_, 1)) {
        stored_response* const last = chains_.back();
        chains_.pop_back();
        append(chains_.size() - std::bit_floor(chains_.size()), last);
    }
    if (responses_ == 0) chains_.clear();
    chains_.shrink_to_fit();
}

}  // namespace weir::cache
