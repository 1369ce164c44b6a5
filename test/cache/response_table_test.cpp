#include "cache/response_table.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>

namespace weir::cache {
namespace {

std::vector<const stored_response*> with_id(const response_table& table, std::uint32_t id) {
    std::vector<const stored_response*> found;
    for (const stored_response* r = table.chain(id); r; r = r->next) {
        if (r->id == id) found.push_back(r);
    }
    return found;
}

std::size_t count_all(const response_table& table) {
    std::size_t count = 0;
    for (std::size_t place = 0; place < table.size(); ++place) {
        for (const stored_response* r = table.chain_at(place); r; r = r->next) ++count;
    }
    return count;
}

TEST_CASE("responses of one id stay in the order they came", "[cache][response_table]") {
    response_table table;
    std::minstd_rand random(7);
    std::vector<std::vector<new_response_ptr>> by_id(40);
    CHECK(table.chain(5) == nullptr);
    for (int i = 0; i < 500; ++i) {
        auto& same = by_id[random() % by_id.size()];
        same.push_back(make_response({}));
        same.back()->id = static_cast<std::uint32_t>(&same - by_id.data()) * 0x9e3779b9;
        table.insert(*same.back());
    }
    for (auto& same : by_id) {
        if (same.size() > 2) {
            table.remove(*same[1]);
            same.erase(same.begin() + 1);
        }
        const auto found = with_id(table, same.front()->id);
        CHECK(std::equal(found.begin(), found.end(), same.begin(), same.end(),
                         [](const stored_response* a, const new_response_ptr& b) { return a == b.get(); }));
    }
}

TEST_CASE("a table grows by one chain, and shrinks when told", "[cache][response_table]") {
    response_table table;
    std::minstd_rand random(11);
    std::vector<new_response_ptr> all;
    for (std::size_t i = 0; i < 300; ++i) {
        all.push_back(make_response({}));
        all.back()->id = static_cast<std::uint32_t>(random());
        table.insert(*all.back());
        CHECK(table.size() == all.size());
        CHECK(count_all(table) == all.size());
    }
    while (!all.empty()) {
        table.remove(*all.back());
        all.pop_back();
        if (all.size() % 37 == 0) {
            table.fit();
            CHECK(table.size() == all.size());
            CHECK(table.memory_bytes() == all.size() * sizeof(void*));
        }
        CHECK(count_all(table) == all.size());
        for (const new_response_ptr& r : all) REQUIRE(with_id(table, r->id).size() == 1);
    }
}

// What a pass over the chains relies on.
TEST_CASE("a response moves to higher places only", "[cache][response_table]") {
    response_table table;
    std::minstd_rand random(13);
    std::vector<new_response_ptr> all;
    std::set<const stored_response*> seen;
    for (std::size_t i = 0; i < 100; ++i) {
        all.push_back(make_response({}));
        all.back()->id = static_cast<std::uint32_t>(random());
        table.insert(*all.back());
    }
    const std::size_t at_first = all.size();
    for (std::size_t place = 0; place < table.size(); ++place) {
        for (const stored_response* r = table.chain_at(place); r; r = r->next) seen.insert(r);
        if (all.size() == 400) continue;
        for (int i = 0; i < 3; ++i) {
            all.push_back(make_response({}));
            all.back()->id = static_cast<std::uint32_t>(random());
            table.insert(*all.back());
        }
    }
    for (std::size_t i = 0; i < at_first; ++i) CHECK(seen.count(all[i].get()) == 1);
}

}  // namespace
}  // namespace weir::cache
