#include "url.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace bench {

namespace {

constexpr std::string_view scheme = "http://";

// Quotes and backslashes are none of a target's either, so that a URL can be printed as JSON as it is.
bool sendable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

std::string without_dot_segments(std::string_view path) {
    std::vector<std::string_view> kept;
    bool folder = false;  // the path ends in one
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::string_view segment = path.substr(0, path.find('/'));
        path.remove_prefix(segment.size());
        folder = segment == "." || segment == "..";
        if (segment == ".." && !kept.empty()) kept.pop_back();
        if (!folder) kept.push_back(segment);
    }
    std::string out;
    for (const auto segment : kept) out.append("/").append(segment);
    return folder || out.empty() ? out + "/" : out;
}

}  // namespace

std::optional<url> parse_url(std::string_view text) {
    text = text.substr(0, text.find('#'));
    if (!text.starts_with(scheme) || !sendable(text)) return std::nullopt;
    text.remove_prefix(scheme.size());
    const std::string_view host = text.substr(0, text.find_first_of("/?"));
    std::string target(text.substr(host.size()));
    if (!target.starts_with('/')) target.insert(0, "/");
    const std::string_view name = host.substr(0, host.find(':'));
    if (name != "127.0.0.1" && name != "localhost") return std::nullopt;
    std::uint16_t port = 80;
    if (name.size() < host.size()) {
        const auto [end, error] = std::from_chars(host.data() + name.size() + 1, host.data() + host.size(), port);
        if (error != std::errc{} || end != host.data() + host.size() || port == 0) return std::nullopt;
    }
    return url{std::string(host), port, std::move(target)};
}

std::optional<url> resolve(const url& base, std::string_view reference) {
    reference = reference.substr(0, reference.find('#'));
    const std::string_view path = std::string_view(base.target).substr(0, base.target.find('?'));
    std::string whole(reference);
    if (reference.empty()) return std::nullopt;
    if (reference.starts_with("//"))
        whole = "http:" + whole;
    else if (reference.starts_with('/'))
        whole = "http://" + base.host + whole;
    else if (reference.starts_with('?'))
        whole = "http://" + base.host + std::string(path) + whole;
    else if (reference.substr(0, reference.find_first_of("/?")).find(':') == reference.npos)
        whole = "http://" + base.host + std::string(path.substr(0, path.rfind('/') + 1)) + whole;
    auto found = parse_url(whole);
    if (!found || found->host != base.host) return std::nullopt;
    const std::size_t query = std::min(found->target.find('?'), found->target.size());
    found->target = without_dot_segments(found->target.substr(0, query)) + found->target.substr(query);
    return found;
}

}  // namespace bench
