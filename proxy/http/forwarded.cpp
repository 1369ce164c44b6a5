#include "proxy/http/forwarded.hpp"

#include <charconv>
#include <vector>

#include "proxy/http/fields.hpp"
#include "proxy/http/framing.hpp"
#include "proxy/http/target.hpp"

namespace weir::http {

namespace {

using boost::asio::ip::address;

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// What a dual-stack listener reports of an IPv4 peer, as IPv4; without a scope, which means something on one machine
// only.
address plain(const address& a) {
    if (!a.is_v6()) return a;
    if (a.to_v6().is_v4_mapped()) return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, a.to_v6());
    return boost::asio::ip::address_v6(a.to_v6().to_bytes());
}

bool is_port(std::string_view text) {
    return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:80. Nothing for names, `unknown` and obfuscated
// identifiers.
std::optional<address> parse_node(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return {};
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return {};
        text = text.substr(1, close - 1);
        if (text.find(':') == std::string_view::npos) return {};
    } else if (const std::size_t colon = text.find(':'); colon != text.npos && text.rfind(':') == colon) {
        if (!is_port(text.substr(colon + 1))) return {};
        text = text.substr(0, colon);
    }
    if (text.find('%') != std::string_view::npos) return {};
    boost::system::error_code failure;
    const address result = boost::asio::ip::make_address(text, failure);
    if (failure) return {};
    return plain(result);
}

// Takes `token "=" ( token / quoted-string )` from the front of `text`; false where there is none. A backslash in a
// quoted string is refused: no address, scheme or host needs one.
bool take_pair(std::string_view& text, std::string_view& name, std::string_view& value) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return false;
    name = text.substr(0, equals);
    text.remove_prefix(equals + 1);
    if (text.starts_with('"')) {
        const std::size_t close = text.find('"', 1);
        if (close == std::string_view::npos) return false;
        value = text.substr(1, close - 1);
        text.remove_prefix(close + 1);
        return valid_field_name(name) && value.find('\\') == std::string_view::npos;
    }
    value = text.substr(0, text.find_first_of("; \t"));
    text.remove_prefix(value.size());
    return valid_field_name(name) && valid_field_name(value);
}

// One element of Forwarded (RFC 7239 section 4).
struct forwarded_element {
    std::string_view node;  // of for=
    std::string_view proto;
    std::string_view host;
};

std::optional<forwarded_element> parse_element(std::string_view text) {
    forwarded_element result;
    while (!text.empty()) {
        std::string_view name, value;
        if (!take_pair(text, name, value)) return {};
        if (iequals(name, "for")) result.node = value;
        if (iequals(name, "proto")) result.proto = value;
        if (iequals(name, "host")) result.host = value;
        text = trimmed(text);
        if (text.empty()) break;
        if (text.front() != ';') return {};
        text = trimmed(text.substr(1));
    }
    return result;
}

// The last element of the last `name` line: what the nearest proxy said.
std::string_view last_element(const field_list& fields, std::string_view name) {
    for (std::size_t i = fields.size(); i-- > 0;) {
        const field_view field = fields[i];
        if (iequals(field.name, name)) return trimmed(field.value.substr(field.value.rfind(',') + 1));
    }
    return {};
}

void believe_scheme(std::string_view proto, forwarded_client& client) {
    if (iequals(proto, "http")) client.scheme = "http";
    if (iequals(proto, "https")) client.scheme = "https";
}

void believe_host(std::string_view host, forwarded_client& client) {
    if (valid_host(host)) client.host = host;
}

// One hop back, to the address that a trusted hop named; false where the walk ends.
bool step_back(std::string_view node, const trust& trusted, forwarded_client& client) {
    const std::optional<address> next = parse_node(node);
    if (!next) return false;
    client.address = *next;
    return trusted(*next);
}

// X-Forwarded-For knows no quoting: a quotation mark that a client put there must not hide what a proxy appended.
void walk_x_forwarded_for(const field_list& fields, const trust& trusted, forwarded_client& client) {
    for (std::size_t i = fields.size(); i-- > 0;) {
        const field_view field = fields[i];
        if (!iequals(field.name, "X-Forwarded-For")) continue;
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const std::size_t comma = rest.rfind(',');
            const std::string_view node = trimmed(rest.substr(comma + 1));
            if (!node.empty() && !step_back(node, trusted, client)) return;
            rest = rest.substr(0, comma == std::string_view::npos ? 0 : comma);
        }
    }
}

// Scheme and host come from the element that named the client: each proxy tells of the connection it accepted.
void walk_forwarded(const field_list& fields, const trust& trusted, forwarded_client& client) {
    std::vector<std::string_view> elements;
    for (const field_view field : fields) {
        if (field.id != field_id::forwarded) continue;
        any_element(field.value, [&elements](std::string_view text) {
            elements.push_back(text);
            return false;
        });
    }
    for (std::size_t i = elements.size(); i-- > 0;) {
        const std::optional<forwarded_element> element = parse_element(elements[i]);
        if (!element) return;
        believe_scheme(element->proto, client);
        believe_host(element->host, client);
        if (!step_back(element->node, trusted, client)) return;
    }
}

}  // namespace

forwarded_client resolve_client(const request_head& request, const address& peer, const trust& trusted) {
    forwarded_client client{.address = plain(peer), .scheme = "http", .host = request.host, .from_trusted = false};
    client.from_trusted = trusted && trusted(client.address);
    if (!client.from_trusted) return client;
    if (request.fields.has("X-Forwarded-For")) {
        walk_x_forwarded_for(request.fields, trusted, client);
    } else {
        walk_forwarded(request.fields, trusted, client);
    }
    believe_scheme(last_element(request.fields, "X-Forwarded-Proto"), client);
    believe_host(last_element(request.fields, "X-Forwarded-Host"), client);
    return client;
}

namespace {

// Asio's own text of an IPv4 address goes through sprintf, which is a tenth of what forwarding a request costs.
std::string text_of(const address& a) {
    if (!a.is_v4()) return a.to_string();
    char text[16];
    char* end = text;
    for (const unsigned char byte : a.to_v4().to_bytes()) {
        if (end != text) *end++ = '.';
        end = std::to_chars(end, text + sizeof text, byte).ptr;
    }
    return {text, end};
}

}  // namespace

void append_forwarded(const forwarded_client& client, std::string& out) {
    const bool known = !client.address.is_unspecified();
    const std::string node = known ? text_of(plain(client.address)) : "unknown";
    // An application parses X-Forwarded-For as an address, so one that is not known is left out.
    if (known) append_field("X-Forwarded-For", node, out);
    append_field("X-Forwarded-Proto", client.scheme, out);
    if (!client.host.empty()) append_field("X-Forwarded-Host", client.host, out);
    out += "Forwarded: for=";
    const bool v6 = node.find(':') != std::string::npos;
    out += v6 ? "\"[" : "";
    out += node;
    out += v6 ? "]\"" : "";
    if (!client.host.empty()) {
        const bool token = valid_field_name(client.host);
        out += ";host=";
        out += token ? "" : "\"";
        out += client.host;
        out += token ? "" : "\"";
    }
    out += ";proto=";
    out += client.scheme;
    out += "\r\n";
}

}  // namespace weir::http
