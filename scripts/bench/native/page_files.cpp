#include "page_files.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string_view>

namespace bench {

namespace {

constexpr std::string_view space = " \t\r\n\f";

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

// Takes what is before the first of `ends` from the front of `text`, or all of it.
std::string_view take_until(std::string_view& text, std::string_view ends) {
    const std::string_view part = text.substr(0, text.find_first_of(ends));
    text.remove_prefix(part.size());
    return part;
}

void skip_space(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(space), text.size()));
}

std::string_view take_value(std::string_view& text) {
    if (text.empty() || (text.front() != '"' && text.front() != '\'')) return take_until(text, " \t\r\n\f>");
    const std::string_view quote = text.substr(0, 1);
    text.remove_prefix(1);
    const auto value = take_until(text, quote);
    text.remove_prefix(std::min<std::size_t>(text.size(), 1));
    return value;
}

std::string unescaped(std::string_view value) {
    constexpr std::string_view ampersand = "&amp;";
    std::string out(value);
    for (std::size_t at = out.find(ampersand); at != out.npos; at = out.find(ampersand, at + 1))
        out.erase(at + 1, ampersand.size() - 1);
    return out;
}

// The attributes of a tag, from the front of `text` up to its '>'. Of those given twice the first counts.
std::map<std::string, std::string> take_attributes(std::string_view& text) {
    std::map<std::string, std::string> found;
    for (skip_space(text); !text.empty() && text.front() != '>'; skip_space(text)) {
        const auto name = take_until(text, "= \t\r\n\f/>");
        skip_space(text);
        std::string_view value;
        if (text.starts_with('=')) {
            text.remove_prefix(1);
            skip_space(text);
            value = take_value(text);
        } else if (name.empty()) {
            text.remove_prefix(1);  // a slash
        }
        found.emplace(lower(name), unescaped(value));
    }
    return found;
}

bool loaded(const std::string& relation) {
    const std::string kinds = lower(relation);
    return std::ranges::any_of(std::array{"stylesheet", "icon", "preload"},
                               [&](const char* kind) { return kinds.find(kind) != kinds.npos; });
}

}  // namespace

std::vector<url> files_of(const url& page, const std::string& html) {
    std::vector<url> files;
    std::string_view text = html;
    for (take_until(text, "<"); !text.empty(); take_until(text, "<")) {
        if (text.starts_with("<!--")) {
            text.remove_prefix(std::min(text.find("-->"), text.size()));
            continue;
        }
        text.remove_prefix(1);
        const std::string tag = lower(take_until(text, "<> \t\r\n\f/"));
        if (tag != "img" && tag != "script" && tag != "link") continue;
        auto attributes = take_attributes(text);
        if (tag == "link" && !loaded(attributes["rel"])) continue;
        const auto file = resolve(page, attributes[tag == "link" ? "href" : "src"]);
        if (file && std::ranges::find(files, *file) == files.end()) files.push_back(*file);
    }
    return files;
}

}  // namespace bench
