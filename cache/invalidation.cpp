#include "cache/invalidation.hpp"

#include <algorithm>
#include <optional>

#include "proxy/http/target.hpp"

namespace weir::cache {

namespace {

// The characters of a scheme up to the first colon (RFC 3986 section 3.1); empty where `reference` is relative.
std::string_view scheme_of(std::string_view reference) {
    const std::size_t colon = reference.find(':');
    if (colon == std::string_view::npos) return {};
    const std::string_view scheme = reference.substr(0, colon);
    const auto is_alpha = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto may_follow = [&](char c) {
        return is_alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    };
    const bool valid =
        !scheme.empty() && is_alpha(scheme.front()) && std::all_of(scheme.begin(), scheme.end(), may_follow);
    return valid ? scheme : std::string_view();
}

// RFC 3986 section 5.2.4, of a path that starts with a slash.
std::string without_dot_segments(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/', 1), path.size());
        const std::string_view segment = path.substr(0, end);
        path.remove_prefix(end);
        if (segment == "/." || segment == "/..") {
            if (segment.size() == 3) out.resize(out.empty() ? 0 : out.rfind('/'));
            if (path.empty()) out += '/';
        } else {
            out += segment;
        }
    }
    return out;
}

// The part of a reference after its authority, resolved against the target of the request (RFC 3986 section 5.2.2).
std::string resolve_target(std::string_view base, std::string_view reference, bool has_authority) {
    const std::size_t question = std::min(reference.find('?'), reference.size());
    const std::string_view path = reference.substr(0, question);
    const std::string_view query = reference.substr(question);
    const std::string_view base_path = base.substr(0, base.find('?'));
    if (path.empty() && !has_authority) {
        return std::string(base_path).append(query.empty() ? base.substr(base_path.size()) : query);
    }
    std::string whole;
    if (path.empty()) {
        whole = "/";
    } else if (path.front() != '/') {
        whole = base_path.substr(0, base_path.rfind('/') + 1);
    }
    whole += path;
    return without_dot_segments(whole).append(query);
}

std::optional<invalidated_uri> resolve(std::string_view scheme, const std::string& own_host, std::string_view target,
                                       std::string_view reference) {
    reference = reference.substr(0, reference.find('#'));
    if (reference.empty()) return std::nullopt;  // the target URI itself
    const std::string_view other = scheme_of(reference);
    if (!other.empty()) {
        if (!http::iequals(other, scheme)) return std::nullopt;
        reference.remove_prefix(other.size() + 1);
    }
    const bool has_authority = reference.starts_with("//");
    if (!other.empty() && !has_authority) return std::nullopt;
    if (has_authority) {
        reference.remove_prefix(2);
        const std::string_view authority = reference.substr(0, reference.find_first_of("/?"));
        if (!http::valid_host(authority)) return std::nullopt;
        std::string host;
        http::append_normalised_host(authority, scheme, host);
        if (host != own_host) return std::nullopt;
        reference.remove_prefix(authority.size());
    }
    invalidated_uri uri{own_host, resolve_target(target, reference, has_authority)};
    // What no request can ask for has no key.
    if (!http::valid_origin_form(uri.target)) return std::nullopt;
    return uri;
}

}  // namespace

bool invalidates(http::verb method, std::uint16_t status) {
    if (status < 200 || status >= 400 || http::is_safe(method)) return false;
    // Those of WebDAV that its RFCs call safe (4918, 3253, 5323).
    return method != http::verb::propfind && method != http::verb::report && method != http::verb::search;
}

std::vector<invalidated_uri> invalidated_uris(std::string_view scheme, std::string_view host, std::string_view target,
                                              const http::field_list& response) {
    std::string own_host;
    if (!host.empty()) http::append_normalised_host(host, scheme, own_host);
    if (!target.starts_with('/')) target = "/";
    std::vector<invalidated_uri> uris;
    for (const http::field_view field : response) {
        if (field.id != http::field_id::location && field.id != http::field_id::content_location) continue;
        std::optional<invalidated_uri> uri = resolve(scheme, own_host, target, field.value);
        if (uri && std::find(uris.begin(), uris.end(), *uri) == uris.end()) uris.push_back(std::move(*uri));
    }
    return uris;
}

}  // namespace weir::cache
