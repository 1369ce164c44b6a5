#include "test/cache/random_response.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "test/cache/heads.hpp"

namespace weir::test {

namespace {

bool same_field(http::field_view a, http::field_view b) {
    return a.id == b.id && a.name == b.name && a.value == b.value;
}

bool same_fields(const cache::stored_fields& a, const cache::stored_fields& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_field);
}

bool same_vary(const cache::vary_view& a, const cache::vary_view& b) {
    return a.name == b.name && a.value == b.value && a.id == b.id;
}

bool lies_in(std::string_view part, std::string_view whole) {
    const std::less_equal<const char*> not_after;
    return not_after(whole.data(), part.data()) && not_after(part.data() + part.size(), whole.data() + whole.size());
}

bool points_into_head(const cache::stored_response& response) {
    const bool fields_do = std::all_of(response.fields.begin(), response.fields.end(), [&](http::field_view field) {
        return lies_in(field.name, response.head) && lies_in(field.value, response.head);
    });
    return fields_do && (response.etag.empty() || lies_in(response.etag, response.head));
}

}  // namespace

std::string random_responses::word(std::size_t longest) {
    std::string text(1 + below(longest), 'a');
    for (char& c : text) c = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"[below(63)];
    return text;
}

std::string random_responses::value(std::size_t longest) {
    std::string text(below(longest), 'a');
    for (char& c : text) {
        c = static_cast<char>(' ' + below(256 - ' '));
        if (c == 0x7f) c = '\t';
    }
    const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_space(text.front())) text.erase(0, 1);
    while (!text.empty() && is_space(text.back())) text.pop_back();
    return text;
}

std::string random_responses::response_fields() {
    const std::array<std::string, 22> known = {
        "Cache-Control: max-age=" + std::to_string(random_() % 100'000),
        "Cache-Control: s-maxage=5, stale-while-revalidate=60, stale-if-error=600",
        "Cache-Control: private=\"x-user, set-cookie\", no-cache=\"x-token\", immutable",
        "Cache-Control: public, must-revalidate, proxy-revalidate, no-transform, must-understand",
        "CDN-Cache-Control: max-age=7",
        "Age: " + std::to_string(random_() % 5'000'000'000),
        "Date: " + http_date(std::chrono::seconds(below(1000)) - std::chrono::seconds(500)),
        "Date: Mon, 06 Nov 0001 08:49:37 GMT",
        "Date: soon",
        "Last-Modified: " + http_date(-std::chrono::seconds(below(100'000))),
        "Last-Modified: never",
        "ETag: \"" + word(20) + "\"",
        "ETag: W/\"" + word(20) + "\"",
        "Vary: Accept-Encoding, " + word(10),
        "Vary: Cookie",
        "Surrogate-Key: " + word(8) + " " + word(8) + " " + word(8),
        "Cache-Groups: \"" + word(8) + "\"",
        "X-User: " + word(8),
        "Connection: X-Hop",
        "Set-Cookie: a=" + word(30),
        "Expires: 0",
        "Content-Type: text/html",
    };
    std::string fields;
    const auto add = [&fields](const std::string& line) { fields.append(fields.empty() ? "" : "\n").append(line); };
    for (std::size_t n = below(8); n > 0; --n) add(known[below(known.size())]);
    for (std::size_t n = below(5); n > 0; --n) add("X-" + word(30) + ": " + value(chance(5) ? 4000 : 60));
    return fields;
}

std::string random_responses::request_fields() {
    std::string fields = "Accept: */*";
    if (chance(50)) fields += "\nAccept-Encoding: gzip , br";
    if (chance(50)) fields += "\nCookie: " + word(40) + "=" + word(40);
    if (chance(20)) fields += "\nAccept-Encoding:";
    return fields;
}

std::vector<http::block_ptr> random_responses::content(std::size_t& bytes) {
    std::vector<http::block_ptr> blocks;
    bytes = 0;
    for (std::size_t n = below(4); n > 0; --n) {
        const auto capacity = static_cast<std::uint32_t>(1 + below(chance(10) ? 40'000 : 400));
        http::block_ptr block = http::block::make(capacity, nullptr);
        const auto size = static_cast<std::uint32_t>(1 + below(capacity));
        std::generate(block->data(), block->data() + size, [this] { return static_cast<char>(random_()); });
        block->grow(size);
        bytes += size;
        blocks.push_back(std::move(block));
    }
    return blocks;
}

cache::response_ptr random_responses::next() {
    constexpr std::array<int, 8> statuses = {200, 200, 200, 203, 301, 404, 204, 599};
    const int status = statuses[below(statuses.size())];
    const request asked(request_fields());
    const response answer(response_fields(), status, chance(20) ? value(20) : "OK");
    std::size_t bytes = 0;
    std::vector<http::block_ptr> blocks;
    if (status != 204) blocks = content(bytes);
    const std::vector<std::string> tag_fields = {"Surrogate-Key"};
    std::vector<conf::header_rule> rules;
    if (chance(20)) rules = {{"X-Rule", value(30)}, {"Date", std::nullopt}, {"ETag", "\"" + word(9) + "\""}};

    const std::string key = "https://example.org/" + word(chance(5) ? 3000 : 80) + (chance(10) ? "\nX-A: b\\n" : "");
    cache::response_to_store from{.key = key, .request = {asked.fields()}, .response = answer.head()};
    if (chance(30)) from.request.personal = chance(50);
    from.response_time = at(std::chrono::milliseconds(random_() % 100'000'000));
    from.request_time = from.response_time - std::chrono::milliseconds(random_() % 5000);
    from.freshness_lifetime = std::chrono::seconds(random_() % 5'000'000'000);
    from.fill_number = random_();
    from.tag_fields = tag_fields;
    cache::response_ptr stored;
    if (chance(50)) {
        from.content = blocks;
        from.content_bytes = bytes;
        stored = cache::make_stored_response(from, rules);
    } else {
        stored = cache::complete_response(*cache::make_stored_response(from, rules), blocks, bytes);
    }
    stored->use.soft_purged = chance(20);
    return stored;
}

bool same_response(const cache::stored_response& a, const cache::stored_response& b) {
    const bool same_times = a.request_time() == b.request_time() && a.response_time == b.response_time &&
                            a.date == b.date && a.corrected_initial_age == b.corrected_initial_age &&
                            a.freshness_lifetime == b.freshness_lifetime && a.last_modified == b.last_modified;
    const bool same_choice = a.key == b.key && a.whole_control() == b.whole_control() &&
                             std::ranges::equal(a.tags, b.tags) && a.etag == b.etag &&
                             std::equal(a.vary.begin(), a.vary.end(), b.vary.begin(), b.vary.end(), same_vary);
    const bool same_message = a.status == b.status && a.head == b.head && same_fields(a.fields, b.fields) &&
                              a.content_bytes == b.content_bytes && whole_content(a) == whole_content(b);
    return same_times && same_choice && same_message && a.use.soft_purged == b.use.soft_purged && points_into_head(a) &&
           points_into_head(b);
}

}  // namespace weir::test
