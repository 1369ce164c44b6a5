#include "proxy/http/target.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace weir::http {

namespace {

constexpr std::string_view alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

// What a byte may be part of (RFC 3986 appendix A).
enum : unsigned char { unreserved = 1, in_reg_name = 2, in_target = 4, in_query = 8 };

constexpr std::array<unsigned char, 256> kinds = [] {
    std::array<unsigned char, 256> table{};
    const auto mark = [&table](std::string_view characters, unsigned kind) {
        for (const char c : characters) table[static_cast<unsigned char>(c)] |= static_cast<unsigned char>(kind);
    };
    mark(alphanumeric, unreserved | in_reg_name | in_target);
    mark("-._~", unreserved | in_reg_name | in_target);
    // A comma is legal in a host too, but who reads X-Forwarded-Host sees a list in it.
    mark("!$&'()*+;=", in_reg_name | in_target);
    mark(",", in_target);
    // '[' and ']' are not of RFC 3986, but every browser sends them as they are in queries.
    mark(":@/?%[]", in_target);
    // Nor are these, which browsers leave as they are behind the question mark (?family=A|B). No server reads a query
    // in two ways for them.
    mark("\\^`{|}", in_query);
    return table;
}();

bool is(char c, unsigned kind) {
    return kinds[static_cast<unsigned char>(c)] & kind;
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// The byte that a `%XX` at the start of `text` stands for, or -1.
int decoded(std::string_view text) {
    if (text.size() < 3) return -1;
    const int high = hex(text[1]), low = hex(text[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// Where the port's colon is in "host:port", "host" or "[v6]:port"; the size where there is none.
std::size_t port_colon(std::string_view host) {
    const std::size_t from = host.starts_with('[') ? host.find(']') : 0;
    return from == std::string_view::npos ? host.size() : std::min(host.find(':', from), host.size());
}

// *DIGIT, at most 65535 (RFC 3986 section 3.2.3).
bool valid_port(std::string_view port) {
    if (port.size() > 5) return false;
    unsigned n = 0;
    for (const char c : port) {
        if (c < '0' || c > '9') return false;
        n = n * 10 + static_cast<unsigned>(c - '0');
    }
    return n <= 65535;
}

bool valid_ipv6_literal(std::string_view literal) {
    if (literal.size() < 4 || literal.back() != ']') return false;
    const std::string_view address = literal.substr(1, literal.size() - 2);
    char text[INET6_ADDRSTRLEN] = {};
    if (address.size() >= sizeof text) return false;
    std::memcpy(text, address.data(), address.size());
    in6_addr parsed;
    return std::strlen(text) == address.size() && inet_pton(AF_INET6, text, &parsed) == 1;
}

// Builds the normalised path segment by segment, and watches for what would be a dot segment, or be taken away by one,
// if an application decoded %2F or %5C first.
class path_builder {
  public:
    explicit path_builder(std::string& out) : out_(out) {}

    void add(char c) { out_ += c; }
    void add_encoded_separator(std::string_view text) {
        end_part();
        out_ += text;
        part_ = out_.size();
    }
    // At a '/', or at the end of the path.
    void end_segment(bool last) {
        const std::string_view segment(out_.data() + segment_, out_.size() - segment_);
        if (segment == "." || segment == "..") {
            const bool up = segment.size() == 2;
            out_.resize(segment_);
            if (up && segment_ > 1) remove_one();
            segment_ = part_ = out_.size();
            return;
        }
        end_part();
        if (!last) {
            out_ += '/';
            segment_ = part_ = out_.size();
        }
    }
    void start() {
        out_ += '/';
        segment_ = part_ = 1;
    }
    bool ambiguous() const { return ambiguous_; }

  private:
    // A part lies between separators, encoded or not.
    void end_part() {
        const std::string_view part(out_.data() + part_, out_.size() - part_);
        if (part == "." || part == "..") ambiguous_ = true;
    }
    // Takes away the segment before the present, empty one.
    void remove_one() {
        const std::size_t slash = out_.rfind('/', segment_ - 2);
        const std::string_view segment(out_.data() + slash + 1, segment_ - slash - 2);
        if (segment.find("%2F") != segment.npos || segment.find("%5C") != segment.npos) ambiguous_ = true;
        out_.resize(slash + 1);
    }

    std::string& out_;
    std::size_t segment_ = 0;  // where the present one starts
    std::size_t part_ = 0;
    bool ambiguous_ = false;
};

}  // namespace

bool normalise_path(std::string_view target, std::string& out) {
    out.clear();
    std::string_view path = target.substr(0, target.find('?'));
    if (path == "*") {
        out = path;
        return true;
    }
    // What has neither an escape nor a segment that begins with a dot is normal as it is.
    if (path.starts_with('/') && path.find('%') == path.npos && path.find("/.") == path.npos) {
        out = path;
        return true;
    }
    path_builder builder(out);
    builder.start();
    if (path.starts_with('/')) path.remove_prefix(1);
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == '/') {
            builder.end_segment(false);
        } else if (path[i] != '%') {
            builder.add(path[i]);
        } else {
            const int byte = decoded(path.substr(i));
            if (byte < 0) return false;
            constexpr std::string_view digits = "0123456789ABCDEF";
            const char text[] = {'%', digits[static_cast<unsigned>(byte) >> 4], digits[byte & 15]};
            if (byte == '/' || byte == '\\') {
                builder.add_encoded_separator({text, 3});
            } else if (is(static_cast<char>(byte), unreserved)) {
                builder.add(static_cast<char>(byte));
            } else {
                out.append(text, 3);
            }
            i += 2;
        }
    }
    builder.end_segment(true);
    return !builder.ambiguous();
}

void append_normalised_host(std::string_view host, std::string_view scheme, std::string& out) {
    const std::size_t colon = port_colon(host);
    std::string_view name = host.substr(0, colon);
    if (name.ends_with('.')) name.remove_suffix(1);
    const std::size_t start = out.size();
    out.append(name);
    for (char* c = out.data() + start; c != out.data() + out.size(); ++c) *c = lower(*c);
    if (colon == host.size()) return;
    std::string_view port = host.substr(colon + 1);
    while (port.size() > 1 && port.front() == '0') port.remove_prefix(1);
    if (port.empty() || port == (scheme == "https" ? "443" : "80")) return;
    out += ':';
    out.append(port);
}

bool valid_host(std::string_view host) {
    if (host.starts_with('[')) {
        const std::size_t end = std::min(host.find(']'), host.size() - 1) + 1;
        if (end < host.size() && (host[end] != ':' || !valid_port(host.substr(end + 1)))) return false;
        return valid_ipv6_literal(host.substr(0, end));
    }
    char last = '.';
    std::size_t i = 0;
    for (; i < host.size() && host[i] != ':'; ++i) {
        if (host[i] == '%') {
            if (decoded(host.substr(i)) < 0) return false;
            i += 2;
        } else if (!is(host[i], in_reg_name)) {
            return false;
        }
        // An empty label names nothing, and "a.." would not be normalised to what it stands for.
        if (host[i] == '.' && last == '.') return false;
        last = host[i];
    }
    return i > 0 && (i == host.size() || valid_port(host.substr(i + 1)));
}

bool valid_origin_form(std::string_view target) {
    if (!target.starts_with('/')) return false;
    const auto query = std::find(target.begin(), target.end(), '?');
    return std::all_of(target.begin(), query, [](char c) { return is(c, in_target); }) &&
           std::all_of(query, target.end(), [](char c) { return is(c, in_target | in_query); });
}

}  // namespace weir::http
