#include "cache/cookies.hpp"

#include <algorithm>

namespace weir::cache {

namespace {

// Latin-1's next line and no-break space besides: Python strips them too.
constexpr std::string_view blanks = " \t\x85\xa0";
constexpr std::string_view separators = ";,\" \t\x85\xa0";

std::string_view skip_blanks(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text;
}

}  // namespace

std::optional<std::string_view> cookie_reader::next() {
    for (;;) {
        if (const auto value = next_in_line()) return value;
        while (index_ < fields_.size() && fields_[index_].id != http::field_id::cookie) ++index_;
        if (index_ == fields_.size()) return std::nullopt;
        line_ = fields_[index_++].value;
    }
}

std::optional<std::string_view> cookie_reader::next_in_line() {
    while (!line_.empty()) {
        const bool is_named = line_.starts_with(name_);
        const std::string_view rest = is_named ? skip_blanks(line_.substr(name_.size())) : std::string_view();
        line_.remove_prefix(std::min(line_.find_first_of(separators), line_.size() - 1) + 1);
        if (!rest.starts_with('=')) continue;
        std::string_view value = skip_blanks(rest.substr(1));
        value = value.substr(0, value.find(';'));
        return value.substr(0, value.find_last_not_of(blanks) + 1);
    }
    return std::nullopt;
}

}  // namespace weir::cache
