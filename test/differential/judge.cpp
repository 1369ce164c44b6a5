#include "test/differential/judge.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace weir::differential {
namespace {

// What ages in whole seconds may hide, and a moment for the way.
constexpr std::chrono::milliseconds slack{2000};

std::size_t number_at(std::string_view text, std::size_t at) {
    std::size_t value = SIZE_MAX;
    if (at < text.size()) std::from_chars(text.data() + at, text.data() + text.size(), value);
    return value;
}

// The bytes around the first difference.
std::string difference(const std::string& got, const std::string& wanted) {
    const auto at = static_cast<std::size_t>(std::mismatch(got.begin(), got.end(), wanted.begin(), wanted.end()).first -
                                             got.begin());
    const auto show = [at](const std::string& from) {
        std::string shown;
        for (const char c : from.substr(0, 200) + " ... " + from.substr(std::min(at, from.size()), 40))
            shown += c >= ' ' && c <= '~' ? c : '.';
        return shown;
    };
    return "content is wrong from byte " + std::to_string(at) + " on, of " + std::to_string(got.size()) +
           " bytes:\n  " + show(got) + "\ninstead of " + std::to_string(wanted.size()) + ":\n  " + show(wanted);
}

struct content_range {
    std::size_t first, last, total;
    friend bool operator<(const content_range& a, const content_range& b) { return a.first < b.first; }
};

std::optional<content_range> read_content_range(std::string_view text) {
    if (!text.starts_with("bytes ")) return std::nullopt;
    const content_range read{number_at(text, 6), number_at(text, text.find('-') + 1),
                             number_at(text, text.find('/') + 1)};
    if (text.find('-') == text.npos || read.last == SIZE_MAX || read.first > read.last || read.last >= read.total)
        return std::nullopt;
    return read;
}

// What the client asked for, of a content of this size.
std::vector<content_range> satisfiable(const request& asked, std::size_t size) {
    std::vector<content_range> found;
    for (const byte_range& one : asked.ranges) {
        const std::size_t first = one.first ? *one.first : size - std::min(size, *one.last);
        const std::size_t last = one.first ? one.last.value_or(SIZE_MAX) : size;
        if (first < size) found.push_back({first, std::min(last, size - 1), size});
    }
    return found;
}

class judgement {
  public:
    judgement(const request& asked, const before& then, const message& got, read_end end, site& has, tally& count)
        : asked_(asked), of_(*asked.of), then_(then), got_(got), end_(end), site_(has), count_(count) {}

    std::string run();

  private:
    std::string judge_failure();
    std::string judge_version(unsigned version);
    std::string judge_not_modified();
    std::string judge_unsatisfiable();
    std::string judge_line(const seen_line& seen);
    std::string judge_content(const rendition& given);
    std::string judge_part(const std::string& whole);
    std::string judge_parts(const std::string& whole);
    std::string judge_fields();
    void note_needless(unsigned version);

    const request& asked_;
    const page& of_;
    const before& then_;
    const message& got_;
    const read_end end_;
    site& site_;
    tally& count_;
};

void count_outcome(const message& got, tally& count) {
    const std::string status = got.value("cache-status");
    if (status.find("; hit") != status.npos) ++count.hits;
    if (status.find("detail=memcached") != status.npos) ++count.from_memcached;
    if (status.find("ttl=-") != status.npos) ++count.stale;
    if (status.find("; collapsed") != status.npos) ++count.collapsed;
}

std::string judgement::run() {
    if (end_ == read_end::closed || end_ == read_end::late || end_ == read_end::garbled)
        return "no answer: " + std::string(text(end_));
    count_outcome(got_, count_);
    if (end_ == read_end::cut) {
        ++count_.cut;
        if (of_.what != kind::cut) return "cut, of a page that its origin does not cut";
    }
    if (auto fault = judge_fields(); !fault.empty()) return fault;
    if (got_.status >= 502 && got_.status <= 504 && !got_.has("x-model")) return judge_failure();
    if (got_.status == 304) return judge_not_modified();
    if (got_.status == 416) return judge_unsatisfiable();
    const auto seen = read_line(got_.value("x-model"));
    if (!seen) return "an answer that the origin did not give";
    if (auto fault = judge_line(*seen); !fault.empty()) return fault;

    const bool made = !asked_.safe() || asked_.method == "OPTIONS" || seen->status == 500;
    const rendition given{of_, seen->version, seen->status, made ? "all" : choice(of_, seen->version, asked_.by),
                          seen->made_for};
    if (given.line() != got_.value("x-model")) return "not what was asked for; it should be\n  " + given.line();
    if (asked_.method == "HEAD") {
        const std::string length = got_.value("content-length");
        return length.empty() || length == std::to_string(given.size()) ? "" : "another length than its content";
    }
    note_needless(seen->version);
    return judge_content(given);
}

// What weir itself answers.
std::string judgement::judge_failure() {
    ++count_.errors;
    if (got_.status == 504 && asked_.only_if_cached) return "";
    const bool may_fail = of_.what == kind::sie || of_.what == kind::cut;
    return may_fail && got_.status == 502 ? "" : "an error where the origin has none";
}

std::string judgement::judge_version(unsigned version) {
    const auto last = site_.last_current(of_, version);
    if (!last) return "a version that is not there yet";
    if (version < then_.floor)
        return "version " + std::to_string(version) + ", though " + std::to_string(then_.floor) +
               " was made, and the old one invalidated or purged, before the request";
    if ((of_.what == kind::nocache || asked_.wants_current) && version < then_.current)
        return "version " + std::to_string(version) + " of what has to be validated, though " +
               std::to_string(then_.current) + " was current before the request";
    const auto old = std::chrono::duration_cast<std::chrono::milliseconds>(then_.sent - *last);
    if (old > std::chrono::seconds(of_.lifetime + of_.stale) + slack)
        return "version " + std::to_string(version) + ", which the origin gave last at least " +
               std::to_string(old.count()) + " ms before the request";
    return "";
}

std::string judgement::judge_line(const seen_line& seen) {
    const bool made = !asked_.safe() || asked_.method == "OPTIONS" || seen.status == 500;
    const audience who = made ? audience::me : audience_of(of_, asked_.by);
    const bool mine = seen.made_for == asked_.by.nonce;
    if (!mine && who == audience::me) return "made for " + seen.made_for + ", asked for by " + asked_.by.nonce;
    if (!mine && seen.made_for != "-") return "made for " + seen.made_for + ", asked for by " + asked_.by.nonce;
    if (mine && who == audience::anyone) return "made for one, though everybody gets the same";
    const bool part = got_.status == 206 && seen.status == 200 && !asked_.ranges.empty();
    if (!part && got_.status != seen.status) return "another status than its content says";
    return judge_version(seen.version);
}

// Fields that belong to one request.
std::string judgement::judge_fields() {
    const std::string cookie = got_.value("set-cookie");
    if (!cookie.empty() && cookie.find('=' + asked_.by.nonce + ';') == cookie.npos) return "another's Set-Cookie";
    const std::string user = got_.value("x-user");
    if (!user.empty() && user != asked_.by.nonce) return "another's X-User";
    return "";
}

std::string judgement::judge_not_modified() {
    ++count_.not_modified;
    if (asked_.if_none_match.empty() && !asked_.if_modified_since) return "304 without a condition";
    if (!asked_.safe()) return "304 to an unsafe method";
    const std::string tag = got_.value("etag");
    const bool any = !asked_.if_none_match.empty() && asked_.if_none_match.front() == "*";
    if (any && tag.empty()) {  // whatever there is, also without a validator
        const auto seen = read_line(got_.value("x-model"));
        if (!seen) return of_.has_etag ? "304 that does not say of what" : "";
        if (seen->made_for != "-" && seen->made_for != asked_.by.nonce) return "304 of what was made for another";
        return judge_version(seen->version);
    }
    if (audience_of(of_, asked_.by) == audience::me) return "304 for what has no validator";
    if (asked_.if_none_match.empty()) {
        if (*asked_.if_modified_since < then_.floor) return "304 by date, though it was changed before the request";
        return "";
    }
    const auto& list = asked_.if_none_match;
    if (tag.empty()) return "304 without an entity tag";
    const auto opaque = [](std::string_view one) { return one.starts_with("W/") ? one.substr(2) : one; };
    const bool listed = std::any_of(list.begin(), list.end(),
                                    [&](const auto& one) { return one == "*" || opaque(one) == opaque(tag); });
    if (!listed) return "304 with an entity tag that was not asked about";
    const auto version = static_cast<unsigned>(number_at(tag, tag.find('-') + 1));
    if (tag != etag_of(of_, version, choice(of_, version, asked_.by))) return "304 with the entity tag of another";
    return judge_version(version);
}

std::string judgement::judge_unsatisfiable() {
    ++count_.unsatisfiable;
    const std::string text = got_.value("content-range");
    if (asked_.ranges.empty()) return "416 without a range";
    if (!text.starts_with("bytes */")) return "416 without the length";
    const std::size_t size = number_at(text, 8);
    if (!satisfiable(asked_, size).empty()) return "416 for a range that is there";
    for (unsigned version = then_.floor; site_.last_current(of_, version); ++version) {
        if (size_of(of_, version) == size) return "";
    }
    return "416 with a length that no version has";
}

void judgement::note_needless(unsigned version) {
    if (asked_.if_none_match.empty() || got_.status != 200 || !got_.has("etag")) return;
    const std::string tag = etag_of(of_, version, choice(of_, version, asked_.by));
    if (std::count(asked_.if_none_match.begin(), asked_.if_none_match.end(), tag) > 0) ++count_.needless;
}

std::string judgement::judge_content(const rendition& given) {
    if (got_.status == 206) {
        // With If-Range the answer need not have the fields that it is compared with.
        const std::string tag = given.etag().starts_with("W/") ? "" : given.etag();
        if (asked_.if_range && *asked_.if_range != tag && *asked_.if_range != given.last_modified())
            return "206 though If-Range does not hold";
        const std::string whole = given.content();
        return got_.value("content-type").starts_with("multipart/byteranges") ? judge_parts(whole) : judge_part(whole);
    }
    ++count_.whole;
    const std::string whole = given.content();
    if (end_ == read_end::cut || asked_.leaves_after) {
        const auto part = whole.substr(0, got_.content.size());
        return got_.content == part ? "" : difference(got_.content, part);
    }
    return got_.content == whole ? "" : difference(got_.content, whole);
}

std::string judgement::judge_part(const std::string& whole) {
    ++count_.parts;
    const auto range = read_content_range(got_.value("content-range"));
    if (!range) return "206 without a range that can be read";
    const auto asked = satisfiable(asked_, whole.size());
    if (range->total != whole.size()) return "206 with another length than that of the whole";
    const bool wanted = std::any_of(asked.begin(), asked.end(), [&](const auto& one) {
        return one.first == range->first && one.last == range->last;
    });
    if (!wanted && asked.size() < 2) return "206 with another range than was asked for";
    std::string part = whole.substr(range->first, range->last - range->first + 1);
    if (end_ == read_end::cut || asked_.leaves_after) part.resize(std::min(part.size(), got_.content.size()));
    return got_.content == part ? "" : difference(got_.content, part);
}

std::string judgement::judge_parts(const std::string& whole) {
    ++count_.several_parts;
    if (end_ == read_end::cut || asked_.leaves_after) return "";
    const std::string type = got_.value("content-type");
    const auto at = type.find("boundary=");
    if (at == type.npos) return "multipart without a boundary";
    std::string boundary = type.substr(at + 9);
    std::erase(boundary, '"');
    std::set<content_range> given;
    std::string_view rest = got_.content;
    for (;;) {
        const auto begin = rest.find("--" + boundary);
        if (begin == rest.npos) return "multipart without its last boundary";
        rest.remove_prefix(begin + boundary.size() + 2);
        if (rest.starts_with("--")) break;
        const auto blank = rest.find("\r\n\r\n");
        const auto field = rest.find("ontent-Range: ");
        if (blank == rest.npos || field > blank) return "a part without a range";
        const auto range = read_content_range(rest.substr(field + 14, rest.find("\r\n", field) - field - 14));
        if (!range || range->total != whole.size()) return "a part with a wrong range";
        const auto wanted = std::string_view(whole).substr(range->first, range->last - range->first + 1);
        if (!rest.substr(blank + 4).starts_with(wanted)) return "a part with wrong bytes";
        rest.remove_prefix(blank + 4 + wanted.size());
        given.insert(*range);
    }
    for (const auto& one : satisfiable(asked_, whole.size())) {
        const bool covered = std::any_of(given.begin(), given.end(), [&](const auto& part) {
            return part.first <= one.first && part.last >= one.last;
        });
        if (!covered) return "multipart that lacks a range";
    }
    return "";
}

}  // namespace

void tally::add(const tally& other) {
    requests += other.requests;
    whole += other.whole;
    parts += other.parts;
    several_parts += other.several_parts;
    unsatisfiable += other.unsatisfiable;
    not_modified += other.not_modified;
    hits += other.hits;
    from_memcached += other.from_memcached;
    stale += other.stale;
    collapsed += other.collapsed;
    cut += other.cut;
    errors += other.errors;
    left += other.left;
    unsafe += other.unsafe;
    purges += other.purges;
    needless += other.needless;
}

std::string judge(const request& asked, const before& then, const message& got, read_end end, site& has, tally& count) {
    return judgement(asked, then, got, end, has, count).run();
}

}  // namespace weir::differential
