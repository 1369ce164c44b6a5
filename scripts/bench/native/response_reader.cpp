#include "response_reader.hpp"

#include <strings.h>

#include <charconv>
#include <utility>

namespace bench {

namespace {

constexpr std::size_t longest_line = 32 * 1024;

bool same(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

template <class Number>
bool parse(std::string_view text, Number& to, int base = 10) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to, base);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

void response_reader::start(expectation expected) {
    *this = response_reader();
    expected_ = std::move(expected);
}

std::optional<std::string_view> response_reader::line(std::string_view& input) {
    const std::size_t end = input.find('\n');
    if (end == input.npos) {
        unread_ += input;
        input = {};
        if (unread_.size() > longest_line) at_ = place::bad;
        return std::nullopt;
    }
    taken_line_ = std::exchange(unread_, {});
    taken_line_ += input.substr(0, end);
    input.remove_prefix(end + 1);
    if (taken_line_.empty() || taken_line_.back() != '\r') {
        at_ = place::bad;
        return std::nullopt;
    }
    taken_line_.pop_back();
    return taken_line_;
}

void response_reader::feed(std::string_view input) {
    begun_ = begun_ || !input.empty();
    while (!input.empty() && at_ != place::bad) {
        if (at_ == place::done) {
            at_ = place::bad;  // more than there should be
        } else if (at_ == place::length || at_ == place::chunk || at_ == place::until_close) {
            const auto part = at_ == place::until_close ? input : input.substr(0, left_);
            take(part);
            input.remove_prefix(part.size());
            if (at_ == place::until_close) continue;
            left_ -= part.size();
            if (left_ == 0) at_ = at_ == place::length ? place::done : place::chunk_end;
        } else if (const auto text = line(input)) {
            read_line(*text);
        }
    }
}

void response_reader::end() {
    if (at_ == place::until_close) at_ = place::done;
    keep_ = false;
}

void response_reader::take(std::string_view part) {
    if (expected_.anything) {
        if (expected_.kept) expected_.kept->append(part);
    } else if (status_ == 200 && !mismatch_) {
        if (content_bytes_ + part.size() > expected_size())
            mismatch_ = true;
        else if (!expected_.literal.empty())
            mismatch_ = expected_.literal.compare(content_bytes_, part.size(), part) != 0;
        else
            mismatch_ = !expected_.made_of.matches(content_bytes_, part);
    }
    content_bytes_ += part.size();
}

void response_reader::read_line(std::string_view text) {
    switch (at_) {
        case place::head:
            read_head(text);
            break;
        case place::chunk_size:
            if (!parse(text.substr(0, text.find(';')), left_, 16))
                at_ = place::bad;
            else
                at_ = left_ == 0 ? place::trailers : place::chunk;
            break;
        case place::chunk_end:
            at_ = text.empty() ? place::chunk_size : place::bad;
            break;
        default:  // trailers
            if (text.empty()) at_ = place::done;
    }
}

void response_reader::read_head(std::string_view text) {
    if (status_ == 0) {
        if (!text.starts_with("HTTP/1.") || text.size() < 12 || !parse(text.substr(9, 3), status_)) at_ = place::bad;
        keep_ = !text.starts_with("HTTP/1.0");
        return;
    }
    if (!text.empty()) {
        const std::size_t colon = text.find(':');
        if (colon == text.npos) {
            at_ = place::bad;
            return;
        }
        const std::string_view name = text.substr(0, colon);
        text.remove_prefix(colon + 1);
        while (text.starts_with(' ')) text.remove_prefix(1);
        read_field(name, text);
        return;
    }
    if (status_ < 200)
        status_ = 0;  // an interim response; the next one follows
    else if (chunked_)
        at_ = place::chunk_size;
    else if (has_length_)
        at_ = left_ == 0 ? place::done : place::length;
    else if (status_ == 204 || status_ == 304)
        at_ = place::done;
    else
        at_ = place::until_close;
}

void response_reader::read_field(std::string_view name, std::string_view value) {
    if (same(name, "content-length")) {
        has_length_ = true;
        if (!parse(value, left_)) at_ = place::bad;
    } else if (same(name, "transfer-encoding")) {
        chunked_ = same(value, "chunked");
    } else if (same(name, "connection") && same(value, "close")) {
        keep_ = false;
    } else if (same(name, "connection") && same(value, "keep-alive")) {
        keep_ = true;
    } else if (same(name, "set-cookie")) {
        cookies_.emplace_back(value);
    } else if (same(name, "retry-after")) {
        retry_after_ = true;
    }
}

}  // namespace bench
