#include "cache/tags.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "test/cache/heads.hpp"

namespace weir::cache {
namespace {

const std::vector<std::string> tag_fields{"Surrogate-Key", "Cache-Tag", "xkey"};
constexpr const char* origin = "http://example.org";

std::vector<std::uint64_t> tags_in(std::string_view fields) {
    return tags_of(test::response(fields).fields(), tag_fields, origin);
}

std::vector<std::uint64_t> hashes(const std::vector<std::string>& tags, const std::vector<std::string>& groups = {}) {
    std::vector<std::uint64_t> expected;
    for (const std::string& tag : tags) expected.push_back(hash_tag(tag));
    for (const std::string& group : groups) expected.push_back(hash_group(origin, group));
    std::sort(expected.begin(), expected.end());
    return expected;
}

TEST_CASE("tags are the words of every tag field, over several lines", "[cache][tags]") {
    const auto [fields, words] = GENERATE(table<const char*, std::vector<std::string>>({
        {"", {}},
        {"Surrogate-Key: one", {"one"}},
        {"Surrogate-Key: one two", {"one", "two"}},
        {"Cache-Tag: one,two, three ,four", {"one", "two", "three", "four"}},
        {"xkey: one\nxkey: two", {"one", "two"}},
        {"XKEY: one\nsurrogate-key: two\ncache-tag: three", {"one", "two", "three"}},
        {"Surrogate-Key: one one\nxkey: one", {"one"}},
        {"Surrogate-Key: ,, ,", {}},
        {"Surrogate-Key: One one", {"One", "one"}},
        {"Surrogate-Key: a;b=\"c d\"", {"a;b=\"c", "d\""}},
        {"X-Tag: one", {}},
    }));
    CAPTURE(fields);
    CHECK(tags_in(fields) == hashes(words));
}

TEST_CASE("groups are a list of strings, and another origin has others", "[cache][tags][rfc9875-2]") {
    const auto [fields, groups] = GENERATE(table<const char*, std::vector<std::string>>({
        {"Cache-Groups: \"scripts\"", {"scripts"}},
        {"Cache-Groups: \"a b\", \"c\";x=1\nCache-Groups: \"d\"", {"a b", "c", "d"}},
        {"Cache-Groups: scripts", {}},
        {"Cache-Groups: \"a\", 1", {}},
        {"Cache-Groups: \"a", {}},
        {"Cache-Groups:", {}},
    }));
    CAPTURE(fields);
    CHECK(tags_in(fields) == hashes({}, groups));
    CHECK(hash_group(origin, "a") != hash_group("https://example.org", "a"));
    CHECK(hash_group(origin, "a") != hash_tag("a"));
}

TEST_CASE("a response with too many tags has the one that every purge of a tag hits", "[cache][tags][limits]") {
    std::string fields = "xkey: 0";
    for (std::size_t i = 1; i < max_tags; ++i) fields += " " + std::to_string(i);
    CHECK(tags_in(fields).size() == max_tags);
    CHECK(tags_in(fields + "\nCache-Groups: \"more\"") == std::vector<std::uint64_t>{any_tag});
}

TEST_CASE("the groups that a response invalidates", "[cache][tags][rfc9875-3]") {
    const auto groups = [](std::string_view fields) { return groups_to_invalidate(test::response(fields).fields()); };
    CHECK(groups("Cache-Group-Invalidation: \"a\", \"b\\\"c\"") == std::vector<std::string>{"a", "b\"c"});
    CHECK(groups("Cache-Group-Invalidation: a").empty());
    CHECK(groups("Cache-Groups: \"a\"").empty());
}

}  // namespace
}  // namespace weir::cache
